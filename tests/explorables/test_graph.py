"""Graph as bytes: what is stored, how exactly, and what is refused. No browser here."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from explorable_html import check_inline, still, unbroken, unpacked, words
from stand_in_graph import EFS, ENTRY, LAYERS, POINTS, K, figure

from helpers.explorables.graph import Graph


@pytest.fixture(scope="module")
def shown():
    made = figure()
    return made, *unpacked(made)


def test_points_and_links_survive(shown):
    made, meta, arrays = shown
    n = len(POINTS)
    given = arrays[meta["points"]].reshape(-1)
    found = np.stack([given[:n], given[n:]], 1) if given.size == 2 * n else given
    spots = arrays[meta["points"]]
    found = spots[0] if spots.shape == (1, n, 2) else found
    assert np.abs(found - POINTS.numpy()).max() <= made.error * (1 + 1e-6) < 2e-3
    for layer, (ids, links) in zip(meta["layers"], LAYERS, strict=True):
        assert arrays[layer["ids"]].tolist() == ids.tolist()
        table = arrays[layer["links"]].reshape(-1, layer["width"])
        assert np.array_equal(np.where(table == n, -1, table), links.numpy())
    assert meta["entry"] == ENTRY and meta["efs"] == list(EFS) and meta["k"] == K


def test_html_is_inline_anonymous_and_the_same_again(shown):
    check_inline(shown[0], figure())


def test_still_shows_every_layer(shown):
    parts = list(still(shown[0]).iter())
    assert parts[1].attrib["fill"] == "#fff"
    assert words(parts[0]) == [f"layer {level}" for level in reversed(range(len(LAYERS)))]
    dots = [p.attrib["d"] for p in parts if p.attrib.get("stroke-width") == "5"]
    assert [d.count("h0") for d in dots] == [len(ids) for ids, _ in reversed(LAYERS)]


def test_words_cannot_break_out():
    nasty = "</script><b>\"&'<!--"
    elements = unbroken(Graph(POINTS, LAYERS, ENTRY, caption=nasty))
    assert elements.one("figcaption")[1].strip() == nasty


def test_plain_text_says_what_it_is(shown):
    made = shown[0]
    expected = f"{len(POINTS)} points in {len(LAYERS)} layers; {made.n_bytes / 1000:.1f} KB"
    assert repr(made) == f"Graph: {expected}"


IDS, LINKS = LAYERS[0]
nan = POINTS.clone()
nan[3, 1] = torch.nan
outside = LINKS.clone()
outside[0, 0] = len(POINTS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"caption": " "}, "must not be empty"),
        ({"layers": []}, "must not be empty"),
        ({"points": nan}, "points must be finite, got 1"),
        ({"points": POINTS[:, :1]}, r"points must have shape \(N, 2\)"),
        ({"points": torch.rand(251, 2, generator=torch.Generator())}, "points must be .* to 250"),
        ({"k": 0}, "points must be"),
        ({"k": len(POINTS) + 1}, "points must be"),
        ({"efs": (4, 2)}, "efs must rise"),
        ({"efs": (0, 1)}, "efs must rise"),
        ({"efs": (2, 4), "ef": 1}, "hold ef = 1"),
        ({"query": (0.0, float("nan"))}, "query must be finite"),
        ({"layers": [(IDS, outside)]}, "links of layer 0 must stay in it"),
        ({"layers": [(IDS, LINKS[:5])]}, "links of layer 0 must have shape"),
        ({"layers": [LAYERS[1], LAYERS[0]]}, "layer 1 must hold some of the layer below"),
        ({"layers": [(IDS * 0, LINKS)]}, "each once"),
        ({"layers": LAYERS[1:]}, "layer 0 must hold all"),
        ({"entry": 999}, "the top layer entry 999"),
    ],
)
def test_bad_input_is_refused(changes, message):
    given = {"points": POINTS, "layers": LAYERS, "entry": ENTRY, "caption": "c"} | changes
    with pytest.raises(ValueError, match=message):
        Graph(given.pop("points"), given.pop("layers"), given.pop("entry"), **given)
