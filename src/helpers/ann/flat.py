"""Exact search: one matrix product, and the k smallest of every row without sorting the row.

N vectors, Q queries, D dimensions. Distances are squared L2.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import pad

from helpers.ann.distance import check_allowed, check_search, check_vectors, nearest, rerank

GROUP = 32  # columns that share a minimum
PENDING = 8  # blocks whose best groups wait to be compared with each other


class Flat:
    """Compare with everything, in blocks that bound the memory.

    Parameters
    ----------
    block : (queries, vectors) that meet at a time; vectors are rounded up to whole groups of 32.
        Beyond its input and output a search needs memory for one block of distances, and for
        8 k groups of each of its rows.
    """

    def __init__(self, block: tuple[int, int] = (512, 4096)) -> None:
        if len(block) != 2:
            raise ValueError(f"block must be two numbers, got {len(block)}")
        if min(block) < 1:
            raise ValueError(f"block must be two numbers of at least 1, got {block}")
        self.block = block[0], block[1] + -block[1] % GROUP
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
            ids = ids[allowed]
            wide = wide[allowed]
        self.n_distances = torch.full((len(queries),), len(ids), device=queries.device)
        names = pad(ids, (0, -len(ids) % GROUP), value=-1).view(-1, GROUP)
        asked = torch.cat([-2 * (queries - self.centre), queries.new_ones(len(queries), 1)], 1)
        room = queries.new_empty(min(self.block[0], len(queries)) * min(self.block[1], len(wide)))
        found = []
        for q in asked.split(self.block[0]):
            best = []
            for start in range(0, len(wide), self.block[1]):
                x = wide[start : start + self.block[1]]
                # Into the same place each time: fresh memory costs as much as the short product.
                with torch.no_grad():  # they only choose; the distances returned carry gradients
                    scores = torch.mm(q, x.T, out=room[: len(q) * len(x)].view(len(q), len(x)))
                best.append(leading(scores, k, start // GROUP))
                if len(best) == PENDING:
                    best = [merged(best, k)]
            _, scores, groups = merged(best, k)
            found.append(nearest(scores.flatten(1), names[groups].flatten(1), k)[1])
        # k of a row from differences: no cancellation, and the order they give.
        return rerank(queries, self.vectors, torch.cat(found), k)[:2]


def leading(scores: Tensor, k: int, start: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """The k groups of 32 columns of scores (Q, L) whose least are smallest; all, if they are fewer.

    The k smallest of a row lie in them: any other group's least has k smaller ones before it.

    Returns
    -------
    least (Q, G), all their scores (Q, G, 32), and their numbers (Q, G), counted from ``start``.
    A last group that is not full is filled up with inf.
    """
    short = -scores.shape[1] % GROUP
    if short:
        scores = pad(scores, (0, short), value=math.inf)
    groups = scores.unflatten(1, (-1, GROUP))
    n = min(k, groups.shape[1])
    least, best = groups.amin(2).topk(n, 1, largest=False, sorted=False)
    return least, members(groups, best), best + start


def merged(parts: list[tuple[Tensor, Tensor, Tensor]], k: int) -> tuple[Tensor, Tensor, Tensor]:
    """The k best groups of all blocks, as one (least, scores, groups).

    parts : of each block what :func:`leading` gives, (Q, G), (Q, G, 32), (Q, G).
    """
    least, scores, groups = (torch.cat(columns, 1) for columns in zip(*parts, strict=True))
    n = min(k, least.shape[1])
    least, best = least.topk(n, 1, largest=False, sorted=False)
    return least, members(scores, best), groups.gather(1, best)


def members(groups: Tensor, chosen: Tensor) -> Tensor:
    """Of groups (Q, G, 32) those with the numbers chosen (Q, k) in their row, (Q, k, 32)."""
    n_rows, n_groups, size = groups.shape
    start = n_groups * torch.arange(n_rows, device=groups.device)[:, None]
    return groups.flatten(0, 1).index_select(0, (start + chosen).flatten()).view(n_rows, -1, size)
