"""Graph in a browser: every control moved, and what it shows compared with the helper's search."""

from __future__ import annotations

import explorable_checks as checks
import pytest
import torch
from browser import browser
from explorable_page import button, opened, paused, pictures, shown, until, written
from stand_in_graph import EFS, LAYERS, POINTS, K, figure, search

pytestmark = pytest.mark.browser
__all__ = ["browser"]  # a fixture, imported to be used

FIGURE = figure()
REACH = 1.08 * POINTS.abs().max().item()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return written(tmp_path_factory.mktemp("pages"), FIGURE)


def agrees(fig):
    """At the last hop: the ids, their number among the true ones, and the distances evaluated."""
    data = shown(fig)
    query = float(data["x"]), float(data["y"])
    words = fig.get_by_role("status").inner_text()
    assert f"hop {data['hop']} of {data['hops']}" in words
    assert f"{data['seen']} distances, of {len(POINTS)} vectors" in words
    assert f"{data['right']} of the {K} nearest" in words
    if data["hop"] == data["hops"]:
        ids, total = search(query, int(data["ef"]))
        assert [int(i) for i in data["found"].split()] == ids and int(data["seen"]) == total
        far = (POINTS - torch.tensor(query)).square().sum(1)
        assert int(data["right"]) == len(set(ids) & set(far.argsort()[:K].tolist()))
    return data


def changed(fig, do, some=True):
    """Do something, see that a picture changes, and that what is told is true."""
    before = pictures(fig)
    do()
    assert (before != pictures(fig)) == some
    return agrees(fig)


@pytest.mark.parametrize("where", ["file", "http"])
def test_every_control_changes_the_picture_and_tells_the_truth(browser, folder, where):
    with opened(browser, folder, where) as (_, fig, noise):
        fig.scroll_into_view_if_needed()
        data = agrees(fig)
        assert (data["hop"], data["ef"], data["seen"]) == ("0", "2", "0")
        assert button(fig, "One hop back").is_disabled()
        data = changed(fig, button(fig, "One hop on").click)
        assert data["hop"] == "1" and data["layer"] == str(len(LAYERS) - 1)
        hops = fig.get_by_role("slider", name="hop", exact=True)
        layers, counts = [], []
        for value in range(2, int(data["hops"]) + 1):
            hops.fill(str(value))
            data = agrees(fig)
            layers.append(int(data["layer"]))
            counts.append(int(data["seen"]))
        assert layers == sorted(layers, reverse=True) and layers[-1] == 0
        assert counts == sorted(counts)
        assert button(fig, "One hop on").is_disabled()
        assert changed(fig, button(fig, "One hop back").click)["hop"] == str(int(data["hops"]) - 1)
        knob, seen = fig.get_by_role("slider", name="ef", exact=True), []
        for i, ef in enumerate(EFS):
            knob.fill(str(i))
            data = agrees(fig)
            assert data["ef"] == str(ef) == knob.get_attribute("aria-valuetext")
            assert data["hop"] == data["hops"]
            seen.append(int(data["seen"]))
        assert seen == sorted(seen) and seen[0] < seen[-1]
        for _ in range(2):
            changed(fig, button(fig, f"the {K} nearest").click)
        canvases = fig.locator("canvas").all()
        assert len(canvases) == len(LAYERS)
        for canvas, (x, y) in zip(canvases, ((0.2, 0.3), (0.9, 0.1), (0.5, 0.8)), strict=False):
            box = canvas.bounding_box()
            place = {"x": x * box["width"], "y": y * box["height"]}
            data = changed(fig, lambda c=canvas, p=place: c.click(position=p))
            assert float(data["x"]) == pytest.approx((2 * x - 1) * REACH, abs=0.02 * REACH)
            assert float(data["y"]) == pytest.approx((1 - 2 * y) * REACH, abs=0.02 * REACH)
        assert noise.found() == []


def test_it_plays_to_the_end_and_pauses(browser, folder):
    with opened(browser, folder, "file") as (_, fig, noise):
        paused(fig, "Play, from the entry to the end")
        assert agrees(fig)["playing"] == "0"
        button(fig, "Play, from the entry to the end").click()
        until(fig, playing="0", hop=shown(fig)["hops"])
        agrees(fig)
        assert noise.found() == []


def test_keyboard_alone_is_enough(browser, folder):
    with opened(browser, folder, "file") as (page, fig, noise):
        press = page.keyboard.press
        press("Tab")  # play; one hop back is not to be had yet
        press("Tab")
        press("Enter")
        assert agrees(fig)["hop"] == "1"
        fig.get_by_role("slider", name="hop", exact=True).focus()
        press("End")
        data = agrees(fig)
        assert data["hop"] == data["hops"]
        press("Tab")
        press("End")
        assert agrees(fig)["ef"] == str(EFS[-1])
        press("Tab")
        changed(fig, lambda: press("Enter"))
        press("Tab")
        assert checks.ringed(fig.locator("canvas").first)
        before = agrees(fig)
        keys = (("ArrowRight", "x", 1), ("ArrowUp", "y", 1), ("ArrowLeft", "x", -1))
        for key, name, sign in keys:
            now = changed(fig, lambda key=key: press(key))
            step = float(now[name]) - float(before[name])
            assert step == pytest.approx(sign * REACH / 20, rel=1e-3)
            before = now
        assert noise.found() == []


@pytest.mark.parametrize("dark", [False, True])
def test_narrow_touch_screen(browser, folder, dark):
    with checks.narrow(browser, folder, dark) as (_, fig):
        assert checks.stacked(fig)
        canvas = fig.locator("canvas").last
        box = canvas.bounding_box()
        canvas.tap(position={"x": box["width"] / 4, "y": box["height"] / 2})
        data = agrees(fig)
        assert float(data["x"]) == pytest.approx(-REACH / 2, abs=0.02 * REACH)


def test_what_is_painted_is_the_search(browser, folder):
    """At the end of a search the opened are orange, the compared blue, the others grey."""
    with opened(browser, folder, "file") as (_, fig, noise):
        button(fig, f"the {K} nearest").click()
        fig.get_by_role("slider", name="ef", exact=True).fill("1")
        canvas = fig.locator("canvas").last
        colours = canvas.evaluate(
            """(c, places) => { const g = c.getContext("2d"), at = (v) => Math.round(v * c.width);
              return places.map(([x, y]) =>
                [...g.getImageData(at(x), at(y), 1, 1).data].slice(0, 3)); }""",
            [[(1 + x / REACH) / 2, (1 - y / REACH) / 2] for x, y in POINTS.tolist()],
        )
        kinds = {(213, 94, 0): 0, (0, 114, 178): 0, (118, 118, 118): 0}
        for colour in map(tuple, colours):
            if colour in kinds:
                kinds[colour] += 1
        assert sum(kinds.values()) > 0.8 * len(POINTS)  # some lie under others, or the star
        assert kinds[(213, 94, 0)] >= 2 and kinds[(0, 114, 178)] > kinds[(213, 94, 0)]
        assert kinds[(118, 118, 118)] > 20 and noise.found() == []


def test_dark_follows_the_page(browser, folder):
    checks.dark(browser, folder)


def test_without_javascript_a_still_with_its_caption(browser, folder):
    checks.still(browser, folder, "Ninety")


def test_nothing_is_left_in_the_page(browser, folder):
    checks.nothing_left(browser, folder)
