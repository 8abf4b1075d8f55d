"""What the runs of ``make full`` share: their rows in ``large.json``, and the machine they want."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Sequence
from pathlib import Path

import torch

from tools.build import book

WAITING = dict.fromkeys(("measured", "device", "date", "versions"))  # of a row not run yet


def reached(device: str, value: float) -> dict:
    """What a row says of a run that has ended, today on this device."""
    return {
        "measured": value,
        "device": device,
        "versions": {"torch": torch.__version__, "python": platform.python_version()},
        "date": datetime.date.today().isoformat(),
    }


def record(
    rows: Sequence[dict],
    values: dict[str, float],
    device: str,
    note: str = "",
    root: Path = book.ROOT,
) -> None:
    """Put values, by their text, into ``large.json``; rows without a value stay as they are.

    rows : all that the run measures, not run yet; those not listed are added.
    """
    content = book.read_json(book.generated(root, "large.json"))
    listed = content.setdefault("rows", [])
    known = {row["text"].split(";")[0]: row for row in listed}
    for new in rows:
        row = known.get(new["text"])
        if row is None:
            row = new
            listed.append(row)
        if new["text"] in values:
            row |= {"text": new["text"] + note} | reached(device, values[new["text"]])
    book.write_json(book.generated(root, "large.json"), content)


def wanted(cpu: bool, patience: str = "") -> torch.device:
    """The GPU, or the CPU if that was asked for; without either the program ends.

    patience : what the message adds of how long a CPU takes, such as ", for days".
    """
    if not torch.cuda.is_available() and not cpu:
        raise SystemExit(f"make full wants a GPU and found none; --cpu runs all the same{patience}")
    return torch.device("cpu" if cpu else "cuda")


def name_of(device: torch.device) -> str:
    """The device's name, as a row shows it."""
    return torch.cuda.get_device_name() if device.type == "cuda" else "CPU"


def folder(name: str) -> Path:
    """Where a run keeps what it has done: a folder of this name, or a file."""
    return book.ROOT / ".cache" / "full" / name
