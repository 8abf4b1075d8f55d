"""Chapter 3's graded exercises: their statements and inputs. The answers are elsewhere."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from helpers.exercises.exercise import Exercise

SHAPES = ((5, 3), (1, 2), (7, 1), (2, 6))  # batch, dimension


def _normal(generator: torch.Generator, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def _uniform(generator: torch.Generator, low: float, high: float, *shape: int) -> torch.Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator, dtype=torch.float64)


def _beta(generator: torch.Generator) -> Callable[[float], float]:
    """A schedule that rises with the time, as a function of numbers."""
    low = _uniform(generator, 0.2, 0.6, 1).item()
    high = _uniform(generator, 6, 12, 1).item()
    return lambda t: low + t * (high - low)


def _score(generator: torch.Generator, dim: int) -> Callable[[Any, float], Any]:
    """A smooth field (B, dim), t -> (B, dim) that changes with the time and the place."""
    weight = _normal(generator, dim, dim)
    bias = _normal(generator, dim)

    def score(x: Any, t: float) -> Any:
        given = isinstance(x, torch.Tensor)
        y = x if given else torch.as_tensor(np.ascontiguousarray(x), dtype=torch.float64)
        w = weight.to(y.dtype)
        b = bias.to(y.dtype)
        value = (torch.tanh(y @ w + b) * (1 + t) ** 2 - y) / (0.3 + t)
        return value if given else value.numpy()

    return score


def _draw_noise(generator: torch.Generator) -> Iterator[tuple]:
    for n in (5, 1, 3, 9):
        low = _uniform(generator, 0.1, 0.5, 1).item()
        yield _uniform(generator, 0.05, 0.6, n), low, low + _uniform(generator, 3, 7, 1).item()


def _draw_step(generator: torch.Generator) -> Iterator[tuple]:
    for batch, dim in SHAPES:
        t = _uniform(generator, 0.4, 0.9, 1).item()
        dt = _uniform(generator, 0.05, 0.2, 1).item()
        x = _normal(generator, batch, dim)
        beta = _beta(generator)
        yield x, t, dt, beta, _score(generator, dim), _normal(generator, batch, dim)


def _draw_heun(generator: torch.Generator) -> Iterator[tuple]:
    for arguments in _draw_step(generator):
        yield arguments[:5]


def _draw_loss(generator: torch.Generator) -> Iterator[tuple]:
    for batch, dim in SHAPES:
        score = _score(generator, dim)
        x0 = _normal(generator, batch, dim)
        eps = _normal(generator, batch, dim)
        signal = _uniform(generator, 0.2, 0.9, batch)
        noise = _uniform(generator, 0.3, 0.8, batch)
        yield x0, eps, signal, noise, (lambda x, score=score: score(x, 0.5))


def _draw_family(generator: torch.Generator) -> Iterator[tuple]:
    amounts = (0.5, 1.4, 0.8, 0.3)
    for arguments, amount in zip(_draw_step(generator), amounts, strict=True):
        yield *arguments, amount + _uniform(generator, 0, 0.1, 1).item()


EXERCISES = (
    Exercise(
        id="sde-3",
        title="sub-VP's noise",
        purpose="Go from a schedule to the spread of x at every time.",
        kind="build",
        difficulty=1,
        signature="sub_vp_noise(t, low, high)",
        outputs=("noise",),
        draw=_draw_noise,
    ),
    Exercise(
        id="sde-4",
        title="A step of the reverse SDE",
        purpose="Get every sign, square and square root of the reverse SDE right.",
        kind="build",
        difficulty=2,
        signature="reverse_step(x, t, dt, beta, score, eps)",
        outputs=("x",),
        draw=_draw_step,
    ),
    Exercise(
        id="sde-5",
        title="From the dice to Heun's method",
        purpose="Turn the reverse SDE into the probability flow, and solve it to second order.",
        kind="modify",
        difficulty=2,
        signature="heun_step(x, t, dt, beta, score)",
        outputs=("x",),
        draw=_draw_heun,
    ),
    Exercise(
        id="sde-6",
        title="Denoising score matching for a score",
        purpose="See that predicting noise and predicting the score are one loss.",
        kind="build",
        difficulty=2,
        signature="score_loss(x0, eps, signal, noise, net)",
        outputs=("loss",),
        draw=_draw_loss,
    ),
    Exercise(
        id="sde-7",
        title="Any amount of noise",
        purpose="Trade noise for drift without changing the density at any time.",
        kind="build",
        difficulty=3,
        signature="family_step(x, t, dt, beta, score, eps, amount)",
        outputs=("x",),
        draw=_draw_family,
    ),
)
