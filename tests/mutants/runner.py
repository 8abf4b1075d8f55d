"""Apply planted errors to a copy of the book and see the named tests reject each of them.

    python tests/mutants/runner.py [--jobs N] [LIST or LIST/NAME ...]

A list is a TOML file beside this one, named after the module it corrupts. An entry:

    [[mutant]]
    name = "log-det-sign"
    file = "nice.py"                     # under src/helpers; or "chapters/01_nice.md"
    within = "Scaling.forward"           # optional: look for `before` in this definition only
    before = "self.log_scale.sum()"      # must occur exactly once there
    after = "-self.log_scale.sum()"
    reason = "..."                       # why somebody might write it
    caught_by = ["tests/flows/test_nice.py::test_log_det"]   # every one of them must fail
    by = "assertion"                     # optional: or "timeout", or an exception's name

A test counts as failing when one of its cases fails by assertion (or as `by` says) and none fails
in any other way: an import error, a missing test or an unexpected exception refuses the mutant.
Each named test must pass on the untouched copy. To add a mutant: write it, then run its list.
"""

import argparse
import ast
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import tomllib

ROOT = Path(__file__).resolve().parents[2]
LISTS = Path(__file__).resolve().parent
COPIED = ("src", "tests", "tools", "chapters", "assignments", "pyproject.toml", "_config.yml")
LIMIT = 180.0  # seconds for a run of tests before it counts as endless: the longest takes 50
REQUIRED = ("name", "file", "before", "after", "reason", "caught_by")


class Refused(ValueError):
    """The mutant or its tests are not in order, so nothing can be said about it."""


@dataclass(frozen=True)
class Mutant:
    """One planted error; see the module's docstring for the fields."""

    list: str
    name: str
    file: str
    before: str
    after: str
    reason: str
    caught_by: tuple[str, ...]
    within: str = ""
    by: str = "assertion"

    @property
    def id(self) -> str:
        """``list/name``, unique over all lists."""
        return f"{self.list}/{self.name}"


@dataclass(frozen=True)
class Result:
    """What one test said to one mutant: ``caught``, ``survived`` or ``refused``, and why."""

    mutant: str
    test: str
    verdict: str
    detail: str
    seconds: float


def load(folder: Path = LISTS) -> list[Mutant]:
    """Read every list in a folder; Refused on a missing or unknown field or a repeated name."""
    mutants = []
    for path in sorted(Path(folder).glob("*.toml")):
        for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("mutant", []):
            where = f"{path.name}, mutant {entry.get('name', '?')!r}"
            missing = [key for key in REQUIRED if not entry.get(key) and key != "after"]
            if missing or "after" not in entry:
                raise Refused(f"{where}: missing or empty {', '.join(missing) or 'after'}")
            entry["caught_by"] = tuple(entry["caught_by"])
            try:
                mutants.append(Mutant(list=path.stem, **entry))
            except TypeError as error:
                raise Refused(f"{where}: {error}") from None
    ids = [mutant.id for mutant in mutants]
    repeated = sorted({i for i in ids if ids.count(i) > 1})
    if repeated:
        raise Refused(f"names used twice: {', '.join(repeated)}")
    return mutants


def located(mutant: Mutant, root: Path = ROOT) -> Path:
    """The file that a mutant corrupts: one of the helpers, or a page."""
    helper = not mutant.file.startswith("chapters/")
    return root / ("src/helpers" if helper else "") / mutant.file


def patch(mutant: Mutant, text: str) -> str:
    """The corrupted text of the file; Refused unless ``before`` stands there exactly once."""
    if mutant.within and not mutant.file.endswith(".py"):
        raise Refused(f"`within` finds definitions in Python, not in {mutant.file}")
    start, end = _span(mutant.within, text)
    part = text[start:end]
    found = part.count(mutant.before)
    if found != 1:
        place = f"{mutant.file} {mutant.within}".strip()
        raise Refused(f"`before` occurs {found} times in {place}, expected exactly once")
    changed = text[:start] + part.replace(mutant.before, mutant.after) + text[end:]
    if changed == text:
        raise Refused("`after` equals `before`")
    if mutant.file.endswith(".py"):
        try:
            compile(changed, mutant.file, "exec")
        except SyntaxError as error:
            raise Refused(f"the patched {mutant.file} is no Python: {error}") from None
    return changed


