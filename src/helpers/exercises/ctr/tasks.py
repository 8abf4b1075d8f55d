"""Chapter 10's graded exercises: their statements and inputs. The answers are elsewhere."""

from collections.abc import Iterator

import torch

from helpers.exercises.exercise import Exercise

F64 = torch.float64


def _uniform(generator: torch.Generator, low: float, high: float, *shape: int) -> torch.Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator, dtype=F64)


def _number(generator: torch.Generator, low: float, high: float) -> float:
    return _uniform(generator, low, high).item()


def _draw_auc(generator: torch.Generator) -> Iterator[tuple]:
    for batch, n_clicked, n_other in ((5, 3, 5), (1, 2, 6), (3, 4, 4), (2, 5, 3)):
        levels = torch.randn(5, generator=generator, dtype=F64).sort().values  # so there are ties
        clicked = levels[torch.randint(1, 5, (batch, n_clicked), generator=generator)]
        other = levels[torch.randint(5, (batch, n_other), generator=generator)]
        clicked[:, 0] = levels[3]
        other[:, 0] = levels[3]
        clicked[:, 1] = levels[2]
        other[:, 1] = levels[4]
        other[:, 2] = levels[0]
        yield clicked, other


def _draw_step(generator: torch.Generator) -> Iterator[tuple]:
    for n_features in (5, 1, 9, 4):
        z = _uniform(generator, 0.2, 3.0, n_features)
        z = z * (1 - 2 * (torch.arange(n_features) % 2)).double()
        z[:2] *= torch.tensor([1.0, 0.1], dtype=F64)[: len(z)]  # above and below the threshold
        z[0] = z[0] + 1.2
        n = _uniform(generator, 0.3, 4.0, n_features)
        g = _uniform(generator, 0.3, 1.0, n_features)
        alpha, beta, l1 = (_number(generator, *ends) for ends in ((0.2, 0.8), (0.5, 1.5), (0.8, 1)))
        yield z, n, g, alpha, beta, l1


def _draw_price(generator: torch.Generator) -> Iterator[tuple]:
    for batch, n in ((5, 4), (1, 3), (6, 2), (3, 6)):
        bids = _uniform(generator, 1, 5, batch, n)
        p = _uniform(generator, 0.05, 0.5, batch, n)
        yield bids, p, 0.7 * (bids * p).min().item()  # everybody reaches it


def _draw_attraction(generator: torch.Generator) -> Iterator[tuple]:
    for batch, k in ((5, 4), (1, 3), (3, 8), (6, 2)):
        shown = _uniform(generator, 5, 60, batch, k)  # counts weighted by hour, so not whole
        theta = _uniform(generator, 0.2, 0.9, k).sort(descending=True).values
        trust = _uniform(generator, 0.05, 0.4, k)
        clicks = shown * theta * _uniform(generator, 0.02, 0.7, batch, k)
        yield clicks, shown, theta, trust


EXERCISES = (
    Exercise(
        id="ctr-3",
        title="AUC of every request",
        purpose="Turn a probability over pairs into tensor operations, ties included.",
        kind="build",
        difficulty=2,
        signature="area(clicked, other)",
        outputs=("auc",),
        draw=_draw_auc,
    ),
    Exercise(
        id="ctr-4",
        title="A step of FTRL-proximal",
        purpose="Keep a whole past in two numbers a feature.",
        kind="build",
        difficulty=2,
        signature="ftrl_step(z, n, g, alpha, beta, l1)",
        outputs=("z", "n"),
        draw=_draw_step,
    ),
    Exercise(
        id="ctr-5",
        title="What a click costs in every slot",
        purpose="Charge the smallest bid that keeps the place.",
        kind="build",
        difficulty=2,
        signature="prices(bids, p, reserve)",
        outputs=("price",),
        draw=_draw_price,
    ),
    Exercise(
        id="ctr-6",
        title="Attraction under trust",
        purpose="Undo a bias that adds clicks as well as hiding them.",
        kind="modify",
        difficulty=3,
        signature="attraction(clicks, shown, theta, trust)",
        outputs=("attraction",),
        draw=_draw_attraction,
    ),
)
