"""Rules for a chapter's source, ``chapters/NN_name.md``.

Every rule is a function of a chapter and of what it is read against, and returns complaints.

    python tests/rules/chapter.py chapters/01_nice.md
"""

import ast
import io
import json
import re
import statistics
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jupytext

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from rules.code import assigned_in_conditions, global_randomness, packed

SECTIONS = (
    "The problem",
    "The idea in a picture",
    "Derivation",
    "Algorithm",
    "On the page",
    "Check",
    "Experiment",
    "What breaks",
    "Explorable",
    "Exercises",
    "Summary",
)
KINDS = {"predict": 2, "build": 2, "modify": 1, "prove": 1}
EXERCISE = re.compile(r"### Exercise ([a-z0-9-]+-\d+) · (\w+) · ([★☆]{3})(?: · .+)?")
COMPUTES = {"array"}  # functions of helpers.plot that draw nothing
FOLDED = re.compile(r"<details.*?</details>", re.DOTALL)
DISPLAY = re.compile(r"\$\$.*?\$\$", re.DOTALL)
MARK = re.compile(r"<small>\s*checked by\b(.*?)</small>", re.DOTALL)
INLINE = re.compile(r"\$[^$\n]+(?:\n[^$\n]+)*\$")
CITED = re.compile(
    r"https?://(?:www\.)?(?:arxiv\.org/(?:abs|pdf)|(?:dx\.)?doi\.org)/([^\s)}\"'<>]+)"
)
DECIMAL = re.compile(r"(?<![\w.])\d*\.\d+(?!\d|\.\d)")


@dataclass
class Cell:
    """A cell: ``kind`` is "code" or "markdown"; ``section`` is the level-2 heading it is under."""

    kind: str
    source: str
    tags: frozenset[str] = frozenset()
    section: str = ""
    number: int = 0

    def __str__(self) -> str:
        first = next((line for line in self.source.splitlines() if line.strip()), "")
        return f"cell {self.number} ({first[:40]!r})"


@dataclass
class Chapter:
    """A chapter's source as cells; ``stem`` is ``01_nice``."""

    stem: str
    cells: list[Cell]

    @property
    def number(self) -> int:
        return int(self.stem.split("_")[0])

    @property
    def name(self) -> str:
        """How its exercises and claims are called: ``nice``."""
        return self.stem.split("_", 1)[1].replace("_", "-")

    def of(self, kind: str) -> list[Cell]:
        return [cell for cell in self.cells if cell.kind == kind]

    def text(self, section: str | None = None) -> str:
        """All its Markdown, or one section's."""
        cells = [c for c in self.of("markdown") if section in (None, c.section)]
        return "\n\n".join(cell.source for cell in cells)


@dataclass
class Surroundings:
    """What a chapter refers to: all of it by name, so that a test can make it up."""

    tests: set[str] = field(default_factory=set)
    mutated: set[str] = field(default_factory=set)
    cited: set[str] = field(default_factory=set)
    exercises: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    tags: set[str] = field(default_factory=set)
    outputs: dict[str, list[dict]] = field(default_factory=dict)


def read(path: Path) -> Chapter:
    """Parse a source; a Markdown cell that holds several sections is cut at their headings."""
    notebook = jupytext.reads(path.read_text(encoding="utf-8"), fmt="md:myst")
    cells, section = [], ""
    for number, cell in enumerate(notebook.cells):
        tags = frozenset(cell.metadata.get("tags", []))
        whole = Cell(cell.cell_type, cell.source, tags, number=number)
        parts = _cut(cell.source) if cell.cell_type == "markdown" else [cell.source]
        for part in parts:
            found = re.search(r"^## (.+)", part, re.MULTILINE)
            if cell.cell_type == "markdown" and found:
                section = found[1].strip()
            cells.append(replace(whole, source=part, section=section))
    return Chapter(path.stem, cells)


def _cut(text: str) -> list[str]:
    """A Markdown text in pieces that each begin with at most one level-2 heading."""
    parts: list[list[str]] = [[]]
    fenced = False
    for line in text.splitlines():
        fenced ^= line.lstrip().startswith("```")
        if line.startswith("## ") and not fenced and any(parts[-1]):
            parts.append([])
        parts[-1].append(line)
    return ["\n".join(part) for part in parts]


