"""A small layered graph for the tests of Graph, and the search that its page must run."""

import torch

from helpers.ann.graph import beam
from helpers.ann.hnsw import Hnsw
from helpers.explorables.graph import Graph

K, EFS = 5, (1, 2, 5, 20)


def _points():
    generator = torch.Generator().manual_seed(3)
    centres = torch.randn(6, 2, generator=generator)
    spots = centres[torch.arange(90) % 6]
    spots = spots + 0.25 * torch.randn(90, 2, generator=generator)
    low, step = spots.min(), (spots.max() - spots.min()) / 2047  # as the page stores them
    return low + step * ((spots - low) / step).round()


def _index(points):
    return Hnsw(3, 20, generator=torch.Generator().manual_seed(1)).build(points)


POINTS = _points()
INDEX = _index(POINTS)
ENTRY = INDEX.entry
LAYERS = [
    ((rows >= 0).nonzero()[:, 0], links[rows[rows >= 0]])
    for rows, links in zip(INDEX.rows, INDEX.links, strict=True)
]


def figure(**options):
    """The figure that the tests look at."""
    given = {"query": (0.4, -0.3), "efs": EFS, "ef": 2, "k": K} | options
    return Graph(POINTS, LAYERS, ENTRY, caption="Ninety points in layers.", **given)


def search(query, ef):
    """Ids of the up to K best and distances evaluated, as the helper finds them."""
    q = torch.tensor([query], dtype=POINTS.dtype)
    entries, total = torch.tensor([ENTRY]), 0
    for level in reversed(range(len(LAYERS))):
        walk = lambda i, level=level: INDEX.neighbours(level, i)  # noqa: E731
        _, found, counts = beam(q, POINTS, walk, entries, ef if level == 0 else 1)
        entries, total = found[:, 0], total + int(counts)
    return [i for i in found[0, :K].tolist() if i >= 0], total
