"""The heat equation and its velocity, against closed forms, quadrature, autograd and each other."""

import math

import pytest
import torch
from scipy import integrate, stats

from helpers.flows import cnf, ddpm, heat, ode, sde
from helpers.flows.toy import GaussianMixture, eight_gaussians


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


RING = eight_gaussians(std=0.4)
LINE = (torch.arange(1024, dtype=torch.float64) - 512) / 32
BUMPS = GaussianMixture(
    torch.tensor([[-1.5], [1.0]], dtype=torch.float64),
    0.25,
    torch.tensor([0.3, 0.7], dtype=torch.float64),
)
TURN = torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)


def log_p(x, tau):
    """Log density of the blurred ring, differentiable in x (B, 2) and in tau."""
    var = RING.std**2 + tau
    square = (x[:, None] - RING.means).square().sum(2)
    return (-square / (2 * var) - torch.log(2 * math.pi * var)).logsumexp(1) - math.log(8)


def score(x, tau):
    """Of the ring, by the library of toys; differentiable in x."""
    return RING.noised(1, torch.as_tensor(tau).sqrt()).score(x)


def auto_score(x, tau):
    """Of the ring, by autograd."""
    x = x.detach().requires_grad_()
    return torch.autograd.grad(log_p(x, torch.as_tensor(tau)).sum(), x)[0]


V = heat.velocity(score)


# The continuity equation -------------------------------------------------------------------------


@pytest.mark.parametrize("tau", [0.05, 0.7])
def test_velocity_carries_the_heat(tau):
    """d log p/dt + div v + v . grad log p is 0 for -1/2 score and not for another factor."""
    x = 2 * normal(200, 2)
    assert heat.residual(log_p, V, x, tau).abs().max() < 1e-9
    for factor in (2.0, 0.5, -1.0):
        wrong = heat.residual(log_p, lambda x, t, f=factor: f * V(x, t), x, tau)
        assert wrong.abs().max() > 0.1


def test_residual_term_by_term():
    """Every term of the residual against central differences, for a field that fits nothing."""

    def v(x, t):
        return torch.stack((x[:, 0] * x[:, 1], x[:, 1] ** 3 + t), 1)

    x, t, h = normal(6, 2), 0.4, 1e-5

    def time(t):
        return torch.tensor(t, dtype=torch.float64)

    rate = (log_p(x, time(t + h)) - log_p(x, time(t - h))) / (2 * h)
    expected = rate.clone()
    for d in range(2):
        step = torch.zeros(2, dtype=torch.float64)
        step[d] = h
        slope = (log_p(x + step, time(t)) - log_p(x - step, time(t))) / (2 * h)
        expected += (v(x + step, t)[:, d] - v(x - step, t)[:, d]) / (2 * h) + v(x, t)[:, d] * slope
    assert torch.allclose(heat.residual(log_p, v, x, t), expected, atol=1e-6)


def test_density_along_a_path():
    """Log p at the end of a path: start minus divergences, flow's slogdet, and the closed form."""
    x = RING.sample(5, generator())
    clock = torch.tensor([0.0, 1.0], dtype=torch.float64)
    change, latent = cnf.log_prob(V, x, clock, lambda z: torch.zeros(len(z)), rtol=1e-9, atol=1e-9)
    exact = RING.noised(1, 1.0).log_prob(latent) - RING.log_prob(x)
    assert torch.allclose(-change.double(), exact, atol=1e-6)

    def flow(row, n=400):
        y, step = row[None], 1 / n
        for k in range(n):  # the midpoint rule, by hand, so that autograd goes through
            half = y + step / 2 * V(y, torch.tensor(k * step, dtype=torch.float64))
            y = y + step * V(half, torch.tensor((k + 0.5) * step, dtype=torch.float64))
        return y[0]

    jacobian = torch.autograd.functional.jacobian(flow, x[0])
    assert -torch.linalg.slogdet(jacobian).logabsdet == pytest.approx(exact[0].item(), abs=1e-4)


