"""BM25 beside bm25s (Lucene's form, its fastest backend) and rank-bm25, on real reviews."""

import bm25s
import pytest
import torch
from rank_bm25 import BM25Okapi

from helpers.data import catalogue
from helpers.matching.bm25 import BM25
from helpers.matching.tokens import tokenize


@pytest.fixture(scope="module")
def texts():
    reviews = catalogue.reviews()
    rows = [i for i, (t, b) in enumerate(zip(reviews.title, reviews.body, strict=True)) if t and b]
    rows = rows[::8][:2000]
    return [tokenize(reviews.body[i]) for i in rows], [
        tokenize(reviews.title[i]) for i in rows[:60]
    ]


@pytest.mark.parametrize(("k1", "b"), [(1.5, 0.75), (0.9, 0.4), (1.2, 0.0), (2.0, 1.0)])
def test_same_scores_as_bm25s(texts, k1, b):
    documents, queries = texts
    theirs = bm25s.BM25(k1=k1, b=b, method="lucene")
    theirs.index(documents, show_progress=False)
    ours = BM25(documents, k1=k1, b=b).scores(queries)
    for query, row in zip(queries, ours, strict=True):
        known = [word for word in query if word in theirs.vocab_dict]
        if known:
            expected = torch.from_numpy(theirs.get_scores(known))
            torch.testing.assert_close(row, expected, atol=1e-5, rtol=0)


def test_same_list_as_bm25s_numba(texts):
    documents, queries = texts
    queries = [query for query in queries if query]
    theirs = bm25s.BM25(method="lucene", backend="numba")
    theirs.index(documents, show_progress=False)
    _, scores = theirs.retrieve(queries, k=10, show_progress=False, n_threads=1)
    found, _ = BM25(documents).search(queries, 10)
    torch.testing.assert_close(found, torch.from_numpy(scores), atol=1e-5, rtol=0)


def test_nearly_the_list_of_rank_bm25(texts):
    """Another logarithm and a factor k1 + 1: only the order can agree, and nearly.

    Words in more than half of the documents, to which it gives a weight of its own, are left out.
    """
    documents, queries = texts
    theirs = BM25Okapi(documents, k1=1.5, b=0.75)
    ours = BM25(documents)
    held = ours.starts.diff().tolist()
    rare = {word for word, v in ours.vocabulary.items() if held[v] < len(documents) / 2}
    queries = [kept for query in queries if (kept := [word for word in query if word in rare])]
    scores, ids = ours.search(queries, 10)
    common = total = 0
    for query, row, value in zip(queries, ids, scores, strict=True):
        best = torch.from_numpy(theirs.get_scores(query)).topk(10).indices
        found = row[value > 0].tolist()
        common += len(set(found) & set(best.tolist()))
        total += len(found)
    assert common / total > 0.9
