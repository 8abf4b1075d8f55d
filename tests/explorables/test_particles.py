"""Explorables as bytes: what is stored, how exactly, and what is refused. No browser here."""

from __future__ import annotations

import numpy as np
import pytest
import stand_in
import torch
from explorable_html import Elements, check_inline, still, unbroken, unpacked, words
from stand_in import BACK, FORTH, K

from helpers.explorables import inline
from helpers.explorables.particles import Particles

PATH = torch.linspace(-1, 1, 3 * 5 * 2).reshape(3, 5, 2)


@pytest.fixture(scope="module")
def parts():
    return stand_in.parts()


@pytest.fixture(scope="module")
def figure():
    return stand_in.figure()


def test_same_tensors_give_the_same_bytes(figure):
    assert stand_in.figure()._repr_html_() == figure._repr_html_()


def test_html_is_inline_and_anonymous(figure):
    check_inline(figure, stand_in.figure())


def test_size_of_a_figure_like_that_of_nice(parts):
    few = stand_in.figure(heat=parts["heat"][FORTH])
    assert few.n_bytes == len(few._repr_html_().encode()) <= 75_000
    assert stand_in.figure().n_bytes <= inline.LIMIT == 80_000


def test_too_many_bytes_are_refused_with_the_reason():
    many = torch.rand(41, 1500, 2, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match=r"at most 80 KB.*got \d+\.\d KB .*particles \d.*fewer"):
        Particles({"a": many}, caption="c")


def test_coordinates_are_shown_within_the_error_told(figure, parts):
    meta, arrays = unpacked(figure)
    for run, shown in zip(parts["runs"].values(), meta["runs"], strict=True):
        levels = run if isinstance(run, dict) else {"": run}
        assert [level["name"] for level in shown["levels"]] == [str(tau) for tau in levels]
        for path, level in zip(levels.values(), shown["levels"], strict=True):
            off = np.abs(arrays[level["points"]] - path.double().numpy()).max()
            assert off <= figure.error * (1 + 1e-6)
    assert figure.error < 2.5e-3  # two decimals are right to half a unit of the last


def test_grid_moves_labels_and_density_survive(figure, parts):
    meta, arrays = unpacked(figure)
    for name, key in (("grid", meta["runs"][0]["grid"]), ("moves", meta["moves"])):
        given = parts[name].double().numpy()
        assert np.abs(arrays[key] - given).max() <= np.ptp(given) / 4094 * (1 + 1e-6)
    numbers, names = parts["groups"][BACK]
    shown = [meta["names"][i] for i in arrays[meta["runs"][1]["group"]]]
    assert shown == [names[i] for i in numbers]
    for tau, level in zip(stand_in.TAUS, meta["runs"][1]["levels"], strict=True):
        given = parts["heat"][BACK][tau].double().numpy()
        root = np.sqrt(arrays[level["heat"]]) - np.sqrt(given)
        assert np.abs(root).max() <= np.sqrt(given.max()) * 0.51 / 127


def test_shared_tensors_are_stored_once(figure):
    meta, _ = unpacked(figure)
    assert meta["runs"][0]["grid"] == meta["runs"][1]["grid"]
    assert meta["runs"][0]["levels"][0]["heat"] == meta["runs"][1]["levels"][-1]["heat"]


def test_still_is_a_picture_on_white_with_the_caption_beside(figure):
    elements = Elements(figure._repr_html_())
    svg = still(figure)
    assert svg[0].attrib["fill"] == "#fff"  # the first thing painted covers everything
    assert words(svg) == ["layer 0: data x", "layer 4: after coupling 4", f"layer {K}: latent z"]
    assert "squares keep their area" in elements.one("figcaption")[1]
    assert len(elements.one("img")[0]["src"]) < 8_000


def test_words_cannot_break_out():
    nasty = "</script><b>\"&'<!--"
    figure = Particles(
        {nasty: {nasty: PATH}},
        caption=nasty,
        knob=nasty,
        labels=[nasty] * 3,
        titles=(nasty, nasty),
        groups={nasty: (torch.zeros(5), (nasty,))},
    )
    unbroken(figure)
    meta, _ = unpacked(figure)
    assert {meta["runs"][0]["name"], meta["knob"], *meta["labels"], *meta["names"]} == {nasty}


