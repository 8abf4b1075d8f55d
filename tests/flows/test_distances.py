"""Distances between samples: against closed forms, brute force, scipy and POT."""

import itertools
import math

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import linalg, stats

from helpers.flows.distances import frechet, sliced_wasserstein, wasserstein


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def points(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def mixed(n, dim, seed):
    """Correlated points off the origin."""
    return points(n, dim, seed=seed) @ points(dim, dim, seed=seed + 50) + points(dim, seed=seed)


@pytest.mark.parametrize("dim", [1, 2, 7])
def test_frechet_is_its_formula(dim):
    """With scipy's square root of the product of the covariances, on correlated points."""
    x, y = mixed(60, dim, 1), mixed(90, dim, 2)
    c_x, c_y = (np.atleast_2d(np.cov(z.numpy().T)) for z in (x, y))
    root = linalg.sqrtm(c_x @ c_y).real
    shift = (x.mean(0) - y.mean(0)).square().sum().item()
    expected = shift + np.trace(c_x + c_y - 2 * root)
    assert frechet(x, y) == pytest.approx(expected, rel=1e-8)
    assert frechet(y, x) == pytest.approx(expected, rel=1e-8)


def test_frechet_in_closed_form():
    """Shifting by u gives |u|^2; scaling gaps by c gives (c - 1)^2 times the variance."""
    x, u = mixed(80, 5, 3), points(5, seed=9)
    assert frechet(x, x) == pytest.approx(0, abs=1e-9)
    assert frechet(x, x + u) == pytest.approx((u @ u).item())
    mean = x.mean(0)
    spread = x.var(0).sum().item()
    assert frechet(x, mean + 3 * (x - mean)) == pytest.approx(4 * spread)
    turn = torch.linalg.qr(points(5, 5)).Q
    y = mixed(70, 5, 4)
    assert frechet(x @ turn, y @ turn) == pytest.approx(frechet(x, y))


def test_frechet_is_the_gaussians_transport():
    """POT's distance between the fitted Gaussians, whose cost is squared."""
    x, y = mixed(60, 4, 1), mixed(50, 4, 2)
    c_x, c_y = x.T.cov(), y.T.cov()
    expected = ot.gaussian.bures_wasserstein_distance(
        *(z.numpy() for z in (x.mean(0), y.mean(0), c_x, c_y))
    )
    assert frechet(x, y) == pytest.approx(expected.item() ** 2)


def test_frechet_of_fewer_points_than_dimensions():
    """The covariances have no full rank; rotating into their span changes nothing."""
    x, y = points(3, 10, seed=1), points(4, 10, seed=2)
    basis = torch.linalg.qr(torch.cat((x, y)).T).Q  # 7 directions hold all of it
    assert frechet(x, y) == pytest.approx(frechet(x @ basis, y @ basis), rel=1e-6)


def test_frechet_survives_large_offsets():
    x, y = points(100, 3, seed=1), 2 * points(100, 3, seed=2)
    assert frechet(x + 1e4, y + 1e4) == pytest.approx(frechet(x, y), rel=1e-6)
    assert frechet(x.float(), y.float()) == pytest.approx(frechet(x, y), rel=1e-5)


@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, 3.0])
def test_wasserstein_is_the_best_pairing(p):
    """By brute force over all 720 pairings of six numbers, each column by itself."""
    x, y = points(6, 2, seed=1), 2 * points(6, 2, seed=2) + 1
    orders = torch.tensor(list(itertools.permutations(range(6))))
    costs = (x[None] - y[orders]).abs().pow(p).mean(1)  # (720, 2)
    torch.testing.assert_close(wasserstein(x, y, p), costs.amin(0).pow(1 / p))


def test_wasserstein_against_scipy():
    x, y = points(200, 3, seed=1), points(200, 3, seed=2).exp()
    expected = [stats.wasserstein_distance(a, b) for a, b in zip(x.T, y.T, strict=True)]
    torch.testing.assert_close(wasserstein(x, y, 1.0), torch.tensor(expected, dtype=x.dtype))
    assert wasserstein(x.float(), y.float()).dtype == torch.float64


def test_sliced_wasserstein_of_a_shift():
    """Shifted by u, a direction w sees |u.w|, whose mean square over directions is |u|^2 / D."""
    for dim in (1, 2, 8):
        x, u = points(50, dim), points(dim, seed=5)
        found = sliced_wasserstein(x, x + u, 50_000, generator())
        assert found == pytest.approx(u.norm().item() / math.sqrt(dim), rel=0.01)


