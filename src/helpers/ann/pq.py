"""Product quantisation (Jegou, Douze & Schmid, 2011): a vector as a few bytes.

A vector is cut into m parts, and each part replaced by the nearest of 2 ** b centroids. N vectors,
Q queries, D dimensions; codes are (N, m) uint8.
"""

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from helpers.ann.distance import BUDGET, check_search, check_vectors, nearest, rerank
from helpers.ann.kmeans import assign, kmeans
from helpers.checks import whole


class ProductQuantizer:
    """Codebooks (m, 2 ** b, D / m), one for each part of the coordinates.

    Parameters
    ----------
    n_parts : m, which must divide D. n_bits : b, 1 to 8. n_rounds : of k-means.
    generator : draws the first centroids.
    """

    def __init__(
        self,
        n_parts: int = 10,
        n_bits: int = 8,
        n_rounds: int = 20,
        *,
        generator: torch.Generator | None = None,
    ) -> None:
        self.n_parts = whole("n_parts", n_parts, 1)
        self.n_bits = whole("n_bits", n_bits, 1, 8)
        self.n_rounds = whole("n_rounds", n_rounds, 0)
        self.generator = generator
        self.books: Tensor | None = None

    def fit(self, vectors: Tensor) -> "ProductQuantizer":
        """Run k-means on every part of vectors (N, D); N must be at least 2 ** b."""
        parts = self._cut(check_vectors(vectors))
        if len(vectors) < 2**self.n_bits:
            raise ValueError(
                f"vectors must be at least {2**self.n_bits} for {self.n_bits} bits, "
                f"got {len(vectors)}"
            )
        self.books = torch.stack(
            [
                kmeans(part.contiguous(), 2**self.n_bits, self.n_rounds, generator=self.generator)
                for part in parts.unbind(1)
            ]
        )
        return self

    def _cut(self, vectors: Tensor) -> Tensor:
        """The parts (N, m, D / m) of vectors (N, D)."""
        dim = vectors.shape[1]
        if self.books is not None and dim != self.n_parts * self.books.shape[2]:
            wanted = self.n_parts * self.books.shape[2]
            raise ValueError(f"vectors must have {wanted} dimensions, got {dim}")
        if dim % self.n_parts:
            wanted = f"a number of dimensions that {self.n_parts} parts divide"
            raise ValueError(f"vectors must have {wanted}, got {dim}")
        return vectors.unflatten(1, (self.n_parts, -1))

    def encode(self, vectors: Tensor) -> Tensor:
        """Codes (N, m) of vectors (N, D): for each part the nearest centroid."""
        if self.books is None:
            raise ValueError("there must be codebooks, got none: call fit first")
        parts = self._cut(check_vectors(vectors)).unbind(1)
        codes = [assign(x, book)[1] for x, book in zip(parts, self.books, strict=True)]
        return torch.stack(codes, 1).to(torch.uint8)

    def decode(self, codes: Tensor) -> Tensor:
        """What codes (N, m) stand for, (N, D)."""
        part = torch.arange(self.n_parts, device=codes.device)
        return self.books[part, codes.long()].flatten(1)

    def tables(self, queries: Tensor) -> Tensor:
        """|q_j - c|^2 for every part j of queries (Q, D) and centroid c: (Q, m, 2 ** b)."""
        parts = self._cut(check_vectors(queries, "queries"))
        products = torch.einsum("qmd,mcd->qmc", parts, self.books)
        lengths = parts.square().sum(2)[..., None] + self.books.square().sum(2)
        return (lengths - 2 * products).clamp_(min=0)

    def distortion(self, vectors: Tensor) -> float:
        """Mean squared error of decode(encode(x)) over vectors (N, D), divided by their variance.

        0 is perfect; 1 is what their mean alone, no code at all, would reach.
        """
        error = (self.decode(self.encode(vectors)) - vectors).double().square().sum(1).mean()
        return (error / (vectors - vectors.mean(0)).double().square().sum(1).mean()).item()


def look_up(tables: Tensor, codes: Tensor) -> Tensor:
    """Sums of table entries: the distance of each query to each code, (Q, N).

    tables : (Q, m, 2 ** b). codes : (N, m). m additions a pair and no multiplication: ADC.
    """
    n_parts, size = tables.shape[1:]
    entries = codes.long() + size * torch.arange(n_parts, device=codes.device)
    # All queries side by side: each look-up adds a row of Q numbers that lie together.
    return embedding_bag(entries, tables.flatten(1).T.contiguous(), mode="sum").T


class Pq:
    """An index of codes only: distances are those to the decoded vectors, found in tables.

    quantizer : a :class:`ProductQuantizer`; fitted in ``build`` unless it is fitted already.
    keep : whether the vectors themselves are kept, to re-rank the best codes.
    """

    def __init__(self, quantizer: ProductQuantizer, *, keep: bool = False) -> None:
        self.quantizer = quantizer
        self.keep = keep
        self.vectors: Tensor | None = None

    def build(self, vectors: Tensor) -> "Pq":
        """Take vectors (N, D) and keep their codes."""
        if self.quantizer.books is None:
            self.quantizer.fit(vectors)
        self.codes = self.quantizer.encode(vectors)
        # Not kept: a view of one row, which has the shape that queries are checked against.
        self.vectors = vectors if self.keep else vectors[:1].clone().expand(len(vectors), -1)
        return self

    def search(self, queries: Tensor, k: int, *, n_rerank: int = 0) -> tuple[Tensor, Tensor]:
        """The k nearest codes of queries (Q, D): distances and ids, (Q, k) each.

        k : from 1 to N. n_rerank : how many of the best codes are compared exactly afterwards; 0
        for none. It needs ``keep=True``. Look-ups are counted in ``n_codes``, not as distances.
        """
        check_search(queries, self.vectors, k)
        whole("n_rerank", n_rerank, 0, len(self.codes))
        if n_rerank and not self.keep:
            raise ValueError("re-ranking needs the vectors: Pq(..., keep=True)")
        wanted = max(k, n_rerank)
        n = len(self.codes)
        ids = torch.arange(n, device=queries.device)
        size = max(1, BUDGET // n)
        parts = [
            nearest(look_up(table, self.codes), ids.expand(len(table), -1), wanted)
            for table in self.quantizer.tables(queries).split(size)
        ]
        distances, ids = (torch.cat(columns) for columns in zip(*parts, strict=True))
        self.n_codes = torch.full((len(queries),), n, device=queries.device)
        self.n_distances = torch.zeros_like(self.n_codes)
        return finish(self, queries, distances, ids, k, n_rerank)


def finish(
    index: object, queries: Tensor, distances: Tensor, ids: Tensor, k: int, n_rerank: int
) -> tuple[Tensor, Tensor]:
    """The k best, after exact distances of queries (Q, D) to the n_rerank best codes.

    distances, ids : (Q, L), L >= k and n_rerank. index : counts them, and has the vectors.
    """
    if not n_rerank:
        return distances[:, :k], ids[:, :k]
    distances, ids, counts = rerank(queries, index.vectors, ids[:, : max(k, n_rerank)], k)
    index.n_distances = index.n_distances + counts
    return distances, ids
