"""Multiplications are counted as one would on paper."""

import itertools

import pytest
import torch

from helpers.counting import auc, multiplications, parameters
from helpers.ctr.cross import CrossV1
from helpers.ctr.embedding import Embedding, bi_interaction, pair_products
from helpers.ctr.fm import FM
from helpers.nets import mlp


@pytest.mark.parametrize(("n", "dim"), [(2, 1), (10, 4), (50, 8)])
def test_the_identity_saves_multiplications(n, dim):
    """k (n + 2) against k n (n - 1) / 2: squares of n vectors and of the sum, and the half."""
    x = torch.ones(1, n, dim)
    assert multiplications(bi_interaction, x) == dim * (n + 2)
    assert multiplications(pair_products, x) == dim * n * (n - 1) // 2


def test_products_of_matrices():
    a, b = torch.ones(3, 4), torch.ones(4, 5)
    assert multiplications(torch.matmul, a, b) == 60
    assert multiplications(lambda: torch.einsum("bij,bjk->bik", a[None], b[None])) == 60
    assert multiplications(mlp([4, 5, 2]), a) == 3 * (20 + 10)


def test_products_with_a_vector():
    """They are no products of matrices to torch, and would count nothing."""
    # A layer of version 1: N for the inner product, N for its product with x_0.
    assert multiplications(CrossV1(6, 3), torch.ones(2, 6)) == 2 * 3 * (6 + 6)
    a, v = torch.ones(3, 4), torch.ones(4)
    assert multiplications(torch.matmul, a, v) == 12
    assert multiplications(torch.dot, v, v) == 4
    assert multiplications(lambda: torch.addmv(torch.ones(3), a, v)) == 12


def test_entry_by_entry():
    x = torch.ones(3, 4)
    assert multiplications(lambda: x * x + x / 2) == 24
    assert multiplications(lambda: x**2) == 12
    assert multiplications(lambda: (x[:1] * x).sum()) == 12  # the output's size, not an input's


def test_nothing_multiplied_is_refused():
    with pytest.raises(ValueError, match="no multiplication"):
        multiplications(lambda: torch.ones(3) + 1)


def test_parameters_count_what_is_shared_once():
    embedding = Embedding((3, 5), 4)
    assert parameters(FM(embedding)) == 8 * 4 + 8 + 1
    both = torch.nn.ModuleList([FM(embedding), FM(embedding)])
    assert parameters(both) == 8 * 4 + 2 * 9
    embedding.weight.requires_grad_(False)
    assert parameters(FM(embedding)) == 9


def pairs_in_order(score, positive, negative):
    """Share of the weight of pairs that a score orders rightly, pair by pair."""
    right = total = 0.0
    for i, j in itertools.permutations(range(len(score)), 2):
        weight = positive[i] * negative[j]
        total += weight
        right += weight * (1.0 if score[i] > score[j] else 0.5 if score[i] == score[j] else 0.0)
    return right / total


@pytest.mark.parametrize(
    ("score", "positive", "negative"),
    [
        ([1, 2, 3, 4], [0, 1, 0, 1], [1, 0, 1, 0]),
        ([5, 5, 5], [1, 0, 1], [0, 1, 0]),
        ([3, 1, 3, 2, 2], [0.1, 0.5, 0.9, 0.3, 1], [0.9, 0.5, 0.1, 0.7, 0]),
        ([-1, 7, 7, 0], [2, 1, 0, 3], [1, 4, 1, 0]),
    ],
)
def test_auc_pair_by_pair(score, positive, negative):
    found = auc(*(torch.tensor(x, dtype=torch.float64) for x in (score, positive, negative)))
    assert found == pytest.approx(pairs_in_order(score, positive, negative), abs=1e-12)


def test_auc_counts_weights_in_double_precision():
    score = torch.tensor([1.0, 2.0, 3.0])
    positive = torch.tensor([1.0, 1e-9, 0.5])
    negative = torch.tensor([0.1, 1.0, 0.7])
    expected = auc(score, positive.double(), negative.double())
    assert auc(score, positive, negative) == expected
    labels = torch.tensor([1, 0, 1])
    assert auc(score, labels, 1 - labels) == 0.5


def test_every_kind_of_multiplication_counts_and_gradients_are_off():
    x, y = torch.ones(3, 4), torch.ones(3, 4)
    modes = []
    assert multiplications(lambda: (modes.append(torch.is_grad_enabled()), x.square())) == 12
    assert modes == [False]
    assert multiplications(lambda: y.mul_(x)) == 12
    assert multiplications(lambda: y.div_(x)) == 12
    assert multiplications(lambda: x[:1] * x[:, :1]) == 12  # of the result's shape
    assert multiplications(lambda: torch.ones(1) * 2) == 1
