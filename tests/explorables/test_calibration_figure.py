"""Calibration's figure as bytes: what is stored, how exactly, what is refused. No browser here."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from explorable_html import check_inline, still, unbroken, unpacked
from stand_in_clicks import N, figure, parts

from helpers.ctr import calibration
from helpers.explorables.calibration import Calibration, _still


@pytest.fixture(scope="module")
def shown() -> tuple[Calibration, dict, list[np.ndarray]]:
    made = figure()
    return made, *unpacked(made)


def test_numbers_are_shown_within_the_error_told(shown):
    made, meta, arrays = shown
    logits, labels, truth, rival = parts()
    order = logits.argsort(stable=True)
    for name, given in (("logits", logits), ("truth", truth.logit()), ("rival", rival.log())):
        gap = np.abs(arrays[meta[name]] - given[order].numpy()).max()
        assert gap <= made.error * (1 + 1e-6)
    assert (arrays[meta["labels"]] == labels[order].numpy()).all()
    assert made.error < 0.005


def test_the_fitted_line_is_platts_on_the_sliders_grid(shown):
    made, _, _ = shown
    logits, labels, _, _ = parts()
    a, b = calibration.platt(logits, labels, smooth=True)
    assert abs(made.fitted[0] - a) <= 0.01 + 1e-9 and abs(made.fitted[1] - b) <= 0.025 + 1e-9


def test_html_is_inline_anonymous_and_the_same_again(shown):
    check_inline(shown[0], figure())


def test_still_shows_the_bins_of_the_model_as_it_is(shown):
    circles = [part for part in still(shown[0]).iter() if part.tag.endswith("circle")]
    assert len(circles) == 12
    logits, labels, _, _ = parts()
    order = logits.argsort(stable=True)[-N // 12 :]
    p, rate = logits[order].sigmoid().mean(), labels[order].double().mean()
    assert float(circles[-1].attrib["cx"]) == pytest.approx(70 + 300 * p.sqrt().item(), abs=1)
    assert float(circles[-1].attrib["cy"]) == pytest.approx(
        30 + 300 * (1 - rate.sqrt().item()), abs=1
    )


def test_still_keeps_equal_predictions_in_one_bin():
    """One prediction for all is one bin at the click rate, in whatever order the labels come."""
    u, y = np.full(200, -2.0), np.repeat([1, 0], (20, 180))
    for labels in (y, y[::-1]):
        picture = _still(u, labels, 12)
        assert picture.count("<circle") == 1
        assert f"cy='{30 + 300 * (1 - 0.1**0.5):.0f}'" in picture


def test_words_cannot_break_out():
    nasty = "</script><b>\"&'<!--"
    elements = unbroken(figure(caption=nasty))
    assert elements.one("figcaption")[1].strip() == nasty


def test_plain_text_says_what_it_is(shown):
    n_clicks = int(parts()[1].sum())
    assert repr(shown[0]) == (
        f"Calibration: {N} impressions, {n_clicks} clicks; {shown[0].n_bytes / 1000:.1f} KB"
    )


def test_too_many_bytes_are_refused_with_the_reason():
    g = torch.Generator().manual_seed(0)
    u = torch.randn(60_000, generator=g)
    labels = (u > 0.5).long()
    with pytest.raises(ValueError, match=r"at most 80 KB.*got \d+\.\d KB .*logits \d"):
        Calibration(u, labels, u.sigmoid(), u.sigmoid().flip(0), caption="c")


logits, labels, truth, rival = parts()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"caption": " "}, "caption must not be empty"),
        ({"n_bins": 1}, "n_bins must be 2 to 60, got 1"),
        ({"n_bins": 61}, "n_bins must be 2 to 60, got 61"),
        ({"logits": logits * float("nan")}, "logits must be finite"),
        ({"logits": logits[:, None]}, r"logits must have shape \(N\)"),
        ({"logits": logits[:0]}, "not empty"),
        ({"labels": labels[:5]}, r"labels must have shape \(900\)"),
        ({"labels": labels * 0}, "labels must be 0 and 1, both"),
        ({"labels": labels * 2}, "labels must be 0 and 1"),
        ({"labels": -labels}, "at least 0"),
        ({"truth": truth[:5]}, r"truth must have shape \(900\)"),
        ({"truth": truth * 0}, r"truth must be in \(0, 1\)"),
        ({"truth": truth + 1}, r"truth must be in \(0, 1\)"),
        ({"rival": rival * 0}, "rival must be positive"),
        ({"rival": rival + 1}, "somewhere below the truth"),
        ({"rival": "text"}, "array of numbers"),
    ],
)
def test_bad_input_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        figure(**changes)