def prose(text: str, *, folded: bool = False) -> str:
    """Markdown without math, code, headings, comments and tags; folded blocks only on request."""
    text = text if folded else FOLDED.sub("", text)
    for pattern in (r"<!--.*?-->", r"^```.*?^```", r"^#+ [^\n]*$", r"``[^`]+``|`[^`\n]+`"):
        text = re.sub(pattern, " ", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"<code>.*?</code>", " ", text, flags=re.DOTALL)
    text = INLINE.sub(_number_or_nothing, DISPLAY.sub(" ", text))
    return re.sub(r"<[^<>\n]+>", " ", text)


def _number_or_nothing(found: re.Match) -> str:
    """Math that is only a number is a typed number all the same."""
    inner = found[0].strip("$ ")
    return f" {inner} " if re.fullmatch(r"[+-]?\d+(\.\d+)?", inner) else " "


def tree(cell: Cell) -> ast.Module | None:
    """A code cell parsed, its magics silenced; None when it is no Python (running says it)."""
    try:
        return ast.parse(re.sub(r"^([ \t]*)[%!].*$", r"\1pass", cell.source, flags=re.MULTILINE))
    except SyntaxError:
        return None


def calls(cell: Cell) -> Iterator[tuple[str, str]]:
    """(first name, last name) of everything that a code cell calls."""
    for node in ast.walk(tree(cell) or ast.Module([], [])):
        if isinstance(node, ast.Call):
            dotted = re.split(r"[.(\[]", ast.unparse(node.func))
            last = node.func.attr if isinstance(node.func, ast.Attribute) else dotted[-1]
            yield dotted[0], last


# The frame --------------------------------------------------------------------------------------