def test_plain_text_says_what_it_is(figure):
    assert repr(figure) == (
        f"Particles: {FORTH}; {BACK} 0.25 0.5 0.75 1.0; {figure.n_bytes / 1000:.1f} KB"
    )


def test_few_arguments_are_enough():
    meta, arrays = unpacked(Particles({"a": PATH.numpy()}, caption="A line."))
    assert meta["extent"] == [-1.05, 1.05, -1.05, 1.05] and meta["clock"] == ["frame", 0, 2]
    assert meta["show"] == {"particles": True, "trails": False}
    assert np.abs(arrays[0] - PATH.numpy()).max() < 1e-3


def test_runs_may_have_frames_of_their_own():
    runs = {"steps": {n: torch.rand(n + 1, 4, 2) for n in (1, 2, 4)}}
    meta, arrays = unpacked(Particles(runs, caption="c", clock=("t", 0.0, 1.0), knob="n"))
    assert [len(arrays[level["points"]]) for level in meta["runs"][0]["levels"]] == [2, 3, 5]


nan = PATH.clone()
nan[1, 2, 0] = torch.nan
HEAT = torch.ones(3, 4, 4)
LATTICE = torch.rand(3, 2, 3, 5, 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"runs": {}}, "must not be empty"),
        ({"caption": " "}, "must not be empty"),
        ({"runs": {"a": nan}}, r"runs\['a'\] must be finite, got 1"),
        ({"runs": {"a": PATH * torch.inf}}, "must be finite"),
        ({"runs": {"a": "text"}}, "array of numbers"),
        ({"runs": {"a": PATH[..., :1]}}, r"must have shape \(K, N, 2\).*got \(3, 5, 1\)"),
        ({"runs": {"a": PATH[:, :0]}}, "not empty"),
        ({"runs": {"a": PATH[:1]}}, "at least 2 frames"),
        ({"runs": {"a": {}}}, r"levels of equal size, got sizes \{\}"),
        ({"runs": {"a": {1: PATH, 2: PATH[:, :3]}}}, r"equal size, got sizes \{3, 5\}"),
        ({"labels": ["one", "two"]}, "labels must name each of 3 frames, got 2"),
        ({"follow": 5}, r"particle 0\.\.4, got 5"),
        ({"groups": {"b": (torch.zeros(5), ("x",))}}, r"groups must be for some of \['a'\]"),
        ({"groups": {"a": (torch.zeros(4), ("x",))}}, r"must have shape \(5\)"),
        ({"groups": {"a": (torch.ones(5), ("x",))}}, "whole and below 1, got 1"),
        ({"backwards": ["b"]}, "backwards must be for some of"),
        ({"grid": LATTICE[:, :1]}, r"must have shape \(K, 2, L, P, 2\)"),
        ({"grid": LATTICE[:, :, :, :4]}, "lattice, got 3 lines of 4 points"),
        ({"grid": {"b": LATTICE}}, "grid must be for some of"),
        ({"heat": HEAT}, "extent"),
        ({"heat": -HEAT, "extent": 1}, "at least 0"),
        ({"heat": HEAT[0], "extent": 1}, r"must have shape \(K, H, W\)"),
        ({"heat": {"a": {"b": HEAT}}, "extent": 1}, r"heat\['a'\] must be for some of"),
        ({"moves": torch.zeros(3, 4, 4, 2), "heat": HEAT, "extent": 1}, "between heat's"),
        ({"extent": 0}, "extent must be"),
        ({"extent": (0, 1, 2, 2)}, "extent must be"),
        ({"extent": (0, 1, 2)}, "extent must be"),
        ({"extent": float("nan")}, "extent must be"),
        ({"clock": ("t", 1.0, 1.0)}, "clock must"),
        ({"seconds": 0.0}, "seconds must"),
    ],
)
def test_bad_input_is_refused(changes, message):
    arguments = {"runs": {"a": PATH}, "caption": "c"} | changes
    with pytest.raises(ValueError, match=message):
        Particles(arguments.pop("runs"), **arguments)
