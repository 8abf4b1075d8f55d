"""BM25 beside bm25s with its fastest backend, and beside rank-bm25, on real reviews."""

import logging
from collections.abc import Iterator

import bm25s
import torch
from rank_bm25 import BM25Okapi

from benchmarks.timing import compare
from helpers.data import catalogue
from helpers.matching.bm25 import BM25
from helpers.matching.tokens import tokenize

CHAPTER = "7. Matching"


def texts(n_queries: int = 400) -> tuple[list[list[str]], dict[str, list[list[str]]]]:
    """All reviews that have a title, as words; and queries of three lengths."""
    reviews = catalogue.reviews()
    rows = [i for i, (t, b) in enumerate(zip(reviews.title, reviews.body, strict=True)) if t and b]
    bodies = [tokenize(reviews.body[i]) for i in rows]
    draw = torch.Generator().manual_seed(0)
    picked = torch.randperm(len(rows), generator=draw)[:n_queries].tolist()
    queries = {
        "titles, 3 words": [tokenize(reviews.title[rows[i]]) or ["dress"] for i in picked],
        "openings, 8 words": [bodies[i][:8] for i in picked],
        "openings, 20 words": [bodies[i][:20] for i in picked],
    }
    return bodies, queries


def measure() -> Iterator[dict]:
    """One record a comparison; all search for the ten best of the same lists of words."""
    logging.getLogger("bm25s").setLevel(logging.WARNING)
    documents, queries = texts()
    ours = BM25(documents)
    theirs = bm25s.BM25(method="lucene", backend="numba")
    theirs.index(documents, show_progress=False)
    size = f"{len(documents):,} reviews, ten best, {len(queries['titles, 3 words'])} at a time"
    for name, some in queries.items():
        yield compare(
            CHAPTER,
            f"BM25 search, {name}; {size}",
            "the time of bm25s with numba",
            lambda some=some: ours.search(some, 10),
            lambda some=some: theirs.retrieve(some, k=10, show_progress=False, n_threads=1),
            n_calls=1,
        )
    yield compare(
        CHAPTER,
        f"BM25 build, {len(documents[::4]):,} reviews",
        "the time of bm25s",
        lambda: BM25(documents[::4]),
        lambda: bm25s.BM25(method="lucene").index(documents[::4], show_progress=False),
        n_calls=1,
    )
    few = queries["titles, 3 words"][:5]
    slow = BM25Okapi(documents)
    yield compare(
        CHAPTER,
        f"BM25 search, titles, 3 words; {len(documents):,} reviews, ten best, 5 at a time",
        "the time of rank-bm25",
        lambda: ours.search(few, 10),
        lambda: [torch.from_numpy(slow.get_scores(query)).topk(10) for query in few],
        n_calls=1,
    )
