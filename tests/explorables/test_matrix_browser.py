"""Matrix in a browser: every control moved, and what it shows compared with the tensors."""

from __future__ import annotations

import explorable_checks as checks
import pytest
import torch
from browser import browser
from explorable_page import button, floats, opened, pictures, repainted, rows, shown, written
from stand_in_matrix import COLUMNS, LEVELS, NAMES, ROWS, figure, learned, planted, seen

pytestmark = pytest.mark.browser
__all__ = ["browser"]  # a fixture, imported to be used

EDGE = 4  # of the canvas, in CSS pixels
BLUE, RED = torch.tensor([0.0, 114, 178]), torch.tensor([213.0, 94, 0])
FIGURE = figure()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return written(tmp_path_factory.mktemp("pages"), FIGURE)


# ---- what is true ----------------------------------------------------------------------------


def fit(data: dict, which: torch.Tensor) -> tuple[float, float]:
    """Correlation (nan if nothing was learned) and root mean square error over some entries."""
    x, y = planted()[which], learned(data["kind"], int(data["level"]))[which]
    correlation = torch.corrcoef(torch.stack([x, y]))[0, 1].item() if y.any() else float("nan")
    return correlation, (x - y).square().mean().sqrt().item()


def cells(canvas) -> torch.Tensor:
    """The colours (R, C, 3) in the middle of each entry."""
    found = canvas.evaluate(
        """(c, [R, C, edge]) => { const s = c.width / c.clientWidth, g = c.getContext("2d");
          const w = (c.clientWidth - 2 * edge) / C, h = (c.height / s - 2 * edge) / R, out = [];
          for (let r = 0; r < R; r++) for (let i = 0; i < C; i++)
            out.push([...g.getImageData(Math.round(s * (edge + (i + 0.5) * w)),
              Math.round(s * (edge + (r + 0.5) * h)), 1, 1).data].slice(0, 3));
          return out; }""",
        [ROWS, COLUMNS, EDGE],
    )
    return torch.tensor(found, dtype=torch.float32).reshape(ROWS, COLUMNS, 3)


def agrees(fig) -> dict:
    """What the figure states and paints is what the tensors say; gives its dataset."""
    data, close = shown(fig), FIGURE.error * 1.01 + 1e-6
    assert data["level"] == str(LEVELS[int(data["position"])])
    told = [float(n) for n in data["fit"].split(",")]
    table = rows(fig)
    for i, which in enumerate((seen(), ~seen())):
        expected = fit(data, which)
        assert told[2 * i : 2 * i + 2] == pytest.approx(expected, abs=5e-3, nan_ok=True)
        cell = table[i]
        assert cell[0] == ("seen", "unseen")[i] and int(cell[1]) == int(which.sum())
        if expected[0] == expected[0]:
            assert floats(cell[2]) == pytest.approx(expected[:1], abs=0.011)
        else:
            assert cell[2] == "–"
        assert floats(cell[3]) == pytest.approx(expected[1:], abs=0.011)
    words = fig.get_by_role("status").inner_text()
    if data["picked"]:
        r, c = map(int, data["picked"].split(","))
        true = planted()[r, c].item(), learned(data["kind"], int(data["level"]))[r, c].item()
        assert (float(data["planted"]), float(data["learned"])) == pytest.approx(true, abs=close)
        assert f"city {r}, brand {c}" in words
        assert ("unseen" in words) == (not bool(seen()[r, c]))
        assert floats(words)[2:] == pytest.approx(true, abs=close + 0.0051)
    if data["dark"] == "false":
        most = planted().abs().max()
        matrices = (planted(), learned(data["kind"], int(data["level"])))
        for canvas, matrix in zip(fig.locator("canvas").all(), matrices, strict=True):
            share = (matrix / most).clamp(-1, 1)[..., None]
            ink = torch.where(share > 0, RED, BLUE)
            expected = 255 + 0.85 * share.abs() * (ink - 255)
            if data["hidden"] == "true":
                expected[seen()] = torch.tensor([240.0, 242, 245])
            off = (cells(canvas) - expected).abs()
            assert off.max() < 3, off.max()
    return data


def changed(fig, do, panels: str) -> dict:
    """Do something, see which panels' pictures change, and that what is shown is true."""
    assert repainted(fig, do) == panels
    return agrees(fig)


def spot(canvas, r: int, c: int) -> dict:
    """Where an entry lies on a canvas."""
    box = canvas.bounding_box()
    wide, high = (box["width"] - 2 * EDGE) / COLUMNS, (box["height"] - 2 * EDGE) / ROWS
    return {"x": EDGE + (c + 0.5) * wide, "y": EDGE + (r + 0.5) * high}


