"""Several rankings made one, by places alone. Shapes: Q queries, N items, k places, R rankings.

Cormack, Clarke and Büttcher (2009, doi:10.1145/1571941.1572114): reciprocal rank fusion.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


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
    if not rankings or any(r.ndim != 2 or r.dtype != torch.long for r in rankings):
        raise ValueError("rankings must be int64 tensors (Q, L), one at least, got others")
    if len({len(r) for r in rankings}) != 1:
        raise ValueError(f"rankings must be of as many queries, got {[len(r) for r in rankings]}")
    weights = [1.0] * len(rankings) if weights is None else list(weights)
    if len(weights) != len(rankings) or not all(0 <= w < math.inf for w in weights):
        raise ValueError(f"weights must be {len(rankings)} numbers of at least 0, got {weights}")
    if not 0 <= constant < math.inf:
        raise ValueError(f"constant must be at least 0 and finite, got {constant}")
    total = sum(r.shape[1] for r in rankings)
    if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= total:
        raise ValueError(f"k must be a whole number in 1 ... {total}, got {k!r}")
    ids = torch.cat(list(rankings), 1)  # (Q, L_1 + ... + L_R)
    parts = [
        w / (constant + torch.arange(1, r.shape[1] + 1, device=r.device, dtype=torch.float64))
        for w, r in zip(weights, rankings, strict=True)
    ]
    gains = torch.cat(parts).expand(len(ids), -1)
    order = ids.argsort(dim=1, stable=True)
    ids, gains = ids.gather(1, order), gains.gather(1, order)
    first = torch.ones_like(ids, dtype=torch.bool)
    first[:, 1:] = ids[:, 1:] != ids[:, :-1]
    group = first.cumsum(1) - 1  # equal ids stand together and share a number
    sums = torch.zeros_like(gains).scatter_add_(1, group, gains)
    scores = sums.gather(1, group).masked_fill(~first | (ids < 0), -torch.inf)
    at = order.masked_fill(~first, total).argsort(1)  # back in the order of appearance
    scores, ids = scores.gather(1, at), ids.gather(1, at)
    best = scores.argsort(dim=1, descending=True, stable=True)[:, :k]
    scores = scores.gather(1, best)
    return scores, ids.gather(1, best).masked_fill(scores == -torch.inf, -1)
