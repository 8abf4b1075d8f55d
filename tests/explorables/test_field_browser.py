"""Field in a browser: every control moved, and what it states compared with torch and scipy."""

from __future__ import annotations

import math

import explorable_checks as checks
import pytest
import torch
from browser import browser
from explorable_page import (
    button,
    colours,
    floats,
    opened,
    paused,
    repainted,
    rows,
    shown,
    until,
    written,
)
from scipy.integrate import solve_ivp
from test_field import EXTENT, MEANS, WEIGHTS, figure

from helpers.flows.toy import GaussianMixture

pytestmark = pytest.mark.browser
__all__ = ["browser"]  # a fixture, imported to be used

STD, LAST = 0.4, 2.25
DROPS = ((-0.4, 0.3), (1.2, 0.5), (0.4, -0.3))
FINE = 240  # places of the slider, evenly spaced in the standard deviation added
LEFT, RIGHT, TOP, BOTTOM = 28, 6, 6, 20  # the canvas's margins, in CSS pixels


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = figure(std=STD, times=(0.0, LAST), drops=DROPS, seconds=1.0)
    return written(tmp_path_factory.mktemp("pages"), made)


# ---- what is true ----------------------------------------------------------------------------


def at(time: float) -> GaussianMixture:
    """The heat at a time."""
    return GaussianMixture(MEANS, math.sqrt(STD**2 + time), WEIGHTS)


def velocity(x: torch.Tensor, time: float) -> torch.Tensor:
    """-1/2 of the gradient of log p, by autograd, (2,) -> (2,)."""
    x = x[None].clone().requires_grad_()
    return -torch.autograd.grad(at(time).log_prob(x).sum(), x)[0][0] / 2


def carried(start, before: float, after: float) -> torch.Tensor:
    """Where a particle (2,) gets from one time to another, by scipy's DOP853."""
    if before == after:
        return torch.tensor(start, dtype=torch.float64)
    found = solve_ivp(
        lambda t, x: velocity(torch.from_numpy(x), t).numpy(),
        (before, after),
        list(start),
        method="DOP853",
        rtol=1e-9,
        atol=1e-11,
    )
    assert found.success
    return torch.from_numpy(found.y[:, -1])


def said(fig) -> dict[str, list[float]]:
    """The numbers in the figure's table, by the names of its rows."""
    return {name: floats(value) for name, value in rows(fig)}


def agrees(fig, dropped=None, when: float = 0.0) -> dict:
    """What the figure states is true; ``dropped`` (2,) at time ``when`` is its last particle."""
    data, words = shown(fig), said(fig)
    time = float(data["position"])
    assert words["particles"] == [int(data["count"])]
    x = torch.linspace(-3, 3, 601, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(x, x, indexing="xy"), -1).reshape(-1, 2)
    top = at(time).log_prob(grid).exp().max().item()
    assert words["highest density"][0] == pytest.approx(top, rel=1e-3, abs=6e-4)
    if int(data["count"]):
        here = torch.tensor([float(data["x"]), float(data["y"])], dtype=torch.float64)
        log_p = at(time).log_prob(here[None]).item()
        speed = velocity(here, time).norm().item()
        assert float(data["logp"]) == pytest.approx(log_p, rel=1e-9)
        assert float(data["speed"]) == pytest.approx(speed, rel=1e-9, abs=1e-12)
        assert words["the last is at"] == pytest.approx(here.tolist(), abs=0.0051)
        assert words["log p there"] == pytest.approx([log_p], abs=6e-4)
        assert words["speed |v| there"] == pytest.approx([speed], abs=6e-4)
        if dropped is not None:
            true = carried(dropped, when, time)
            torch.testing.assert_close(here, true, atol=1e-6, rtol=0)
    return data


def changed(fig, do) -> None:
    """Do something, and see that the picture changes."""
    assert repainted(fig, do) == "y"


def place(box: dict, x: float, y: float) -> dict:
    """Where a point of the plane lies on a canvas that has this bounding box."""
    x0, x1, y0, y1 = EXTENT
    wide, high = box["width"] - LEFT - RIGHT, box["height"] - TOP - BOTTOM
    return {"x": LEFT + (x - x0) / (x1 - x0) * wide, "y": TOP + (y1 - y) / (y1 - y0) * high}


# ---- tests -----------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["file", "http"])
def test_every_control_changes_the_picture_and_tells_the_truth(browser, folder, where):
    with opened(browser, folder, where) as (_, fig, noise):
        fig.scroll_into_view_if_needed()
        canvas = fig.locator("canvas")
        slider = fig.get_by_role("slider", name="t, variance added")
        data = agrees(fig, DROPS[-1])
        assert (data["position"], data["count"], data["way"]) == ("0", "3", "1")

        for value in (1, 40, 120, 240):  # what was dropped at the start is carried on
            changed(fig, lambda value=value: slider.fill(str(value)))
            data = agrees(fig, DROPS[-1])
            assert float(data["position"]) == pytest.approx((1.5 * value / FINE) ** 2)
            assert slider.get_attribute("aria-valuetext").startswith("t ")

        # dropped at the end, carried back to the start and forth again
        changed(fig, lambda: canvas.click(position=place(canvas.bounding_box(), 0.75, -0.5)))
        data = agrees(fig)
        assert data["count"] == "4"
        drop = (float(data["x"]), float(data["y"]))
        assert drop == pytest.approx((0.75, -0.5), abs=0.02)
        for value in (200, 60, 0, 240):
            changed(fig, lambda value=value: slider.fill(str(value)))
            agrees(fig, drop, LAST)

        for name in ("arrows", "arrows"):
            before = button(fig, name).get_attribute("aria-pressed")
            changed(fig, button(fig, name).click)
            assert button(fig, name).get_attribute("aria-pressed") != before
        changed(fig, button(fig, "clear particles").click)
        data = agrees(fig)
        assert data["count"] == "0" and data["x"] == ""

        # un-mixing runs from the end to the start, heat the other way
        changed(fig, button(fig, "un-mix").click)  # the arrows turn round
        paused(fig, "Play")
        data = agrees(fig)
        assert data["playing"] == "0" and float(data["position"]) < LAST
        button(fig, "Play").click()
        until(fig, position="0", playing="0")
        changed(fig, button(fig, "heat flows").click)
        button(fig, "Play").click()
        until(fig, position=str(LAST), playing="0")
        agrees(fig)
        assert noise.found() == []


