"""Chapter 11's graded exercises: their statements and inputs. The answers are elsewhere."""

from collections.abc import Iterator

import torch

from helpers.exercises.exercise import Exercise

SHAPES = ((5, 4, 3), (1, 2, 2), (8, 7, 1), (3, 3, 6))  # batch, fields, dimension


def _normal(generator: torch.Generator, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def _uniform(generator: torch.Generator, low: float, high: float, *shape: int) -> torch.Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator, dtype=torch.float64)


def _draw_fm(generator: torch.Generator) -> Iterator[tuple]:
    for batch, n, k in SHAPES:
        x = _normal(generator, batch, n)
        bias = _normal(generator, 1)[0].item()
        yield x, bias, _normal(generator, n), _normal(generator, n, k)


def _draw_ffm(generator: torch.Generator) -> Iterator[tuple]:
    for batch, n_fields, k in SHAPES:
        yield (_normal(generator, batch, n_fields, n_fields, k),)


def _draw_cross(generator: torch.Generator) -> Iterator[tuple]:
    for batch, n_layers, dim in ((5, 2, 3), (1, 1, 2), (8, 3, 4), (3, 2, 6)):
        x0 = _normal(generator, batch, dim)
        yield x0, 0.7 * _normal(generator, n_layers, dim, dim), _normal(generator, n_layers, dim)


def _draw_prune(generator: torch.Generator) -> Iterator[tuple]:
    for batch, n_fields, k in SHAPES:
        x = _normal(generator, batch, n_fields, k)
        n_pairs = n_fields * (n_fields - 1) // 2
        strength = _normal(generator, n_pairs)
        # With one pair a mean is a sum; with all but one, one pair too many is all of them.
        n_kept = 1 if n_pairs == 1 else int(2 + _uniform(generator, 0, n_pairs - 3 + 1e-9).item())
        yield x, strength, n_kept


EXERCISES = (
    Exercise(
        id="fm-3",
        title="A factorization machine on any features",
        purpose="Use the identity where features have values, not only where they are present.",
        kind="build",
        difficulty=1,
        signature="fm_logits(x, bias, w, v)",
        outputs=("logits",),
        draw=_draw_fm,
    ),
    Exercise(
        id="fm-4",
        title="Vectors that know the other field",
        purpose="Get the two indices of a field-aware product right.",
        kind="build",
        difficulty=2,
        signature="ffm_scores(v)",
        outputs=("scores",),
        draw=_draw_ffm,
    ),
    Exercise(
        id="fm-5",
        title="A cross network, version 2",
        purpose="See what raises the degree, and what keeps the lower degrees.",
        kind="build",
        difficulty=2,
        signature="cross_layers(x0, weights, biases)",
        outputs=("x",),
        draw=_draw_cross,
    ),
    Exercise(
        id="fm-6",
        title="A pruned field-weighted machine",
        purpose="Keep only the pairs of fields that matter, as one does to serve it fast.",
        kind="modify",
        difficulty=3,
        signature="pruned_scores(x, strength, n_kept)",
        outputs=("scores",),
        draw=_draw_prune,
    ),
)
