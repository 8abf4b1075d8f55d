"""Words as real data: vectors and counts. Shapes: n words, D = 50."""

import numpy as np
import torch

from helpers.data_files import paths, read
from helpers.data_readers import read_parquet
from helpers.data_registry_rank import RANK

N_GLOVE = 400_000


def glove(n: int) -> tuple[list[str], torch.Tensor]:
    """Load the GloVe vectors of the `n` most frequent words; the rest stays on the disk.

    Returns
    -------
    words : n str in lower case, punctuation marks and numbers among them.
    vectors : (n, 50) float32, not normalized.

    Raises
    ------
    ValueError : n not in 1 ... 400,000; see also `helpers.data_files.paths`.
    ImportError : no pyarrow, with the command that brings it.
    """
    if not 1 <= n <= N_GLOVE:
        raise ValueError(f"expected n in 1 ... {N_GLOVE:,}, got {n}")
    vectors, words = paths("glove", registry=RANK)
    table = np.load(vectors, mmap_mode="r")
    picked = torch.from_numpy(np.array(table[:n], order="C"))
    return read_parquet(words)["index"].slice(0, n).to_pylist(), picked


def word_counts() -> tuple[list[str], torch.Tensor]:
    """Load 82,834 English words and how often books use them, the most frequent first.

    Returns
    -------
    words : n str in lower case.
    counts : (n,) int64, descending.
    """
    return _counts("frequency_dictionary_en_82_765.txt")


def bigram_counts() -> tuple[list[str], torch.Tensor]:
    """Load 242,342 pairs of adjacent words and their counts, the most frequent first.

    Returns
    -------
    pairs : n str, each two words with a space between.
    counts : (n,) int64, descending.
    """
    return _counts("frequency_bigramdictionary_en_243_342.txt")


def _counts(name: str) -> tuple[list[str], torch.Tensor]:
    """Read lines of words and a count at the end."""
    (file,) = paths("word-counts", name, registry=RANK)
    rows = [line.rpartition(" ") for line in read(file).decode().splitlines()]
    rows.sort(key=lambda row: -int(row[2]))  # stable: equal counts stay in the file's order
    return [row[0] for row in rows], torch.tensor([int(row[2]) for row in rows])