def test_the_picture_is_the_density(browser, folder):
    """Where the density is lower the paper shows more, evenly in the root of the density."""
    with opened(browser, folder, "file") as (_, fig, _):
        button(fig, "clear particles").click()
        button(fig, "arrows").click()
        slider, canvas = fig.get_by_role("slider"), fig.locator("canvas")
        box = canvas.bounding_box()
        x = torch.linspace(-2.7, 2.7, 19, dtype=torch.float64)
        points = torch.stack(torch.meshgrid(x, 0.8 * x, indexing="xy"), -1).reshape(-1, 2)
        for value in (0, 80, 240):
            slider.fill(str(value))
            p = at((1.5 * value / FINE) ** 2).log_prob(points).exp()
            top = said(fig)["highest density"][0]
            red = colours(canvas, [place(box, *point) for point in points.tolist()])[:, 0]
            share = (255 - red) / 255 / 0.62
            off = (share - (p / top).sqrt()).abs()
            assert off.mean() < 0.015 and off.max() < 0.08


def test_keyboard_alone_is_enough(browser, folder):
    with opened(browser, folder, "file") as (page, fig, noise):
        press = page.keyboard.press
        press("Tab")
        press("Enter")  # plays
        until(fig, playing="1")
        press("Space")
        until(fig, playing="0")
        press("Tab")
        press("End")
        assert float(agrees(fig)["position"]) == LAST
        press("Home")
        press("ArrowRight")
        assert float(agrees(fig, DROPS[-1])["position"]) == pytest.approx((1.5 / FINE) ** 2)
        press("Tab")  # the picture
        canvas = fig.locator("canvas")
        assert checks.ringed(canvas)
        changed(fig, lambda: press("ArrowRight"))
        for key in ("ArrowRight", "ArrowUp", "ArrowUp", "ArrowUp", "ArrowLeft"):
            press(key)
        assert "mark at (0.15, 0.45)" in fig.get_by_role("status").inner_text()
        press("Enter")
        data = agrees(fig)
        assert data["count"] == "4"
        assert (float(data["x"]), float(data["y"])) == pytest.approx((0.15, 0.45))
        press("Tab")
        press("Tab")
        press("Enter")
        assert agrees(fig)["way"] == "-1"
        press("Tab")
        changed(fig, lambda: press("Space"))  # the arrows
        press("Tab")
        press("Enter")
        assert agrees(fig)["count"] == "0"
        assert noise.found() == []


def test_many_particles_and_a_hard_place(browser, folder):
    """Between two components heat is stiff; forty-one drops leave the last forty."""
    with opened(browser, folder, "file") as (_, fig, noise):
        canvas = fig.locator("canvas")
        for i in range(41):
            canvas.click(position=place(canvas.bounding_box(), -2.5 + i / 8, 0.4 + 0.02 * i))
        data = agrees(fig)
        assert data["count"] == "40"
        start = (float(data["x"]), float(data["y"]))
        fig.get_by_role("slider").fill("240")
        agrees(fig, start)
        assert noise.found() == []


@pytest.mark.parametrize("dark", [False, True])
def test_narrow_touch_screen(browser, folder, dark):
    with checks.narrow(browser, folder, dark) as (_, fig):
        canvas = fig.locator("canvas")
        changed(fig, lambda: canvas.tap(position=place(canvas.bounding_box(), 1.0, 1.0)))
        data = agrees(fig)
        drop = (float(data["x"]), float(data["y"]))
        assert data["count"] == "4" and drop == pytest.approx((1.0, 1.0), abs=0.03)
        fig.get_by_role("slider").fill("100")
        agrees(fig, drop)


def test_dark_follows_the_page(browser, folder):
    checks.dark(browser, folder, lambda fig: agrees(fig, DROPS[-1]))


def test_less_motion_shows_nine_moments_and_nothing_moves_by_itself(browser, folder):
    seen = checks.positions_while_still(browser, folder, "Play", start="0", end=str(LAST))
    moments = [(1.5 * i / 8) ** 2 for i in range(9)]
    assert len(seen) > 4 and all(min(abs(s - m) for m in moments) < 1e-9 for s in seen)


def test_without_javascript_a_still_with_its_caption(browser, folder):
    checks.still(browser, folder, "Heat spreads.")


def test_nothing_is_left_in_the_page(browser, folder):
    checks.nothing_left(browser, folder)
