"""Imports point down, as the contract in pyproject.toml says; and one that doesn't is noticed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINTER = "from importlinter.cli import lint_imports_command as run; run()"


def lint(root):
    """What import-linter says of a tree: its status and its text."""
    settings = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root / "src"), str(root)])}
    command = [sys.executable, "-c", LINTER, "--no-cache", "--no-logo"]
    done = subprocess.run(command, cwd=root, env=settings, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_imports_point_down():
    status, said = lint(ROOT)
    assert status == 0 and "1 kept, 0 broken" in said, said


@pytest.fixture
def copy(tmp_path):
    junk = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("src", "tools", "benchmarks"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=junk)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "line", "complaint"),
    [
        ("src/helpers/flows/toy.py", "from helpers.ctr import metrics", "helpers.flows"),
        ("src/helpers/ann/flat.py", "from helpers.matching import scoring", "helpers.ann"),
        ("src/helpers/nets.py", "from helpers.flows import ode", "helpers.nets"),
        ("src/helpers/ctr/fm.py", "from helpers.exercises import check", "helpers.ctr"),
        ("src/helpers/exercises/judge.py", "import helpers.explorables.still", "helpers.exercises"),
        ("src/helpers/plot.py", "import tools.build.book", "helpers.plot"),
        ("tools/build/book.py", "import benchmarks.timing", "tools"),
    ],
)
def test_an_import_upwards_or_aside_is_noticed(copy, file, line, complaint):
    path = copy / file
    path.write_text(path.read_text(encoding="utf-8") + f"\n{line}\n", encoding="utf-8")
    status, said = lint(copy)
    assert status == 1 and f"{complaint} is not allowed to import" in said, said
