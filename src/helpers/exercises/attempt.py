"""Run a reader's function on an exercise's inputs and write down what happened.

Nothing here knows the answer: the record is plain data, judged elsewhere (``judge.py``), possibly
in another process.
"""

import base64
import copy
import linecache
import os
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .exercise import Exercise

LARGEST = 100_000  # more numbers than any exercise returns: keep the shape, drop the values


@dataclass
class Part:
    """One returned array. ``values`` is None for what is not numbers, or far too many of them."""

    type: str
    shape: tuple[int, ...] = ()
    values: np.ndarray | None = None

    @classmethod
    def of(cls, value: Any) -> "Part":
        """Make a part from whatever a function returned: tensor, array, number or list of them."""
        name = type(value).__name__
        try:
            if isinstance(value, torch.Tensor):
                value = value.detach().cpu().resolve_conj().resolve_neg().to_dense()
                value = value.to(torch.float64) if not value.is_complex() else value.numpy()
            array = np.asarray(value)
            if array.dtype.kind not in "biuf":
                return cls(name if array.dtype.kind != "c" else "complex numbers")
            shape = tuple(array.shape)
            return cls(name, shape, array.astype(np.float64) if array.size <= LARGEST else None)
        except Exception:  # whatever it is, it is not an array of numbers
            return cls(name)


@dataclass
class Attempt:
    """What the function did with one tuple of arguments.

    ``error`` and ``line`` are set when it raised, ``parts`` when it returned; ``bundle`` is the
    length of a returned tuple or list of arrays, 0 for a single array; ``changed`` names the
    arguments that it changed in place.
    """

    error: str = ""
    line: str = ""
    unwritten: bool = False
    bundle: int = 0
    parts: list[Part] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)


def attempt(exercise: Exercise, function: Callable[..., Any], inputs: list[tuple]) -> list[Attempt]:
    """Call `function` on copies of each tuple of arguments in `inputs`; it may be anything."""
    return [_call(exercise, function, arguments) for arguments in inputs]


def _call(exercise: Exercise, function: Callable[..., Any], arguments: tuple) -> Attempt:
    if function is None or function is Ellipsis:
        return Attempt(unwritten=True)
    if not callable(function):
        name = exercise.signature.partition("(")[0]
        kind = type(function).__name__
        return Attempt(
            error=f"TypeError: this {kind} is no function; pass {name} without calling it"
        )
    given = copy.deepcopy(arguments)
    try:
        result = function(*given)
        result = copy.deepcopy(result) if isinstance(result, list | np.ndarray) else result
    except NotImplementedError:
        return Attempt(unwritten=True)
    except (Exception, SystemExit) as error:
        text = " ".join(str(error).split())[:300]
        return Attempt(error=f"{type(error).__name__}: {text}", line=_line(error))
    if result is None or result is Ellipsis or result is NotImplemented:
        return Attempt(unwritten=True)
    many = len(exercise.outputs) > 1
    bundle = isinstance(result, tuple) or (many and isinstance(result, list))
    return Attempt(
        bundle=len(result) if bundle else 0,
        parts=[Part.of(part) for part in (result[:8] if bundle else [result])],
        changed=[
            name
            for name, was, now in zip(exercise.arguments, arguments, given, strict=True)
            if isinstance(was, torch.Tensor) and (was.shape != now.shape or not was.equal(now))
        ],
    )


def _line(error: BaseException) -> str:
    """Where in the reader's own code `error` came from: number and text of the line."""
    library = (str(Path(__file__).parent), str(Path(os.__file__).parent), "<frozen")
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(library) and "-packages" not in frame.filename
    ]
    if not frames:
        return ""
    text = linecache.getline(frames[-1].filename, frames[-1].lineno or 0).strip()[:200]
    return f"line {frames[-1].lineno}" + (f": {text}" if text else "")


def to_json(attempts: list[Attempt]) -> list[dict]:
    """Turn attempts into what JSON can hold; the arrays' bytes as base64."""
    records = [asdict(one) for one in attempts]
    for record in records:
        for part in record["parts"]:
            if part["values"] is not None:
                part["values"] = base64.b64encode(part["values"].tobytes()).decode()
    return records


def from_json(records: list[dict]) -> list[Attempt]:
    """Undo `to_json`. The records may come from a stranger: anything odd is a ValueError."""
    try:
        return [_attempt(record) for record in records]
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"expected the records of attempts, got something else: {error}") from None


def _attempt(record: dict) -> Attempt:
    parts = []
    for part in record["parts"]:
        shape = tuple(int(n) for n in part["shape"])
        values = part["values"]
        if values is not None:
            values = np.frombuffer(base64.b64decode(values), np.float64).reshape(shape)
        parts.append(Part(str(part["type"])[:50], shape, values))
    return Attempt(
        str(record["error"])[:400],
        str(record["line"])[:200],
        bool(record["unwritten"]),
        int(record["bundle"]),
        parts,
        [str(name)[:50] for name in record["changed"]],
    )
