"""The contract of an index of vectors, its checks, and what every index is made of.

``index.build(vectors)`` takes vectors (N, D); then ``distances, ids = index.search(queries, k)``
takes queries (Q, D) and gives (Q, k) each, nearest first: squared L2 distances, and row numbers of
``vectors``. Where fewer than k were found, the rest are ``inf`` and -1. Search-time knobs are
keywords of ``search``. ``index.n_distances`` (Q,) says of the last search how many distances to
stored vectors (centroids included) each query evaluated.
"""

import math
from typing import Protocol

import torch
from torch import Tensor

from helpers.checks import whole

BUDGET = 1 << 24  # numbers that one temporary array may hold
CACHE = 1 << 19  # and if it is read again at once


class Index(Protocol):
    """What all of them have: vectors (N, D) in, distances and ids (Q, k) out."""

    n_distances: Tensor

    def build(self, vectors: Tensor) -> "Index":
        """Take vectors (N, D), floats; returns itself."""

    def search(self, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Squared distances and ids, (Q, k) each, of the k nearest to queries (Q, D)."""


def check_vectors(vectors: Tensor, name: str = "vectors") -> Tensor:
    """Give ``vectors`` back; ValueError, saying which ``name``, unless finite floats (N, D)."""
    if not isinstance(vectors, Tensor):
        kind = type(vectors).__name__
        raise ValueError(f"{name} must be a float32 or float64 tensor, got a {kind}")
    if vectors.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"{name} must be a float32 or float64 tensor, got {vectors.dtype}")
    if vectors.ndim != 2:
        raise ValueError(f"{name} must be (N, D) and not empty, got {tuple(vectors.shape)}")
    if 0 in vectors.shape:
        raise ValueError(f"{name} must be not empty, got {tuple(vectors.shape)}")
    if not bool(vectors.isfinite().all()):
        raise ValueError(f"{name} must be finite, got NaN or infinity")
    return vectors


def check_search(queries: Tensor, vectors: Tensor | None, k: int) -> None:
    """ValueError unless queries (Q, D) suit the vectors (N, D) and 1 <= k <= N."""
    if vectors is None:
        raise ValueError("there must be vectors to search, got none: call build first")
    check_vectors(queries, "queries")
    _check_alike("queries", "Q", queries, vectors)
    whole("k", k, 1, len(vectors))


def check_more(more: Tensor, vectors: Tensor | None) -> None:
    """ValueError unless ``more`` (n, D) may join the vectors (N, D) of an index."""
    if vectors is None:
        raise ValueError("there must be an index to add to, got none: call build first")
    check_vectors(more)
    _check_alike("vectors", "n", more, vectors)


def _check_alike(name: str, count: str, given: Tensor, vectors: Tensor) -> None:
    """ValueError unless ``given`` has the kind and the dimensions of the vectors (N, D)."""
    wanted = f"{vectors.dtype} ({count}, {vectors.shape[1]})"
    if given.dtype != vectors.dtype:
        raise ValueError(f"{name} must be {wanted}, got {given.dtype}")
    if given.shape[1] != vectors.shape[1]:
        raise ValueError(f"{name} must be {wanted}, got {tuple(given.shape)}")


def check_ids(ids: Tensor, n: int) -> None:
    """ValueError unless ids (B,) are whole numbers from 0 to ``n`` - 1."""
    wanted = f"int64 (B,) from 0 to {n - 1}"
    if ids.dtype != torch.long:
        raise ValueError(f"ids must be {wanted}, got {ids.dtype}")
    if ids.ndim != 1:
        raise ValueError(f"ids must be {wanted}, got the shape {tuple(ids.shape)}")
    bad = ids[(ids < 0) | (ids >= n)]
    if len(bad):
        raise ValueError(f"ids must be {wanted}, got {int(bad[0])}")


def check_allowed(allowed: Tensor | None, vectors: Tensor) -> None:
    """ValueError unless ``allowed`` is None or says of each of vectors (N, D) yes or no, (N,)."""
    if allowed is None:
        return
    wanted = f"bool ({len(vectors)},)"
    if allowed.dtype != torch.bool:
        raise ValueError(f"allowed must be {wanted}, got {allowed.dtype}")
    if allowed.shape != vectors.shape[:1]:
        raise ValueError(f"allowed must be {wanted}, got the shape {tuple(allowed.shape)}")
    if not bool(allowed.any()):
        raise ValueError("allowed must leave at least one vector, got none")


def squared_distances(queries: Tensor, vectors: Tensor) -> Tensor:
    """|q|^2 - 2 q.x + |x|^2 of queries (Q, D) and vectors (N, D) as one matrix product, (Q, N).

    It rounds to about |x|^2 times the dtype's precision, so never below 0 by more; clamped at 0.
    """
    norms = vectors.square().sum(1)
    products = torch.addmm(norms, queries, vectors.T, alpha=-2)
    return (products + queries.square().sum(1, keepdim=True)).clamp_(min=0)


def distances_to(queries: Tensor, vectors: Tensor, ids: Tensor) -> Tensor:
    """|q - x|^2 of queries (Q, D) to their own rows ids (Q, L) of vectors (N, D), (Q, L).

    Computed from differences, so exact to rounding; ``inf`` where an id is -1.
    """
    apart = rows_of(vectors, ids).sub_(queries[:, None])
    return apart.square_().sum(2).masked_fill_(ids < 0, math.inf)


def rows_of(vectors: Tensor, ids: Tensor) -> Tensor:
    """Rows ids (Q, L) of vectors (N, D), any where an id is -1: (Q, L, D).

    ``vectors[ids]`` gives the same; on a CPU this copies whole rows, several times as fast.
    """
    return vectors.index_select(0, ids.clamp(min=0).flatten()).view(*ids.shape, vectors.shape[1])


def nearest(distances: Tensor, ids: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k smallest of distances (Q, L) in order, with their ids (Q, L): (Q, k) each.

    Where fewer than k are finite, the rest are inf and -1.
    """
    if distances.shape[1] < k:
        more = (0, k - distances.shape[1])
        distances = torch.nn.functional.pad(distances, more, value=math.inf)
        ids = torch.nn.functional.pad(ids, more, value=-1)
    found, at = distances.topk(k, 1, largest=False)
    return found, ids.gather(1, at).masked_fill_(found == math.inf, -1)


def once(ids: Tensor) -> Tensor:
    """Ids (Q, L) sorted along each row, with repetitions replaced by -1."""
    ids = ids.sort(1).values
    again = torch.zeros_like(ids, dtype=torch.bool)
    again[:, 1:] = ids[:, 1:] == ids[:, :-1]
    return ids.masked_fill_(again, -1)


def rerank(
    queries: Tensor, vectors: Tensor, candidates: Tensor, k: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Exact distances to each query's own candidates: (distances, ids, counts).

    Parameters
    ----------
    queries : (Q, D). vectors : (N, D).
    candidates : ids (Q, L), -1 where there is none; no id twice in a row.
    k : how many to return; distances and ids are (Q, k), the evaluations counted (Q,).
    """
    size = max(1, CACHE // max(1, candidates.shape[1] * queries.shape[1]))
    parts = [
        nearest(distances_to(q, vectors, c), c, k)
        for q, c in zip(queries.split(size), candidates.split(size), strict=True)
    ]
    distances, ids = (torch.cat(columns) for columns in zip(*parts, strict=True))
    return distances, ids, (candidates >= 0).sum(1)


def recall(ids: Tensor, truth: Tensor) -> float:
    """Mean share of each query's true neighbours, truth (Q, k), among those found, ids (Q, L).

    -1 among the ids is nobody; among the truth it is a ValueError, as are wrong shapes.
    """
    wanted = "ids and truth must be (Q, L) and (Q, k)"
    if ids.ndim != 2:
        raise ValueError(f"{wanted}, got ids {tuple(ids.shape)}")
    if truth.ndim != 2:
        raise ValueError(f"{wanted}, got truth {tuple(truth.shape)}")
    if len(ids) != len(truth):
        raise ValueError(f"{wanted}, got {len(ids)} and {len(truth)} queries")
    if truth.numel() == 0:
        raise ValueError(f"{wanted}, got no truth: {tuple(truth.shape)}")
    if truth.min() < 0:
        raise ValueError(f"truth must be ids of at least 0, got {truth.min()}")
    return (truth[:, :, None] == ids[:, None]).any(2).double().mean().item()


def lift(vectors: Tensor) -> Tensor:
    """Vectors (N, D) with one more coordinate that gives all the same length, (N, D + 1).

    Among them the nearest to (q, 0), see :func:`lift_queries`, has the largest inner product q.x.
    """
    square = check_vectors(vectors).square().sum(1)
    more = (square.max() - square).clamp(min=0).sqrt()
    return torch.cat([vectors, more[:, None]], 1)


def lift_queries(queries: Tensor) -> Tensor:
    """Queries (Q, D) with a coordinate that is 0, (Q, D + 1)."""
    return torch.nn.functional.pad(check_vectors(queries, "queries"), (0, 1))
