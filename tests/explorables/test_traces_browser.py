"""Traces in a browser: every control moved, and what it shows compared with the tensors."""

from __future__ import annotations

import json
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
from stand_in_lines import EXTENT, LEVELS, PANELS, TIMES, N, density, figure, positions

from helpers.explorables.traces import Traces

pytestmark = pytest.mark.browser
__all__ = ["browser"]  # a fixture, imported to be used

LEFT, RIGHT, TOP, BOTTOM, STRIP = 30, 4, 6, 20, 46  # the canvas's margins, in CSS pixels
FINE = 200  # places of the slider
BLUE, RED = (0, 114, 178), (213, 94, 0)
FIGURE = figure()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return written(tmp_path_factory.mktemp("pages"), FIGURE)


# ---- what is true ----------------------------------------------------------------------------


def truth(panel: str, level: str, time: float) -> torch.Tensor:
    """Positions (N,) of a panel at a time: straight lines between its rows."""
    n = int(level) if PANELS[panel] else max(LEVELS)
    times, way = TIMES[n], positions(panel, n if PANELS[panel] else None)
    k = min(max(int(torch.searchsorted(times, time, right=True)) - 1, 0), len(times) - 2)
    return torch.lerp(way[k], way[k + 1], ((time - times[k]) / (times[k + 1] - times[k])).item())


def spot(box: dict, time: float, x: float) -> dict:
    """Where a place on the line at a time lies on a canvas that has this bounding box."""
    wide, high = box["width"] - LEFT - RIGHT - STRIP, box["height"] - TOP - BOTTOM
    low, top = EXTENT
    return {"x": LEFT + time * wide, "y": TOP + (top - x) / (top - low) * high}


def agrees(fig) -> dict:
    """What the figure states and paints is what the tensors say; gives its dataset."""
    data, close = shown(fig), FIGURE.error * 1.01 + 1e-6
    time, picked = float(data["position"]), data["picked"]
    values = [truth(name, data["level"], time) for name in PANELS]
    for name, given in (
        ("mean", [v.mean().item() for v in values]),
        ("std", [v.std().item() for v in values]),
        ("x", [v[int(picked)].item() for v in values] if picked else []),
    ):
        assert floats(data[name]) == pytest.approx(given, abs=close)
    for told, name, v in zip(rows(fig), PANELS, values, strict=True):
        wanted = [v.mean().item(), v.std().item(), *([v[int(picked)].item()] if picked else [])]
        assert told[0] == name
        assert floats(" ".join(told[1:])) == pytest.approx(wanted, abs=close + 0.0051)
    words = fig.get_by_role("status").inner_text()
    assert abs(floats(words)[0] - time) <= 0.0051 and f"number of steps {data['level']}" in words
    assert f"{N} particles" in words and (not picked or f"particle {picked}" in words)
    if picked and fig.get_attribute("data-dark") == "false":
        for canvas, v in zip(fig.locator("canvas").all(), values, strict=True):
            x = v[int(picked)].item()
            if abs(x) < EXTENT[1]:
                there = colours(canvas, [spot(canvas.bounding_box(), time, x)])
                assert there[0].tolist() == list(RED)
    return data


def changed(fig, do, panels: str = "yyy") -> dict:
    """Do something, see which panels' pictures change, and that what is shown is true."""
    assert repainted(fig, do) == panels
    return agrees(fig)


