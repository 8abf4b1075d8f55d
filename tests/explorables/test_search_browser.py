"""Search in a browser: every control moved, and its scores compared with the helpers'."""

from __future__ import annotations

import math

import explorable_checks as checks
import pytest
import torch
from browser import browser
from explorable_page import opened, shown, texts, written
from test_search import DOCUMENTS

from helpers.explorables.search import Search
from helpers.matching.bm25 import BM25
from helpers.matching.fusion import reciprocal_rank_fusion
from helpers.matching.latent import Bags
from helpers.matching.tokens import tokenize

pytestmark = pytest.mark.browser
__all__ = ["browser"]  # a fixture, imported to be used

ADJECTIVES = "soft long warm itchy red light lovely short cheap wide".split()
NOUNS = "dress coat sweater skirt top jeans scarf boots".split()
draw = torch.Generator().manual_seed(0)


def made_up(n: int) -> list[tuple[str, str]]:
    """Documents of few words, so that scores differ and some are equal."""
    found = list(DOCUMENTS)
    for _ in range(n):
        picks = torch.randint(80, (12,), generator=draw).tolist()
        words = [ADJECTIVES[p % 10] if p % 3 else NOUNS[p % 8] for p in picks]
        size = 4 + picks[0] % 9
        found.append((" ".join(words[:2]), " ".join(words[2:size])))
    return found


