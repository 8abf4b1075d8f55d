"""Planted errors in the helpers are rejected by the tests that claim to check them.

The first half tests the machinery on a tiny project of its own; the second half runs the lists.
"""

from dataclasses import replace

import pytest
from browser import chromium
from mutants.runner import Bench, Mutant, Refused, load, located, patch, table

HELPER = '''\
"""A helper to corrupt."""


def double(x: float) -> float:
    # twice
    return 2 * x


class Walk:
    def up(self, n: int) -> int:
        steps = 0
        while n > 0:
            n -= 1
            steps += 1
        return steps

    def down(self, n: int) -> int:
        return -n
'''
TESTS = """\
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.twice import Walk, double

@pytest.mark.parametrize("x", [0.0, 3.0])
def test_double(x):
    assert double(x) == 2 * x

def test_up():
    assert Walk().up(2) == 2

def test_down():
    assert Walk().down(2) == -2

def test_nothing():
    assert True

def test_raises():
    with pytest.raises(TypeError):
        double()

def test_skipped():
    pytest.skip("not today")

def test_wrong():
    assert double(1) == 3

def test_page():
    page = Path(__file__).parents[1] / "chapters" / "01_page.md"
    assert eval(page.read_text()) == 4

def test_child():
    code = "from helpers.twice import double; print(double(1))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "2\\n"
"""
GOOD = Mutant(
    "twice",
    "factor",
    "twice.py",
    "2 * x",
    "3 * x",
    "misread",
    ("tests/test_twice.py::test_double",),
)
HERE = "tests/test_twice.py::"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    root = tmp_path_factory.mktemp("project")
    (root / "src" / "helpers").mkdir(parents=True)
    (root / "tests").mkdir()
    (root / "chapters").mkdir()
    (root / "chapters" / "01_page.md").write_text("2 + 2")
    (root / "src" / "helpers" / "__init__.py").write_text("")
    (root / "src" / "helpers" / "twice.py").write_text(HELPER)
    (root / "tests" / "test_twice.py").write_text(TESTS)
    settings = '[tool.pytest.ini_options]\npythonpath = ["src"]\naddopts = "--no-such-option"\n'
    (root / "pyproject.toml").write_text(settings)
    return root


@pytest.fixture(scope="module")
def small_bench(project):
    with Bench(project, limit=20) as bench:
        yield bench


def verdicts(bench, **changes):
    return [(r.verdict, r.detail) for r in bench.judge(replace(GOOD, **changes))]


def test_a_planted_error_is_caught(small_bench):
    assert verdicts(small_bench) == [("caught", "assertion")]


def test_a_process_that_a_test_starts_sees_the_planted_error(small_bench):
    assert verdicts(small_bench, caught_by=(HERE + "test_child",)) == [("caught", "assertion")]


def test_a_planted_error_on_a_page_is_caught(small_bench):
    page = {"file": "chapters/01_page.md", "before": "+", "after": "-"}
    assert verdicts(small_bench, caught_by=(HERE + "test_page",), **page) == [
        ("caught", "assertion")
    ]


def test_a_missing_file_is_refused(small_bench):
    ((verdict, detail),) = verdicts(small_bench, file="thrice.py")
    assert verdict == "refused" and "there is no src/helpers/thrice.py" in detail


def test_one_mutant_leaves_nothing_for_the_next(small_bench):
    small_bench.judge(GOOD)
    assert verdicts(small_bench, before="# twice", after="# 2x")[0][0] == "survived"


def test_the_helpers_themselves_stay_untouched(small_bench, project):
    small_bench.judge(GOOD)
    assert (project / "src" / "helpers" / "twice.py").read_text() == HELPER
    assert not list(project.rglob("src/**/__pycache__"))


def test_a_change_of_a_comment_survives(small_bench):
    assert verdicts(small_bench, before="# twice", after="# 2x")[0][0] == "survived"


def test_every_named_test_must_fail_by_itself(small_bench):
    both = (HERE + "test_double", HERE + "test_nothing")
    assert [v for v, _ in verdicts(small_bench, caught_by=both)] == ["caught", "survived"]


def test_a_syntax_error_is_refused(small_bench):
    ((verdict, detail),) = verdicts(small_bench, after="2 *")
    assert verdict == "refused" and "no Python" in detail


def test_an_error_while_importing_is_refused(small_bench):
    ((verdict, detail),) = verdicts(
        small_bench, before="class Walk", after="import nowhere\nclass Walk"
    )
    assert verdict == "refused" and "nowhere" in detail


@pytest.mark.parametrize("test", [HERE + "test_missing", "tests/test_missing.py::test_double"])
def test_a_missing_test_is_refused(small_bench, test):
    ((verdict, detail),) = verdicts(small_bench, caught_by=(test,))
    assert verdict == "refused" and "not found" in detail


def test_a_missing_test_does_not_hide_the_others(small_bench):
    with pytest.raises(Refused, match="test_missing"):
        small_bench.require_passing([HERE + "test_missing", HERE + "test_down"])
    small_bench.require_passing([HERE + "test_down"])


