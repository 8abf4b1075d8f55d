"""Run one submission in the sandbox and mark it.

nbgrader does the bookkeeping: it puts the instructor's test cells in, keeps the gradebook, renders
the feedback. What the sandbox reports is not taken for anything: there, ``check`` only records what
the student's function returns, and the verdict is passed here, from the record.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.converters import Autograde, GenerateFeedback
from nbgrader.preprocessors import LimitOutput, SaveAutoGrades

from helpers.exercises.attempt import from_json
from helpers.exercises.exercise import answers, draws, find
from helpers.exercises.judge import Verdict, judge
from tools.build import book
from tools.grading import assignments, feedback, sandbox, submission

RECORD = "application/vnd.flow-and-rank.attempt+json"  # as in recorder.py
SECRET = {"answers.py", "mistakes.py", "judge.py"}  # what the sandbox does not get
ENDS = {
    "died": ("crashed", "the kernel died in {place}"),
    "stuck": ("timeout", "the kernel could not be interrupted, in {place}"),
    "time": ("timeout", "stopped after {limits.seconds} s, in {place}"),
    "memory": ("memory", "stopped at {limits.memory} MB, in {place}"),
    "processes": ("processes", "stopped at {limits.processes} processes, in {place}"),
    "disk": ("disk", "stopped at {limits.disk} MB of files, in {place}"),
}


@dataclass
class Marker:
    """Marks submissions of one assignment into nbgrader's course folder ``course``."""

    name: str
    course: Path
    source: NotebookNode
    released: NotebookNode
    cohort: str
    limits: sandbox.Limits
    said: list[tuple[str, str]] = field(default_factory=list)

    def mark(self, student: str, text: bytes) -> tuple[str, str]:
        """Run and mark one notebook; return its status, one word, and a message."""
        self.said = []
        notebook, notes = submission.restore(submission.parse(text), self.released)
        file = Path(student, self.name, f"{self.name}.ipynb")
        book.write(self.course / "submitted" / file, nbformat.writes(notebook))
        shutil.rmtree(self.course / "autograded" / student, ignore_errors=True)
        steps = [self._execute, LimitOutput, SaveAutoGrades]
        assignments.run(Autograde, self.course, self.name, student, autograde_preprocessors=steps)
        if notes:
            self.said.append(("restored", f"graded with the released cells: {', '.join(notes)}"))
        status = next((status for status, _ in self.said if status), "graded")
        return status, "; ".join(message for _, message in self.said)

    def marks(self, student: str) -> tuple[dict[str, float | None], list[str | None]]:
        """A marked student's score by problem, None where a person has to read; and comments."""
        with Gradebook(f"sqlite:///{self.course}/gradebook.db", assignments.COURSE) as gradebook:
            (notebook,) = gradebook.find_submission(self.name, student).notebooks
            found = {
                grade.name: None if grade.manual_score is grade.auto_score is None else grade.score
                for grade in notebook.grades
            }
            comments = [comment.comment for comment in notebook.comments]
        return {problem: found[problem] for problem in assignments.problems(self.source)}, comments

    def feedback(self, student: str) -> str:
        """A marked student's notebook with scores and comments, as a page that loads nothing."""
        assignments.run(GenerateFeedback, self.course, self.name, student)
        page = self.course / "feedback" / student / self.name / f"{self.name}.html"
        return feedback.clean(page.read_text(encoding="utf-8"))

    def _execute(self, notebook: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        """Stands where nbgrader would run the notebook: fill in the cells' outputs."""
        variables = {"HELPERS_COHORT": self.cohort}
        run = sandbox.execute(notebook, self.limits, self._prepare, variables)
        if run.ended in ENDS:
            status, message = ENDS[run.ended]
            place = submission.where(notebook.cells, run.last)
            self.said.append((status, message.format(place=place, limits=self.limits)))
        for number, cell in enumerate(notebook.cells):
            if cell.cell_type == "code":
                outputs = run.outputs.get(number, [])
                cell.outputs = list(filter(None, map(_plain, outputs)))
                cell.execution_count = None
                errors = [f"{o.ename}: {o.evalue}" for o in cell.outputs if "ename" in o]
                self._remark(submission.where(notebook.cells, number), errors)
                if cell.metadata.get("nbgrader", {}).get("grade"):
                    cell.outputs = self._judge(cell, outputs, run.ended)
        return notebook, resources

    def _prepare(self, code: Path) -> None:
        """What a submission can import: the helpers that its assignment names; no answers."""
        package = book.ROOT / "src"
        cells = [cell.source for cell in self.released.cells if cell.cell_type == "code"]
        files = {*book.helpers_used(cells, package), *package.glob("helpers/exercises/**/*.py")}
        for path in files:
            if path.name not in SECRET:
                target = code / path.relative_to(package)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)
        shutil.copy(Path(__file__).with_name("recorder.py"), code / "helpers/exercises/check.py")

    def _remark(self, place: str, errors: list[str]) -> None:
        """Note what met a limit without ending the run."""
        if any("TimeoutError: this cell took too long" in error for error in errors):
            seconds = self.limits.cell_seconds
            self.said.append(("timeout", f"{place} took longer than {seconds} s"))
        if any("MemoryError" in error or "can't allocate memory" in error for error in errors):
            limit = self.limits.memory
            self.said.append(("memory", f"{place} asked for more than {limit} MB"))

    def _judge(self, cell: NotebookNode, raw: list[dict], ended: str) -> list[NotebookNode]:
        """The outputs that decide a test cell's points: verdicts, and an error if one is not ok."""
        problem = cell.metadata.nbgrader.grade_id
        verdicts = self._verdicts(cell.source, raw)
        made = [
            nbformat.v4.new_output("stream", name="stdout", text=f"{verdict} ({cohort} inputs)\n")
            for (_, cohort), verdict in verdicts.items()
            if verdict
        ]
        wrong = [verdict for verdict in verdicts.values() if verdict is not None and not verdict]
        errors = [output for output in cell.outputs if output.output_type == "error"]
        if wrong:
            self.said.append(("", f"{problem}: {wrong[0].kind}"))
            self._remark(problem, [wrong[0].sentence] if wrong[0].kind == "error" else [])
            return [*made, _error("NotYet", str(wrong[0]))]
        if all(verdicts.values()):
            return made
        if errors:
            self.said.append(("", f"{problem}: {errors[-1].ename}"))
            return [*made, *errors]
        if ended == "done":
            self.said.append(("tampered", f"{problem}: its check was kept from running"))
        return [*made, _error("NotRun", f"The check of {problem} left no record.")]

    def _verdicts(self, source: str, raw: list[dict]) -> dict[tuple[str, str], Verdict | None]:
        """The verdict on each check of a test cell; None for one without a record."""
        found: dict[tuple[str, str], Verdict | None] = {}
        for id, cohort in assignments.checks(source):
            exercise = find(id)
            inputs = draws(exercise, cohort, self.cohort)
            found[id, cohort] = None
            for output in raw:
                data = output.get("data")
                record = data.get(RECORD) if isinstance(data, dict) else None
                if isinstance(record, dict) and (record.get("id"), record.get("cohort")) == (
                    id,
                    cohort,
                ):
                    try:
                        attempts = from_json(record["attempts"])
                        found[id, cohort] = judge(exercise, answers(exercise), inputs, attempts)
                    except (ValueError, KeyError):
                        found[id, cohort] = None  # forged, and badly
        return found


def _plain(output: dict) -> NotebookNode | None:
    """A stranger's output as text or a picture, or None: no HTML, no script, nothing odd."""
    kind = output.get("output_type")
    data = output.get("data")
    if kind == "stream":
        name = "stderr" if output.get("name") == "stderr" else "stdout"
        return nbformat.v4.new_output("stream", name=name, text=_text(output.get("text")))
    if kind == "error":
        trace = output.get("traceback")
        lines = [_text(line) for line in trace] if isinstance(trace, list) else []
        named = {key: _text(output.get(key)) for key in ("ename", "evalue")}
        return nbformat.v4.new_output("error", **named, traceback=lines)
    if not isinstance(data, dict) or RECORD in data:
        return None
    shown = {key: _text(data[key]) for key in ("text/plain", "image/png") if key in data}
    return nbformat.v4.new_output("display_data", data=shown) if shown else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _error(name: str, sentence: str) -> NotebookNode:
    lines = [f"{name}: {sentence}"]
    return nbformat.v4.new_output("error", ename=name, evalue=sentence, traceback=lines)
