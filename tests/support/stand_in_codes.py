"""Eighty points of four coordinates for the tests of Codes, and what its page must state."""

import torch

from helpers.ann.pq import Pq, ProductQuantizer, look_up
from helpers.explorables.codes import Codes

BITS, K = (1, 2, 4), 7


def _points():
    generator = torch.Generator().manual_seed(4)
    centres = torch.randn(7, 4, generator=generator)
    spots = centres[torch.arange(80) % 7]
    return (spots + 0.3 * torch.randn(80, 4, generator=generator)).double()


def _coder(bits):
    generator = torch.Generator().manual_seed(bits)
    return ProductQuantizer(2, bits, 60, generator=generator).fit(POINTS)


POINTS = _points()
NAMES = [f"thing {i}" for i in range(len(POINTS))]
CODERS = {bits: _coder(bits) for bits in BITS}
BOOKS = [coder.books for coder in CODERS.values()]
QUERIES = {
    "east": torch.tensor([1.1, -0.2, 0.3, 0.1]),
    "south": torch.tensor([0.1, -1.3, -0.4, 0.7]),
}


def figure(**options):
    """The figure that the tests look at."""
    given = {"caption": "Eighty things in codes.", "bits": 2, "point": 3, "k": K} | options
    return Codes(POINTS, NAMES, BOOKS, QUERIES, noun="thing", **given)


def expected(bits, query):
    """By the helpers: codes (N, 2), tables (2, C), sums (N,), near and found ids, distortion."""
    coder, q = CODERS[bits], torch.tensor([query], dtype=torch.float64)
    codes, tables = coder.encode(POINTS), coder.tables(q)
    sums = look_up(tables, codes)[0]
    found, _ = Pq(coder).build(POINTS).search(q, K)
    order = sums.argsort(stable=True)[:K]
    torch.testing.assert_close(sums[order], found[0])
    far = (POINTS - q).square()
    near = far.sum(1).argsort(stable=True)[:K]
    return codes.long(), tables[0], sums, near.tolist(), order.tolist(), coder.distortion(POINTS)
