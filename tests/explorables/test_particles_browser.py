"""Explorables in a browser: every control moved, and what is shown compared with the tensors."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import explorable_checks as checks
import pytest
import stand_in
import torch
from browser import axe, browser, new_page, quiet
from explorable_page import (
    button,
    drawn,
    floats,
    live,
    opened,
    paused,
    pictures,
    shown,
    texts,
    until,
    written,
)
from matplotlib import colormaps
from notebook_page import exported, lab
from stand_in import BACK, EXTENT, FORTH, TAUS, K

pytestmark = pytest.mark.browser
__all__ = ["browser", "lab"]  # fixtures, imported to be used

INK = {"upper moon": (0, 114, 178), "lower moon": (213, 94, 0)}
LEFT, RIGHT, TOP, BOTTOM = 28, 6, 6, 20  # the canvas's margins, in CSS pixels
PARTS, FIGURE = stand_in.parts(), stand_in.figure()


# ---- places where a figure must work -------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A page, a notebook with two figures, and the notebook exported to HTML."""
    here = written(tmp_path_factory.mktemp("pages"), FIGURE)
    exported(here, FIGURE._repr_html_())
    return here


@contextlib.contextmanager
def opened_at(browser, folder, place, request=None):
    """`opened`, or `live` in the exported notebook or in JupyterLab."""
    if place in ("file", "http"):
        way = opened(browser, folder, place)
    elif place == "export":
        way = live(browser, (folder / "two.html").as_uri())
    else:
        address, token = request.getfixturevalue("lab")
        way = live(browser, f"{address}/lab/tree/two.ipynb?reset&token={token}")
    with way as found:
        yield found


PLACES = ["file", "http", "export", "lab"]


# ---- what a figure shows -------------------------------------------------------------------------


def pixels(figure, kind: str, points: torch.Tensor) -> torch.Tensor:
    """Colours (B, 3) of a canvas at points (B, 2) of the plane."""
    found = figure.locator(f"canvas.fr-{kind}").evaluate(
        """(c, [points, left, right, top, bottom, r]) => {
          const scale = c.width / c.clientWidth, w = c.clientWidth - left - right;
          const h = c.height / scale - top - bottom, g = c.getContext("2d");
          return points.map(([x, y]) => [...g.getImageData(
            Math.floor(scale * (left + (x + r) / (2 * r) * w)),
            Math.floor(scale * (top + (r - y) / (2 * r) * h)), 1, 1).data].slice(0, 3));
        }""",
        [points.tolist(), LEFT, RIGHT, TOP, BOTTOM, EXTENT],
    )
    return torch.tensor(found, dtype=torch.float32)


def positions(data: dict) -> torch.Tensor:
    """Positions at all frames (K + 1, N, 2), from the tensors, of the run and level shown."""
    run = PARTS["runs"][data["run"]]
    return run[float(data["level"])] if isinstance(run, dict) else run


def truth(data: dict) -> torch.Tensor:
    """Positions (N, 2), from the tensors, of what the figure says that it shows."""
    k = min(int(float(data["position"])), K - 1)
    return torch.lerp(*positions(data)[k : k + 2], float(data["position"]) - k)


def apart(points: torch.Tensor, way: torch.Tensor) -> torch.Tensor:
    """Distance (N,) of points (N, 2) from a polyline (P, 2)."""
    start, along = way[:-1], way[1:] - way[:-1]
    off = points[:, None] - start
    share = ((off * along).sum(-1) / along.square().sum(-1).clamp(min=1e-12)).clamp(0, 1)
    return (off - share[..., None] * along).norm(dim=-1).min(1).values


def numbers(text: str) -> torch.Tensor:
    return torch.tensor(floats(text))


