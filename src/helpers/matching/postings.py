"""An inverted index: for each word, the documents that hold it, with a number for each.

Whatever is a sum over the words of a query, each word adding to the documents that hold it, is
searched the same way: BM25 and query likelihood differ in the numbers alone.
Shapes: N documents, V words, P postings (pairs of a word and a document that holds it), Q queries.
"""

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from helpers import checks
from helpers.matching.counts import Counts

BLOCKS = 32  # numbers that share a maximum while the best are looked for
FEW = 256  # so many numbers are added faster by indexing than one by one
FULL = 12  # words that more than one document in so many holds are kept as full rows


class Postings:
    """Numbers on the postings, and the search that adds them up.

    Adding a full row of N numbers is faster than adding a twelfth of them one by one, so the few
    words that more documents than that hold have rows of their own. On a CPU the sums are made with
    numpy, which spends less than torch on a small array; elsewhere they are one sparse product.

    counts : the postings. values : (P,), what a word adds to a document.
    known : added to a document for every word of the query that is in the vocabulary, (N,) or None.
    """

    def __init__(self, counts: Counts, values: Tensor, known: Tensor | None = None) -> None:
        self.vocabulary = counts.vocabulary
        self.n_documents = len(counts.lengths)
        self.starts = counts.starts
        self.rows = counts.rows
        self.values = values
        self.known = known
        sizes = self.starts.diff().tolist()
        n = self.n_documents
        each = zip(self.rows.split(sizes), values.split(sizes), strict=True)
        # For each word its documents and numbers, or None and a full row.
        self._words: dict[Hashable, tuple[np.ndarray | None, np.ndarray]] = {}
        for word, (rows, some) in zip(self.vocabulary, each, strict=True):
            if len(rows) * FULL <= n:
                self._words[word] = rows.numpy(), some.numpy()
                continue
            full = np.zeros(-(-n // BLOCKS) * BLOCKS, some.numpy().dtype)
            full[n:] = -np.inf  # what fills the last block is never found
            full[rows.numpy()] = some.numpy()
            self._words[word] = None, full
        self._matrix: Tensor | None = None

    def to(self, device: torch.device | str) -> "Postings":
        """From now on search on this device; returns itself."""
        words = torch.repeat_interleave(self.starts.diff())
        where = torch.stack([self.rows, words]).to(device)
        shape = (self.n_documents, len(self.vocabulary))
        self._matrix = torch.sparse_coo_tensor(
            where, self.values.to(device), shape, check_invariants=True
        ).coalesce()
        return self

    def _sum(self, row: np.ndarray, query: Sequence[Hashable]) -> np.ndarray | None:
        """Write a query's scores into a row, which ends with -inf up to a full block.

        Gives the documents of its rarest word, if there is one without a full row.
        """
        found = look_up(query, self._words)
        long = []
        short = []
        rarest = None
        for one in found:
            (long if one[0] is None else short).append(one)
        if len(long) > 1:
            np.add(long[0][1], long[1][1], out=row)
        elif long:
            row[:] = long[0][1]
        else:
            row[: self.n_documents] = 0
            row[self.n_documents :] = -np.inf
        for _, some in long[2:]:
            row += some
        for rows, values in short:
            if len(rows) < FEW:
                row[rows] += values  # they are distinct
            else:
                np.add.at(row, rows, values)
            if rarest is None or len(rows) < len(rarest):
                rarest = rows
        if self.known is not None:
            row[: self.n_documents] += len(found) * self.known.numpy()
        return rarest

    def scores(self, queries: Sequence[Sequence[Hashable]]) -> Tensor:
        """Scores (Q, N) of all documents for queries, Q sequences of words."""
        _check(queries)
        if self._matrix is None:
            width = -(-self.n_documents // BLOCKS) * BLOCKS
            held = np.empty((len(queries), width), self.values.numpy().dtype)
            for row, query in zip(held, queries, strict=True):
                self._sum(row, query)
            return torch.from_numpy(held[:, : self.n_documents])
        counts = torch.zeros(self._matrix.shape[1], len(queries))
        for column, query in zip(counts.T, queries, strict=True):
            some = look_up(query, self.vocabulary)
            column.index_add_(0, torch.tensor(some, dtype=torch.long), torch.ones(len(some)))
        counts = counts.to(self._matrix)
        scores = (self._matrix @ counts).T
        if self.known is not None:
            scores = scores + counts.sum(0)[:, None] * self.known.to(counts)
        return scores

    def search(self, queries: Sequence[Sequence[Hashable]], k: int) -> tuple[Tensor, Tensor]:
        """The k best documents of each query: (scores, ids), (Q, k) each, best first.

        Of equal documents those that come first in the index are found, and come first (on a CPU).

        Raises
        ------
        ValueError : no queries, or k not a whole number in 1 ... N.
        """
        checks.whole("k", k, 1, self.n_documents)
        if self._matrix is not None:
            return self.scores(queries).topk(k, 1)
        _check(queries)
        row = np.empty(-(-self.n_documents // BLOCKS) * BLOCKS, self.values.numpy().dtype)
        scores = np.empty((len(queries), k), row.dtype)
        ids = np.empty((len(queries), k), np.int64)
        for i, query in enumerate(queries):
            rarest = self._sum(row, query)
            likely = rarest[: max(k, FEW)] if rarest is not None and len(rarest) >= k else None
            scores[i], ids[i] = best(row, k, likely)
        return torch.from_numpy(scores), torch.from_numpy(ids)


def best(
    row: np.ndarray, k: int, likely: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The k largest numbers of a row (N,), equal ones as they stand, and their places: (k,) each.

    The k-th largest of some of the numbers is no larger than that of all, so only what reaches it
    needs sorting. likely : where large numbers are, at least k of them; where that leaves too many,
    or is None, the maxima of N / BLOCKS blocks stand in. N must be a multiple of BLOCKS.
    """
    n_blocks = len(row) // BLOCKS
    if likely is not None:
        some = row[likely]
    elif n_blocks >= k:
        some = np.maximum.reduce(row.reshape(BLOCKS, n_blocks))
    else:
        some = row.copy()
    some.partition(len(some) - k)
    low = some[len(some) - k]
    (found,) = (row >= low).nonzero()
    if len(found) > 2 * BLOCKS * k:
        if likely is not None:
            return best(row, k)
        # So many equal ones: the first k of them do.
        found = np.concatenate([(row > low).nonzero()[0], (row == low).nonzero()[0][:k]])
    values = row[found]
    order = (-values).argsort(kind="stable")[:k]
    return values[order], found[order]


def look_up(query: Sequence[Hashable], table: dict[Hashable, Any]) -> list[Any]:
    """What a table holds for the words of a query; words that it doesn't know are left out."""
    if isinstance(query, str):
        raise ValueError("query must be a sequence of words, got a str: tokenize it first")
    return [table[word] for word in query if word in table]


def _check(queries: Sequence[Sequence[Hashable]]) -> None:
    if isinstance(queries, str):
        raise ValueError(f"queries must be sequences of words, got the str {queries!r}")
    if len(queries) == 0:
        raise ValueError("queries must be sequences of words, one at least, got none")
