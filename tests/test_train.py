"""The training loop: minibatches cover the data, Adam finds a known minimum, NaN is named."""

import math

import pytest
import torch

from helpers.train import fit, minibatches


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_every_pass_sees_every_sample_once():
    data = torch.arange(12)
    batches = list(minibatches(data, 4, 6, generator()))
    assert len(batches) == 6
    first, second = torch.cat(batches[:3]), torch.cat(batches[3:])
    assert torch.equal(first.sort().values, data) and torch.equal(second.sort().values, data)
    assert not torch.equal(first, second)
    again = torch.cat(list(minibatches(data, 4, 6, generator())))
    assert torch.equal(torch.cat(batches), again)


def test_fit_finds_the_least_squares_solution():
    x = torch.randn(200, 3, generator=generator())
    y = x @ torch.tensor([1.0, -2.0, 0.5]) + 0.1 * torch.randn(200, generator=generator(1))
    weight = torch.zeros(3, requires_grad=True)
    pairs = torch.cat([x, y[:, None]], 1)
    losses = fit(
        lambda b: (b[:, :3] @ weight - b[:, 3]).square().mean(),
        [weight],
        minibatches(pairs, 200, 800, generator()),
        lr=0.05,
        n_steps=800,
    )
    torch.testing.assert_close(weight, torch.linalg.lstsq(x, y).solution, atol=1e-4, rtol=0)
    assert len(losses) == 800 and losses[-1] < losses[0]


def test_weight_decay_spares_vectors():
    matrix, vector = (torch.ones(2, 2, requires_grad=True), torch.ones(2, requires_grad=True))
    batches = [torch.zeros(1)] * 10
    fit(lambda b: 0 * (matrix.sum() + vector.sum()), [matrix, vector], batches, weight_decay=1.0)
    assert torch.equal(vector, torch.ones(2))
    assert matrix.max().item() == pytest.approx((1 - 1e-3) ** 10, rel=1e-5)


@pytest.mark.parametrize("bad", [0, 5, 45])
def test_nan_is_named(bad):
    weight = torch.ones(1, requires_grad=True)
    batches = [torch.tensor(math.nan if step == bad else 1.0) for step in range(46)]
    with pytest.raises(FloatingPointError, match=f"became nan at step {bad}$"):
        fit(lambda b: (weight * 0 + b).sum(), [weight], batches)


def test_bad_batch_size():
    for size in (0, 13):
        with pytest.raises(ValueError, match=f"N = 12, got {size}"):
            next(minibatches(torch.arange(12), size, 1))


def test_decay_and_clipping_are_off_unless_told():
    matrix = torch.ones(2, 2, requires_grad=True)
    fit(lambda b: 0 * matrix.sum(), [matrix], [torch.zeros(1)] * 3)
    assert torch.equal(matrix, torch.ones(2, 2))


def test_the_last_smaller_batch_is_left_out():
    batches = list(minibatches(torch.arange(10), 4, 4, generator()))
    assert [len(b) for b in batches] == [4, 4, 4, 4]
    assert len(torch.cat(batches[:2]).unique()) == len(torch.cat(batches[2:]).unique()) == 8
    (whole,) = minibatches(torch.arange(3), 3, 1, generator())
    assert whole.sort().values.tolist() == [0, 1, 2]


def test_no_batches_no_losses():
    assert fit(lambda b: b.sum(), [torch.ones(1, requires_grad=True)], []) == []


def test_an_infinite_loss_is_named():
    weight = torch.ones(1, requires_grad=True)
    with pytest.raises(FloatingPointError, match=r"became inf at step 1$"):
        fit(lambda b: (weight * 0 + b).sum(), [weight], [torch.tensor(v) for v in (1.0, math.inf)])
