"""The best that any prediction of clicks can score, from their true probabilities.

Shapes: B rows.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Bayes:
    """What the true probabilities score on given rows, when the labels are left open or as drawn.

    `auc` and `log_loss` (nats a row) are over the labels' law, so no model can beat them but by
    luck; `drawn_auc` and `drawn_log_loss` are on the labels that came; `mean` is the mean p.
    """

    auc: float
    log_loss: float
    mean: float
    drawn_auc: float
    drawn_log_loss: float


def scored_auc(score: Tensor, positive: Tensor, negative: Tensor) -> float:
    """Share of pairs (positive, negative) that a score orders rightly, a tie counting half.

    A row that is positive with probability p and else negative has weights p and 1 - p; the result
    is then the expected number of right pairs over that of pairs. No row makes a pair with itself.

    score : (B,). positive, negative : (B,) weights, such as labels y and 1 - y.
    """
    _, place, count = score.unique(return_inverse=True, return_counts=True)
    positive, negative = positive.double(), negative.double()
    here = torch.zeros(len(count), dtype=torch.float64, device=score.device)
    here = here.index_add(0, place, negative)
    below = here.cumsum(0) - here
    own = (positive * negative).sum()  # a row with itself: a tie that is no pair
    right = (positive * (below + here / 2)[place]).sum() - own / 2
    return (right / (positive.sum() * negative.sum() - own)).item()


def bayes(p: Tensor, click: Tensor) -> Bayes:
    """Scores of the true click probabilities.

    p : (B,) in (0, 1). click : (B,) 0 or 1, what came of them.
    """
    p, click = p.double(), click.double()
    return Bayes(
        auc=scored_auc(p, p, 1 - p),
        log_loss=F.binary_cross_entropy(p, p).item(),
        mean=p.mean().item(),
        drawn_auc=scored_auc(p, click, 1 - click) if 0 < click.sum() < len(click) else float("nan"),
        drawn_log_loss=F.binary_cross_entropy(p, click).item(),
    )
