"""FTRL-proximal against its own definition: the minimum of all the past, found by scipy."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from helpers.ctr.ftrl import FTRL

F64 = torch.float64
SETTINGS = {"alpha": 0.3, "beta": 0.7, "l1": 0.4, "l2": 0.2}


def stream(n, n_features, width, seed=0):
    """Rows of distinct features, values, labels."""
    g = torch.Generator().manual_seed(seed)
    ids = torch.rand(n, n_features, generator=g).argsort(1)[:, :width]
    values = 0.2 + torch.rand(n, width, generator=g, dtype=F64)
    return ids, values, (torch.rand(n, generator=g) < 0.4).double()


class Oracle:
    """Keeps the whole past of every feature and minimises its objective numerically."""

    def __init__(self, n_features, alpha, beta, l1, l2):
        self.alpha, self.beta, self.l1, self.l2 = alpha, beta, l1, l2
        self.past = [[] for _ in range(n_features)]  # (gradient, weight then, sigma)

    def weight(self, i):
        g = sum(gradient for gradient, _, _ in self.past[i])

        def objective(w):
            near = sum(s * (w - w_then) ** 2 for _, w_then, s in self.past[i]) / 2
            size = (self.l2 + self.beta / self.alpha) * w * w / 2
            return g * w + near + self.l1 * abs(w) + size

        options = {"xatol": 1e-12, "maxiter": 500}
        pieces = ((-20.0, 0.0), (0.0, 20.0))  # smooth on each side of 0
        found = [
            minimize_scalar(objective, bounds=side, method="bounded", options=options).x
            for side in pieces
        ]
        return min([*found, 0.0], key=lambda w: (objective(w), abs(w)))

    def step(self, ids, values, label):
        w = [self.weight(i) for i in ids]
        u = sum(a * v for a, v in zip(w, values, strict=True))
        for i, v, w_now in zip(ids, values, w, strict=True):
            g = (1 / (1 + math.exp(-u)) - label) * v
            before = sum(gradient**2 for gradient, _, _ in self.past[i])
            sigma = (math.sqrt(before + g * g) - math.sqrt(before)) / self.alpha
            self.past[i].append((g, w_now, sigma))
        return u


def test_weights_are_the_minimum_of_all_the_past():
    """Row by row: the logits before learning, and at the end every weight."""
    ids, values, labels = stream(40, 6, 3)
    model, oracle = FTRL(6, **SETTINGS), Oracle(6, **SETTINGS)
    for row in range(40):
        u = model.step(ids[row : row + 1], labels[row : row + 1], values[row : row + 1])
        expected = oracle.step(ids[row].tolist(), values[row].tolist(), labels[row].item())
        assert u.item() == pytest.approx(expected, abs=1e-5)
    expected = torch.tensor([oracle.weight(i) for i in range(6)], dtype=F64)
    torch.testing.assert_close(model.weights(), expected, atol=1e-5, rtol=0)
    assert (model.weights() == 0).any() and (model.weights() != 0).any()


@settings(max_examples=60, deadline=None)
@given(
    z=st.floats(-3, 3),
    n=st.floats(0, 9),
    l1=st.floats(0, 2),
    l2=st.floats(0, 2),
    alpha=st.floats(0.05, 1),
    beta=st.floats(0, 2),
)
def test_soft_threshold(z, n, l1, l2, alpha, beta):
    """z w + c w^2 / 2 + l1 |w| is least at the weight: its slope changes sign there."""
    model = FTRL(1, alpha=alpha, beta=beta, l1=l1, l2=l2)
    model.z[0], model.n[0] = z, n
    c = (beta + math.sqrt(n)) / alpha + l2
    if c < 1e-3:
        return
    w = model.weights().item()
    if w == 0:
        assert abs(z) <= l1 + 1e-12
    else:
        assert z + c * w + math.copysign(l1, w) == pytest.approx(0, abs=1e-9)


def test_first_step_by_hand():
    """One row, label 1: g = -1/2, sigma = 1/2 / alpha, z = -1/2, n = 1/4."""
    model = FTRL(3, alpha=0.5, beta=1.0, l1=0.1)
    u = model.step(torch.tensor([[2]]), torch.tensor([1.0]))
    assert u.item() == 0 and model.z.tolist() == [0, 0, -0.5] and model.n.tolist() == [0, 0, 0.25]
    expected = 0.4 / ((1 + 0.5) / 0.5)
    torch.testing.assert_close(model.weights(), torch.tensor([0, 0, expected], dtype=F64))
    assert model.logits(torch.tensor([[2], [0]])).tolist() == [pytest.approx(expected), 0]


def test_a_batch_is_one_example_with_the_summed_gradient():
    """Two rows with the same features and labels move z as one row of double value would."""
    ids, labels = torch.tensor([[0, 1], [0, 1]]), torch.ones(2)
    model = FTRL(2, **SETTINGS)
    model.step(ids, labels)
    assert model.z.tolist() == [-1.0, -1.0] and model.n.tolist() == [1.0, 1.0]
    torch.testing.assert_close(model.weights(torch.tensor([1, 0])), model.weights().flip(0))


def test_repeated_features_of_a_row_add_up():
    one, other = FTRL(2), FTRL(2)
    one.step(torch.tensor([[0, 0]]), torch.tensor([1.0]))
    other.step(torch.tensor([[0]]), torch.tensor([1.0]), torch.tensor([[2.0]]))
    torch.testing.assert_close(one.weights(), other.weights())


def test_l1_makes_zeros_and_more_l1_more_of_them():
    ids, values, labels = stream(400, 60, 8)
    counts = []
    for l1 in (0.0, 0.5, 2.0, 1e9):
        model = FTRL(60, l1=l1)
        for rows in torch.arange(400).split(10):
            model.step(ids[rows], labels[rows], values[rows])
        counts.append(int((model.weights() != 0).sum()))
    assert counts[0] == 60 and counts[3] == 0 and counts[0] > counts[1] > counts[2] > 0


def test_bad_input():
    ids, values, y = stream(5, 6, 3)
    model = FTRL(6)
    for call, match in (
        (lambda: FTRL(0), "n_features"),
        (lambda: FTRL(2, alpha=0.0), "alpha must be > 0"),
        (lambda: FTRL(2, l1=-1.0), "l1 must be >= 0, got -1.0"),
        (lambda: model.logits(ids[0]), r"ids must be whole numbers \(B, F\)"),
        (lambda: model.logits(ids.double()), "whole numbers"),
        (lambda: model.logits(ids + 1), "ids must be 0 to 5, got 1 to 6"),
        (lambda: FTRL(2, beta=-1.0), "beta must be >= 0, got -1.0"),
        (lambda: FTRL(2, l2=-1.0), "l2 must be >= 0, got -1.0"),
        (lambda: FTRL(2, alpha=math.nan), "alpha must be > 0"),
        (lambda: model.logits(ids[:0]), "not empty"),
        (lambda: model.logits(ids.bool()), "whole numbers"),
        (lambda: model.logits(ids - 1), "ids must be 0 to 5, got -1 to 4"),
        (lambda: model.logits(ids, values[:, :1]), "values must be as ids"),
        (lambda: model.logits(ids, values * math.nan), "values must be finite"),
        (lambda: model.step(ids, y[:2]), r"labels must be \(5,\), got \(2,\)"),
        (lambda: model.step(ids, y + 1), "labels must be 0 or 1"),
    ):
        with pytest.raises(ValueError, match=match):
            call()
    assert (model.z == 0).all()


def test_what_is_not_said_is_alpha_a_tenth_beta_one_and_no_penalty():
    model = FTRL(1)
    model.z[0], model.n[0] = -3.0, 4.0
    assert model.weights().tolist() == [pytest.approx(3 / ((1 + 2) / 0.1))]
