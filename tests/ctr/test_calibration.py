"""Calibration against enumeration, brute force in float64 and autograd."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from helpers.ctr import calibration as cal

F64 = torch.float64


def clicks(n, slope=1.0, offset=0.0, seed=0):
    """Logits u, distorted by a line, and labels drawn with the undistorted probability."""
    g = torch.Generator().manual_seed(seed)
    u = 1.3 * torch.randn(n, generator=g, dtype=F64) - 1
    labels = (torch.rand(n, generator=g, dtype=F64) < u.sigmoid()).long()
    return slope * u + offset, labels


# Reliability --------------------------------------------------------------------------------------


def test_reliability_row_by_row():
    """Bins of equal numbers, by sorting; all different predictions."""
    p, y = torch.rand(103, generator=torch.Generator().manual_seed(0), dtype=F64), clicks(103)[1]
    mean_p, mean_y, count = cal.reliability(p, y, 7)
    order, start = p.argsort(), [k * 103 // 7 for k in range(8)]
    for k in range(7):
        rows = order[start[k] : start[k + 1]]
        assert count[k] == len(rows)
        assert mean_p[k].item() == pytest.approx(p[rows].mean().item())
        assert mean_y[k].item() == pytest.approx(y[rows].double().mean().item())
    gap = sum(abs(y[r].double().sum() - p[r].sum()).item() for r in
              (order[start[k] : start[k + 1]] for k in range(7)))  # fmt: skip
    assert cal.ece(p, y, 7) == pytest.approx(gap / 103)


def test_equal_predictions_share_a_bin():
    p = torch.tensor([0.1] * 50 + [0.2] * 30 + [0.9] * 20, dtype=F64)
    y = torch.tensor([1] * 20 + [0] * 30 + [1] * 3 + [0] * 27 + [1] * 20)
    mix = torch.randperm(100, generator=torch.Generator().manual_seed(0))
    assert cal.ece(p, y, 10) == pytest.approx(cal.ece(p[mix], y[mix], 10))
    mean_p, mean_y, count = cal.reliability(p[mix], y[mix], 10)
    assert count.tolist() == [50, 30, 20]
    torch.testing.assert_close(mean_p, torch.tensor([0.1, 0.2, 0.9], dtype=F64))
    torch.testing.assert_close(mean_y, torch.tensor([0.4, 0.1, 1.0], dtype=F64))
    assert cal.ece(p, y, 10) == pytest.approx(0.5 * 0.3 + 0.3 * 0.1 + 0.2 * 0.1)


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.5])
def test_floor_is_the_mean_error_of_a_perfect_model(rate):
    """Five bins of 400 equal predictions each: E|binomial mean - rate|, summed exactly."""
    rates = torch.tensor([rate * k / 5 for k in range(1, 6)], dtype=F64)
    exact = sum(
        sum(binom.pmf(k, 400, r) * abs(k / 400 - r) for k in range(401)) for r in rates.tolist()
    )
    p = rates.repeat_interleave(400)
    assert cal.ece_floor(p, 5) == pytest.approx(exact / 5, rel=0.01)


def test_floor_of_mixed_bins_by_simulation():
    """Different predictions in a bin: their variances p (1 - p) add up."""
    p = clicks(4000)[0].sigmoid()
    g = torch.Generator().manual_seed(1)
    found = [
        cal.ece(p, (torch.rand(4000, generator=g, dtype=F64) < p).long(), 8) for _ in range(300)
    ]
    mean, error = sum(found) / 300, torch.tensor(found).std().item() / 300**0.5
    assert abs(cal.ece_floor(p, 8) - mean) < 4 * error + 0.01 * mean


# Platt --------------------------------------------------------------------------------------------


def test_platt_undoes_a_line():
    """Logits 2.5 u + 1.5: slope 0.4 and offset -0.6 within four standard errors."""
    logits, y = clicks(20_000, 2.5, 1.5)
    a, b = cal.platt(logits, y)
    assert abs(a - 0.4) < 0.03 and abs(b + 0.6) < 0.08


@pytest.mark.parametrize("smooth", [False, True])
def test_platt_is_where_the_likelihood_is_flat(smooth):
    logits, y = clicks(300, 2.0, -3.0)
    line = torch.tensor(cal.platt(logits, y, smooth=smooth), dtype=F64, requires_grad=True)
    n1 = int(y.sum())
    target = y.double()
    if smooth:
        target = torch.tensor([1 / (300 - n1 + 2), (n1 + 1) / (n1 + 2)], dtype=F64)[y]
    p = (line[0] * logits + line[1]).sigmoid()
    (-(target * p.log() + (1 - target) * (1 - p).log()).sum()).backward()
    assert line.grad.abs().max() < 1e-7


# Isotonic -----------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.integers(-5, 5), min_size=1, max_size=14),
    seed=st.integers(0, 99),
)
def test_pool_is_the_min_max_formula(values, seed):
    """The k-th value is the largest over starts i <= k of the least mean over ends j >= k."""
    y = torch.tensor(values, dtype=F64)
    w = 0.2 + torch.rand(len(y), generator=torch.Generator().manual_seed(seed), dtype=F64)

    def mean(i, j):
        return ((w * y)[i : j + 1].sum() / w[i : j + 1].sum()).item()

    n = len(y)
    expected = [max(min(mean(i, j) for j in range(k, n)) for i in range(k + 1)) for k in range(n)]
    torch.testing.assert_close(cal.pool(y, w), torch.tensor(expected, dtype=F64))
    assert cal.pool(y).diff().min() >= 0 if n > 1 else True


def test_pool_number_by_number():
    """1, 3, 2, 4: the 3 and the 2 are pooled."""
    y = torch.tensor([1.0, 3.0, 2.0, 4.0])
    assert cal.pool(y).tolist() == [1, 2.5, 2.5, 4]
    assert cal.pool(y.flip(0)).tolist() == [2.5] * 4


def test_isotonic_is_likeliest_among_rising_curves():
    """No rising step function on the same scores has a lower log loss than the pooled rates."""
    scores, y = clicks(60)
    x, p = cal.isotonic(scores, y)
    assert (x.diff() > 0).all() and (p.diff() >= 0).all()
    best = cal.interpolate(scores, x, p)

    def loss(q):
        return -(torch.where(y == 1, q, 1 - q).clamp_min(1e-300).log()).sum().item()

    g = torch.Generator().manual_seed(2)
    for _ in range(300):
        step = 0.2 * torch.rand(1, generator=g) * torch.randn(60, generator=g, dtype=F64)
        other = (best[scores.argsort()] + step).cummax(0).values.clamp(1e-9, 1 - 1e-9)
        q = torch.empty_like(best)
        q[scores.argsort()] = other
        assert loss(q) >= loss(best) - 1e-9


def test_isotonic_shares_ties_and_ignores_units():
    scores = torch.tensor([1.0, 1.0, 2.0, 3.0, 3.0, 3.0])
    y = torch.tensor([0, 1, 0, 1, 1, 0])
    x, p = cal.isotonic(scores, y)
    found = cal.interpolate(scores, x, p)
    third = torch.tensor([1 / 3] * 3 + [2 / 3] * 3, dtype=F64)
    torch.testing.assert_close(found, third)
    x, p = cal.isotonic(scores.exp() - 5, y)
    torch.testing.assert_close(cal.interpolate(scores.exp() - 5, x, p), third)


def test_interpolation_is_linear_and_flat_outside():
    x, p = torch.tensor([0.0, 1.0, 3.0], dtype=F64), torch.tensor([0.1, 0.2, 0.8], dtype=F64)
    at = torch.tensor([-9.0, 0.0, 0.5, 1.0, 2.0, 3.0, 9.0], dtype=F64)
    expected = torch.tensor([0.1, 0.1, 0.15, 0.2, 0.5, 0.8, 0.8], dtype=F64)
    torch.testing.assert_close(cal.interpolate(at, x, p), expected)
    assert cal.interpolate(at, x[:1], p[:1]).tolist() == [0.1] * 7


# Downsampling -------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(p=st.floats(0.001, 0.999), rate=st.floats(0.01, 1))
def test_restore_is_bayes_rule(p, rate):
    """Of 1 row, p clicked and rate (1 - p) kept others: the share of clicks, and back."""
    share = p / (p + rate * (1 - p))
    logit = torch.tensor([math.log(share / (1 - share))], dtype=F64)
    assert cal.restore(logit, rate).sigmoid().item() == pytest.approx(p)


def test_downsample_keeps_clicks_and_a_share_of_the_rest():
    labels = (torch.arange(40_000) % 4 == 0).long()
    rows = cal.downsample(labels, 0.1, generator=torch.Generator().manual_seed(0))
    assert (rows.diff() > 0).all()
    assert labels[rows].sum() == 10_000
    kept = len(rows) - 10_000
    assert abs(kept - 3000) < 5 * math.sqrt(30_000 * 0.1 * 0.9)
    again = cal.downsample(labels, 0.1, generator=torch.Generator().manual_seed(0))
    assert torch.equal(rows, again)
    assert torch.equal(cal.downsample(labels, 1.0), torch.arange(40_000))


def test_bad_input():
    u, y = clicks(30)
    p, knots = u.sigmoid(), torch.tensor([0.0, 1.0])
    for call, match in (
        (lambda: cal.reliability(u, y), "probabilities"),
        (lambda: cal.reliability(p, y[:4]), r"labels \(B,\)"),
        (lambda: cal.reliability(p, y + 1), "0 or 1"),
        (lambda: cal.reliability(p, y, 0), "n_bins must be at least 1"),
        (lambda: cal.ece(p[:0], y[:0]), "not empty"),
        (lambda: cal.ece(p * math.nan, y), "probabilities"),
        (lambda: cal.ece_floor(p[None]), "probabilities"),
        (lambda: cal.platt(u, 0 * y), "a 0 and a 1"),
        (lambda: cal.platt(u * math.inf, y), "finite"),
        (lambda: cal.platt(y.double(), y), "separate"),
        (lambda: cal.pool(u[:0]), "not empty"),
        (lambda: cal.pool(u * math.nan), "finite"),
        (lambda: cal.pool(u, 0 * u), "weights must be positive"),
        (lambda: cal.pool(u, u[:3]), "weights"),
        (lambda: cal.isotonic(u, y[:3]), r"labels \(B,\)"),
        (lambda: cal.interpolate(u, knots.flip(0), knots), "x must rise"),
        (lambda: cal.interpolate(u, knots, knots[:1]), "p must match x"),
        (lambda: cal.interpolate(u, knots[None], knots[None]), r"x must be \(K,\)"),
        (lambda: cal.interpolate(u, knots[:0], knots[:0]), "a knot, got none"),
        (lambda: cal.interpolate(u, 0 * knots, knots), "x must rise"),
        (lambda: cal.reliability(p[None], y[None]), r"probabilities \(B,\), got"),
        (lambda: cal.ece_floor(p - 0.5), r"probabilities in \[0, 1\]"),
        (lambda: cal.platt(u[None], y[None]), r"expected numbers \(B,\), got"),
        (lambda: cal.platt(u[:0], y[:0]), "not empty"),
        (lambda: cal.platt(u, y * 0 + 1), "a 0 and a 1"),
        (lambda: cal.pool(u[None]), r"values must be \(B,\), got"),
        (lambda: cal.pool(u, u.exp() * math.inf), "weights must be finite"),
        (lambda: cal.pool(u, u.exp()[:, None]), r"weights must be \(30,\), one a value"),
        (lambda: cal.downsample(y, 1.5), r"rate must be in \(0, 1\]"),
        (lambda: cal.downsample(y, 0.0), r"rate must be in \(0, 1\]"),
        (lambda: cal.downsample(y + 1, 0.5), "0 or 1"),
        (lambda: cal.restore(u, 1.5), r"rate must be in \(0, 1\]"),
    ):
        with pytest.raises(ValueError, match=match):
            call()


def test_the_ends_of_the_range_are_allowed_and_there_are_20_bins():
    p, y = torch.arange(41, dtype=F64) / 40, torch.arange(41) % 2
    assert len(cal.reliability(p, y)[2]) == 20
    assert cal.ece(p, y) == cal.ece(p, y, 20)
    assert cal.ece_floor(p) == cal.ece_floor(p, 20)
    u = torch.tensor([0.0, 1.0, 2.0, 3.0])
    assert cal.platt(u, torch.tensor([0, 1, 0, 1])) == cal.platt(
        u, torch.tensor([0, 1, 0, 1]), smooth=False
    )
