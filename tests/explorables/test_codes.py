"""Codes as bytes: what is stored, how exactly, and what is refused. No browser here."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import torch
from explorable_html import check_inline, still, unbroken, unpacked, words
from matplotlib.image import imread
from stand_in_codes import BITS, BOOKS, CODERS, NAMES, POINTS, QUERIES, K, figure

from helpers.explorables.codes import Codes, region


@pytest.fixture(scope="module")
def shown():
    made = figure()
    return made, *unpacked(made)


def rows_of(meta, arrays):
    """All rows of four coordinates, from three planes of bytes."""
    high, middle, low = arrays[meta["rows"]].reshape(3, -1, 4).astype(float)
    return meta["low"] + meta["step"] * (65536 * high + 256 * middle + low)


def test_points_centres_and_queries_survive(shown):
    made, meta, arrays = shown
    rows, centres = rows_of(meta, arrays), [book.swapaxes(0, 1).reshape(-1, 4) for book in BOOKS]
    given = torch.cat([POINTS, *centres, torch.stack(list(QUERIES.values()))]).numpy()
    assert rows.shape == given.shape
    assert np.abs(rows - given).max() <= made.error * (1 + 1e-6) < 1e-6
    assert meta["bits"] == list(BITS) and meta["names"] == NAMES and meta["asked"] == list(QUERIES)
    assert (meta["level"], meta["point"], meta["k"], meta["noun"]) == (1, 3, K, "thing")
    assert np.abs(rows).max() < meta["reach"] < 1.1 * np.abs(rows).max()


def test_html_is_inline_anonymous_and_the_same_again(shown):
    check_inline(shown[0], figure())


def test_the_last_book_is_shown_unless_another_is_named():
    meta, _ = unpacked(figure(bits=None))
    assert meta["level"] == len(BITS) - 1


@pytest.mark.parametrize("part", [0, 1])
def test_a_region_is_what_is_nearest_to_its_centre(part):
    """Shoelace areas against the share of a fine lattice; corners are equally far from centres."""
    book, reach = CODERS[4].books[part].numpy(), 2.0
    at = (np.arange(400) + 0.5) / 400 * 2 * reach - reach
    grid = np.stack(np.meshgrid(at, at), -1).reshape(-1, 1, 2)
    owners = np.square(grid - book).sum(2).argmin(1)
    for c in range(len(book)):
        corners = region(book, c, reach)
        x, y = corners.T
        area = np.abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2
        assert area == pytest.approx((owners == c).mean() * 4 * reach**2, abs=0.02)
        far = np.square(corners[:, None] - book).sum(2)
        assert (far[:, c] <= far.min(1) + 1e-9).all()


def test_still_shows_both_parts_and_the_square_of_cells(shown):
    parts = list(still(shown[0]).iter())
    assert words(parts[0]) == ["part 1", "part 2", "4 × 4 = 16 cells"]
    dots = {w: [p for p in parts if p.attrib.get("stroke-width") == w] for w in ("4", "10", "13")}
    counts = {w: [p.attrib["d"].count("h0") for p in found] for w, found in dots.items()}
    assert counts == {"4": [80, 80], "10": [4, 4], "13": [1, 1]}
    image = next(p for p in parts if p.tag.endswith("image"))
    pixels = imread(io.BytesIO(base64.b64decode(image.attrib["href"].split(",")[1])), format="png")
    # Row a, column b: the nearer the pair of centres, the bluer, the less red.
    tables = CODERS[2].tables(QUERIES["east"][None].double())[0]
    far = (tables[0][:, None] + tables[1]).numpy()
    order = pixels[..., 0].ravel()[far.ravel().argsort()]
    assert pixels.shape[:2] == (4, 4) and (np.diff(order) >= 0).all() and order[0] < order[-1]


def test_words_cannot_break_out():
    nasty = "</script><b>\"&'<!--"
    names, queries = [nasty, *NAMES[1:]], {nasty: QUERIES["east"]}
    made = Codes(POINTS, names, BOOKS, queries, caption=nasty, noun=nasty, titles=(nasty, nasty))
    assert unbroken(made).one("figcaption")[1].strip() == nasty
    assert words(still(made))[0] == nasty


def test_plain_text_says_what_it_is(shown):
    made = shown[0]
    cells = "4 cells of 4, 16 cells of 8, 256 cells of 32 centres"
    assert repr(made) == f"Codes: 80 things, {cells}; {made.n_bytes / 1000:.1f} KB"


nan = POINTS.clone()
nan[3, 1] = torch.nan
many = torch.rand(401, 4, generator=torch.Generator())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"caption": " "}, "must not be empty"),
        ({"noun": ""}, "must not be empty"),
        ({"queries": {}}, "must not be empty"),
        ({"points": nan}, "points must be finite, got 1"),
        ({"points": POINTS[:, :3]}, r"points must have shape \(N, 4\)"),
        ({"points": POINTS[:19], "names": NAMES[:19]}, "points must be 20 to 400, got 19"),
        ({"points": many, "names": ["x"] * 401}, "points must be 20 to 400, got 401"),
        ({"names": NAMES[1:]}, "one for each of 80 points, got 79"),
        ({"titles": ("one",)}, "one for each of 2 parts, got 1"),
        ({"point": 80}, "within 80 points, got 80"),
        ({"point": -1}, "within 80 points, got -1"),
        ({"k": 81}, "within 80 points, got 3 and 81"),
        ({"k": 0}, "within 80 points, got 3 and 0"),
        ({"books": []}, r"2, 4, 8, ... centres, rising, got \[\]"),
        ({"books": [BOOKS[0][:, :1]]}, r"2, 4, 8, ... centres, rising, got \[1\]"),
        ({"books": [BOOKS[1][:, :3]]}, r"2, 4, 8, ... centres, rising, got \[3\]"),
        ({"books": BOOKS[::-1]}, r"rising, got \[16, 4, 2\]"),
        ({"books": [BOOKS[1], BOOKS[1]]}, r"rising, got \[4, 4\]"),
        ({"books": [BOOKS[1].repeat(1, 8, 1)]}, r"at most 16 centres a part, got \[32\]"),
        ({"books": [BOOKS[1][:1]]}, r"books\[0\] must have shape \(2, K, 2\)"),
        ({"bits": 3}, r"bits must be one of \[1, 2, 4\], got 3"),
        ({"queries": {"a": torch.zeros(3)}}, r"queries\['a'\] must have shape \(4\)"),
    ],
)
def test_bad_input_is_refused(changes, message):
    given = {"points": POINTS, "names": NAMES, "books": BOOKS, "queries": QUERIES} | {
        "caption": "c",
        "point": 3,
    }
    given |= changes
    with pytest.raises(ValueError, match=message):
        Codes(*[given.pop(n) for n in ("points", "names", "books", "queries")], **given)
