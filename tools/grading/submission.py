"""Find the notebooks that were handed in, read them with suspicion, and put locked cells back."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import nbformat
from nbformat import NotebookNode

LARGEST = 20_000_000  # bytes of a notebook
CELLS = 500
CELL = 100_000  # characters in one
STUDENT = re.compile(r"\w[\w.@+-]*")  # nbgrader makes folders of these names, and patterns


class Unreadable(Exception):
    """A submission cannot be graded; the message is for the student."""


def collect(folder: Path, name: str) -> dict[str, list[Path]]:
    """Each student's notebooks: ``student/name.ipynb``, or ``student.ipynb`` in the folder itself.

    A student's folder without ``name.ipynb`` stands for whatever notebooks it holds.
    """
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith((".", "_")):
            continue
        if path.is_dir():
            named = path / f"{name}.ipynb"
            files = [named] if named.exists() else sorted(path.glob("*.ipynb"))
            found.setdefault(path.name, []).extend(files)
        elif path.suffix == ".ipynb":
            found.setdefault(path.stem, []).append(path)
    return found


def assignments_in(folder: Path, names: Iterable[str]) -> list[str]:
    """Which of the assignments ``names`` are handed in as ``student/name.ipynb``."""
    files = [file for handed_in in collect(folder, "").values() for file in handed_in]
    return [name for name in names if any(f.stem == name and f.parent != folder for f in files)]


def content(student: str, files: list[Path]) -> bytes:
    """The bytes of a student's one notebook."""
    if not STUDENT.fullmatch(student):
        raise Unreadable("the student's name must be letters, digits and any of . _ @ + -")
    if len(files) != 1:
        raise Unreadable(
            f"there are {len(files)} notebooks: {', '.join(f.name for f in files)}"
            if files
            else "there is no notebook"
        )
    if files[0].is_symlink():
        raise Unreadable("the notebook is no plain file, but a link to one")
    if not files[0].is_file():
        raise Unreadable("the notebook is no plain file")
    if files[0].stat().st_size > LARGEST:
        raise Unreadable(f"the notebook is larger than {LARGEST // 1_000_000} MB")
    try:
        return files[0].read_bytes()
    except OSError as error:
        raise Unreadable(f"the notebook cannot be read: {error.strerror}") from None


def parse(text: bytes) -> NotebookNode:
    """A notebook out of what may be anything."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about cell ids, which are dropped anyway
            notebook = nbformat.reads(text.decode(), as_version=4)
            nbformat.validate(notebook)
    except Exception as error:  # nbformat lets through whatever its input provokes
        reason = str(error).strip().split("\n")[0][:100]
        raise Unreadable(f"this is no notebook: {type(error).__name__}: {reason}") from None
    if len(notebook.cells) > CELLS:
        raise Unreadable(f"there are {len(notebook.cells)} cells, more than {CELLS}")
    if any(len(cell.source) > CELL for cell in notebook.cells):
        raise Unreadable(f"a cell has more than {CELL} characters")
    return notebook


def restore(handed_in: NotebookNode, released: NotebookNode) -> tuple[NotebookNode, list[str]]:
    """A clean notebook of the student's cells, with the released locked cells; and what changed.

    Only types and sources are taken over. A cell with a known id is what was released under it: a
    locked one gets its source back, and one that was deleted is put back where it belongs. Of
    several cells with the same id the last counts, the others become plain cells. A notebook with
    none of the answers' cells is not graded at all: it belongs to something else.
    """
    known = {name(cell): cell for cell in released.cells if name(cell)}
    copies = Counter(name(cell) for cell in handed_in.cells)
    answers = [id for id in known if id.endswith("-answer")]
    if answers and not copies.keys() & set(answers):
        raise Unreadable(
            f"it has no cell {' or '.join(answers)}: is it another assignment's notebook?"
        )
    notes = [f"{id} was there {n} times" for id, n in copies.items() if id in known and n > 1]
    cells: list[NotebookNode] = []
    for cell in handed_in.cells:
        id = name(cell)
        copies[id] -= 1
        original = known.get(id) if not copies[id] else None
        if original is None:
            cells.append(_cell(cell.cell_type, cell.source))
            continue
        locked = original.metadata.nbgrader.locked
        if locked and (cell.source, cell.cell_type) != (original.source, original.cell_type):
            notes.append(f"{id} was edited")
        source = original.source if locked else cell.source
        cells.append(_cell(original.cell_type, source, original.metadata))
    notes += _put_back(cells, known)
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number:02}"
    metadata = {"kernelspec": released.metadata.kernelspec}
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata), notes


def _put_back(cells: list[NotebookNode], known: dict[str, NotebookNode]) -> list[str]:
    """Insert the released cells that are missing, each after the one before it; which they were."""
    notes = []
    before: str | None = None
    for id, original in known.items():
        order = [name(cell) for cell in cells]
        if id not in order:
            notes.append(f"{id} was deleted")
            place = order.index(before) + 1 if before else 0
            cells.insert(place, _cell(original.cell_type, original.source, original.metadata))
        before = id
    return notes


def name(cell: NotebookNode) -> str:
    """The id under which nbgrader knows a cell, or ''."""
    meta = cell.metadata.get("nbgrader", {})
    id = meta.get("grade_id", "") if isinstance(meta, dict) else ""
    return id if isinstance(id, str) else ""


def where(cells: Iterable[NotebookNode], number: int) -> str:
    """How to call a cell: by its id, or by its place."""
    found = dict(enumerate(cells)).get(number)
    return (found is not None and name(found)) or f"cell {number + 1}"


def _cell(kind: str, source: str, metadata: dict | None = None) -> NotebookNode:
    make = nbformat.v4.new_code_cell if kind == "code" else nbformat.v4.new_markdown_cell
    return make(source=source, metadata=nbformat.from_dict(metadata or {}))
