"""A forest of random-projection trees, as Annoy plants them.

A node is cut by the hyperplane midway between two of its own vectors, moved so that it halves the
node. N vectors, Q queries, D dimensions; a tree is a heap, as in ``kdtree.py``.
"""

import math

import torch
from torch import Tensor

from helpers.ann.distance import check_search, check_vectors, once, rerank
from helpers.checks import whole


class Forest:
    """Many trees, one queue: the leaves least far on the wrong side are looked into first.

    Parameters
    ----------
    n_trees : at least 1. leaf_size : no leaf holds more vectors.
    generator : draws the pairs that give the hyperplanes.
    """

    def __init__(
        self, n_trees: int = 16, leaf_size: int = 32, *, generator: torch.Generator | None = None
    ) -> None:
        self.n_trees = whole("n_trees", n_trees, 1)
        self.leaf_size = whole("leaf_size", leaf_size, 1)
        self.generator = generator
        self.vectors: Tensor | None = None

    def build(self, vectors: Tensor) -> "Forest":
        """Take vectors (N, D); all trees grow together, one level at a time."""
        self.vectors = check_vectors(vectors)
        n = len(vectors)
        device = vectors.device
        n_trees = self.n_trees
        self.depth = max(0, math.ceil(math.log2(n / self.leaf_size)))
        self.n_inner = 2**self.depth - 1
        shape = n_trees, self.n_inner
        self.normals = vectors.new_zeros(*shape, vectors.shape[1])
        self.cuts = vectors.new_zeros(shape)
        order = torch.arange(n, device=device).repeat(n_trees, 1)
        ends = torch.tensor([0, n])  # where the nodes of this level begin and end
        for level in range(self.depth):
            sizes = ends.diff()
            slots = slice(2**level - 1, 2 ** (level + 1) - 1)
            normal = self._normals(order, ends[:-1].to(device), sizes.to(device))
            node = torch.repeat_interleave(torch.arange(len(sizes)), sizes).to(device)
            value = torch.stack(
                [(vectors[o] * normal[t][node]).sum(1) for t, o in enumerate(order)]
            )
            # Sort by node, and within a node by value: two stable sorts, the last key first.
            at = value.argsort(dim=1, stable=True)
            at = at.gather(1, node[at].argsort(dim=1, stable=True))
            order = order.gather(1, at)
            value = value.gather(1, at)
            middle = ends[:-1] + (sizes + 1) // 2
            here = middle.to(device)
            self.normals[:, slots] = normal
            self.cuts[:, slots] = (value[:, here - 1] + value[:, here.clamp(max=n - 1)]) / 2
            ends = torch.cat([torch.stack([ends[:-1], middle], 1).flatten(), ends[-1:]])
        width = int(ends.diff().max())
        at = ends[:-1, None] + torch.arange(width)
        leaves = order[:, at.clamp(max=n - 1).to(device)]
        self.leaves = leaves.masked_fill((at >= ends[1:, None]).to(device), -1)
        return self

    def _normals(self, order: Tensor, first: Tensor, sizes: Tensor) -> Tensor:
        """Unit vectors (trees, nodes, D) between two of each node's vectors, drawn anew."""
        where = self.generator.device if self.generator else "cpu"
        draw = torch.rand(2, len(order), len(sizes), generator=self.generator, device=where)
        draw = draw.to(first.device)
        one = (draw[0] * sizes).long()
        other = (one + 1 + (draw[1] * (sizes - 1)).long()) % sizes
        apart = self.vectors[order.gather(1, first + one)]
        apart = apart - self.vectors[order.gather(1, first + other)]
        return torch.nn.functional.normalize(apart, dim=2)

    def search(self, queries: Tensor, k: int, *, n_leaves: int = 16) -> tuple[Tensor, Tensor]:
        """Up to k nearest of queries (Q, D) in the n_leaves most promising leaves: (Q, k) each.

        k : from 1 to N. n_leaves : over all trees together, at most all of them.
        """
        check_search(queries, self.vectors, k)
        total = self.n_trees * (self.n_inner + 1)
        whole("n_leaves", n_leaves, 1)
        n_leaves = min(n_leaves, total)
        device = queries.device
        n = len(queries)
        width = self.n_trees + n_leaves * self.depth + 1
        # The queue: how far on the right side its worst cut leaves us, tree, node.
        margin, tree = self._queue(queries, width)
        node = torch.zeros_like(tree)
        rows = torch.arange(n, device=device)
        end = self.n_trees
        found = []
        for _ in range(n_leaves):
            worst, at = margin.max(1)
            margin[rows, at] = -math.inf
            t = tree[rows, at]
            here = node[rows, at]
            for _ in range(self.depth):
                inner = here < self.n_inner
                slot = here.clamp(max=self.n_inner - 1)
                value = (queries * self.normals[t, slot]).sum(1) - self.cuts[t, slot]
                right = (value > 0).long()
                waits = torch.minimum(worst, -value.abs())
                margin[:, end] = waits.masked_fill(~inner, -math.inf)
                tree[:, end] = t
                node[:, end] = 2 * here + 2 - right
                end += 1
                here = torch.where(inner, 2 * here + 1 + right, here)
                # What stays on its side keeps the margin it came with.
            leaf = self.leaves[t, here - self.n_inner]
            found.append(leaf.masked_fill((worst == -math.inf)[:, None], -1))
        candidates = once(torch.cat(found, 1))
        distances, ids, self.n_distances = rerank(queries, self.vectors, candidates, k)
        return distances, ids

    def _queue(self, queries: Tensor, width: int) -> tuple[Tensor, Tensor]:
        """Margins and trees, (Q, width), when only the roots wait, each with nothing against it."""
        margin = queries.new_full((len(queries), width), -math.inf)
        margin[:, : self.n_trees] = math.inf
        tree = torch.zeros(len(queries), width, dtype=torch.long, device=queries.device)
        tree[:, : self.n_trees] = torch.arange(self.n_trees, device=queries.device)
        return margin, tree
