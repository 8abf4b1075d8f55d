"""An explorable on a page of its own: opening it, and reading what it shows."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from browser import new_page, quiet, serve
from playwright.sync_api import expect

PAGE = (
    "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>A page</title>"
    "<meta name='viewport' content='width=device-width, initial-scale=1'></head>"
    "<body style='margin: 16px'><main><h1>A page</h1>{}</main></body></html>"
)


# ---- opening ---------------------------------------------------------------------------------


def written(folder: Path, figure) -> Path:
    """The folder, once ``page.html`` with the figure stands in it."""
    (folder / "page.html").write_text(PAGE.format(figure._repr_html_()), encoding="utf-8")
    return folder


@contextlib.contextmanager
def live(browser, address: str, **how) -> Iterator[tuple]:
    """The page at an address, its first figure and its noise, once the figure is alive."""
    with new_page(browser, **how) as page:
        noise = quiet(page)
        page.goto(address)
        figure = page.locator(".fr-explorable").first
        page.locator(".fr-explorable[data-state=live][data-position]").first.wait_for(
            timeout=90_000
        )
        yield page, figure, noise


@contextlib.contextmanager
def opened(browser, folder: Path, place: str, **how) -> Iterator[tuple]:
    """`live`, of the folder's page: a "file", or over "http"."""
    with contextlib.ExitStack() as stack:
        base = folder.as_uri() if place == "file" else stack.enter_context(serve(folder))
        yield stack.enter_context(live(browser, f"{base}/page.html", **how))


# ---- reading ---------------------------------------------------------------------------------


def shown(figure) -> dict:
    """What the figure says that it shows."""
    return figure.evaluate("f => ({...f.dataset})")


def texts(figure, selector: str) -> list[str]:
    """The texts of what a selector finds in a figure, read at one moment.

    A locator finds first and reads then; what a figure draws anew in between, it reads detached.
    """
    return figure.evaluate("(f, s) => [...f.querySelectorAll(s)].map(e => e.innerText)", selector)


def rows(figure, selector: str = "tbody tr") -> list[list[str]]:
    """The texts of the cells of each row of a figure's tables, read at one moment."""
    return figure.evaluate(
        "(f, s) => [...f.querySelectorAll(s)].map(r => [...r.cells].map(c => c.innerText))",
        selector,
    )


def until(figure, **data) -> None:
    """Wait until the figure says so."""
    for name, value in data.items():
        expect(figure).to_have_attribute(f"data-{name}", value, timeout=90_000)


def paused(figure, play: str) -> dict:
    """Press the button ``play``, and Pause as soon as the figure has moved; gives what it shows.

    The page presses Pause by itself: on a busy machine a test may come when all is over.
    """
    start = shown(figure)["position"]
    figure.evaluate(
        """(f, start) => {
          const watch = new MutationObserver(() => {
            const it = f.querySelector("[aria-label=Pause]");
            if (it && f.dataset.playing !== "0" && f.dataset.position !== start) {
              watch.disconnect();
              it.click();
              f.pausedAt = f.dataset.playing === "0" ? f.dataset.position : null;
            }
          });
          watch.observe(f, { attributes: true });
        }""",
        start,
    )
    button(figure, play).click()
    until(figure, playing="0")
    assert figure.evaluate("f => f.pausedAt") == shown(figure)["position"] != start
    return shown(figure)


def drawn(page) -> None:
    """Wait until what was asked for has been drawn, which may be at the next frame."""
    page.evaluate("() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))")


def pictures(figure) -> list[str]:
    """The pixels of each canvas, as addresses."""
    return figure.evaluate("f => [...f.querySelectorAll('canvas')].map(c => c.toDataURL())")


def repainted(figure, do: Callable[[], object]) -> str:
    """Do something; a letter a canvas, "y" where its picture changes, "n" where not."""
    before = pictures(figure)
    do()
    return "".join("ny"[a != b] for a, b in zip(before, pictures(figure), strict=True))


def colours(canvas, places: list[dict]) -> torch.Tensor:
    """Colours (B, 3) of a canvas at some places, in CSS pixels."""
    found = canvas.evaluate(
        """(c, places) => { const s = c.width / c.clientWidth;
          const { data } = c.getContext("2d").getImageData(0, 0, c.width, c.height);
          return places.map(({x, y}) => {
            const at = 4 * (Math.round(y * s) * c.width + Math.round(x * s));
            return [...data.slice(at, at + 3)]; }); }""",
        places,
    )
    return torch.tensor(found, dtype=torch.float64)


def floats(text: str) -> list[float]:
    """All numbers in a text."""
    return [float(n) for n in re.findall(r"-?\d+(?:\.\d+)?", text.replace("−", "-"))]


def button(figure, name: str):
    """The button of that name."""
    return figure.get_by_role("button", name=name, exact=True)
