"""The training loop: minibatches cover the data, Adam finds a known minimum, NaN is named."""

import itertools
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


def steps_of(**options):
    """The way of one weight of slope 1 under Adam, whose steps are then lr long each."""
    weight = torch.zeros((), requires_grad=True)
    way = [0.0]

    def loss(batch):
        way.append(weight.item())
        return weight * batch

    fit(loss, [weight], [torch.tensor(1.0)] * 4, **options)
    return [a - b for a, b in itertools.pairwise([*way[1:], weight.item()])]


def test_steps_are_a_thousandth_long_and_stay_so_unless_told():
    assert steps_of() == pytest.approx([1e-3] * 4, rel=1e-4) == steps_of(lr=1e-3)
    assert steps_of(lr=0.5) == pytest.approx([0.5] * 4, rel=1e-4)


def test_with_a_number_of_steps_they_shorten_along_half_a_cosine():
    expected = [0.1 * (1 + math.cos(math.pi * k / 4)) / 2 for k in range(4)]
    assert steps_of(lr=0.1, n_steps=4) == pytest.approx(expected, rel=1e-4)


def test_a_gradient_is_clipped_to_the_norm_that_is_given():
    """Seen in Adam's first moment by what a later, smaller gradient does to the step."""
    seen = []
    weight = torch.zeros(2, requires_grad=True)
    weight.register_hook(lambda _: None)

    class Spy(torch.optim.AdamW):
        def step(self, *given):
            seen.append(weight.grad.norm().item())
            return super().step(*given)

    batches = [torch.tensor([30.0, 40.0]), torch.tensor([0.3, 0.4])]
    original, torch.optim.AdamW = torch.optim.AdamW, Spy
    try:
        fit(lambda b: (weight * b).sum(), [weight], batches, clip=5.0)
        fit(lambda b: (weight * b).sum(), [weight], batches)
    finally:
        torch.optim.AdamW = original
    assert seen == pytest.approx([5.0, 0.5, 50.0, 0.5], rel=1e-4)


def test_a_loss_that_is_not_finite_ends_the_run_within_a_hundred_steps():
    asked = []

    def loss(batch):
        asked.append(0)
        return (weight * 0 + batch).sum()

    weight = torch.ones(1, requires_grad=True)
    batches = [torch.tensor(1.0 if step != 3 else math.nan) for step in range(500)]
    with pytest.raises(FloatingPointError, match=r"became nan at step 3$"):
        fit(loss, [weight], batches)
    assert len(asked) == 101


def test_vectors_alone_and_matrices_alone_can_be_trained():
    for shape in ((2, 2), (2,), (), (2, 1, 2)):
        weight = torch.ones(shape, requires_grad=True)
        fit(lambda b, w=weight: 0 * w.sum(), iter([weight]), [torch.zeros(1)], weight_decay=1.0)
        decays = len(shape) >= 2
        assert torch.allclose(weight, torch.full(shape, 1 - 1e-3 if decays else 1.0))
