"""IVF-PQ: cells, and in a cell's list the codes of what is left after taking off its centroid.

N vectors, Q queries, D dimensions, K cells, m parts of b bits. Jegou, Douze & Schmid (2011),
section IV.
"""

import torch
from torch import Tensor

from helpers.ann.distance import check_search, check_vectors, squared_distances
from helpers.ann.ivf import Ivf, scan
from helpers.ann.pq import ProductQuantizer, finish, look_up
from helpers.checks import whole


class IvfPq:
    """Two approximations, two knobs: which cells are seen, and how exactly their vectors.

    Parameters
    ----------
    cells : an :class:`Ivf`, for its n_cells and its k-means. quantizer : of the residuals.
    keep : whether the vectors themselves are kept, to re-rank the best codes.
    """

    def __init__(self, cells: Ivf, quantizer: ProductQuantizer, *, keep: bool = False) -> None:
        self.cells = cells
        self.quantizer = quantizer
        self.keep = keep
        self.vectors: Tensor | None = None

    def build(self, vectors: Tensor) -> "IvfPq":
        """Take vectors (N, D): cells, then codes of x - c(x), then one number for each vector.

        By (13.16), |q - c - r|^2 = |q - c|^2 + (|r|^2 + 2 c.r) - 2 q.r for a decoded residual r:
        the first term belongs to query and cell, the second to the vector, and for the third one
        table of the query serves all cells.
        """
        check_vectors(vectors)
        cells = self.cells.build(vectors)
        residuals = vectors - cells.centroids[cells.cell]
        if self.quantizer.books is None:
            self.quantizer.fit(residuals)
        self.codes = self.quantizer.encode(residuals)[cells.order]
        decoded = self.quantizer.decode(self.codes)
        centre = cells.centroids[cells.cell[cells.order]]
        self.bias = (decoded * (decoded + 2 * centre)).sum(1)
        # Not kept: a view of one row, which has the shape that queries are checked against.
        self.vectors = vectors if self.keep else vectors[:1].clone().expand(len(vectors), -1)
        if not self.keep:
            cells.vectors = cells._sorted = None
        return self

    def search(
        self, queries: Tensor, k: int, *, n_probes: int = 8, n_rerank: int = 0
    ) -> tuple[Tensor, Tensor]:
        """Up to k nearest codes of queries (Q, D) in n_probes cells: distances and ids, (Q, k).

        k : from 1 to N. n_probes : from 1 to K. n_rerank : how many of the best codes are compared
        exactly afterwards, which needs ``keep=True``. Look-ups are counted in ``n_codes``.
        """
        check_search(queries, self.vectors, k)
        whole("n_probes", n_probes, 1, self.cells.n_cells)
        whole("n_rerank", n_rerank, 0, len(self.vectors))
        if n_rerank and not self.keep:
            raise ValueError("re-ranking needs the vectors: IvfPq(..., keep=True)")
        to_cells = squared_distances(queries, self.cells.centroids)
        near, probes = to_cells.topk(n_probes, 1, largest=False)
        books = self.quantizer.books
        m = self.quantizer.n_parts
        tables = -2 * torch.einsum("qmd,mcd->qmc", queries.unflatten(1, (m, -1)), books)

        def score(cell: int, rows: Tensor, part: slice, column: Tensor) -> Tensor:
            found = look_up(tables.index_select(0, rows), self.codes[part])
            return found.add_(self.bias[part]).add_(near[rows, column][:, None])

        wanted = max(k, n_rerank)
        found = scan(queries, probes, self.cells.begin, self.cells.order, wanted, score)
        distances, ids, self.n_codes = found
        self.n_distances = torch.full_like(self.n_codes, self.cells.n_cells)
        return finish(self, queries, distances.clamp(min=0), ids, k, n_rerank)
