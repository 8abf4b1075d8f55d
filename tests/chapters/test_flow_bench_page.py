"""Equations of chapter 6, with the page's own code against independent oracles."""

import copy
import itertools
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import integrate, optimize, stats

from helpers.flows import ddpm, distances, ode, rectified_flow, sde, toy

PAGE = (Path(__file__).parents[2] / "chapters/06_flow_bench.md").read_text(encoding="utf-8")


def page(*names):
    """The named functions as they stand on the page, in one namespace; the last is returned."""
    cells = re.findall(r"```\{code-cell\} ipython3\n(.*?)```", PAGE, re.DOTALL)
    scope = {"math": math, "torch": torch, "itertools": itertools, "metrics": distances, "T": 1000}
    scope |= {"process": sde.VP(), "target": toy.eight_gaussians(), "ode": ode, "copy": copy}
    for name in names:
        cell = next(c for c in cells if f"def {name}(" in c)
        exec(re.search(rf"def {name}\(.*?(?=\n\S|\Z)", cell, re.DOTALL).group(), scope)
    return scope[names[-1]]


STEPS = ("path", "ddim", "ddpm_step", "euler", "euler_maruyama")


def places(t, u):
    process = sde.VP()
    t, u = torch.tensor([t, u], dtype=torch.float64)
    return [f(w).item() for w in (t, u) for f in (process.signal, process.noise)]


