"""Write the student version of each assignment; run as ``python -m tools.grading.assignments``.

``assignments/NN_name.md`` holds solutions and hidden tests. nbgrader takes them out; what it leaves
is searched for any trace of them before ``build/assignments/NN_name.ipynb`` is written.
"""

from __future__ import annotations

import argparse
import ast
import logging
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbformat import NotebookNode
from nbgrader.converters import GenerateAssignment
from nbgrader.converters.base import NbGraderException
from nbgrader.coursedir import CourseDirectory
from sqlalchemy.exc import SAWarning

from helpers.exercises.exercise import exercises
from tools.build import book

COURSE = "flow-and-rank"
MARKS = re.compile(r"(BEGIN|END) (SOLUTION|HIDDEN TESTS|MARK SCHEME)")


class AssignmentError(Exception):
    """An assignment cannot be made; the message is for its author."""


def sources(root: Path = book.ROOT) -> list[Path]:
    """The assignments' sources in order."""
    return sorted((root / "assignments").glob("[0-9][0-9]_*.md"))


def read(source: Path, root: Path = book.ROOT) -> NotebookNode:
    """An assignment with its solutions, as a notebook whose cell ids do not change."""
    text = source.read_text(encoding="utf-8").replace("{{repository}}", book.repository(root))
    notebook = jupytext.reads(text, fmt="md:myst")
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02}"
    notebook.metadata = nbformat.from_dict(
        {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    )
    notebook.nbformat = 4
    notebook.nbformat_minor = 5
    return notebook


def checks(cell: str) -> list[tuple[str, str]]:
    """(exercise id, cohort) of each ``check(...)`` in a test cell, in order."""
    found = []
    for node in ast.walk(ast.parse(cell)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "check":
            named = {k.arg: ast.literal_eval(k.value) for k in node.keywords}
            found.append((ast.literal_eval(node.args[0]), named.get("cohort", "reader")))
    return found


def problems(notebook: NotebookNode) -> dict[str, float]:
    """Points by the id of each graded cell, in order."""
    marked = [cell.metadata.get("nbgrader", {}) for cell in notebook.cells]
    return {m["grade_id"]: float(m["points"]) for m in marked if m.get("grade")}


def faults(notebook: NotebookNode) -> list[str]:
    """What keeps an assignment from being graded safely, one line each."""
    found = []
    known = exercises()
    for cell in notebook.cells:
        meta = cell.metadata.get("nbgrader", {})
        if cell.cell_type != "code" or not meta.get("grade"):
            continue
        name = meta["grade_id"]
        calls = checks(cell.source)
        unknown = [id for id, _ in calls if id not in known]
        if unknown:
            found.append(f"{name} checks {unknown[0]}, which is no exercise")
        if meta.get("solution"):
            found.append(f"{name} must be a test cell, apart from the answer, got an answer's cell")
        if not calls:
            found.append(f"{name} must be a test cell that calls check, got no call")
        if len(set(calls)) < 2:
            found.append(f"{name} must check the reader's cohort, and another in hidden tests")
        elif "BEGIN HIDDEN TESTS" not in cell.source:
            found.append(f"{name} must check another cohort in hidden tests, got none hidden")
    return found if problems(notebook) else ["no cell has points"]


def secrets(notebook: NotebookNode) -> list[str]:
    """The lines of an assignment that no student may see, but for those that stand openly too."""
    hidden: list[str] = []
    shown: set[str] = set()
    for cell in notebook.cells:
        meta = cell.metadata.get("nbgrader", {})
        inside = False
        whole = meta.get("solution") and not MARKS.search(cell.source)
        for line in cell.source.split("\n"):
            mark = MARKS.search(line)
            if mark:
                inside = mark[1] == "BEGIN"
            elif inside or whole:
                hidden.append(line.strip())
            else:
                shown.add(line.strip())
    return [line for line in hidden if len(line) > 12 and line not in shown]


def leaks(notebook: NotebookNode, student: NotebookNode) -> list[str]:
    """Secret lines of an assignment that stand anywhere in a student's version of it."""
    texts = [text for text in _strings(student) if text]
    found = [line for line in secrets(notebook) if any(line in text for text in texts)]
    return found + [text for text in texts if MARKS.search(text)]


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        yield "".join(part for part in value if isinstance(part, str))
        for inner in value:
            yield from _strings(inner)


def run(converter: type, course: Path, name: str, student: str = "", **traits: Any) -> None:
    """Run one of nbgrader's converters; AssignmentError, with the reason, when it fails."""
    programs = str(Path(sys.executable).parent)  # nbgrader calls alembic by its bare name
    if programs not in os.environ["PATH"].split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join([programs, os.environ["PATH"]])
    log = logging.Logger("nbgrader")
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    log.addHandler(handler)
    try:
        chosen = {"assignment_id": name} | ({"student_id": student} if student else {})
        folder = CourseDirectory(root=str(course), course_id=COURSE, log=log, **chosen)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SAWarning)  # about nbgrader's own use of SQLAlchemy
            converter(coursedir=folder, log=log, force=True, **traits).start()
    except NbGraderException as error:
        traces = [line.strip().split("\n")[-1] for line in lines if line.startswith("Traceback")]
        raise AssignmentError(traces[0] if traces else str(error)) from None


def release(notebook: NotebookNode, name: str, course: Path) -> NotebookNode:
    """Put an assignment into a course folder and return the student version nbgrader makes."""
    wrong = faults(notebook)
    if wrong:
        raise AssignmentError("\n".join(wrong))
    book.write(course / "source" / name / f"{name}.ipynb", nbformat.writes(notebook))
    run(GenerateAssignment, course, name)
    student = nbformat.read(course / "release" / name / f"{name}.ipynb", as_version=4)
    left = leaks(notebook, student)
    if left:
        raise AssignmentError(f"the student version would show: {left[0]!r}")
    return student


def main(arguments: list[str] | None = None) -> int:
    """Write every assignment's student version, or none that has a fault."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=book.ROOT / "build" / "assignments")
    out = parser.parse_args(arguments).out
    for source in sources():
        with tempfile.TemporaryDirectory() as course:
            try:
                notebook = read(source)
                student = release(notebook, source.stem, Path(course))
            except AssignmentError as error:
                print(f"{source.name}: {error}", file=sys.stderr)
                return 1
        path = out / f"{source.stem}.ipynb"
        book.write(path, nbformat.writes(student) + "\n")
        points = sum(problems(notebook).values())
        print(f"{path}: {len(problems(notebook))} problems, {points:g} points")
    return 0


if __name__ == "__main__":
    sys.exit(main())