# ---- tests -----------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["file", "http"])
def test_every_control_changes_the_picture_and_tells_the_truth(browser, folder, where):
    with opened(browser, folder, where) as (_, fig, noise):
        fig.scroll_into_view_if_needed()
        time = fig.get_by_role("slider", name="time t")
        data = agrees(fig)
        assert (data["position"], data["level"], data["picked"]) == ("0.000", "80", "3")

        for value in (1, 33, 100, 199, 200):
            data = changed(fig, lambda value=value: time.fill(str(value)))
            assert float(data["position"]) == pytest.approx(value / FINE)
            told = floats(time.get_attribute("aria-valuetext"))
            assert told == pytest.approx([value / FINE], abs=0.0051)

        time.fill("90")
        steps = fig.get_by_role("slider", name="number of steps")
        for i in (0, 1, 2):  # the forward panel has but one level
            data = changed(fig, lambda i=i: steps.fill(str(i)), "nyy")
            assert data["level"] == str(LEVELS[i]) == steps.get_attribute("aria-valuetext")

        for _ in range(2):
            before = button(fig, "density").get_attribute("aria-pressed")
            changed(fig, button(fig, "density").click)
            assert button(fig, "density").get_attribute("aria-pressed") != before

        # a path, chosen far from the slider's time
        canvas = fig.locator("canvas").nth(2)
        i = int((truth("smooth", "80", 0.8) - 2.0).abs().argmin())
        x = truth("smooth", "80", 0.8)[i].item()
        where_to = spot(canvas.bounding_box(), 0.8, x)
        data = changed(fig, lambda: canvas.click(position=where_to))
        near = truth("smooth", "80", 0.8)[int(data["picked"])].item()
        assert abs(near - x) < 0.03  # two paths may lie as close as a pixel
        data = changed(fig, lambda: canvas.press("Escape"))
        assert data["picked"] == "" and fig.locator("thead th").count() == 3

        # play, pause, to the end
        paused(fig, "Play forwards, to t = 1")
        data = agrees(fig)
        assert data["playing"] == "0" and float(data["position"]) > 0.45
        button(fig, "Play forwards, to t = 1").click()
        until(fig, position="1.000", playing="0")
        agrees(fig)
        button(fig, "Play backwards, to t = 0").click()
        until(fig, position="0.000", playing="0")
        agrees(fig)
        assert noise.found() == []


def test_keyboard_alone_is_enough(browser, folder):
    with opened(browser, folder, "file") as (page, fig, noise):
        press = page.keyboard.press
        press("Tab")
        press("Tab")
        press("Enter")  # plays forwards
        until(fig, playing="1")
        press("Space")
        until(fig, playing="0")
        press("Tab")
        press("Home")
        press("ArrowRight")
        assert agrees(fig)["position"] == "0.005"
        press("End")
        assert agrees(fig)["position"] == "1.000"
        press("Tab")  # the first panel
        assert checks.ringed(fig.locator("canvas").first)
        start = float(json.loads(f"[{agrees(fig)['x']}]")[0])
        press("ArrowUp")
        up = float(json.loads(f"[{agrees(fig)['x']}]")[0])
        assert up > start
        press("ArrowDown")
        press("ArrowDown")
        assert float(json.loads(f"[{agrees(fig)['x']}]")[0]) < start
        press("ArrowLeft")
        assert agrees(fig)["position"] == "0.995"
        press("Escape")
        assert agrees(fig)["picked"] == ""
        press("ArrowUp")
        assert agrees(fig)["picked"] != ""
        press("Tab")
        press("Tab")
        press("Tab")
        changed(fig, lambda: press("Enter"))  # the density
        press("Tab")
        press("Home")
        assert agrees(fig)["level"] == "5"
        assert noise.found() == []