def normal(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("eta", [0.0, 0.6, 1.0])
def test_one_step_is_ddim_and_ddpm(eta):
    """(6.1): keeps every marginal, and for eta = 1 is DDPM's posterior by Bayes' rule."""
    (a, noise, a_u, noise_u), ddim = places(0.7, 0.4), page("path", "ddim")
    x0, eps = normal(0, 200_000, 1), normal(1, 200_000, 1)
    mean, s = ddim(a * x0 + noise * eps, eps, 0.7, 0.4, eta)
    rest = mean + s * normal(2, 200_000, 1) - a_u * x0  # what the true noise turns it into
    assert rest.mean().item() == pytest.approx(0, abs=0.01)
    assert rest.std().item() == pytest.approx(noise_u, rel=0.01)
    if eta == 1:  # precisions add up: the forward step's and the prior's
        added = 1 - (a / a_u) ** 2
        precision = (a / a_u) ** 2 / added + 1 / noise_u**2
        x = a * x0 + noise * eps
        posterior = ((a / a_u) * x / added + a_u * x0 / noise_u**2) / precision
        assert float(s) == pytest.approx(precision**-0.5, rel=1e-9)
        torch.testing.assert_close(mean, posterior, rtol=0, atol=1e-9)


def test_ratio_is_the_clock_of_ddim():
    """(6.2): scipy solves d(x/a) = eps d(kappa) to where the ODE in t goes; DDIM is its Euler."""
    target, process = toy.eight_gaussians(), sde.VP()
    predict, ddim = page("exact_noise"), page("path", "ddim")
    x = normal(3, 6, 2)
    a, noise, a_u, noise_u = places(0.6, 0.2)

    def slope(kappa, y):
        signal = (1 + kappa**2) ** -0.5
        at = signal * torch.from_numpy(y.reshape(6, 2))
        # the mixture's formula by weights, not by its score
        mean = target.denoise(at, signal, kappa * signal)
        return ((at - signal * mean) / (kappa * signal)).numpy().ravel()

    way = integrate.solve_ivp(
        slope, (noise / a, noise_u / a_u), (x / a).numpy().ravel(), rtol=1e-9, atol=1e-10
    )
    score = sde.score_of(process, predict)
    times = torch.tensor([0.6, 0.2], dtype=torch.float64)
    *_, end = ode.adaptive(sde.probability_flow(process, score), x, times, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(a_u * way.y[:, -1], end.numpy().ravel(), atol=1e-6)
    one = a_u * (x / a + (noise_u / a_u - noise / a) * predict(x, 0.6))
    torch.testing.assert_close(ddim(x, predict(x, 0.6), 0.6, 0.2)[0], one, rtol=0, atol=1e-12)


def test_straight_euler_is_ddim():
    """(6.3): the velocity is that of `rectified_flow`, and its Euler step is (6.1) as it reads."""
    velocity, target = page("exact_velocity"), toy.eight_gaussians()
    x, t, u = normal(4, 50, 2), torch.tensor(0.8, dtype=torch.float64), 0.3
    torch.testing.assert_close(
        velocity(x, t), rectified_flow.exact(target)(x, 0.8), rtol=0, atol=1e-9
    )
    data = target.denoise(x, 0.2, 0.8)
    noise = (x - 0.2 * data) / 0.8
    *_, there = ode.euler(velocity, x, torch.tensor([0.8, u], dtype=torch.float64))
    torch.testing.assert_close(there, (1 - u) * data + u * noise, rtol=0, atol=1e-9)


def decay(x, t):
    return -x


def test_euler_stays_below_its_bound():
    """(6.5) on x' = -x and x' = cos(3 t) x: below the bound, and halved with the step."""
    one = torch.ones(1, 1, dtype=torch.float64)
    for field, lipschitz, bend, truth in (
        (decay, 1.0, 1.0, math.exp(-1)),
        (lambda x, t: torch.cos(3 * t) * x, 1.0, 5.6, math.exp(math.sin(3) / 3)),
    ):
        off = []
        for n in (8, 16, 32, 64):
            *_, x = ode.euler(field, one, torch.linspace(0, 1, n + 1, dtype=torch.float64))
            off.append(abs(x.item() - truth))
            assert off[-1] <= bend / (2 * n) * math.expm1(lipschitz) / lipschitz
        assert off[-2] / off[-1] == pytest.approx(2, rel=0.1)


def test_heun_gains_an_order():
    """(6.6): by hand on x' = -x, and a quarter of the error with half the step."""
    one = torch.ones(1, 1, dtype=torch.float64)
    ends = {}
    for n in (1, 2, 16, 32):
        *_, x = ode.heun(decay, one, torch.linspace(0, 1, n + 1, dtype=torch.float64))
        ends[n] = x.item()
    assert ends[1] == pytest.approx(1 / 2) and ends[2] == pytest.approx((5 / 8) ** 2)
    assert (ends[16] - math.exp(-1)) / (ends[32] - math.exp(-1)) == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize("c", [0.3, 1.0, 2.5])
def test_gaussian_step_is_a_cosine(c):
    """(6.7): regression by least squares on simulated pairs in place of the formula."""
    a, noise, a_u, noise_u = places(0.6, 0.35)
    x0, eps = c * normal(5, 400_000, 1), normal(6, 400_000, 1)
    x = a * x0 + noise * eps
    predicted = torch.linalg.lstsq(x, eps).solution * x
    stepped, _ = page("path", "ddim")(x, predicted, 0.6, 0.35)
    turn = math.atan2(noise, a * c) - math.atan2(noise_u, a_u * c)
    share = (stepped.var() / (a_u**2 * c**2 + noise_u**2)).item()
    assert share == pytest.approx(math.cos(turn) ** 2, rel=0.01)
    found = page(*STEPS, "sample", "variance")(page("path", "ddim"), [0.6, 0.35], c)
    assert found == pytest.approx(math.cos(turn) ** 2 * (a_u**2 * c**2 + noise_u**2), rel=1e-9)


def test_equal_angles_are_the_best():
    """(6.8): the page's own times give the cosines' product, and no other grid more."""
    variance, at = page("path", "sample", "variance"), page("at_angles")
    ddim, c, n = page("path", "ddim"), 0.7, 4
    low, high = (math.atan2(places(1.0, t)[3], c * places(1.0, t)[2]) for t in (1e-3, 1.0))

    def narrowed(angles):
        angles = torch.as_tensor(np.concatenate([[high], np.sort(angles)[::-1], [low]]))
        a, noise = places(1.0, 1e-3)[2:]
        return variance(ddim, at(angles, c), c) / (a**2 * c**2 + noise**2)

    equal = np.linspace(low, high, n + 1)[1:-1]
    assert narrowed(equal) == pytest.approx(math.cos((high - low) / n) ** (2 * n), rel=1e-9)
    best = optimize.minimize(
        lambda x: -narrowed(x), [0.3, 0.5, 1.2], method="Nelder-Mead", options={"xatol": 1e-4}
    )
    np.testing.assert_allclose(np.sort(best.x), equal, atol=0.01)


@pytest.mark.parametrize("name", ["ddim", "ddpm_step", "euler", "euler_maruyama", "sigma_hat"])
def test_variance_recursion(name):
    """(6.9) against particles that go the same way through the page's sampler."""
    c, times = 0.6, torch.linspace(1, 0, 7, dtype=torch.float64)
    steps = (*STEPS, "sigma_hat")
    step = page(*steps, name)
    process = sde.VP()

    def predict(x, t):
        a, noise = process.signal(t), process.noise(t)
        return noise * x / (a**2 * c**2 + noise**2)

    own = torch.Generator().manual_seed(8)
    x = page("sample")(step, predict, normal(7, 200_000, 1), times, own)
    assert x.var().item() == pytest.approx(page(*steps, "variance")(step, times, c), rel=0.015)
    if name == "euler":  # whitened data: no error, with any number of steps
        assert page(*steps, "variance")(step, times, 1.0) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("c", [0.5, 1.5])
def test_noise_forgives(c):
    """(6.10): the SDE keeps the square of a correlation found from samples, the ODE all."""
    steps = page(*STEPS, "euler_maruyama"), page(*STEPS, "euler")
    a, noise = places(0.3, 0.1)[:2]
    x0 = c * normal(9, 200_000)
    rho = torch.corrcoef(torch.stack([x0, a * x0 + noise * normal(10, 200_000)]))[0, 1].item()
    variance = page("path", "variance")
    way = torch.linspace(0.3, 0, 2001, dtype=torch.float64)
    for step, kept in zip(steps, (rho**2, 1.0), strict=True):
        found = (variance(step, way, c, 1.02) - variance(step, way, c)) / (0.02 * c**2)
        assert found == pytest.approx(kept, abs=0.01)


def test_gronwall():
    """(6.11): attained by linear fields, and never passed by two bent ones."""
    bound, one = page("gronwall"), torch.ones(1, 1, dtype=torch.float64)
    times = torch.tensor([0.0, 1.0], dtype=torch.float64)

    def end(field, x=one):
        *_, x = ode.adaptive(field, x, times, rtol=1e-10, atol=1e-10)
        return x

    for rate in (0.5, 3.0):
        apart = end(lambda x, t, k=rate: k * x + 0.2) - end(lambda x, t, k=rate: k * x)
        assert apart.item() == pytest.approx(bound(0.2, rate), rel=1e-7)
    x = normal(11, 300, 1)
    apart = end(lambda x, t: torch.sin(2 * x) + 0.1 * torch.cos(5 * x), x)
    apart = (apart - end(lambda x, t: torch.sin(2 * x), x)).abs().max().item()
    assert 0.3 * bound(0.1, 2.0) < apart <= bound(0.1, 2.0)


def test_floor_of_the_sliced_distance():
    """(6.13): the uniform law's closed form; a gap's law and the sliced distance by simulation."""
    floor, sliced = page("floor_of_sliced"), page("sliced")
    grid = (torch.arange(10_000).double() + 0.5) / 10_000
    assert floor(grid, 1e-4, 400).item() == pytest.approx(math.sqrt(math.pi / 400) / 4, rel=1e-4)
    rng = np.random.default_rng(0)
    pairs = rng.choice([0, 3], (2, 400, 300)) + rng.random((2, 400, 300))  # 300 pairs of 400
    apart = np.abs(np.sort(pairs[0], 0) - np.sort(pairs[1], 0)).mean(0).mean()
    u = torch.linspace(0, 4, 40_001, dtype=torch.float64)
    F = (u.clamp(0, 1) + (u - 3).clamp(0, 1)) / 2
    assert floor(F, 1e-4, 400).item() == pytest.approx(apart, rel=0.1)
    x = normal(12, 500, 2)
    moved = x + torch.tensor([3.0, 4.0])  # the mean of |5 cos| over directions
    assert sliced(x, moved) == pytest.approx(5 * 2 / math.pi, rel=1e-3)
    turned = x[:, :1] * torch.tensor([[0.6, 0.8]])
    one = stats.wasserstein_distance(x[:, 0].numpy(), np.zeros(500))
    assert sliced(turned, 0 * turned) == pytest.approx(one * 2 / math.pi, rel=1e-3)


@pytest.mark.parametrize("spectrum", [[1.0, 1.0, 1.0], [4.0, 1.0, 0.1, 0.01]])
def test_floor_of_the_frechet_distance(spectrum):
    """(6.14): the mean over 1,500 pairs of sets from one Gaussian, and D(D + 1)/2 by hand."""
    floor, n, dim = page("floor_of_frechet"), 300, len(spectrum)
    rotation = torch.linalg.qr(normal(13, dim, dim)).Q
    root = rotation * torch.tensor(spectrum).double().sqrt()
    sets = normal(14, 1500, 2, n, dim) @ root.T
    found = np.mean([distances.frechet(*pair) for pair in sets])
    many = sets.reshape(-1, dim)
    assert floor(many, n) == pytest.approx(found, rel=0.05)
    if dim == 3:
        assert floor(many, n) == pytest.approx((2 * dim + dim * (dim + 1) / 2) / n, rel=0.02)


def test_page_samplers_are_the_helpers():
    """The lines of `sample` against `ddpm` and `sde`, on another mixture than the page's."""
    process, n = sde.VP(), 5
    bar = process.signal(torch.arange(1001).double() / 1000) ** 2
    schedule = ddpm.Schedule(1 - bar[1:] / bar[:-1])
    mixture, x = toy.TwoMoons(0.2, 16).mixture, normal(15, 40, 2)

    def predict(x, t):
        a, noise = process.signal(t.double()), process.noise(t.double())
        return -noise * mixture.noised(a, noise).score(x)

    times = torch.linspace(1, 0, n + 1, dtype=torch.float64)
    steps = [round(1000 * t) for t in times.tolist()]
    *_, theirs = ddpm.ddim(predict, x, schedule, steps)
    mine = page("sample")(page("path", "ddim"), predict, x, times)
    torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-9)
    score = sde.score_of(process, predict)
    seeds = (torch.Generator().manual_seed(16) for _ in range(2))
    *_, theirs = sde.reverse(process, score, x, times, next(seeds))
    step = page(*STEPS, "euler_maruyama")
    mine = page("sample")(step, predict, x, times, next(seeds))
    torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-9)
