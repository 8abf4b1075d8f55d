"""Five seeds are run, judged and recorded; and nbval compares what a claim prints."""

import os
import subprocess
import sys
from pathlib import Path

import jupytext
import pytest
from small_book import ROOT, edit, executed, notebook, root, tiny

from helpers.claims import margin
from tools.build import book, chapters, kernel, seeds

__all__ = ["executed", "root"]  # fixtures


@pytest.mark.parametrize(
    ("bound", "values", "verdict"),
    [
        ({"at_most": 1.0}, [0.1, 0.2, 0.3, 0.4, 0.5], "holds"),
        ({"at_most": 0.49}, [0.1, 0.2, 0.3, 0.4, 0.5], "violated"),
        ({"at_most": 0.59}, [0.1, 0.2, 0.3, 0.4, 0.5], "too close"),
        ({"at_least": 20.0}, [25, 27, 30, 100, 300], "holds"),
        ({"at_least": 24.0}, [25, 27, 30, 100, 300], "too close"),
        ({"near": [0.0, 0.0]}, [0, 0, 0, 0, 0], "holds"),
        ({"near": [0.0, 1.0]}, [0, 0, 0.5, -0.5, 0.9], "too close"),
        ({"at_least": 0.0}, [1, 1, 1, 1, "nan"], "violated"),
        ({"at_least": 0.0}, [1, 1, 1, 1, "inf"], "violated"),
    ],
)
def test_room_to_spare(bound, values, verdict):
    assert seeds.verdict([margin(bound, value) for value in values]) == verdict


def test_seeds_are_run_and_recorded_once(root, capsys, monkeypatch):
    monkeypatch.setattr(seeds, "SEEDS", range(2))
    assert seeds.main([], root) == 0
    entry = seeds.record(root)["01_tiny"]
    values = entry["claims"]["tiny-half"]["values"]
    (record,) = chapters.claims(notebook(root))
    assert values[0] == record["measured"] != values[1] and len(values) == 2
    margins = entry["claims"]["tiny-half"]["margins"]
    assert margins == [pytest.approx(0.3 - abs(value - 0.25)) for value in values]
    assert entry["stamp"] == seeds.stamp(tiny(root), root)
    monkeypatch.setattr(seeds, "gather", lambda *arguments: 1 / 0)
    assert seeds.main([], root) == 0
    assert "01_tiny.md: up to date" in capsys.readouterr().out


@pytest.mark.parametrize("package", ["exercises", "explorables"])
def test_what_measures_nothing_costs_no_new_run_of_seeds(package, root):
    folder = root / "src" / "helpers" / package
    (folder / "tiny").mkdir(parents=True)
    for name in ("__init__", "base", "tiny/__init__", "tiny/more"):
        (folder / f"{name}.py").write_text("def check(*_): ...\n")
    lines = f"from helpers.{package}.base import check\nimport helpers.{package}.tiny.more\n"
    edit(tiny(root), "import random\n", lines + "import random\n")
    before = chapters.stamp(tiny(root), root), seeds.stamp(tiny(root), root)
    (folder / "tiny/more.py").write_text("MORE = 1\n")
    after = chapters.stamp(tiny(root), root), seeds.stamp(tiny(root), root)
    assert before[0] != after[0] and before[1] == after[1]
    edit(root / "src" / "helpers" / "base.py", "/ 2", "/ 3")
    assert seeds.stamp(tiny(root), root) != after[1]


@pytest.mark.parametrize("source", book.chapters(ROOT), ids=lambda path: path.stem)
def test_no_claim_is_made_where_an_explorable_is_drawn(source):
    """What `seeds.stamp` takes for granted."""
    cells = jupytext.read(source).cells
    drawn = [cell.source for cell in cells if "explorable" in cell.metadata.get("tags", [])]
    assert drawn and not any("claim(" in cell for cell in drawn)


def test_a_claim_that_fails_on_some_seed_fails_the_run(root, capsys, monkeypatch):
    monkeypatch.setattr(seeds, "SEEDS", range(2))
    edit(tiny(root), "half, near=(0.25, 0.3)", "float(SEED), at_most=0.5")
    more = 'claim("tiny-next", 3, at_least=2, data="exact", text="t")\n'
    edit(tiny(root), 'print("exact', more + 'print("exact')
    assert seeds.main([], root) == 1
    said = capsys.readouterr().out
    lines = [line.split() for line in said.splitlines()]
    assert ["tiny-half", "violated", "at", "most", "0.5", "0", "1"] in lines
    assert ["tiny-next", "violated", "at", "least", "2", "3", "nan"] in lines  # was not reached
    assert "FAILED, nothing is recorded" in said and seeds.record(root) == {}


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("SEED = 0", "SEED = 3", "exactly one line `SEED = 0`"),
        ("2 + 2", "1 / 0", "code cell 2 fails with SEED = 0: ZeroDivisionError: division by zero"),
    ],
)
def test_what_stops_a_run_of_seeds(root, capsys, before, after, message):
    edit(tiny(root), before, after)
    assert seeds.main([], root) == 1
    assert message in capsys.readouterr().out and seeds.record(root) == {}


def test_nbval_compares_the_lines_of_claims(executed, tmp_path):
    good = tiny(executed).with_suffix(".ipynb").read_text()
    (record,) = chapters.claims(notebook(executed))
    number = f"measured {record['measured']:.4g}"
    variants = {
        "good": good,
        "number": good.replace(number, "measured 7.77e-07"),
        "bound": good.replace("within 0.3 of 0.25", "within 0.2 of 0.25"),
        "verdict": good.replace("tiny-half: holds", "tiny-half: FAILS"),
        "exact": good.replace("exact: 4", "exact: 5"),
        "unchecked": good.replace("after", "later"),
    }
    assert len(set(variants.values())) == len(variants)
    for name, text in variants.items():
        (tmp_path / f"{name}.ipynb").write_text(text)
    options = "--nbval-lax --nbval-current-env -p no:cacheprovider -p no:randomly -rA -q".split()
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--rootdir", tmp_path, "-c", os.devnull,
         "--nbval-sanitize-with", ROOT / "tools" / "build" / "nbval_sanitize.cfg", tmp_path],
        env=kernel.environment(executed), capture_output=True, text=True,
    )  # fmt: skip
    lines = [line.split()[1] for line in run.stdout.splitlines() if line.startswith("FAILED")]
    failed = sorted(Path(line.split("::")[0]).stem for line in lines)
    assert failed == ["bound", "exact", "verdict"], run.stdout
