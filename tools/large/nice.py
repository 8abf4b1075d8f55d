"""``make full``: the large profile. Downloads data, wants a GPU, records what it reached.

A run that did not do all of the paper's epochs says so in its record. A run is saved after every
tenth epoch under ``.cache/full`` and goes on from there when started again.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from helpers.data import images
from helpers.flows.likelihood import Flow, bits_per_dim, dequantize
from helpers.flows.nice import nice
from tools.build import book
from tools.large import rows as large

# NICE's, for MNIST
EPOCHS = 1500
BATCH = 200
LEVELS = 256


def batches(n: int, size: int, generator: torch.Generator) -> list[Tensor]:
    """Row numbers of one pass, shuffled, in full batches."""
    order = torch.randperm(n, generator=generator, device=generator.device)
    return list(order[: n - n % size].split(size))


@torch.no_grad()
def nats(flow: Flow, v: Tensor, generator: torch.Generator) -> float:
    """Mean log-likelihood of dequantised v (N, D), 1,000 at a time."""
    parts = [flow.log_prob(dequantize(part, LEVELS, generator)).sum() for part in v.split(1000)]
    return (torch.stack(parts).sum() / len(v)).item()


def _epoch(
    flow: Flow, optimizer: torch.optim.Optimizer, fit: Tensor, generator: torch.Generator
) -> None:
    """One pass of training over whole numbers fit (N, D)."""
    for rows in batches(len(fit), BATCH, generator):
        loss = -flow.log_prob(dequantize(fit[rows], LEVELS, generator)).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(flow.parameters(), 100.0)
        optimizer.step()


def _save(path: Path, parts: dict, generator: torch.Generator, state: dict) -> None:
    """Keep a run in one step: an interrupt leaves the old file or the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {name: part.state_dict() for name, part in parts.items()}
    temporary = path.with_suffix(".part")
    torch.save(content | {"generator": generator.get_state(), "state": state}, temporary)
    temporary.replace(path)


def _load(path: Path, parts: dict, generator: torch.Generator) -> dict:
    """Bring parts and generator to where a kept run stopped; returns its state."""
    stored = torch.load(path, map_location=generator.device, weights_only=True)
    for name, part in parts.items():
        part.load_state_dict(stored[name])
    generator.set_state(stored["generator"].cpu())
    return stored["state"]


def train_nice(
    v: Tensor,
    *,
    hidden: tuple[int, ...] = (1000,) * 5,
    n_epochs: int = EPOCHS,
    n_valid: int = 10_000,
    saved: Path | None = None,
    watch: Callable[[int, float], None] = lambda epoch, valid: None,
) -> tuple[Flow, float]:
    """Train the paper's model on whole numbers v (N, D); the epoch best on validation is kept.

    The last n_valid rows validate. Returns the flow and its validation log-likelihood in nats.
    """
    generator = torch.Generator(v.device).manual_seed(0)
    fit = v[:-n_valid]
    valid = v[-n_valid:]
    flow = nice(v.shape[1], hidden=hidden, generator=torch.Generator().manual_seed(0)).to(v.device)
    flow.layers[-1].fit(dequantize(fit, LEVELS, generator), flow.prior.std)
    optimizer = torch.optim.Adam(flow.parameters(), lr=1e-3, eps=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_epochs)
    state = {"epoch": 0, "best": nats(flow, valid, generator), "kept": flow.state_dict()}
    parts = {"flow": flow, "optimizer": optimizer, "schedule": schedule}
    if saved and saved.exists():
        state = _load(saved, parts, generator)
    for epoch in range(state["epoch"], n_epochs):
        _epoch(flow, optimizer, fit, generator)
        schedule.step()
        score = nats(flow, valid, generator)
        if score > state["best"]:
            kept = {name: value.clone() for name, value in flow.state_dict().items()}
            state |= {"best": score, "kept": kept}
        state["epoch"] = epoch + 1
        watch(epoch, score)
        if saved and (epoch + 1) % 10 == 0:
            _save(saved, parts, generator, state)
    flow.load_state_dict(state["kept"])
    return flow, state["best"]


def main() -> None:
    """Train on MNIST, test once, record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="fewer for a trial")
    parser.add_argument("--cpu", action="store_true", help="run without a GPU (takes a day)")
    chosen = parser.parse_args()
    device = large.wanted(chosen.cpu, ", for a day")
    v = images.mnist("train", download=True)[0].flatten(1).long().to(device)
    test = images.mnist("test", download=True)[0].flatten(1).long().to(device)
    with tqdm(total=chosen.epochs, unit="epoch") as bar:

        def watch(epoch: int, score: float) -> None:
            bar.update(epoch + 1 - bar.n)
            bar.set_postfix(valid=f"{score:.1f} nats")

        saved = large.folder(f"nice-mnist-{chosen.epochs}.pt")
        flow, _ = train_nice(v, n_epochs=chosen.epochs, saved=saved, watch=watch)
    reached = nats(flow, test, torch.Generator(device).manual_seed(1))
    bits = bits_per_dim(torch.tensor(reached), test.shape[1], LEVELS).item()
    print(f"test log-likelihood {reached:.2f} nats, {bits:.3f} bits/dim")
    record = book.read_json(book.generated(book.ROOT, "large.json"))
    row = record["rows"][0]
    row |= large.reached(large.name_of(device), reached)
    if chosen.epochs != EPOCHS:
        row["text"] = f"{row['text'].split(';')[0]}; {chosen.epochs} epochs instead of {EPOCHS}"
    book.write_json(book.generated(book.ROOT, "large.json"), record)


if __name__ == "__main__":
    main()
