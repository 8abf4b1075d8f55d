"""Metrics of clicks against comparisons of all pairs and formulas in float64."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.ctr import metrics

F64 = torch.float64


def pairs_won(scores, labels):
    """AUC by comparing every clicked with every unclicked row."""
    ones, zeros = scores[labels == 1], scores[labels == 0]
    apart = ones[:, None] - zeros[None]
    return ((apart > 0).double() + 0.5 * (apart == 0).double()).mean().item()


def rows(n, n_values, seed=0):
    """Scores with ties, labels that follow them, groups."""
    g = torch.Generator().manual_seed(seed)
    scores = torch.randint(n_values, (n,), generator=g).double()
    labels = (torch.rand(n, generator=g) < 0.2 + 0.6 * scores / n_values).long()
    return scores, labels, torch.randint(9, (n,), generator=g) * 7 - 20


def test_log_loss_number_by_number():
    """y = 1 at p = .8 and y = 0 at p = .4: -(log .8 + log .6) / 2; a fraction is a mixture."""
    logits = torch.tensor([math.log(4), math.log(2 / 3)], dtype=F64)
    loss = metrics.log_loss(logits, torch.tensor([1, 0]))
    assert loss.item() == pytest.approx(-(math.log(0.8) + math.log(0.6)) / 2)
    half = metrics.log_loss(logits[:1], torch.tensor([0.25]))
    assert half.item() == pytest.approx(-0.25 * math.log(0.8) - 0.75 * math.log(0.2))


def test_slope_of_log_loss_is_the_error():
    """The derivative by a logit is (p - y) / B."""
    logits = torch.linspace(-4, 4, 9, dtype=F64).requires_grad_()
    labels = torch.tensor([0, 1, 0, 1, 1, 0, 0, 1, 1])
    metrics.log_loss(logits, labels).backward()
    p = 1 / (1 + (-logits.detach()).exp())
    torch.testing.assert_close(logits.grad, (p - labels) / 9)


def test_log_loss_survives_sure_and_wrong():
    loss = metrics.log_loss(torch.tensor([800.0, -800.0]), torch.tensor([0, 1]))
    assert loss.item() == 800.0


@settings(max_examples=40, deadline=None)
@given(p=st.floats(0.01, 0.99), q=st.floats(0.01, 0.99))
def test_log_loss_is_proper(p, q):
    """Expected loss of q where clicks come with p exceeds that of p by KL(p, q) >= 0."""
    truth, other = (torch.tensor([math.log(x / (1 - x))], dtype=F64) for x in (p, q))
    label = torch.tensor([p], dtype=F64)
    extra = metrics.log_loss(other, label) - metrics.log_loss(truth, label)
    kl = p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))
    assert extra.item() == pytest.approx(kl, abs=1e-12) and kl >= -1e-15


def test_normalised_entropy_of_the_mean_rate_is_one():
    labels = torch.tensor([1] * 3 + [0] * 97)
    logits = torch.full((100,), math.log(3 / 97))
    assert metrics.normalised_entropy(logits, labels) == pytest.approx(1, abs=1e-6)
    better = logits + 0.7 * (labels - 0.03)
    h = -(0.03 * math.log(0.03) + 0.97 * math.log(0.97))
    expected = metrics.log_loss(better.double(), labels).item() / h
    assert metrics.normalised_entropy(better, labels) == pytest.approx(expected)
    assert expected < 1


@pytest.mark.parametrize("n_values", [2, 5, 1000])
def test_auc_is_the_share_of_pairs_won(n_values):
    scores, labels, _ = rows(300, n_values)
    assert metrics.auc(scores, labels) == pytest.approx(pairs_won(scores, labels), abs=1e-12)
    assert metrics.auc(-scores, labels) == pytest.approx(1 - pairs_won(scores, labels), abs=1e-12)


def test_auc_of_one_score_is_a_half_and_sees_order_only():
    scores, labels, _ = rows(100, 7)
    assert metrics.auc(torch.zeros(100), labels) == 0.5
    assert metrics.auc(scores.exp() + 3, labels) == metrics.auc(scores, labels)


@pytest.mark.parametrize("n_values", [2, 40])
def test_gauc_is_a_mean_over_mixed_groups(n_values):
    scores, labels, groups = rows(400, n_values)
    labels[groups == groups.max()] = 0  # a group without an AUC
    total, weight = 0.0, 0
    for group in groups.unique():
        mine = groups == group
        if 0 < labels[mine].sum() < mine.sum():
            total += pairs_won(scores[mine], labels[mine]) * mine.sum().item()
            weight += mine.sum().item()
    assert weight < len(scores)
    assert metrics.gauc(scores, labels, groups) == pytest.approx(total / weight, abs=1e-12)
    one = torch.zeros(400, dtype=torch.long)
    assert metrics.gauc(scores, labels, one) == pytest.approx(metrics.auc(scores, labels))


def test_gauc_ignores_what_differs_between_groups_only():
    scores, labels, groups = rows(400, 40)
    shifted = scores + 1000.0 * groups
    assert metrics.gauc(shifted, labels, groups) == pytest.approx(
        metrics.gauc(scores, labels, groups), abs=1e-12
    )


def test_bad_input():
    s, y, g = rows(20, 5)
    for call, match in (
        (lambda: metrics.auc(s, y[:3]), r"labels must be \(B,\) as scores"),
        (lambda: metrics.auc(s, 0 * y + 1), "a 0 and a 1, got no 0"),
        (lambda: metrics.gauc(s, 0 * y + 1, g), "none among"),
        (lambda: metrics.log_loss(s, y - 0.5), r"in \[0, 1\]"),
        (lambda: metrics.log_loss(s, y * math.nan), r"in \[0, 1\]"),
        (lambda: metrics.normalised_entropy(s, 0 * y + 1), "a 0 and a 1"),
        (lambda: metrics.auc(s[:0], y[:0]), "not empty"),
        (lambda: metrics.auc(s[None], y[None]), r"must be \(B,\)"),
        (lambda: metrics.auc(s * math.nan, y), "finite"),
        (lambda: metrics.auc(s, y + 1), "0 or 1"),
        (lambda: metrics.auc(s, 0 * y), "a 0 and a 1"),
        (lambda: metrics.gauc(s, y, g[:3]), "groups must be"),
        (lambda: metrics.gauc(s, y, g.double()), "groups must be whole"),
        (lambda: metrics.gauc(s, 0 * y, g), "none among"),
        (lambda: metrics.log_loss(s, y * 2), r"in \[0, 1\]"),
        (lambda: metrics.log_loss(s * math.inf, y), "finite"),
        (lambda: metrics.normalised_entropy(s, 0 * y), "a 0 and a 1"),
        (lambda: metrics.normalised_entropy(s, y / 2), "0 or 1"),
    ):
        with pytest.raises(ValueError, match=match):
            call()
