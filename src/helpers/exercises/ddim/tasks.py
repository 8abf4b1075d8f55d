"""Chapter 2's graded exercises: their statements and inputs. The answers are elsewhere."""

from collections.abc import Iterator

import torch

from helpers.exercises.exercise import Exercise

SHAPES = ((5, 3), (1, 4), (8, 2), (3, 6))  # batch, dimension


def _normal(generator: torch.Generator, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def _between(generator: torch.Generator, low: float, high: float) -> float:
    return low + (high - low) * torch.rand((), generator=generator, dtype=torch.float64).item()


def _bars(generator: torch.Generator) -> tuple[float, float]:
    """alpha-bar at a noisier step and at a cleaner one."""
    return _between(generator, 0.1, 0.4), _between(generator, 0.5, 0.85)


def _draw_posterior(generator: torch.Generator) -> Iterator[tuple]:
    for shape in SHAPES:
        x = _normal(generator, *shape)
        x0 = _normal(generator, *shape)
        yield x, x0, *_bars(generator)


def _draw_step(generator: torch.Generator) -> Iterator[tuple]:
    for shape in SHAPES:
        x, eps, z = (_normal(generator, *shape) for _ in range(3))
        yield x, eps, *_bars(generator), _between(generator, 0.3, 0.8), z


def _draw_velocity(generator: torch.Generator) -> Iterator[tuple]:
    for shape in SHAPES:
        x = _normal(generator, *shape)
        v = _normal(generator, *shape)
        yield x, v, *_bars(generator)


def _draw_points(generator: torch.Generator) -> Iterator[tuple]:
    for (batch, dim), n_points in zip(SHAPES, (4, 7, 3, 5), strict=True):
        yield (
            _normal(generator, batch, dim),
            _normal(generator, n_points, dim),
            _between(generator, 0.15, 0.6),
        )


EXERCISES = (
    Exercise(
        id="ddim-3",
        title="The posterior of any step back",
        purpose="Apply Bayes' rule to two Gaussians, for steps that need not be neighbours.",
        kind="build",
        difficulty=2,
        signature="posterior(x, x0, bar, bar_j)",
        outputs=("mean", "variance"),
        draw=_draw_posterior,
    ),
    Exercise(
        id="ddim-4",
        title="One step of DDIM",
        purpose="Put the guessed picture, old noise and new noise together in the right amounts.",
        kind="build",
        difficulty=2,
        signature="ddim_step(x, eps, bar, bar_j, eta, z)",
        outputs=("x_j",),
        draw=_draw_step,
    ),
    Exercise(
        id="ddim-5",
        title="A step from a predicted velocity",
        purpose="See that the step needs no division when the network predicts the velocity.",
        kind="modify",
        difficulty=2,
        signature="velocity_step(x, v, bar, bar_j)",
        outputs=("x_j",),
        draw=_draw_velocity,
    ),
    Exercise(
        id="ddim-6",
        title="The perfect network for finitely many points",
        purpose="Find what training can only approach: the mean of all noises that may be in x.",
        kind="build",
        difficulty=3,
        signature="best_noise(x, points, bar)",
        outputs=("eps",),
        draw=_draw_points,
    ),
)