@pytest.mark.parametrize("name", ["test_wrong", "test_skipped"])
def test_a_test_that_does_not_pass_before_is_refused(small_bench, name):
    ((verdict, detail),) = verdicts(small_bench, caught_by=(HERE + name,))
    assert verdict == "refused" and "untouched" in detail


def test_another_exception_is_refused_unless_declared(small_bench):
    broken = {"after": "2 * x * nothing"}
    ((verdict, detail),) = verdicts(small_bench, **broken)
    assert verdict == "refused" and "NameError" in detail
    assert verdicts(small_bench, by="NameError", **broken) == [("caught", "NameError")]


def test_a_failed_raises_is_an_assertion(small_bench):
    lenient = {
        "before": "x: float)",
        "after": "x: float = 0)",
        "caught_by": (HERE + "test_raises",),
    }
    assert verdicts(small_bench, **lenient) == [("caught", "assertion")]


def test_an_endless_loop_is_a_catch_only_where_declared(project):
    endless = {"before": "n -= 1", "after": "n -= 0", "caught_by": (HERE + "test_up",)}
    with Bench(project, limit=15) as bench:
        assert verdicts(bench, **endless) == [("refused", "timeout")]
        assert verdicts(bench, by="timeout", **endless) == [("caught", "timeout")]
        assert verdicts(bench, by="timeout") == [
            ("refused", "call ended by assertion, not by timeout: assert 9.0 == (2 * 3.0)")
        ]
        assert verdicts(bench) == [("caught", "assertion")]  # the server is still there


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"before": "3 * x"}, "occurs 0 times"),
        ({"before": "n: int"}, "occurs 2 times"),
        ({"before": "n: int", "within": "Walk"}, "occurs 2 times"),
        ({"within": "Walk.sideways"}, "found 0 definitions"),
        ({"after": "2 * x"}, "equals"),
        ({"file": "chapters/01_page.md", "within": "Walk"}, "not in chapters/01_page.md"),
    ],
)
def test_a_patch_that_does_not_fit_is_refused(changes, complaint):
    with pytest.raises(Refused, match=complaint):
        patch(replace(GOOD, **changes), HELPER)


def test_within_limits_the_patch_to_one_definition():
    narrow = replace(GOOD, before="n: int", after="m: int", within="Walk.down")
    assert patch(narrow, HELPER) == HELPER.replace("down(self, n: int)", "down(self, m: int)")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ('reason = "r"', "missing or empty reason"),
        ('before = "a"', "missing or empty before"),
        ('caught_by = ["t"]', "missing or empty caught_by"),
    ],
)
def test_a_list_without_a_field_is_refused(tmp_path, change, complaint):
    entry = '[[mutant]]\nname = "m"\nfile = "f"\nbefore = "a"\nafter = ""\nreason = "r"\n'
    entry += 'caught_by = ["t"]\n'
    (tmp_path / "a.toml").write_text(entry)
    assert [m.id for m in load(tmp_path)] == ["a/m"]
    (tmp_path / "a.toml").write_text(entry + entry)
    with pytest.raises(Refused, match="names used twice: a/m"):
        load(tmp_path)
    (tmp_path / "a.toml").write_text(entry.replace(change, ""))
    with pytest.raises(Refused, match=complaint):
        load(tmp_path)
    (tmp_path / "a.toml").write_text(entry + 'whatever = "x"\n')
    with pytest.raises(Refused, match="whatever"):
        load(tmp_path)


def test_the_table_counts_what_was_caught(small_bench):
    results = small_bench.judge(GOOD) + small_bench.judge(
        replace(GOOD, name="comment", before="# twice", after="# 2x")
    )
    lines = table(results).split("\n")
    assert lines[-1] == "2 planted errors, 1 caught"
    assert "survived" in lines[-2] and "twice/comment" in lines[-2]


# The lists -------------------------------------------------------------------------------------

MUTANTS = load()


def test_every_planted_error_fits_its_file():
    """Seconds, where running them takes minutes: what a change of a helper leaves behind."""
    misfits = []
    for mutant in MUTANTS:
        try:
            patch(mutant, located(mutant).read_text(encoding="utf-8"))
        except (Refused, OSError) as error:
            misfits.append(f"{mutant.id}: {error}")
    assert not misfits, "\n".join(misfits)


@pytest.fixture(scope="module")
def bench(request):
    """The warm process for all mutants; prints the table when the last one has been judged."""
    results = []

    def judge(mutant):
        results.extend(found := bench.judge(mutant))
        return found

    with Bench() as bench:
        yield judge
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print("\n" + table(results))


@pytest.mark.parametrize("mutant", MUTANTS, ids=[m.id for m in MUTANTS])
def test_planted_error(bench, mutant):
    if any("_browser.py::" in test for test in mutant.caught_by):
        chromium()  # without one it is skipped, or fails, as those tests are and do
    results = bench(mutant)
    assert all(r.verdict == "caught" for r in results), f"{mutant.reason}\n{table(results)}"
