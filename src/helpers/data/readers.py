"""Readers of the formats that Part II's data come in. Columns are 1-D: N rows, shape (N,)."""

import io
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    import pyarrow

NEEDS = "reading {} needs: pip install pyarrow"


def read_parquet(file: Path) -> "pyarrow.Table":
    """Read a parquet file; ImportError with the command where pyarrow is missing."""
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise ImportError(NEEDS.format(file.name)) from error
    return parquet.read_table(file)


def read_csv(
    source: bytes | IO[bytes], label: str, types: dict[str, str], delimiter: str = ","
) -> "pyarrow.Table":
    """Read some columns of a table with a header line.

    Parameters
    ----------
    source : the file's content, or an open file.
    label : its name, for messages.
    types : name of each column wanted to its type in Arrow's words, such as "int64".
    delimiter : what stands between cells.

    Raises
    ------
    ImportError : no pyarrow, with the command that brings it.
    ValueError : a column is missing, or a cell cannot be read as its column's type.
    """
    try:
        import pyarrow as pa
        from pyarrow import csv
    except ImportError as error:
        raise ImportError(NEEDS.format(label)) from error
    as_types = {name: pa.type_for_alias(kind) for name, kind in types.items()}
    wanted = csv.ConvertOptions(column_types=as_types, include_columns=list(types))
    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        parsing = csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
        return csv.read_csv(stream, parse_options=parsing, convert_options=wanted)
    except (pa.ArrowInvalid, KeyError) as error:
        said = str(error).strip("'\"").splitlines()[0]
        raise ValueError(f"expected {label} to have columns {types}, got: {said}") from error


def numbers(table: "pyarrow.Table", name: str, dtype: torch.dtype = torch.int64) -> torch.Tensor:
    """Give the column called `name` as a tensor (N,) of type `dtype`; it must have no gaps."""
    gaps = table[name].null_count
    if gaps:
        raise ValueError(f"expected a number in every row of {name}, got {gaps} empty cells")
    return torch.tensor(table[name].to_numpy(), dtype=dtype)


def texts(table: "pyarrow.Table", name: str) -> list[str]:
    """Give the column called `name` as N strings, "" where a cell is empty."""
    return [text or "" for text in table[name].to_pylist()]


def codes(values: Sequence[Any], missing: Sequence[Any] = ("", None)) -> torch.Tensor:
    """Number a column's values (N,) int64 from 1 in order of appearance; those `missing` get 0."""
    numbered = dict.fromkeys(missing, 0)
    fresh = 1
    for value in dict.fromkeys(values):
        if value not in numbered:
            numbered[value] = fresh
            fresh += 1
    return torch.tensor([numbered[value] for value in values], dtype=torch.int64)


class _Part:
    """A piece of a pickled data frame: what it was made from, and nothing that runs."""

    args: tuple[Any, ...]
    state: Any

    def __new__(cls, *args: Any) -> "_Part":
        """Keep the arguments."""
        part = object.__new__(cls)
        part.args = args
        return part

    def __setstate__(self, state: Any) -> None:
        """Keep the state."""
        self.state = state


def _from_buffer(content: bytes, dtype: np.dtype, shape: tuple[int, ...], order: str) -> np.ndarray:
    return np.frombuffer(content, dtype).reshape(shape, order=order)


def _empty(kind: type, shape: tuple[int, ...], code: bytes) -> np.ndarray:
    return np.ndarray(shape, code)


# All that a pickled frame may name. A pickle can name any function and have it called: these
# few build arrays, and whatever else a file names is refused.
_ALLOWED = {
    ("numpy", "dtype"): np.dtype,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("numpy.core.multiarray", "_reconstruct"): _empty,
    ("builtins", "slice"): slice,
    ("pandas.core.frame", "DataFrame"): _Part,
    ("pandas.core.internals.managers", "BlockManager"): _Part,
    ("pandas._libs.internals", "_unpickle_block"): _Part,
    ("pandas.core.indexes.base", "_new_Index"): _Part,
    ("pandas.core.indexes.base", "Index"): _Part,
    ("pandas.core.indexes.range", "RangeIndex"): _Part,
}


class _FrameUnpickler(pickle.Unpickler):
    """Unpickles arrays and the skeleton of a frame, without pandas and without running code."""

    def find_class(self, module: str, name: str) -> Any:
        """Give the stand-in for a name, or refuse it."""
        if (module, name) not in _ALLOWED:
            raise ValueError(f"expected a pickled table, got a pickle that calls {module}.{name}")
        return _ALLOWED[module, name]


def read_pickled_frame(content: bytes) -> dict[str, np.ndarray]:
    """Give the columns (N,) of a pickled pandas frame, by name; needs no pandas, runs no code.

    Raises
    ------
    ValueError : the pickle names anything but arrays and a frame, or does not hold one.
    """
    try:
        blocks, (names, _) = _FrameUnpickler(io.BytesIO(content)).load().state["_mgr"].args
        names = names.args[1]["data"]
        columns = {}
        for block in blocks:
            values, places, _ = block.args
            where = range(len(names))[places] if isinstance(places, slice) else places
            columns |= {names[i]: row for i, row in zip(where, values, strict=True)}
    except (pickle.UnpicklingError, EOFError, AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"expected a pickled table, got {type(error).__name__}") from error
    return {name: columns[name] for name in names}
