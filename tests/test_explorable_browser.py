"""Explorables in a browser: every control moved, and what is shown compared with the tensors."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest
import stand_in
import torch
from browser import axe, browser, new_page, quiet, serve
from matplotlib import colormaps
from playwright.sync_api import expect
from stand_in import BACK, EXTENT, FORTH, TAUS, K

pytestmark = pytest.mark.browser
__all__ = ["browser"]  # a fixture, imported to be used

INK = {"upper moon": (0, 114, 178), "lower moon": (213, 94, 0)}
LEFT, RIGHT, TOP, BOTTOM = 28, 6, 6, 20  # the canvas's margins, in CSS pixels
PARTS, FIGURE = stand_in.parts(), stand_in.figure()
PAGE = (
    "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>A page</title>"
    "<meta name='viewport' content='width=device-width, initial-scale=1'></head>"
    "<body style='margin: 16px'><main><h1>A page</h1>{}</main></body></html>"
)


# ---- places where a figure must work -------------------------------------------------------------


def notebook(figures: list[str]) -> nbformat.NotebookNode:
    """A notebook that was run: each figure is some cell's output."""
    cells = []
    for i, figure in enumerate(figures):
        data = {"text/html": figure, "text/plain": "Particles: ..."}
        output = nbformat.v4.new_output("execute_result", data, execution_count=i + 1)
        cells.append(
            nbformat.v4.new_code_cell(
                "from pathlib import Path\nfrom IPython.display import HTML\n"
                "HTML(Path('figure.html').read_text(encoding='utf-8'))",
                outputs=[output],
                execution_count=i + 1,
            )
        )
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A page, a notebook with two figures, and the notebook exported to HTML."""
    here = tmp_path_factory.mktemp("pages")
    html = FIGURE._repr_html_()
    (here / "page.html").write_text(PAGE.format(html), encoding="utf-8")
    (here / "figure.html").write_text(html, encoding="utf-8")
    nbformat.write(notebook([html, html]), here / "two.ipynb")
    nowhere = [f"--HTMLExporter.{name}_url=" for name in ("mathjax", "require_js", "mermaid_js")]
    subprocess.run(
        [sys.executable, "-m", "nbconvert", "--to", "html", *nowhere, "two.ipynb"],
        cwd=here,
        env={**os.environ, **private(here)},
        check=True,
        capture_output=True,
    )
    return here


def private(folder: Path) -> dict[str, str]:
    """Jupyter's own folders inside ``folder``, so that nothing of the user's is read or changed."""
    kinds = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")
    return {f"JUPYTER_{kind}": str(folder / ".jupyter" / kind.lower()) for kind in kinds} | {
        "IPYTHONDIR": str(folder / ".ipython"),
        "JUPYTER_PREFER_ENV_PATH": "0",
    }


@pytest.fixture(scope="module")
def lab(folder):
    """JupyterLab serving ``folder``, where the notebook is trusted; gives address and token."""
    environment = {**os.environ, **private(folder)}
    settings = folder / ".jupyter" / "settings"
    settings.mkdir(parents=True)
    (settings / "overrides.json").write_text(
        '{"@jupyterlab/apputils-extension:notification": '
        '{"fetchNews": "false", "checkForUpdates": false}}'
    )
    trust = [sys.executable, "-m", "jupyter", "trust", "two.ipynb"]
    subprocess.run(trust, cwd=folder, env=environment, check=True, capture_output=True)
    token = secrets.token_hex(16)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += [
        f"--ServerApp.port={port}",
        "--ServerApp.ip=127.0.0.1",
        "--ServerApp.port_retries=0",
    ]
    command += [f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}"]
    command += [f"--LabApp.app_settings_dir={settings}", "--LabApp.extension_manager=readonly"]
    log = (folder / "lab.log").open("w")
    server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{address}/api/status?token={token}", timeout=5).close()
                break
            if server.poll() is not None:
                break
            time.sleep(0.25)
        else:
            pytest.fail((folder / "lab.log").read_text()[-3000:])
        assert server.poll() is None, (folder / "lab.log").read_text()[-3000:]
        yield address, token
    finally:
        server.terminate()
        server.wait(20)
        log.close()


@contextlib.contextmanager
def opened(browser, folder, place, request=None, **how):
    """The page ``place``, its first figure and its noise, once the figure is alive."""
    with contextlib.ExitStack() as stack:
        page = stack.enter_context(new_page(browser, **how))
        noise = quiet(page)
        if place == "file":
            page.goto((folder / "page.html").as_uri())
        elif place == "http":
            page.goto(f"{stack.enter_context(serve(folder))}/page.html")
        elif place == "export":
            page.goto((folder / "two.html").as_uri())
        else:
            address, token = request.getfixturevalue("lab")
            page.goto(f"{address}/lab/tree/two.ipynb?reset&token={token}")
        figure = page.locator(".fr-explorable").first
        page.locator(".fr-explorable[data-state=live][data-position]").first.wait_for(
            timeout=90_000
        )
        yield page, figure, noise


PLACES = ["file", "http", "export", "lab"]


# ---- what a figure shows -------------------------------------------------------------------------


def shown(figure) -> dict:
    """What the figure says that it shows."""
    return figure.evaluate("f => ({...f.dataset})")


def until(figure, **data) -> None:
    """Wait until the figure says so."""
    for name, value in data.items():
        expect(figure).to_have_attribute(f"data-{name}", value, timeout=90_000)


def drawn(page) -> None:
    """Wait until what was asked for has been drawn, which may be at the next frame."""
    page.evaluate("() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))")


def pictures(figure) -> list[str]:
    """The pixels of each canvas, as addresses."""
    return figure.evaluate("f => [...f.querySelectorAll('canvas')].map(c => c.toDataURL())")


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
    return torch.tensor([float(n) for n in re.findall(r"-?\d+(?:\.\d+)?", text.replace("−", "-"))])


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
    with opened(browser, folder, place, request) as (_, figure, noise):
        figure.scroll_into_view_if_needed()
        button = lambda name: figure.get_by_role("button", name=name, exact=True)  # noqa: E731
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
        data = changed(figure, button("One layer back").click)
        assert data["position"] == "7.000"
        layer.fill("45")
        assert changed(figure, button("One layer forward").click)["position"] == "3.000"

        # what is drawn
        for name in ("grid", "particles", "trails"):
            before = button(name).get_attribute("aria-pressed")
            changed(figure, button(name).click, heat=False)
            assert button(name).get_attribute("aria-pressed") != before
            changed(figure, button(name).click, heat=False)

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
        chips = figure.locator(".fr-chips > span")
        told = torch.stack([numbers(chip) for chip in chips.all_inner_texts()[1:]])
        way = PARTS["runs"][FORTH][:, i]
        assert told[:, 0].tolist() == list(range(K + 1))
        torch.testing.assert_close(told[:, 1:], way, atol=FIGURE.error + 0.006, rtol=0)

        # sampling, at every temperature
        data = changed(figure, button(BACK).click)
        assert (data["run"], data["level"], data["position"]) == (BACK, "1.0", "3.000")
        tau = figure.get_by_role("slider", name="temperature τ")
        for j in (2, 0, 1, 3):
            data = changed(figure, lambda j=j: tau.fill(str(j)))
            assert data["level"] == str(TAUS[j]) == tau.get_attribute("aria-valuetext")
        layer.fill("0")
        button(FORTH).click()
        assert agrees(figure)["run"] == FORTH and not tau.is_visible()
        assert changed(figure, button(BACK).click)["position"] == "8.000"  # where sampling begins

        # play, pause, to the end
        button("Play backwards").click()
        until(figure, position=re.compile(r"[0-6]\..*"))
        button("Pause").click()
        data = agrees(figure)
        assert 0 < float(data["position"]) < 8 and data["playing"] == "0"
        button("Play backwards").click()
        until(figure, position="0.000", playing="0")
        agrees(figure)
        button("Play forwards").click()
        until(figure, position="8.000", playing="0")
        agrees(figure)
        assert noise.found() == []


@pytest.mark.parametrize("place", ["file", "lab"])
def test_keyboard_alone_is_enough(browser, folder, place, request):
    with opened(browser, folder, place, request) as (page, figure, noise):
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
        ring = "c => getComputedStyle(c).outlineStyle"
        assert figure.locator("canvas.fr-cloud").evaluate(ring) == "solid"
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
    with opened(browser, folder, "export") as (page, figure, noise):
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
    with opened(browser, folder, "lab", request) as (page, figure, noise):
        figure.get_by_role("slider", name="layer").fill("50")
        page.locator(".jp-Notebook .jp-Cell .cm-content").first.click()
        page.keyboard.press("Shift+Enter")
        until(figure, position="0.000")  # a kernel has started and made it afresh
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
    how = {"width": 390, "height": 844, "touch": True, "dark": dark, "dpr": 3}
    with opened(browser, folder, "file", **how) as (page, figure, noise):
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        for one in figure.locator("button:visible, input:visible, canvas:visible").all():
            box = one.bounding_box()
            assert box["x"] >= 0 and box["x"] + box["width"] <= 390 and box["height"] >= 24
        cloud, heat = figure.locator("canvas").all()
        assert heat.bounding_box()["y"] > cloud.bounding_box()["y"] + 200  # one above the other
        assert cloud.evaluate("c => c.width === Math.round(3 * c.clientWidth)")  # crisp
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
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        assert axe(page) == [] and noise.found() == []


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
    with opened(browser, folder, "file", still=True) as (page, figure, _):
        page.wait_for_timeout(300)
        assert shown(figure)["position"] == "0.000"
        page.evaluate(
            """() => { const f = document.querySelector("figure"); f.seen = new Set();
            new MutationObserver(() => f.seen.add(f.dataset.position))
              .observe(f, {attributeFilter: ["data-position"]}); }"""
        )
        figure.get_by_role("button", name="Play forwards").click()
        page.locator("[data-position='8.000']").wait_for()
        seen = {float(p) for p in figure.evaluate("f => [...f.seen]")}
        assert seen <= set(map(float, range(K + 1))) and len(seen) > 4


def test_nothing_is_left_in_the_page(browser, folder):
    with opened(browser, folder, "file") as (page, figure, _):
        names = """() => { const f = document.createElement("iframe"); document.body.append(f);
          const own = Object.keys(window).filter((k) => !(k in f.contentWindow) && k !== '0');
          f.remove(); return own; }"""
        assert page.evaluate(names) == []
        assert figure.evaluate("f => f.querySelectorAll('[id]').length") == 0
