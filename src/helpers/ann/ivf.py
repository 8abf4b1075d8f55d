"""An inverted file: k-means cells, and for every cell the list of its vectors.

N vectors, Q queries, D dimensions, K cells. Sivic & Zisserman (2003) took the name from text: a
cell is a word, its list a postings list.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from helpers.ann.distance import (
    BUDGET,
    check_allowed,
    check_ids,
    check_more,
    check_search,
    check_vectors,
    nearest,
    squared_distances,
)
from helpers.ann.kmeans import assign, kmeans
from helpers.checks import whole

Score = Callable[[int, Tensor, slice, Tensor], Tensor]


class Ivf:
    """Look only into the cells whose centroids are nearest.

    Parameters
    ----------
    n_cells : K, at most N. n_rounds : of k-means.
    generator : draws the first centroids.
    """

    def __init__(
        self, n_cells: int = 128, n_rounds: int = 10, *, generator: torch.Generator | None = None
    ) -> None:
        self.n_cells = whole("n_cells", n_cells, 1)
        self.n_rounds = whole("n_rounds", n_rounds, 0)
        self.generator = generator
        self.vectors: Tensor | None = None

    def build(self, vectors: Tensor, *, centroids: Tensor | None = None) -> "Ivf":
        """Take vectors (N, D). centroids : (K, D) made elsewhere, in place of k-means."""
        check_vectors(vectors)
        if centroids is None:
            whole("n_cells", self.n_cells, 1, len(vectors))
            centroids = kmeans(vectors, self.n_cells, self.n_rounds, generator=self.generator)
        elif check_vectors(centroids, "centroids").shape[1:] != vectors.shape[1:]:
            raise ValueError(
                f"centroids must be (K, {vectors.shape[1]}), got {tuple(centroids.shape)}"
            )
        self.centroids = centroids
        self.n_cells = len(centroids)
        self.vectors = vectors
        self.cell = assign(vectors, centroids)[1]
        self._sort()
        return self

    def add(self, vectors: Tensor) -> Tensor:
        """Put vectors (n, D) into the cells there are; returns their ids (n,).

        The centroids stay: as the data drift away from them, lists grow uneven.
        """
        check_more(vectors, self.vectors)
        self.vectors = torch.cat([self.vectors, vectors])
        self.cell = torch.cat([self.cell, assign(vectors, self.centroids)[1]])
        self._sort()
        n = len(self.vectors)
        return torch.arange(n - len(vectors), n, device=vectors.device)

    def remove(self, ids: Tensor) -> None:
        """Take ids (n,) off their lists; they are never found again, nor given to others."""
        check_ids(ids, len(self.vectors))
        self.cell[ids] = -1
        self._sort()

    def _sort(self) -> None:
        """Lists one after the other: ``order`` holds ids, list c begins at ``begin[c]``."""
        there = (self.cell >= 0).nonzero()[:, 0]
        self.order = there[self.cell[there].argsort(stable=True)]
        sizes = torch.bincount(self.cell[there], minlength=self.n_cells)
        self.begin = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])
        self._sorted = self.vectors[self.order]

    def search(
        self, queries: Tensor, k: int, *, n_probes: int = 8, allowed: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Up to k nearest of queries (Q, D) in n_probes cells: distances and ids, (Q, k) each.

        k : from 1 to N. n_probes : from 1 to K. allowed : (N,) bool, only those are compared with.
        """
        check_search(queries, self.vectors, k)
        whole("n_probes", n_probes, 1, self.n_cells)
        check_allowed(allowed, self.vectors)
        probes = squared_distances(queries, self.centroids).topk(n_probes, 1, largest=False)[1]

        def score(cell: int, rows: Tensor, part: slice, column: Tensor) -> Tensor:
            found = squared_distances(queries.index_select(0, rows), self._sorted[part])
            if allowed is not None:
                found[:, ~allowed[self.order[part]]] = math.inf
            return found

        distances, ids, n_scored = scan(queries, probes, self.begin, self.order, k, score)
        if allowed is not None:
            per_cell = torch.bincount(self.cell[allowed & (self.cell >= 0)], minlength=self.n_cells)
            n_scored = per_cell[probes].sum(1)
        self.n_distances = self.n_cells + n_scored
        return distances, ids


def scan(
    queries: Tensor, probes: Tensor, begin: Tensor, order: Tensor, k: int, score: Score
) -> tuple[Tensor, Tensor, Tensor]:
    """The k best in some lists for each query; every list is scored once, for all that ask it.

    Parameters
    ----------
    queries : (Q, D). probes : lists (Q, P) that each of them looks into.
    begin : (K + 1,). order : ids, list by list. k : how many to find.
    score : of (list, rows (n,) of the queries, slice of ``order``, columns (n,) of probes):
        distances (n, length of the list).

    Returns
    -------
    distances, ids : (Q, k), nearest first, then inf and -1. counts : (Q,) how many were scored.
    """
    sizes = begin.diff()
    ends = begin.tolist()
    longest = max(1, int(sizes[probes].max()))
    n_rows = max(1, BUDGET // (longest * probes.shape[1]))
    parts = []
    for first in range(0, len(probes), n_rows):
        mine = probes[first : first + n_rows]
        table = queries.new_full((*mine.shape, longest), math.inf)
        _fill(table, mine, first, ends, score)
        best, at = table.flatten(1).topk(min(k, table[0].numel()), 1, largest=False)
        column = at // longest
        offset = at % longest
        slot = (begin[mine.gather(1, column)] + offset).clamp(max=len(order) - 1)
        parts.append(nearest(best, order[slot], k))
    distances, ids = (torch.cat(columns) for columns in zip(*parts, strict=True))
    return distances, ids, sizes[probes].sum(1)


def _fill(table: Tensor, mine: Tensor, first: int, ends: list[int], score: Score) -> None:
    """Write into ``table`` (n, P, length) the scores of lists ``mine`` (n, P), each list once.

    first : the number of the first of these n queries. ends : where lists begin and end.
    """
    flat = mine.flatten()
    by_list = flat.argsort(stable=True)
    lists, counts = torch.unique_consecutive(flat[by_list], return_counts=True)
    for cell, asked in zip(lists.tolist(), by_list.split(counts.tolist()), strict=True):
        part = slice(ends[cell], ends[cell + 1])
        if part.start == part.stop:
            continue
        row = asked // mine.shape[1]
        column = asked % mine.shape[1]
        found = score(cell, first + row, part, column)
        table.view(-1, table.shape[2])[:, : found.shape[1]].index_copy_(0, asked, found)
