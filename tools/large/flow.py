"""``make full``, Part I's images: Fashion-MNIST by DDIM and by rectified flow.

The shape of DDIM's table 1 (arXiv:2010.02502): steps S by eta, one network for all; and rectified
flow's one, two and many Euler steps before and after a reflow (arXiv:2209.03003). The papers give
FID on CIFAR-10 and CelebA. Here it is the *feature Frechet* distance: the same formula, but in the
last hidden layer of a small classifier that is trained first. The two numbers cannot be compared;
how they change along a row and a column can.

Everything is kept under ``.cache/full`` and goes on from there when started again. The cost, an
estimate and no measurement: 3.5e15 operations, 20 minutes on a GPU that sustains 3e12 a second.
"""

from __future__ import annotations

import argparse
import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from helpers.data import images as data
from helpers.flows import ddpm, ode, rectified_flow
from helpers.flows.distances import frechet
from helpers.flows.unet import UNet, conv
from helpers.nets import mlp
from tools.build import book
from tools.large import rows as large

STEPS = (10, 20, 50, 100, 1000)
CIFAR = {  # FID, DDIM's table 1: by eta, in the order of STEPS
    0.0: (13.36, 6.84, 4.67, 4.16, 4.04),
    0.2: (14.04, 7.11, 4.77, 4.25, 4.09),
    0.5: (16.66, 8.35, 5.25, 4.46, 4.29),
    1.0: (41.07, 18.36, 8.01, 5.78, 4.73),
    "sigma-hat": (367.43, 133.37, 32.72, 9.99, 3.17),
}
CELEBA = {  # where the paper spaces the steps evenly, as here; for CIFAR-10 as squares
    0.0: (17.33, 13.73, 9.17, 6.53, 3.51),
    0.2: (17.66, 14.11, 9.51, 6.79, 3.64),
    0.5: (19.86, 16.06, 11.01, 8.09, 4.28),
    1.0: (33.12, 26.03, 18.48, 13.93, 5.98),
    "sigma-hat": (299.71, 183.83, 71.71, 45.20, 3.26),
}
ONE_STEP = {"before": 378, "after": 12.21}  # rectified flow's table 1 (a), CIFAR-10
SAVE_EVERY = 500  # training steps between savings
PART = 500  # images sampled at a time
Watch = Callable[[float], None]  # told how many evaluations of the U-Net were just made


@dataclass(frozen=True)
class Plan:
    """How much of everything is done."""

    widths: tuple[int, ...] = (24, 48, 96)
    batch: int = 128
    n_classifier: int = 3000  # training steps
    n_train: int = 9000  # of DDPM, and of the first rectified flow
    n_reflow: int = 4500  # training steps on that flow's own pairs
    n_pairs: int = 20_000
    n_samples: int = 1500
    n_many: int = 100  # Euler steps, for the pairs and for "many"

    def evaluations(self) -> int:
        """How many images go through the U-Net; three times for a step of training."""
        trained = 3 * self.batch * (2 * self.n_train + self.n_reflow)
        sampled = self.n_samples * (len(CIFAR) * sum(STEPS) + 2 * (3 + self.n_many))
        return trained + sampled + self.n_pairs * self.n_many


def rows() -> list[dict]:
    """What ``large.json`` shows of this run: its rows, not run yet."""
    ddim = "2. DDIM"
    flow = "5. Rectified flow"
    unit = "feature Frechet"
    listed = [
        (ddim, "classifier's accuracy", "", "of the test images"),
        (ddim, "floor: training images", "", unit),
    ]
    for eta, known in CIFAR.items():
        for n, cifar, celeba in zip(STEPS, known, CELEBA[eta], strict=True):
            reported = f"FID {cifar} on CIFAR-10, {celeba} on CelebA (DDIM, table 1)"
            listed.append((ddim, f"S = {n}, eta = {eta}", reported, unit))
    for when, fid in ONE_STEP.items():
        reported = f"FID {fid} on CIFAR-10 (rectified flow, table 1)"
        for words in ("1 step", "2 steps", "many steps"):
            one = words == "1 step"
            listed.append((flow, f"{words}, {when} reflow", reported if one else "", unit))
    names = ("chapter", "text", "reported", "unit")
    empty = {"data": "real"} | large.WAITING
    listed = [(c, f"Fashion-MNIST, {text}", *others) for c, text, *others in listed]
    return [dict(zip(names, row, strict=True)) | empty for row in listed]


