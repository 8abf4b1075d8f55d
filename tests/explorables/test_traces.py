"""Traces as bytes: what is stored, how exactly, and what is refused. No browser here."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import torch
from explorable_html import Elements, check_inline, still, unbroken, unpacked, words
from matplotlib.image import imread
from stand_in_lines import LEVELS, PANELS, TIMES, density, figure, positions

from helpers.explorables.traces import Traces

WAY = torch.linspace(-1, 1, 3 * 5).reshape(3, 5)
CLOCK = torch.tensor([0.0, 0.25, 1.0])


@pytest.fixture(scope="module")
def shown() -> tuple[Traces, dict, list[np.ndarray]]:
    made = figure()
    return made, *unpacked(made)


def test_positions_are_shown_within_the_error_told(shown):
    made, meta, arrays = shown
    assert [panel["name"] for panel in meta["panels"]] == list(PANELS)
    for panel in meta["panels"]:
        names = LEVELS if len(panel["levels"]) > 1 else [None]
        for name, level in zip(names, panel["levels"], strict=True):
            given = positions(panel["name"], name).numpy()
            assert np.abs(arrays[level["points"]] - given).max() <= made.error * (1 + 1e-6)
    assert made.error < 2.5e-3  # two decimals are right to half a unit of the last


def test_every_level_has_the_times_of_its_rows(shown):
    _, meta, _ = shown
    for panel in meta["panels"]:
        names = LEVELS if len(panel["levels"]) > 1 else [max(LEVELS)]
        for name, level in zip(names, panel["levels"], strict=True):
            times = meta["times"][level["clock"]]
            assert times == pytest.approx(TIMES[name].tolist(), abs=1e-8)
    assert meta["levels"] == [str(name) for name in LEVELS]


def test_who_runs_backwards(shown):
    _, meta, _ = shown
    assert {p["name"]: p["back"] for p in meta["panels"]} == PANELS


def test_density_survives_and_is_stored_once(shown):
    _, meta, arrays = shown
    heats = {panel["heat"] for panel in meta["panels"]}
    assert len(heats) == 1
    given = density().numpy()
    root = np.sqrt(arrays[heats.pop()][0]) - np.sqrt(given)
    assert np.abs(root).max() <= np.sqrt(given.max()) * 0.51 / 127


def test_a_density_of_its_own_for_some_panels():
    heats = {"a": torch.ones(4, 6), "c": 2 * torch.ones(3, 5)}
    panels = dict.fromkeys("abc", WAY)
    made = Traces(panels, CLOCK, extent=(-1, 1), caption="c", density=heats)
    meta, arrays = unpacked(made)
    first, none, last = (panel["heat"] for panel in meta["panels"])
    assert none is None and arrays[first].shape == (1, 4, 6)
    assert arrays[last].shape == (1, 3, 5) and np.allclose(arrays[last], 2)


def test_html_is_inline_anonymous_and_the_same_again(shown):
    check_inline(shown[0], figure())


def test_still_is_a_picture_with_the_density_the_right_way_up():
    cells = torch.zeros(9, 8)
    cells[0, 1], cells[-1, 6] = 1.0, 1.0  # low at t = 0, high at t = 1
    made = Traces({"a <b>": WAY}, CLOCK, extent=(-1, 1), caption="It rises.", density=cells)
    parts = list(still(made).iter())
    assert parts[1].attrib["fill"] == "#fff"  # the first thing painted covers everything
    assert words(parts[0])[0] == "a <b>"
    assert len([part for part in parts if part.tag.endswith("path")]) == 1 + WAY.shape[1]
    picture = next(part for part in parts if part.tag.endswith("image")).attrib["href"]
    seen = imread(io.BytesIO(base64.b64decode(picture.partition(",")[2])))[..., 0]
    assert seen.shape == (8, 9)  # time runs to the right
    assert seen[6, 0] < 0.5 and seen[1, -1] < 0.5 and (seen > 0.99).sum() == 70
    assert Elements(made._repr_html_()).one("figcaption")[1].strip() == "It rises."


def test_words_cannot_break_out():
    nasty = "</script><b>\"&'<!--"
    made = Traces({nasty: {nasty: WAY}}, CLOCK, extent=(-1, 1), caption=nasty, knob=nasty)
    unbroken(made)
    meta, _ = unpacked(made)
    assert {meta["panels"][0]["name"], meta["knob"], *meta["levels"]} == {nasty}


def test_plain_text_says_what_it_is(shown):
    named = ", ".join([*PANELS, *map(str, LEVELS)])
    assert repr(shown[0]) == f"Traces: {named}; {shown[0].n_bytes / 1000:.1f} KB"


def test_too_many_bytes_are_refused_with_the_reason():
    many = torch.rand(101, 500, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match=r"at most 80 KB.*got \d+\.\d KB .*particles \d.*fewer"):
        Traces({"a": many}, torch.linspace(0, 1, 101), extent=(0, 1), caption="c")


nan = WAY.clone()
nan[1, 2] = torch.nan


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"panels": {}}, "must not be empty"),
        ({"caption": " "}, "must not be empty"),
        ({"panels": {"a": nan}}, r"panels\['a'\] must be finite, got 1"),
        ({"panels": {"a": "text"}}, "array of numbers"),
        ({"panels": {"a": WAY[..., None]}}, r"must have shape \(T, N\).*got \(3, 5, 1\)"),
        ({"panels": {"a": WAY[:, :0]}}, "not empty"),
        ({"panels": {"a": WAY[:2]}}, r"a row for each of \[3\] times, got 2"),
        ({"panels": {"a": {}}}, r"same levels, got \[\[\]\]"),
        ({"panels": {"a": {1: WAY}, "b": {2: WAY}}}, r"same levels, got \[\['1'\], \['2'\]\]"),
        ({"panels": {"a": {1: WAY, 2: WAY[:, :4]}}}, "as many particles in every level"),
        ({"times": CLOCK.flip(0)}, "times must rise"),
        ({"times": torch.tensor([0.0, 0.5, 0.5])}, "times must rise"),
        ({"times": 2 * CLOCK}, "times must rise"),
        ({"times": CLOCK - 1}, "times must rise"),
        ({"times": [CLOCK, CLOCK]}, "differ in length, got 3 twice"),
        ({"times": torch.zeros(3, 1)}, r"times must have shape \(T\)"),
        ({"extent": (1, 1)}, "extent must be"),
        ({"extent": (0, float("nan"))}, "extent must be"),
        ({"density": -torch.ones(3, 4)}, "at least 0"),
        ({"density": torch.ones(4)}, r"density must have shape \(T', H\)"),
        ({"density": torch.ones(1, 4)}, "2 times and cells"),
        ({"density": {"b": torch.ones(3, 4)}}, r"density must be for some of \['a'\]"),
        ({"backwards": ["b"]}, "backwards must be for some of"),
        ({"follow": 5}, r"particle 0\.\.4, got 5"),
        ({"follow": -1}, r"particle 0\.\.4, got -1"),
        ({"seconds": 0.0}, "seconds must"),
    ],
)
def test_bad_input_is_refused(changes, message):
    arguments = {"panels": {"a": WAY}, "times": CLOCK, "caption": "c", "extent": (-1, 1)} | changes
    with pytest.raises(ValueError, match=message):
        Traces(arguments.pop("panels"), arguments.pop("times"), **arguments)


def test_few_arguments_are_enough():
    meta, arrays = unpacked(Traces({"a": WAY.numpy()}, CLOCK, caption="c", extent=(-2, 2.5)))
    assert meta["extent"] == [-2, 2.5] and meta["follow"] is None and meta["levels"] == []
    assert meta["panels"][0]["heat"] is None and meta["seconds"] > 0
    assert np.abs(arrays[0] - WAY.numpy()).max() < 1e-3
