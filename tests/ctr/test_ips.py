"""Inverse propensities in worlds small enough to list every log that could have been."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.ctr import ips

F64 = torch.float64
REWARD = torch.tensor([0.9, 0.5, 0.1], dtype=F64)  # chance of a click for each of three actions


def worlds(logged, n):
    """Every log of n rows of (action, click) with its probability."""
    one = [
        (a, c, logged[a].item() * (REWARD[a].item() if c else 1 - REWARD[a].item()))
        for a in range(3)
        for c in (0, 1)
    ]
    for rows in itertools.product(one, repeat=n):
        actions = torch.tensor([a for a, _, _ in rows])
        clicks = torch.tensor([c for _, c, _ in rows], dtype=F64)
        yield actions, clicks, math.prod(p for _, _, p in rows)


def policy(*weights):
    w = torch.tensor(weights, dtype=F64)
    return w / w.sum()


@settings(max_examples=10, deadline=None)
@given(st.lists(st.floats(0.1, 1), min_size=6, max_size=6))
def test_ips_is_unbiased_with_the_variance_stated(draws):
    """Mean and variance over all logs of two rows; also of the squared standard error."""
    logged, target = policy(*draws[:3]), policy(*draws[3:])
    truth = (target * REWARD).sum().item()
    mean = second = stated = 0.0
    for actions, clicks, chance in worlds(logged, 2):
        value, error = ips.ips(clicks, ips.importance(target[actions], logged[actions]))
        mean, second = mean + chance * value, second + chance * value**2
        stated += chance * error**2
    assert mean == pytest.approx(truth)
    variance = ((target**2 / logged * REWARD).sum().item() - truth**2) / 2
    assert second - mean**2 == pytest.approx(variance)
    assert stated == pytest.approx(variance)


def test_clipping_is_biased_by_what_it_cuts():
    """Bias = -sum of logged x (w - clip)+ x reward, over all logs of two rows."""
    logged, target = policy(8, 1, 1), policy(1, 1, 8)
    mean = sum(
        chance * ips.ips(clicks, ips.importance(target[a], logged[a], clip=2.0))[0]
        for a, clicks, chance in worlds(logged, 2)
    )
    truth = (target * REWARD).sum()
    cut = (logged * (target / logged - 2).clamp_min(0) * REWARD).sum()
    assert mean == pytest.approx((truth - cut).item()) and cut > 0.05
    w = ips.importance(target, logged, clip=2.0)
    torch.testing.assert_close(w, torch.tensor([1 / 8, 1, 2.0], dtype=F64))


def test_self_normalised_is_consistent_and_bounded():
    """Number by number; indifferent to a factor; between the rewards; right for equal rewards."""
    rewards, weights = torch.tensor([1.0, 0.0, 1.0]), torch.tensor([1.0, 2.0, 5.0])
    value, error = ips.self_normalised(rewards, weights)
    assert value == pytest.approx(6 / 8)
    spread = (1 * 0.25) ** 2 + (2 * 0.75) ** 2 + (5 * 0.25) ** 2
    assert error == pytest.approx(math.sqrt(spread) / 8)
    assert ips.self_normalised(rewards, 7 * weights) == pytest.approx((value, error))
    assert ips.self_normalised(torch.full((3,), 0.3), weights)[0] == pytest.approx(0.3)
    assert ips.ips(torch.full((3,), 0.3), weights)[0] == pytest.approx(0.8)


def test_self_normalised_bias_shrinks():
    logged, target = policy(3, 1, 1), policy(1, 1, 3)
    truth, biases = (target * REWARD).sum().item(), []
    for n in (2, 4):
        mean = sum(
            chance * ips.self_normalised(clicks, target[a] / logged[a])[0]
            for a, clicks, chance in worlds(logged, n)
        )
        biases.append(abs(mean - truth))
    assert biases[1] < 0.75 * biases[0]


def test_effective_size():
    """Equal weights count fully, one heavy row counts as one; Kish's ratio of variances."""
    assert ips.effective_size(torch.full((50,), 3.0)) == pytest.approx(50)
    heavy = torch.zeros(50)
    heavy[7] = 2.0
    assert ips.effective_size(heavy) == pytest.approx(1)
    w = torch.rand(50, generator=torch.Generator().manual_seed(0), dtype=F64)
    share = w / w.sum()  # variance of a weighted mean of unit-variance rows is the sum of squares
    assert ips.effective_size(w) == pytest.approx(1 / (share**2).sum().item())


@pytest.mark.parametrize("with_propensity", [False, True])
def test_rates_by_item_row_by_row(with_propensity):
    g = torch.Generator().manual_seed(0)
    items = torch.randint(6, (300,), generator=g)
    items[items == 4], items[0] = 3, 4  # shown once
    look = 0.2 + 0.8 * torch.rand(300, generator=g, dtype=F64)
    clicks = (torch.rand(300, generator=g, dtype=F64) < 0.4 * look).double()
    rates, errors = ips.by_item(clicks, items, 7, look if with_propensity else None)
    for item in (0, 1, 2, 3, 5):
        part = (clicks / look if with_propensity else clicks)[items == item]
        assert rates[item].item() == pytest.approx(part.mean().item())
        assert errors[item].item() == pytest.approx(part.std().item() / len(part) ** 0.5)
    assert rates[4].isnan() and rates[6].isnan() and errors[4].isnan()


