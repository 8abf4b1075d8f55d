"""BM25 and query likelihood against brute force in plain Python, limits, and bad input."""

import math

import numpy as np
import pytest
import torch

from helpers.matching.bm25 import BM25, rarity, saturation
from helpers.matching.counts import Counts
from helpers.matching.postings import BLOCKS, Postings, best
from helpers.matching.query_likelihood import QueryLikelihood

HAND = [["red", "dress"], ["red", "red", "coat", "long"], ["blue", "coat"], []]


def corpus(n=300, n_words=60, seed=0):
    """Documents of Zipf's words, some of them empty, and queries with unknown words."""
    draw = np.random.default_rng(seed)
    p = 1 / np.arange(1, n_words + 1)
    lengths = draw.integers(0, 40, n)
    docs = [[f"w{v}" for v in draw.choice(n_words, size, p=p / p.sum())] for size in lengths]
    queries = [[f"w{v}" for v in draw.integers(0, n_words + 5, 4)] for _ in range(20)]
    return docs, [*queries, ["nowhere"], [], ["w0", "w0", "w1"]]


def brute(docs, query, k1, b):
    """BM25 of every document, one word at a time."""
    n, mean = len(docs), sum(map(len, docs)) / len(docs)
    held = {word: sum(word in doc for doc in docs) for word in query}
    found = []
    for doc in docs:
        score = 0.0
        for word in query:
            if c := doc.count(word):
                idf = math.log(1 + (n - held[word] + 0.5) / (held[word] + 0.5))
                score += idf * c / (c + k1 * (1 - b + b * len(doc) / mean))
        found.append(score)
    return torch.tensor(found)


def likelihood(docs, query, mu):
    """log P(query | doc), from the definition, less what all documents share."""
    text = [word for doc in docs for word in doc]
    shares = {word: text.count(word) / len(text) for word in query}
    found = []
    for doc in docs:
        score = 0.0
        for word in query:
            if share := shares[word]:
                score += math.log((doc.count(word) + mu * share) / (len(doc) + mu))
                score -= math.log(share)
        found.append(score)
    return torch.tensor(found)


def test_counts_by_hand():
    counts = Counts(HAND)
    assert list(counts.vocabulary) == ["red", "dress", "coat", "long", "blue"]
    assert counts.document_counts.tolist() == [2, 1, 2, 1, 1]
    assert counts.lengths.tolist() == [2, 4, 2, 0]
    spans = [slice(*pair) for pair in zip(counts.starts, counts.starts[1:], strict=False)]
    assert [counts.rows[s].tolist() for s in spans] == [[0, 1], [0], [1, 2], [1], [2]]
    assert [counts.counts[s].tolist() for s in spans] == [[1, 2], [1], [1, 1], [1], [1]]


def test_bm25_number_by_number():
    """Two words, by hand: log(1 + 2.5 / 2.5) and the lengths 2, 4, 2, 0 of mean 2."""
    found = BM25(HAND, k1=1.0, b=0.5).scores([["red", "coat"]])[0]
    idf = math.log(2)
    expected = [idf / 2, idf * (2 / (2 + 1.5) + 1 / (1 + 1.5)), idf / 2, 0.0]
    torch.testing.assert_close(found, torch.tensor(expected))


@pytest.mark.parametrize(("k1", "b"), [(1.5, 0.75), (0.9, 0.4), (0.0, 0.3), (2.0, 1.0), (1.2, 0.0)])
def test_bm25_against_brute_force(k1, b):
    docs, queries = corpus(90)
    found = BM25(docs, k1=k1, b=b).scores(queries)
    expected = torch.stack([brute(docs, query, k1, b) for query in queries])
    torch.testing.assert_close(found, expected, atol=2e-6, rtol=0)


@pytest.mark.parametrize("mu", [1.0, 50.0, 3000.0])
def test_likelihood_against_its_definition(mu):
    docs, queries = corpus(90)
    found = QueryLikelihood(docs, mu=mu).scores(queries)
    expected = torch.stack([likelihood(docs, query, mu) for query in queries])
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=0)


