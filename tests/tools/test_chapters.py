"""The committed notebooks and pages are what their sources make, and the tools that make them work.

The first part looks at the book; the rest makes a small book of its own in a temporary folder.
"""

import json
import signal
import subprocess
import sys
import time

import nbformat
import psutil
import pytest
from small_book import ROOT, edit, everything, executed, notebook, root, texts, tiny, write

from tools.build import book, chapters, costs, kernel, pages, seeds

__all__ = ["executed", "root"]  # fixtures

# The book -----------------------------------------------------------------------------------------


def test_the_notebooks_are_what_the_sources_make():
    assert chapters.check() == []


def test_the_generated_pages_say_what_the_notebooks_hold():
    for path, text in pages.pages().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run `make chapters`"


def test_every_claim_is_in_order():
    every = []
    for source in book.chapters():
        made = chapters.stored(source)
        assert made, f"{source.name} has no notebook: run `make chapters`"
        chapters.check_claims(made, source)
        for cell in chapters.code(made):
            mine = [out for out in cell.outputs if "claim" in out.get("metadata", {})]
            tags = cell.metadata.get("tags", [])
            assert "nbval-skip" not in tags, f"{source.name} hides a cell from nbval"
            assert not mine or "nbval-check-output" in tags, f"unchecked claim:\n{cell.source}"
        every += list(chapters.claims(made))
    for record in every:
        assert record["holds"] and record["text"], record["id"]


def test_every_claim_holds_on_five_seeds_with_room_to_spare():
    stored = seeds.record()
    for source in book.chapters():
        entry = stored.get(source.stem, {})
        now = seeds.stamp(source)
        assert entry.get("stamp") == now, f"{source.name} changed since: run `make seeds`"
        records = {record["id"]: record for record in chapters.claims(chapters.stored(source))}
        assert entry["claims"].keys() == records.keys()
        for id, found in entry["claims"].items():
            bound = records[id]["bound"]
            assert found["bound"].keys() == bound.keys(), id
            for side, value in bound.items():  # one that was measured differs by machines' rounding
                assert found["bound"][side] == pytest.approx(value, rel=1e-5), id
            assert len(found["values"]) == len(found["margins"]) == 5, id
            assert seeds.verdict(found["margins"]) == "holds", id


def test_every_chapter_is_affordable():
    known = costs.load(ROOT)
    for source in book.chapters():
        size = source.with_suffix(".ipynb").stat().st_size
        assert known[source.stem]["seconds"] <= 60, f"{source.name} takes too long"
        assert known[source.stem]["bytes"] == pytest.approx(size, rel=0.25)


@pytest.mark.slow
@pytest.mark.parametrize("source", book.chapters(), ids=lambda path: path.stem)
def test_every_claim_holds_when_measured_again_on_five_seeds(source):
    found = seeds.gather(source, ROOT)
    verdicts = {seeds.verdict(entry["margins"]) for entry in found.values()}
    assert verdicts <= {"holds"}, seeds.table(found)


# A small book -------------------------------------------------------------------------------------


def test_what_is_stored(executed):
    made = notebook(executed)
    nbformat.validate(made)
    assert [c.cell_type for c in made.cells] == [*["markdown", "code"] * 3, "code"]
    setup, claimed, widget, last = chapters.code(made)
    assert [cell.execution_count for cell in chapters.code(made)] == [1, 2, 3, 4]
    assert "about 10 s on two CPU cores; not run on a GPU" in made.cells[0].source
    assert "https://github.com/some-body/a-book, and $x_{{i}}$" in made.cells[0].source
    assert 'ADDRESS = "https://github.com/some-body/a-book.git"' in setup.source
    assert texts(claimed)[1] == "exact: 4\n"
    assert texts(widget) == ["after\n"]
    assert texts(last) == ["['https://github.com/some-body/a-book.git', '1', '']"]
    assert setup.metadata == {"tags": ["setup"]}
    assert "widgets" not in made.metadata and made.metadata.kernelspec.name == "python3"
    assert len({cell.id for cell in made.cells}) == len(made.cells)  # also of equal words


