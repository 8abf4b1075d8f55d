"""Every chapter follows the house rules, and every rule notices when it is broken."""

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from rules import chapter as rules

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = rules.sources(ROOT)


@pytest.fixture(scope="module")
def around():
    return rules.surroundings(ROOT)


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_chapter(path, rule, around):
    complaints = rule(rules.read(path), around)
    assert not complaints, "\n".join([rule.__doc__.strip(), *complaints])


def test_there_is_a_chapter():
    assert CHAPTERS


# A chapter in which every rule holds, to be broken one rule at a time ---------------------------


def code(source, *tags):
    header = f"---\ntags: [{', '.join(tags)}]\n---\n" if tags else ""
    return f"```{{code-cell}} ipython3\n{header}{source}\n```\n"


def task(number, kind, body="<details><summary>Solution</summary>Yes.</details>"):
    hint = "<details><summary>Hint 1</summary>Think of 0.25.</details>"
    return f"### Exercise tiny-{number} · {kind} · ★★☆\n\nDo it.\n\n{hint}\n\n{body}\n\n"


TEST = "tests/test_tiny.py::test_sum"
MARK = f"<small>checked by <code>{TEST}</code></small>"
LATER = "".join(f"- [Work](https://arxiv.org/abs/2001.0000{n}) does more.\n" for n in range(3))
GOOD = "\n".join(
    [
        "---\njupytext:\n  text_representation:\n    format_name: myst\n"
        "kernelspec:\n  name: python3\n  display_name: Python 3\n---\n",
        "# 2. A tiny idea\n\nPrerequisites: none. Ten minutes. Runs in {{cost}}.\n",
        code("import torch\nSEED = 0\ngenerator = torch.Generator().manual_seed(SEED)", "setup"),
        "## The problem\n\nSums are hard [(Dinh 2014)](https://arxiv.org/abs/1410.8516v6).\n",
        "## The idea in a picture\n\nLook.\n",
        code("plt.plot(x)", "hide-input"),
        "## Derivation\n\nAs $x = 0.5$ says, see section 3.2:\n\n$$ y = x \\tag{2.1} $$\n",
        f"{MARK}\n\nWhence, by (2.1),\n\n$$ z = y \\tag{{2.2}} $$\n",
        "## Algorithm\n\nAdd.\n\n## On the page\n\nBy (2.2) and (2.1):\n",
        code("y = x  # (2.1)"),
        "## Check\n\nSee.\n",
        code("assert y == x"),
        "## Experiment\n\nHow much?\n",
        code('claim("tiny-sum", y, at_most=1)', "nbval-check-output"),
        "## What breaks\n\nAll.\n\n## Explorable\n\nMove it.\n",
        code("Particles(x)", "explorable"),
        "Live:\n",
        code("import ipywidgets", "needs-kernel", "nbval-ignore-output"),
        "## Exercises\n\n" + task(1, "predict") + task(2, "predict") + task(3, "build", ""),
        code('check("tiny-3", tiny3);'),
        task(4, "build", ""),
        code('check("tiny-4", tiny4);'),
        task(5, "modify"),
        code('check("tiny-5", tiny5);'),
        task(6, "prove"),
        f"## Summary\n\n- One.\n\n**Where it goes next**\n\n{LATER}",
    ]
)
AROUND = rules.Surroundings(
    tests={TEST, "tests/test_tiny.py::test_other"},
    mutated={TEST},
    cited={"1410.8516", "2001.00000", "2001.00001", "2001.00002"},
    exercises={
        **{
            f"tiny-{n}": SimpleNamespace(kind=kind, difficulty=2, signature=f"tiny{n}(x)")
            for n, kind in ((3, "build"), (4, "build"), (5, "modify"))
        },
        "other-1": SimpleNamespace(kind="build", difficulty=1, signature="other(x)"),
    },
    seconds={"02_tiny": 12.0},
    tags={"1.1"},
)


