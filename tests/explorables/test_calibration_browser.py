"""Calibration's figure in a browser: every control moved, and what it shows against helpers."""

from __future__ import annotations

import explorable_checks as checks
import numpy as np
import pytest
import torch
from browser import browser
from explorable_html import unpacked
from explorable_page import button, colours, floats, opened, repainted, rows, shown, written
from stand_in_clicks import figure

from helpers.ctr import auction, calibration, metrics

pytestmark = pytest.mark.browser
__all__ = ["browser"]  # a fixture, imported to be used

FIGURE = figure()
META, ARRAYS = unpacked(FIGURE)
U, TRUTH, RIVAL = (torch.as_tensor(ARRAYS[META[k]]) for k in ("logits", "truth", "rival"))
TRUTH, RIVAL = TRUTH.sigmoid(), RIVAL.exp()
LABELS = torch.as_tensor(ARRAYS[META["labels"]]).long()
LEFT, RIGHT, TOP, BOTTOM = 40, 8, 8, 34  # the canvas's margins, in CSS pixels


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return written(tmp_path_factory.mktemp("pages"), FIGURE)


def truth(slope: float, offset: float, n_bins: int) -> dict[str, float]:
    """What the helpers say of the line, from the numbers as they are stored."""
    u = slope * U + offset
    p, one = u.sigmoid(), torch.ones_like(U)
    most = auction.surplus(one, TRUTH, TRUTH, RIVAL).sum()
    return {
        "auc": metrics.auc(U, LABELS),
        "loss": metrics.log_loss(u, LABELS).item(),
        "mean": p.mean().item(),
        "ece": calibration.ece(p, LABELS, n_bins),
        "floor": calibration.ece_floor(p, n_bins),
        "surplus": (auction.surplus(one, TRUTH, p, RIVAL).sum() / most).item(),
    }


def agrees(fig) -> dict:
    """What the figure states is what the helpers compute; gives its dataset."""
    data = shown(fig)
    slope, offset, n_bins = float(data["slope"]), float(data["offset"]), int(data["bins"])
    wanted, then = truth(slope, offset, n_bins), truth(1.0, 0.0, n_bins)
    for name, value in wanted.items():
        close = 0.01 if name == "surplus" else 2e-5  # one impression may be won or lost by rounding
        assert float(data[name]) == pytest.approx(value, abs=close), name
    order = ("auc", "loss", "ece", "floor", "mean", None, "surplus")
    for row, name in zip(rows(fig), order, strict=True):
        old, new = floats(" ".join(row[1:]))
        if name is None:
            assert old == new == pytest.approx(LABELS.double().mean().item(), abs=5.1e-5)
        else:
            close = 0.011 if name == "surplus" else 8e-5
            assert (old, new) == pytest.approx((then[name], wanted[name]), abs=close)
    words = fig.get_by_role("status").inner_text()
    found = floats(words)
    assert found[:3] == pytest.approx([slope, offset, n_bins], abs=0.0051)
    assert found[3] == pytest.approx(100 * wanted["surplus"], abs=1.6)
    return data


def changed(fig, do, panels: str = "yy") -> dict:
    """Do something, see which panels' pictures change, and that what is stated is true."""
    assert repainted(fig, do) == panels
    return agrees(fig)


def slider(fig, name: str):
    """The slider of that name."""
    return fig.get_by_role("slider", name=name)


def colour(canvas, x: float, y: float) -> list[float]:
    """The colour of a canvas at a place in CSS pixels."""
    return colours(canvas, [{"x": x, "y": y}])[0].tolist()


