"""Chapter 6's graded exercises: their statements and inputs. The answers are elsewhere."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from helpers.exercises.exercise import Exercise


def _normal(generator: torch.Generator, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def _uniform(generator: torch.Generator, *shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=generator, dtype=torch.float64)


def _place(generator: torch.Generator, low: float) -> tuple[float, float]:
    """Signal and noise of a variance-preserving path, at an angle in [low, low + .3]."""
    angle = low + 0.3 * _uniform(generator).item()
    return math.cos(angle), math.sin(angle)


def _draw_step(generator: torch.Generator) -> Iterator[tuple]:
    for (batch, dim), eta in zip(
        ((5, 2), (1, 4), (8, 1), (3, 6)), (0.3, 1.0, 0.7, 0.5), strict=True
    ):
        x, eps, fresh = (_normal(generator, batch, dim) for _ in range(3))
        yield (
            x,
            eps,
            *_place(generator, 0.8 + eta / 3),
            *_place(generator, 0.3),
            eta,
            fresh,
        )


def _draw_path(generator: torch.Generator) -> Iterator[tuple]:
    for n_times, c in ((5, 0.5), (1, 2.0), (9, 1.3), (3, 0.8)):
        angle = 1.5 * _uniform(generator, n_times).sort(descending=True).values
        size = 1 + _uniform(generator, n_times)
        yield size * angle.cos(), size * angle.sin(), c + 0.1 * _uniform(generator).item()


def _draw_covariance(generator: torch.Generator) -> Iterator[tuple]:
    for batch, dim, n in ((5, 3, 50), (1, 2, 200), (3, 5, 80), (6, 1, 30)):
        root = _normal(generator, batch, dim, dim)
        yield root @ root.mT + 0.1 * torch.eye(dim, dtype=torch.float64), n


def _predictor(generator: torch.Generator, dim: int) -> Callable[[Any, float, float], Any]:
    """A fixed smooth noise prediction (x (B, dim), signal, noise) -> (B, dim)."""
    weight, bias, slope = (_normal(generator, *s) for s in ((dim, dim), (dim,), (dim,)))

    def predict(x: Any, signal: float, noise: float) -> Any:
        if isinstance(x, torch.Tensor):
            return torch.tanh(x @ weight.to(x.dtype) + signal * bias.to(x) + noise * slope.to(x))
        inner = np.asarray(x) @ weight.numpy() + signal * bias.numpy() + noise * slope.numpy()
        return np.tanh(inner)

    return predict


def _draw_heun(generator: torch.Generator) -> Iterator[tuple]:
    for batch, dim in ((5, 2), (1, 3), (7, 1), (2, 6)):
        start = _place(generator, 0.9)
        end = _place(generator, 0.3)
        yield _normal(generator, batch, dim), _predictor(generator, dim), *start, *end


EXERCISES = (
    Exercise(
        id="flow-bench-3",
        title="One step of every sampler",
        purpose="Mix the two predictions again, with as much fresh noise as there is room for.",
        kind="build",
        difficulty=2,
        signature="step(x, eps, signal, noise, signal_u, noise_u, eta, fresh)",
        outputs=("x_u",),
        draw=_draw_step,
    ),
    Exercise(
        id="flow-bench-4",
        title="How narrow DDIM makes a Gaussian",
        purpose="Follow a sampler's error exactly, with one number in place of many particles.",
        kind="build",
        difficulty=2,
        signature="shares(signal, noise, c)",
        outputs=("shares",),
        draw=_draw_path,
    ),
    Exercise(
        id="flow-bench-5",
        title="The Frechet distance of the truth from itself",
        purpose="Know what a statistic says when there is nothing to find.",
        kind="build",
        difficulty=2,
        signature="frechet_floor(cov, n)",
        outputs=("floor",),
        draw=_draw_covariance,
    ),
    Exercise(
        id="flow-bench-6",
        title="Heun on DDIM's clock",
        purpose="Raise the order of DDIM by one more look at the network.",
        kind="modify",
        difficulty=3,
        signature="heun_step(x, predict, signal, noise, signal_u, noise_u)",
        outputs=("x_u",),
        draw=_draw_heun,
    ),
)
