"""The built book: asks nothing of another host, works from a folder, can be read by everybody.

Needs ``make book`` first, and fails (rather than skips) where the book is missing or stale. Tests
marked ``browser`` drive Debian's chromium.
"""

from __future__ import annotations

import functools
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from browser import axe, browser, new_page, quiet, serve  # noqa: F401  (browser is a fixture)

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / "_build" / "html"
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
PAGES = [
    TOC["root"],
    *(entry["file"] for part in TOC["parts"] for entry in part["chapters"]),
]
CHAPTERS = [page for page in PAGES if page.startswith("chapters/")]
SEARCH = "search"

# What a tag loads as soon as the page is open; an <a> only leads somewhere.
LOADS = {
    "audio": ["src"],
    "embed": ["src"],
    "iframe": ["src"],
    "image": ["href", "xlink:href"],
    "img": ["src", "srcset"],
    "input": ["src"],
    "link": ["href"],
    "object": ["data"],
    "script": ["src"],
    "source": ["src", "srcset"],
    "track": ["src"],
    "use": ["href", "xlink:href"],
    "video": ["src", "poster"],
}
CSS_LOADS = re.compile(r"""@import\s+["']?([^"';\s)]+)|url\(\s*["']?([^"')]*)""")


class Page(HTMLParser):
    """What one built page holds: loads, links, ids, images, headings, text of the title."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.path = BUILT / f"{name}.html"
        self.loads, self.links, self.ids, self.images, self.tags = [], [], [], [], []
        self.lang = self.title = None
        self.inside = ""
        self.feed(self.path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.tags.append(tag)
        self.loads += [(tag, given[a]) for a in LOADS.get(tag, ()) if given.get(a)]
        self.loads += [("style", url) for url in css_loads(given.get("style") or "")]
        if tag == "html":
            self.lang = given.get("lang")
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        if tag == "img":
            self.images.append(given)
        if given.get("id"):
            self.ids.append(given["id"])
        self.inside = tag

    def handle_endtag(self, tag):
        self.inside = ""

    def handle_data(self, data):
        if self.inside == "style":
            self.loads += [("style", url) for url in css_loads(data)]
        if self.inside == "title" and self.title is None:
            self.title = data.strip()


def css_loads(text: str) -> list[str]:
    """What a style sheet loads."""
    return [first or second for first, second in CSS_LOADS.findall(text) if first or second]


@functools.cache
def page(name: str) -> Page:
    """A built page, parsed once."""
    return Page(name)


@pytest.fixture(scope="module", autouse=True)
def book():
    """Fail at once, saying what to do, unless the book was built from just these sources."""
    stale = [name for name, path in sources() if not same(path, BUILT / name)]
    if stale:
        what = "is not built" if len(stale) == len(sources()) else f"is stale ({', '.join(stale)})"
        pytest.fail(f"The book {what}. Run: make book", pytrace=False)


def sources() -> list[tuple[str, Path]]:
    """(file in the built folder, file in the repository) that must be the same."""
    pairs = []
    for name in PAGES:
        path = ROOT / f"{name}.ipynb" if name in CHAPTERS else ROOT / f"{name}.md"
        pairs.append((f"_sources/{name}{path.suffix}", path))
    for path in sorted((ROOT / "book" / "_static").rglob("*.*")):
        pairs.append((f"_static/{path.relative_to(ROOT / 'book' / '_static')}", path))
    return pairs


def same(source: Path, built: Path) -> bool:
    """Both files exist and hold the same."""
    return source.exists() and built.exists() and built.read_bytes() == source.read_bytes()


def outside(url: str) -> bool:
    """Whether loading this address would ask another host, or leave the folder."""
    parts = urlsplit(url.strip())
    return parts.scheme not in ("", "data") or bool(parts.netloc) or parts.path.startswith("/")


# Without a browser ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*PAGES, SEARCH])
def test_a_page_loads_nothing_from_elsewhere(name):
    assert [load for load in page(name).loads if outside(load[1])] == []


def test_style_sheets_load_nothing_from_elsewhere():
    sheets = list(BUILT.rglob("*.css"))
    found = [
        (sheet.name, url)
        for sheet in sheets
        for url in css_loads(sheet.read_text(encoding="utf-8"))
        if outside(url)
    ]
    assert sheets and found == []


def test_what_is_loaded_is_there():
    missing = []
    for name in [*PAGES, SEARCH]:
        for tag, url in page(name).loads:
            path = unquote(urlsplit(url).path)
            if path and not url.startswith("data:"):
                if not (page(name).path.parent / path).exists():
                    missing.append((name, tag, url))
    assert missing == []


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name):
    broken = []
    for link in page(name).links:
        parts = urlsplit(link)
        if parts.scheme:
            if parts.scheme not in ("https", "http", "mailto") or " " in link:
                broken.append(link)
            continue
        target = (page(name).path.parent / unquote(parts.path)).resolve()
        if not parts.path:
            target = page(name).path
        if not target.is_file() or not target.is_relative_to(BUILT):
            broken.append(link)
        elif parts.fragment and target.suffix == ".html":
            there = page(target.relative_to(BUILT).with_suffix("").as_posix())
            if unquote(parts.fragment) not in there.ids and parts.fragment != "top":
                broken.append(link)
    assert broken == []


@pytest.mark.parametrize("name", [*PAGES, SEARCH])
def test_a_page_is_well_formed(name):
    here = page(name)
    assert here.lang == "en"
    assert here.title and here.title != "None"
    assert sorted(set(here.ids)) == sorted(here.ids), "an id stands twice"
    for image in here.images:
        words = image.get("alt")
        assert words is not None, image
        assert not re.search(r"\.(png|svg|jpe?g)$", words), f"a file name is no alt text: {words}"


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_figure_has_words(name):
    figures = [i for i in page(name).images if re.match(r"data:|.*_images/", i.get("src") or "")]
    assert figures
    assert [i for i in figures if len(i.get("alt") or "") < 15] == []


def test_the_first_page_leads_to_the_book():
    text = (BUILT / "index.html").read_text(encoding="utf-8")
    assert f"url={TOC['root']}.html" in text


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_colab_button_opens_this_chapter(name):
    owner = urlsplit(CONFIG["repository"]["url"]).path.strip("/")
    address = f"https://colab.research.google.com/github/{owner}/blob/main/{name}.ipynb"
    links = [link for link in page(name).links if "colab" in link]
    assert links and set(links) == {address}
    assert (ROOT / f"{name}.ipynb").exists()


@pytest.mark.parametrize("name", PAGES)
def test_placeholders_are_filled_in(name):
    text = page(name).path.read_text(encoding="utf-8")
    assert "{{repository}}" not in text and "{{cost}}" not in text


# In a browser -----------------------------------------------------------------------------------

READY = """async () => {
  if (window.MathJax && MathJax.startup) await MathJax.startup.promise;
  await document.fonts.ready;
  document.querySelectorAll("article details").forEach((d) => { d.open = true; });
  const alive = () => [...document.querySelectorAll(".fr-explorable")].every(
    (e) => e.dataset.state && e.dataset.state !== "loading");
  for (let i = 0; i < 100 && !alive(); i++) await new Promise((r) => setTimeout(r, 50));
  await new Promise((r) => setTimeout(r, 150));
}"""
MATHS = """() => {
  const nodes = [...document.querySelectorAll(".math")];
  return {
    nodes: nodes.length,
    rendered: nodes.filter((n) => n.querySelector("mjx-container")).length,
    raw: nodes.filter((n) => !n.querySelector("mjx-container")).map((n) => n.textContent),
    errors: [...document.querySelectorAll("mjx-merror, [data-mjx-error]")].map(
      (n) => n.getAttribute("data-mjx-error") || n.textContent),
    fonts: [...document.fonts].filter(
      (f) => f.family.startsWith("MJX") && f.status === "loaded").length,
  };
}"""
TOO_WIDE = """() => {
  const wide = innerWidth, found = [];
  if (document.documentElement.scrollWidth > wide) found.push("the page itself");
  for (const e of document.querySelectorAll("main *")) {
    if (e.closest(".bd-sidebar-secondary, mjx-assistive-mml")) continue;  // drawn in when asked for
    const box = e.getBoundingClientRect();
    if (box.width === 0 || box.right <= wide + 1) continue;
    const holds = (it) => /auto|scroll|hidden|clip/.test(getComputedStyle(it).overflowX);
    let up = e.parentElement;
    while (up && !holds(up)) up = up.parentElement;
    if (!up || up === document.body || up.matches("main, .bd-content, .bd-main"))
      found.push(e.outerHTML.slice(0, 120));
  }
  return found;
}"""
PICTURE = """(figure) => [...figure.querySelectorAll("canvas")]
  .filter((c) => c.width && c.height).map((c) => c.toDataURL()).join("\\n")
  + [...figure.querySelectorAll("svg[role=img], ol")].map((s) => s.outerHTML).join("\\n")
  + figure.dataset.way"""  # a direction is seen once it is played; its figure's test plays it


@pytest.fixture(scope="module")
def site(book):
    with serve(BUILT) as address:
        yield address


def opened(tab, address: str) -> None:
    """Go there and wait until mathematics, fonts and explorables are done; open what is folded."""
    tab.goto(address)
    tab.evaluate(READY)


def check_mathematics(tab, name: str) -> None:
    """All mathematics that the page holds is rendered, in MathJax's own fonts."""
    found = tab.evaluate(MATHS)
    written = len(re.findall(r'class="math ', page(name).path.read_text(encoding="utf-8")))
    assert found["nodes"] == written
    assert found["raw"] == [] and found["errors"] == []
    assert found["rendered"] == found["nodes"]
    assert not written or found["fonts"] > 0


