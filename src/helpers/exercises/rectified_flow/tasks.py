"""Chapter 5's graded exercises: their statements and inputs. The answers are elsewhere."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from helpers.exercises.exercise import Exercise

SHAPES = ((5, 2), (1, 3), (8, 1), (3, 6))  # batch, dimension


def _normal(generator: torch.Generator, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def _uniform(generator: torch.Generator, low: float, high: float, *shape: int) -> torch.Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator, dtype=torch.float64)


def _number(generator: torch.Generator, low: float, high: float) -> float:
    return _uniform(generator, low, high).item()


def _field(generator: torch.Generator, dim: int) -> Callable[[Any, Any], Any]:
    """A fixed smooth function of x (B, dim) and t, a number or (B,); tensors or numpy arrays."""
    weight, bias, speed = (_normal(generator, *s) for s in ((dim, dim), (dim,), (dim,)))

    def field(x: Any, t: Any) -> Any:
        plain = not isinstance(x, torch.Tensor)
        x = torch.as_tensor(np.ascontiguousarray(x), dtype=torch.float64) if plain else x
        t = torch.as_tensor(t, dtype=x.dtype)
        if t.ndim > 1 or (t.ndim == 1 and len(t) != len(x)):
            raise ValueError(f"t must be a number or ({len(x)},), got {tuple(t.shape)}")
        t = t.expand(len(x))[:, None]
        y = 1.5 * torch.tanh(x @ weight.to(x) + bias.to(x)) + torch.cos(3 * t + speed.to(x))
        return y.numpy() if plain else y

    return field


def _draw_step(generator: torch.Generator) -> Iterator[tuple]:
    for batch, dim in SHAPES:
        t = _number(generator, 0.6, 0.95)
        s = t * _number(generator, 0.2, 0.7)
        yield _normal(generator, batch, dim), t, s, _field(generator, dim)


def _draw_loss(generator: torch.Generator) -> Iterator[tuple]:
    for batch, dim in SHAPES:
        x0 = 2 * _normal(generator, batch, dim)
        x1 = _normal(generator, batch, dim)
        yield x0, x1, _uniform(generator, 0.05, 0.45, batch), _field(generator, dim)


def _draw_path(generator: torch.Generator) -> Iterator[tuple]:
    for (batch, dim), n_times, falls in zip(SHAPES, (5, 3, 7, 4), (1, 0, 1, 1), strict=True):
        times = _uniform(generator, 0.1, 1.0, n_times).cumsum(0)
        times = _number(generator, 0.5, 0.9) * times / times[-1]  # a part of the way, uneven steps
        path = _normal(generator, batch, n_times, dim).cumsum(1)
        yield path, times.flip(0) if falls else times


def _draw_disguise(generator: torch.Generator) -> Iterator[tuple]:
    for batch, dim in SHAPES:
        a = _number(generator, 0.3, 0.9)
        sigma = _number(generator, 0.4, 1.6)
        da = _number(generator, -1.5, -0.5)
        dsigma = _number(generator, 0.3, 2.0)
        yield _normal(generator, batch, dim), _field(generator, dim), a, sigma, da, dsigma


EXERCISES = (
    Exercise(
        id="rectified-flow-3",
        title="An Euler step from a denoiser",
        purpose="See that a denoiser is a velocity, and in which direction the clock runs.",
        kind="build",
        difficulty=1,
        signature="step(x, t, s, denoise)",
        outputs=("x",),
        draw=_draw_step,
    ),
    Exercise(
        id="rectified-flow-4",
        title="The loss of every line",
        purpose="Write the whole training objective with its directions right.",
        kind="build",
        difficulty=2,
        signature="loss(x0, x1, t, net)",
        outputs=("loss",),
        draw=_draw_loss,
    ),
    Exercise(
        id="rectified-flow-5",
        title="The straightness of every path",
        purpose="Average over time, not over steps.",
        kind="build",
        difficulty=2,
        signature="straightness(path, times)",
        outputs=("straightness",),
        draw=_draw_path,
    ),
    Exercise(
        id="rectified-flow-6",
        title="The straight flow in the clothes of another schedule",
        purpose="Change the clock and the units of an ODE without training anything.",
        kind="modify",
        difficulty=3,
        signature="disguise(x, v, a, sigma, da, dsigma)",
        outputs=("velocity",),
        draw=_draw_disguise,
    ),
)