@pytest.fixture
def tiny(tmp_path):
    """A function that writes the good chapter, with one passage replaced, and reads it."""

    def make(old="", new=""):
        assert GOOD.count(old) >= 1
        (tmp_path / "02_tiny.md").write_text(GOOD.replace(old, new, 1))
        return rules.read(tmp_path / "02_tiny.md")

    return make


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_the_good_chapter_has_no_complaint(rule, tiny):
    assert rule(tiny(), AROUND) == []


LONG = "\n".join(f"a{n} = {n}" for n in range(26))
WORDS = "word " * 151
BROKEN = [
    (rules.sections, "# 2. A tiny idea", "A tiny idea", "only title"),
    (rules.sections, "## Check\n", "# Check\n", "only title"),
    (rules.sections, "## Check\n", "", "missing ['Check']"),
    (rules.sections, "## Check\n", "## Tests\n", "unknown ['Tests']"),
    (rules.sections, "\n\nAdd.\n", "\n", "section Algorithm says nothing"),
    (rules.opening, "Prerequisites", "Needs", "lacks what you need"),
    (rules.opening, "Ten minutes", "Soon", "reading time"),
    (rules.opening, "{{cost}}", "50 s", "{{cost}}"),
    (rules.cell_sizes, "y = x  # (2.1)", LONG, "26 lines of code, at most 25"),
    (rules.cell_sizes, "## Check\n\nSee.\n", code("1") + code("2"), "third code cell in a row"),
    (rules.set_up, "tags: [setup]", "tags: [other]", "first code cell"),
    (rules.set_up, "tags: [hide-input]", "tags: [hide-input, setup]", "first code cell"),
    (rules.set_up, "import torch\n", "from helpers.a import b\n" * 2, "helpers.a on two lines"),
    (rules.code_reads, "y = x  # (2.1)", "y, z = f(x), 2", "`y, z = ` packs 2 statements"),
    (rules.code_reads, "y = x  # (2.1)", "y = x; z = 2", "several statements"),
    (rules.code_reads, "y = x  # (2.1)", "if y := f(x):\n    pass", "`y := f(x)` in a condition"),
    (rules.set_up, "SEED = 0", "SEED = 1", "no line `SEED = 0`"),
    (rules.words, "Look.", WORDS, "words, at most 150"),
    (rules.words, "Yes.", WORDS, "words, at most 150"),
    (rules.portable, "Look.", ":::{note}\nLook.\n:::", ":::{note} is MyST only"),
    (rules.portable, "Look.", "```{figure} x.png\n```", "is MyST only"),
    (rules.portable, "Look.", "Look at {cite}`dinh2014`.", "{cite}`dinh2014` is MyST only"),
    (rules.drawing_is_hidden, "---\ntags: [hide-input]\n---\n", "", "draws, but is not"),
    (rules.drawing_is_hidden, "plt.plot(x)", "y = 2", "draws nothing"),
    (
        rules.drawing_is_hidden,
        "y = x  # (2.1)",
        "from helpers.plot import strip\nstrip(x)",
        "draws, but is not",
    ),
    (rules.drawing_is_hidden, "y = x  # (2.1)", "axes[0].hist(x)", "draws, but is not"),
    (rules.drawing_is_hidden, "y = x  # (2.1)", "plot.heat(plot.array(1))", "draws, but is not"),
    (rules.claims_are_checked, "[nbval-check-output]", "[other]", "not tagged nbval-check-output"),
    (rules.claims_are_checked, 'claim("tiny-sum"', 'print("tiny-sum"', "makes no claim"),
    (rules.claims_are_checked, "## Experiment", "## Other", "makes no claim"),
    (rules.explorable_is_marked, "[explorable]", "[other]", "one or two cells"),
    (rules.explorable_is_marked, "## Explorable\n", "", "in the section Explorable"),
    (rules.explorable_is_marked, "needs-kernel, ", "", "must be tagged needs-kernel"),
    (rules.stands_alone, "assert y == x", "%run 01_nice.ipynb", "reaches for another chapter"),
    (rules.stands_alone, "assert y == x", "from chapters import a", "reaches for another"),
    (rules.stands_alone, "assert y == x", "torch.manual_seed(0)", "global seed"),
    (rules.stands_alone, "assert y == x", "%time\ntorch.randn(3)", "without generator="),
    (rules.equations, "\\tag{2.1}", "\\tag{2.3}", "tag 2.3, expected 2.1"),
    (rules.equations, "\\tag{2.1}", "\\tag{1.1}", "tag 1.1, expected 2.1"),
    (rules.equations, "by (2.1)", "by (2.9)", "(2.9) is no equation"),
    (rules.equations, "by (2.1)", "by (1.2)", "(1.2) is no equation"),
    (rules.equations, "# (2.1)", "# see (2.7)", "(2.7) is no equation"),
    (rules.checked_by, MARK, "", "no equation says"),
    (rules.checked_by, MARK, "", "(2.1): code uses it"),
    (rules.checked_by, f"{MARK}\n", f"So.\n\n{MARK}\n", "stands under no numbered equation"),
    (rules.checked_by, f"{MARK}\n", f"$$ a = b $$\n{MARK}\n", "under no numbered equation"),
    (rules.checked_by, "::test_sum", "::test_none", "there is no test"),
    (rules.checked_by, "::test_sum", "::test_other", "no planted error is caught by"),
    (rules.checked_by, MARK, MARK[7:-8], "a mark must read"),
    (rules.checked_by, f"<code>{TEST}</code>", "hand", "names no test"),
    (rules.no_typed_numbers, "Look.", "We got 2.77 bits.", "the number 2.77"),
    (rules.no_typed_numbers, "Look.", "We got $2.77$ bits.", "the number 2.77"),
    (rules.no_typed_numbers, "Look.", "| a | 58.4 |", "the number 58.4"),
    (rules.no_typed_numbers, "Look.", "AUC .8140 to .8145.", "the number .8140"),
    (rules.no_typed_numbers, "Look.", "It took 1.5x.", "the number 1.5"),
    (rules.citations, "1410.8516v6", "1605.08803", "1605.08803 is not in"),
    (rules.citations, "- One.", "- https://doi.org/10.1000/X.", "10.1000/x is not in"),
    (rules.citations, "abs/2001.00000", "abs/2001.00001", "cites 2 works"),
    (rules.citations, "Where it goes next", "Later", "cites 0 works"),
    (rules.exercises, task(6, "prove"), "", "5 exercises, at least 6"),
    (rules.exercises, task(6, "prove"), "", "0 exercises of kind prove"),
    (rules.exercises, "tiny-2 · predict", "tiny-2 · modify", "1 exercises of kind predict"),
    (rules.exercises, 'check("tiny-5"', 'f("tiny-5"', "2 graded exercises, at least 3"),
    (rules.exercises, 'check("tiny-5"', 'f("tiny-5"', "tiny-5: graded, but not on the page"),
    (rules.exercises, "tiny-2 ·", "tiny-1 ·", "tiny-1: used twice"),
    (rules.exercises, "Exercise tiny-2 ·", "Exercise nice-2 ·", "must be called tiny-N"),
    (rules.exercises, "tiny-2 · predict", "tiny-2 · guess", "its kind is none of"),
    (rules.exercises, "tiny-2 · predict · ★★☆", "tiny-2 · predict · ☆☆☆", "one to three stars"),
    (rules.exercises, "tiny-3 · build · ★★☆", "tiny-3 · build · ★★★", "says build, 2 stars"),
    (rules.exercises, "### Exercise tiny-2 · predict · ★★☆", "### Exercise two", "no heading"),
    (
        rules.exercises,
        '"tiny-4", tiny4',
        '"tiny-4", t4',
        "page checks t4, the checker speaks of tiny4(x)",
    ),
    (rules.exercises, 'check("tiny-5"', 'ok = check("tiny-5"', "a verdict is printed, and nothing"),
    (rules.exercises, "assert y == x", "v = check('tiny-5', f)", "check outside the exercises"),
    (rules.exercises, "Hint 1", "Idea", "tiny-1: has no hint"),
    (rules.exercises, "Solution", "Solved", "tiny-1: has no folded solution"),
    (
        rules.exercises,
        code('check("tiny-3", tiny3);'),
        code('check("tiny-3", tiny3);') + "\n<details><summary>Solution</summary>x</details>\n",
        "stands in assignments/ only",
    ),
]


