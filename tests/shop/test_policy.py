"""Plackett-Luce against all orderings and against frequencies."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_shop import generator

from helpers.shop import policy

SCORES = [0.3, -1.0, 1.2, 0.0]


def by_hand(scores, order):
    """Probability of an order's first items, slot by slot, in plain Python."""
    weights, found = [math.exp(s) for s in scores], []
    for i in order:
        found.append(weights[i] / sum(weights))
        weights[i] = 0.0
    return found


def test_propensity_of_every_ordering():
    orders = list(itertools.permutations(range(4), 3))
    scores = torch.tensor(SCORES).expand(len(orders), 4)
    found = policy.propensity(scores, torch.tensor(orders))
    expected = torch.tensor([by_hand(scores[0].tolist(), o) for o in orders], dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)
    assert found.prod(1).sum().item() == pytest.approx(1, abs=1e-12)


def test_lists_come_as_often_as_their_propensity_says():
    n = 200_000
    scores = torch.tensor(SCORES, dtype=torch.float64).expand(n, 4)
    choice, propensity = policy.plackett_luce(scores, 3, generator=generator())
    assert torch.equal(propensity, policy.propensity(scores, choice))
    code = (choice * torch.tensor([16, 4, 1])).sum(1)
    counts = code.bincount(minlength=64)
    for order in itertools.permutations(range(4), 3):
        p = math.prod(by_hand(SCORES, order))
        count = counts[order[0] * 16 + order[1] * 4 + order[2]].item()
        assert abs(count - n * p) < 5 * math.sqrt(n * p * (1 - p)), order


def test_what_must_not_be_shown_is_not():
    scores = torch.tensor([[0.0, -torch.inf, 1.0, 2.0]]).expand(500, 4)
    choice, propensity = policy.plackett_luce(scores, 3, generator=generator())
    assert (choice != 1).all()
    without = policy.propensity(scores[:, [0, 2, 3]], choice - (choice > 1).long())
    torch.testing.assert_close(propensity, without)
    torch.testing.assert_close(propensity[:, 2], torch.ones(500, dtype=torch.float64))


def test_scores_far_apart_stay_exact():
    """The last of the slots must not lose its digits to the large weights above it."""
    found = policy.propensity(torch.tensor([[40.0, 0.0, -1.0]]).double(), torch.tensor([[0, 1]]))
    assert found[0, 1].item() == pytest.approx(1 / (1 + math.exp(-1)), rel=1e-12)


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=6), st.integers(0, 99), st.data())
def test_any_scores(scores, seed, data):
    k = data.draw(st.integers(1, len(scores)))
    scores = torch.tensor([scores])
    choice, propensity = policy.plackett_luce(scores, k, generator=generator(seed))
    assert len(set(choice[0].tolist())) == k
    assert ((propensity > 0) & (propensity <= 1)).all()
    expected = by_hand(scores[0].tolist(), choice[0].tolist())
    assert propensity[0].tolist() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("scores", "k", "said"),
    [
        (torch.zeros(2), 1, r"floats \(B, M\)"),
        (torch.zeros(2, 3, dtype=torch.long), 1, "floats"),
        (torch.zeros(0, 3), 1, "floats"),
        (torch.tensor([[0.0, torch.nan]]), 1, "NaN"),
        (torch.tensor([[0.0, torch.inf]]), 1, "NaN or"),
        (torch.zeros(1, 3), 4, r"k must be in 1 .. 3"),
        (torch.zeros(1, 3), 0, "k must be"),
        (torch.tensor([[0.0, -torch.inf]]), 2, r"1 .. 1"),
        (torch.tensor([[0.0, 1.0, 2.0], [0.0, -torch.inf, -torch.inf]]), 2, r"1 .. 1, .* got 2"),
        (torch.tensor([[0.0, 1.0], [torch.nan, 1.0]]), 1, "NaN"),
        (torch.tensor([[0.0, 1.0], [1.0, torch.inf]]), 1, r"got \+inf"),
    ],
)
def test_bad_scores(scores, k, said):
    with pytest.raises(ValueError, match=said):
        policy.plackett_luce(scores, k)