def sections(chapter: Chapter, _: Surroundings) -> list[str]:
    """One title, and the fixed sections in their order."""
    text = re.sub(r"^```.*?^```", "", chapter.text(), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^# .+$", text, re.MULTILINE)
    found = re.findall(r"^## (.+?)\s*$", text, re.MULTILINE)
    bad = [] if len(titles) == 1 and text.startswith("# ") else ["must begin with its only title"]
    if tuple(found) != SECTIONS:
        missing = [name for name in SECTIONS if name not in found]
        other = [name for name in found if name not in SECTIONS]
        bad.append(f"sections out of order: missing {missing}, unknown {other}, found {found}")
    empty = [n for n in found if not re.sub(rf"^## {re.escape(n)}", "", chapter.text(n)).strip()]
    return bad + [f"section {name} says nothing" for name in empty]


def opening(chapter: Chapter, _: Surroundings) -> list[str]:
    """Before the first section: what one needs to know, a reading time, the generated cost."""
    text = chapter.text("")
    wanted = {"what you need to know": r"[Pp]rerequisite|[Yy]ou need"}
    wanted["a reading time"] = r"\b(?:minutes|hours?)\b"
    wanted["the generated {{cost}}"] = r"\{\{cost\}\}"
    return [f"the opening lacks {name}" for name, p in wanted.items() if not re.search(p, text)]


def cell_sizes(chapter: Chapter, _: Surroundings) -> list[str]:
    """Code cells of 25 non-blank lines at most, 8 in the median, never three in a row.

    The set-up is not read as code is, and so it isn't counted: it imports one room a line.
    """
    bad, sizes, row = [], [], 0
    for cell in chapter.cells:
        row = row + 1 if cell.kind == "code" else 0
        if row == 3:
            bad.append(f"{cell}: a third code cell in a row")
        if cell.kind == "code" and "setup" not in cell.tags:
            sizes.append(sum(bool(line.strip()) for line in cell.source.splitlines()))
            if sizes[-1] > 25:
                bad.append(f"{cell}: {sizes[-1]} lines of code, at most 25")
    if sizes and statistics.median(sizes) > 8:
        bad.append(f"the median code cell has {statistics.median(sizes)} lines, at most 8")
    return bad


def set_up(chapter: Chapter, _: Surroundings) -> list[str]:
    """The first code cell alone is tagged ``setup``; it says ``SEED = 0``, and each room once."""
    cells = chapter.of("code")
    if not cells or [c for c in cells if "setup" in c.tags] != cells[:1]:
        return ["exactly the first code cell must be tagged setup"]
    lines = [line for line in cells[0].source.splitlines() if line.strip()]
    rooms = re.findall(r"^from (helpers[\w.]*) import (?!.* as )", cells[0].source, re.MULTILINE)
    bad = [
        f"{cells[0]}: imports from {room} on two lines"
        for room in sorted(set(rooms))
        if rooms.count(room) > 1
    ]
    return bad if "SEED = 0" in lines else [*bad, f"{cells[0]}: no line `SEED = 0`"]


def code_reads(chapter: Chapter, _: Surroundings) -> list[str]:
    """Cells are written to be read: no packed statements, no assignments within conditions."""
    bad = []
    for cell in chapter.of("code"):
        parsed = tree(cell) or ast.Module([], [])
        complaints = [*packed(parsed), *assigned_in_conditions(parsed)]
        bad += [f"{cell}, {complaint}" for complaint in complaints]
    return bad


def words(chapter: Chapter, _: Surroundings) -> list[str]:
    """150 words at most a Markdown cell, and a folded block; math, code, headings don't count."""
    bad = []
    for number in sorted({cell.number for cell in chapter.of("markdown")}):
        cell = replace(next(c for c in chapter.cells if c.number == number))
        cell.source = "\n".join(c.source for c in chapter.cells if c.number == number)
        folded = FOLDED.findall(cell.source)
        for block in [prose(cell.source), *(prose(block, folded=True) for block in folded)]:
            n_words = len(re.findall(r"\w[\w'’-]*", re.sub(r"\]\([^)]*\)", "]", block)))
            if n_words > 150:
                bad.append(f"{cell}: {n_words} words, at most 150")
    return bad


def portable(chapter: Chapter, _: Surroundings) -> list[str]:
    """No MyST directives or roles: the notebook is read on Colab and GitHub, too."""
    bad = []
    for cell in chapter.of("markdown"):
        for found in re.findall(r"^(?:```|:::)\{.*|\{[\w:-]+\}`[^`]*`", cell.source, re.MULTILINE):
            bad.append(f"{cell}: {found} is MyST only")
    return bad


# Code -------------------------------------------------------------------------------------------


def drawing_is_hidden(chapter: Chapter, _: Surroundings) -> list[str]:
    """A cell that draws is tagged ``hide-input``; what is hidden draws, shows a table or claims."""
    bad, plotting = [], {"plt", "plot", "ax", "axes", "fig"}
    for cell in chapter.of("code"):
        for node in ast.walk(tree(cell) or ast.Module([], [])):
            if isinstance(node, ast.ImportFrom) and node.module == "helpers.plot":
                plotting |= {alias.asname or alias.name for alias in node.names} - COMPUTES
        if "setup" in cell.tags:
            continue
        draws = any(first in plotting and last not in COMPUTES for first, last in calls(cell))
        shows = any(last in ("claim", "Markdown", "HTML") for _first, last in calls(cell))
        if draws and "hide-input" not in cell.tags:
            bad.append(f"{cell}: draws, but is not tagged hide-input")
        hidden = "hide-input" in cell.tags and not {"explorable", "needs-kernel"} & cell.tags
        if hidden and not draws and not shows:
            bad.append(f"{cell}: is tagged hide-input, but draws nothing")
    return bad


def figures_have_words(chapter: Chapter, around: Surroundings) -> list[str]:
    """Every picture of the executed notebook has alternative text and a caption."""
    bad = []
    for number, data in enumerate(around.outputs.get(chapter.stem, [])):
        where = f"output {number}"
        if any(kind.startswith("image/") for kind in data):
            bad.append(f"{where}: a bare image has no alternative text; use plot.show")
        page = "".join(data.get("text/html", ""))
        for image in re.findall(r"<img\b[^>]*>", page):
            alt = re.search(r'\balt="([^"]*)"', image)
            if not alt or len(alt[1].split()) < 5:
                bad.append(f"{where}: its alternative text is {alt[1] if alt else 'missing'!r}")
        if "<img" in page and not re.search(r"<figcaption>[^<]{10,}", page):
            bad.append(f"{where}: has no caption")
    return bad


def claims_are_checked(chapter: Chapter, _: Surroundings) -> list[str]:
    """The experiment claims something; whatever claims is compared by nbval."""
    claiming = [c for c in chapter.of("code") if any(last == "claim" for _f, last in calls(c))]
    bad = [
        f"{cell}: claims, but is not tagged nbval-check-output"
        for cell in claiming
        if "nbval-check-output" not in cell.tags
    ]
    sections = {cell.section for cell in claiming}
    return bad + ([] if "Experiment" in sections else ["the experiment makes no claim"])


def explorable_is_marked(chapter: Chapter, _: Surroundings) -> list[str]:
    """The section Explorable shows one or two; a widget that needs a kernel says so."""
    bad = []
    marked = [c for c in chapter.of("code") if "explorable" in c.tags]
    if not 1 <= len(marked) <= 2 or {cell.section for cell in marked} != {"Explorable"}:
        bad.append("one or two cells, in the section Explorable, must be tagged explorable")
    for cell in chapter.of("code"):
        widget = "ipywidgets" in cell.source
        if widget and not {"needs-kernel", "nbval-ignore-output"} <= cell.tags:
            bad.append(f"{cell}: a widget must be tagged needs-kernel and nbval-ignore-output")
    return bad


def stands_alone(chapter: Chapter, _: Surroundings) -> list[str]:
    """No chapter imports or runs another, and none uses a global random generator."""
    bad = []
    for cell in chapter.of("code"):
        foreign = r"%run|import_ipynb|nbimporter|\bchapters\b|import_module\(['\"]\d\d_"
        found = re.search(foreign, cell.source)
        if found:
            bad.append(f"{cell}: {found[0]} reaches for another chapter")
        bad += [
            f"{cell}, {complaint}" for complaint in global_randomness(tree(cell) or ast.Module())
        ]
    return bad


def affordable(chapter: Chapter, around: Surroundings) -> list[str]:
    """60 s a chapter at most, as measured when it was executed."""
    seconds = around.seconds.get(chapter.stem)
    if seconds is None:
        return ["what it costs to run has not been measured"]
    return [f"takes {seconds:.0f} s to run, at most 60"] if seconds > 60 else []


# Equations --------------------------------------------------------------------------------------


def numbered(chapter: Chapter) -> list[str]:
    """The tags of its equations, in order: ["1.1", "1.2", ...]."""
    return re.findall(r"\\tag\{([^}]*)\}", chapter.text())


def _comments(cell: Cell) -> str:
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(cell.source).readline))
    except (tokenize.TokenError, IndentationError):
        return ""
    return "\n".join(token.string for token in tokens if token.type == tokenize.COMMENT)


