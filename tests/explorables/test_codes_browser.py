"""Codes in a browser: every control moved, and what it states compared with the helpers'."""

from __future__ import annotations

import explorable_checks as checks
import pytest
import torch
from browser import browser
from explorable_page import (
    button,
    colours,
    floats,
    opened,
    pictures,
    rows,
    shown,
    texts,
    until,
    written,
)
from stand_in_codes import BITS, CODERS, NAMES, POINTS, QUERIES, K, expected, figure
from test_codes import unpacked

from helpers.ann.distance import recall

pytestmark = pytest.mark.browser
__all__ = ["browser"]  # a fixture, imported to be used

FIGURE = figure()
REACH = unpacked(FIGURE)[0]["reach"]
RIM = 24  # pixels left of and above the squares


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return written(tmp_path_factory.mktemp("pages"), FIGURE)


def near(text, values):
    """Numbers in a text against others, to what a thousandth can say."""
    return floats(text) == pytest.approx(list(map(float, values)), abs=6e-4)


def agrees(fig):
    """Codes, tables, sums, ranks and means are those of the helpers; gives the dataset."""
    data = shown(fig)
    bits, query = int(data["bits"]), floats(data["at"])
    codes, tables, sums, close, found, distortion = expected(bits, query)
    code, point = [int(c) for c in data["code"].split()], int(data["point"])
    members = (codes == torch.tensor(code)).all(1)
    assert int(data["members"]) == members.sum() and (point < 0) == (not members.any())
    entries = [tables[part, c].item() for part, c in enumerate(code)]
    assert [float(v) for v in data["tables"].split()] == pytest.approx(entries, abs=1e-5)
    assert float(data["adc"]) == pytest.approx(sum(entries), abs=1e-5)
    assert [[int(i) for i in data[name].split()] for name in ("near", "found")] == [close, found]
    right = round(K * recall(torch.tensor([found]), torch.tensor([close])))
    assert int(data["right"]) == right
    assert float(data["distortion"]) == pytest.approx(distortion, abs=1e-6)
    decoded, parts = CODERS[bits].decode(codes), POINTS - torch.tensor(query, dtype=torch.float64)
    error = (POINTS - decoded).square()
    far = parts.square().sum(1).mean()
    means = [far.item(), sums.mean().item(), error.sum(1).mean().item()]
    assert [float(v) for v in data["means"].split()] == pytest.approx(means, abs=1e-5)
    assert int(data["filled"]) == len(codes.unique(dim=0))
    table = [row[-3:] for row in rows(fig, ".fr-sums tbody tr")]
    cells = [row[1] for row in table[:3]]
    assert near(" ".join(cells), [*entries, sum(entries)])
    assert near(" ".join(table[3]), means)
    status, facts = texts(fig, "p.fr-text")
    assert f"({code[0]}, {code[1]})" in status
    assert " ".join(f"{c:0{bits}b}" for c in code) in status
    if point < 0:
        assert status.startswith("No thing has") and table[0][0] == table[2][2] == "–"
    else:
        assert members[point] and codes[point].tolist() == code
        truth = parts[point].square().view(2, 2).sum(1)
        lost = error[point].view(2, 2).sum(1)
        assert [float(v) for v in data["far"].split()] == pytest.approx(truth.tolist(), abs=1e-5)
        assert [float(v) for v in data["lost"].split()] == pytest.approx(lost.tolist(), abs=1e-5)
        assert near(" ".join(row[0] for row in table[:3]), [*truth, truth.sum()])
        assert near(" ".join(row[2] for row in table[:3]), [*lost, lost.sum()])
        assert status.startswith(NAMES[point]) and f"with {members.sum() - 1} other" in status
        assert near(status.rpartition("distance is ")[2], [*entries, sum(entries), truth.sum()])
    cells, alike = 4**bits, (codes == codes[found[0]]).all(1).sum()
    told = [2**bits, 2**bits, cells, len(codes.unique(dim=0)), len(POINTS), distortion, right, K]
    assert near(facts, [*told, alike - 1] if alike > 1 else told)
    listed = [line.split("\n")[0] for line in texts(fig, "ol li")]
    halves = listed[: len(close)], listed[len(close) :]
    for ids, lines, other in zip((close, found), halves, (found, close), strict=True):
        wanted = [f"{'✓' if i in other else '–'} {NAMES[i]}" for i in ids]
        assert [line[: len(w)] for line, w in zip(lines, wanted, strict=True)] == wanted
    assert near(
        " ".join(texts(fig, "ol i")),
        [
            *POINTS.sub(torch.tensor(query)).square().sum(1)[close],
            *sums[found],
        ],
    )
    return data


def changed(fig, do):
    """Do something, see that a picture changes, and that what is told is true."""
    before = pictures(fig)
    do()
    assert before != pictures(fig)
    return agrees(fig)


def spot(canvas, at, width=None):
    """Pixels of a place in a part's plane, on a canvas of some width."""
    width = width or canvas.bounding_box()["width"]
    return {"x": (1 + at[0] / REACH) / 2 * width, "y": (1 - at[1] / REACH) / 2 * width}


