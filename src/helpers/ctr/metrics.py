"""How good predicted clicks are: log loss, normalised entropy, AUC and AUC within groups.

B impressions. Scores may be any numbers that order them; logits are log-odds u, the probability is
1 / (1 + exp(-u)). Chapter 10 derives each line.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from helpers import counting


def log_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean of -y log p - (1 - y) log(1 - p), a scalar in nats; differentiable.

    Written log(1 + e^u) - y u, which stays finite where p rounds to 0 or 1.

    Parameters
    ----------
    logits : floats (B,). labels : (B,), in [0, 1]; a fraction counts as that share of a click.

    Raises
    ------
    ValueError : shapes that differ, nothing in them, NaN, labels outside [0, 1].
    """
    _check(logits, labels)
    y = labels.to(logits)
    if not ((y >= 0) & (y <= 1)).all():
        raise ValueError(f"labels must be in [0, 1], got {y.min():g} to {y.max():g}")
    return (F.softplus(logits) - y * logits).mean()


def normalised_entropy(logits: Tensor, labels: Tensor) -> float:
    """Log loss over the log loss of the labels' own mean rate (He et al., ADKDD 2014): < 1 is good.

    Parameters
    ----------
    logits : floats (B,). labels : (B,), 0 or 1, both among them, or there is nothing to divide by.
    """
    positive = _positive(logits, labels)
    rate = positive.double().mean()
    if not 0 < rate < 1:
        raise ValueError(f"labels must hold a 0 and a 1, got a rate of {rate:g}")
    base = -(rate * rate.log() + (1 - rate) * (1 - rate).log())
    return (log_loss(logits.double(), labels) / base).item()


def auc(scores: Tensor, labels: Tensor) -> float:
    """Probability that a clicked impression outscores an unclicked one; a tie counts one half.

    Sorted once (Mann and Whitney): N log N instead of a comparison of all pairs.

    Parameters
    ----------
    scores : (B,). labels : (B,), 0 or 1, both among them.
    """
    positive = _positive(scores, labels)
    n_pos = int(positive.sum())
    n_neg = len(positive) - n_pos
    if not n_pos:
        raise ValueError(f"labels must hold a 0 and a 1, got no 1 among {len(positive)}")
    if not n_neg:
        raise ValueError(f"labels must hold a 0 and a 1, got no 0 among {len(positive)}")
    return counting.auc(scores, positive, ~positive)


def gauc(scores: Tensor, labels: Tensor, groups: Tensor) -> float:
    """AUC within each group, averaged with the groups' numbers of impressions as weights.

    Groups (users, requests) without a click, or with nothing but clicks, have no AUC and are left
    out (Zhu et al., arXiv:1703.02091, who group by user).

    Parameters
    ----------
    scores : (B,). labels : (B,), 0 or 1. groups : whole numbers (B,), any names.
    """
    positive = _positive(scores, labels)
    if groups.shape != scores.shape:
        wanted = tuple(scores.shape)
        raise ValueError(f"groups must be {wanted}, one a score, got {tuple(groups.shape)}")
    if groups.is_floating_point():
        raise ValueError(f"groups must be whole numbers, got {groups.dtype}")
    _, group, size = groups.unique(return_inverse=True, return_counts=True)
    ranks, start = _ranks(scores, group)
    n_pos = torch.zeros_like(size).index_add_(0, group, positive.long()).double()
    zero = torch.zeros(len(size), dtype=torch.double, device=scores.device)
    above = zero.index_add_(0, group, torch.where(positive, ranks - start, 0.0))
    n_neg = size - n_pos
    mixed = (n_pos > 0) & (n_neg > 0)
    if not mixed.any():
        raise ValueError(f"a group must hold a 0 and a 1, got none among {len(size)} groups")
    areas = (above - n_pos * (n_pos + 1) / 2)[mixed] / (n_pos * n_neg)[mixed]
    return ((areas * size[mixed]).sum() / size[mixed].sum()).item()


def _ranks(scores: Tensor, group: Tensor) -> tuple[Tensor, Tensor]:
    """Ranks (B,) in the order of group, then score, ties shared; and those before the group."""
    _, order = scores.unique(return_inverse=True)
    key = group * len(scores) + order
    _, place, count = key.unique(return_inverse=True, return_counts=True)
    last = count.cumsum(0)
    size = torch.bincount(group)
    start = size.cumsum(0) - size
    return (last - (count - 1) / 2.0).double()[place], start[group].double()


def _positive(scores: Tensor, labels: Tensor) -> Tensor:
    _check(scores, labels)
    positive = labels == 1
    if not (positive | (labels == 0)).all():
        raise ValueError("labels must be 0 or 1, got other values")
    return positive


def _check(scores: Tensor, labels: Tensor) -> None:
    if scores.ndim != 1:
        raise ValueError(f"scores must be (B,), got {tuple(scores.shape)}")
    if scores.shape != labels.shape:
        wanted = tuple(scores.shape)
        raise ValueError(f"labels must be (B,) as scores {wanted}, got {tuple(labels.shape)}")
    if not len(scores):
        raise ValueError("scores must be (B,), not empty, got (0,)")
    if not scores.isfinite().all():
        raise ValueError("scores must be finite, got NaN or infinity")
