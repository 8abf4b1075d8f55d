"""``make full``, chapter 11: FM and DeepFM on Frappe, as BARS splits and tunes it.

Reported for Frappe_x1 (arXiv:2205.09626, its leaderboard): AUC .9671 and .9842, log loss .2065 and
.1482. Two in three rows are negatives drawn at random, so an AUC of .97 is easier than it looks.
The data are not on a package index: `helpers.data.logs.frappe` says where to put them. A network
of three layers of 400; a minute or two on a GPU, ten on one thread.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from helpers.ctr.deep import DeepFM
from helpers.ctr.embedding import Embedding
from helpers.ctr.fm import FM
from helpers.ctr.metrics import auc, log_loss
from helpers.data import logs
from tools.build import book
from tools.large import rows as large

REPORTED = {"FM": (0.9671, 0.2065), "DeepFM": (0.9842, 0.1482)}


@dataclass(frozen=True)
class Plan:
    """How much of everything is done: BARS's sizes, and three decays to choose from."""

    dim: int = 10
    hidden: tuple[int, ...] = (400, 400, 400)
    batch: int = 4096
    n_epochs: int = 60
    lr: float = 1e-3
    decays: tuple[float, ...] = (0.0, 0.03, 0.3)


def rows() -> list[dict]:
    """What ``large.json`` shows of this run: its rows, not run yet."""
    empty = {"chapter": "11. FM", "data": "real, proxy labels"} | large.WAITING
    found = []
    for name, values in REPORTED.items():
        for unit, value in zip(("AUC", "log loss"), values, strict=True):
            text = f"Frappe, {name}, {unit}"
            found.append(empty | {"text": text, "reported": f"{value} (BARS, Frappe_x1)"})
            found[-1]["unit"] = "" if unit == "AUC" else "nats"
    return found


def build(name: str, sizes: Sequence[int], plan: Plan) -> nn.Module:
    """One of the two models; its ids were checked before."""
    generator = torch.Generator().manual_seed(0)
    embedding = Embedding(sizes, plan.dim, checked=False, generator=generator)
    return FM(embedding) if name == "FM" else DeepFM(embedding, plan.hidden, generator)


@torch.no_grad()
def logits(model: nn.Module, fields: Tensor) -> Tensor:
    """Of ids (N, F), 20,000 at a time, (N,)."""
    return torch.cat([model(part) for part in fields.split(20_000)])


def train(
    model: nn.Module,
    fit: tuple[Tensor, Tensor],
    valid: tuple[Tensor, Tensor],
    plan: Plan,
    decay: float,
    watch: Callable[[float], None] = lambda auc: None,
) -> float:
    """Adam; the epoch best on validation AUC is kept in the model. Returns that AUC.

    fit, valid : ids (N, F) and clicks (N,). watch : told the validation AUC after every epoch.
    """
    fields, clicks = fit
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    others = [p for p in model.parameters() if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=plan.lr)
    generator = torch.Generator(fields.device).manual_seed(0)
    best = 0.0
    kept: dict[str, Tensor] = {}
    for _ in range(plan.n_epochs):
        order = torch.randperm(len(fields), generator=generator, device=fields.device)
        for part in order.split(plan.batch):
            optimizer.zero_grad()
            log_loss(model(fields[part]), clicks[part]).backward()
            optimizer.step()
        reached = auc(logits(model, valid[0]), valid[1])
        watch(reached)
        if reached > best:
            best = reached
            kept = {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(kept)
    return best


def run(
    parts: Sequence[tuple[Tensor, Tensor]],
    sizes: Sequence[int],
    plan: Plan,
    folder: Path,
    watch: Callable[[float], None] = lambda auc: None,
) -> dict[str, float]:
    """Train both models at every decay, choose on validation, test once; values by `rows`' text.

    parts : fit, valid and test, each ids (N, F) and clicks (N,). folder : where what is done is
    kept, so that a second start goes on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    done = book.read_json(folder / "values.json")
    fit, valid, test = parts
    for name in REPORTED:
        for decay in plan.decays:
            key = f"{name}, decay {decay:g}"
            if key in done:
                for _ in range(plan.n_epochs):
                    watch(done[key]["valid"])
                continue
            model = build(name, sizes, plan).to(fit[0].device)
            best = train(model, fit, valid, plan, decay, watch)
            found = logits(model, test[0])
            values = {"AUC": auc(found, test[1]), "log loss": log_loss(found, test[1]).item()}
            done[key] = values | {"valid": best}
            book.write_json(folder / "values.json", done)
    chosen = {}
    for name in REPORTED:
        tries = [done[f"{name}, decay {decay:g}"] for decay in plan.decays]
        best = max(tries, key=lambda entry: entry["valid"])
        chosen |= {f"Frappe, {name}, {unit}": best[unit] for unit in ("AUC", "log loss")}
    return chosen


def main() -> None:
    """Load Frappe, run, record."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--epochs", type=int, default=Plan.n_epochs, help="fewer for a trial")
    parser.add_argument("--cpu", action="store_true", help="run without a GPU")
    chosen = parser.parse_args()
    device = large.wanted(chosen.cpu)
    tables = logs.frappe()
    parts = [(part.fields.to(device), part.click.double().to(device)) for part in tables]
    plan = Plan(n_epochs=chosen.epochs)
    folder = large.folder(f"fm-frappe-{chosen.epochs}")
    with tqdm(total=len(REPORTED) * len(plan.decays) * plan.n_epochs, unit="epoch") as bar:

        def watch(reached: float) -> None:
            bar.update()
            bar.set_postfix(valid=f"AUC {reached:.4f}")

        values = run(parts, tables[0].sizes, plan, folder, watch)
    for text, value in values.items():
        print(f"{text}: {value:.4f}")
    note = "" if chosen.epochs == Plan.n_epochs else f"; {chosen.epochs} epochs"
    large.record(rows(), values, large.name_of(device), note)


if __name__ == "__main__":
    main()