def agrees(figure) -> dict:
    """Everything that the figure says and paints is what the tensors say; gives its dataset."""
    data, close = shown(figure), FIGURE.error * 1.01 + 1e-4
    points, said = truth(data), figure.locator(".fr-status").inner_text()
    for name, value in (("mean", points.mean(0)), ("std", points.std(0))):
        torch.testing.assert_close(numbers(data[name]), value, atol=close, rtol=0)
    mean, std = re.findall(r"\(.*?\)", said)
    torch.testing.assert_close(numbers(mean), points.mean(0), atol=close + 0.005, rtol=0)
    torch.testing.assert_close(numbers(std), points.std(0), atol=close + 0.005, rtol=0)
    assert f"{len(points)} particles" in said and data["run"] in said
    place = numbers(said)[0].item()
    assert abs(place - float(data["position"])) <= 0.0051
    if data["level"]:
        assert f"temperature τ {data['level']}" in said
    labels, names = PARTS["groups"][data["run"]]
    inks = torch.tensor([INK[names[label]] for label in labels], dtype=torch.float32)
    if data["picked"]:
        i = int(data["picked"])
        here = torch.tensor([float(data["x"]), float(data["y"])])
        torch.testing.assert_close(here, points[i], atol=close, rtol=0)
        words = figure.locator(".fr-who").inner_text()
        assert words.startswith(f"particle {i}, {names[labels[i]]}")
        torch.testing.assert_close(numbers(words)[-2:], points[i], atol=close + 0.005, rtol=0)
        if points[i].abs().max() < EXTENT:
            assert pixels(figure, "cloud", points[i : i + 1]).tolist() == [inks[i].tolist()]
    if figure.get_by_role("button", name="particles").get_attribute("aria-pressed") == "true":
        seen = points.abs().max(1).values < 0.97 * EXTENT
        if data["picked"]:  # what lies under the followed one's way is hidden
            dot = (
                2 * EXTENT / (figure.locator("canvas").first.bounding_box()["width"] - LEFT - RIGHT)
            )
            seen &= apart(points, positions(data)[:, int(data["picked"])]) > 10 * dot
        painted = pixels(figure, "cloud", points[seen])
        both = torch.tensor(list(INK.values()), dtype=torch.float32)
        painted_on = (painted[:, None] - both).abs().sum(-1).min(1).values < 3
        assert painted_on.float().mean() > 0.92  # but where two of different ink just touch
        assert (painted - inks[seen]).abs().sum(-1).lt(3).float().mean() > 0.8  # some overlap
    return data


def heat_error(figure, density: torch.Tensor, most: float) -> float:
    """Mean difference, of 255, between the heat map and the colours of a density (n, n)."""
    n = len(density)
    cells = stand_in.mesh(EXTENT, n)[2:-2:3, 2:-2:3].reshape(-1, 2)
    share = (density[2:-2:3, 2:-2:3].reshape(-1) / most).sqrt().numpy()
    colours = torch.tensor(colormaps["cividis"](share)[:, :3] * 255, dtype=torch.float32)
    return (pixels(figure, "heat", cells) - colours).abs().mean().item()


def changed(figure, do, *, heat: bool | None = True, cloud: bool = True) -> dict:
    """Do something and see that the pictures change that should, and that what is shown is true."""
    before = pictures(figure)
    do()
    after = pictures(figure)
    assert (before[0] != after[0]) == cloud, "the particles"
    assert heat is None or (before[1] != after[1]) == heat, "the density"
    return agrees(figure)