class Classifier(nn.Module):
    """Images (B, 1, H, W) to scores of 10 classes; ``features`` (B, 64) come just before them."""

    def __init__(self, side: int, generator: torch.Generator) -> None:
        super().__init__()
        self.low = conv(1, 32, 3, generator=generator)
        self.high = conv(32, 64, 3, generator=generator)
        self.hidden = mlp([64 * (side // 4) ** 2, 64], generator=generator)
        self.scores = mlp([64, 10], generator=generator)

    def features(self, x: Tensor) -> Tensor:
        for layer in (self.low, self.high):
            x = F.max_pool2d(F.relu(layer(x)), 2)
        return F.relu(self.hidden(x.flatten(1)))

    def forward(self, x: Tensor) -> Tensor:
        return self.scores(self.features(x))


@torch.no_grad()
def _follow(mean: nn.Module, net: nn.Module, share: float) -> None:
    """Move the running mean of the weights by a share of the way to what they are now."""
    for kept, now in zip(mean.parameters(), net.parameters(), strict=True):
        kept.lerp_(now, share)


def _load(path: Path, parts: dict, generator: torch.Generator) -> int:
    """Bring parts and generator to where a kept training stopped; returns its step."""
    stored = torch.load(path, map_location=generator.device, weights_only=True)
    for name, part in parts.items():
        part.load_state_dict(stored[name])
    generator.set_state(stored["generator"].cpu())
    return stored["step"]


def train(
    net: nn.Module,
    loss: Callable[..., Tensor],
    examples: tuple[Tensor, ...],
    n_steps: int,
    batch: int,
    saved: Path,
    watch: Watch = lambda evaluations: None,
) -> nn.Module:
    """Adam on loss(net, *rows, generator=); returns net with the running mean of its weights.

    examples : tensors (N, *S) of which the same rows are drawn. saved : where it is kept every 500
    steps and at the end, and from where it goes on.
    """
    device = examples[0].device
    generator = torch.Generator(device).manual_seed(0)
    step = 0
    mean = copy.deepcopy(net)
    optimizer = torch.optim.Adam(net.parameters())
    parts = {"net": net, "mean": mean, "optimizer": optimizer}
    if saved.exists():
        step = _load(saved, parts, generator)
        watch(3 * batch * step)
    while step < n_steps:
        chosen = torch.randint(len(examples[0]), (batch,), generator=generator, device=device)
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * math.cos(math.pi / 2 * step / n_steps) ** 2
        optimizer.zero_grad()
        loss(net, *(tensor[chosen] for tensor in examples), generator=generator).backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        step += 1
        _follow(mean, net, max(0.001, 10 / (step + 10)))
        if step % SAVE_EVERY == 0 or step == n_steps:
            content = {name: part.state_dict() for name, part in parts.items()}
            save(content | {"generator": generator.get_state(), "step": step}, saved)
        watch(3 * batch)
    return mean.requires_grad_(False)


def save(content: object, path: Path) -> None:
    """Write in one step: an interrupt leaves the old file or the new."""
    torch.save(content, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)


def last(path: Iterator[Tensor]) -> Tensor:
    """The end of a path, without keeping the path."""
    for x in path:
        end = x
    return end


@torch.no_grad()
def euler(velocity: nn.Module, n_steps: int, noise: Tensor) -> Tensor:
    """Data (B, 1, H, W) from noise, in n_steps of equal length."""
    return last(ode.euler(velocity, noise, torch.linspace(1, 0, n_steps + 1)))


def _judge(net: nn.Module, images: Tensor, labels: Tensor, *, generator: object) -> Tensor:
    """The classifier's loss; it draws nothing from the generator that ``train`` hands it."""
    return F.cross_entropy(net(images), labels)


class Study:
    """A run's plan and folder, its values so far, and the classifier by whose features it judges.

    fit, test : images (N, 1, H, W) in [-1, 1] and labels (N,). folder : where everything is kept.
    watch : told how many evaluations of the U-Net were just made.
    """

    def __init__(
        self,
        fit: tuple[Tensor, Tensor],
        test: tuple[Tensor, Tensor],
        plan: Plan,
        folder: Path,
        watch: Watch,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.plan = plan
        self.folder = folder
        self.watch = watch
        self.x = fit[0]
        self.device = self.x.device
        self.values: dict[str, float] = book.read_json(folder / "values.json")
        net = Classifier(self.x.shape[2], self.seeded()).to(self.device)
        saved = folder / "classifier.pt"
        self.judges = train(net, _judge, fit, plan.n_classifier, plan.batch, saved)
        found = torch.cat([self.judges(part).argmax(1) for part in test[0].split(PART)])
        self.keep("classifier's accuracy", lambda: (found == test[1]).double().mean().item())
        self.real = self.features(test[0])
        self.generator = torch.Generator(self.device).manual_seed(1)
        self.start = self.noise(plan.n_samples).split(PART)

    def keep(self, text: str, value: Callable[[], float]) -> None:
        """Measure a value unless it is known, and note it at once."""
        if f"Fashion-MNIST, {text}" not in self.values:
            self.values[f"Fashion-MNIST, {text}"] = value()
            book.write_json(self.folder / "values.json", self.values)

    def seeded(self) -> torch.Generator:
        """A generator that gives every network the same start."""
        return torch.Generator().manual_seed(0)

    def noise(self, n: int) -> Tensor:
        """Noise (n, 1, H, W), drawn from the study's own generator."""
        shape = (n, *self.x.shape[1:])
        return torch.randn(shape, generator=self.generator, device=self.device)

    def trained(
        self, name: str, loss: Callable, examples: tuple[Tensor, ...], n_steps: int
    ) -> UNet:
        """A U-Net trained on examples, kept under this name."""
        net = UNet(1, self.plan.widths, generator=self.seeded()).to(self.device)
        saved = self.folder / f"{name}.pt"
        return train(net, loss, examples, n_steps, self.plan.batch, saved, self.watch)

    def features(self, images: Tensor) -> Tensor:
        """The classifier's features (N, 64) of images (N, 1, H, W), clamped to [-1, 1]."""
        return torch.cat([self.judges.features(p.clamp(-1, 1)) for p in images.split(PART)])

    def sampled(self, text: str, n: int, sample: Callable[[Tensor], Tensor]) -> None:
        """Judge what ``sample`` makes of the noise in n evaluations an image."""

        def distance() -> float:
            images = torch.cat([sample(part) for part in self.start])
            return frechet(self.features(images), self.real)

        self.keep(text, distance)
        self.watch(n * self.plan.n_samples)

    def floor(self) -> None:
        """Judge training images: the distance that the finite sample alone makes."""
        order = torch.randperm(len(self.x), generator=self.generator, device=self.device)
        some = self.x[order[: self.plan.n_samples]]
        self.keep("floor: training images", lambda: frechet(self.features(some), self.real))

    def ddim(self) -> None:
        """Train a noise predictor; judge its samples for every number of steps and eta."""
        schedule = ddpm.linear()

        def loss(net: nn.Module, x0: Tensor, **draws: torch.Generator) -> Tensor:
            return ddpm.loss(net, x0, schedule, **draws)

        net = self.trained("noise", loss, (self.x,), self.plan.n_train)
        for eta in CIFAR:
            for n in STEPS:
                draws = torch.Generator(self.device).manual_seed(2)
                way = partial(
                    ddpm.ddim, net, schedule=schedule, n_steps=n, eta=eta, generator=draws
                )
                self.sampled(f"S = {n}, eta = {eta}", n, lambda part, way=way: last(way(part)))

    def flow(self, when: str, examples: tuple[Tensor, ...], n_steps: int) -> nn.Module:
        """Train a rectified flow before or after the reflow, judge its samples; returns it."""
        net = self.trained(f"{when}-reflow", rectified_flow.loss, examples, n_steps)
        for n, words in ((1, "1 step"), (2, "2 steps"), (self.plan.n_many, "many steps")):
            self.sampled(f"{words}, {when} reflow", n, partial(euler, net, n))
        return net

    def pairs(self, net: nn.Module) -> tuple[Tensor, Tensor]:
        """Where the flow takes noise, and that noise, (n_pairs, 1, H, W) each; made once."""
        path = self.folder / "pairs.pt"
        if not path.exists():
            noise = self.noise(self.plan.n_pairs)
            ends = [euler(net, self.plan.n_many, part) for part in noise.split(PART)]
            save((torch.cat(ends), noise), path)
        self.watch(self.plan.n_many * self.plan.n_pairs)
        return torch.load(path, map_location=self.device, weights_only=True)


def run(
    fit: tuple[Tensor, Tensor],
    test: tuple[Tensor, Tensor],
    plan: Plan,
    folder: Path,
    watch: Watch = lambda evaluations: None,
) -> dict[str, float]:
    """Train, sample, measure: the values of all `rows`, by their text.

    fit, test : images (N, 1, H, W) in [-1, 1] and labels (N,). folder : where everything is kept.
    """
    study = Study(fit, test, plan, folder, watch)
    study.floor()
    study.ddim()
    net = study.flow("before", (study.x,), plan.n_train)
    study.flow("after", study.pairs(net), plan.n_reflow)
    return study.values


def main() -> None:
    """Load Fashion-MNIST, run, record."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--share", type=float, default=1.0, help="of the training, for a trial")
    parser.add_argument("--cpu", action="store_true", help="run without a GPU (takes days)")
    chosen = parser.parse_args()
    device = large.wanted(chosen.cpu, ", for days")

    def load(split: str) -> tuple[Tensor, Tensor]:
        images, labels = data.fashion_mnist(split, download=True)
        return images[:, None].to(device).float() / 127.5 - 1, labels.to(device)

    plan = Plan()
    share = chosen.share
    names = ("n_classifier", "n_train", "n_reflow")
    plan = replace(plan, **{name: max(1, round(share * getattr(plan, name))) for name in names})
    folder = large.folder(f"flow-{share:g}")
    with tqdm(total=plan.evaluations(), unit=" images", unit_scale=True) as bar:
        values = run(load("train"), load("test"), plan, folder, bar.update)
    for text, value in values.items():
        print(f"{text}: {value:.4g}")
    note = "" if share == 1 else f"; {share:g} of the training"
    large.record(rows(), values, large.name_of(device), note)


if __name__ == "__main__":
    main()