def equations(chapter: Chapter, around: Surroundings) -> list[str]:
    """Tags run from c.1 on without a gap, and every reference "(c.n)" finds its equation."""
    found = numbered(chapter)
    wanted = [f"{chapter.number}.{n}" for n in range(1, len(found) + 1)]
    bad = [f"tag {f}, expected {w}" for f, w in zip(found, wanted, strict=True) if f != w][:1]
    known = set(found) | around.tags
    for cell in chapter.cells:
        text = prose(cell.source, folded=True) if cell.kind == "markdown" else _comments(cell)
        for reference in re.findall(r"\((\d+\.\d+)\)", text):
            if reference not in known:
                bad.append(f"{cell}: ({reference}) is no equation")
    return bad


def marks(chapter: Chapter) -> dict[str, list[str]]:
    """Equation tag, or "" where none stands directly above, to the tests its mark names."""
    found: dict[str, list[str]] = {}
    for cell in chapter.of("markdown"):
        for mark in MARK.finditer(cell.source):
            above = cell.source[: mark.start()].rstrip()
            blocks = [m for m in DISPLAY.finditer(above) if m.end() == len(above)]
            tags = re.findall(r"\\tag\{([^}]*)\}", blocks[0][0]) if blocks else []
            tests = re.findall(r"<code>([^<]*)</code>|`([^`]*)`", mark[1])
            found.setdefault(tags[-1] if tags else "", []).extend(a or b for a, b in tests)
    return found


def checked_by(chapter: Chapter, around: Surroundings) -> list[str]:
    """Marks stand under an equation and name tests that exist and reject a planted error.

    An equation that a comment in the code cites must carry one.
    """
    bad, found = [], marks(chapter)
    for tag, tests in found.items():
        if not tag:
            bad.append(f"checked by {', '.join(tests)}: stands under no numbered equation")
        if not tests:
            bad.append(f"({tag}): its mark names no test")
        for test in tests:
            if test.split("[")[0] not in around.tests:
                bad.append(f"({tag}): there is no test {test}")
            elif test.split("[")[0] not in around.mutated:
                bad.append(f"({tag}): no planted error is caught by {test}")
    text = chapter.text()
    if len(re.findall(r"checked by\s*(?:<code>|`)", text)) != len(MARK.findall(text)):
        bad.append("a mark must read <small>checked by <code>test</code></small>")
    cited = {r for c in chapter.of("code") for r in re.findall(r"\((\d+\.\d+)\)", _comments(c))}
    bad += [f"({r}): code uses it, but no test is named" for r in sorted(cited) if r not in found]
    return bad if found else [*bad, "no equation says what it is checked by"]