# ---- tests ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", PLACES)
def test_every_control_changes_the_picture_and_tells_the_truth(browser, folder, place, request):
    with opened_at(browser, folder, place, request) as (_, figure, noise):
        figure.scroll_into_view_if_needed()
        layer = figure.get_by_role("slider", name="layer")
        data = agrees(figure)
        assert (data["position"], data["run"], data["picked"]) == ("0.000", FORTH, "8")

        # the layer, by hand
        for value in (1, 37, 80, 117, 160):
            data = changed(figure, lambda value=value: layer.fill(str(value)))
            assert float(data["position"]) == pytest.approx(value / 20)
            told = layer.get_attribute("aria-valuetext")
            assert numbers(told)[0].item() == pytest.approx(value / 20, abs=0.005)

        # one layer at a time
        data = changed(figure, button(figure, "One layer back").click)
        assert data["position"] == "7.000"
        layer.fill("45")
        assert changed(figure, button(figure, "One layer forward").click)["position"] == "3.000"

        # what is drawn
        for name in ("grid", "particles", "trails"):
            before = button(figure, name).get_attribute("aria-pressed")
            changed(figure, button(figure, name).click, heat=False)
            assert button(figure, name).get_attribute("aria-pressed") != before
            changed(figure, button(figure, name).click, heat=False)

        # a particle
        i = int((truth(shown(figure)) - torch.tensor([1.0, -0.5])).norm(dim=1).argmin())
        x, y = truth(shown(figure))[i].tolist()
        box = figure.locator("canvas.fr-cloud").bounding_box()
        wide, high = box["width"] - LEFT - RIGHT, box["height"] - TOP - BOTTOM
        at = {
            "x": LEFT + (x + EXTENT) / 2 / EXTENT * wide,
            "y": TOP + (EXTENT - y) / 2 / EXTENT * high,
        }
        data = changed(figure, lambda: figure.locator("canvas.fr-cloud").click(position=at))
        assert int(data["picked"]) == i
        told = torch.stack([numbers(chip) for chip in texts(figure, ".fr-chips > span")[1:]])
        way = PARTS["runs"][FORTH][:, i]
        assert told[:, 0].tolist() == list(range(K + 1))
        torch.testing.assert_close(told[:, 1:], way, atol=FIGURE.error + 0.006, rtol=0)

        # sampling, at every temperature
        data = changed(figure, button(figure, BACK).click)
        assert (data["run"], data["level"], data["position"]) == (BACK, "1.0", "3.000")
        tau = figure.get_by_role("slider", name="temperature τ")
        for j in (2, 0, 1, 3):
            data = changed(figure, lambda j=j: tau.fill(str(j)))
            assert data["level"] == str(TAUS[j]) == tau.get_attribute("aria-valuetext")
        layer.fill("0")
        button(figure, FORTH).click()
        assert agrees(figure)["run"] == FORTH and not tau.is_visible()
        data = changed(figure, button(figure, BACK).click)
        assert data["position"] == "8.000"  # where sampling begins

        # play, pause, to the end
        paused(figure, "Play backwards")
        data = agrees(figure)
        assert 0 < float(data["position"]) < 8 and data["playing"] == "0"
        button(figure, "Play backwards").click()
        until(figure, position="0.000", playing="0")
        agrees(figure)
        button(figure, "Play forwards").click()
        until(figure, position="8.000", playing="0")
        agrees(figure)
        assert noise.found() == []


@pytest.mark.parametrize("place", ["file", "lab"])
def test_keyboard_alone_is_enough(browser, folder, place, request):
    with opened_at(browser, folder, place, request) as (page, figure, noise):
        press = page.keyboard.press
        figure.get_by_role("button", name=FORTH).focus()
        press("Tab")
        press("Enter")
        assert shown(figure)["run"] == BACK
        press("Tab")  # the temperature
        press("ArrowLeft")
        assert agrees(figure)["level"] == "0.75"
        press("Home")
        assert agrees(figure)["level"] == "0.25"
        press("Tab")
        press("Space")  # plays backwards
        until(figure, playing="-1")
        press("Space")
        until(figure, playing="0")
        for _ in range(4):
            press("Tab")
        press("Home")
        assert agrees(figure)["position"] == "0.000"
        press("ArrowRight")
        press("ArrowUp")
        assert agrees(figure)["position"] == "0.100"
        press("End")
        assert agrees(figure)["position"] == "8.000"
        press("Tab")  # the particles
        start = agrees(figure)
        for key, axis, sign in (
            ("ArrowRight", "x", 1),
            ("ArrowUp", "y", 1),
            ("ArrowLeft", "x", -1),
            ("ArrowDown", "y", -1),
        ):
            press(key)
            data = agrees(figure)
            assert data["picked"] != start["picked"]
            assert sign * (float(data[axis]) - float(start[axis])) > 0
            start = data
        press("Escape")
        assert agrees(figure)["picked"] == ""
        assert "Point at a particle" in figure.locator(".fr-who").inner_text()
        press("ArrowUp")
        assert agrees(figure)["picked"] != ""
        assert checks.ringed(figure.locator("canvas.fr-cloud"))
        assert noise.found() == []