def test_rarity_by_hand_and_never_negative():
    n = torch.tensor([0.0, 1.0, 50.0, 100.0], dtype=torch.float64)
    found = rarity(n, 100)
    assert found[1].item() == pytest.approx(math.log(1 + 99.5 / 1.5))
    assert found[2].item() == pytest.approx(math.log(2))
    assert bool((found > 0).all()) and bool((found.diff() < 0).all())


def test_saturation_rises_to_one():
    counts = torch.arange(0, 2000, dtype=torch.float64)
    lengths = torch.full_like(counts, 10.0)
    found = saturation(counts, lengths, 10.0, 1.5, 0.75)
    assert found[0] == 0 and bool((found.diff() > 0).all()) and bool((found.diff(n=2) < 0).all())
    assert found[1].item() == pytest.approx(1 / 2.5)  # by hand: 1 / (1 + 1.5)
    assert 1 - found[-1].item() == pytest.approx(1.5 / (1999 + 1.5))
    assert bool((saturation(counts[1:], lengths[1:], 10.0, 0.0, 0.75) == 1).all())


def test_length_counts_by_b():
    """At b = 0 padding changes nothing; at b = 1 doubling everything changes nothing."""
    one, none = torch.ones(2, dtype=torch.float64), torch.tensor([3.0, 300.0])
    same = saturation(one, none, 50.0, 1.5, 0.0)
    assert same[0] == same[1]
    twice = saturation(torch.tensor([2.0, 4.0]), torch.tensor([10.0, 20.0]), 15.0, 1.5, 1.0)
    assert twice[0].item() == pytest.approx(twice[1].item())
    longer = saturation(one, none, 50.0, 1.5, 0.5)
    assert longer[0] > longer[1]


def test_search_finds_the_best_in_order():
    docs, queries = corpus(997)
    for index in (BM25(docs), QueryLikelihood(docs)):
        scores = index.scores(queries)
        for k in (1, 10, 40, 997):
            found, ids = index.search(queries, k)
            torch.testing.assert_close(found, scores.topk(k, 1).values, rtol=0, atol=0)
            torch.testing.assert_close(scores.gather(1, ids), found, rtol=0, atol=0)
            assert all(len(set(row)) == k for row in ids.tolist())


def test_best_of_many_equal_numbers():
    row = np.zeros(100 * BLOCKS, np.float32)
    row[[7, 900]] = 2, 3
    scores, ids = best(row, 5)
    assert scores.tolist() == [3, 2, 0, 0, 0] and ids[:2].tolist() == [900, 7]
    assert len(set(ids.tolist())) == 5
    falling = np.arange(100 * BLOCKS, 0, -1, dtype=np.float32)
    assert best(falling, 50)[1].tolist() == list(range(50))


def test_of_equal_documents_the_first_come_first():
    """So that a search gives the same ids again, and says which way its ties go."""
    docs = [["coat", "red"] if i % 3 == 0 else ["dress"] for i in range(5 * BLOCKS)]
    docs += [["red"]] * (200 * BLOCKS)
    ids = BM25(docs).search([["red", "coat"], ["dress"], ["red"]], 12)[1]
    assert ids[0].tolist() == list(range(0, 36, 3))
    assert ids[1].tolist() == [i for i in range(40) if i % 3][:12]
    assert ids[2].tolist() == list(range(5 * BLOCKS, 5 * BLOCKS + 12))


def test_more_than_a_few_hundred_are_found():
    """The bound comes from some of the rarest word's documents, but from k of them at least."""
    docs = [
        ["coat"] * (1 + i % 7) + ["long"] * (i % 90) if i < 300 else ["red"] for i in range(4000)
    ]
    index = BM25(docs)
    assert len(index._words["coat"][0]) == 300  # too few for a row of its own
    found, ids = index.search([["coat"]], 280)
    torch.testing.assert_close(found, index.scores([["coat"]]).topk(280, 1).values, rtol=0, atol=0)
    assert len(set(ids[0].tolist())) == 280 and bool((ids < 300).all())