def test_the_record_of_a_claim(executed):
    (record,) = chapters.claims(notebook(executed))
    line = texts(chapters.code(notebook(executed))[1])[0]
    assert line.startswith(f"claim tiny-half: holds | measured {record['measured']:.4g} | within")
    assert (record["seed"], record["device"], record["data"]) == (0, "CPU", "simulated")
    assert record["bound"] == {"near": [0.25, 0.3]}


def test_the_same_bytes_when_made_again(root, capsys):
    before = everything(root)
    assert chapters.main([], root) == 0
    assert "01_tiny.md: up to date" in capsys.readouterr().out
    assert chapters.main(["--force"], root) == 0
    assert "01_tiny.md: executed" in capsys.readouterr().out
    assert everything(root) == before


def test_new_words_and_tags_keep_the_outputs(root, capsys):
    old = [cell.outputs for cell in chapters.code(notebook(root))]
    edit(tiny(root), "The same words.", "Other words.")
    edit(tiny(root), "hide-input", "hide-cell")
    assert chapters.why_stale(tiny(root), root) == ""
    assert chapters.check(root) == ["chapters/01_tiny.md: words differ from its notebook's"]
    assert chapters.main(["--check"], root) == 1
    assert chapters.main([], root) == 0
    assert "01_tiny.md: words" in capsys.readouterr().out
    assert chapters.check(root) == [] and chapters.main(["--check"], root) == 0
    made = notebook(root)
    assert [cell.outputs for cell in chapters.code(made)] == old
    assert made.cells[2].source == "Other words."
    assert chapters.code(made)[-1].metadata.tags == ["hide-cell"]


def test_another_address_needs_no_execution(root):
    edit(root / "_config.yml", "some-body", "any-body")
    assert chapters.why_stale(tiny(root), root) == ""
    assert "words differ" in chapters.check(root)[0]


@pytest.mark.parametrize(
    ("file", "before", "after", "stale"),
    [
        ("chapters/01_tiny.md", "SEED = 0", "SEED = 1", "code"),
        ("chapters/01_tiny.md", "hide-input", "raises-exception", "code"),
        ("src/helpers/draw.py", "Drawing", "To draw", ""),
        ("src/helpers/draw.py", "return half(rng)", "return (half(\n  rng))  # halved", ""),
        ("src/helpers/draw.py", "half(rng)", "half(rng) + 0", "helpers/draw.py"),
        ("src/helpers/base.py", "/ 2", "/ 3", "helpers/base.py"),
        ("src/helpers/other.py", "", "x = 1", ""),
    ],
)
def test_what_makes_a_chapter_stale(root, file, before, after, stale):
    edit(root / file, before, after)
    reason = chapters.why_stale(tiny(root), root)
    assert reason == (f"changed since its notebook was executed: {stale}" if stale else "")


def test_a_notebook_that_was_changed_by_hand_is_noticed(root):
    path = tiny(root).with_suffix(".ipynb")
    good = path.read_text(encoding="utf-8")
    path.write_text(good.replace("2 + 2", "3 + 1"))
    assert chapters.check(root) == ["chapters/01_tiny.md: words differ from its notebook's"]
    fewer = json.loads(good)
    fewer["cells"].pop()
    path.write_text(json.dumps(fewer))
    assert "another number of code cells" in chapters.check(root)[0]
    path.write_text(good[:500])
    assert "has no notebook" in chapters.check(root)[0]
    path.rename(path.with_name("02_gone.ipynb"))
    assert chapters.check(root)[1] == "chapters/02_gone.ipynb: has no source beside it"


