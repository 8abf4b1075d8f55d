"""``make full``, chapter 10: clicks of KuaiRand-Pure, learnt from a stream and by a network.

Videos shown at random to users of an app, 1.2 million rows, so that no policy's choice biases the
log. Rows in the order of time: the first four fifths are learnt from, the rest are tested on.
Logistic regression and Poly2 by one pass of FTRL, an MLP by minibatches; of each the normalised
entropy, AUC, GAUC by user, and the calibration error beside its floor.

What is done is kept under ``.cache/full`` and not done again. The cost, an estimate and no
measurement: 10 minutes on a CPU, less on a GPU.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from helpers import train
from helpers.ctr import calibration, ftrl, metrics, models
from helpers.ctr.embedding import Embedding
from helpers.data import logs
from tools.build import book
from tools.large import rows as large

CHAPTER = "10. Click prediction"
MODELS = ("logistic regression, FTRL", "Poly2, FTRL", "MLP")
SCORES = ("normalised entropy", "AUC", "GAUC by user", "ECE over its floor")
Watch = Callable[[int], None]  # told how many rows were just learnt from


@dataclass(frozen=True)
class Plan:
    """How much of everything is done."""

    batch: int = 500  # rows that FTRL learns at a time
    n_buckets: int = 2**16  # of a pair of fields
    dim: int = 16  # of an embedding
    hidden: tuple[int, ...] = (256, 128)
    n_passes: int = 2  # of the MLP
    mlp_batch: int = 2000
    share: float = 1.0  # of the rows, the latest, for a trial

    def n_rows(self, n_train: int) -> int:
        """How many rows will be learnt from, all models and passes together."""
        steps = self.n_passes * n_train // self.mlp_batch
        return 2 * n_train + steps * self.mlp_batch


def rows() -> list[dict]:
    """What ``large.json`` shows of this run: its rows, not run yet."""
    empty = {"data": "real", "reported": ""} | large.WAITING
    return [
        {"chapter": CHAPTER, "text": f"KuaiRand-Pure, {model}: {score}", "unit": ""} | empty
        for model in MODELS
        for score in SCORES
    ]


def fields(log: logs.KuaiRand) -> tuple[Tensor, list[int], Tensor]:
    """Ids (N, F) in the order of time, the user first; sizes (F,); clicks (N,)."""
    order = log.timestamp.argsort(stable=True)
    named = log.user_fields[:, :8]  # the others have no names
    ids = (log.user, log.video, log.hour, log.tab)
    parts = [column[:, None] for column in ids] + [named[log.user], log.video_fields[log.video]]
    ids = torch.cat(parts, 1)[order]
    return ids, (ids.max(0).values + 1).tolist(), log.click[order]


def scores(logits: Tensor, labels: Tensor, users: Tensor) -> dict[str, float]:
    """The four scores, by name; logits, labels, users (B,)."""
    p = logits.double().sigmoid()
    floor = calibration.ece_floor(p)
    values = (
        metrics.normalised_entropy(logits, labels),
        metrics.auc(logits, labels),
        metrics.gauc(logits, labels, users),
        calibration.ece(p, labels) / floor,
    )
    return dict(zip(SCORES, values, strict=True))


def stream(
    ids: Tensor, labels: Tensor, n_train: int, sizes: list[int], plan: Plan, watch: Watch, **how
) -> Tensor:
    """A pass of FTRL over the first n_train rows; the logits of the others."""
    ids = ids + torch.tensor([0, *sizes[:-1]], device=ids.device).cumsum(0)
    model = ftrl.FTRL(sum(sizes), device=ids.device, **how)
    for part in torch.arange(n_train, device=ids.device).split(plan.batch):
        model.step(ids[part], labels[part])
        watch(len(part))
    return torch.cat([model.logits(part) for part in ids[n_train:].split(50_000)])


def network(
    ids: Tensor, labels: Tensor, n_train: int, sizes: list[int], plan: Plan, watch: Watch
) -> Tensor:
    """Train the MLP on the first n_train rows; the logits of the others."""
    seeded = torch.Generator().manual_seed(0)
    net = models.MLP(
        Embedding(sizes, plan.dim, generator=seeded, checked=False), plan.hidden, generator=seeded
    ).to(ids.device)
    table = torch.cat((ids, labels[:, None].long()), 1)[:n_train]
    n_steps = plan.n_passes * n_train // plan.mlp_batch

    def loss(batch: Tensor) -> Tensor:
        watch(len(batch))
        return metrics.log_loss(net(batch[:, :-1]), batch[:, -1])

    batches = train.minibatches(table, min(plan.mlp_batch, n_train), n_steps, seeded)
    train.fit(loss, net.parameters(), batches, lr=2e-3, n_steps=n_steps, weight_decay=0.1)
    with torch.no_grad():
        return torch.cat([net(part) for part in ids[n_train:].split(50_000)])


def run(
    ids: Tensor,
    sizes: list[int],
    labels: Tensor,
    plan: Plan,
    folder: Path,
    watch: Watch = lambda n: None,
) -> dict[str, float]:
    """Train, test: the values of all `rows`, by their text.

    ids : (N, F), in the order of time, the user first. sizes : (F,). labels : (N,), 0 or 1.
    folder : where values are kept; a model whose values are there is not trained again.
    """
    n_train = len(ids) * 4 // 5
    folder.mkdir(parents=True, exist_ok=True)
    known = book.read_json(folder / "values.json")
    labels = labels.double()
    users = ids[n_train:, 0]

    def crossed() -> Tensor:
        crosses = models.cross_ids(ids, sizes, plan.n_buckets)
        every = sizes + models.cross_sizes(sizes, plan.n_buckets)
        both = torch.cat((ids, crosses), 1)
        return stream(both, labels, n_train, every, plan, watch, alpha=0.02, l1=2.0)

    trainers = (
        lambda: stream(ids, labels, n_train, sizes, plan, watch, alpha=0.05),
        crossed,
        lambda: network(ids, labels, n_train, sizes, plan, watch),
    )
    for model, trainer in zip(MODELS, trainers, strict=True):
        texts = [f"KuaiRand-Pure, {model}: {score}" for score in SCORES]
        if not set(texts) <= set(known):
            found = scores(trainer(), labels[n_train:], users)
            known |= dict(zip(texts, found.values(), strict=True))
            book.write_json(folder / "values.json", known)
    return known


def main() -> None:
    """Load KuaiRand-Pure, run, record."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--share", type=float, default=1.0, help="of the rows, for a trial")
    chosen = parser.parse_args()
    if not 0 < chosen.share <= 1:
        parser.error(f"--share must be in (0, 1], got {chosen.share}")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    ids, sizes, labels = fields(logs.kuairand("random", download=True))
    ids, labels = (x[: round(chosen.share * len(x))].to(device) for x in (ids, labels))
    plan = Plan(share=chosen.share)
    folder = large.folder(f"ctr-{chosen.share:g}")
    with tqdm(total=plan.n_rows(len(ids) * 4 // 5), unit=" rows", unit_scale=True) as bar:
        values = run(ids, sizes, labels, plan, folder, bar.update)
    for text, value in values.items():
        print(f"{text}: {value:.4g}")
    note = "" if chosen.share == 1 else f"; {chosen.share:g} of the rows"
    large.record(rows(), values, large.name_of(device), note)


if __name__ == "__main__":
    main()
