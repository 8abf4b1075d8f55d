"""NICE: a training step and sampling against normflows; the free determinant against autograd."""

from collections.abc import Callable, Iterator

import torch
from torch import nn

from benchmarks.timing import ratio
from benchmarks.twin import twin
from helpers.flows.nice import nice


def step(model: nn.Module, loss: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor):
    """One training step: loss, gradient, Adam."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)

    def run() -> None:
        optimizer.zero_grad()
        loss(x).backward()
        optimizer.step()

    return run


def record(text: str, against: str, measured: tuple[float, tuple[float, float]]) -> dict:
    """One row of the table, without its chapter; ``measured`` is what ``ratio`` gives."""
    best, spread = measured
    return {"text": text, "ratio": best, "spread": spread, "against": against}


def layers(
    dim: int, hidden: tuple[int, ...], batch: int, generator: torch.Generator
) -> Iterator[dict]:
    """A training step and the way back, of the same model here and in normflows."""
    ours = nice(dim, hidden=hidden, generator=generator)
    theirs = twin(ours)
    x = torch.randn(batch, dim, generator=generator)
    size = f"D = {dim}, hidden {hidden[0]}, batch {batch}"
    measured = ratio(
        step(ours, lambda v: -ours.log_prob(v).mean(), x),
        step(theirs, theirs.forward_kld, x),
    )
    yield record(f"training step, {size}", "normflows' time", measured)
    with torch.no_grad():
        measured = ratio(lambda: ours.inverse(x), lambda: theirs(x))
    yield record(f"latent to data, {size}", "normflows' time", measured)


def free_determinant(dim: int, generator: torch.Generator) -> dict:
    """What the log-determinant costs beside that of a Jacobian which autograd writes out."""
    flow = nice(dim, hidden=(64,), generator=generator)
    row = torch.randn(1, dim, generator=generator)

    def determinant() -> None:
        jacobian = torch.autograd.functional.jacobian(lambda v: flow(v[None])[0][0], row[0])
        torch.linalg.slogdet(jacobian)

    with torch.no_grad():
        measured = ratio(lambda: flow(row), determinant, n_calls=3)
    text = f"latent and log-determinant of one sample, D = {dim}"
    return record(text, "the time of autograd's Jacobian and slogdet", measured)


def measure() -> Iterator[dict]:
    """One record a comparison: text, ratio, spread, against."""
    generator = torch.Generator().manual_seed(0)
    yield from layers(2, (64, 64), 256, generator)
    yield from layers(64, (256, 256), 128, generator)
    for dim in (4, 16, 64):
        yield free_determinant(dim, generator)