def middle(canvas, bits, row, column, share=0.5, width=None):
    """Pixels of a square of the third canvas."""
    side = ((width or canvas.bounding_box()["width"]) - RIM - 2) / 2**bits
    return {"x": RIM + (column + share) * side, "y": RIM + (row + share) * side}


def free(bits, part):
    """The place in a part's plane that is furthest from its centres: a tap there is no choice."""
    at = torch.cartesian_prod(*[torch.linspace(-0.8, 0.8, 9).double() * REACH] * 2)
    return at[torch.cdist(at, CODERS[bits].books[part]).amin(1).argmax()].tolist()


def slider(fig, name):
    return fig.get_by_role("slider", name=name, exact=True)


@pytest.mark.parametrize("where", ["file", "http"])
def test_every_control_changes_the_picture_and_tells_the_truth(browser, folder, where):
    with opened(browser, folder, where) as (_, fig, noise):
        data = agrees(fig)
        assert (data["bits"], data["point"], data["asked"]) == ("2", "3", "east")
        assert data["at"] == shown(fig)["at"] and len(fig.locator("canvas").all()) == 3
        distortions = []
        for level, bits in [*enumerate(BITS), (1, 2)]:
            knob = slider(fig, "bits a part")
            data = changed(fig, lambda k=knob, v=level: k.fill(str(v)))
            assert data["bits"] == str(bits) and data["point"] == "3"
            assert knob.get_attribute("aria-valuetext") == f"{bits}: {2**bits} centres a part"
            distortions.append(float(data["distortion"]))
        assert distortions[0] > distortions[1] > distortions[2]
        for point in (0, len(POINTS) - 1, 41):
            data = changed(fig, lambda v=point: slider(fig, "thing").fill(str(v)))
            assert data["point"] == str(point)
            assert slider(fig, "thing").get_attribute("aria-valuetext") == NAMES[point]
        for name in ("south", "east"):
            data = changed(fig, button(fig, name).click)
            assert floats(data["at"]) == pytest.approx(QUERIES[name].tolist(), abs=1e-6)
            assert button(fig, name).get_attribute("aria-pressed") == "true"
        for part, place in ((0, (0.9, -0.7)), (1, (-0.5, 1.2))):
            canvas, before = fig.locator("canvas").nth(part), floats(shown(fig)["at"])
            data = changed(fig, lambda c=canvas, p=place: c.click(position=spot(c, p)))
            now = floats(data["at"])
            assert now[2 * part : 2 * part + 2] == pytest.approx(place, abs=0.02 * REACH)
            assert now[2 - 2 * part : 4 - 2 * part] == before[2 - 2 * part : 4 - 2 * part]
            assert data["asked"] == "" and data["point"] == "41"
        assert noise.found() == []


def test_a_centre_of_each_part_names_a_cell(browser, folder):
    """Tapped in the parts or in the square, the code is the pair; the nearest inside is shown."""
    with opened(browser, folder, "file") as (_, fig, noise):
        slider(fig, "bits a part").fill("2")
        panels, coder = fig.locator("canvas").all(), CODERS[4]
        used = {tuple(code) for code in coder.encode(POINTS).tolist()}
        empty = next((a, b) for a in range(16) for b in range(16) if (a, b) not in used)
        code = [int(c) for c in agrees(fig)["code"].split()]
        for target in (sorted(used)[5], empty, sorted(used)[-1]):
            for part in (0, 1):
                if code[part] != target[part]:
                    place = spot(panels[part], coder.books[part, target[part]].tolist())
                    data = changed(fig, lambda p=part, at=place: panels[p].click(position=at))
                    code[part] = target[part]
                    assert data["code"] == f"{code[0]} {code[1]}" and data["asked"] == "east"
            assert (target == empty) == (shown(fig)["point"] == "-1")
        for target in (empty, sorted(used)[7]):
            place = middle(panels[2], 4, *target)
            data = changed(fig, lambda at=place: panels[2].click(position=at))
            assert data["code"] == f"{target[0]} {target[1]}"
        inside = (coder.encode(POINTS).long() == torch.tensor(sorted(used)[7])).all(1)
        far = (POINTS - QUERIES["east"]).square().sum(1).masked_fill(~inside, torch.inf)
        assert int(data["point"]) == far.argmin()
        # The rim: another row of the same column, another column of the same row.
        at = middle(panels[2], 4, 2, 9)
        assert changed(fig, lambda: panels[2].click(position={"x": 8, "y": at["y"]}))["code"] == (
            f"2 {sorted(used)[7][1]}"
        )
        data = changed(fig, lambda: panels[2].click(position={"x": at["x"], "y": 8}))
        assert data["code"] == "2 9"
        slider(fig, "bits a part").fill("0")
        assert agrees(fig)["point"] != "-1" and noise.found() == []


