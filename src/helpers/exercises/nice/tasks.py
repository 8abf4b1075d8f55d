"""Chapter 1's graded exercises: their statements and inputs. The answers are elsewhere."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from helpers.exercises.exercise import Exercise

SHAPES = ((5, 6), (1, 4), (8, 2), (3, 10))  # batch, dimension


def _either(function: Callable[..., torch.Tensor]) -> Callable[[Any], Any]:
    """Let a function of tensors take numpy arrays too, and then return numpy arrays."""

    def wrapped(x: Any) -> Any:
        if isinstance(x, torch.Tensor):
            return function(x)
        result = function(torch.as_tensor(np.ascontiguousarray(x), dtype=torch.float64))
        if isinstance(result, tuple):
            return tuple(part.numpy() for part in result)
        return result.numpy()

    return wrapped


def _normal(generator: torch.Generator, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def _net(generator: torch.Generator, dim: int) -> Callable[[Any], Any]:
    """A fixed smooth function (B, dim) -> (B, dim), different for each draw."""
    weight = _normal(generator, dim, dim)
    bias = _normal(generator, dim)
    return _either(lambda h: 1.5 * torch.tanh(h @ weight.to(h.dtype) + bias.to(h.dtype)))


def _flow(generator: torch.Generator, dim: int) -> Callable[[Any], Any]:
    """A fixed flow (B, dim) -> (z, log_det): an affine coupling, then a scaling."""
    s = _net(generator, dim // 2)
    t = _net(generator, dim // 2)
    log_scale = _normal(generator, dim) / 2

    def flow(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        z = x.clone()
        even = x[:, ::2]
        z[:, 1::2] = x[:, 1::2] * torch.exp(s(even)) + t(even)
        scale = log_scale.to(x.dtype)
        return z * torch.exp(scale), s(even).sum(1) + scale.sum()

    return _either(flow)


def _draw_log_prob(generator: torch.Generator) -> Iterator[tuple]:
    for batch, dim in SHAPES:
        x = _normal(generator, batch, dim)
        yield x, _net(generator, dim // 2), _normal(generator, dim) / 2 + 0.3


def _draw_pair(generator: torch.Generator) -> Iterator[tuple]:
    for batch, dim in SHAPES:
        y = _normal(generator, batch, dim)
        yield y, _net(generator, dim // 2), _net(generator, dim // 2)


def _draw_bits(generator: torch.Generator) -> Iterator[tuple]:
    for batch, dim, levels in ((5, 64, 17), (1, 3, 2), (4, 12, 256), (7, 1, 9)):
        yield 20 * _normal(generator, batch) + 0.7 * dim, dim, levels


def _draw_tempered(generator: torch.Generator) -> Iterator[tuple]:
    for (batch, dim), tau in zip(SHAPES, (0.7, 0.5, 1.3, 0.9), strict=True):
        shift = 0.1 * torch.rand((), generator=generator, dtype=torch.float64).item()
        yield _normal(generator, batch, dim), _flow(generator, dim), tau + shift


EXERCISES = (
    Exercise(
        id="nice-3",
        title="The log-density of a small NICE",
        purpose="Put coupling, scaling, prior and log-determinant together into one likelihood.",
        kind="build",
        difficulty=2,
        signature="log_prob(x, m, log_scale)",
        outputs=("log_prob",),
        draw=_draw_log_prob,
    ),
    Exercise(
        id="nice-4",
        title="Two couplings, undone",
        purpose="See why a coupling is inverted without inverting its network, and in which order.",
        kind="build",
        difficulty=1,
        signature="inverse(y, m1, m2)",
        outputs=("x",),
        draw=_draw_pair,
    ),
    Exercise(
        id="nice-5",
        title="From additive to affine coupling",
        purpose="Let a coupling stretch as well as shift, and pay for it in the log-determinant.",
        kind="modify",
        difficulty=2,
        signature="affine_coupling(x, s, t)",
        outputs=("y", "log_det"),
        draw=_draw_pair,
    ),
    Exercise(
        id="nice-6",
        title="Nats to bits per dimension",
        purpose="Make likelihoods comparable: undo the rescaling, change base, divide by D.",
        kind="build",
        difficulty=1,
        signature="to_bits(log_prob, dim, n_levels)",
        outputs=("bits",),
        draw=_draw_bits,
    ),
    Exercise(
        id="nice-7",
        title="The density you sample from at temperature tau",
        purpose="Find what a temperature does to a density, and what it leaves alone.",
        kind="build",
        difficulty=3,
        signature="tempered_log_prob(x, flow, tau)",
        outputs=("log_prob",),
        draw=_draw_tempered,
    ),
)