def test_rotation_goes_unnoticed():
    """u = R grad log p has div(p u) = 0 for antisymmetric R, and for no other."""
    x = 2 * normal(100, 2)
    still = heat.residual(log_p, lambda x, t: V(x, t) + 3 * score(x, t) @ TURN, x, 0.3)
    assert still.abs().max() < 1e-9
    mirror = TURN.abs()
    seen = heat.residual(log_p, lambda x, t: V(x, t) + 3 * score(x, t) @ mirror, x, 0.3)
    assert seen.abs().max() > 0.1


def test_rotation_costs_energy():
    """E|v + u|^2 = E|v|^2 + E|u|^2 under p, by quadrature over the plane."""
    side = torch.linspace(-7, 7, 561, dtype=torch.float64)
    cells = torch.cartesian_prod(side, side)
    tau = torch.tensor(0.3, dtype=torch.float64)
    mass = log_p(cells, tau).exp() * (14 / 560) ** 2
    v = V(cells, tau)
    u = 2 * v @ TURN
    energy = [(mass * w.square().sum(1)).sum() for w in (v + u, v, u)]
    assert energy[0] == pytest.approx((energy[1] + energy[2]).item(), rel=1e-9)
    stretched = 2 * v * torch.tensor([1.0, 0.0], dtype=torch.float64)
    whole = (mass * (v + stretched).square().sum(1)).sum()
    parts = energy[1] + (mass * stretched.square().sum(1)).sum()
    assert abs(whole - parts) > 0.1
    # v itself, against half the Fisher information by finite differences of log p
    h = 1e-4
    slope = torch.stack(
        [
            (log_p(cells + h * e, tau) - log_p(cells - h * e, tau)) / (2 * h)
            for e in torch.eye(2, dtype=torch.float64)
        ],
        1,
    )
    fisher = (mass * slope.square().sum(1)).sum()
    assert energy[1] == pytest.approx(fisher.item() / 4, rel=1e-5)


# The heat equation -------------------------------------------------------------------------------


def test_spread_in_closed_form():
    p0 = BUMPS.log_prob(LINE[:, None]).exp()
    for tau in (0.01, 0.5, 3.0):
        exact = BUMPS.noised(1, math.sqrt(tau)).log_prob(LINE[:, None]).exp()
        assert (heat.spread(p0, 1 / 32, tau) - exact).abs().max() < 1e-10


def test_spread_in_two_and_three_dimensions():
    """Each axis is treated alike: the blur of a product is the product of blurs."""
    p, q, r = (BUMPS.noised(1, s).log_prob(LINE[::16, None]).exp() for s in (0.8, 1.0, 1.2))
    flat = heat.spread(p[:, None] * q, 0.5, 0.7)
    parts = [heat.spread(f, 0.5, 0.7) for f in (p, q, r)]
    assert torch.allclose(flat, parts[0][:, None] * parts[1], atol=1e-13)
    solid = heat.spread(p[:, None, None] * q[:, None] * r[:48], 0.5, 0.0)
    assert torch.allclose(solid, p[:, None, None] * q[:, None] * r[:48], atol=1e-13)
    wide = heat.spread(p[:, None] * q[None, 4:-4], 0.5, 0.7)
    assert torch.allclose(wide[:, 20:-20], flat[:, 24:-24], atol=1e-6)


def test_spread_solves_the_heat_equation():
    """Central differences: dp/dtau is half the second derivative, at a later time too."""
    p0 = BUMPS.log_prob(LINE[:, None]).exp()
    h, tau = 1e-4, 0.3
    rate = (heat.spread(p0, 1 / 32, tau + h) - heat.spread(p0, 1 / 32, tau - h)) / (2 * h)
    now = heat.spread(p0, 1 / 32, tau)
    second = (now.roll(1) + now.roll(-1) - 2 * now) * 32**2
    assert (rate - second / 2).abs().max() < 1e-3 * rate.abs().max()