def _span(within: str, text: str) -> tuple[int, int]:
    """Character range of a definition such as ``Scaling.forward``; all of the text for ''."""
    if not within:
        return 0, len(text)
    node = ast.parse(text)
    for name in within.split("."):
        inner = [n for n in node.body if getattr(n, "name", None) == name]
        if len(inner) != 1:
            raise Refused(f"`within`: found {len(inner)} definitions of {within}, expected one")
        node = inner[0]
    lines = [line + "\n" for line in text.split("\n")]
    first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
    return len("".join(lines[: first - 1])), len("".join(lines[: node.end_lineno]))


class Bench:
    """Runs tests in a copy of the book, through a process that stays warm."""

    def __init__(self, root: Path = ROOT, limit: float = LIMIT):
        self.root, self.limit = Path(root), limit
        self.folder, self.server, self.baseline = None, None, {}

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.copy = Path(self.folder.name, "book")
        self.copy.mkdir()
        junk = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
        for path in self.root.iterdir():
            if path.name not in COPIED and not path.name.startswith((".", "_build", "build")):
                (self.copy / path.name).symlink_to(path)  # what tests only read
            elif path.name in COPIED and path.is_dir():
                shutil.copytree(path, self.copy / path.name, ignore=junk)
            elif path.name in COPIED:
                shutil.copy(path, self.copy)
        hidden = ("PYTEST_", "COV_", "PYTHONPATH")  # this run's own pytest is none of its business
        settings = {key: v for key, v in os.environ.items() if not key.startswith(hidden)}
        settings.update(OMP_NUM_THREADS="1", MPLBACKEND="Agg")
        settings["HYPOTHESIS_STORAGE_DIRECTORY"] = str(Path(self.folder.name, "hypothesis"))
        settings |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        self.server = subprocess.Popen(
            [sys.executable, str(LISTS / "server.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=settings,
        )
        return self

    def __exit__(self, *error):
        self.server.stdin.close()
        self.server.wait()
        self.server.stdout.close()
        self.folder.cleanup()

    def _run(self, tests: list[str], limit: float) -> dict:
        request = {"root": str(self.copy), "tests": tests, "limit": limit}
        self.server.stdin.write(json.dumps(request) + "\n")
        self.server.stdin.flush()
        line = self.server.stdout.readline()
        if not line:
            raise RuntimeError(f"the mutants' server ended with status {self.server.wait()}")
        return json.loads(line)

    def require_passing(self, tests: list[str]) -> None:
        """Refused unless each test exists and passes on the untouched copy (asked once each)."""
        new = sorted(set(tests) - set(self.baseline))
        for file in sorted({test.split("::")[0] for test in new}):
            mine = [test for test in new if test.split("::")[0] == file]
            answers = dict.fromkeys(mine, self._run(mine, self.limit))
            if len(mine) > 1 and _refusal(answers[mine[0]]):  # one that is missing hides the rest
                answers = {test: self._run([test], self.limit) for test in mine}
            for test, answer in answers.items():
                self.baseline[test] = (_not_passing(answer, test), answer["seconds"])
        bad = {test: self.baseline[test][0] for test in tests if self.baseline[test][0]}
        if bad:
            raise Refused("; ".join(f"{test}: {problem}" for test, problem in bad.items()))

    def judge(self, mutant: Mutant) -> list[Result]:
        """One result per test in ``caught_by``."""
        tests = list(mutant.caught_by)
        path = located(mutant, self.copy)
        try:
            if not path.is_file():
                raise Refused(f"there is no {path.relative_to(self.copy)}")
            clean = path.read_text(encoding="utf-8")
            changed = patch(mutant, clean)
            self.require_passing(tests)
        except Refused as error:
            return [Result(mutant.id, test, "refused", str(error), 0.0) for test in tests]
        try:
            path.write_text(changed, encoding="utf-8")
            if mutant.by != "timeout":
                answer = self._run(tests, self.limit)
                return [self._verdict(mutant, test, answer) for test in tests]
            results = []
            for test in tests:  # one at a time, or the first endless one would hide the others
                limit = min(self.limit, 3 * self.baseline[test][1] + 2)
                results.append(self._verdict(mutant, test, self._run([test], limit)))
            return results
        finally:
            path.write_text(clean, encoding="utf-8")

    @staticmethod
    def _verdict(mutant: Mutant, test: str, answer: dict) -> Result:
        if answer["exit"] == "timeout":
            verdict = "caught" if mutant.by == "timeout" else "refused"
            return Result(mutant.id, test, verdict, "timeout", answer["seconds"])
        problem = _refusal(answer)
        failed = [c for c in _cases(answer, test) if c["outcome"] == "failed"]
        other = [c for c in failed if c["when"] != "call" or c["raised"] != [mutant.by]]
        if not problem and other:
            raised, when = "+".join(other[0]["raised"]), other[0]["when"]
            problem = f"{when} ended by {raised}, not by {mutant.by}: {other[0]['message']}"
        if problem:
            return Result(mutant.id, test, "refused", problem, answer["seconds"])
        if not failed:
            return Result(mutant.id, test, "survived", "the test passes", answer["seconds"])
        return Result(mutant.id, test, "caught", mutant.by, answer["seconds"])


def _refusal(answer: dict) -> str:
    """Why a run says nothing about a mutant, or ''."""
    if answer["exit"] not in (0, 1):
        errors = " ".join(answer["collect_errors"])
        return f"pytest ended with {answer['exit']}: {errors or answer['tail'].strip()[-300:]}"
    if answer["foreign"]:
        return f"imported from elsewhere than the copy: {', '.join(answer['foreign'])}"
    return ""


def _not_passing(answer: dict, test: str) -> str:
    """Why a run does not show that a test passes, or ''."""
    cases = _cases(answer, test)
    poor = [case for case in cases if case["outcome"] != "passed"]
    if _refusal(answer) or (cases and not poor):
        return _refusal(answer)
    became = f"{poor[0]['outcome']}, {poor[0]['message']}" if poor else "not run"
    return f"does not pass on the untouched copy: {became}"


def _cases(answer: dict, test: str) -> list[dict]:
    """The records of a test, all its parameters included."""
    return [c for c in answer["cases"] if c["node"] == test or c["node"].startswith(test + "[")]


def table(results: list[Result]) -> str:
    """A line per mutant and test, problems last, and a count."""
    rows = [("mutant", "test", "verdict", "seconds")]
    for result in sorted(results, key=lambda r: r.verdict != "caught"):
        said = result.verdict + (f" ({result.detail})" if result.detail else "")
        rows.append((result.mutant, result.test, said, f"{result.seconds:.2f}"))
    widths = [max(len(row[i]) for row in rows) for i in (0, 1)]
    lines = [f"{m:{widths[0]}}  {t:{widths[1]}}  {s:>7}  {v}" for m, t, v, s in rows]
    bad = {r.mutant for r in results if r.verdict != "caught"}
    count = len({r.mutant for r in results})
    return "\n".join([*lines, f"{count} planted errors, {count - len(bad)} caught"])


def judge_all(mutants: list[Mutant], jobs: int = 1) -> list[Result]:
    """Every mutant's results, in order, with ``jobs`` servers side by side."""
    with contextlib.ExitStack() as stack:
        benches = [stack.enter_context(Bench()) for _ in range(max(1, jobs))]
        shares = [mutants[i :: len(benches)] for i in range(len(benches))]
        with ThreadPoolExecutor(len(benches)) as pool:
            done = pool.map(
                lambda pair: [pair[0].judge(m) for m in pair[1]], zip(benches, shares, strict=True)
            )
            found = {rs[0].mutant: rs for share in done for rs in share}
    return [result for mutant in mutants for result in found[mutant.id]]


def main() -> int:
    """Judge the chosen mutants, print the table; status 1 unless all are caught."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="a list (nice) or a mutant (nice/log-det-sign)")
    parser.add_argument("--jobs", type=int, default=1, help="servers side by side")
    chosen = parser.parse_args()
    mutants = [
        m for m in load() if not chosen.names or m.id in chosen.names or m.list in chosen.names
    ]
    if not mutants:
        print(f"no mutant is called {' or '.join(chosen.names)}")
        return 1
    results = judge_all(mutants, chosen.jobs)
    print(table(results))
    return int(any(result.verdict != "caught" for result in results))


if __name__ == "__main__":
    sys.exit(main())