# ---- tests -----------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["file", "http"])
def test_every_control_changes_the_picture_and_tells_the_truth(browser, folder, where):
    with opened(browser, folder, where) as (_, fig, noise):
        fig.scroll_into_view_if_needed()
        data = agrees(fig)
        assert (data["level"], data["kind"], data["picked"]) == ("2", "plain", "")
        slider = fig.get_by_role("slider", name="rank k")
        for i in (0, 2, 1):
            data = changed(fig, lambda i=i: slider.fill(str(i)), "ny")
            assert slider.get_attribute("aria-valuetext") == f"rank k {LEVELS[i]}"
        for name in (NAMES[1], NAMES[0]):
            data = changed(fig, button(fig, name).click, "ny")
            assert data["kind"] == name
            assert button(fig, name).get_attribute("aria-pressed") == "true"
        for state in ("true", "false"):
            data = changed(fig, button(fig, "hide seen entries").click, "yy")
            assert data["hidden"] == state
        for i, (r, c) in ((0, (2, 5)), (1, (6, 0))):
            canvas = fig.locator("canvas").nth(i)
            before = pictures(fig)
            canvas.click(position=spot(canvas, r, c))
            assert pictures(fig) != before and shown(fig)["picked"] == f"{r},{c}"
            canvas.press("Escape")  # the mark is drawn over its entry
            assert agrees(fig)["picked"] == ""
            canvas.click(position=spot(canvas, r, c))
            slider.fill("2")
            data = shown(fig)
            assert float(data["learned"]) == pytest.approx(
                learned("plain", 5)[r, c].item(), abs=FIGURE.error * 1.01
            )
            slider.fill("1")
            canvas.press("Escape")
        assert noise.found() == []


def test_a_picked_entry_is_read_right_everywhere(browser, folder):
    """All entries, through the keyboard: planted, learned, seen or not."""
    with opened(browser, folder, "file") as (_, fig, _):
        canvas = fig.locator("canvas").first
        canvas.focus()
        canvas.press("ArrowUp")
        assert shown(fig)["picked"] == f"{ROWS // 2},{COLUMNS // 2}"
        for _ in range(ROWS):
            canvas.press("ArrowUp")
        for _ in range(COLUMNS):
            canvas.press("ArrowLeft")
        for r in range(ROWS):
            for c in range(COLUMNS):
                data, words = shown(fig), fig.get_by_role("status").inner_text()
                assert data["picked"] == f"{r},{c}"
                true = planted()[r, c].item(), learned("plain", 2)[r, c].item()
                found = float(data["planted"]), float(data["learned"])
                assert found == pytest.approx(true, abs=FIGURE.error * 1.01)
                assert ("unseen" in words) == (not bool(seen()[r, c]))
                canvas.press("ArrowRight")
            canvas.press("ArrowDown")
            for _ in range(COLUMNS):
                canvas.press("ArrowLeft")


def test_keyboard_alone_is_enough(browser, folder):
    with opened(browser, folder, "file") as (page, fig, noise):
        press = page.keyboard.press
        press("Tab")
        press("End")
        assert agrees(fig)["level"] == "5"
        press("ArrowLeft")
        assert agrees(fig)["level"] == "2"
        press("Tab")
        press("Tab")
        press("Enter")
        assert agrees(fig)["kind"] == NAMES[1]
        press("Tab")
        press("Space")
        assert agrees(fig)["hidden"] == "true"
        press("Tab")
        assert checks.ringed(fig.locator("canvas").first)
        press("ArrowDown")
        press("ArrowDown")
        assert shown(fig)["picked"] == f"{ROWS // 2 + 1},{COLUMNS // 2}"
        press("Escape")
        assert agrees(fig)["picked"] == "" and noise.found() == []


@pytest.mark.parametrize("dark", [False, True])
def test_narrow_touch_screen(browser, folder, dark):
    with checks.narrow(browser, folder, dark) as (_, fig):
        assert checks.stacked(fig)
        agrees(fig)
        second = fig.locator("canvas").nth(1)
        second.tap(position=spot(second, 1, 8))
        assert shown(fig)["picked"] == "1,8"
        button(fig, "hide seen entries").tap()
        button(fig, NAMES[1]).tap()
        fig.get_by_role("slider").fill("2")
        data = shown(fig)
        assert (data["hidden"], data["kind"], data["level"]) == ("true", NAMES[1], "5")


def test_dark_follows_the_page(browser, folder):
    checks.dark(browser, folder, agrees)


def test_without_javascript_a_still_with_its_caption(browser, folder):
    checks.still(browser, folder, "Two matrices")


def test_nothing_is_left_in_the_page(browser, folder):
    checks.nothing_left(browser, folder)
