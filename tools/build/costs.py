"""What each chapter costs to run: the record, and the words for it on the page."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from tools.build import book


def load(root: Path) -> dict[str, Any]:
    """The cost record of every chapter, by name."""
    return book.read_json(book.generated(root, "costs.json"))


def note(source: Path, measured: dict[str, Any], root: Path) -> None:
    """Note what a chapter costs; a number within 25 % of the old one leaves that in place."""
    record = load(root)
    old = record.get(source.stem, {})
    new = {"seconds": None, "memory_mb": None, "bytes": None, "gpu": None} | old
    for name, value in measured.items():
        if isinstance(value, dict) or not old.get(name) or abs(value / old[name] - 1) > 0.25:
            new[name] = value
    record[source.stem] = new
    here = {chapter.stem for chapter in book.chapters(root)}
    record = {name: cost for name, cost in record.items() if name in here}
    book.write_json(book.generated(root, "costs.json"), record)


def phrase(cost: dict[str, Any] | None) -> str:
    """A chapter's run time in words, rounded up to ten seconds."""
    if not cost or not cost["seconds"]:
        return "not measured yet"
    words = f"about {math.ceil(cost['seconds'] / 10) * 10} s on two CPU cores"
    if not cost["gpu"]:
        return words + "; not run on a GPU"
    return (
        f"{words}; about {math.ceil(cost['gpu']['seconds'] / 10) * 10} s on {cost['gpu']['device']}"
    )
