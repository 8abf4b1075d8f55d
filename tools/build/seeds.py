"""Run every chapter on five seeds; run as ``python -m tools.build.seeds``, or ``make seeds``.

The line ``SEED = 0`` of a chapter becomes ``SEED = 1`` and so on; each run has a fresh kernel. The
claims' values go to ``book/generated/seeds.json`` under the digest of the code they came from. A
claim that any seed violates, or meets with too little room, fails the run and is not recorded.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from nbclient.exceptions import CellTimeoutError, DeadKernelError

from helpers.claims import describe_bound, margin, show
from tools.build import book, chapters
from tools.build.chapters import claims, expanded
from tools.build.kernel import ChapterError, code, environment, execute, explain

SEEDS = range(5)
SHOWN = ("helpers/exercises/", "helpers/explorables/")  # what no claim is made of
LINE = re.compile(r"^SEED = 0$", re.MULTILINE)


def record(root: Path = book.ROOT) -> dict[str, Any]:
    """The stored values: {chapter: {"stamp": ..., "claims": what :func:`gather` gives}}."""
    return book.read_json(book.generated(root, "seeds.json"))


def stamp(source: Path, root: Path = book.ROOT) -> str:
    """The digest of all that a chapter's claims depend on.

    That is what its execution depends on (:func:`tools.build.chapters.stamp`), but for the checker of
    exercises and the explorables: they look at answers and draw, and measure nothing, so that a new
    mistake or a new button costs no run.
    """
    parts = chapters.stamp(source, root).items()
    return book.digest({name: part for name, part in parts if not name.startswith(SHOWN)})


def verdict(margins: list[float]) -> str:
    """``holds``, ``violated``, or ``too close``: half as far again from the median violates it.

    ``margins`` says how far inside its bound (:func:`helpers.claims.margin`) each seed's value is.
    """
    worst = min(margins)
    if worst < 0:
        return "violated"
    return "holds" if worst >= (statistics.median(margins) - worst) / 2 else "too close"


def measure(source: Path, root: Path, seed: int) -> dict[str, dict[str, Any]]:
    """Every claim's record on one seed, violated ones included; ChapterError on another failure."""
    notebook = expanded(source, root)
    cells = [cell for cell in code(notebook) if LINE.search(cell.source)]
    if sum(len(LINE.findall(cell.source)) for cell in cells) != 1:
        raise ChapterError("there must be exactly one line `SEED = 0`")
    cells[0].source = LINE.sub(f"SEED = {seed}", cells[0].source)
    try:
        execute(notebook, source.parent, environment(root), all_cells=True)
    except CellTimeoutError as error:
        raise ChapterError(explain(error, notebook)) from None
    for number, cell in enumerate(code(notebook), 1):
        errors = [out for out in cell.outputs if out.output_type == "error"]
        if errors and errors[0].ename != "ClaimError":
            said = f"{errors[0].ename}: {errors[0].evalue}"
            raise ChapterError(f"code cell {number} fails with SEED = {seed}: {said}")
    return {entry["id"]: entry for entry in claims(notebook)}


def gather(source: Path, root: Path) -> dict[str, dict[str, Any]]:
    """{claim: {"bound", "values", "margins"}} of a chapter over all seeds, run one by one."""
    runs = []
    for seed in SEEDS:
        begin = time.monotonic()
        runs.append(measure(source, root, seed))
        print(f"{source.name}: seed {seed}, {time.monotonic() - begin:.0f} s", flush=True)
    found = {}
    for id in dict.fromkeys(id for run in runs for id in run):
        records = [run.get(id) for run in runs]  # None: a violated claim above it ended the cell
        values = [record["measured"] if record else "nan" for record in records]
        bounds = [dict(record["bound"]) if record else {} for record in records]
        found[id] = {
            "bound": next(filter(None, bounds)),  # where it varies with the seed, the margins tell
            "values": values,
            "margins": list(map(margin, bounds, values)),
        }
    return found


def table(found: dict[str, dict[str, Any]]) -> str:
    """A line per claim: verdict, bound, the five values."""
    lines = [f"{'claim':32} {'':9} {'bound':32} seeds {', '.join(map(str, SEEDS))}"]
    for id, entry in found.items():
        values = "  ".join(show(value) for value in entry["values"])
        said = verdict(entry["margins"])
        lines.append(f"{id:32} {said:9} {describe_bound(entry['bound']):32} {values}")
    return "\n".join(lines)


def main(arguments: list[str] | None = None, root: Path = book.ROOT) -> int:
    """The command line; status 1 when a claim does not hold on every seed with room to spare."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="chapters, such as 01_nice (default: all)")
    parser.add_argument("--force", action="store_true", help="run also what is up to date")
    chosen = parser.parse_args(arguments)
    failed = False
    for source in book.chapters(root):
        stored = record(root)
        now = stamp(source, root)
        if chosen.names and source.stem not in chosen.names:
            continue
        if stored.get(source.stem, {}).get("stamp") == now and not chosen.force:
            print(f"{source.name}: up to date")
            continue
        try:
            found = gather(source, root)
        except ChapterError as error:
            print(f"{source.name}: FAILED\n{error}")
            failed = True
            continue
        except (DeadKernelError, KeyboardInterrupt):
            print(f"{source.name}: interrupted, or its kernel died; nothing is recorded")
            return 1
        print(table(found), flush=True)
        if any(verdict(entry["margins"]) != "holds" for entry in found.values()):
            print(f"{source.name}: FAILED, nothing is recorded")
            failed = True
            continue
        here = {chapter.stem for chapter in book.chapters(root)}
        # Read again: another chapter may have been recorded meanwhile, by another process.
        stored = {name: entry for name, entry in record(root).items() if name in here}
        stored[source.stem] = {"stamp": now, "claims": found}
        book.write_json(book.generated(root, "seeds.json"), stored)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
