"""The contract of an index and its parts, against float64 brute force."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.ann import distance

F64 = torch.float64


def points(*shape, seed=0, dtype=F64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def brute(queries, vectors):
    """Squared distances (Q, N), one number after the other."""
    return torch.tensor(
        [
            [sum((a - b) ** 2 for a, b in zip(q, x, strict=True)) for x in vectors.tolist()]
            for q in queries.tolist()
        ],
        dtype=F64,
    )


def test_one_product_gives_all_distances():
    """(13.1) against a sum over coordinates; and never below zero in float32."""
    queries, vectors = points(4, 3), points(7, 3, seed=1)
    found = distance.squared_distances(queries, vectors)
    torch.testing.assert_close(found, brute(queries, vectors), atol=1e-12, rtol=1e-12)
    far = 1e3 + points(50, 3, dtype=torch.float32)
    assert distance.squared_distances(far, far).min() >= 0


def test_distances_to_own_rows():
    queries, vectors = points(2, 3), points(5, 3, seed=1)
    ids = torch.tensor([[4, -1, 0], [2, 2, -1]])
    found, every = distance.distances_to(queries, vectors, ids), brute(queries, vectors)
    for q in range(2):
        for j in range(3):
            expected = math.inf if ids[q, j] < 0 else every[q, ids[q, j]].item()
            assert found[q, j].item() == pytest.approx(expected)


def test_nearest_sorts_and_pads():
    distances = torch.tensor([[3.0, 1.0, math.inf], [math.inf, math.inf, 2.0]])
    ids = torch.tensor([[7, 8, 9], [4, 5, 6]])
    found, names = distance.nearest(distances, ids, 2)
    assert found.tolist() == [[1, 3], [2, math.inf]] and names.tolist() == [[8, 7], [6, -1]]
    found, names = distance.nearest(distances, ids, 4)
    assert names.tolist() == [[8, 7, -1, -1], [6, -1, -1, -1]] and found[0, 2] == math.inf


@given(st.lists(st.lists(st.integers(-1, 6), min_size=5, max_size=5), min_size=1, max_size=4))
@settings(max_examples=30)
def test_once_keeps_each_id_once(rows):
    kept = distance.once(torch.tensor(rows))
    for row, found in zip(rows, kept.tolist(), strict=True):
        assert sorted(set(row) - {-1}) == [i for i in found if i >= 0]


def test_rerank_counts_and_orders(monkeypatch):
    """The same in one block and in many; -1 is neither counted nor found."""
    queries, vectors = points(6, 4), points(30, 4, seed=1)
    candidates = distance.once(
        torch.randint(-1, 30, (6, 12), generator=torch.Generator().manual_seed(0))
    )
    distances, ids, counts = distance.rerank(queries, vectors, candidates, 3)
    every = brute(queries, vectors)
    for q in range(6):
        mine = [i for i in candidates[q].tolist() if i >= 0]
        assert counts[q] == len(mine)
        assert ids[q].tolist() == sorted(mine, key=lambda i, q=q: every[q, i].item())[:3]
    torch.testing.assert_close(distances, every.gather(1, ids))
    monkeypatch.setattr(distance, "CACHE", 50)
    again = distance.rerank(queries, vectors, candidates, 3)
    assert all(torch.equal(a, b) for a, b in zip(again, (distances, ids, counts), strict=True))


def test_recall_by_hand():
    truth, ids = torch.tensor([[1, 2], [3, 4]]), torch.tensor([[2, 9, 1], [4, -1, -1]])
    assert distance.recall(ids, truth) == 0.75


def test_lifted_vectors_order_by_inner_product():
    """(13.3): the nearest to a lifted query has the largest product, at any lengths."""
    queries, vectors = (
        points(20, 5),
        points(100, 5, seed=1)
        * torch.rand(100, 1, generator=torch.Generator().manual_seed(2), dtype=F64),
    )
    lifted, asked = distance.lift(vectors), distance.lift_queries(queries)
    assert lifted.shape == (100, 6)
    torch.testing.assert_close(lifted.norm(dim=1), vectors.norm(dim=1).max().expand(100))
    found = brute(asked, lifted)
    longest = vectors.square().sum(1).max()
    expected = queries.square().sum(1, keepdim=True) + longest - 2 * queries @ vectors.T
    torch.testing.assert_close(found, expected)
    assert torch.equal(found.argsort(1)[:, :10], (-queries @ vectors.T).argsort(1)[:, :10])
    assert not torch.equal(brute(queries, vectors).argmin(1), (queries @ vectors.T).argmax(1))


def test_wrong_input_is_refused():
    x, nan = points(5, 3), points(5, 3)
    nan[2, 1] = math.nan
    yes = torch.ones(5, dtype=torch.bool)
    for call, match in (
        (
            lambda: distance.check_vectors(x.long()),
            "vectors must be a float32 or float64 tensor, got",
        ),
        (lambda: distance.check_vectors(x.half()), "got torch.float16"),
        (lambda: distance.check_vectors(x.numpy()), "got a ndarray"),
        (lambda: distance.check_vectors(x[0]), r"must be \(N, D\) and not empty, got \(3,\)"),
        (lambda: distance.check_vectors(x[:0]), r"got \(0, 3\)"),
        (lambda: distance.check_vectors(nan), "finite, got NaN"),
        (lambda: distance.check_search(x, None, 1), "call build first"),
        (lambda: distance.check_search(nan, x, 1), "queries must be finite"),
        (lambda: distance.check_search(x[:, :2], x, 1), r"queries must be torch.float64 \(Q, 3\)"),
        (lambda: distance.check_search(x.float(), x, 1), "queries must be torch.float64"),
        (lambda: distance.check_search(x, x, 6), "k must be a whole number from 1 to 5, got 6"),
        (lambda: distance.check_search(x, x, 0), "k must be a whole number from 1 to 5, got 0"),
        (lambda: distance.check_search(x, x, 2.0), "k must be a whole number"),
        (lambda: distance.check_more(x, None), "call build first"),
        (lambda: distance.check_more(x.float(), x), r"vectors must be torch.float64 \(n, 3\)"),
        (
            lambda: distance.whole("ef", 0, 1),
            "ef must be a whole number of at least 1, got 0",
        ),
        (lambda: distance.whole("ef", True, 1), "got True"),
        (lambda: distance.check_vectors(x[:, :0]), r"not empty, got \(5, 0\)"),
        (lambda: distance.check_vectors(x / 0), "finite"),
        (lambda: distance.check_more(x[:, :2], x), r"\(n, 3\), got \(5, 2\)"),
        (lambda: distance.check_more(nan, x), "finite"),
        (lambda: distance.check_search(x, x, True), "got True, a bool"),
        (lambda: distance.whole("ef", 1.0, 1), "at least 1, got 1.0, a float"),
        (lambda: distance.check_ids(torch.tensor([0, -1]), 5), "from 0 to 4, got -1"),
        (lambda: distance.check_ids(torch.tensor([[0]]), 5), "got the shape"),
        (lambda: distance.recall(torch.zeros(2), torch.zeros(2, 1)), "got ids"),
        (lambda: distance.recall(torch.zeros(2, 1), torch.zeros(2)), "got truth"),
        (lambda: distance.lift_queries(nan), "queries must be finite"),
        (lambda: distance.check_allowed(yes[:4], x), r"allowed must be bool \(5,\)"),
        (lambda: distance.check_allowed(yes.long(), x), "allowed must be bool"),
        (lambda: distance.check_allowed(~yes, x), "at least one vector"),
        (lambda: distance.check_ids(torch.tensor([5]), 5), "ids must be int64"),
        (lambda: distance.check_ids(torch.tensor([0.0]), 5), "ids must be int64"),
        (lambda: distance.recall(torch.zeros(2, 3), torch.zeros(3, 3)), "ids and truth must be"),
        (lambda: distance.recall(torch.zeros(2, 3), torch.zeros(2, 0)), "ids and truth must be"),
        (
            lambda: distance.recall(torch.tensor([[5, -1]]), torch.tensor([[3, -1]])),
            "at least 0, got -1",
        ),
        (lambda: distance.lift(nan), "finite"),
    ):
        with pytest.raises(ValueError, match=match):
            call()