# Prose ------------------------------------------------------------------------------------------


def no_typed_numbers(chapter: Chapter, _: Surroundings) -> list[str]:
    """A measured number is printed by code; a decimal in prose needs a source beside it."""
    bad = []
    for cell in chapter.of("markdown"):
        for paragraph in re.split(r"\n\s*\n", FOLDED.sub("", cell.source)):
            text = re.sub(r"!?\[[^\]]*\]\([^)]*\)|<https?:[^>]*>", " ", prose(paragraph))
            text = re.sub(r"\(\d+\.\d+\)|[Ss]ections? \d+(\.\d+)+", " ", text)
            found = DECIMAL.search(text)
            if found and not CITED.search(paragraph):
                bad.append(f"{cell}: the number {found[0]} is typed and has no source")
    return bad


def citation_ids(text: str) -> set[str]:
    """arXiv ids (without version) and DOIs that a text links to, in lower case."""
    found = (re.sub(r"\.pdf$", "", link.rstrip(".,;")).lower() for link in CITED.findall(text))
    return {re.sub(r"^(\d{4}\.\d+)v\d+$", r"\1", link) for link in found}


def citations(chapter: Chapter, around: Surroundings) -> list[str]:
    """Every arXiv or DOI link stands in book/references.bib; the summary names what came later."""
    missing = sorted(citation_ids(chapter.text()) - around.cited)
    bad = [f"{link} is not in book/references.bib" for link in missing]
    after = re.split(r"where it goes next", chapter.text("Summary"), flags=re.IGNORECASE)
    later = len(citation_ids(after[-1])) if len(after) > 1 else 0
    if not 3 <= later <= 6:
        bad.append(f"`Where it goes next` in the summary cites {later} works, expected 3 to 6")
    return bad


# Exercises --------------------------------------------------------------------------------------


@dataclass
class Task:
    """An exercise on the page; ``graded`` when a cell or its text calls ``check`` with its id."""

    id: str
    kind: str
    stars: int
    text: str
    graded: bool = False


def tasks(chapter: Chapter) -> tuple[list[Task], list[str]]:
    """The exercises of a chapter, and complaints about headings that are none."""
    found, bad = [], []
    for cell in [c for c in chapter.cells if c.section == "Exercises"]:
        for part in re.split(r"^(?=### )", cell.source, flags=re.MULTILINE):
            if cell.kind == "markdown" and part.startswith("### "):
                heading = EXERCISE.fullmatch(part.split("\n")[0].strip())
                if not heading:
                    bad.append(f"{part.splitlines()[0]!r} is no heading of an exercise")
                    continue
                found.append(Task(heading[1], heading[2], heading[3].count("★"), ""))
            if found:
                found[-1].text += part + "\n"
                found[-1].graded |= f'check("{found[-1].id}"' in part
    return found, bad


def exercises(chapter: Chapter, around: Surroundings) -> list[str]:
    """Six or more, three graded, of the kinds asked for, each with hints; graded ones known."""
    found, bad = tasks(chapter)
    ids = [task.id for task in found]
    for kind, least in KINDS.items():
        n_kind = sum(task.kind == kind for task in found)
        if n_kind < least:
            bad.append(f"{n_kind} exercises of kind {kind}, at least {least}")
    graded = {task.id for task in found if task.graded}
    known = {id for id in around.exercises if id.rpartition("-")[0] == chapter.name}
    bad += [f"{len(found)} exercises, at least 6"] if len(found) < 6 else []
    bad += [f"{len(graded)} graded exercises, at least 3"] if len(graded) < 3 else []
    bad += [f"{id}: used twice" for id in sorted(set(ids)) if ids.count(id) > 1]
    bad += [f"{id}: helpers.exercises has no such exercise" for id in sorted(graded - known)]
    bad += [f"{id}: graded, but not on the page" for id in sorted(known - graded)]
    bad += [
        f"{cell.source.splitlines()[0]!r}: calls check outside the exercises"
        for cell in chapter.cells
        if cell.kind == "code"
        and cell.section != "Exercises"
        and re.search(r"\bcheck\(", cell.source)
    ]
    for task in found:
        bad += [f"{task.id}: {complaint}" for complaint in _task(task, chapter, around)]
    return bad


