"""Write the generated pages, ``book/results.md`` and ``book/costs.md``; ``python -m tools.build.pages``.

They say what the committed notebooks and ``book/generated/*.json`` hold and nothing else, so they
can be made again without running a chapter; a test fails when they differ.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import nbformat

from helpers.claims import describe_bound, show
from tools.build import book, costs, seeds
from tools.build.chapters import claims, stored

NOT_RUN = "not run"
RESULTS = """\
# Results: every claim, measured

Each number below was measured by a cell of a chapter and asserted there: had it left its bound, the
chapter could not have been published. The *floor* and the *oracle* are what to read it against: a
baseline or the noise of the measurement, and the best that can be had. *Five seeds* gives the
smallest and the largest value when the whole chapter is run again from five seeds; on all of them
the bound holds. *Data* is `real`, `real, proxy labels`, `simulated`, or `exact` where the number
is an identity that needs no data.
"""
COSTS = """\
# What each chapter costs to run

Measured while the committed notebooks were executed: one thread, no GPU, peak memory of the Python
process and its largest child. The size is that of the notebook file with its outputs. Expect the
time to vary by a factor of two between machines.
"""


def row(*cells: Any) -> str:
    """One line of a Markdown table."""
    return "| " + " | ".join(str(cell).replace("|", "\\|") or " " for cell in cells) + " |"


def table(*names: str) -> list[str]:
    """The head of a Markdown table; a name that begins with > heads a column of numbers."""
    rule = ["---:" if name.startswith(">") else ":---" for name in names]
    return [row(*(name.lstrip(">") for name in names)), row(*rule)]


def name(source: Path) -> str:
    """A chapter's number and title."""
    number = f"{int(source.name[:2])}. "
    title = book.title(source.read_text(encoding="utf-8"))
    return number + title.removeprefix(number)


def link(source: Path, text: str = "") -> str:
    """A link to a chapter, by its name unless another text is given."""
    return f"[{text or name(source)}](../chapters/{source.stem}.ipynb)"


def circumstances(record: dict[str, Any]) -> str:
    """Where a claim was measured: seed, device, versions."""
    versions = ", ".join(f"{name} {v}" for name, v in sorted(record["versions"].items()))
    seed = "no seed" if record["seed"] is None else f"seed {record['seed']}"
    return f"{seed}, {record['device']}; {versions}"


def references(record: dict[str, Any]) -> str:
    """The floor and the oracle of a claim: the numbers, and what they are."""
    known = {kind: record[kind] for kind in ("floor", "oracle") if record[kind]}
    return "; ".join(f"{k} {show(v['value'])} {v['name']}".rstrip() for k, v in known.items())


def claim_row(record: dict[str, Any], values: list[float] | None) -> str:
    """One claim's line of the table."""
    spread = "not run on this version"
    if values:
        low = show(min(map(float, values)))
        high = show(max(map(float, values)))
        spread = low if low == high else f"{low} to {high}"
    return row(
        f"{record['text']} `{record['id']}`",
        f"{show(record['measured'])} {record['unit']}".rstrip(),
        describe_bound(record["bound"]),
        spread,
        references(record),
        record["data"],
    )


def results(root: Path = book.ROOT) -> str:
    """The page of all claims."""
    lines = [RESULTS]
    on_seeds = seeds.record(root)
    for source in book.chapters(root):
        notebook = stored(source) or nbformat.v4.new_notebook()
        lines += [f"## {name(source)}", ""]
        records = list(claims(notebook))
        known = on_seeds.get(source.stem, {})
        fresh = known.get("stamp") == seeds.stamp(source, root)
        for group in dict.fromkeys(circumstances(record) for record in records):
            names = ("Claim", ">Measured", "Bound", "Five seeds", "Floor, oracle", "Data")
            where = link(source, "the chapter")
            lines += [f"Measured in {where} with {group}.", "", *table(*names)]
            for record in records:
                if circumstances(record) == group:
                    entry = known.get("claims", {}).get(record["id"], {}) if fresh else {}
                    lines.append(claim_row(record, entry.get("values")))
            lines.append("")
        if not records:
            lines += ["No claim has been measured.", ""]
    return "\n".join(lines + large(root) + bench(root)).rstrip() + "\n"


def large(root: Path) -> list[str]:
    """The table of the large profile, from ``large.json``; its form stands in the file's note."""
    entries = book.read_json(book.generated(root, "large.json")).get("rows", [])
    if not entries:
        return []
    lines = ["## The large profile", "", "Runs that need a GPU and larger data (`make full`).", ""]
    names = ("Chapter", "What", "Reported", ">Reached here", "Data", "Device", "Versions", "Date")
    lines += table(*names)
    for entry in entries:
        done = entry.get("measured") is not None
        reached = f"{show(entry['measured'])} {entry['unit']}" if done else NOT_RUN
        versions = ", ".join(f"{k} {v}" for k, v in sorted((entry.get("versions") or {}).items()))
        lines.append(
            row(
                entry["chapter"],
                entry["text"],
                entry["reported"],
                reached,
                entry["data"],
                *((entry["device"], versions, entry["date"]) if done else ("", "", "")),
            )
        )
    return [*lines, ""]


def bench(root: Path) -> list[str]:
    """The table of the benchmarks' ratios, from ``bench.json``."""
    record = book.read_json(book.generated(root, "bench.json"))
    if not record:
        return []
    versions = ", ".join(f"{name} {v}" for name, v in sorted(record["versions"].items()))
    lines = ["## Against libraries", ""]
    lines += [f"Times as ratios, measured on {record['date']}, {record['device']}; {versions}.", ""]
    lines += table("Chapter", "What", ">Ratio", "Range")
    for entry in record["rows"]:
        low, high = map(show, entry["spread"])
        ratio = f"{show(entry['ratio'])} {entry['against']}"
        lines.append(row(entry["chapter"], entry["text"], ratio, f"{low} to {high}"))
    return [*lines, ""]


def cost_page(root: Path = book.ROOT) -> str:
    """The cost card of every chapter."""
    lines = [COSTS, *table("Chapter", ">CPU", ">Memory", ">Notebook", "GPU")]
    known = costs.load(root)
    for source in book.chapters(root):
        cost = known.get(source.stem)
        if not cost or not cost["seconds"]:
            lines.append(row(link(source), *[NOT_RUN] * 4))
            continue
        gpu = cost["gpu"]
        said = f"{gpu['seconds']} s, {gpu['memory_mb']} MB on {gpu['device']}" if gpu else NOT_RUN
        size = f"{cost['bytes'] / 1000:.0f} kB"
        lines.append(
            row(link(source), f"{cost['seconds']} s", f"{cost['memory_mb']} MB", size, said)
        )
    return "\n".join(lines) + "\n"


def pages(root: Path = book.ROOT) -> dict[Path, str]:
    """Every generated page with its text."""
    return {
        root / "book" / "results.md": results(root),
        root / "book" / "costs.md": cost_page(root),
    }


def main(arguments: list[str] | None = None, root: Path = book.ROOT) -> int:
    """The command line; with ``--check``, status 1 when a page is out of date."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing, name what is stale")
    chosen = parser.parse_args(arguments)
    stale = 0
    for path, text in pages(root).items():
        name = path.relative_to(root)
        if not chosen.check:
            print(f"{name}: {'written' if book.write(path, text) else 'up to date'}")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            stale += 1
            print(f"{name}: out of date. Run `make chapters`.")
    return int(stale > 0)


if __name__ == "__main__":
    sys.exit(main())
