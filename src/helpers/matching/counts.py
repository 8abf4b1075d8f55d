"""How often each word stands in each document: what every index of words is made from.

Shapes: N documents, V words, P postings (pairs of a word and a document that holds it).
"""

from collections.abc import Hashable, Sequence

import torch
from torch import Tensor
from torch.nn import functional


class Counts:
    """How often each word stands in each document.

    Parameters
    ----------
    documents : N sequences of words (str, or anything that hashes); a document may be empty.

    Attributes
    ----------
    vocabulary : word -> 0 ... V - 1, in the order of first appearance
    starts : (V + 1,) int64; word v's postings are starts[v] to starts[v + 1]
    rows : (P,) int64, their documents, rising within a word
    counts : (P,) float64, how often the word stands there
    lengths : (N,) float64, words in each document

    Raises
    ------
    ValueError : no documents, no words in any, or a str where a sequence of words should be.
    """

    def __init__(self, documents: Sequence[Sequence[Hashable]]) -> None:
        if any(isinstance(document, str) for document in documents):
            raise ValueError("documents must be sequences of words, got a str: tokenize it first")
        number: dict[Hashable, int] = {}
        words = [number.setdefault(word, len(number)) for doc in documents for word in doc]
        if not words:
            raise ValueError(f"documents must hold a word, got {len(documents)} without any")
        sizes = torch.tensor([len(document) for document in documents])
        n = len(documents)
        self.vocabulary = number
        self.lengths = sizes.double()
        at = torch.repeat_interleave(torch.arange(n), sizes)
        pairs, counts = (torch.tensor(words) * n + at).unique(return_counts=True)
        self.rows = pairs % n
        self.counts = counts.double()
        df = torch.bincount(pairs // n, minlength=len(number))
        self.starts = functional.pad(df.cumsum(0), (1, 0))

    @property
    def document_counts(self) -> Tensor:
        """In how many documents each word stands, (V,) float64."""
        return self.starts.diff().double()

    def spread(self, values: Tensor) -> Tensor:
        """One value for each word (V,) given to each of its postings, (P,)."""
        return values.repeat_interleave(self.starts.diff())