def test_spread_is_a_gaussian_blur():
    """Against the integral with the kernel, by adaptive quadrature, point by point."""
    p0 = BUMPS.log_prob(LINE[:, None]).exp()
    found = heat.spread(p0, 1 / 32, 0.4)
    blur = stats.norm(scale=math.sqrt(0.4))
    one = [stats.norm(-1.5, 0.25), stats.norm(1.0, 0.25)]
    for k in (400, 512, 530):
        x = LINE[k].item()
        total = integrate.quad(
            lambda y, x=x: (0.3 * one[0].pdf(y) + 0.7 * one[1].pdf(y)) * blur.pdf(x - y),
            -6,
            6,
            points=[-1.5, 1.0, x],
        )[0]
        assert found[k].item() == pytest.approx(total, rel=1e-7)


def test_variance_grows_linearly():
    """The mean stays and the variance grows by tau, for a density that is no Gaussian."""
    p0 = BUMPS.log_prob(LINE[:, None]).exp()
    before = (p0 * LINE).sum() / 32
    spread = (p0 * (LINE - before) ** 2).sum() / 32
    for tau in (0.1, 1.0, 5.0):
        p = heat.spread(p0, 1 / 32, tau)
        mean = (p * LINE).sum() / 32
        assert p.sum().item() / 32 == pytest.approx(1, abs=1e-12)
        assert mean.item() == pytest.approx(before.item(), abs=1e-9)
        grown = (p * (LINE - mean) ** 2).sum() / 32
        assert grown.item() == pytest.approx(spread.item() + tau, abs=1e-9)


@pytest.mark.parametrize("omega", [0.0, 0.7, 3.0])
def test_transform_of_the_kernel(omega):
    """The kernel, all heat at 0 when it began: its Fourier integral, by a sum over a fine grid."""
    delta = torch.zeros(1024, dtype=torch.float64)
    delta[512] = 32.0
    kernel = heat.spread(delta, 1 / 32, 0.5)
    total = (kernel * torch.cos(omega * LINE)).sum().item() / 32
    assert total == pytest.approx(math.exp(-0.25 * omega**2), abs=1e-9)


