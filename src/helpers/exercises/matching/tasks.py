"""Chapter 7's graded exercises: their statements and inputs. The answers are elsewhere."""

from collections.abc import Iterator

import torch

from helpers.exercises.exercise import Exercise

SIZES = (5, 1, 9, 4)


def _uniform(generator: torch.Generator, low: float, high: float, *shape: int) -> torch.Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator, dtype=torch.float64)


def _draw_contribution(generator: torch.Generator) -> Iterator[tuple]:
    for n, held in zip((5, 7, 12, 1), (2, 4, 9, 1), strict=True):
        counts = _uniform(generator, 0.5, 6.0, n)
        lengths = _uniform(generator, 7.0, 60.0, n)
        counts[torch.randperm(n, generator=generator)[held:]] = 0  # these don't hold the word
        k1 = _uniform(generator, 0.6, 2.4).item()
        b = _uniform(generator, 0.2, 0.45).item()
        yield counts, lengths, held, k1, b


def _draw_losses(generator: torch.Generator) -> Iterator[tuple]:
    for n, dim in ((5, 3), (1, 4), (8, 2), (3, 6)):
        f, g = (torch.randn(n, dim, generator=generator, dtype=torch.float64) for _ in range(2))
        yield f, g, _uniform(generator, -6.0, -1.0, n)


def _draw_ndcg(generator: torch.Generator) -> Iterator[tuple]:
    for batch, n, k in ((5, 8, 3), (1, 6, 4), (2, 10, 5), (3, 12, 6)):
        grades = _uniform(generator, 0.1, 3.0, batch, n)
        order = torch.rand(batch, n, generator=generator).argsort(1)
        best = grades.argsort(1, descending=True)[:, :1]  # what is best is not shown
        order = order[order != best].view(batch, n - 1)
        yield grades.gather(1, order[:, : k + 1]), grades, k


def _draw_split(generator: torch.Generator) -> Iterator[tuple]:
    for n in SIZES:
        counts = _uniform(generator, 0.5, 6.0, n)
        lengths = _uniform(generator, 7.0, 60.0, n)
        share = _uniform(generator, 0.001, 0.1, n)
        smoothing = _uniform(generator, 0.15, 0.4, n)
        yield counts, lengths, share, smoothing


EXERCISES = (
    Exercise(
        id="matching-3",
        title="What a word adds",
        purpose="Put BM25's three factors in their places.",
        kind="build",
        difficulty=1,
        signature="contribution(counts, lengths, n, k1, b)",
        outputs=("score",),
        draw=_draw_contribution,
    ),
    Exercise(
        id="matching-4",
        title="The in-batch loss of every row",
        purpose="Get the sign and the axis of the correction right.",
        kind="build",
        difficulty=2,
        signature="losses(f, g, log_q)",
        outputs=("loss",),
        draw=_draw_losses,
    ),
    Exercise(
        id="matching-5",
        title="nDCG of one list",
        purpose="See that the ideal is over all items, not over those shown.",
        kind="build",
        difficulty=2,
        signature="ndcg(shown, grades, k)",
        outputs=("ndcg",),
        draw=_draw_ndcg,
    ),
    Exercise(
        id="matching-6",
        title="Another smoothing, split",
        purpose="Split a score into a part on the postings and a part for every document.",
        kind="modify",
        difficulty=3,
        signature="split(counts, lengths, share, smoothing)",
        outputs=("held", "every"),
        draw=_draw_split,
    ),
)
