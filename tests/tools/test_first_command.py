"""`make book` alone: little is installed for it, and what it runs needs no more than that."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from rules.code import requirement_names

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {"torch", "numpy", "matplotlib", "jupyterlab", "scipy", "sklearn", "pyarrow", "pandas"}
# Run a module as a command where the heavy packages are not installed.
RUN = """\
import runpy, sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r} (blocked)", name=name)
sys.meta_path.insert(0, Blocker())
sys.argv = [MODULE, "--check"]
runpy.run_module(MODULE, run_name="__main__")
"""
PAGE_TEST = """\
import pathlib
BUILT = pathlib.Path(__file__).parent / "_build" / "html"


def test_of_a_page():
    assert (BUILT / "index.html").read_text() == "a page"
"""


def run_without_the_heavy(module, root=ROOT):
    script = f"BLOCKED = {HEAVY!r}\nMODULE = {module!r}\n{RUN}"
    settings = {**os.environ, "PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}"}
    command = [sys.executable, "-B", "-c", script]
    return subprocess.run(command, env=settings, cwd=root, capture_output=True, text=True)


@pytest.mark.parametrize("module", ["tools.build.chapters", "tools.build.pages"])
def test_pages_are_checked_without_torch(module):
    done = run_without_the_heavy(module)
    assert "blocked" not in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert done.returncode == 0, done.stdout


def test_a_check_that_imports_torch_is_noticed(tmp_path):
    (tmp_path / "greedy.py").write_text("import torch\n")
    done = run_without_the_heavy("greedy", tmp_path)
    assert done.returncode != 0 and "No module named 'torch' (blocked)" in done.stderr


def test_the_sphinx_extension_needs_no_torch(tmp_path):
    shutil.copy(ROOT / "book" / "_ext" / "flow_and_rank.py", tmp_path)
    done = run_without_the_heavy("flow_and_rank", tmp_path)
    assert done.returncode == 0, done.stderr


def required(name):
    """The packages that one requirements file names itself."""
    lines = (ROOT / name).read_text("utf-8").splitlines()
    wanted = [line.split("#")[0].strip() for line in lines]
    return {Requirement(line).name.lower() for line in wanted if re.match(r"\w", line)}


def test_what_builds_pages_is_little():
    light = required("requirements-book.txt")
    assert {"jupyter-book", "sphinx-book-theme", "jupytext"} <= light
    assert not light & (HEAVY | {"scikit-learn", "nbval", "ipywidgets"})


def test_requirements_txt_is_the_list_of_everything():
    assert "-r requirements-book.txt" in (ROOT / "requirements.txt").read_text("utf-8").split("\n")
    assert {"torch", "numpy", "matplotlib", "jupyterlab"} <= required("requirements.txt")
    assert required("requirements-book.txt") <= requirement_names(ROOT)


def commands(target):
    """What ``make`` would run for a target where nothing is installed yet."""
    command = ["make", "--dry-run", "--always-make", "--no-print-directory", target]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout


def test_make_book_installs_nothing_else():
    said = commands("book")
    assert "-r requirements-book.txt" in said
    assert set(re.findall(r"requirements[\w-]*\.txt", said)) == {"requirements-book.txt"}


@pytest.mark.parametrize("target", ["lab", "chapters", "seeds", "full", "test"])
def test_a_larger_install_says_beforehand_what_it_takes(target):
    lines = commands(target).splitlines()
    install = next(
        i for i, line in enumerate(lines) if "install --" in line and "requirements.txt" in line
    )
    said = "\n".join(lines[:install])
    assert re.search(r"echo .*\d GB", said) and re.search(r"echo .*minutes", said)


def run_tests(folder, *arguments):
    shutil.copy(ROOT / "tests" / "conftest.py", folder)
    (folder / "test_pages.py").write_text(PAGE_TEST)
    (folder / "test_other.py").write_text("def test_of_no_page():\n    assert True\n")
    command = [sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", folder, "-q"]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", *arguments],
        cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("workers", [(), ("--numprocesses", "1")], ids=["plain", "xdist"])
def test_page_tests_without_a_book_say_once_what_to_do(tmp_path, workers):
    status, said = run_tests(tmp_path, *workers, ".")
    assert status not in (0, 5) and said.count("run `make book` first") == 1, said
    assert "FileNotFoundError" not in said


def test_other_tests_need_no_book(tmp_path):
    assert run_tests(tmp_path, "test_other.py")[0] == 0
    assert run_tests(tmp_path, ".", "-k", "no_page")[0] == 0
    built = tmp_path / "_build" / "html"
    built.mkdir(parents=True)
    (built / "index.html").write_text("a page")
    assert run_tests(tmp_path, ".")[0] == 0
