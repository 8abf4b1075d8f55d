"""Exact search: one matrix product, and the k smallest of every row without sorting the row.

N vectors, Q queries, D dimensions. Distances are squared L2.
"""

import torch
from torch import Tensor

from helpers.index import check_allowed, check_search, check_vectors, nearest, rerank

GROUP = 32  # columns that share a minimum


class Flat:
    """Compare with everything, in blocks that bound the memory.

    Parameters
    ----------
    block : (queries, vectors) that meet at a time. Beyond its input and output a search needs
        memory for one block of distances and for k of each row and block.
    """

    def __init__(self, block: tuple[int, int] = (512, 4096)) -> None:
        if len(block) != 2 or min(block) < 1:
            raise ValueError(f"block must be two numbers of at least 1, got {block}")
        self.block = block
        self.vectors: Tensor | None = None

    def build(self, vectors: Tensor) -> "Flat":
        """Keep vectors (N, D), and beside them (x, |x|^2), centred so that less cancels."""
        self.vectors = check_vectors(vectors)
        self.centre = vectors.mean(0)
        x = vectors - self.centre
        self.wide = torch.cat([x, x.square().sum(1, keepdim=True)], 1)
        return self

    def search(
        self, queries: Tensor, k: int, *, allowed: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The k nearest of queries (Q, D): distances and ids, (Q, k).

        Per query |x|^2 - 2 q.x orders as |q - x|^2 does, and is one product of (-2 q, 1) with
        (x, |x|^2). The distances returned are computed afresh from differences.

        k : from 1 to N. allowed : (N,) bool, only those are compared with.
        """
        check_search(queries, self.vectors, k)
        check_allowed(allowed, self.vectors)
        ids = torch.arange(len(self.vectors), device=queries.device)
        wide = self.wide
        if allowed is not None:
            ids, wide = ids[allowed], wide[allowed]
        asked = torch.cat([-2 * (queries - self.centre), queries.new_ones(len(queries), 1)], 1)
        n_rows, n_columns = self.block
        found = []
        for q in asked.split(n_rows):
            best = [
                smallest(q @ x.T, i, k)
                for x, i in zip(wide.split(n_columns), ids.split(n_columns), strict=True)
            ]
            scores, names = (torch.cat(parts, 1) for parts in zip(*best, strict=True))
            found.append(nearest(scores, names, k)[1])
        self.n_distances = torch.full((len(queries),), len(ids), device=queries.device)
        # k of a row from differences: no cancellation, and the order they give.
        return rerank(queries, self.vectors, torch.cat(found), k)[:2]


def smallest(scores: Tensor, ids: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k smallest of scores (Q, L), any order, and their ids (L,): (Q, min(k, L)) each.

    One pass takes the least of every 32 neighbouring columns. The k smallest of a row lie in the
    k groups whose least are smallest: each other group's least has k smaller ones before it.
    """
    n = scores.shape[1]
    n_groups = n // GROUP
    if n_groups < 2 * k:
        found, at = scores.topk(min(k, n), 1, largest=False, sorted=False)
        return found, ids[at]
    tail, tail_ids = scores[:, n_groups * GROUP :], ids[n_groups * GROUP :]
    groups = scores[:, : n_groups * GROUP].unflatten(1, (n_groups, GROUP))
    best = groups.amin(2).topk(k, 1, largest=False, sorted=False).indices
    kept = groups.gather(1, best[:, :, None].expand(-1, -1, GROUP)).flatten(1)
    names = (best[:, :, None] * GROUP + torch.arange(GROUP, device=ids.device)).flatten(1)
    kept = torch.cat([kept, tail], 1)
    names = torch.cat([ids[names], tail_ids.expand(len(scores), -1)], 1)
    found, at = kept.topk(k, 1, largest=False, sorted=False)
    return found, names.gather(1, at)
