"""Several rankings made one, by places alone. Shapes: Q queries, N items, k places, R rankings.

Cormack, Clarke and Büttcher (2009, doi:10.1145/1571941.1572114): reciprocal rank fusion.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from helpers import checks


def reciprocal_rank_fusion(
    rankings: Sequence[Tensor],
    k: int,
    *,
    weights: Sequence[float] | None = None,
    constant: float = 60.0,
) -> tuple[Tensor, Tensor]:
    """The k items with the largest sum of weight / (constant + place): scores, ids, (Q, k) each.

    An item that a ranking does not list gets nothing from it. Of equal scores the one that an
    earlier ranking placed better comes first.

    Parameters
    ----------
    rankings : R tensors of ids (Q, L), best first, each with its own L; -1 where there is none.
    k : at most the sum of the L. Where fewer items were listed, scores are -inf and ids -1.
    weights : one for each ranking, at least 0; by default 1 each.
    constant : how little the first places stand out.

    Raises
    ------
    ValueError : no rankings, different Q, k out of range, weights or constant negative.
    """
    _check_rankings(rankings, k)
    weights = [1.0] * len(rankings) if weights is None else list(weights)
    _check_numbers(weights, constant, len(rankings))
    ids = torch.cat(list(rankings), 1)  # (Q, L_1 + ... + L_R)
    parts = [
        w / (constant + torch.arange(1, r.shape[1] + 1, device=r.device, dtype=torch.float64))
        for w, r in zip(weights, rankings, strict=True)
    ]
    gains = torch.cat(parts).expand(len(ids), -1)
    scores, ids = _summed(ids, gains)
    best = scores.argsort(dim=1, descending=True, stable=True)[:, :k]
    scores = scores.gather(1, best)
    return scores, ids.gather(1, best).masked_fill(scores == -torch.inf, -1)


def _summed(ids: Tensor, gains: Tensor) -> tuple[Tensor, Tensor]:
    """Of ids and their gains (Q, T) each id's sum, where it appears first: scores, ids, (Q, T).

    In the order of appearance; what is left over comes last, with -inf.
    """
    order = ids.argsort(dim=1, stable=True)
    ids = ids.gather(1, order)
    gains = gains.gather(1, order)
    first = torch.ones_like(ids, dtype=torch.bool)
    first[:, 1:] = ids[:, 1:] != ids[:, :-1]
    group = first.cumsum(1) - 1  # equal ids stand together and share a number
    sums = torch.zeros_like(gains).scatter_add_(1, group, gains)
    scores = sums.gather(1, group).masked_fill(~first | (ids < 0), -torch.inf)
    at = order.masked_fill(~first, ids.shape[1]).argsort(1)  # back in the order of appearance
    scores = scores.gather(1, at)
    ids = ids.gather(1, at)
    return scores, ids


def _check_rankings(rankings: Sequence[Tensor], k: int) -> None:
    """ValueError unless there are rankings int64 (Q, L), of the same Q, and k suits them."""
    if not rankings:
        raise ValueError("rankings must be one at least, got none")
    for r in rankings:
        if r.dtype != torch.long:
            raise ValueError(f"rankings must be int64 tensors (Q, L), got {r.dtype}")
        if r.ndim != 2:
            raise ValueError(f"rankings must be (Q, L), got the shape {tuple(r.shape)}")
    if len({len(r) for r in rankings}) != 1:
        raise ValueError(f"rankings must be of as many queries, got {[len(r) for r in rankings]}")
    total = sum(r.shape[1] for r in rankings)
    checks.whole("k", k, 1, total)


def _check_numbers(weights: list[float], constant: float, n: int) -> None:
    """ValueError unless there are n weights, and they and the constant are >= 0 and finite."""
    if len(weights) != n:
        raise ValueError(f"weights must be {n} numbers, got {len(weights)}")
    if not all(0 <= w < math.inf for w in weights):
        raise ValueError(f"weights must be at least 0 and finite, got {weights}")
    if not 0 <= constant < math.inf:
        raise ValueError(f"constant must be at least 0 and finite, got {constant}")
