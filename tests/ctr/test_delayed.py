"""Delayed feedback against quadrature over all delays."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.ctr import delayed

F64 = torch.float64
P, RATE, AGE = st.floats(0.02, 0.98), st.floats(0.2, 3), st.floats(0.1, 4)


def one(x):
    return torch.tensor([x], dtype=F64)


def logit(p):
    return one(math.log(p / (1 - p)))


def likelihood(p, rate, label, time):
    """What the helper says, as a density (label 1) or a probability (label 0), for times (n,)."""
    time = torch.as_tensor(time, dtype=F64).reshape(-1)
    label = torch.full_like(time, label)
    each = [
        delayed.delayed_loss(logit(p), one(math.log(rate))[0], y[None], t[None])
        for y, t in zip(label, time, strict=True)
    ]
    return (-torch.stack(each)).exp()


def times(age, n=200):
    return (torch.arange(n, dtype=F64) + 0.5) * age / n


@settings(max_examples=8, deadline=None)
@given(p=P, rate=RATE, age=AGE)
def test_reported_and_silent_add_up_to_one(p, rate, age):
    reported = likelihood(p, rate, 1.0, times(age)).mean() * age
    assert (reported + likelihood(p, rate, 0.0, age)[0]).item() == pytest.approx(1, abs=5e-4)


def test_likelihood_number_by_number():
    """p = 1/2, rate 2: silence until 1 has 1/2 + e^-2 / 2; a report after 1/4 has e^(-1/2)."""
    assert likelihood(0.5, 2.0, 0.0, 1.0).item() == pytest.approx(0.5 + 0.5 * math.exp(-2))
    assert likelihood(0.5, 2.0, 1.0, 0.25).item() == pytest.approx(math.exp(-0.5))


@settings(max_examples=6, deadline=None)
@given(p=P, rate=RATE, age=AGE)
def test_expected_slope_is_zero_at_the_truth(p, rate, age):
    """Over all delays, by quadrature: what makes the estimate consistent."""
    u, v = logit(p).requires_grad_(), one(math.log(rate)).requires_grad_()
    n = 200
    t = torch.cat((times(age, n), one(age)))
    y = torch.ones(n + 1, dtype=F64)
    y[-1] = 0
    weight = torch.cat((p * rate * (-rate * t[:n]).exp() * age / n, one(0.0)))
    weight[-1] = 1 - weight.sum()
    loss = sum(
        w * delayed.delayed_loss(u, v, y[k : k + 1], t[k : k + 1]) for k, w in enumerate(weight)
    )
    slopes = torch.autograd.grad(loss, (u, v))
    assert all(s.abs().item() < 5e-4 for s in slopes)


@settings(max_examples=30, deadline=None)
@given(p=P, rate=RATE, age=AGE)
def test_reweighted_labels_have_the_right_mean(p, rate, age):
    """Reported by now with probability p (1 - e^(-rate age)); naive is short by that factor."""
    chance = p * rate * (-rate * times(age)).exp().mean().item() * age  # quadrature
    value = delayed.reweight(torch.ones(1, dtype=F64), one(age), rate).item()
    assert chance * value == pytest.approx(p, rel=1e-3)
    assert delayed.reweight(torch.zeros(1), one(age), rate).item() == 0


def test_observe_number_by_number():
    delay = torch.tensor([0.5, 3.0, math.inf, 2.0])
    label, time = delayed.observe(delay, torch.tensor([2.0, 2.0, 2.0, 2.0]))
    assert label.tolist() == [1, 0, 0, 1] and time.tolist() == [0.5, 2, 2, 2]


def test_rate_and_probability_are_found_again():
    """40,000 clicks of ages up to 3: naive is far off, the likelihood within 4 standard errors."""
    g = torch.Generator().manual_seed(0)
    buys = torch.rand(40_000, generator=g, dtype=F64) < 0.3
    delay = -torch.rand(40_000, generator=g, dtype=F64).log() / 0.5
    age = 3 * torch.rand(40_000, generator=g, dtype=F64) + 1e-3
    label, time = delayed.observe(torch.where(buys, delay, math.inf), age)
    found = torch.zeros(2, dtype=F64, requires_grad=True)
    optimizer = torch.optim.LBFGS([found], max_iter=60, line_search_fn="strong_wolfe")

    def loss():
        optimizer.zero_grad()
        value = delayed.delayed_loss(found[0].expand(40_000), found[1], label, time)
        value.backward()
        return value

    optimizer.step(loss)
    assert abs(found[0].sigmoid().item() - 0.3) < 0.04
    assert abs(found[1].exp().item() - 0.5) < 0.08
    assert label.mean() < 0.2
    assert delayed.reweight(label, age, 0.5).mean().item() == pytest.approx(0.3, abs=0.03)


def test_loss_stays_finite_where_nothing_is_likely():
    loss = delayed.delayed_loss(
        torch.tensor([90.0, -90.0]), torch.tensor(3.0), torch.tensor([0.0, 1.0]),
        torch.tensor([40.0, 0.1]),
    )  # fmt: skip
    assert loss.isfinite()


def test_bad_input():
    t = torch.tensor([1.0, 2.0])
    u, v, y = torch.zeros(2), torch.tensor(0.0), torch.tensor([0.0, 1.0])
    for call, match in (
        (lambda: delayed.observe(t, t[:1]), "age must be as delay"),
        (lambda: delayed.observe(t[:0], t[:0]), "delay must be .* not empty"),
        (lambda: delayed.observe(-t, t), "at least 0"),
        (lambda: delayed.observe(t * math.nan, t), "at least 0"),
        (lambda: delayed.observe(t, t * math.inf), "age must be finite"),
        (lambda: delayed.reweight(y, 0 * t, 1.0), "age must be positive"),
        (lambda: delayed.reweight(y, t, 0.0), "rate must be positive"),
        (lambda: delayed.delayed_loss(u, v, y[:1], t), "labels must be as logits"),
        (lambda: delayed.delayed_loss(u, t[:1].expand(3), y, t), "log_rate"),
        (lambda: delayed.delayed_loss(u, v, y + 1, t), "labels must be 0 or 1"),
        (lambda: delayed.delayed_loss(u, v, y, t * math.inf), "time must be finite"),
    ):
        with pytest.raises(ValueError, match=match):
            call()


T, U, Y, V = torch.tensor([1.0, 2.0]), torch.zeros(2), torch.tensor([0.0, 1.0]), torch.tensor(0.0)
LATER = torch.tensor([1.0, -1.0])  # bad in its second row only
NAN = torch.tensor([1.0, math.nan])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: delayed.observe(T[None], T[None]), r"delay must be \(B,\), got \(1, 2\)"),
        (lambda: delayed.observe(LATER, T), "delay must be at least 0, got -1"),
        (lambda: delayed.observe(NAN, T), "delay must be at least 0"),
        (lambda: delayed.observe(T, LATER), "age must be at least 0, got -1"),
        (lambda: delayed.observe(T, NAN), "age must be at least 0"),
        (lambda: delayed.reweight(Y, T[:1], 1.0), r"age must match labels \(2,\), got \(1,\)"),
        (lambda: delayed.reweight(Y, LATER, 1.0), "age must be positive, got -1"),
        (lambda: delayed.reweight(Y, T, T[:1]), r"rate must be a number or \(2,\), got \(1,\)"),
        (lambda: delayed.reweight(Y, T, LATER), "rate must be positive, got -1"),
        (lambda: delayed.delayed_loss(U[None], V, Y[None], T[None]), r"logits must be \(B,\)"),
        (lambda: delayed.delayed_loss(U, V, Y[:1], T), "labels must be as logits"),
        (lambda: delayed.delayed_loss(U, V, Y, T[:1]), "time must be as logits"),
        (lambda: delayed.delayed_loss(U[:0], V, Y[:0], T[:0]), "logits must be .* not empty"),
        (lambda: delayed.delayed_loss(U, T[:1], Y, T), r"log_rate must be a scalar or \(2,\)"),
        (lambda: delayed.delayed_loss(U, V, LATER, T), "labels must be 0 or 1"),
        (lambda: delayed.delayed_loss(U, V, Y, LATER), "time must be at least 0, got -1"),
        (lambda: delayed.delayed_loss(U, V, Y, NAN), "time must be at least 0"),
        (lambda: delayed.delayed_loss(U, V, Y, T / (1 - Y)), "time must be finite"),
    ],
)
def test_each_bad_input_has_its_words(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_edges_are_allowed():
    """A report at the age itself counts; times of 0 are times; each row may have its own rate."""
    label, time = delayed.observe(torch.tensor([2.0, 0.0]), torch.tensor([2.0, 0.0]))
    assert label.tolist() == [1, 1] and time.tolist() == [2, 0]
    weighed = delayed.reweight(torch.ones(2), T, torch.tensor([1.0, 3.0]))
    expected = [1 / (1 - math.exp(-1)), 1 / (1 - math.exp(-6))]
    assert weighed.tolist() == pytest.approx(expected)
    loss = delayed.delayed_loss(U, torch.tensor([0.0, 0.7]), torch.ones(2), torch.zeros(2))
    assert loss.item() == pytest.approx(math.log(2) - 0.35)  # p and rate alone, at time 0
