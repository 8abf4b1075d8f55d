"""The map of chapters says what ``_toc.yml`` and the chapters say, and stands in the preface."""

import re

import pytest

from tools.build import book, pages

ROOT = book.ROOT
TOC = """\
root: book/preface
parts:
  - caption: Before
    chapters:
      - file: book/setup
  - caption: Part I. Small
    chapters:
      - file: book/shop
      - file: chapters/01_tiny
"""
PREFACE = """\
---
planned:
  Part I. Small:
    2. Huge: What does not fit.
---

# Book
"""


def new(root, number, title, description):
    """Write a chapter that is hardly more than its head."""
    path = root / "chapters" / f"{number:02d}_{title.split(':')[0].lower()}.md"
    head = f"---\ndescription: {description}\n---\n\n"
    path.write_text(f"{head}# {number}. {title}\n", encoding="utf-8")


@pytest.fixture
def small(tmp_path):
    """A book of one chapter, and of one that is planned."""
    (tmp_path / "book").mkdir()
    (tmp_path / "chapters").mkdir()
    (tmp_path / "_toc.yml").write_text(TOC)
    (tmp_path / "book" / "preface.md").write_text(PREFACE)
    new(tmp_path, 1, "Tiny: a chapter", "What fits.")
    return tmp_path


def entries(text):
    """(number, title, stem or "", description) of every entry of a map."""
    pattern = (
        r"^(\d+)\. \[?\*\*(.+?)\*\*(?:\]\(\.\./chapters/(\w+)\.ipynb\)| \*planned\*)\n   (.+)$"
    )
    return re.findall(pattern, text, re.MULTILINE)


def test_the_map_says_what_the_sources_hold():
    text = book.generated(ROOT, "map.md").read_text(encoding="utf-8")
    assert text == pages.map_page(), "run `make chapters`"
    toc = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    told = [entry for entry in entries(text) if entry[2]]
    stems = [stem for _number, _title, stem, _said in told]
    assert stems == re.findall(r"^ +- file: chapters/(\w+)$", toc, re.MULTILINE)
    for number, title, stem, said in told:
        words = (ROOT / "chapters" / f"{stem}.md").read_text(encoding="utf-8")
        assert f"\n# {number}. {title}" in words and int(number) == int(stem[:2])
        assert re.search(rf'^description: "?{re.escape(said)}"?$', words, re.MULTILINE)


def test_every_chapter_has_its_line_in_the_toc():
    assert pages.misplaced() == []


def test_the_preface_shows_every_part_of_the_map():
    text = (ROOT / "book" / "preface.md").read_text(encoding="utf-8")
    for caption in book.parts():
        block = f'generated/map.md\n:start-after: "<!-- {caption} -->"\n:end-before: "<!-- end -->"'
        assert text.count(f"### {caption}\n") == text.count(block) == 1


def test_a_planned_chapter_has_no_link(small):
    assert entries(pages.map_page(small)) == [
        ("1", "Tiny", "01_tiny", "What fits."),
        ("2", "Huge", "", "What does not fit."),
    ]


def test_one_line_publishes_a_chapter(small, capsys):
    new(small, 2, "Vast: a chapter", "What grew.")
    assert pages.main([], small) == 0  # a draft is made, and told of
    assert capsys.readouterr().out.startswith("chapters/02_vast.md: has no line in _toc.yml\n")
    assert pages.main(["--check"], small) == 1
    with (small / "_toc.yml").open("a") as toc:
        toc.write("      - file: chapters/02_vast\n")
    assert pages.main(["--check"], small) == 1
    assert "map.md: out of date" in capsys.readouterr().out
    assert pages.main([], small) == pages.main(["--check"], small) == 0
    text = book.generated(small, "map.md").read_text(encoding="utf-8")
    assert entries(text)[1] == ("2", "Vast", "02_vast", "What grew.")


def test_a_line_without_a_chapter_is_noticed(small):
    (small / "chapters" / "01_tiny.md").unlink()
    assert pages.misplaced(small) == ["_toc.yml: there is no chapters/01_tiny.md"]
    assert pages.main(["--check"], small) == 1


def test_a_chapter_without_a_description_is_noticed(small):
    path = small / "chapters" / "01_tiny.md"
    path.write_text("# 1. Tiny: a chapter\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"01_tiny\.md must have a line `description:`"):
        pages.map_page(small)


def test_a_book_without_a_toc_has_no_map(small):
    (small / "_toc.yml").unlink()
    assert pages.misplaced(small) == []
    assert book.generated(small, "map.md") not in pages.pages(small)