def test_sliced_wasserstein_in_one_dimension():
    """Every direction is the one direction there is."""
    x, y = points(40, 1, seed=1), 3 * points(40, 1, seed=2)
    found = sliced_wasserstein(x, y, 3, generator())
    assert found == pytest.approx(wasserstein(x, y).item())
    assert sliced_wasserstein(x, x.flip(0), 3, generator()) == 0


def test_sliced_wasserstein_against_pot():
    """The same directions given to POT."""
    x, y = mixed(70, 4, 1), mixed(70, 4, 2)
    directions = torch.randn(4, 30, generator=generator(7), dtype=torch.float64)
    directions = directions / directions.norm(dim=0)
    expected = ot.sliced_wasserstein_distance(
        x.numpy(), y.numpy(), projections=directions.numpy(), p=2
    )
    assert sliced_wasserstein(x, y, 30, generator(7)) == pytest.approx(float(expected))


def test_sliced_wasserstein_comes_from_the_generator():
    x, y, before = points(20, 3), points(20, 3, seed=1), torch.get_rng_state()
    first, again = (sliced_wasserstein(x, y, 5, generator(3)) for _ in range(2))
    assert first == again != sliced_wasserstein(x, y, 5, generator(4))
    assert torch.equal(before, torch.get_rng_state())


FLOATS = st.floats(-1e3, 1e3)
SHAPES = st.lists(st.integers(0, 4), min_size=0, max_size=3).map(tuple)
DISTANCES = (frechet, sliced_wasserstein, wasserstein)


@given(
    hnp.arrays(np.float64, (5, 3), elements=FLOATS), hnp.arrays(np.float64, (5, 3), elements=FLOATS)
)
@settings(max_examples=60)
def test_a_distance_is_not_negative_and_has_no_order(x, y):
    x, y = torch.from_numpy(x), torch.from_numpy(y)
    for distance in (frechet, lambda a, b: sliced_wasserstein(a, b, 8, generator())):
        there, back = distance(x, y), distance(y, x)
        assert there >= 0 and there == pytest.approx(back, rel=1e-5, abs=1e-4)
        assert distance(x, x) == pytest.approx(0, abs=1e-4)
    assert torch.equal(wasserstein(x, y), wasserstein(y, x))


@given(SHAPES, SHAPES)
@settings(max_examples=150)
def test_any_shapes_are_measured_or_named(first, second):
    """Two samples (N, D) and (M, D) of two points or more; equally many where points are paired."""
    x, y = torch.ones(first), torch.ones(second)
    good = len(first) == len(second) == 2 and first[1] == second[1] and first[1] > 0
    good = good and min(first[0], second[0]) >= 2
    for distance in DISTANCES:
        if good and (first == second or distance is frechet):
            assert torch.as_tensor(distance(x, y)).abs().max() == 0
        else:
            with pytest.raises(ValueError, match=r"x and y must be .* got"):
                distance(x, y)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_numbers_that_are_none(distance, bad):
    x, y = points(4, 2), points(4, 2, seed=1)
    y[1, 1] = bad
    for pair in ((x, y), (y, x)):
        with pytest.raises(ValueError, match="x and y must be finite, got NaN or infinity"):
            distance(*pair)


def test_bad_options():
    x, y = points(4, 2), points(4, 2, seed=1)
    for p in (0.5, 0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="1 <= p < inf, got"):
            wasserstein(x, y, p)
    for n in (0, -1):
        with pytest.raises(ValueError, match=f"n_directions must be at least 1, got {n}"):
            sliced_wasserstein(x, y, n)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ((4,), (4,), r"\(N, D\) and \(M, D\)"),
        ((4, 2), (4, 2, 1), r"\(N, D\) and \(M, D\)"),
        ((4, 2, 1), (4, 2), r"\(N, D\) and \(M, D\)"),
        ((4, 2), (4, 1), "of one dimension D"),
        ((4, 0), (4, 0), "dimension 1 or more"),
        ((1, 2), (4, 2), "two points or more"),
        ((4, 2), (1, 2), "two points or more"),
    ],
)
def test_one_wrong_shape_at_a_time(first, second, message):
    with pytest.raises(ValueError, match=message):
        frechet(torch.ones(first), torch.ones(second))


def test_what_metrics_do_unless_told():
    """W_2, and 256 directions from the global generator."""
    x, y = points(9, 3), 2 * points(9, 3, seed=1)
    torch.testing.assert_close(wasserstein(x, y), wasserstein(x, y, 2.0), atol=0, rtol=0)
    expected = sliced_wasserstein(x, y, 256, generator(5))
    assert sliced_wasserstein(x, y, generator=generator(5)) == expected


def test_paired_points_are_equally_many():
    with pytest.raises(ValueError, match="must be alike, got"):
        wasserstein(points(4, 2), points(5, 2))
