"""Make the executed notebook beside each chapter's source; run as ``python -m tools.build.chapters``.

A chapter is executed again when its code cells changed or any helper file they use
(:func:`tools.build.book.helpers_used`). Otherwise only its words are brought up to date, and an unchanged
chapter is left alone. What is stored holds no timings, random ids or paths of a machine, so the
same source and helpers give the same bytes. A notebook is replaced in one step, when complete.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from jupytext.myst import MystMetadataParsingError
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from tools.build import book, costs
from tools.build.kernel import ChapterError, code, environment, execute, explain, tidy

FORMAT = 2  # raise it when what this file stores changes, so that every chapter is made again
NOTE = "flow_and_rank"  # the key of our entry in a notebook's metadata
MATTERS = {"raises-exception", "skip-execution"}  # the tags that change what a run does


def read_source(source: Path) -> NotebookNode:
    """A chapter's cells as written: Markdown and code, no outputs, placeholders not expanded."""
    text = source.read_text(encoding="utf-8")
    text = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)  # for editors, not for us
    try:
        return jupytext.reads(text, fmt="md:myst")
    except (MystMetadataParsingError, nbformat.ValidationError) as error:
        raise ChapterError(f"{source.name} is not MyST Markdown with code cells: {error}") from None


def stamp(source: Path, root: Path = book.ROOT) -> dict[str, str]:
    """Digests of all that an execution depends on: the code cells, and each helper file by name.

    Of code, what it does counts: a comment, a docstring or a line broken elsewhere changes nothing.
    """
    cells = code(read_source(source))
    seen = [
        [book.cell_meaning(c.source), sorted(MATTERS & set(c.metadata.get("tags", [])))]
        for c in cells
    ]
    helpers = book.helpers_used([cell.source for cell in cells], root / "src")
    return {"code": book.digest([FORMAT, seen])} | {
        path.relative_to(root / "src").as_posix(): _digest(path) for path in helpers
    }


def _digest(path: Path) -> str:
    """The digest of a helper's file: of what it does, for Python; else of its bytes."""
    if path.suffix == ".py":
        return book.meaning(path.read_text(encoding="utf-8"))
    return book.digest(path.read_bytes())


def expanded(source: Path, root: Path) -> NotebookNode:
    """A chapter's cells with the placeholders ``{{repository}}`` and ``{{cost}}`` filled in."""
    notebook = read_source(source)
    address = book.repository(root)
    cost = costs.phrase(costs.load(root).get(source.stem))
    for cell in notebook.cells:
        cell.source = cell.source.replace("{{repository}}", address).replace("{{cost}}", cost)
    return notebook


def compose(source: Path, executed: NotebookNode, root: Path, made_from: dict[str, str]) -> str:
    """The notebook file: cells from the source, outputs from an execution of the same code."""
    notebook = expanded(source, root)
    taken: set[str] = set()
    for cell in notebook.cells:
        short = f"{cell.cell_type}-{book.digest(cell.source)[:10]}"
        copies = (f"{short}-{i}" for i in range(2, 999))
        cell.id = short if short not in taken else next(c for c in copies if c not in taken)
        taken.add(cell.id)
    for cell, run in zip(code(notebook), code(executed), strict=True):
        cell.outputs = run.outputs
        cell.execution_count = run.execution_count
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python", "pygments_lexer": "ipython3"},
            NOTE: {"source": source.name, "made_from": made_from},
        }
    )
    notebook.nbformat = 4
    notebook.nbformat_minor = 5
    nbformat.validate(notebook)
    return nbformat.writes(notebook) + "\n"


def stored(source: Path) -> NotebookNode | None:
    """The notebook beside a source, if there is one that can be read."""
    path = source.with_suffix(".ipynb")
    try:
        return nbformat.read(path, as_version=4) if path.exists() else None
    except (nbformat.reader.NotJSONError, nbformat.ValidationError):
        return None


def why_stale(source: Path, root: Path = book.ROOT) -> str:
    """Why a chapter has to be executed again, or ''."""
    notebook = stored(source)
    now = stamp(source, root)
    if notebook is None:
        return "has no notebook"
    if len(code(notebook)) != len(code(read_source(source))):
        return "has a notebook with another number of code cells"
    then = notebook.metadata.get(NOTE, {}).get("made_from", {})
    changed = sorted(name for name in then.keys() | now.keys() if then.get(name) != now.get(name))
    return f"changed since its notebook was executed: {', '.join(changed)}" if changed else ""


