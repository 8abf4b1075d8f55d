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


def measure() -> Iterator[dict]:
    """One record a comparison: text, ratio, spread, against."""
    generator = torch.Generator().manual_seed(0)
    for dim, hidden, batch in ((2, (64, 64), 256), (64, (256, 256), 128)):
        ours = nice(dim, hidden=hidden, generator=generator)
        theirs = twin(ours)
        x = torch.randn(batch, dim, generator=generator)
        size = f"D = {dim}, hidden {hidden[0]}, batch {batch}"
        best, spread = ratio(
            step(ours, lambda v, m=ours: -m.log_prob(v).mean(), x),
            step(theirs, theirs.forward_kld, x),
        )
        yield {
            "text": f"training step, {size}",
            "ratio": best,
            "spread": spread,
            "against": "normflows' time",
        }
        with torch.no_grad():
            best, spread = ratio(lambda m=ours, v=x: m.inverse(v), lambda m=theirs, v=x: m(v))
        yield {
            "text": f"latent to data, {size}",
            "ratio": best,
            "spread": spread,
            "against": "normflows' time",
        }
    for dim in (4, 16, 64):
        flow = nice(dim, hidden=(64,), generator=generator)
        row = torch.randn(1, dim, generator=generator)

        def determinant(flow=flow, row=row) -> None:
            jacobian = torch.autograd.functional.jacobian(lambda v: flow(v[None])[0][0], row[0])
            torch.linalg.slogdet(jacobian)

        with torch.no_grad():
            best, spread = ratio(lambda f=flow, v=row: f(v), determinant, n_calls=3)
        yield {
            "text": f"latent and log-determinant of one sample, D = {dim}",
            "ratio": best,
            "spread": spread,
            "against": "the time of autograd's Jacobian and slogdet",
        }