def test_density_is_that_of_each_layer_and_of_half_a_shear(browser, folder):
    with opened(browser, folder, "file") as (_, figure, _):
        figure.get_by_role("button", name="particles").click()
        figure.locator("canvas.fr-cloud").press("Escape")
        layer, full = figure.get_by_role("slider", name="layer"), PARTS["heat"][FORTH]
        most = full.max().item()
        for k in range(K + 1):
            layer.fill(str(20 * k))
            assert heat_error(figure, full[k], most) < 4
            peak = numbers(figure.locator(".fr-status").inner_text())[-1]
            assert abs(peak - full[k].max()) < 0.01 * most + 0.005
        ends = figure.locator(".fr-scale").inner_text()
        assert numbers(ends).tolist() == pytest.approx([0, most / 4, most], abs=0.006)
        errors, faded = [], []
        for k in range(K - 1):
            cells = stand_in.mesh(EXTENT, 120).reshape(-1, 2)
            cells = cells - (stand_in.step(cells, k) - cells) / 2  # undo half a shear
            for j in range(k, K):
                cells = stand_in.step(cells, j)
            log = -0.5 * cells.square().sum(1) - torch.log(torch.tensor(2 * torch.pi))
            exact = stand_in.avg_pool2d((log.exp() * 1.8).reshape(1, 120, 120), 3)[0]
            layer.fill(str(20 * k + 10))
            errors.append(heat_error(figure, exact, most))
            faded.append(heat_error(figure, (full[k] + full[k + 1]) / 2, most))
        assert max(errors) < 4 and sum(faded) > 3 * sum(errors)  # it is no cross-fade


def test_two_figures_run_again_and_saved_from_the_browser(browser, folder, tmp_path):
    with opened_at(browser, folder, "export") as (page, figure, noise):
        second = page.locator(".fr-explorable").nth(1)
        before = pictures(second)
        figure.get_by_role("slider", name="layer").fill("50")
        assert pictures(second) == before and shown(second)["position"] == "0.000"
        second.get_by_role("slider", name="layer").fill("60")
        assert shown(figure)["position"] == "2.500"
        # A cell that is run again puts a fresh figure in the place of the old one, as a fragment.
        page.evaluate(
            """html => {
              const old = document.querySelector(".fr-explorable").parentElement;
              old.replaceChildren(document.createRange().createContextualFragment(html));
            }""",
            FIGURE._repr_html_(),
        )
        page.locator(".fr-explorable[data-state=live][data-position='0.000']").wait_for()
        assert shown(second)["position"] == "3.000"
        (tmp_path / "saved.html").write_text(page.content(), encoding="utf-8")
        page.goto((tmp_path / "saved.html").as_uri())
        page.locator(".fr-explorable[data-state=live][data-position]").first.wait_for()
        page.wait_for_function("document.querySelectorAll('.fr-live').length === 2")
        layer = figure.get_by_role("slider", name="layer")
        assert changed(figure, lambda: layer.fill("40"))["position"] == "2.000"
        assert noise.found() == []


def test_a_cell_run_in_jupyterlab_and_its_dark_theme(browser, folder, request):
    with opened_at(browser, folder, "lab", request) as (page, figure, noise):
        figure.get_by_role("slider", name="layer").fill("50")
        figure.evaluate("f => { f.dataset.old = true; }")
        # What is asked of a kernel that is still starting may be lost.
        page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=90_000)
        page.locator(".jp-Notebook .jp-Cell .cm-content").first.click()
        page.keyboard.press("Shift+Enter")
        # Until a kernel has started and made it afresh, the first figure is the second cell's.
        first = page.locator(".jp-Notebook .jp-Cell").first
        figure = first.locator(".fr-explorable[data-state=live]:not([data-old])")
        until(figure, position="0.000")
        layer = figure.get_by_role("slider", name="layer")
        assert changed(figure, lambda: layer.fill("40"))["position"] == "2.000"
        page.get_by_text("Settings", exact=True).click()
        page.get_by_text("Theme", exact=True).hover()
        page.get_by_text("JupyterLab Dark", exact=True).click()
        until(figure, dark="true")
        drawn(page)
        i = int(shown(figure)["picked"])
        here = truth(shown(figure))[i : i + 1]
        assert pixels(figure, "cloud", here).tolist() == [[86, 180, 233]]  # the dark page's blue
        assert noise.found() == []


