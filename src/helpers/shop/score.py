"""The best that any prediction of clicks can score, from their true probabilities.

Shapes: B rows.
"""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from helpers.counting import auc


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


def bayes(p: Tensor, click: Tensor) -> Bayes:
    """Scores of the true click probabilities.

    p : (B,) in (0, 1). click : (B,) 0 or 1, what came of them.
    """
    p, click = p.double(), click.double()
    return Bayes(
        auc=auc(p, p, 1 - p),
        log_loss=F.binary_cross_entropy(p, p).item(),
        mean=p.mean().item(),
        drawn_auc=auc(p, click, 1 - click) if 0 < click.sum() < len(click) else float("nan"),
        drawn_log_loss=F.binary_cross_entropy(p, click).item(),
    )