@pytest.mark.parametrize("where", ["file", "http"])
def test_every_control_changes_the_picture_and_tells_the_truth(browser, folder, where):
    with opened(browser, folder, where) as (_, fig, noise):
        data = agrees(fig)
        assert (data["slope"], data["offset"], data["bins"]) == ("1.00", "0.00", "12")
        assert button(fig, "as trained").get_attribute("aria-pressed") == "true"
        for place in (0, 15, 100, 150):
            data = changed(fig, lambda place=place: slider(fig, "slope a").fill(str(place)))
            assert float(data["slope"]) == pytest.approx(0.2 + 0.02 * place)
            told = floats(slider(fig, "slope a").get_attribute("aria-valuetext"))
            assert told == pytest.approx([0.2 + 0.02 * place])
        for place in (0, 70, 240, 130):
            data = changed(fig, lambda place=place: slider(fig, "offset b").fill(str(place)))
            assert float(data["offset"]) == pytest.approx(-6 + 0.05 * place)
        for place in (2, 30, 60):  # the surplus knows no bins
            data = changed(fig, lambda place=place: slider(fig, "bins").fill(str(place)), "yn")
            assert data["bins"] == str(place)
        data = changed(fig, button(fig, "least log loss").click)
        assert float(data["slope"]) == pytest.approx(FIGURE.fitted[0])
        assert float(data["offset"]) == pytest.approx(FIGURE.fitted[1])
        assert button(fig, "least log loss").get_attribute("aria-pressed") == "true"
        data = changed(fig, button(fig, "as trained").click)
        assert (data["slope"], data["offset"]) == ("1.00", "0.00")
        assert noise.found() == []


def test_keyboard_alone_is_enough(browser, folder):
    with opened(browser, folder, "file") as (page, fig, noise):
        press = page.keyboard.press
        press("Tab")
        press("Tab")
        press("Enter")  # least log loss
        assert float(agrees(fig)["slope"]) == pytest.approx(FIGURE.fitted[0])
        press("Tab")
        press("Home")
        assert agrees(fig)["slope"] == "0.20"
        press("ArrowRight")
        assert agrees(fig)["slope"] == "0.22"
        press("Tab")
        press("End")
        assert agrees(fig)["offset"] == "6.00"
        press("ArrowLeft")
        assert agrees(fig)["offset"] == "5.95"
        press("Tab")
        press("Home")
        assert agrees(fig)["bins"] == "2"
        assert noise.found() == []


def test_points_stand_where_the_bins_are(browser, folder):
    """Blue dots at the roots of mean prediction and click rate; the marker on the curve is red."""
    with opened(browser, folder, "file") as (_, fig, _):
        first, second = fig.locator("canvas").all()
        box = first.bounding_box()
        wide, high = box["width"] - LEFT - RIGHT, box["height"] - TOP - BOTTOM
        mean_p, mean_y, _ = calibration.reliability(U.sigmoid(), LABELS, 12)
        for p, rate in zip(mean_p.sqrt().tolist(), mean_y.sqrt().tolist(), strict=True):
            red, _, blue = colour(first, LEFT + p * wide, TOP + (1 - rate) * high)
            assert red < 60 and blue > 150
        surplus = truth(1.0, 0.0, 12)["surplus"]
        y = TOP + high - high * (max(surplus, -1) + 1) / 2.1
        red, _, blue = colour(second, LEFT + 0.5 * wide, y)
        assert red > 180 and blue < 60


def test_least_loss_on_the_curve_is_where_the_helper_finds_it(browser, folder):
    with opened(browser, folder, "file") as (_, fig, _):
        second = fig.locator("canvas").nth(1)
        box = second.bounding_box()
        wide = box["width"] - LEFT - RIGHT
        offsets = np.arange(-6, 6.01, 0.2)
        losses = [metrics.log_loss(U + b, LABELS).item() for b in offsets]
        best = offsets[int(np.argmin(losses))]
        x = LEFT + (best + 6) / 12 * wide
        greens = [colour(second, x + d, TOP + 4) for d in (-1, -0.5, 0, 0.5, 1)]
        assert any(g > r + 60 and g > b + 20 for r, g, b in greens)


@pytest.mark.parametrize("dark", [False, True])
def test_narrow_touch_screen(browser, folder, dark):
    with checks.narrow(browser, folder, dark) as (page, fig):
        assert checks.stacked(fig, 180)
        button(fig, "least log loss").tap()
        assert float(agrees(fig)["slope"]) == pytest.approx(FIGURE.fitted[0])
        box = slider(fig, "offset b").bounding_box()
        page.touchscreen.tap(box["x"] + 0.25 * box["width"], box["y"] + box["height"] / 2)
        assert float(agrees(fig)["offset"]) == pytest.approx(-3, abs=0.5)


def test_dark_follows_the_page(browser, folder):
    checks.dark(browser, folder, agrees)


def test_without_javascript_a_still_with_its_caption(browser, folder):
    checks.still(browser, folder, "Move the line")