def test_what_is_painted_is_the_density_and_the_way(browser, tmp_path):
    """One particle far out, so that nothing lies on the density."""
    way = torch.full((3, 1), -2.9)
    made = Traces(
        {"a": way, "b": way},
        torch.tensor([0.0, 0.5, 1.0]),
        extent=EXTENT,
        caption="One.",
        density=density(61, 60),
        backwards=["b"],
    )
    written(tmp_path, made)

    def darkest(canvas, time: float) -> float:
        at = spot(canvas.bounding_box(), time, -2.9)
        return colours(canvas, [at | {"y": at["y"] + i} for i in (-1, 0, 1)]).mean(1).min().item()

    with opened(browser, tmp_path, "file") as (_, fig, noise):
        fig.get_by_role("slider").fill("50")
        p = density(41, 30)
        share = (p / density(61, 60).max()).sqrt()[1:-1, 3:]
        x = EXTENT[0] + (EXTENT[1] - EXTENT[0]) * (torch.arange(3, 30) + 0.5) / 30
        times = torch.linspace(0, 1, 41)[1:-1]
        keep = (times - 0.25).abs() > 0.03  # where the time's own line stands
        canvases = fig.locator("canvas").all()
        for canvas in canvases:
            box = canvas.bounding_box()
            places = [spot(box, t, v) for t in times[keep].tolist() for v in x.tolist()]
            red = colours(canvas, places)[:, 0].reshape(-1, len(x))
            off = ((255 - red) / 255 / 0.62 - share[keep]).abs()
            assert off.mean() < 0.015 and off.max() < 0.16  # two bells are narrow at first
        # What was run is darker than what is to come, and "b" runs from the right.
        dark = [[darkest(c, t) for t in (0.1, 0.8)] for c in canvases]
        assert dark[0][0] < dark[0][1] - 60 and dark[1][1] < dark[1][0] - 60
        line = colours(canvases[0], [spot(canvases[0].bounding_box(), 0.25, 2.5)])[0]
        assert (line - torch.tensor(BLUE)).abs().max() < 140 and line[0] < 130
        assert noise.found() == []


def test_bars_count_the_particles(browser, folder):
    """The longest bar stands where the most particles are at that time."""
    with opened(browser, folder, "file") as (_, fig, _):
        fig.get_by_role("slider", name="time t").fill("0")
        low, high = EXTENT
        for canvas, name in zip(fig.locator("canvas").all(), PANELS, strict=True):
            box, values = canvas.bounding_box(), truth(name, "80", 0.0)
            counts = torch.histc(values, 24, low, high)
            shares = counts / N / ((high - low) / 24)
            scale = max(shares.max().item(), density()[0].max().item())
            edge, reach = box["width"] - RIGHT - STRIP + 7, STRIP - 9
            for i, share in enumerate(shares.tolist()):
                y = spot(box, 0, low + (i + 0.5) * (high - low) / 24)["y"]
                y += 2  # off the density's line, mostly
                long = share / scale * reach
                if long < 6:
                    continue
                inside, outside = colours(
                    canvas, [{"x": edge + long - 3, "y": y}, {"x": edge + long + 3, "y": y}]
                )
                assert inside[0] < 200  # blue or ink
                assert math.isclose(outside.sum(), 765) or outside[0] < 200


@pytest.mark.parametrize("dark", [False, True])
def test_narrow_touch_screen(browser, folder, dark):
    with checks.narrow(browser, folder, dark) as (_, fig):
        assert checks.stacked(fig) and fig.locator("canvas").count() == 3
        canvas = fig.locator("canvas").nth(1)
        values = truth("reverse", "80", 0.5)
        i = int(values.argmax())
        canvas.tap(position=spot(canvas.bounding_box(), 0.5, values[i].item()))
        assert agrees(fig)["picked"] == str(i)
        button(fig, "density").tap()
        fig.get_by_role("slider", name="number of steps").fill("0")
        assert agrees(fig)["level"] == "5"


def test_dark_follows_the_page(browser, folder):
    checks.dark(browser, folder, agrees)


def test_less_motion_shows_nine_moments_and_nothing_moves_by_itself(browser, folder):
    play = "Play forwards, to t = 1"
    seen = set(checks.positions_while_still(browser, folder, play, start="0.000", end="1.000"))
    assert seen <= {i / 8 for i in range(9)} and len(seen) > 4


def test_without_javascript_a_still_with_its_caption(browser, folder):
    checks.still(browser, folder, "Two bells")


def test_nothing_is_left_in_the_page(browser, folder):
    checks.nothing_left(browser, folder)
