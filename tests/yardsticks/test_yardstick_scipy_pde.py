"""The heat equation against scipy: second differences in x, solve_ivp in time (method of lines)."""

import numpy as np
import pytest
import torch
from scipy import integrate, sparse

from helpers.flows import heat
from helpers.flows.toy import GaussianMixture


def lines(p0, spacing, tau):
    """p at heat time tau on a periodic grid, by the method of lines; implicit, for it is stiff."""
    n = len(p0)
    ring = sparse.diags_array(
        [1.0, 1.0, -2.0, 1.0, 1.0], offsets=[1 - n, -1, 0, 1, n - 1], shape=(n, n)
    )
    half = (ring / (2 * spacing**2)).tocsc()
    solved = integrate.solve_ivp(
        lambda t, p: half @ p, (0, tau), p0, method="BDF", jac=half, rtol=1e-9, atol=1e-11
    )
    assert solved.success
    return solved.y[:, -1]


def start(n, width=16.0):
    x = (torch.arange(n, dtype=torch.float64) - n // 2) * (width / n)
    means = torch.tensor([[-1.5], [1.0]], dtype=torch.float64)
    return GaussianMixture(means, 0.5).log_prob(x[:, None]).exp(), width / n


@pytest.mark.parametrize("tau", [0.2, 1.0])
def test_same_solution_as_the_method_of_lines(tau):
    """The difference is scipy's error in space, and falls with the square of the spacing."""
    errors = []
    for n in (128, 256, 512):
        p0, spacing = start(n)
        ours = heat.spread(p0, spacing, tau).numpy()
        errors.append(np.abs(ours - lines(p0.numpy(), spacing, tau)).max())
    assert errors[-1] < 2e-4
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.15)
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.15)


def test_same_solution_where_both_are_exact():
    """On the waves of the grid itself scipy's Laplacian is known: no error in space is left."""
    n, spacing, tau = 64, 0.25, 0.3
    x = torch.arange(n, dtype=torch.float64) * spacing
    for k in (1, 5):
        omega = 2 * np.pi * k / (n * spacing)
        wave = torch.cos(omega * x)
        slowed = (2 - 2 * np.cos(omega * spacing)) / spacing**2  # what differences see of w^2
        theirs = lines(wave.numpy(), spacing, tau)
        ours = heat.spread(wave, spacing, tau * slowed / omega**2).numpy()
        assert np.abs(ours - theirs).max() < 1e-7
