"""Grade a folder of submissions; run as ``python -m tools.grading.grade FOLDER``.

The folder holds ``student/01_nice.ipynb`` or ``student.ipynb``. Written are ``grades.csv`` and
``feedback/student.html``, and ``course/``, which is nbgrader's: its formgrader, opened there, is
where a person marks the answers that a person has to read. Run this again afterwards: what is
graded stays graded, an interrupted run goes on where it stopped, and only submissions that changed
are executed again.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import secrets
import signal
import sys
from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import nbformat

from tools.build import book
from tools.grading import assignments, feedback, sandbox, submission
from tools.grading.assignments import AssignmentError
from tools.grading.marking import Marker

STOPPED = ("timeout", "memory", "processes", "disk")  # tried again when limits are different
FORMAT = 1  # raise it when this program changes so that submissions must be graded again


def marker(source: Path, out: Path, limits: sandbox.Limits) -> Marker:
    """What grades an assignment: nbgrader's folder is made, or brought up to date."""
    course = out / "course"
    secret = course / "cohort.txt"
    if not secret.exists():
        book.write(secret, secrets.token_hex(16))
    named = f'get_config().CourseDirectory.course_id = "{assignments.COURSE}"\n'
    book.write(course / "nbgrader_config.py", named)  # for nbgrader's own commands there
    notebook = assignments.read(source)
    released = assignments.release(notebook, source.stem, course)
    cohort = secret.read_text(encoding="utf-8")
    return Marker(source.stem, course, notebook, released, cohort, limits)


def version(marker: Marker) -> str:
    """Changes when every submission has to be graded again."""
    exercises = sorted((book.ROOT / "src" / "helpers" / "exercises").rglob("*.py"))
    files = [path.read_text(encoding="utf-8") for path in exercises]
    return book.digest([FORMAT, nbformat.writes(marker.source), files])


def grade(
    marker: Marker, path: Path, student: str, files: list[Path], now: str, force: bool
) -> dict[str, Any]:
    """Grade one student, or keep the state that the file ``path`` holds; return the state."""
    state = book.read_json(path)
    limits = asdict(marker.limits)
    key = ""
    marked = False
    try:
        text = submission.content(student, files)
        digest = book.digest([now, text.hex()])
        other = state.get("status") in STOPPED and state["limits"] != limits
        if state.get("key") == digest and not other and not force:
            return state
        if state:  # so that an interrupt from here on does not pass for done
            book.write_json(path, state | {"key": ""})
        status, message = marker.mark(student, text)
        key = digest
        marked = True
    except submission.Unreadable as error:
        status = "unreadable" if files else "missing"
        message = str(error)
    except AssignmentError as error:
        status = "failed"
        message = f"nbgrader: {str(error).strip()}"
    return {"status": status, "message": message, "marked": marked, "key": key, "limits": limits}


def row(marker: Marker, student: str, state: dict[str, Any]) -> dict[str, Any]:
    """A student's line of ``grades.csv``."""
    points = assignments.problems(marker.source)
    scores = marker.marks(student)[0] if state["marked"] else dict.fromkeys(points, 0.0)
    unread = [problem for problem, score in scores.items() if score is None]
    message = [state["message"]] if state["message"] else []
    message += [f"{problem}: to be read by a person" for problem in unread]
    total = sum(score for score in scores.values() if score is not None)
    shown = {problem: "" if score is None else f"{score:g}" for problem, score in scores.items()}
    return {
        "student": student,
        "assignment": marker.name,
        **shown,
        "total": f"{total:g}",
        "max": f"{sum(points.values()):g}",
        "status": state["status"],
        "message": "".join(c if c.isprintable() else " " for c in "; ".join(message))[:500],
    }