def test_kernel_in_many_dimensions():
    """Heat from one cell of a cube that is longer than wide is normal in all three coordinates."""
    cube = torch.zeros(48, 40, 44, dtype=torch.float64)
    cube[24, 20, 22] = 0.5**-3
    axes = [(torch.arange(n, dtype=torch.float64) - n // 2) / 2 for n in cube.shape]
    x = torch.stack(torch.meshgrid(*axes, indexing="ij"), 3)
    expected = torch.distributions.Normal(0.0, math.sqrt(1.5)).log_prob(x).sum(3).exp()
    assert torch.allclose(heat.spread(cube, 0.5, 1.5), expected, atol=1e-10)


def test_product_of_transforms_is_a_convolution():
    """A grid delta, blurred, is the kernel; any density is a sum of shifted deltas."""
    delta = torch.zeros(1024, dtype=torch.float64)
    delta[512] = 32.0
    kernel = heat.spread(delta, 1 / 32, 0.3)
    law = torch.distributions.Normal(0.0, math.sqrt(0.3))
    assert torch.allclose(kernel, law.log_prob(LINE).exp(), atol=1e-12)
    p0 = BUMPS.log_prob(LINE[:, None]).exp()
    summed = sum(p0[k] * kernel.roll(k - 512) for k in range(300, 700)) / 32
    assert (heat.spread(p0, 1 / 32, 0.3) - summed).abs().max() < 1e-10


def test_backwards_amplifies_the_waves():
    """Negative time multiplies a wave by exp(|tau| w^2 / 2); on a coarse grid, so that it can."""
    wave = torch.cos(2 * math.pi / 4 * LINE[::16])
    grown = heat.spread(wave, 0.5, -0.4)
    factor = math.exp(0.2 * (2 * math.pi / 4) ** 2)
    assert torch.allclose(grown, factor * wave, atol=1e-9)


# Velocities --------------------------------------------------------------------------------------


def test_velocity_is_a_posterior_mean():
    """(x - E[x_0 | x]) / 2 tau, with the mean by quadrature in one dimension."""
    tau = 0.4
    v = heat.velocity(lambda x, t: BUMPS.noised(1, t.sqrt()).score(x))
    for at in (-1.0, 0.2, 2.0):

        def joint(y, at=at):
            prior = 0.3 * stats.norm.pdf(y, -1.5, 0.25) + 0.7 * stats.norm.pdf(y, 1.0, 0.25)
            return prior * stats.norm.pdf(at, y, math.sqrt(tau))

        mass = integrate.quad(joint, -5, 5, points=[-1.5, 1.0])[0]
        mean = integrate.quad(lambda y, f=joint: y * f(y), -5, 5, points=[-1.5, 1.0])[0] / mass
        x = torch.tensor([[at]], dtype=torch.float64)
        found = v(x, torch.tensor(tau, dtype=torch.float64)).item()
        assert found == pytest.approx((at - mean) / (2 * tau), rel=1e-6)


def test_velocity_by_hand():
    """Standard normal data: x grows by sqrt(1 + tau)."""
    v = heat.velocity(lambda x, tau: -x / (1 + tau))
    x = normal(9, 3)
    *_, end = ode.adaptive(v, x, torch.tensor([0.0, 3.0]), rtol=1e-9, atol=1e-9)
    assert torch.allclose(end, 2 * x, atol=1e-7)


def test_other_clock_same_curves():
    x = RING.noised(1, 0.1).sample(50, generator())
    taus = torch.tensor([0.01, 0.2, 2.25], dtype=torch.float64)
    options = {"rtol": 1e-9, "atol": 1e-9}
    _, mid, end = ode.adaptive(V, x, taus, **options)
    _, mid_rho, end_rho = ode.adaptive(heat.by_noise(score), x, taus.sqrt(), **options)
    assert torch.allclose(mid, mid_rho, atol=1e-6) and torch.allclose(end, end_rho, atol=1e-6)


def test_noise_clock_is_the_expected_noise():
    rho = torch.tensor(0.6, dtype=torch.float64)
    x = normal(20, 2)
    eps = (x - RING.denoise(x, 1.0, 0.6)) / 0.6
    assert torch.allclose(heat.by_noise(score)(x, rho), eps, atol=1e-10)


def path_score(signal, noise):
    return lambda x, t: RING.noised(signal(t), noise(t)).score(x)


SCHEDULES = {
    "straight": (lambda t: 1 - t, lambda t: t),
    "cosine": (lambda t: torch.cos(t), lambda t: torch.sin(t)),
    "exploding": (lambda t: torch.ones_like(t), lambda t: t**2),
    "odd": (lambda t: torch.exp(0.3 * t), lambda t: 0.2 + t**3),
}


@pytest.mark.parametrize("name", list(SCHEDULES))
def test_any_schedule(name):
    """Against the posterior mean of the path's own velocity a' x_0 + sigma' eps."""
    signal, noise = SCHEDULES[name]
    v = heat.along(path_score(signal, noise), signal, noise)
    x, h = normal(30, 2), 1e-6
    for at in (0.2, 0.7):
        t = torch.tensor(at, dtype=torch.float64)
        a, sigma = signal(t), noise(t)
        da, dsigma = ((f(t + h) - f(t - h)) / (2 * h) for f in (signal, noise))
        x0 = RING.denoise(x, a, sigma)
        expected = da * x0 + dsigma * (x - a * x0) / sigma
        assert torch.allclose(v(x, t), expected, atol=1e-6)


def test_variance_preserving():
    """-beta/2 (x + score), and the probability flow of the SDEs of chapter 3."""
    process = sde.VP()
    inner = path_score(process.signal, process.noise)
    v, x = heat.along(inner, process.signal, process.noise), normal(30, 2)
    for at in (0.1, 0.5, 1.0):
        t = torch.tensor(at, dtype=torch.float64)
        beta = 0.1 + at * 19.9
        expected = -beta / 2 * (x + inner(x, t))
        assert torch.allclose(v(x, t), expected, rtol=1e-8, atol=1e-8)
    for other in (sde.VE(), sde.SubVP()):
        inner = path_score(other.signal, other.noise)
        t = torch.tensor(0.4, dtype=torch.float64)
        ours = heat.along(inner, other.signal, other.noise)(x, t)
        theirs = sde.probability_flow(other, inner)(x, t)
        assert torch.allclose(ours, theirs, rtol=1e-8, atol=1e-8)


def test_scaled_density():
    """The path's density is the heat's, zoomed; and the two flows agree through the zoom."""
    signal, noise = SCHEDULES["cosine"]
    t = torch.tensor(0.8, dtype=torch.float64)
    x, a = normal(30, 2), signal(t)
    rho = noise(t) / a
    zoomed = RING.noised(1, rho).log_prob(x / a) - 2 * a.log()
    assert torch.allclose(RING.noised(a, noise(t)).log_prob(x), zoomed, atol=1e-10)
    start, end = torch.tensor([0.1, 0.8], dtype=torch.float64)
    v = heat.along(path_score(signal, noise), signal, noise)
    options = {"rtol": 1e-9, "atol": 1e-9}
    *_, one = ode.adaptive(v, x, torch.stack((start, end)), **options)
    levels = torch.stack([noise(s) / signal(s) for s in (start, end)])
    *_, two = ode.adaptive(heat.by_noise(score), x / signal(start), levels, **options)
    assert torch.allclose(one, signal(end) * two, atol=1e-6)


def test_euler_step_is_ddim():
    """Twenty Euler steps on the clock of the noise, zoomed, against twenty DDIM steps."""
    schedule = ddpm.linear()

    def eps(x, t):
        k = round(1000 * t.item()) - 1
        a, sigma = schedule.signal[k], schedule.noise[k]
        return (x - a * RING.denoise(x, a, sigma)) / sigma

    steps = ddpm.spaced(schedule, 20)
    a = torch.tensor([schedule.at(k) for k in steps], dtype=torch.float64).sqrt()
    theirs = list(ddpm.ddim(eps, normal(40, 2), schedule, 20))
    ours = ode.euler(heat.by_noise(score), theirs[0] / a[0], (1 - a**2).sqrt() / a)
    for u, scale, x in zip(ours, a, theirs, strict=True):
        assert torch.allclose(scale * u, x, atol=1e-10)


def test_recipe():
    """Averaged over components, each with its own closed-form velocity, against -score / 2."""
    tau, var = 0.3, RING.std**2 + 0.3
    weights = torch.arange(1, 9, dtype=torch.float64) / 36
    mixture = GaussianMixture(RING.means, RING.std, weights)
    x = 2 * normal(40, 2)
    away = x[:, None] - RING.means
    log_given = torch.distributions.Normal(0.0, math.sqrt(var)).log_prob(away).sum(2)
    found = heat.average(log_given, away / (2 * var), weights)
    expected = -mixture.noised(1, math.sqrt(tau)).score(x) / 2
    assert torch.allclose(found, expected, atol=1e-12)
    by_hand = torch.zeros_like(x)
    for b in range(len(x)):
        p = [weights[k] * log_given[b, k].exp() for k in range(8)]
        by_hand[b] = sum(p[k] * away[b, k] / (2 * var) for k in range(8)) / sum(p)
    assert torch.allclose(found, by_hand, atol=1e-12)
    equal = heat.average(log_given, away / (2 * var))
    assert torch.allclose(equal, V(x, torch.tensor(tau, dtype=torch.float64)), atol=1e-12)


def test_a_case_of_no_weight_counts_for_nothing():
    log_given, given = normal(5, 3), normal(5, 3, 2, seed=1)
    weights = torch.tensor([0.4, 0.0, 0.6], dtype=torch.float64)
    found = heat.average(log_given, given, weights)
    others = heat.average(log_given[:, [0, 2]], given[:, [0, 2]], weights[[0, 2]])
    torch.testing.assert_close(found, others)


def test_float32_and_shapes():
    assert heat.spread(torch.rand(32), 0.1, 0.2).dtype == torch.float32
    v = heat.along(lambda x, t: -x, lambda t: 1 - 0.5 * t, lambda t: t)
    out = v(torch.ones(3, 2), torch.tensor(0.5))
    assert out.dtype == torch.float32 and out.shape == (3, 2)


def test_along_shows_the_score_its_own_time():
    """In the dtype of x, without a gradient; a constant schedule has the slope 0."""
    seen = []

    def still(x, t):
        seen.append((t.item(), t.dtype, t.requires_grad))
        return -x

    v = heat.along(still, lambda t: torch.ones(()).double(), lambda t: 2 * t)
    x = torch.ones(3, 2)
    assert torch.allclose(v(x, 0.25), 2 * 2 * 0.25 * x)
    assert torch.allclose(v(x, torch.tensor(0.5)), 2 * 2 * 0.5 * x)
    assert seen == [(0.25, torch.float32, False), (0.5, torch.float32, False)]


def test_a_time_that_is_a_number_is_taken_in_double():
    x, exactly = normal(4, 2), torch.tensor(0.3, dtype=torch.float64)
    v = heat.along(path_score(*SCHEDULES["odd"]), *SCHEDULES["odd"])
    assert torch.equal(v(x, 0.3), v(x, exactly)) and not v(x, 0.3).requires_grad


def test_residual_works_under_no_grad_and_leaves_no_graph():
    x = normal(4, 2)
    with torch.no_grad():
        found = heat.residual(log_p, V, x, 0.3)
    assert not found.requires_grad and not x.requires_grad
    assert found.abs().max() < 1e-9


X, CASES = torch.zeros(3, 2), torch.zeros(3, 2, 4)


def decaying(a):
    return heat.along(lambda x, t: x, lambda t: a - t, lambda t: t)(X, torch.tensor(1.0))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: heat.spread(X.long(), 1.0, 1.0), "density must be floats, got torch.int64"),
        (lambda: heat.spread(X[0, 0], 1.0, 1.0), r"density must be on a grid .*, got \(\)"),
        (lambda: heat.spread(X, 0.0, 1.0), "spacing must be positive and finite, got 0.0"),
        (lambda: heat.spread(X, math.inf, 1.0), "spacing must be positive and finite, got inf"),
        (lambda: heat.spread(X, math.nan, 1.0), "spacing must be positive and finite, got nan"),
        (lambda: heat.spread(X, 1.0, math.nan), "tau finite, got nan"),
        (lambda: heat.spread(X, 1.0, -math.inf), "tau finite, got -inf"),
        (lambda: heat.average(X, X), r"given must be .*, got \(3, 2\)"),
        (lambda: heat.average(X[:2], CASES), r"log_given must be .* \(3, 2\), got \(2, 2\)"),
        (lambda: heat.average(X[:, :1], CASES), r"log_given must be .* \(3, 2\), got \(3, 1\)"),
        (lambda: heat.average(X, CASES, X[0, :1]), r"weights must be .* \(2,\), got \(1,\)"),
        (lambda: heat.average(X, CASES, X[:1]), r"weights must be .* \(2,\), got \(1, 2\)"),
        (lambda: heat.average(X, CASES, torch.tensor([2, -1])), "weights must be at least 0"),
        (lambda: heat.average(X, CASES, torch.tensor([1, math.nan])), "weights must be at least 0"),
        (lambda: decaying(1), "signal must be positive, got 0.0 at t = 1.0"),
        (lambda: decaying(0.5), "signal must be positive, got -0.5 at t = 1.0"),
        (lambda: decaying(math.nan), "signal must be positive, got nan"),
        (lambda: heat.residual(lambda x, t: x * t, V, X, 0.1), r"log_prob must give \(3,\)"),
        (
            lambda: heat.residual(lambda x, t: (x * t).sum(1), lambda x, t: x[:, :1], X, 0.1),
            r"velocity must give \(3, 2\), got \(3, 1\)",
        ),
    ],
)
def test_bad_input(call, words):
    with pytest.raises(ValueError, match=words):
        call()
