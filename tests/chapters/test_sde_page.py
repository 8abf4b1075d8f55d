"""Equations of chapter 3 with the page's own code."""

import math
import re
from pathlib import Path

import pytest
import torch
from scipy import integrate, stats

from helpers.flows import distances, sde, toy

PAGE = (Path(__file__).parents[2] / "chapters/03_sde.md").read_text(encoding="utf-8")
VP = sde.VP()


def page(*names, **more):
    """The functions as they stand on the page, with what they use."""
    cells = re.findall(r"```\{code-cell\} ipython3\n(.*?)```", PAGE, re.DOTALL)
    scope = {"math": math, "torch": torch, "distances": distances, "sde": sde, "vp": VP, **more}
    scope |= {"double": torch.float64, "generator": torch.Generator().manual_seed(0)}
    for name in names:
        cell = next(c for c in cells if f"def {name}(" in c)
        exec(re.search(rf"def {name}\(.*?(?=\n\S|\Z)", cell, re.DOTALL).group(), scope)
    return [scope[name] for name in names] if len(names) > 1 else scope[names[0]]


def mixture():
    means = torch.tensor([[-1.0], [0.4], [1.5]], dtype=torch.float64)
    return toy.GaussianMixture(means, 0.3, torch.tensor([0.3, 0.5, 0.2], dtype=torch.float64))


def normal(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def test_steps_of_the_page():
    """Kernel, steps and velocity, against numbers worked out here."""
    kernel, ahead, back, velocity = page("vp_kernel", "step_forward", "step_back", "velocity")
    t, dt, x, eps = 0.4, 0.01, torch.tensor([[2.0]]).double(), torch.tensor([[-1.5]]).double()
    beta = 0.1 + 0.4 * 19.9
    area = integrate.quad(lambda u: 0.1 + u * 19.9, 0, t)[0]
    signal, noise = kernel(torch.tensor(t, dtype=torch.float64))
    assert signal.item() == pytest.approx(math.exp(-area / 2))
    assert noise.item() == pytest.approx(math.sqrt(1 - math.exp(-area)))
    kick = math.sqrt(beta) * 0.1 * -1.5
    assert ahead(x, t, dt, eps).item() == pytest.approx(2 - beta * 0.01 + kick)
    score = lambda x, t: 3 * x  # noqa: E731
    assert back(x, t, dt, score, eps).item() == pytest.approx(2 + 0.01 * (beta + beta * 6) + kick)
    assert velocity(x, t, score).item() == pytest.approx(-beta - beta * 3)


def test_likelihood_of_the_page():
    """(3.27) by the page's Euler, to the truth."""
    _, likelihood = page("velocity", "log_likelihood")
    target, x = mixture(), torch.tensor([[-1.2], [0.0], [1.0]], dtype=torch.float64)

    def score(x, t):
        return target.noised(VP.signal(t), VP.noise(t)).score(x)

    end = target.noised(VP.signal(1.0), VP.noise(1.0))
    found = likelihood(x, score, end.log_prob, n=400)
    torch.testing.assert_close(found, target.log_prob(x), rtol=0, atol=0.03)


def test_residual_of_the_page():
    """(3.17): next to nothing for the film, a lot for a film of another process."""
    target, sub = mixture(), sde.SubVP()

    def marginal(process, t):
        return target.noised(process.signal(t), process.noise(t))

    x, t = torch.linspace(-3, 3, 61, dtype=torch.float64)[:, None], torch.tensor(0.3).double()
    residual = page("residual", marginal=marginal)
    assert residual(VP, x, t) < 1e-6 and residual(sub, x, t) < 1e-6
    mixed = page("residual", marginal=lambda process, t: marginal(sub, t))
    assert mixed(VP, x, t) > 0.1


def test_quantiles_and_distance_of_the_page():
    """Equal masses by quadrature; W1 by scipy."""
    target = mixture()
    _, distance = both = page("quantiles", "distance", target=target)
    cuts = both[0](target, 8)[:, 0]

    def p(v):
        return target.log_prob(torch.tensor([[v]], dtype=torch.float64)).exp().item()

    for k, cut in enumerate(cuts.tolist()):
        assert integrate.quad(p, -5, cut, limit=200)[0] == pytest.approx((k + 0.5) / 8, abs=1e-7)
    x = target.sample(500, torch.Generator().manual_seed(1))
    reference = both[0](target, 500)
    expected = stats.wasserstein_distance(x[:, 0].numpy(), reference[:, 0].numpy())
    assert distance(x) == pytest.approx(expected, rel=1e-9)


def test_head_start_is_the_gaussian_score():
    """(3.30): -noise times autograd's gradient of the Gaussian p_t, a time for every row."""
    root, mean, x = normal(3, 3), normal(3, seed=1), normal(4, 3, seed=2)
    cov = root @ root.T + 0.1 * torch.eye(3).double()
    spread, axes = torch.linalg.eigh(cov)
    t = torch.tensor([0.05, 0.2, 0.6, 1.0], dtype=torch.float64)
    found = page("head_start")(x, t, mean, spread, axes)
    for b in range(4):
        a, s = VP.signal(t[b]), VP.noise(t[b])
        row = x[b].clone().requires_grad_()
        p = torch.distributions.MultivariateNormal(a * mean, a**2 * cov + s**2 * torch.eye(3))
        gradient = torch.autograd.grad(p.log_prob(row), row)[0]
        torch.testing.assert_close(found[b], -s * gradient)