def _task(task: Task, chapter: Chapter, around: Surroundings) -> Iterator[str]:
    if task.id.rpartition("-")[0] != chapter.name:
        yield f"must be called {chapter.name}-N"
    if task.kind not in KINDS:
        yield f"its kind is none of {', '.join(KINDS)}"
    if not 1 <= task.stars <= 3:
        yield "its difficulty must be one to three stars"
    if not re.search(r"<summary>Hint\b", task.text):
        yield "has no hint"
    solved = re.search(r"<summary>(?:Solution|Answer)\b", task.text)
    if task.graded and task.kind == "build" and solved:
        yield "the solution of a graded build exercise stands in assignments/ only"
    if task.kind in ("predict", "prove") and not solved:
        yield "has no folded solution"
    graded = around.exercises.get(task.id)
    if graded and (graded.kind, graded.difficulty) != (task.kind, task.stars):
        yield f"helpers.exercises says {graded.kind}, {graded.difficulty} stars"
    for line in re.findall(rf'^.*check\("{task.id}".*$', task.text, flags=re.MULTILINE):
        if not re.fullmatch(r'check\("[\w-]+", \w+\);?', line):  # tools.build.seeds counts on it
            yield f"a verdict is printed, and nothing else done with it, in {line!r}"
    for name in re.findall(rf'check\("{task.id}", (\w+)', task.text):
        if graded and name not in ("None", graded.signature.partition("(")[0]):
            yield f"the page checks {name}, the checker speaks of {graded.signature}"


RULES = (
    sections,
    opening,
    cell_sizes,
    set_up,
    code_reads,
    words,
    portable,
    drawing_is_hidden,
    figures_have_words,
    claims_are_checked,
    explorable_is_marked,
    stands_alone,
    affordable,
    equations,
    checked_by,
    no_typed_numbers,
    citations,
    exercises,
)


# The real book ----------------------------------------------------------------------------------


def test_names(root: Path) -> set[str]:
    """Node ids of the test functions under ``tests``, without parameters."""
    names = set()
    for path in sorted((root / "tests").rglob("test_*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            inner = node.body if isinstance(node, ast.ClassDef) else ()
            prefix = f"{path.relative_to(root).as_posix()}::"
            for part, owner in [(node, ""), *((n, f"{node.name}::") for n in inner)]:
                if isinstance(part, ast.FunctionDef) and part.name.startswith("test"):
                    names.add(f"{prefix}{owner}{part.name}")
    return names


def bibliography(text: str) -> set[str]:
    """The arXiv ids and DOIs that a BibTeX file holds, in lower case."""
    named = re.findall(r"^\s*(?:eprint|doi)\s*=\s*[{\"]([^}\"]+)", text, re.MULTILINE)
    return {name.strip().lower() for name in named} | citation_ids(text)


def surroundings(root: Path) -> Surroundings:
    """All that the chapters of a repository refer to."""
    from mutants.runner import load

    sys.path.insert(0, str(root / "src"))
    from helpers.exercises.exercise import exercises as graded

    costs = root / "book" / "generated" / "costs.json"
    record = json.loads(costs.read_text(encoding="utf-8")) if costs.exists() else {}
    bib = root / "book" / "references.bib"
    return Surroundings(
        tests=test_names(root),
        mutated={t.split("[")[0] for m in load(root / "tests" / "mutants") for t in m.caught_by},
        cited=bibliography(bib.read_text(encoding="utf-8")) if bib.exists() else set(),
        exercises=graded(),
        seconds={name: cost["seconds"] for name, cost in record.items() if cost.get("seconds")},
        tags={tag for path in sources(root) for tag in numbered(read(path))},
        outputs={path.stem: _outputs(path.with_suffix(".ipynb")) for path in sources(root)},
    )


def _outputs(path: Path) -> list[dict]:
    """What the cells of an executed notebook showed, by MIME type."""
    if not path.exists():
        return []
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [out["data"] for cell in cells for out in cell.get("outputs", []) if "data" in out]


def sources(root: Path) -> list[Path]:
    """The chapters' sources in order."""
    return sorted((root / "chapters").glob("[0-9][0-9]_*.md"))


def main() -> int:
    """Print every complaint about the chapters named, or all."""
    root = Path(__file__).resolve().parents[2]
    around, status = surroundings(root), 0
    for path in [Path(name) for name in sys.argv[1:]] or sources(root):
        chapter = read(path)
        for rule in RULES:
            for complaint in rule(chapter, around):
                print(f"{path.name}: {rule.__name__}: {complaint}")
                status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
