"""Locality-sensitive hashing by random hyperplanes (Charikar, 2002): SimHash.

Two vectors at the angle theta fall on the same side of a random hyperplane through 0 with the
probability 1 - theta / pi. N vectors, Q queries, D dimensions.
"""

import torch
from torch import Tensor

from helpers.ann.distance import check_search, check_vectors, once, rerank
from helpers.checks import whole


def signatures(vectors: Tensor, planes: Tensor) -> Tensor:
    """The side of every plane on which a vector lies, as the bits of a whole number.

    vectors : (N, D). planes : normals (T, B, D), T tables of B <= 62 bits. Returns (N, T) int64.
    """
    check_vectors(vectors)
    wanted = f"planes must be (T, B <= 62, {vectors.shape[1]})"
    if planes.ndim != 3:
        raise ValueError(f"{wanted}, got the shape {tuple(planes.shape)}")
    if planes.shape[2] != vectors.shape[1]:
        raise ValueError(f"{wanted}, got {planes.shape[2]} dimensions")
    if not 1 <= planes.shape[1] <= 62:
        raise ValueError(f"{wanted}, got {planes.shape[1]} bits")
    sides = torch.einsum("nd,tbd->ntb", vectors, planes) > 0
    return (sides.long() << torch.arange(planes.shape[1], device=vectors.device)).sum(2)


class SimHash:
    """Tables of buckets: who shares a bucket with the query in any table is compared with it.

    For neighbours in angle; give vectors of one length, and squared L2 orders as the angle does.

    Parameters
    ----------
    n_bits : hyperplanes per table, 1 to 62: all must agree (AND).
    n_tables : at least 1: one table is enough (OR).
    generator : draws the hyperplanes.
    """

    def __init__(
        self, n_bits: int = 12, n_tables: int = 16, *, generator: torch.Generator | None = None
    ) -> None:
        self.n_bits = whole("n_bits", n_bits, 1, 62)
        self.n_tables = whole("n_tables", n_tables, 1)
        self.generator = generator
        self.vectors: Tensor | None = None

    def build(self, vectors: Tensor) -> "SimHash":
        """Take vectors (N, D); every table lists them in the order of their signatures."""
        self.vectors = check_vectors(vectors)
        shape = self.n_tables, self.n_bits, vectors.shape[1]
        where = self.generator.device if self.generator else "cpu"
        planes = torch.randn(shape, generator=self.generator, device=where)
        self.planes = planes.to(vectors)
        self.keys, self.order = signatures(vectors, self.planes).T.contiguous().sort(1)
        return self

    def search(
        self, queries: Tensor, k: int, *, n_tables: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """Up to k nearest of queries (Q, D) among those that share a bucket: (Q, k) each.

        k : from 1 to N. n_tables : how many of the tables are asked, all by default.
        """
        check_search(queries, self.vectors, k)
        n_tables = self.n_tables if n_tables is None else n_tables
        whole("n_tables", n_tables, 1, self.n_tables)
        asked = signatures(queries, self.planes[:n_tables]).T.contiguous()
        keys = self.keys[:n_tables].contiguous()
        order = self.order[:n_tables]
        first = torch.searchsorted(keys, asked)
        last = torch.searchsorted(keys, asked, right=True)
        found = []
        for table in range(n_tables):
            at = first[table][:, None] + torch.arange(
                max(1, int((last - first)[table].max())), device=queries.device
            )
            names = order[table][at.clamp(max=len(self.vectors) - 1)]
            found.append(names.masked_fill(at >= last[table][:, None], -1))
        candidates = once(torch.cat(found, 1))
        most = max(1, int((candidates >= 0).sum(1).max()))
        candidates = candidates.sort(1, descending=True).values[:, :most]
        distances, ids, self.n_distances = rerank(queries, self.vectors, candidates, k)
        return distances, ids
