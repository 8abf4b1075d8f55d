"""Multiplications are counted as one would on paper."""

import pytest
import torch

from helpers.counting import multiplications, parameters
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
