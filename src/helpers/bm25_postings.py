"""An inverted index: for each word, the documents that hold it, with a number for each.

Whatever is a sum over the words of a query, each word adding to the documents that hold it, is
searched the same way: BM25 and query likelihood differ in the numbers alone.
Shapes: N documents, V words, P postings (pairs of a word and a document that holds it), Q queries.
"""

from collections.abc import Hashable, Sequence

import numpy as np
import torch
from torch import Tensor

from helpers.bm25_counts import Counts

BLOCKS = 32  # numbers that share a maximum while the best are looked for
FEW = 500  # so many numbers are added faster by indexing than one by one
FULL = 8  # words that more than one document in so many holds are kept as full rows


class Postings:
    """Numbers on the postings, and the search that adds them up.

    Adding a full row of N numbers is faster than adding an eighth of them one by one, so the few
    words that more documents than that hold have rows of their own. On a CPU the sums are made with
    numpy, which spends less than torch on a small array; elsewhere they are one sparse product.

    counts : the postings. values : (P,), what a word adds to a document.
    known : added to a document for every word of the query that is in the vocabulary, (N,) or None.
    """

    def __init__(self, counts: Counts, values: Tensor, known: Tensor | None = None) -> None:
        self.vocabulary, self.n_documents = counts.vocabulary, len(counts.lengths)
        self.starts, self.rows, self.values, self.known = counts.starts, counts.rows, values, known
        sizes, n = self.starts.diff().tolist(), self.n_documents
        each = zip(self.rows.split(sizes), values.split(sizes), strict=True)
        self._each = [(rows.numpy(), some.numpy()) for rows, some in each]
        frequent = [v for v, size in enumerate(sizes) if size * FULL > n]
        full = np.zeros((len(frequent), -(-n // BLOCKS) * BLOCKS), values.numpy().dtype)
        full[:, n:] = -np.inf  # what fills the last block is never found
        for row, v in zip(full, frequent, strict=True):
            row[self._each[v][0]] = self._each[v][1]
        self._full = dict(zip(frequent, full, strict=True))
        self._matrix: Tensor | None = None

    def to(self, device: torch.device | str) -> "Postings":
        """From now on search on this device; returns itself."""
        words = torch.repeat_interleave(self.starts.diff())
        where, shape = (
            torch.stack([self.rows, words]).to(device),
            (self.n_documents, len(self._each)),
        )
        self._matrix = torch.sparse_coo_tensor(
            where, self.values.to(device), shape, check_invariants=True
        ).coalesce()
        return self

    def numbers(self, query: Sequence[Hashable]) -> list[int]:
        """The numbers of a query's words; words that no document holds are left out."""
        if isinstance(query, str):
            raise ValueError("query must be a sequence of words, got a str: tokenize it first")
        return [v for word in query if (v := self.vocabulary.get(word)) is not None]

    def _sum(self, row: np.ndarray, query: Sequence[Hashable]) -> np.ndarray | None:
        """Write a query's scores into a row, which ends with -inf up to a full block.

        Gives the documents of its rarest word, if there is one without a full row.
        """
        found, full = self.numbers(query), self._full
        long, short = [], []
        for v in found:
            some = full.get(v)
            if some is None:
                short.append(self._each[v])
            else:
                long.append(some)
        if len(long) > 1:
            np.add(long[0], long[1], out=row)
        elif long:
            row[:] = long[0]
        else:
            row[: self.n_documents], row[self.n_documents :] = 0, -np.inf
        for some in long[2:]:
            row += some
        rarest = None
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
        found = [self.numbers(query) for query in queries]
        counts = torch.zeros(self._matrix.shape[1], len(queries))
        for column, some in zip(counts.T, found, strict=True):
            column.index_add_(0, torch.tensor(some, dtype=torch.long), torch.ones(len(some)))
        counts = counts.to(self._matrix)
        scores = (self._matrix @ counts).T
        if self.known is not None:
            scores = scores + counts.sum(0)[:, None] * self.known.to(counts)
        return scores

    def search(self, queries: Sequence[Sequence[Hashable]], k: int) -> tuple[Tensor, Tensor]:
        """The k best documents of each query: (scores, ids), (Q, k) each, best first.

        Raises
        ------
        ValueError : no queries, or k not a whole number in 1 ... N.
        """
        n = self.n_documents
        if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= n:
            raise ValueError(f"k must be a whole number in 1 ... {n}, got {k!r}")
        if self._matrix is not None:
            return self.scores(queries).topk(k, 1)
        _check(queries)
        row = np.empty(-(-n // BLOCKS) * BLOCKS, self.values.numpy().dtype)
        scores, ids = np.empty((len(queries), k), row.dtype), np.empty((len(queries), k), np.int64)
        for i, query in enumerate(queries):
            rarest = self._sum(row, query)
            likely = rarest if rarest is not None and len(rarest) >= k else None
            scores[i], ids[i] = best(row, k, likely)
        return torch.from_numpy(scores), torch.from_numpy(ids)


def best(
    row: np.ndarray, k: int, likely: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The k largest numbers of a row (N,) in order, and where they stand: (k,) each.

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
        # So many equal ones: any of them will do.
        found = np.concatenate([(row > low).nonzero()[0], (row == low).nonzero()[0][:k]])
    values = row[found]
    order = (-values).argsort()[:k]
    return values[order], found[order]


def _check(queries: Sequence[Sequence[Hashable]]) -> None:
    if isinstance(queries, str) or len(queries) == 0:
        raise ValueError(f"queries must be sequences of words, one at least, got {queries!r}")
