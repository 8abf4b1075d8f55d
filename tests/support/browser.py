"""Debian's chromium, driven by Playwright, for the tests that look at pages.

Use it so (``tests/`` is on the path of every test module)::

    from browser import axe, browser, new_page, quiet, serve  # `browser` is a pytest fixture

    @pytest.mark.browser
    def test_page(browser):
        with serve(folder) as address, new_page(browser, width=390, dark=True) as page:
            noise = quiet(page)
            page.goto(f"{address}/index.html")
            assert noise.found() == []
            assert axe(page) == []
"""

from __future__ import annotations

import contextlib
import functools
import http.server
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

FLAGS = (
    "--disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --force-color-profile=srgb"
).split()
LOCAL = {"127.0.0.1", "localhost", ""}
INLINE = {"data", "blob", "file", "about", "chrome-error"}


def chromium() -> str:
    """Path of chromium. Where it is missing: skip aloud, or fail where the browser is required."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path:
        return path
    line = "NO BROWSER: Debian's chromium is not installed (apt-get install chromium)"
    if os.environ.get("CI") or os.environ.get("FLOW_RANK_BROWSER") == "required":
        pytest.fail(line, pytrace=False)
    pytest.skip(f"{line}; every browser test is skipped")


@contextlib.contextmanager
def launch():
    """One headless browser with a fresh profile. Only one may be open in a process at a time."""
    path = chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        opened = driver.chromium.launch(
            executable_path=path, args=FLAGS, chromium_sandbox=False, headless=True
        )
        try:
            yield opened
        finally:
            opened.close()


@pytest.fixture(scope="module")
def browser():
    """The browser of one test module; import this name to use it."""
    with launch() as opened:
        yield opened


@contextlib.contextmanager
def new_page(
    browser, *, width=1200, height=900, dark=False, javascript=True, still=False, touch=False, dpr=1
):
    """One page in a context of its own, with nothing remembered from another.

    Parameters
    ----------
    browser : the browser that ``launch`` gives
    width, height : of the window, in CSS pixels
    dark : the reader's system prefers dark colours
    javascript : whether scripts run
    still : the reader prefers reduced motion
    touch : the page has a touch screen
    dpr : device pixels per CSS pixel
    """
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        java_script_enabled=javascript,
        reduced_motion="reduce" if still else "no-preference",
        has_touch=touch,
        device_scale_factor=dpr,
        offline=False,
    )
    try:
        yield context.new_page()
    finally:
        context.close()


class Noise:
    """What a page should not do: errors and warnings on the console, requests elsewhere."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.outside: list[str] = []

    def found(self) -> list[str]:
        """Every complaint in one list, so that a failing assertion shows them all."""
        return [f"console: {text}" for text in self.errors] + [
            f"request: {url}" for url in self.outside
        ]


def _inside(url: str, hosts: set[str]) -> bool:
    """Whether an address is one of these hosts', or asks no host at all."""
    parts = urlsplit(url)
    return parts.scheme in INLINE or parts.hostname in hosts


def quiet(page, *, hosts=(), ignore=()) -> Noise:
    """Start listening to ``page``; call before ``goto``.

    Parameters
    ----------
    page : Playwright page
    hosts : names of further hosts that the page may ask
    ignore : console messages that contain one of these are not ours to answer for

    Returns
    -------
    Noise
        Its lists fill while the page lives. Requests to another host are recorded *and* stopped.
    """
    noise = Noise()
    allowed = LOCAL | set(hosts)

    def message(text: str) -> None:
        if not any(part in text for part in ignore):
            noise.errors.append(text)

    def console(event) -> None:
        if event.type == "error":
            message(f"{event.text} ({event.location.get('url', '')})")

    def requested(request) -> None:
        if not _inside(request.url, allowed):
            noise.outside.append(request.url)

    def failed(request) -> None:
        if _inside(request.url, allowed) and request.failure != "net::ERR_ABORTED":
            message(f"failed: {request.url} {request.failure}")

    page.on("console", console)
    page.on("pageerror", lambda error: message(str(error)))
    page.on("request", requested)
    page.on("requestfailed", failed)
    page.route(lambda url: not _inside(url, allowed), lambda route: route.abort())
    return noise


def axe(page, *, within: str | None = None, impacts=("serious", "critical")) -> list[str]:
    """Run axe-core on ``page`` (or on what the selector ``within`` finds).

    Returns
    -------
    list of str
        One line a violation whose impact is in ``impacts``: rule, impact, elements, help.
    """
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, context=within).response["violations"]
    return [
        f"{v['id']} ({v['impact']}): {v['help']}: "
        + "; ".join(" ".join(map(str, n["target"])) for n in v["nodes"][:5])
        for v in found
        if v["impact"] in impacts
    ]


@contextlib.contextmanager
def serve(folder: str | Path) -> Iterator[str]:
    """Serve ``folder`` on a free local port; gives the address, without a slash at its end."""

    class Silent(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args) -> None:
            pass

    handler = functools.partial(Silent, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