@pytest.mark.browser
@pytest.mark.parametrize("name", [*PAGES, SEARCH])
@pytest.mark.parametrize(("look", "width"), [("light", 1280), ("dark", 390)])
def test_a_page_is_quiet_accessible_and_fits(browser, site, name, look, width):  # noqa: F811
    phone = width < 500
    with new_page(browser, width=width, height=844, dark=look == "dark", touch=phone) as tab:
        noise = quiet(tab)
        opened(tab, f"{site}/{name}.html")
        assert tab.evaluate("document.documentElement.dataset.theme") == look
        assert tab.evaluate(TOO_WIDE) == []
        if name != SEARCH:
            check_mathematics(tab, name)
        assert tab.locator("h1:visible").count() == 1
        assert noise.found() == []
        assert axe(tab) == []  # last: axe itself asks for style sheets, at wrong addresses


@pytest.mark.browser
@pytest.mark.parametrize("name", PAGES)
def test_a_page_works_from_a_folder(browser, name):  # noqa: F811
    with new_page(browser) as tab:
        noise = quiet(tab)
        opened(tab, page(name).path.as_uri())
        check_mathematics(tab, name)
        assert noise.found() == []


SEARCHES = [
    ("Jacobian", CHAPTERS[0]),
    ("召回", "book/glossary"),  # a term of the glossary
    ("耦合", CHAPTERS[0]),  # part of a word in running text
    ("耦合层", CHAPTERS[0]),  # cut in pairs by the page, as the index was
]