def check(root: Path = book.ROOT) -> list[str]:
    """What is wrong with the notebooks, one line each; [] when they are what the sources make."""
    problems = []
    for source in book.chapters(root):
        path = source.with_suffix(".ipynb")
        try:
            reason = why_stale(source, root)
            if not reason:
                made = compose(source, stored(source), root, stamp(source, root))
                if path.read_text(encoding="utf-8") != made:
                    reason = "words differ from its notebook's"
        except ChapterError as error:
            reason = str(error)
        if reason:
            problems.append(f"chapters/{source.name}: {reason}")
    sources = {source.stem for source in book.chapters(root)}
    orphans = [p for p in sorted((root / "chapters").glob("*.ipynb")) if p.stem not in sources]
    return problems + [f"chapters/{path.name}: has no source beside it" for path in orphans]


def claims(notebook: NotebookNode) -> Iterator[dict[str, Any]]:
    """The records of the claims that an executed notebook holds."""
    for cell in code(notebook):
        for out in cell.outputs:
            if "claim" in out.get("metadata", {}):
                yield out.metadata.claim


def check_claims(notebook: NotebookNode, source: Path) -> None:
    """ChapterError on a claim made twice, or one that does not carry the chapter's name."""
    ids = [record["id"] for record in claims(notebook)]
    name = source.stem[3:].replace("_", "-")
    for id in ids:
        if ids.count(id) > 1:
            raise ChapterError(f"claim {id} is made twice; every id must be unique")
        if not id.startswith(f"{name}-"):
            raise ChapterError(f"claim {id} must start with the chapter's name, {name}-")


def run(source: Path, root: Path, gpu: bool = False) -> tuple[NotebookNode, dict[str, Any]]:
    """Execute a chapter: its notebook and what it cost; ChapterError when a cell fails."""
    notebook = expanded(source, root)
    try:
        return notebook, execute(notebook, source.parent, environment(root, gpu))
    except (CellExecutionError, CellTimeoutError) as error:
        raise ChapterError(explain(error, notebook)) from None


def make(source: Path, root: Path, *, force: bool = False, measure: bool = False) -> str:
    """Bring one chapter's notebook up to date; says what it did: ``executed``, ``words`` or ''."""
    notebook = stored(source)
    now = stamp(source, root)
    changed = bool(why_stale(source, root))
    executed = changed or force or measure
    if executed:
        notebook, cost = run(source, root)
        tidy(notebook, root)
        check_claims(notebook, source)
        if changed or measure:
            costs.note(source, cost, root)
    text = compose(source, notebook, root, now)
    costs.note(source, {"bytes": len(text.encode())}, root)
    written = book.write(source.with_suffix(".ipynb"), text)
    if executed:
        return "executed"
    return "words" if written else ""


def measure_gpu(source: Path, root: Path) -> None:
    """Run a chapter with CUDA, for its cost alone; the stored notebook stays the CPU's."""
    _, cost = run(source, root, gpu=True)
    if "gpu" not in cost:
        raise ChapterError("torch sees no GPU here")
    costs.note(source, {"gpu": cost["gpu"]}, root)


def main(arguments: list[str] | None = None, root: Path = book.ROOT) -> int:
    """The command line; status 1 when something is stale or failed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="chapters, such as 01_nice (default: all)")
    parser.add_argument("--check", action="store_true", help="change nothing, name what is stale")
    parser.add_argument("--force", action="store_true", help="execute also what is up to date")
    parser.add_argument("--measure", action="store_true", help="execute and note the costs anew")
    parser.add_argument("--gpu", action="store_true", help="note what the chapters cost on a GPU")
    chosen = parser.parse_args(arguments)
    sources = [s for s in book.chapters(root) if not chosen.names or s.stem in chosen.names]
    unknown = set(chosen.names) - {source.stem for source in sources}
    if unknown:
        parser.error(f"no such chapter: {', '.join(sorted(unknown))}")
    if chosen.check:
        problems = check(root)
        print(
            "\n".join(problems) + "\nRun `make chapters`." if problems else "chapters: up to date"
        )
        return int(bool(problems))
    failed = 0
    for source in sources:
        begin = time.monotonic()
        try:
            if chosen.gpu:
                measure_gpu(source, root)
                said = "measured on the GPU"
            else:
                said = make(source, root, force=chosen.force, measure=chosen.measure)
            said = f"{said or 'up to date'}, {time.monotonic() - begin:.0f} s"
        except (DeadKernelError, KeyboardInterrupt):
            print(f"{source.name}: interrupted, or its kernel died; its notebook is untouched")
            return 1
        except ChapterError as error:
            failed += 1
            said = f"FAILED, its notebook is untouched\n{error}"
        print(f"{source.name}: {said}", flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