def write_grades(path: Path, rows: list[dict[str, Any]]) -> None:
    """Replace ``grades.csv`` in one step."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    book.write(path, text.getvalue())


def grade_all(marker: Marker, folder: Path, out: Path, force: bool) -> list[dict[str, Any]]:
    """Grade every submission of a folder; what is written is complete after each."""
    now = version(marker)
    found = submission.collect(folder, marker.name)
    paths = {student: marker.course / "state" / f"{student}.json" for student in found}
    known = {student: book.read_json(path) for student, path in paths.items()}
    rows = {student: row(marker, student, known[student]) for student in found if known[student]}
    for student, files in found.items():
        state = grade(marker, paths[student], student, files, now, force)
        rows[student] = row(marker, student, state)
        if submission.STUDENT.fullmatch(student):  # else it is no name for a file
            book.write_json(paths[student], give_feedback(marker, out, student, state))
        write_grades(out / "grades.csv", [rows[name] for name in found if name in rows])
        line = rows[student]
        kept = " (kept)" if state == known[student] else ""
        message = f" - {line['message']}" if line["message"] else ""
        print(
            f"{student}: {line['total']}/{line['max']} {line['status']}{kept}{message}", flush=True
        )
    return list(rows.values())


def give_feedback(marker: Marker, out: Path, student: str, state: dict[str, Any]) -> dict[str, Any]:
    """Write a student's page unless it shows the latest marks and comments; return the state."""
    page = out / "feedback" / f"{student}.html"
    if not state["marked"]:
        book.write(page, feedback.plain(f"{student}: {state['status']}", state["message"]))
        return state
    shown = book.digest(marker.marks(student))
    if shown != state.get("shown") or not page.exists():
        try:
            with alarm(60):
                text = marker.feedback(student)
        except (AssignmentError, TimeoutError, RecursionError) as error:
            text = feedback.plain(
                student, f"This notebook cannot be shown: {type(error).__name__}."
            )
        book.write(page, text)
    return state | {"shown": shown}


@contextlib.contextmanager
def alarm(seconds: int) -> Iterator[None]:
    """TimeoutError when what is inside takes longer: Markdown can be made to take for ever."""

    def ring(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def arguments(given: list[str] | None) -> argparse.Namespace:
    """The command line."""
    names = [source.stem for source in assignments.sources()]
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="holds the submissions")
    parser.add_argument(
        "--assignment", choices=names, help="its name; needed where the files' names do not say it"
    )
    parser.add_argument("--out", type=Path, help="where to write (build/grades/ASSIGNMENT)")
    parser.add_argument("--force", action="store_true", help="grade again what is graded")
    for limit in fields(sandbox.Limits):
        option = f"--{limit.name.replace('_', '-')}"
        parser.add_argument(option, type=int, default=limit.default, help="limit of a submission")
    return parser.parse_args(given)


def which(folder: Path) -> str:
    """The one assignment that the files' names speak of; AssignmentError when there isn't one."""
    names = [source.stem for source in assignments.sources()]
    found = submission.assignments_in(folder, names)
    if len(found) != 1:
        raise AssignmentError(
            f"which assignment? expected student/NAME.ipynb for one NAME in {folder}, got "
            f"{', '.join(found) or 'none'}; say it with --assignment NAME (with make: "
            f"ASSIGNMENT=NAME), where NAME is {', '.join(names)}"
        )
    return found[0]


def main(given: list[str] | None = None) -> int:
    """Grade; 0 when every submission was dealt with, 1 when not, 130 when interrupted."""
    options = arguments(given)
    folder = options.folder
    if not folder.is_dir():
        print(f"expected a folder of submissions, got {folder}", file=sys.stderr)
        return 1
    if not submission.collect(folder, ""):
        print(f"there are no submissions in {folder}", file=sys.stderr)
        return 1
    limits = sandbox.Limits(**{f.name: getattr(options, f.name) for f in fields(sandbox.Limits)})
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        name = options.assignment or which(folder)
        out = options.out or book.ROOT / "build" / "grades" / name
        print(f"assignment: {name}; isolation: {sandbox.describe()}", flush=True)
        source = book.ROOT / "assignments" / f"{name}.md"
        rows = grade_all(marker(source, out, limits), folder, out.resolve(), options.force)
    except AssignmentError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: what was graded is kept, run it again to go on", file=sys.stderr)
        return 130
    failed = [line["student"] for line in rows if line["status"] == "failed"]
    print(f"{len(rows)} students: {out / 'grades.csv'}, {out / 'feedback'}")
    if failed:
        print(f"not graded, look at them: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
