"""The refusals that all rooms share: both ends of a range count, and True is no number."""

import math

import pytest
import torch

from helpers import checks


@pytest.mark.parametrize(("value", "least", "most"), [(1, 1, 3), (3, 1, 3), (10**9, 2, math.inf)])
def test_a_whole_number_in_its_range_comes_back(value, least, most):
    assert checks.whole("k", value, least, most) == value


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (0, "k must be a whole number from 1 to 3, got 0"),
        (4, "k must be a whole number from 1 to 3, got 4"),
        (True, "k must be a whole number from 1 to 3, got True, a bool"),
        (2.0, r"k must be a whole number from 1 to 3, got 2\.0, a float"),
    ],
)
def test_what_is_no_such_number_is_refused(value, complaint):
    with pytest.raises(ValueError, match=f"^{complaint}$"):
        checks.whole("k", value, 1, 3)


def test_one_is_the_least_unless_told():
    with pytest.raises(ValueError, match=r"^n must be a whole number of at least 1, got 0$"):
        checks.whole("n", 0)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_one_number_that_is_not_finite_is_enough(bad):
    x = torch.tensor([[0.0, 1.0], [2.0, bad]])
    with pytest.raises(ValueError, match=r"^the score must be finite"):
        checks.finite(x, "the score")
    assert checks.finite(x[:1]) is not None


def test_a_velocity_is_blamed_unless_told():
    with pytest.raises(ValueError, match=r"^velocity\(x, t\) must be finite"):
        checks.finite(torch.tensor([math.nan]))


def test_a_range_without_an_end_is_told_of_by_its_start():
    assert checks.whole("n", 5, 5, 5) == 5 and checks.whole("n", 1) == 1
    with pytest.raises(ValueError, match=r"^n must be a whole number of at least 5, got 4$"):
        checks.whole("n", 4, 5)