def test_a_bound_that_is_too_low_is_not_used():
    """Likely places that hold the smallest numbers: nearly everything would reach the bound."""
    row = np.random.default_rng(0).random(100 * BLOCKS).astype(np.float32)
    expected = np.sort(row)[::-1][:5]
    for likely in (row.argsort()[:9], row.argsort()[-200:], None):
        scores, ids = best(row, 5, likely)
        assert scores.tolist() == expected.tolist() == row[ids].tolist()


def test_frequent_and_rare_words_go_two_ways_to_the_same_sum():
    docs, queries = corpus(400)
    index = BM25(docs)
    full = [rows is None for rows, _ in index._words.values()]
    assert any(full) and not all(full)
    sparse = BM25(docs).to("cpu")  # as on a GPU: one sparse product
    torch.testing.assert_close(sparse.scores(queries), index.scores(queries), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(
        sparse.search(queries, 10)[0], index.search(queries, 10)[0], atol=1e-5, rtol=1e-5
    )
    one, two = QueryLikelihood(docs), QueryLikelihood(docs).to("cpu")
    torch.testing.assert_close(two.scores(queries), one.scores(queries), atol=2e-5, rtol=1e-5)


def test_unknown_words_match_nothing_and_repeats_count():
    index = BM25(HAND)
    assert bool((index.scores([["green"], []]) == 0).all())
    one, two = index.scores([["red"], ["red", "red", "green"]])
    torch.testing.assert_close(2 * one, two)
    scores, ids = index.search([["green"]], 4)
    assert bool((scores == 0).all()) and sorted(ids[0].tolist()) == [0, 1, 2, 3]


def test_constants_by_default():
    queries = [["red"], ["red", "coat"]]
    for one, two in (
        (BM25(HAND), BM25(HAND, k1=1.5, b=0.75)),
        (QueryLikelihood(HAND), QueryLikelihood(HAND, mu=200.0)),
    ):
        assert torch.equal(one.scores(queries), two.scores(queries))


def test_words_may_be_numbers():
    found = BM25([[3, 4], [4, 4, 9]]).search([[9]], 1)[1]
    assert found.tolist() == [[1]]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BM25([]), "hold a word, got 0"),
        (lambda: BM25([[], []]), "hold a word, got 2"),
        (lambda: BM25(["a text"]), "got a str"),
        (lambda: BM25(HAND, k1=-0.1), "k1 must be at least 0"),
        (lambda: BM25(HAND, k1=math.nan), "k1 must"),
        (lambda: BM25(HAND, k1=math.inf), "k1 must"),
        (lambda: BM25(HAND, b=1.01), "b must be in 0 ... 1"),
        (lambda: BM25(HAND, b=-0.01), "b must"),
        (lambda: BM25(HAND, b=math.nan), "b must"),
        (lambda: QueryLikelihood(HAND, mu=0.0), "mu must be positive"),
        (lambda: QueryLikelihood(HAND, mu=math.inf), "mu must"),
        (lambda: BM25(HAND).search([["red"]], 5), "k must be a whole number from 1 to 4, got 5"),
        (lambda: BM25(HAND).search([["red"]], 0), "k must"),
        (lambda: BM25(HAND).search([["red"]], 1.0), "k must"),
        (lambda: BM25(HAND).search([["red"]], True), "got True, a bool"),
        (lambda: BM25([["red"], "a text"]), "got a str"),
        (lambda: QueryLikelihood(HAND, mu=math.nan), "mu must"),
        (lambda: BM25(HAND).scores([["red"], "red"]), "got a str"),
        (lambda: BM25(HAND).scores("red"), "got the str 'red'"),
        (lambda: BM25(HAND).search([], 1), "one at least"),
        (lambda: BM25(HAND).search("red", 1), "sequences of words"),
        (lambda: BM25(HAND).search(["red"], 1), "got a str"),
        (lambda: BM25(HAND).scores([]), "one at least"),
    ],
)
def test_bad_input_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_counts_may_be_shared():
    counts = Counts(HAND)
    torch.testing.assert_close(BM25(counts).scores([["red"]]), BM25(HAND).scores([["red"]]))
    assert isinstance(QueryLikelihood(counts), Postings)