TEXTS = made_up(80)
KNOWN = [*ADJECTIVES, *NOUNS, "gown", "trousers", "裙"]
FIGURE = Search(
    TEXTS,
    KNOWN,
    torch.randn(len(KNOWN), 6, generator=draw),
    caption="Ask for clothes.",
    query="long dress",
    offers=["itchy sweater", "gown"],
    k1=0.9,
    b=0.4,
)
BAGS = [tokenize(f"{title} {body}") for title, body in TEXTS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return written(tmp_path_factory.mktemp("pages"), FIGURE)


def floats(text: str) -> list[float]:
    return [float(part) for part in text.split()]


def agrees(fig) -> dict:
    """What the page says is what the helpers compute; gives its dataset."""
    data = shown(fig)
    k1, b, share = (float(data[name]) for name in ("k1", "b", "share"))
    query = tokenize(data["query"])
    bags = Bags(FIGURE.vocabulary, FIGURE.vectors)
    words = BM25(BAGS, k1=k1, b=b).scores([query])[0].double()
    vectors = (bags([query]) @ bags(BAGS).T)[0]
    ids = [int(i) for i in data["ids"].split()]
    assert floats(data["words"]) == pytest.approx(words[ids].tolist(), abs=2e-6)
    assert floats(data["vectors"]) == pytest.approx(vectors[ids].tolist(), abs=1e-6)
    rankings = []
    for scores in (words, vectors):
        order = scores.argsort(descending=True, stable=True)[:100]
        rankings.append(order.masked_fill(scores[order] <= 1e-12, -1)[None])
    fused, best = reciprocal_rank_fusion(rankings, 10, weights=[1 - share, share])
    best, fused = best[0][fused[0] > 0].tolist(), fused[0][fused[0] > 0].tolist()
    assert floats(data["fused"]) == pytest.approx(fused, abs=1e-8)
    # Documents of the same words can swap places by a rounding of single precision.
    same = [i == j or sorted(BAGS[i]) == sorted(BAGS[j]) for i, j in zip(ids, best, strict=True)]
    assert all(same)
    titles = texts(fig, "li .fr-hit > b")
    assert titles == [TEXTS[i][0] for i in ids]
    assert f"{len(ids)} results" in fig.get_by_role("status").inner_text() or not ids
    return data


def changed(fig, do) -> dict:
    """Do something, see that the picture changes and that what is shown is true."""
    before = fig.locator(".fr-live").screenshot()
    do()
    assert fig.locator(".fr-live").screenshot() != before
    return agrees(fig)


@pytest.mark.parametrize("where", ["file", "http"])
def test_every_control_changes_the_picture_and_tells_the_truth(browser, folder, where):
    with opened(browser, folder, where) as (_, fig, noise):
        data = agrees(fig)
        assert (data["query"], data["k1"], data["b"], data["share"]) == (
            "long dress",
            "0.9",
            "0.4",
            "0",
        )
        for name, values in (("k1", (0, 60)), ("b", (0, 20)), ("share", (7, 20))):
            slider = fig.locator(f"input[aria-label^='{name}']")
            for value in values:
                data = changed(fig, lambda s=slider, v=value: s.fill(str(v)))
                assert float(data[name]) == pytest.approx(value * 0.05)
                assert float(slider.get_attribute("aria-valuetext")) == pytest.approx(value * 0.05)
        fig.locator("input[aria-label^='share']").fill("10")
        for offer in ("itchy sweater", "gown"):
            data = changed(fig, fig.get_by_role("button", name=offer).click)
            assert data["query"] == offer == fig.get_by_role("searchbox").input_value()
        for query in ("red red coat", "LONG ｄress", "裙", "it's light", "trousers", "long"):
            data = changed(fig, lambda q=query: fig.get_by_role("searchbox").fill(q))
            assert data["query"] == query
        assert noise.found() == []


def test_an_unknown_word_finds_nothing_and_says_so(browser, folder):
    with opened(browser, folder, "file") as (_, fig, noise):
        box = fig.get_by_role("searchbox")
        box.fill("qwertz")
        assert agrees(fig)["ids"] == ""
        assert fig.get_by_text("Nothing here holds any of these words").is_visible()
        assert "No result" in fig.get_by_role("status").inner_text()
        box.fill("gown")  # known to the vectors only
        assert agrees(fig)["ids"] == ""
        fig.locator("input[aria-label^='share']").fill("4")
        assert agrees(fig)["ids"] != ""
        box.fill("")
        assert agrees(fig)["ids"] == "" and noise.found() == []


def test_words_of_the_query_are_marked_and_moves_are_told(browser, folder):
    with opened(browser, folder, "file") as (_, fig, _):
        marks = {m.lower() for m in texts(fig, "mark")}
        assert marks == {"long", "dress"}
        fig.locator("input[aria-label^='share']").fill("10")
        moved = texts(fig, ".fr-moved")
        assert any(m.startswith(("▲", "▼", "new")) for m in moved)


def test_keyboard_alone_is_enough(browser, folder):
    with opened(browser, folder, "file") as (page, fig, noise):
        press = page.keyboard.press
        press("Tab")
        page.keyboard.type("x")
        press("Control+A")
        page.keyboard.type("warm coat")
        assert agrees(fig)["query"] == "warm coat"
        press("Tab")
        press("Enter")
        assert agrees(fig)["query"] == "itchy sweater"
        press("Tab")
        press("Space")
        assert agrees(fig)["query"] == "gown"
        press("Tab")
        press("Home")
        assert agrees(fig)["k1"] == "0"
        press("Tab")
        press("End")
        assert agrees(fig)["b"] == "1"
        press("Tab")
        press("ArrowRight")
        assert math.isclose(float(agrees(fig)["share"]), 0.05)
        assert noise.found() == []


@pytest.mark.parametrize("dark", [False, True])
def test_narrow_touch_screen(browser, folder, dark):
    with checks.narrow(browser, folder, dark) as (_, fig):
        fig.get_by_role("button", name="itchy sweater").tap()
        assert agrees(fig)["query"] == "itchy sweater"
        fig.locator("input[aria-label^='share']").fill("12")
        agrees(fig)


def test_dark_follows_the_page(browser, folder):
    checks.dark(browser, folder, agrees, look=lambda fig: [fig.screenshot()])


def test_without_javascript_a_still_with_its_caption(browser, folder):
    checks.still(browser, folder, "Ask for clothes")


def test_nothing_is_left_in_the_page(browser, folder):
    checks.nothing_left(browser, folder)
