"""The template that a new chapter starts from is itself a chapter without a fault."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from rules import chapter as rules

from tools.build import book

ROOT = Path(__file__).resolve().parents[2]
TEST = "tests/room/test_name.py::test_what_it_shows"
AROUND = rules.Surroundings(
    tests={TEST},
    mutated={TEST},
    cited=rules.bibliography((ROOT / "book" / "references.bib").read_text(encoding="utf-8")),
    exercises={
        "name-3": SimpleNamespace(kind="build", difficulty=2, signature="f3(x)"),
        "name-4": SimpleNamespace(kind="build", difficulty=2, signature="f4(x)"),
        "name-5": SimpleNamespace(kind="modify", difficulty=3, signature="f5(x)"),
    },
    seconds={"02_name": 1.0},
)


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_the_template_follows_the_rules(rule, tmp_path):
    path = tmp_path / "02_name.md"
    shutil.copy(ROOT / "docs" / "chapter_template.md", path)
    assert rule(rules.read(path), AROUND) == []


def test_the_template_has_its_line_for_the_map():
    text = (ROOT / "docs" / "chapter_template.md").read_text(encoding="utf-8")
    assert book.front_matter(text)["description"].endswith(".")