def test_position_bias_is_undone_on_average():
    """An item of relevance r at positions of examination t: E[c / t] = r, Var = r E[1/t] - r^2."""
    relevance, look, share = (
        0.6,
        policy(1, 1, 1) * 0 + torch.tensor([1.0, 0.5, 0.2]),
        policy(1, 2, 7),
    )
    mean = second = naive = 0.0
    for t, s in zip(look.tolist(), share.tolist(), strict=True):
        for click, chance in ((1.0, relevance * t), (0.0, 1 - relevance * t)):
            pair = torch.tensor([click, click], dtype=F64)
            rate, _ = ips.by_item(pair, torch.tensor([0, 0]), 1, torch.full((2,), t, dtype=F64))
            mean, second = mean + s * chance * rate.item(), second + s * chance * rate.item() ** 2
            naive += s * chance * click
    assert mean == pytest.approx(relevance) and naive < 0.3 * 0.6 + 0.03
    variance = relevance * (share / look).sum().item() - relevance**2
    assert second - mean**2 == pytest.approx(variance)


def test_bad_input():
    r, w = torch.rand(5, generator=torch.Generator().manual_seed(0)), torch.ones(5)
    i = torch.arange(5)
    for call, match in (
        (lambda: ips.importance(w, r[:2]), "logged must be as target"),
        (lambda: ips.importance(w[:0], r[:0]), "target must be .* not empty"),
        (lambda: ips.importance(2 * w, w), "target must be"),
        (lambda: ips.importance(w * math.nan, w), "target must be"),
        (lambda: ips.importance(w, 0 * w), r"logged must be in \(0, 1\]"),
        (lambda: ips.importance(w, w, clip=0.0), "clip must be positive"),
        (lambda: ips.ips(r, w[:2]), "weights must be as rewards"),
        (lambda: ips.ips(r[:1], w[:1]), "B >= 2"),
        (lambda: ips.ips(r * math.nan, w), "finite"),
        (lambda: ips.ips(r, -w), "at least 0"),
        (lambda: ips.self_normalised(r, 0 * w), "not all 0"),
        (lambda: ips.effective_size(0 * w), "not all 0"),
        (lambda: ips.by_item(r, i, 4), "items must be 0 to 3"),
        (lambda: ips.by_item(r, i[:2], 5), "items must be"),
        (lambda: ips.by_item(r, i, 5, 0 * w), r"propensity must be in \(0, 1\]"),
    ):
        with pytest.raises(ValueError, match=match):
            call()


R, W, ITEM = torch.full((3,), 0.5), torch.ones(3), torch.arange(3)


def last(x, value):
    """x with this value in its last row only."""
    changed = x.clone()
    changed[-1] = value
    return changed


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ips.importance(R[None], R[None]), r"target must be \(B,\), got \(1, 3\)"),
        (lambda: ips.importance(last(R, -0.1), R), "target must be prob"),
        (lambda: ips.importance(last(R, 1.1), R), "target must be prob"),
        (lambda: ips.importance(R, last(R, 0.0)), "logged must be in"),
        (lambda: ips.importance(R, last(R, 1.1)), "logged must be in"),
        (lambda: ips.importance(R, last(R, math.nan)), "logged must be in"),
        (lambda: ips.importance(R, R, clip=math.nan), "clip must be positive"),
        (lambda: ips.ips(R[None], W[None]), r"rewards must be \(B,\), got \(1, 3\)"),
        (lambda: ips.ips(last(R, math.inf), W), "rewards must be finite"),
        (lambda: ips.ips(R, last(W, math.inf)), "weights must be finite"),
        (lambda: ips.ips(R, last(W, -1.0)), "weights must be at least 0, got -1"),
        (lambda: ips.by_item(R, last(ITEM, -1), 3), "items must be 0 to 2, got -1"),
        (lambda: ips.by_item(R, last(ITEM, 3), 3), "items must be 0 to 2, got 3"),
        (lambda: ips.by_item(R, ITEM[:1], 3), r"items must be as clicks, \(3,\), got \(1,\)"),
        (lambda: ips.by_item(R, ITEM, 3, last(W, 0.0)), "propensity must be in"),
        (lambda: ips.by_item(R, ITEM, 3, last(W, 1.1)), "propensity must be in"),
    ],
)
def test_each_bad_input_has_its_words(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_two_rows_and_the_ends_of_the_range_are_enough():
    assert ips.ips(torch.tensor([0.0, 1.0]), torch.tensor([0.0, 2.0])) == pytest.approx((1.0, 1.0))
    assert ips.importance(torch.tensor([0.0, 1.0]), torch.ones(2)).tolist() == [0, 1]
    assert ips.effective_size(torch.tensor([0.0, 2.0])) == 1