def test_without_javascript_a_still_with_its_caption(browser, folder):
    with new_page(browser, javascript=False, dark=True) as page:
        noise = quiet(page)
        page.goto((folder / "page.html").as_uri())
        still, caption = page.locator(".fr-still"), page.locator("figcaption")
        assert still.is_visible() and caption.is_visible()
        assert "squares keep their area" in caption.inner_text()
        box = still.bounding_box()
        assert box["width"] > 500 and box["height"] > 150
        picture = (folder / "still.png").resolve()
        still.screenshot(path=picture)
        from matplotlib.image import imread

        colours = imread(picture)[..., :3]
        assert colours[2, 2].tolist() == [1, 1, 1]  # opaque white, in the dark too
        assert (colours.min(-1) < 0.9).mean() > 0.01  # and something on it
        assert noise.found() == []


def test_a_browser_too_old_keeps_the_still(browser, folder):
    with new_page(browser) as page:
        page.add_init_script("delete window.DecompressionStream")
        page.goto((folder / "page.html").as_uri())
        page.locator("[data-state=still]").wait_for()
        assert page.locator(".fr-still").is_visible() and not page.locator("canvas").count()


@pytest.mark.parametrize("dark", [False, True])
def test_narrow_touch_screen(browser, folder, dark):
    with checks.narrow(browser, folder, dark) as (_, figure):
        assert checks.stacked(figure)
        cloud = figure.locator("canvas").first
        points = truth(shown(figure))
        i = int(points.norm(dim=1).argmin())
        box = cloud.bounding_box()
        wide = box["width"] - LEFT - RIGHT
        x, y = points[i].tolist()
        cloud.tap(
            position={
                "x": LEFT + (x + EXTENT) / 2 / EXTENT * wide + 3,
                "y": TOP + (EXTENT - y) / 2 / EXTENT * wide,
            }
        )
        assert shown(figure)["picked"] != "8"
        figure.get_by_role("button", name=BACK).tap()


def test_dark_follows_the_page_before_the_system(browser, folder):
    light = "f => getComputedStyle(f).backgroundColor === 'rgb(255, 255, 255)'"
    with opened(browser, folder, "file", dark=True) as (page, figure, noise):
        assert not figure.evaluate(light)
        assert axe(page) == []
        for element, name, values in (
            ("documentElement", "data-theme", ("light", "dark")),
            ("body", "data-jp-theme-light", ("true", "false")),
            ("documentElement", "theme", ("light", "dark")),
            ("body", "data-vscode-theme-kind", ("vscode-light", "vscode-dark")),
        ):
            for value, bright in zip(values, (True, False), strict=True):
                before = pictures(figure)
                page.evaluate(f"document.{element}.setAttribute('{name}', '{value}')")
                page.wait_for_function(
                    f"({light})(document.querySelector('figure')) === {str(bright).lower()}"
                )
                drawn(page)
                assert pictures(figure)[0] != before[0]
            page.evaluate(f"document.{element}.removeAttribute('{name}')")
        page.emulate_media(color_scheme="light")
        page.wait_for_function(f"({light})(document.querySelector('figure'))")
        drawn(page)
        agrees(figure)
        assert axe(page) == [] and noise.found() == []


def test_less_motion_shows_frames_only_and_nothing_moves_by_itself(browser, folder):
    seen = checks.positions_while_still(
        browser, folder, "Play forwards", start="0.000", end="8.000"
    )
    assert set(seen) <= set(map(float, range(K + 1))) and len(set(seen)) > 4


def test_nothing_is_left_in_the_page(browser, folder):
    checks.nothing_left(browser, folder)
