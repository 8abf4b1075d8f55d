"""Toy targets: their exact densities against quadrature, a finer rule, and their own samples."""

import itertools
import math

import pytest
import torch
from scipy import integrate, stats

from helpers.toy import GaussianMixture, TwoMoons, equal_volume_floor


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


MEANS = torch.tensor([[0.0, 1.0], [2.0, -1.0], [-1.5, 0.5]], dtype=torch.float64)
WEIGHTS = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)


def test_mixture_density():
    mixture = GaussianMixture(MEANS, 0.4, WEIGHTS)
    x = 2 * torch.randn(20, 2, generator=generator(), dtype=torch.float64)
    expected = sum(
        w.item() * stats.multivariate_normal(m.numpy(), 0.16).pdf(x.numpy())
        for m, w in zip(MEANS, WEIGHTS, strict=True)
    )
    torch.testing.assert_close(mixture.log_prob(x).exp(), torch.from_numpy(expected))


def test_mixture_samples():
    mixture = GaussianMixture(MEANS, 0.4, WEIGHTS)
    x = mixture.sample(40000, generator())
    torch.testing.assert_close(x.mean(0), WEIGHTS @ MEANS, atol=0.03, rtol=0)
    second = (WEIGHTS[:, None, None] * MEANS[:, :, None] * MEANS[:, None, :]).sum(0)
    expected = second + 0.16 * torch.eye(2) - torch.outer(WEIGHTS @ MEANS, WEIGHTS @ MEANS)
    torch.testing.assert_close(x.T.cov(correction=0), expected, atol=0.05, rtol=0)


@pytest.mark.parametrize("std", [0.08, 0.1, 0.3])
def test_moons_density_is_exact(std):
    """Against adaptive quadrature over the angle, one arc after the other, from the definition."""
    moons = TwoMoons(std)
    x = moons.sample(12, generator()).double()

    def integrand(angle, point, which):
        sign = 1 if which == 0 else -1
        at = (sign * (math.cos(angle) - 0.5), sign * (math.sin(angle) - 0.25))
        square = (point[0] - at[0]) ** 2 + (point[1] - at[1]) ** 2
        return math.exp(-square / (2 * std**2)) / (2 * math.pi * std**2)

    for point, found in zip(x.tolist(), moons.log_prob(x).exp().tolist(), strict=True):
        arcs = [
            integrate.quad(integrand, 0, math.pi, args=(point, w), limit=200, epsabs=1e-12)[0]
            for w in (0, 1)
        ]
        assert found == pytest.approx(sum(arcs) / (2 * math.pi), rel=1e-9)


def test_moons_quadrature_error():
    x = 1.3 * TwoMoons().sample(4000, generator()).double()
    coarse, fine = TwoMoons(0.08).log_prob(x), TwoMoons(0.08, n_nodes=500).log_prob(x)
    assert (coarse - fine).abs().max() < 1e-10


def test_moons_integrate_to_one():
    axis = torch.linspace(-3, 3, 601, dtype=torch.float64)
    density = TwoMoons().log_prob(torch.cartesian_prod(axis, axis)).exp()
    assert density.sum().item() * 0.01**2 == pytest.approx(1, abs=1e-6)


def test_moons_samples_follow_the_density():
    """Chi-square of 40,000 samples against the density integrated over a coarse grid."""
    moons, n, m = TwoMoons(), 40000, 16
    x = moons.sample(n, generator(1))
    edges = torch.linspace(-2.4, 2.4, m + 1)
    counts = torch.histogramdd(x, [edges, edges]).hist
    fine = torch.linspace(-2.4, 2.4, 24 * m + 1, dtype=torch.float64)
    centre = (fine[1:] + fine[:-1]) / 2
    mass = moons.log_prob(torch.cartesian_prod(centre, centre)).exp() * (fine[1] - fine[0]) ** 2
    mass = mass.view(m, 24, m, 24).sum((1, 3))
    common = mass * n > 10
    chi2 = ((counts - n * mass) ** 2 / (n * mass))[common].sum().item()
    assert stats.chi2(common.sum().item() - 1).sf(chi2) > 0.01


def cells(extent, n):
    axis = (torch.arange(n, dtype=torch.float64) + 0.5) * (2 * extent / n) - extent
    return torch.cartesian_prod(axis, axis), (2 * extent / n) ** 2


def test_equal_volume_floor_in_closed_form():
    """0 for a Gaussian of any shape; 1 - log 2 for a uniform density of any shape."""
    points, area = cells(8.0, 1000)
    for cov in ([[1.0, 0.0], [0.0, 1.0]], [[2.0, 0.6], [0.6, 0.3]]):
        log_p = torch.from_numpy(stats.multivariate_normal(cov=cov).logpdf(points.numpy()))
        assert equal_volume_floor(log_p, area) == pytest.approx(0, abs=1e-4)
    inside = (points.abs() < torch.tensor([3.0, 0.5])).all(1) | ((points - 4).norm(dim=1) < 1)
    log_p = torch.where(inside, -math.log(inside.sum() * area), -math.inf)
    assert equal_volume_floor(log_p, area) == pytest.approx(1 - math.log(2), abs=1e-4)


def test_equal_volume_floor_is_the_best_rearrangement():
    """By brute force: every way to lay the levels of a scaled Gaussian on 6 cells, every scale."""
    mass = torch.tensor([0.05, 0.3, 0.1, 0.25, 0.2, 0.1], dtype=torch.float64)
    area = 1.0
    enclosed = torch.arange(6, dtype=torch.float64) + 0.5
    best = math.inf
    for scale in torch.linspace(0.05, 2, 300, dtype=torch.float64):
        levels = scale.log() - scale * enclosed
        for order in itertools.permutations(range(6)):
            best = min(best, (mass * (mass.log() - levels[list(order)])).sum().item())
    assert equal_volume_floor(mass.log(), area) == pytest.approx(best, abs=1e-4)


def test_bad_input():
    for call in (
        lambda: equal_volume_floor(torch.zeros(3, 3), 1.0),
        lambda: equal_volume_floor(torch.full((3,), math.nan), 1.0),
        lambda: equal_volume_floor(torch.zeros(3), 0.0),
        lambda: equal_volume_floor(torch.zeros(3), 1.0),
    ):
        with pytest.raises(ValueError, match="got"):
            call()
    for call in (
        lambda: TwoMoons(0.0),
        lambda: TwoMoons().sample(0),
        lambda: GaussianMixture(MEANS, -1.0),
        lambda: GaussianMixture(MEANS[0], 1.0),
        lambda: GaussianMixture(MEANS, 1.0, torch.ones(3)),
        lambda: GaussianMixture(MEANS * math.nan, 1.0),
    ):
        with pytest.raises(ValueError, match="got"):
            call()
