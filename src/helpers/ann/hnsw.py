"""Hierarchical navigable small worlds (Malkov & Yashunin, arXiv:1603.09320).

N vectors, Q queries, D dimensions. Every vector is in layer 0, one in n_links of them in layer 1,
and so on. A search walks down: greedily through the upper layers, with a beam in the lowest.
"""

import math

import torch
from torch import Tensor

from helpers.ann.distance import (
    check_allowed,
    check_ids,
    check_more,
    check_search,
    check_vectors,
    nearest,
    squared_distances,
)
from helpers.ann.graph import beam, link_back, select
from helpers.checks import whole


class Hnsw:
    """A graph index that grows and shrinks.

    Vectors are inserted in blocks. All of a block search the graph as it was before the block, in
    step, and see the block's earlier vectors by brute force: none of those is missed.

    Parameters
    ----------
    n_links : M, links that a new vector gets in a layer; layer 0 has room for 2 M, the others for M
    ef_build : width of the beam that looks for them
    heuristic : whether links are chosen by direction (Algorithm 4) or only by distance
    flat : layer 0 only, a navigable small world; walks begin at the first vector
    block : how many vectors are inserted at a time
    generator : draws the levels
    """

    def __init__(
        self,
        n_links: int = 16,
        ef_build: int = 100,
        *,
        heuristic: bool = True,
        flat: bool = False,
        block: int = 1024,
        generator: torch.Generator | None = None,
    ) -> None:
        self.n_links = whole("n_links", n_links, 2)
        self.ef_build = whole("ef_build", ef_build, 1)
        self.block = whole("block", block, 1)
        self.heuristic = heuristic
        self.flat = flat
        self.generator = generator
        self.vectors: Tensor | None = None

    def build(self, vectors: Tensor) -> "Hnsw":
        """Start afresh with vectors (N, D)."""
        check_vectors(vectors)
        self.vectors = vectors[:0]
        self.entry = 0
        self.links: list[Tensor] = []
        self.rows: list[Tensor] = []  # of layer l: where in links[l] a vector is, -1 if nowhere
        self.alive = torch.ones(0, dtype=torch.bool, device=vectors.device)
        self.add(vectors)
        return self

    def add(self, vectors: Tensor) -> Tensor:
        """Insert vectors (n, D) after those there are; returns their ids (n,)."""
        check_more(vectors, self.vectors)
        first = len(self.vectors)
        device = vectors.device
        ids = torch.arange(first, first + len(vectors), device=device)
        where = self.generator.device if self.generator else "cpu"
        draw = 1 - torch.rand(len(ids), generator=self.generator, device=where)
        levels = (-draw.log() / math.log(self.n_links)).long().to(device)  # (13.18)
        levels = levels * (not self.flat)
        self.vectors = torch.cat([self.vectors, vectors])
        self.alive = torch.cat([self.alive, torch.ones_like(ids, dtype=torch.bool)])
        for level in range(max(len(self.links), int(levels.max()) + 1)):
            if level == len(self.links):
                self.links.append(ids.new_empty(0, self.n_links * (1 if level else 2)))
                self.rows.append(ids.new_full((first,), -1))
            here = levels >= level
            links = self.links[level]
            row = torch.where(here, len(links) + here.cumsum(0) - 1, -1)
            self.rows[level] = torch.cat([self.rows[level], row])
            more = links.new_full((int(here.sum()), links.shape[1]), -1)
            self.links[level] = torch.cat([links, more])
        n_layers = self.n_layers if first else 0  # of the graph before these
        for part, level in zip(ids.split(self.block), levels.split(self.block), strict=True):
            self._insert(part, level, n_layers)
            if int(level.max()) >= n_layers:
                n_layers = int(level.max()) + 1
                self.entry = int(part[level.argmax()])
        return ids

    @property
    def n_layers(self) -> int:
        """In how many layers the entry is: walks begin in the highest of them."""
        return sum(bool(row[self.entry] >= 0) for row in self.rows)

    def neighbours(self, level: int, ids: Tensor) -> Tensor:
        """Links (n, L) of ids (n,) in the layer ``level``, -1 where there are fewer."""
        return self.links[level].index_select(0, self.rows[level].index_select(0, ids))

    def _insert(self, ids: Tensor, levels: Tensor, n_layers: int) -> None:
        queries = self.vectors[ids]
        entries = torch.full_like(ids, self.entry)
        among = squared_distances(queries, queries)
        earlier = torch.ones_like(among, dtype=torch.bool).tril(-1)
        chosen = []
        for level in reversed(range(max(n_layers, int(levels.max()) + 1))):
            old = level < n_layers
            down = (levels < level).nonzero()[:, 0]
            if old and len(down):
                _, found = self._walk(queries[down], level, entries[down], 1)
                entries[down] = found[:, 0]
            here = (levels >= level).nonzero()[:, 0]
            if not len(here):
                continue
            beside = ids[here].expand(len(here), -1)
            near = among[here][:, here].masked_fill(~earlier[here][:, here], math.inf)
            if old:
                far, found = self._walk(queries[here], level, entries[here], self.ef_build)
                entries[here] = found[:, 0]
                near = torch.cat([near, far], 1)
                beside = torch.cat([beside, found], 1)
            found = nearest(near, beside, self.ef_build)[1]
            chosen.append((level, ids[here], found))
        for level, new, found in chosen:
            rows = self.rows[level]
            links = self.links[level]
            to = select(
                self.vectors[new], self.vectors, found, self.n_links, heuristic=self.heuristic
            )
            links[rows[new], : self.n_links] = to
            source, at = (to >= 0).nonzero(as_tuple=True)
            edges = new[source], to[source, at]
            link_back(links, rows, *edges, self.vectors, heuristic=self.heuristic)

    def _walk(self, queries: Tensor, level: int, entries: Tensor, ef: int) -> tuple[Tensor, Tensor]:
        """Distances and ids, (Q, ef), of walks through one layer from entries (Q,)."""
        links = lambda ids: self.neighbours(level, ids)  # noqa: E731
        return beam(queries, self.vectors, links, entries, ef)[:2]

    def remove(self, ids: Tensor) -> None:
        """Never find ids (n,) again. Walks still pass through them, until ``repair.repair``."""
        check_ids(ids, len(self.alive))
        self.alive[ids] = False

    def search(
        self, queries: Tensor, k: int, *, ef: int = 50, allowed: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """About the k nearest of queries (Q, D): distances and ids, (Q, k) each.

        k : from 1 to N. ef : width of the beam, at least k is used. allowed : (N,) bool; walks pass
        through all vectors, only allowed ones are found.
        """
        check_search(queries, self.vectors, k)
        whole("ef", ef, 1)
        check_allowed(allowed, self.vectors)
        ef = max(ef, k)
        width = None
        if allowed is not None or not bool(self.alive.all()):
            allowed = self.alive if allowed is None else allowed & self.alive
            share = max(1, int(allowed.sum())) / len(allowed)
            width = min(len(allowed), math.ceil(2 * ef / share))
        entries = torch.full((len(queries),), self.entry, device=queries.device)
        total = torch.zeros_like(entries)
        for level in reversed(range(1, self.n_layers)):
            walk = lambda ids, level=level: self.neighbours(level, ids)  # noqa: E731
            _, found, counts = beam(queries, self.vectors, walk, entries, 1)
            entries = found[:, 0]
            total = total + counts
        distances, ids, counts = beam(
            queries,
            self.vectors,
            lambda ids: self.neighbours(0, ids),
            entries,
            ef,
            allowed=allowed,
            width=width,
        )
        self.n_distances = total + counts
        return distances[:, :k], ids[:, :k]