def test_a_mouse_drags_the_query(browser, folder):
    with opened(browser, folder, "file") as (page, fig, noise):
        for part in (0, 1):
            canvas = fig.locator("canvas").nth(part)
            canvas.scroll_into_view_if_needed()
            box, start = canvas.bounding_box(), floats(shown(fig)["at"])
            at = spot(canvas, start[2 * part : 2 * part + 2])
            page.mouse.move(box["x"] + at["x"], box["y"] + at["y"])
            page.mouse.down()
            # It ends on a centre, which a tap would choose.
            end, code = CODERS[2].books[part, 1].tolist(), shown(fig)["code"]
            to = spot(canvas, end)
            page.mouse.move(box["x"] + to["x"], box["y"] + to["y"], steps=4)
            page.mouse.up()
            data = agrees(fig)
            assert floats(data["at"])[2 * part : 2 * part + 2] == pytest.approx(end, abs=0.02)
            assert data["code"] == code
        page.mouse.move(5, 5)
        assert shown(fig)["at"] == data["at"] and noise.found() == []


def test_keyboard_alone_is_enough(browser, folder):
    with opened(browser, folder, "file") as (page, fig, noise):
        press = page.keyboard.press
        press("Tab")
        press("End")
        assert agrees(fig)["bits"] == "4"
        press("Tab")
        press("ArrowRight")
        assert agrees(fig)["point"] == "4"
        press("Tab")
        press("Tab")
        press("Enter")
        before = agrees(fig)
        assert before["asked"] == "south"
        for part in (0, 1):
            press("Tab")
            assert checks.ringed(fig.locator("canvas").nth(part))
            for key, axis, sign in (
                ("ArrowRight", 0, 1),
                ("ArrowDown", 1, -1),
                ("ArrowLeft", 0, -1),
            ):
                now = changed(fig, lambda key=key: press(key))
                step = [b - a for a, b in zip(floats(before["at"]), floats(now["at"]), strict=True)]
                wanted = [0.0] * 4
                wanted[2 * part + axis] = sign * REACH / 20
                assert step == pytest.approx(wanted, abs=1e-9)
                before = now
        press("Tab")
        code = [int(c) for c in before["code"].split()]
        for key, axis, step in (("ArrowUp", 0, -1), ("ArrowRight", 1, 1), ("ArrowDown", 0, 1)):
            code[axis] = min(max(code[axis] + step, 0), 15)
            press(key)
            assert agrees(fig)["code"] == f"{code[0]} {code[1]}"
        assert noise.found() == []


def test_what_is_painted_is_nearness(browser, folder):
    """A place has the shade of its nearest centre, a square that of the sum; nearer is bluer."""
    with opened(browser, folder, "file") as (_, fig, noise):
        panels, query = fig.locator("canvas").all(), floats(agrees(fig)["at"])
        wide = [panel.bounding_box()["width"] for panel in panels]
        lattice = torch.cartesian_prod(*[torch.linspace(-0.97, 0.97, 60).double() * REACH] * 2)
        for part in (0, 1):
            places = [spot(panels[part], at, wide[part]) for at in lattice.tolist()]
            found = colours(panels[part], places)
            owner = torch.cdist(lattice, CODERS[2].books[part]).argmin(1)
            modes = [found[owner == c].unique(dim=0, return_counts=True) for c in range(4)]
            # The rest: points, lines, discs, edges.
            assert all(counts.max() > 0.6 * counts.sum() for _, counts in modes)
            shades = torch.stack([values[counts.argmax(), 0] for values, counts in modes])
            _, tables, *_ = expected(2, query)
            assert (shades[tables[part].argsort()].diff() > 0).all()
        slider(fig, "bits a part").fill("2")
        _, tables, *_ = expected(4, query)
        pairs = torch.cartesian_prod(torch.arange(16), torch.arange(16))
        places = [middle(panels[2], 4, *pair, share=0.2, width=wide[2]) for pair in pairs.tolist()]
        far = tables[0][pairs[:, 0]] + tables[1][pairs[:, 1]]
        red = colours(panels[2], places)[far.argsort(), 0]
        assert (red.diff() >= 0).double().mean() > 0.98 and red[0] < red[-1]  # one has a frame
        assert noise.found() == []


@pytest.mark.parametrize("dark", [False, True])
def test_narrow_touch_screen(browser, folder, dark):
    with checks.narrow(browser, folder, dark) as (_, fig):
        assert checks.stacked(fig)
        for part in (0, 1):
            canvas = fig.locator("canvas").nth(part)
            canvas.tap(position=spot(canvas, free(2, part)))
            at = floats(agrees(fig)["at"])[2 * part : 2 * part + 2]
            assert at == pytest.approx(free(2, part), abs=0.02 * REACH)
        slider(fig, "bits a part").fill("2")
        squares = fig.locator("canvas").nth(2)
        squares.tap(position=middle(squares, 4, 15, 0))
        assert agrees(fig)["code"] == "15 0"
        until(fig, code="15 0")


def test_dark_follows_the_page(browser, folder):
    checks.dark(browser, folder, agrees)


def test_without_javascript_a_still_with_its_caption(browser, folder):
    checks.still(browser, folder, "Eighty things")


def test_nothing_is_left_in_the_page(browser, folder):
    checks.nothing_left(browser, folder)
