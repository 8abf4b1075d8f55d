"""An inverted index: for each word, the documents that hold it, with a number for each.

Whatever is a sum over the words of a query, each word adding to the documents that hold it, is
searched the same way: BM25 and query likelihood differ in the numbers alone.
Shapes: N documents, V words, P postings (pairs of a word and a document that holds it), Q queries.
"""

from collections.abc import Hashable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

BLOCKS = 32  # numbers that share a maximum while the best are looked for
FULL = 8  # words that more than one document in so many holds are kept as full rows


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
        n, self.vocabulary, self.lengths = len(documents), number, sizes.double()
        at = torch.repeat_interleave(torch.arange(n), sizes)
        pairs, counts = (torch.tensor(words) * n + at).unique(return_counts=True)
        self.rows, self.counts = pairs % n, counts.double()
        df = torch.bincount(pairs // n, minlength=len(number))
        self.starts = functional.pad(df.cumsum(0), (1, 0))

    @property
    def document_counts(self) -> Tensor:
        """In how many documents each word stands, (V,) float64."""
        return self.starts.diff().double()

    def spread(self, values: Tensor) -> Tensor:
        """One value for each word (V,) given to each of its postings, (P,)."""
        return values.repeat_interleave(self.starts.diff())


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

    def _sum(self, row: np.ndarray, query: Sequence[Hashable]) -> None:
        """Write a query's scores into a row, which ends with -inf up to a full block."""
        found, full = self.numbers(query), self._full
        long = [full[v] for v in found if v in full]
        if len(long) > 1:
            np.add(long[0], long[1], out=row)
        elif long:
            row[:] = long[0]
        else:
            row[: self.n_documents], row[self.n_documents :] = 0, -np.inf
        for other in long[2:]:
            row += other
        for v in found:
            if v not in full:
                np.add.at(row, *self._each[v])
        if self.known is not None:
            row[: self.n_documents] += len(found) * self.known.numpy()

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
            self._sum(row, query)
            scores[i], ids[i] = best(row, k)
        return torch.from_numpy(scores), torch.from_numpy(ids)


def best(row: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k largest numbers of a row (N,) in order, and where they stand: (k,) each.

    N must be a multiple of BLOCKS. At least k numbers reach the k-th largest of the maxima of N /
    BLOCKS blocks, and hardly more do, so that sorting is left for a few.
    """
    low = -np.inf
    if (n_blocks := len(row) // BLOCKS) >= k:
        maxima = np.maximum.reduce(row.reshape(BLOCKS, n_blocks))
        maxima.partition(n_blocks - k)
        low = maxima[n_blocks - k]
    (found,) = (row >= low).nonzero()
    if len(found) > 2 * BLOCKS * k:  # so many equal ones: any of them will do
        found = np.concatenate([(row > low).nonzero()[0], (row == low).nonzero()[0][:k]])
    values = row[found]
    order = (-values).argsort()[:k]
    return values[order], found[order]


def _check(queries: Sequence[Sequence[Hashable]]) -> None:
    if isinstance(queries, str) or len(queries) == 0:
        raise ValueError(f"queries must be sequences of words, one at least, got {queries!r}")