BAD = {
    "an error": (
        "deep = [1]\ndeep[7]",
        ["code cell 1 of 1", "| deep[7]", "IndexError: list index out of range"],
    ),
    "a claim that fails": (
        'from helpers.claims import claim\nclaim("tiny-a", 3, at_most=2, data="exact")',
        ["code cell 1 of 1", "ClaimError: claim tiny-a: FAILS | measured 3 | at most 2"],
    ),
    "a warning": (
        'import warnings\nwarnings.warn("take care")',
        ["code cell 1 writes to stderr", "take care", "| import warnings"],
    ),
    "an address": ("object()", ["code cell 1 shows an address", "<object at 0x"]),
    "a path": ("import sys\nsys.prefix + '/x'", ["code cell 1 shows a path of this machine"]),
    "a claim made twice": (
        'from helpers.claims import claim\nfor _ in "ab":\n'
        '    claim("tiny-a", 1, at_most=2, data="exact")',
        ["claim tiny-a is made twice"],
    ),
    "a claim of another chapter": (
        'from helpers.claims import claim\nclaim("huge-a", 1, at_most=2, data="exact")',
        ["claim huge-a must start with the chapter's name, tiny-"],
    ),
    "a dead kernel": ("import os\nos._exit(1)", ["01_tiny.md: interrupted, or its kernel died"]),
    "an endless cell": ("while True: pass", ["code cell 1 of 1", "| while True", "timed out"]),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_made_is_told_and_changes_nothing(root, capsys, monkeypatch, name):
    cell, messages = BAD[name]
    monkeypatch.setattr(kernel, "TIMEOUT", 2 if name == "an endless cell" else 60)
    write(root, f"# Tiny\n\n```{{code-cell}} ipython3\n{cell}\n```\n")
    before = everything(root)
    assert chapters.main([], root) == 1
    said = capsys.readouterr().out
    assert "notebook is untouched" in said
    for message in messages:
        assert message in said
    assert everything(root) == before


def test_long_lines_of_output_are_looked_through_fast(root):
    made = notebook(root)
    data = {"text/html": "at " * 30_000, "image/png": "A" * 100_000}
    chapters.code(made)[0].outputs = [nbformat.v4.new_output("display_data", data)]
    begin = time.monotonic()
    kernel.tidy(made, root)
    assert time.monotonic() - begin < 5


def test_a_source_that_is_no_chapter_is_told(root, capsys):
    edit(tiny(root), ":tags: [setup]", ":tags: [setup")
    assert chapters.main([], root) == 1
    assert "01_tiny.md is not MyST Markdown" in capsys.readouterr().out
    assert chapters.main(["--check"], root) == 1


def test_one_bad_chapter_does_not_stop_the_others(root, capsys):
    write(root, "# Nought\n\n```{code-cell} ipython3\n1 / 0\n```\n", "00_nought")
    write(root, "# Two\n\n```{code-cell} ipython3\n1 + 1\n```\n", "02_two")
    assert chapters.main([], root) == 1
    said = capsys.readouterr().out
    assert "00_nought.md: FAILED" in said and "02_two.md: executed" in said
    assert chapters.main(["02_two"], root) == 0


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupt_loses_nothing(root, tmp_path, how):
    note = tmp_path / "pid"
    edit(
        tiny(root),
        "The same words.\n\n```{code-cell} ipython3\n:tags: [nbval",
        "```{code-cell} ipython3\nimport os, pathlib, time\n"
        f"pathlib.Path({str(note)!r}).write_text(str(os.getpid()))\ntime.sleep(60)\n```\n\n"
        "```{code-cell} ipython3\n:tags: [nbval",
    )
    before = everything(root)
    start = "import sys, pathlib; from tools.build import chapters; "
    start += f"sys.exit(chapters.main([], pathlib.Path({str(root)!r})))"
    process = subprocess.Popen([sys.executable, "-c", start], cwd=ROOT, stdout=subprocess.PIPE)
    wait_for(lambda: note.exists() and note.read_text())
    process.send_signal(how)
    said = process.communicate(timeout=30)[0].decode()
    assert process.returncode != 0
    assert how == signal.SIGKILL or "its notebook is untouched" in said
    assert everything(root) == before
    wait_for(lambda: not psutil.pid_exists(int(note.read_text())))  # no kernel is left behind


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)