@pytest.mark.parametrize(("rule", "old", "new", "complaint"), BROKEN)
def test_a_broken_rule_is_noticed(rule, old, new, complaint, tiny):
    found = rule(tiny(old, new), AROUND)
    assert any(complaint in line for line in found), found


def test_long_cells_are_noticed_in_the_median(tiny):
    nine = "\n".join(f"a{n} = {n}" for n in range(9))
    chapter = tiny()
    chapter.cells = [replace(c, source=nine) if c.kind == "code" else c for c in chapter.cells]
    assert "the median code cell has 9" in rules.cell_sizes(chapter, AROUND)[0]


def test_words_are_counted_over_a_whole_cell(tiny):
    half = tiny("Add.\n\n## On the page\n", f"{'word ' * 76}\n\n## On the page\n\n{'word ' * 76}")
    assert any("at most 150" in line for line in rules.words(half, AROUND))


@pytest.mark.parametrize("n_words", [150, 151])
def test_words_are_counted_exactly(n_words):
    text = (
        f"## A heading\n\n{'word ' * (n_words - 3)} isn't $x + y$ `f(x)` [half-life](http://a.b)."
    )
    cell = rules.Cell("markdown", text + " Last.\n\n$$ a b c $$\n\n```\nsome code\n```")
    assert bool(rules.words(rules.Chapter("02_tiny", [cell]), AROUND)) == (n_words > 150)


