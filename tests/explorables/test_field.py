"""Field as bytes: what its page is told, what its still shows, and what is refused. No browser."""

from __future__ import annotations

import base64
import io
import json
import math

import pytest
import torch
from explorable_html import Elements, check_inline, still, unbroken, words
from matplotlib.image import imread

from helpers.explorables.field import Field
from helpers.flows.toy import GaussianMixture
from helpers.plane import mesh

MEANS = torch.tensor([[-1.5, -0.5], [1.0, -1.0], [0.5, 1.5]], dtype=torch.float64)
WEIGHTS = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
EXTENT = (-3.0, 3.0, -2.5, 2.5)


def figure(**changes) -> Field:
    """Three components on an oblong, with some arguments changed."""
    settings = {"times": (0.0, 2.25), "caption": "Heat spreads.", "extent": EXTENT}
    settings |= {"means": MEANS, "std": 0.4, "weights": WEIGHTS} | changes
    return Field(**settings)


def told(made: Field) -> dict:
    """What the figure's script is told."""
    return json.loads(Elements(made._repr_html_()).one("script")[1])


def test_numbers_reach_the_page_unrounded():
    third = 1 / 3
    meta = told(figure(means=MEANS / 7, std=third, times=(0.01 * third, third), clock="τ"))
    assert meta["means"] == (MEANS / 7).tolist() and meta["weights"] == WEIGHTS.tolist()
    assert (meta["std"], meta["times"]) == (third, [0.01 * third, third])
    assert (meta["extent"], meta["clock"], meta["kind"]) == (list(EXTENT), "τ", "heat")
    assert told(figure(weights=None))["weights"] == [1 / 3] * 3


def test_drops_start_at_the_first_time_or_their_own():
    drops = ((0.5, -0.25), (1.0, 2.0, 0.75))
    meta = told(figure(times=(0.25, 1.0), drops=drops))
    assert meta["drops"] == [[0.5, -0.25, 0.25], [1.0, 2.0, 0.75]]


@pytest.mark.parametrize(("kind", "last"), [("heat", 2.25), ("noise", 1.5)])
def test_still_shows_the_density_at_three_times(kind, last):
    made = figure(kind=kind, times=(0.0, last))
    parts = list(still(made).iter())
    assert parts[1].attrib["fill"] == "#fff"  # the first thing painted covers everything
    added = [0.0, 0.75, 1.5]  # standard deviations
    shown = [t if kind == "noise" else t * t for t in added]
    assert words(parts[0]) == [f"t = {t:.2g}" for t in shown]
    pictures = [part.attrib for part in parts if part.tag.endswith("image")]
    for picture, noise in zip(pictures, added, strict=True):
        file = io.BytesIO(base64.b64decode(picture["href"].partition(",")[2]))
        red = torch.tensor(imread(file)[::-1, :, 0].copy())  # the lowest row first
        n = len(red)
        mixture = GaussianMixture(MEANS, 0.4, WEIGHTS).noised(1.0, noise)
        p = mixture.log_prob(mesh(EXTENT, n).reshape(-1, 2).double()).exp().reshape(n, n)
        share = (p / p.max()).sqrt()
        assert ((1 - red) / 0.62 - share).abs().max() < 0.5 / 24 + 0.008
    size = pictures[0]["width"], pictures[0]["height"]
    assert size == ("250", "208")
    assert Elements(made._repr_html_()).one("figcaption")[1].strip() == "Heat spreads."


def test_html_is_inline_anonymous_and_the_same_again():
    check_inline(figure(drops=((0, 0),)), figure(drops=((0, 0),)), 35_000)


def test_words_cannot_break_out():
    nasty = "</script><b>\"&'<!--"
    made = figure(caption=nasty, clock=nasty)
    unbroken(made)
    assert f"{nasty} = 0" in words(still(made))


def test_plain_text_says_what_it_is():
    made = figure()
    size = f"{made.n_bytes / 1000:.1f} KB"
    assert repr(made) == f"Field: 3 components, variance added 0 to 2.25; {size}"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"means": MEANS[:, :1]}, r"means must have shape \(K, 2\)"),
        ({"means": MEANS * math.nan}, "means must be finite"),
        ({"means": torch.zeros(17, 2), "weights": None}, "at most 16, got 17"),
        ({"weights": WEIGHTS[:2]}, r"weights must have shape \(3\)"),
        ({"weights": 2 * WEIGHTS}, "sum to 1"),
        ({"weights": torch.tensor([1.0, 0.0, 0.0])}, "positive and sum"),
        ({"std": 0.0}, "std must be positive"),
        ({"std": math.inf}, "std must be positive"),
        ({"times": (1.0, 1.0)}, "times must be"),
        ({"times": (-1.0, 1.0)}, "times must be"),
        ({"times": (0.0, math.inf)}, "times must be"),
        ({"kind": "poisson"}, r"one of \['heat', 'noise'\], got 'poisson'"),
        ({"caption": " "}, "must not be empty"),
        ({"clock": ""}, "must not be empty"),
        ({"extent": 0}, "extent must be"),
        ({"drops": ((4, 0),)}, r"drops must be .* seen, got \(4, 0\)"),
        ({"drops": ((0, 0, 3.0),)}, r"drops must be .* seen, got \(0, 0, 3"),
        ({"drops": ((0,),)}, r"drops must be .* seen, got \(0,\)"),
        ({"n_cells": 4}, "n_cells must be"),
        ({"n_cells": 48.0}, "n_cells must be"),
        ({"seconds": 0}, "seconds must"),
    ],
)
def test_bad_input_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        figure(**changes)
