"""What an explorable of every kind must do: a still without scripts, dark, a phone, less motion.

The tests of each kind move its controls and compare what it shows.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

from browser import axe, new_page, quiet
from explorable_page import button, drawn, opened, pictures, shown, until


def dark(browser, folder: Path, agrees: Callable = shown, look: Callable = pictures) -> None:
    """Every picture changes when the page turns dark, and what is shown stays true."""
    with opened(browser, folder, "file") as (page, figure, noise):
        before = look(figure)
        assert axe(page) == []
        page.evaluate("document.documentElement.setAttribute('data-theme', 'dark')")
        until(figure, dark="true")
        drawn(page)
        after = look(figure)
        assert after and all(a != b for a, b in zip(before, after, strict=True))
        assert axe(page) == []
        agrees(figure)
        assert noise.found() == []


def still(browser, folder: Path, caption: str, *, wide: int = 500, high: int = 150) -> None:
    """Without scripts there is a picture, larger than (wide, high), and the caption."""
    with new_page(browser, javascript=False, dark=True) as page:
        noise = quiet(page)
        page.goto((folder / "page.html").as_uri())
        still = page.locator(".fr-still")
        assert still.is_visible() and caption in page.locator("figcaption").inner_text()
        assert still.evaluate("i => i.complete && i.naturalWidth > 0")
        box = still.bounding_box()
        assert box["width"] > wide and box["height"] > high and noise.found() == []


def nothing_left(browser, folder: Path) -> None:
    """No global name and no id is the figure's."""
    with opened(browser, folder, "file") as (page, figure, _):
        names = """() => { const f = document.createElement("iframe"); document.body.append(f);
          const own = Object.keys(window).filter((k) => !(k in f.contentWindow) && k !== '0');
          f.remove(); return own; }"""
        assert page.evaluate(names) == []
        assert figure.evaluate("f => f.querySelectorAll('[id]').length") == 0


@contextlib.contextmanager
def narrow(browser, folder: Path, dark: bool) -> Iterator[tuple]:
    """The page and its figure on a phone: all controls fit, before and after they are used."""
    how = {"width": 390, "height": 844, "touch": True, "dark": dark, "dpr": 3}
    with opened(browser, folder, "file", **how) as (page, figure, noise):
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        controls = figure.locator("button:visible, input:visible, canvas:visible").all()
        assert controls
        for one in controls:
            box = one.bounding_box()
            assert box["x"] >= 0 and box["x"] + box["width"] <= 390 and box["height"] >= 24
        for canvas in figure.locator("canvas").all():
            assert canvas.evaluate("c => c.width === Math.round(3 * c.clientWidth)")  # crisp
        yield page, figure
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        assert axe(page) == [] and noise.found() == []


def positions_while_still(browser, folder: Path, play: str, *, start: str, end: str) -> list[float]:
    """With reduced motion nothing moves by itself; the positions shown after a click on play."""
    with opened(browser, folder, "file", still=True) as (page, figure, _):
        page.wait_for_timeout(300)
        assert shown(figure)["position"] == start
        page.evaluate(
            """() => { const f = document.querySelector("figure"); f.seen = new Set();
            new MutationObserver(() => f.seen.add(f.dataset.position))
              .observe(f, {attributeFilter: ["data-position"]}); }"""
        )
        button(figure, play).click()
        until(figure, position=end, playing="0")
        return sorted(float(p) for p in figure.evaluate("f => [...f.seen]"))


def stacked(figure, apart: int = 200) -> bool:
    """Whether each canvas begins that far below the one before."""
    tops = [canvas.bounding_box()["y"] for canvas in figure.locator("canvas").all()]
    return len(tops) > 1 and all(b > a + apart for a, b in pairwise(tops))


def ringed(canvas) -> bool:
    """Whether a ring around the canvas shows that it has the keyboard."""
    return canvas.evaluate("c => getComputedStyle(c).outlineStyle") == "solid"
