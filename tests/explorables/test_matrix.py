"""Matrix as bytes: what is stored, how exactly, and what is refused. No browser here."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import torch
from explorable_html import check_inline, still, unbroken, unpacked, words
from stand_in_matrix import COLUMNS, LEVELS, NAMES, ROWS, figure, learned, planted, seen


@pytest.fixture(scope="module")
def shown():
    made = figure()
    return made, *unpacked(made)


def test_entries_are_shown_within_the_error_told(shown):
    made, meta, arrays = shown
    assert made.error < 2.5e-3  # two decimals are right
    assert np.abs(arrays[meta["planted"]] - planted().numpy()).max() <= made.error * (1 + 1e-5)
    for name, run in zip(NAMES, meta["runs"], strict=True):
        for level, number in zip(LEVELS, run, strict=True):
            off = np.abs(arrays[number] - learned(name, level).numpy()).max()
            assert off <= made.error * (1 + 1e-5)
    assert (arrays[meta["seen"]].reshape(ROWS, COLUMNS) == seen().numpy()).all()
    assert (meta["rows"], meta["columns"], meta["level"]) == (ROWS, COLUMNS, 1)
    assert meta["levels"] == list(map(str, LEVELS)) and meta["names"] == list(NAMES)
    assert meta["most"] == pytest.approx(planted().abs().max().item(), rel=1e-5)


def test_still_shows_both_in_shades(shown):
    parts = list(still(shown[0]).iter())
    assert parts[1].attrib["fill"] == "#fff"
    assert words(parts[0]) == ["planted", "learned, rank k 2"]
    groups = [part for part in parts if part.tag.endswith("}g")]
    for group, matrix in zip(groups, (planted(), learned("plain", 2)), strict=True):
        colour = {}
        for path in group:
            for c, r in re.findall(r"M(\d+) (\d+)h1v1h-1z", path.attrib["d"]):
                colour[int(r), int(c)] = path.attrib["fill"]
        share = (matrix / planted().abs().max()).clamp(-1, 1)
        for (r, c), fill in colour.items():
            red, blue = int(fill[1:3], 16), int(fill[5:7], 16)
            assert (blue < red) == (share[r, c] > 0)  # orange above 0, blue below
            strong = (255 - min(red, blue)) / 255 / 0.85
            assert abs(strong - abs(share[r, c].item())) < 0.5 / 8 + 0.01
        for r in range(ROWS):
            for c in range(COLUMNS):
                assert (r, c) in colour or abs(share[r, c]) < 0.5 / 8 + 1e-6


def test_html_is_inline_anonymous_and_the_same_again(shown):
    check_inline(shown[0], figure(), 40_000)


def test_words_cannot_break_out():
    nasty = "</script><b>\"&'<!--"
    made = figure(caption=nasty, sides=(nasty, nasty), titles=(nasty, nasty), knob=nasty)
    unbroken(made)
    assert nasty in words(still(made))


def test_plain_text_says_what_it_is(shown):
    size = f"{shown[0].n_bytes / 1000:.1f} KB"
    assert repr(shown[0]) == f"Matrix: 7 x 9, rank k 0, 2, 5; {size}"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"planted": planted()[0]}, r"planted must have shape \(R, C\)"),
        ({"planted": planted() * math.nan}, "planted must be finite"),
        ({"planted": torch.zeros(61, 2)}, "at most 60 x 60"),
        ({"learned": {}}, "must not be empty"),
        ({"learned": {"a": {1: planted()}}}, "two or more"),
        ({"learned": {"a": {1: planted(), 2: planted()[:3]}}}, r"learned\['a'\]\[2\] must have"),
        (
            {"learned": {n: {i: planted(), 9: planted()} for i, n in enumerate("ab")}},
            "the same levels",
        ),
        ({"seen": seen()[:3]}, r"seen must have shape"),
        ({"seen": torch.ones(ROWS, COLUMNS)}, "both of them"),
        ({"seen": seen() * 2}, "seen must hold 0 and 1"),
        ({"level": 3}, "level must be 0 to 2, got 3"),
        ({"caption": " "}, "must not be empty"),
        ({"sides": ("", "b")}, "must not be empty"),
        ({"knob": ""}, "must not be empty"),
    ],
)
def test_bad_input_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        figure(**changes)