@pytest.mark.browser
@pytest.mark.parametrize(("word", "where"), SEARCHES)
@pytest.mark.parametrize("scheme", ["http", "file"])
def test_search_finds(browser, site, word, where, scheme):  # noqa: F811
    base = site if scheme == "http" else BUILT.as_uri()
    with new_page(browser) as tab:
        noise = quiet(tab)
        tab.goto(f"{base}/{PAGES[1]}.html")
        tab.keyboard.press("Control+k")
        tab.locator("dialog input[type=search], .search-button__wrapper.show input").first.fill(
            word
        )
        tab.keyboard.press("Enter")
        tab.wait_for_url("**/search.html*")
        tab.wait_for_selector("#search-results li a")
        tab.wait_for_function("!document.querySelector('.search-summary').matches(':empty')")
        found = tab.locator("#search-results li a").evaluate_all("all => all.map((a) => a.href)")
        assert any(f"/{where}.html" in link for link in found), found
        tab.locator(f'#search-results li a[href*="{where}.html"]').first.click()
        tab.wait_for_url(f"**/{where}.html*")
        assert noise.found() == []


@pytest.mark.browser
def test_the_dark_switch_turns_and_is_remembered(browser, site):  # noqa: F811
    with new_page(browser) as tab:
        tab.goto(f"{site}/{PAGES[0]}.html")
        look = "getComputedStyle(document.body).backgroundColor"
        grounds = [tab.evaluate(look)]
        for _ in range(3):
            tab.locator(".theme-switch-button:visible").first.click()
            theme = tab.evaluate("document.documentElement.dataset.theme")
            if theme == "dark":
                break
        assert theme == "dark"
        assert tab.evaluate(look) not in grounds
        tab.goto(f"{site}/{PAGES[1]}.html")
        assert tab.evaluate("document.documentElement.dataset.theme") == "dark"


