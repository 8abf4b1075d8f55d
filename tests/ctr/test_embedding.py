"""The embedding that all click models share, and sums over pairs, against loops in float64."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.ctr.embedding import (
    Embedding,
    Linear,
    bi_interaction,
    check_ids,
    check_sizes,
    pair_products,
    pair_scores,
    pairs,
)

F64 = torch.float64
SIZES = (4, 2, 7, 3)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def vectors(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed), dtype=F64)


def example(n=6, sizes=SIZES, seed=0):
    """Ids (n, F), the first and last feature of every field among them."""
    ids = torch.stack([torch.randint(s, (n,), generator=seeded(seed + f)) for f, s in
                       enumerate(sizes)], 1)  # fmt: skip
    ids[0], ids[1] = 0, torch.tensor(sizes) - 1
    return ids


def test_every_feature_has_its_own_row():
    """Looking up all features of all fields gives the whole table, each row once."""
    embedding = Embedding(SIZES, 5, generator=seeded())
    ids = example(40)
    x = embedding(ids)
    assert x.shape == (40, 4, 5)
    starts = [0, 4, 6, 13]
    for b in range(40):
        for f in range(4):
            assert torch.equal(x[b, f], embedding.weight[starts[f] + int(ids[b, f])])
    rows = torch.cat([embedding.field(f) for f in range(4)])
    assert torch.equal(rows, embedding.weight) and embedding.weight.shape == (16, 5)
    for f, size in enumerate(SIZES):
        assert embedding.field(f).shape == (size, 5)
        assert torch.equal(embedding.field(f)[-1], x[1, f])


def test_linear_is_a_sum_of_weights():
    linear = Linear(SIZES)
    ids = example(8)
    assert torch.equal(linear(ids), torch.zeros(8))
    with torch.no_grad():
        linear.bias.fill_(0.5)
        linear.weights.weight.copy_(torch.arange(16.0)[:, None])
    starts = torch.tensor([0, 4, 6, 13])
    assert torch.equal(linear(ids), 0.5 + (ids + starts).sum(1))


def test_sparse_gradients_are_the_dense_ones():
    """Only the batch's rows are stored, a row that occurs twice with both its shares."""
    dense = Embedding(SIZES, 3, generator=seeded())
    sparse = Embedding(SIZES, 3, sparse=True, generator=seeded())
    assert torch.equal(dense.weight, sparse.weight)
    ids = example(2)
    for embedding in (dense, sparse):
        embedding(ids).square().sum().backward()
    assert sparse.weight.grad.is_sparse and not dense.weight.grad.is_sparse
    torch.testing.assert_close(sparse.weight.grad.to_dense(), dense.weight.grad)
    assert sparse.weight.grad.coalesce().indices().numel() == 8  # of 16 rows


def test_the_table_starts_as_asked():
    table = Embedding((20_000,), 10, std=0.03, generator=seeded(3)).weight
    assert abs(table.std().item() / 0.03 - 1) < 0.01 and abs(table.mean().item()) < 3e-4
    assert torch.equal(table, Embedding((20_000,), 10, std=0.03, generator=seeded(3)).weight)
    assert not torch.equal(table, Embedding((20_000,), 10, std=0.03, generator=seeded(4)).weight)
    assert len(table.unique(dim=0)) == 20_000
    assert not Embedding(SIZES, 2, std=0.0).weight.any()
    assert abs(Embedding((20_000,), 10, generator=seeded(3)).weight.std().item() / 0.01 - 1) < 0.01


def test_pairs_are_all_pairs_once():
    for n in (2, 3, 7):
        found = [tuple(p) for p in pairs(n).T.tolist()]
        assert found == [(f, g) for f in range(n) for g in range(f + 1, n)]


def test_products_and_scores_by_loops():
    x = vectors(3, 5, 4)
    products, scores = pair_products(x), pair_scores(x)
    assert products.shape == (3, 10, 4) and scores.shape == (3, 10)
    for b in range(3):
        for p, (f, g) in enumerate(pairs(5).T.tolist()):
            for d in range(4):
                assert products[b, p, d] == x[b, f, d] * x[b, g, d]
            inner = math.fsum((x[b, f] * x[b, g]).tolist())
            assert abs(scores[b, p].item() - inner) < 1e-13


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 3), st.integers(2, 12), st.integers(1, 6), st.integers(0, 99))
def test_square_of_the_sum_is_the_sum_over_pairs(batch, n_fields, dim, seed):
    """The identity of FM, coordinate by coordinate, against two nested loops."""
    x = vectors(batch, n_fields, dim, seed=seed)
    expected = torch.zeros(batch, dim, dtype=F64)
    for f in range(n_fields):
        for g in range(f + 1, n_fields):
            expected += x[:, f] * x[:, g]
    torch.testing.assert_close(bi_interaction(x), expected, atol=1e-12, rtol=1e-12)


