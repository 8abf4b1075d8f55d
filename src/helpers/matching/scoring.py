"""How good a ranking is: nDCG, reciprocal rank, recall. Higher is better, 1 is the best.

Shapes: Q queries, N items, k places that count. Every function gives one number a query, (Q,), so
that means and their errors can be taken; where nothing is relevant there is nothing to find, and
the number is NaN.
"""

import torch
from torch import Tensor

from helpers import checks


def check(ranking: Tensor, n_items: int, k: int) -> None:
    """ValueError unless ranking (Q, L) has ids from 0 to n_items - 1, none twice, and k <= L."""
    if ranking.dtype != torch.long:
        raise ValueError(f"ranking must be int64 (Q, L), got {ranking.dtype}")
    if ranking.ndim != 2:
        raise ValueError(f"ranking must be (Q, L), got the shape {tuple(ranking.shape)}")
    if len(ranking) == 0:
        raise ValueError("ranking must be of one query at least, got none")
    checks.whole("k", k, 1, ranking.shape[1])
    if not bool(((ranking >= 0) & (ranking < n_items)).all()):
        raise ValueError(f"ranking must hold ids from 0 to {n_items - 1}, got others")
    if bool((ranking.sort(1).values.diff(dim=1) == 0).any()):
        raise ValueError("ranking must name each item once, got one twice in a row")


def _grades(grades: Tensor, ranking: Tensor) -> Tensor:
    """Grades (Q, N) of a ranking (Q, L), as float64; ValueError unless finite and at least 0."""
    wanted = f"grades must be ({len(ranking)}, N), not empty"
    if grades.ndim != 2:
        raise ValueError(f"{wanted}, got the shape {tuple(grades.shape)}")
    if len(grades) != len(ranking):
        raise ValueError(f"{wanted}, got {len(grades)} rows")
    if grades.shape[1] == 0:
        raise ValueError(f"{wanted}, got no items")
    grades = grades.double()
    if not bool(grades.isfinite().all()):
        raise ValueError("grades must be finite and at least 0, got NaN or infinity")
    if bool((grades < 0).any()):
        raise ValueError(f"grades must be at least 0, got {grades.min().item()}")
    return grades


def discount(k: int, device: torch.device | str | None = None) -> Tensor:
    """1 / log2(1 + place) for places 1 to k, (k,) float64, on a device."""
    return 1 / torch.arange(2, k + 2, device=device, dtype=torch.float64).log2()


def dcg(gains: Tensor) -> Tensor:
    """Discounted cumulative gain of gains (Q, k) in the order shown, (Q,)."""
    return gains.double() @ discount(gains.shape[-1], gains.device)


def ndcg(ranking: Tensor, grades: Tensor, k: int, *, exponential: bool = True) -> Tensor:
    """DCG at k over that of the best possible order, (Q,).

    After Järvelin and Kekäläinen (2002, doi:10.1145/582415.582418), in the later form: gain
    2**grade - 1, discount 1 / log2(1 + place).

    ranking : ids (Q, L), best first. grades : (Q, N), 0 for what is worth nothing. k : places.
    exponential : gain 2 ** grade - 1, else the grade itself.
    """
    grades = _grades(grades, ranking)
    check(ranking, grades.shape[1], k)
    gains = torch.exp2(grades) - 1 if exponential else grades
    best = gains.topk(min(k, gains.shape[1]), 1).values
    return dcg(gains.gather(1, ranking[:, :k])) / _or_nan(dcg(best))


def reciprocal_rank(ranking: Tensor, grades: Tensor, k: int, *, least: float = 1.0) -> Tensor:
    """1 / place of the first item of grade ``least`` or more, 0 if none is among k, (Q,).

    ranking : ids (Q, L), best first. grades : (Q, N). k : places that are looked at.
    """
    right = _grades(grades, ranking) >= least
    check(ranking, right.shape[1], k)
    hit = right.gather(1, ranking[:, :k]).double()
    place = torch.arange(1, k + 1, device=hit.device)
    return (hit / place).amax(1) / _or_nan(right.any(1).double())


def recall(ranking: Tensor, grades: Tensor, k: int, *, least: float = 1.0) -> Tensor:
    """Share of the items of grade ``least`` or more that are among the first k, (Q,).

    ranking : ids (Q, L), best first. grades : (Q, N). k : places that are looked at.
    """
    right = _grades(grades, ranking) >= least
    check(ranking, right.shape[1], k)
    return right.gather(1, ranking[:, :k]).sum(1) / _or_nan(right.sum(1).double())


def _or_nan(best: Tensor) -> Tensor:
    return best.masked_fill(best == 0, torch.nan)