def test_a_number_beside_its_source_may_stand(tiny):
    link = "[the paper](https://doi.org/10.1000/x)"
    assert rules.no_typed_numbers(tiny("Look.", f"They report 2.77 bits, {link}."), AROUND) == []


@pytest.mark.parametrize(
    ("seconds", "complaint"), [({}, "has not been measured"), ({"02_tiny": 61.0}, "61 s")]
)
def test_a_dear_chapter_is_noticed(tiny, seconds, complaint):
    assert complaint in rules.affordable(tiny(), replace(AROUND, seconds=seconds))[0]


IMAGE = '<figure><img src="x" alt="{}"><figcaption>{}</figcaption></figure>'


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ({"text/html": IMAGE.format("Two moons of points, facing", "They interlock.")}, None),
        ({"text/html": "<b>a table</b>", "text/plain": "x"}, None),
        ({"text/html": IMAGE.format("Two moons", "They interlock.")}, "is 'Two moons'"),
        ({"text/html": [IMAGE.format("", "They interlock.")]}, "alternative text is ''"),
        ({"text/html": '<img src="x">'}, "is 'missing'"),
        ({"text/html": IMAGE.format("Two moons of points, facing", "")}, "no caption"),
        ({"image/png": "iVBO", "text/plain": "<Figure>"}, "a bare image"),
        ({"image/svg+xml": "<svg>"}, "a bare image"),
    ],
)
def test_figures_without_words_are_noticed(tiny, data, complaint):
    found = rules.figures_have_words(tiny(), replace(AROUND, outputs={"02_tiny": [data]}))
    assert found == [] if complaint is None else complaint in found[0]


def test_graded_exercises_must_exist(tiny):
    fewer = {id: e for id, e in AROUND.exercises.items() if id != "tiny-5"}
    found = rules.exercises(tiny(), replace(AROUND, exercises=fewer))
    assert found == ["tiny-5: helpers.exercises has no such exercise"]


def test_the_bibliography_is_read():
    bib = '@article{a,\n  eprint = {1410.8516},\n  doi = "10.1000/ABC",\n}\n'
    bib += "@misc{b,\n  url = {https://arxiv.org/abs/1605.08803v3},\n}\n"
    assert rules.bibliography(bib) == {"1410.8516", "10.1000/abc", "1605.08803"}


def test_tests_are_found_by_their_ids():
    names = rules.test_names(ROOT)
    assert "tests/chapters/test_notebooks.py::test_tests_are_found_by_their_ids" in names
    assert not any(re.search(r"::(tiny|around|code)$", name) for name in names)
