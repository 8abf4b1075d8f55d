"""Chapter 4's graded exercises: their statements and inputs. The answers are elsewhere."""

from collections.abc import Iterator

import torch

from helpers.exercises.exercise import Exercise

SHAPES = ((5, 3, 4), (1, 2, 3), (4, 1, 6), (3, 6, 2))  # batch, dimension, points


def _normal(generator: torch.Generator, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def _between(generator: torch.Generator, low: float, high: float) -> float:
    return low + (high - low) * torch.rand((), generator=generator, dtype=torch.float64).item()


def _draw_density(generator: torch.Generator) -> Iterator[tuple]:
    for batch, n, spacing in ((5, 32, 0.5), (1, 24, 0.4), (3, 17, 0.6)):
        rough = torch.rand(batch, n, generator=generator, dtype=torch.float64) + 0.2
        density = rough / (rough.sum(1, keepdim=True) * spacing)
        yield density, spacing, _between(generator, 0.1, 0.3)


def _draw_mixture(generator: torch.Generator) -> Iterator[tuple]:
    for batch, dim, n in SHAPES:
        means = _normal(generator, n, dim)
        weights = _normal(generator, n).softmax(0)
        std = _between(generator, 0.4, 0.8)
        yield _normal(generator, batch, dim), _between(generator, 0.2, 0.7), means, std, weights


def _draw_step(generator: torch.Generator) -> Iterator[tuple]:
    for batch, dim, _ in SHAPES:
        numbers = [_between(generator, *ends) for ends in ((0.3, 0.5), (0.6, 0.9))]
        later = [_between(generator, *ends) for ends in ((0.6, 0.9), (0.2, 0.5))]
        yield _normal(generator, batch, dim), _normal(generator, batch, dim), *numbers, *later


def _draw_charges(generator: torch.Generator) -> Iterator[tuple]:
    for batch, dim, n in SHAPES:
        x = 1.5 * _normal(generator, batch, dim)
        points = _normal(generator, n, dim)
        yield x, _between(generator, 0.5, 0.9), points


EXERCISES = (
    Exercise(
        id="ode-3",
        title="The heat equation, one wave at a time",
        purpose="Solve a differential equation by one multiplication for each frequency.",
        kind="build",
        difficulty=2,
        signature="spread_out(density, spacing, tau)",
        outputs=("density",),
        draw=_draw_density,
    ),
    Exercise(
        id="ode-4",
        title="The velocity of the heat flow",
        purpose="Write a score as a posterior mean, with every factor in its place.",
        kind="build",
        difficulty=2,
        signature="heat_velocity(x, tau, means, std, weights)",
        outputs=("velocity",),
        draw=_draw_mixture,
    ),
    Exercise(
        id="ode-5",
        title="An Euler step that is a DDIM step",
        purpose="Go to the coordinates of pure heat, take the step there, and come back.",
        kind="modify",
        difficulty=2,
        signature="ddim_step(x, eps, signal, noise, new_signal, new_noise)",
        outputs=("x",),
        draw=_draw_step,
    ),
    Exercise(
        id="ode-6",
        title="The velocity along a field line",
        purpose="Count dimensions, and average charges with the right weights.",
        kind="build",
        difficulty=2,
        signature="field_line_velocity(x, z, points)",
        outputs=("velocity",),
        draw=_draw_charges,
    ),
)
