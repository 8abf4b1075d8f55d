"""Indices on disk: an .npz file of plain arrays, which runs no code when it is read."""

import json
import os
import zipfile
import zlib
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

Kind = TypeVar("Kind")
FORMAT = "flow-and-rank index 1"
BROKEN = (OSError, EOFError, KeyError, TypeError, AttributeError, ValueError, NotImplementedError)
BROKEN += (zipfile.BadZipFile, zlib.error)
SKIPPED = {"generator", "n_distances", "n_codes"}


def save(index: object, path: str | Path) -> None:
    """Write a built index to ``path``, whole or not at all; views are stored at their full shape.

    Raises
    ------
    ValueError : nothing was built yet, or the index holds something that is no array or number.
    """
    numbers, arrays = _parts(index)
    if getattr(index, "vectors", None) is None:
        raise ValueError(f"there must be something to save, got an empty {type(index).__name__}")
    header = {"format": FORMAT, "kind": type(index).__name__, "numbers": numbers}
    path = Path(path)
    part = path.with_name(f".{path.name}.part")
    with open(part, "wb") as file:
        np.savez(file, header=np.array(json.dumps(header)), **arrays)
    os.replace(part, path)


def load(index: Kind, path: str | Path, *, device: torch.device | str = "cpu") -> Kind:
    """Fill a new index of the same kind, ``load(Hnsw(), path)``, and give it back.

    path : what :func:`save` wrote; its settings replace those of ``index``. device : for its
    arrays.

    Raises
    ------
    ValueError : the file is truncated, is something else, or holds another kind of index.
    """
    name = Path(path).name
    try:
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {key: torch.from_numpy(file[key]) for key in file.files if key != "header"}
            header = json.loads(str(file["header"]))
        if header["format"] != FORMAT:
            raise ValueError(f"its format is {header['format']!r}, expected {FORMAT!r}")
        kind = header["kind"]
        numbers = header["numbers"]
    except FileNotFoundError:
        raise
    except BROKEN as error:
        raise ValueError(f"{name} must be an index that was saved, whole: {error}") from error
    if kind != type(index).__name__:
        raise ValueError(f"{name} must hold a {type(index).__name__}, got a {kind}")
    for key, value in numbers.items():
        _put(index, key, tuple(value) if isinstance(value, list) else value)
    for key, array in arrays.items():
        _put(index, key, array.to(device))
    return index


def _parts(owner: object, prefix: str = "") -> tuple[dict, dict[str, np.ndarray]]:
    """What an index is made of, by dotted names; a list of arrays is counted and spread out."""
    numbers: dict = {}
    arrays: dict[str, np.ndarray] = {}
    for name, value in vars(owner).items():
        key = prefix + name
        if name in SKIPPED:
            continue
        if isinstance(value, Tensor):
            arrays[key] = value.cpu().numpy()
        elif isinstance(value, list):
            numbers[f"{key}.n"] = len(value)
            arrays |= {f"{key}.{i}": part.cpu().numpy() for i, part in enumerate(value)}
        elif value is None or isinstance(value, int | float | tuple):
            numbers[key] = value
        elif type(value).__module__.startswith("helpers.ann."):
            more = _parts(value, f"{key}.")
            numbers = numbers | more[0]
            arrays = arrays | more[1]
        else:
            raise ValueError(f"{key} must be an array or a number, got {type(value).__name__}")
    return numbers, arrays


def _put(owner: object, key: str, value: object) -> None:
    """Set what ``key`` names: ``a``, ``a.b`` in what ``a`` holds, ``a.n`` and ``a.0`` of a list."""
    first, _, rest = key.partition(".")
    if not rest:
        setattr(owner, first, value)
    elif rest == "n":
        setattr(owner, first, [None] * value)
    elif rest.isdigit():
        getattr(owner, first)[int(rest)] = value
    else:
        _put(getattr(owner, first), rest, value)
