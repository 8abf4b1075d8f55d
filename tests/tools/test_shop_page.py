"""The page about the shop says what the simulator gives today, and its code runs."""

import itertools
import re
from pathlib import Path

import pytest
import torch

from benchmarks import shop as benchmark
from benchmarks import timing
from tools.build import shop_page

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "book" / "shop.md").read_text(encoding="utf-8")
GENERATED = ROOT / "book" / "generated"


@pytest.fixture(scope="module")
def files():
    return shop_page.generate()


def test_generated_text_is_up_to_date(files):
    """If not: ``python -m tools.build.shop_page``."""
    assert (GENERATED / "shop.md").read_bytes() == files["shop.md"]


def test_figures_are_there_and_drawn_alike(files):
    """Fonts may differ by a version of matplotlib, so bytes are not compared."""
    for name in set(files) - {"shop.md"}:
        there = (GENERATED / name).read_text(encoding="utf-8")
        assert there.startswith("<?xml") and there.count("<path") == files[name].count(b"<path")
    shown = re.findall(r"!\[.+\]\(generated/(.+)\)", files["shop.md"].decode())
    assert set(shown) == set(files) - {"shop.md"}


def test_page_includes_every_section():
    text = (GENERATED / "shop.md").read_text(encoding="utf-8")
    marks = re.findall(r"^<!-- ([a-z ]+) -->$", text, re.MULTILINE)
    starts = re.findall(r':start-after: "<!-- ([a-z ]+) -->"', PAGE)
    ends = re.findall(r':end-before: "<!-- ([a-z ]+) -->"', PAGE)
    assert sorted(starts) == sorted(set(marks) - {"end"})
    for start, end in zip(starts, ends, strict=True):
        assert marks[marks.index(start) + 1] == end, start


def test_eight_lines_run(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 8
    names = {}
    exec(code, names)
    assert "torch.Size([20000, 13])" in capsys.readouterr().out
    assert isinstance(names["truth"], torch.Tensor)


def test_ladder_rises(files):
    """Each order that is known raises the reachable AUC: what chapters 10 and 11 stand on."""
    text = files["shop.md"].decode()
    section = text.split("<!-- ladder -->")[1].split("<!-- hidden -->")[0]
    aucs = [float(x) for x in re.findall(r"(0\.\d{3}) \|$", section, re.MULTILINE)]
    assert len(aucs) == 8
    rises = [b - a for a, b in itertools.pairwise(aucs[:6])]
    assert min(rises) > 0.02


def test_benchmark_runs(monkeypatch):
    monkeypatch.setattr(
        timing, "ratio", lambda ours, theirs, **_: (ours(), theirs()) and (1, (1, 1))
    )
    rows = list(benchmark.measure(n_requests=200, n_rounds=1))
    assert [row["against"] for row in rows[:3]] == ["s", "MB", "bytes"]
    assert rows[2]["ratio"] == 48 and len(rows) == 4
