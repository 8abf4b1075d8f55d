"""BM25: how well the words of a query match a document, from counts alone.

Shapes: N documents, V words, P postings, Q queries. The form without the factor k1 + 1, which no
order depends on, and with the logarithm that is never negative: Lucene's, and bm25s's "lucene".
"""

import math
from collections.abc import Hashable, Sequence

import torch
from torch import Tensor

from helpers.matching.counts import Counts
from helpers.matching.postings import Postings


def check(k1: float, b: float) -> None:
    """ValueError unless k1 >= 0, finite, and 0 <= b <= 1."""
    if not 0 <= k1 < math.inf:
        raise ValueError(f"k1 must be at least 0 and finite, got {k1}")
    if not 0 <= b <= 1:
        raise ValueError(f"b must be in 0 ... 1, got {b}")


def rarity(document_counts: Tensor, n_documents: int) -> Tensor:
    """log(1 + (N - n + 1/2) / (n + 1/2)), the weight of words that n documents hold.

    document_counts : n, (V,). n_documents : N. Returns (V,).
    """
    return torch.log1p((n_documents - document_counts + 0.5) / (document_counts + 0.5))


def saturation(counts: Tensor, lengths: Tensor, mean_length: float, k1: float, b: float) -> Tensor:
    """c / (c + k1 (1 - b + b L / mean L)): from 0 at c = 0 to 1, whatever the shape (P,).

    counts : c, how often the word stands in the document. lengths : L, words in the document.
    mean_length : of all documents. k1 : how slowly repetition saturates; at 0, at once.
    b : how far length counts, from 0, not at all, to 1, in full.
    """
    return counts / (counts + k1 * (1 - b + b * lengths / mean_length))


class BM25(Postings):
    """Documents, indexed for BM25; ``scores`` and ``search`` are those of `Postings`.

    What a word adds to a document depends on no query, so it is computed here, once: a query is
    then a sum of postings. A word that stands twice in a query counts twice; a word that no
    document holds adds nothing.

    Parameters
    ----------
    documents : N sequences of words, or their `Counts`. k1, b : see `saturation`.

    Raises
    ------
    ValueError : k1 or b out of range; documents as `Counts` says.
    """

    def __init__(
        self, documents: Sequence[Sequence[Hashable]] | Counts, *, k1: float = 1.5, b: float = 0.75
    ) -> None:
        check(k1, b)
        counts = documents if isinstance(documents, Counts) else Counts(documents)
        lengths = counts.lengths
        part = saturation(counts.counts, lengths[counts.rows], lengths.mean().item(), k1, b)
        idf = rarity(counts.document_counts, len(lengths))
        super().__init__(counts, (counts.spread(idf) * part).float())
