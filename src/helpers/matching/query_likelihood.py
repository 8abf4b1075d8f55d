"""Query likelihood: how probable the query would be if the document's words were drawn at random.

Shapes: N documents, V words, P postings, Q queries. Smoothing by a Dirichlet prior: see Zhai and
Lafferty (2004, doi:10.1145/984321.984322).
"""

import math
from collections.abc import Hashable, Sequence

import torch

from helpers.matching.counts import Counts
from helpers.matching.postings import Postings


class QueryLikelihood(Postings):
    """Documents, indexed for log P(query | document); ``scores`` and ``search`` as in `Postings`.

    P(w | d) = (c + mu P(w)) / (L + mu) with c the count of the word in the document, L the
    document's length and P(w) the word's share of all text. The logarithm splits into a part for
    documents that hold the word, log(1 + c / (mu P(w))), one for all documents, log(mu / (L + mu)),
    and log P(w), which no order depends on and is left out. Words that no document holds are left
    out, too.

    Parameters
    ----------
    documents : N sequences of words, or their `Counts`.
    mu : how many words of all text are mixed into each document, > 0.

    Raises
    ------
    ValueError : mu not positive and finite; documents as `Counts` says.
    """

    def __init__(
        self, documents: Sequence[Sequence[Hashable]] | Counts, *, mu: float = 200.0
    ) -> None:
        if not 0 < mu < math.inf:
            raise ValueError(f"mu must be positive and finite, got {mu}")
        counts = documents if isinstance(documents, Counts) else Counts(documents)
        n_words = len(counts.vocabulary)
        words = torch.repeat_interleave(counts.starts.diff())
        totals = torch.zeros(n_words, dtype=torch.float64).index_add_(0, words, counts.counts)
        share = totals / totals.sum()
        held = torch.log1p(counts.counts / (mu * counts.spread(share)))
        every = torch.log(mu / (counts.lengths + mu))
        super().__init__(counts, held.float(), every.float())
