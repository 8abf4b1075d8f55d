"""A KD-tree (Bentley, 1975): cut space at the median of one coordinate, again and again.

N vectors, Q queries, D dimensions. The tree is a heap of 2 ** depth leaves: node n has the children
2 n + 1 and 2 n + 2, and all leaves hold as many vectors, or one less.
"""

import math

import torch
from torch import Tensor

from helpers.ann.distance import check_search, check_vectors, distances_to, nearest
from helpers.checks import whole


class KDTree:
    """Exact search that skips boxes further away than the k-th nearest found so far.

    Parameters
    ----------
    leaf_size : no leaf holds more vectors, at least 1.
    """

    def __init__(self, leaf_size: int = 8) -> None:
        self.leaf_size = whole("leaf_size", leaf_size, 1)
        self.vectors: Tensor | None = None

    def build(self, vectors: Tensor) -> "KDTree":
        """Take vectors (N, D): every node is cut where its vectors spread most, at the median."""
        self.vectors = check_vectors(vectors)
        n = len(vectors)
        self.depth = max(0, math.ceil(math.log2(n / self.leaf_size)))
        # Equal leaves by padding: -1 stands for no vector, and sorts last.
        order = torch.full((1, math.ceil(n / 2**self.depth) << self.depth), -1)
        order = order.to(vectors.device)
        order[0, :n] = torch.arange(n, device=vectors.device)
        axes = []
        cuts = []
        for _ in range(self.depth):
            there = order >= 0
            x = vectors[order.clamp(min=0)]
            count = there.sum(1, keepdim=True)  # at least 1: a node above the leaves is never empty
            mean = (x * there[..., None]).sum(1) / count
            spread = ((x - mean[:, None]).square() * there[..., None]).sum(1)
            axis = spread.argmax(1)
            value = x.gather(2, axis[:, None, None].expand(-1, x.shape[1], 1))[..., 0]
            value = value.masked_fill(~there, math.inf)
            value, at = value.sort(1)
            order = order.gather(1, at)
            # Half of what is there goes left; then both halves are padded alike.
            half = order.shape[1] // 2
            middle = (there.sum(1) + 1) // 2
            order = _halves(order, middle, half)
            cut = value.gather(1, (middle - 1)[:, None])[:, 0]
            axes.append(axis)
            cuts.append(cut)
        none = vectors.new_empty(0)
        self.axes = torch.cat(axes) if axes else none.long()
        self.cuts = torch.cat(cuts) if cuts else none
        self.leaves = order
        return self

    def search(self, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """The k nearest of queries (Q, D), exactly: distances and ids, (Q, k); k from 1 to N.

        All queries go down their own trees side by side. ``stack`` holds the nodes still to see
        and, for each, how far the query is from its box along every coordinate.
        """
        check_search(queries, self.vectors, k)
        n = len(queries)
        device = queries.device
        height = self.depth + 1
        rows = torch.arange(n, device=device)
        nodes = torch.zeros(n, height, dtype=torch.long, device=device)
        gaps = queries.new_zeros(n, height, queries.shape[1])
        size = torch.ones(n, dtype=torch.long, device=device)
        best = queries.new_full((n, k), math.inf)
        ids = torch.full((n, k), -1, device=device)
        self.n_distances = torch.zeros(n, dtype=torch.long, device=device)
        while len(rows):
            size[rows] -= 1
            top = size[rows]
            node = nodes[rows, top]
            gap = gaps[rows, top]
            # A box no nearer than the k-th so far cannot improve it: the bound of (13.6).
            open_ = gap.square().sum(1) < best[rows, -1]
            leaf = open_ & (node >= len(self.axes))
            at = rows[leaf]
            if len(at):
                self._look(queries, at, node[leaf], best, ids)
            inner = open_ & (node < len(self.axes))
            at = rows[inner]
            node = node[inner]
            gap = gap[inner]
            top = top[inner]
            if len(at):
                nodes[at, top], gaps[at, top], near = self._children(queries[at], node, gap)
                nodes[at, top + 1] = near
                gaps[at, top + 1] = gap
                size[at] += 2
            rows = rows[size[rows] > 0]
        return best, ids

    def _look(self, queries: Tensor, at: Tensor, node: Tensor, best: Tensor, ids: Tensor) -> None:
        """Compare queries ``at`` (n,) with their leaves ``node`` (n,); changes best, ids (Q, k)."""
        new = self.leaves[node - len(self.axes)]
        apart = distances_to(queries[at], self.vectors, new)
        self.n_distances[at] += (new >= 0).sum(1)
        both = torch.cat([best[at], apart], 1), torch.cat([ids[at], new], 1)
        best[at], ids[at] = nearest(*both, best.shape[1])

    def _children(
        self, queries: Tensor, node: Tensor, gap: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """For queries (n, D) at node (n,): the child beyond the cut, its gap (n, D), and the near.

        The near child's gap is that of the node.
        """
        axis = self.axes[node]
        side = queries.gather(1, axis[:, None])[:, 0] - self.cuts[node]
        right = (side > 0).long()
        far = gap.scatter(1, axis[:, None], side[:, None])
        return 2 * node + 2 - right, far, 2 * node + 1 + right


def _halves(order: Tensor, middle: Tensor, half: int) -> Tensor:
    """Rows (n, 2 half), the -1 last, cut after ``middle`` (n,) entries: (2 n, half)."""
    at = torch.arange(half, device=order.device)
    left = order[:, :half].masked_fill(at >= middle[:, None], -1)
    right = order.gather(1, middle[:, None] + at)  # middle is at most half
    return torch.stack([left, right], 1).flatten(0, 1)
