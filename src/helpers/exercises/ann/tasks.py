"""Chapter 13's graded exercises: their statements and inputs. The answers are elsewhere."""

from collections.abc import Iterator

import torch

from helpers.exercises.exercise import Exercise


def _normal(generator: torch.Generator, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def _whole(generator: torch.Generator, high: int, *shape: int) -> list:
    return torch.randint(high, shape, generator=generator).tolist()


def _draw_lift(generator: torch.Generator) -> Iterator[tuple]:
    for n, dim in ((5, 3), (1, 4), (8, 1), (3, 6)):
        x = _normal(generator, n, dim)
        more = 1.05 + torch.rand((), generator=generator, dtype=torch.float64)
        yield x, (more * x.norm(dim=1).max()).item()


def _draw_links(generator: torch.Generator) -> Iterator[tuple]:
    for n, n_candidates, dim, m in (
        (5, 12, 6, 3),
        (1, 12, 6, 2),
        (7, 20, 8, 4),
        (3, 9, 5, 2),
        (4, 16, 12, 3),
    ):
        yield _normal(generator, n, dim), _normal(generator, n, n_candidates, dim), m


def _draw_scores(generator: torch.Generator) -> Iterator[tuple]:
    for n_queries, n, m, n_centres, part in ((5, 9, 3, 4, 2), (1, 5, 2, 3, 3), (6, 1, 4, 5, 1)):
        books = _normal(generator, m, n_centres, part)
        codes = _whole(generator, n_centres, n, m)
        cells = _whole(generator, 3, n)
        centroids = 2 * _normal(generator, 3, m * part)
        yield _normal(generator, n_queries, m * part), codes, books, cells, centroids


EXERCISES = (
    Exercise(
        id="ann-3",
        title="Lift inner products to distances",
        purpose="Make every index of squared distances one of inner products.",
        kind="build",
        difficulty=1,
        signature="lift(x, radius)",
        outputs=("lifted",),
        draw=_draw_lift,
    ),
    Exercise(
        id="ann-4",
        title="How long the links are that a vector keeps",
        purpose="Write the rule that gives links in different directions.",
        kind="build",
        difficulty=2,
        signature="mean_link(x, candidates, m)",
        outputs=("length",),
        draw=_draw_links,
    ),
    Exercise(
        id="ann-5",
        title="IVF-PQ for inner products",
        purpose="See which terms of a distance an inner product needs, and which it doesn't.",
        kind="modify",
        difficulty=3,
        signature="scores(q, codes, books, cells, centroids)",
        outputs=("scores",),
        draw=_draw_scores,
    ),
)