@pytest.mark.browser
@pytest.mark.parametrize("name", CHAPTERS)
def test_folded_code_opens(browser, site, name):  # noqa: F811
    with new_page(browser) as tab:
        tab.goto(f"{site}/{name}.html")
        folds = tab.locator("article details.hide")
        assert folds.count() > 0
        fold = folds.first
        code = fold.locator("pre").first
        assert "Show the code" in fold.locator("summary").inner_text()
        assert not code.is_visible()
        fold.locator("summary").focus()
        tab.keyboard.press("Enter")
        assert code.is_visible()
        assert "Hide the code" in fold.locator("summary").inner_text()


@pytest.mark.browser
@pytest.mark.parametrize("name", CHAPTERS)
def test_every_control_changes_the_picture(browser, site, name):  # noqa: F811
    with new_page(browser) as tab:
        noise = quiet(tab)
        opened(tab, f"{site}/{name}.html")
        figures = tab.locator(".fr-explorable").all()
        assert figures, "a chapter has an explorable"
        for figure in figures:
            assert figure.get_attribute("data-state") not in ("still", "loading", None)
            idle = controls_that_do_nothing(tab, figure)
            assert idle == []
        assert noise.found() == []


def controls_that_do_nothing(tab, figure) -> list[str]:
    """Move every control of a figure; those that never change its canvases.

    Some do nothing at first (a choice that is made already, a step beyond the end), so there are
    four rounds, with the first slider in another place in each.
    """
    controls = figure.locator("input[type=range], button, select")
    idle = set(range(controls.count()))
    assert idle
    slider = figure.locator("input[type=range]").first
    for key in (None, "PageUp", "End", "Home"):
        for number in range(controls.count()):
            control = controls.nth(number)
            if number not in idle or not control.is_visible():
                continue
            if slider.is_visible() and key:
                slider.press(key)
            before = still_picture(tab, figure)
            if control.is_disabled():
                continue
            control.scroll_into_view_if_needed()
            if control.evaluate("(c) => c.type === 'range'"):
                at_end = control.evaluate("(c) => c.value === c.max")
                control.press("ArrowLeft" if at_end else "ArrowRight")
            else:
                control.click()
            for _ in range(15):  # a busy machine draws late
                tab.wait_for_timeout(100)
                if figure.evaluate(PICTURE) != before:
                    break
            if figure.evaluate(PICTURE) != before:
                idle.discard(number)
            still_picture(tab, figure, control)
    return [controls.nth(n).evaluate("(c) => c.outerHTML.slice(0, 160)") for n in sorted(idle)]


def still_picture(tab, figure, started=None) -> str:
    """The picture once it rests; what keeps moving is stopped by the control that started it."""
    for attempt in range(150):
        before = figure.evaluate(PICTURE)
        tab.wait_for_timeout(120)
        playing = figure.get_attribute("data-playing") not in (None, "0")  # if only by hops
        if figure.evaluate(PICTURE) == before and not playing:
            return before
        if started and attempt == 5:
            started.click()
    raise AssertionError("the picture never rests")


@pytest.mark.browser
@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_can_be_read_without_javascript(browser, site, name):  # noqa: F811
    with new_page(browser, javascript=False) as tab:
        tab.goto(f"{site}/{name}.html")
        assert tab.locator("article h1").is_visible()
        for figure in tab.locator(".fr-explorable").all():
            assert figure.locator("img").first.is_visible()
            assert figure.locator("figcaption").first.is_visible()