def test_identity_with_small_numbers():
    """1, 2, 3: 1*2 + 1*3 + 2*3 = 11 = (36 - 14) / 2."""
    assert bi_interaction(torch.tensor([[[1.0], [2.0], [3.0]]])).item() == 11.0


def test_gradient_of_the_identity():
    """d/dx_f of the sum over pairs is the sum of the others."""
    x = vectors(2, 5, 3).requires_grad_()
    bi_interaction(x).sum().backward()
    torch.testing.assert_close(x.grad, x.detach().sum(1, keepdim=True) - x.detach())


def test_checks_can_be_turned_off():
    """Unchecked, an id beyond its field reads the next field's first row: the silent error."""
    embedding = Embedding(SIZES, 3, checked=False, generator=seeded())
    wrong = torch.tensor([[4, 0, 0, 0]])
    assert torch.equal(embedding(wrong)[0, 0], embedding.field(1)[0])
    with pytest.raises(ValueError, match="ids of field 0 must be 0 to 3, got 4 to 4"):
        Embedding(SIZES, 3)(wrong)


GOOD = example(3)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (GOOD[:, :3], r"ids must be \(B, 4\), not empty, got \(3, 3\)"),
        (GOOD[0], r"got \(4,\)"),
        (GOOD[:0], r"not empty, got \(0, 4\)"),
        (GOOD.double(), "whole numbers, int64 or int32, got torch.float64"),
        (GOOD.bool(), "got torch.bool"),
        (GOOD - 1, "ids of field 0 must be 0 to 3, got -1 to"),
        (GOOD + torch.tensor([0, 0, 5, 0]), "ids of field 2 must be 0 to 6"),
    ],
)
def test_bad_ids_are_refused(ids, message):
    with pytest.raises(ValueError, match=message):
        check_ids(ids, SIZES)
    for module in (Embedding(SIZES, 2), Linear(SIZES)):
        with pytest.raises(ValueError, match=message):
            module(ids)


def test_small_ids_are_accepted_as_int32():
    embedding = Embedding(SIZES, 2, generator=seeded())
    assert torch.equal(embedding(GOOD.int()), embedding(GOOD))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_vectors_that_are_not_finite_are_refused(value):
    embedding = Embedding(SIZES, 2, generator=seeded())
    with torch.no_grad():
        embedding.weight[4, 1] = value
    with pytest.raises(ValueError, match="vectors must be finite"):
        embedding(torch.zeros(1, 4, dtype=torch.int64))
    embedding(torch.tensor([[0, 1, 0, 0]]))  # not in the batch


@pytest.mark.parametrize("sizes", [(), (3, 0), (3, -1), (3, 2.0), (True,), ("a",)])
def test_bad_sizes_are_refused(sizes):
    with pytest.raises(
        ValueError,
        match=r"sizes must be one or more|every size must be a whole number of at least 1",
    ):
        check_sizes(sizes)
    with pytest.raises(ValueError, match=r"sizes must be|every size must be"):
        Embedding(sizes, 2)


def test_sizes_may_be_a_tensor():
    assert check_sizes(torch.tensor(SIZES)) == SIZES
    assert Embedding(torch.tensor(SIZES), 2).sizes == SIZES


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dim": 0}, "dim must be a positive whole number, got 0"),
        ({"dim": 2.0}, "dim must be"),
        ({"dim": 2, "std": -1.0}, "std must be >= 0"),
        ({"dim": 2, "std": math.nan}, "std must be >= 0"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Embedding(SIZES, **settings)


@pytest.mark.parametrize("f", [-1, 4])
def test_a_field_that_is_not_there(f):
    with pytest.raises(ValueError, match="f must be 0 to 3"):
        Embedding(SIZES, 2).field(f)


@pytest.mark.parametrize("function", [pair_products, pair_scores, bi_interaction])
@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.zeros(3, 2), r"x must be floats \(B, F, D\)"),
        (torch.zeros(3, 2, 0), "not empty"),
        (torch.zeros(0, 2, 3), "not empty"),
        (torch.zeros(3, 2, 3, dtype=torch.int64), "floats"),
        (torch.zeros(3, 1, 3), "at least 2 fields, got 1"),
    ],
)
def test_bad_vectors_are_refused(function, x, message):
    with pytest.raises(ValueError, match=message):
        function(x)


@pytest.mark.parametrize("n", [1, 0, -2, 2.0])
def test_too_few_fields_have_no_pairs(n):
    with pytest.raises(ValueError, match="n_fields must be a whole number >= 2"):
        pairs(n)
