"""Schedules, posterior, loss and samplers, against loops, quadrature, closed forms and autograd."""

import itertools
import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from helpers.flows import ddpm, ode
from helpers.flows.toy import GaussianMixture
from helpers.nets import TimeMLP

LINEAR = ddpm.linear()
PAIRS = [(1, 0), (2, 1), (500, 499), (1000, 999), (40, 0), (300, 120), (1000, 1)]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def signal_and_noise(k, beta_min=1e-4, beta_max=0.02, T=1000):
    """The steps of the definition one by one, in plain floats: factor of x_0, and variance."""
    factor, variance = 1.0, 0.0
    for i in range(k):
        beta = beta_min + (beta_max - beta_min) * i / (T - 1)
        factor, variance = math.sqrt(1 - beta) * factor, (1 - beta) * variance + beta
    return factor, math.sqrt(variance)


def smooth_net(dim=3, seed=1):
    """A network away from its start, float64."""
    net = TimeMLP(dim, (16, 16), generator=generator(seed)).double()
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.2 * torch.randn(p.shape, generator=generator(seed + 1), dtype=p.dtype))
    return net.requires_grad_(False)


def knowing(x0, schedule=LINEAR):
    """The net that knows the one data point there is, x0 (D,)."""

    def net(x, t):
        bar = schedule.at(round(float(t) * schedule.T))
        return (x - bar**0.5 * x0) / (1 - bar) ** 0.5

    return net


def exact(mixture, schedule=LINEAR):
    """E[eps | x_k = x] by the mixture's score: minus the noise times the score."""

    def net(x, t):
        bar = schedule.at(round(float(t) * schedule.T))
        a, s = math.sqrt(bar), math.sqrt(1 - bar)
        return -s * mixture.noised(a, s).score(x)

    return net


# Schedules --------------------------------------------------------------------------------------


def test_marginal_is_the_steps_composed():
    for k in (1, 2, 10, 500, 1000):
        factor, std = signal_and_noise(k)
        assert LINEAR.signal[k - 1].item() == pytest.approx(factor, rel=1e-12)
        assert LINEAR.noise[k - 1].item() == pytest.approx(std, rel=1e-11)
        assert LINEAR.at(k) == pytest.approx(factor**2, rel=1e-12)
    assert LINEAR.at(0) == 1.0
    assert LINEAR.T == 1000 and LINEAR.beta.dtype == torch.float64
    assert LINEAR.beta[0] == 1e-4 and LINEAR.beta[-1] == pytest.approx(0.02)
    assert LINEAR.at(1000) == pytest.approx(4.0358e-5, rel=1e-4)


def test_cosine_schedule():
    schedule = ddpm.cosine(200)

    def f(k):
        return math.cos((k / 200 + 0.008) / 1.008 * math.pi / 2) ** 2

    for k in (1, 2, 50, 150, 199):
        assert schedule.at(k) == pytest.approx(f(k) / f(0), rel=1e-10)
        assert schedule.beta[k - 1].item() == pytest.approx(1 - f(k) / f(k - 1), rel=1e-9)
    assert schedule.beta[-1] == 0.999
    assert ddpm.cosine(200, offset=0.1).at(100) < schedule.at(100)


# Posterior --------------------------------------------------------------------------------------


@pytest.mark.parametrize("k, j", [(2, 1), (500, 499), (300, 120), (1000, 400)])
def test_posterior_by_quadrature(k, j):
    """Prior times likelihood on a fine grid of x_j; the likelihood composes the forward steps."""
    x0, x = 0.7, -0.4
    (a_j, s_j), (a_k, s_k) = signal_and_noise(j), signal_and_noise(k)
    factor = a_k / a_j
    added = math.sqrt(s_k**2 - factor**2 * s_j**2)
    grid = torch.linspace(-6, 6, 240_001, dtype=torch.float64)
    log_p = Normal(factor * grid, added).log_prob(torch.tensor(x, dtype=torch.float64))
    log_p = log_p + Normal(a_j * x0, s_j).log_prob(grid)
    p = (log_p - log_p.logsumexp(0)).exp()
    expected_mean = (p * grid).sum()
    expected_variance = (p * (grid - expected_mean) ** 2).sum()
    mean, variance = ddpm.posterior(
        torch.full((1, 1), x, dtype=torch.float64),
        torch.full((1, 1), x0, dtype=torch.float64),
        LINEAR,
        k,
        None if k == j + 1 else j,
    )
    assert mean.item() == pytest.approx(expected_mean.item(), abs=1e-7)
    assert variance == pytest.approx(expected_variance.item(), rel=1e-6)


def test_posterior_by_hand():
    """The page's numbers: beta = 9/25, 7/16; x_0 = 1, x_2 = 2."""
    schedule = ddpm.Schedule(torch.tensor([9 / 25, 7 / 16]))
    one = torch.ones(1, 1, dtype=torch.float64)
    mean, variance = ddpm.posterior(2 * one, one, schedule, 2)
    assert mean.item() == pytest.approx(89 / 64) and variance == pytest.approx(63 / 256)
    mean, variance = ddpm.posterior(2 * one, one, schedule, 1)
    assert (mean.item(), variance) == (1.0, 0.0)


@pytest.mark.parametrize("k", [2, 77, 1000])
def test_kl_of_a_step(k):
    """The KL between two posteriors is the squared error of x_0 with the weight of (2.7)."""
    x, x0, guess = normal(5, 3), normal(5, 3, seed=1), normal(5, 3, seed=2)
    (mean, variance), (other, _) = (ddpm.posterior(x, z, LINEAR, k) for z in (x0, guess))
    found = kl_divergence(Normal(mean, variance**0.5), Normal(other, variance**0.5)).sum(1)
    beta = 1e-4 + (0.02 - 1e-4) * (k - 1) / 999
    (a, s), (_, s_k) = signal_and_noise(k - 1), signal_and_noise(k)
    posterior_variance = beta * s**2 / s_k**2
    weight = (a * beta / s_k**2) ** 2 / (2 * posterior_variance)
    torch.testing.assert_close(found, weight * (x0 - guess).square().sum(1), rtol=1e-8, atol=0)


# Loss and parametrisations ----------------------------------------------------------------------


@pytest.mark.parametrize("predict", ddpm.KINDS)
def test_loss_number_by_number(predict):
    x0, net, schedule = normal(7, 3), smooth_net(), ddpm.linear(100)
    found = ddpm.loss(net, x0, schedule, predict=predict, generator=generator(5))
    again = generator(5)
    k = torch.randint(1, 101, (7,), generator=again)
    eps = torch.empty(7, 3, dtype=torch.float64).normal_(generator=again)
    total = 0.0
    for b in range(7):
        a, s = signal_and_noise(int(k[b]), T=100)
        answer = net((a * x0[b] + s * eps[b])[None], k[b] / 100)[0]
        target = {"noise": eps[b], "data": x0[b], "velocity": a * eps[b] - s * x0[b]}[predict]
        total += sum(((answer - target) ** 2).tolist())
    assert found.item() == pytest.approx(total / 21, rel=1e-6)
    assert set(k.tolist()) <= set(range(1, 101))


def test_loss_visits_every_step():
    seen = []

    def net(x, t):
        seen.append(t)
        return 0 * x

    ddpm.loss(net, normal(4000, 1), ddpm.linear(8), generator=generator())
    steps, counts = (seen[0] * 8).round().long().unique(return_counts=True)
    assert steps.tolist() == list(range(1, 9)) and counts.min() > 400


def test_loss_is_least_at_the_conditional_mean():
    """On a mixture, no scaled or shifted version of E[eps | x] has a smaller loss."""
    mixture = GaussianMixture(normal(4, 2, seed=3), 0.3)
    schedule = ddpm.linear(10, 0.05, 0.4)
    x0 = mixture.sample(20_000, generator(1))

    def best(x, t):
        out = torch.empty_like(x)
        for k in range(1, 11):
            at = (t * 10).round() == k
            a, s = schedule.at(k) ** 0.5, (1 - schedule.at(k)) ** 0.5
            out[at] = (x[at] - a * mixture.denoise(x[at], a, s)) / s
        return out

    def loss(net):
        return ddpm.loss(net, x0, schedule, generator=generator(2)).item()

    least = loss(best)
    for scale, shift in itertools.product((0.93, 1.0, 1.07), (-0.05, 0.0, 0.05)):
        if (scale, shift) != (1.0, 0.0):
            assert loss(lambda x, t, c=scale, d=shift: c * best(x, t) + d) > least
    # The loss is a parabola in the scale; its lowest point is at 1 up to the luck of the draw.
    low, high = (loss(lambda x, t, c=c: c * best(x, t)) for c in (0.9, 1.1))
    assert 1 + 0.05 * (low - high) / (low + high - 2 * least) == pytest.approx(1, abs=0.015)


@pytest.mark.parametrize("bar", [0.9, 0.5, 1e-3])
def test_three_parametrisations(bar):
    a, s = math.sqrt(bar), math.sqrt(1 - bar)
    x0, eps = normal(5, 3), normal(5, 3, seed=1)
    x = a * x0 + s * eps
    kinds = {"noise": eps, "data": x0, "velocity": a * eps - s * x0}
    for given, wanted in itertools.product(kinds, kinds):
        found = ddpm.convert(kinds[given], x, bar, given, wanted)
        torch.testing.assert_close(found, kinds[wanted], rtol=1e-9, atol=1e-9)
    bars = torch.tensor([0.9, 0.5, 0.3, 0.2, 1e-3], dtype=torch.float64)[:, None]
    rows = ddpm.convert(eps, x, bars, "noise", "data")
    for row, b in enumerate(bars):
        one = ddpm.convert(eps[row : row + 1], x[row : row + 1], float(b), "noise", "data")
        torch.testing.assert_close(rows[row : row + 1], one)


@pytest.mark.parametrize("bar", [0.9, 0.5, 1e-3])
def test_errors_of_the_three(bar):
    a, s = math.sqrt(bar), math.sqrt(1 - bar)
    x, eps, wrong = normal(1, 3), normal(1, 3, seed=1), normal(1, 3, seed=2)

    def error(kind):
        return (
            ddpm.convert(eps, x, bar, "noise", kind) - ddpm.convert(wrong, x, bar, "noise", kind)
        ).norm()

    assert error("data") == pytest.approx((s / a * error("noise")).item(), rel=1e-9)
    assert error("velocity") == pytest.approx((error("noise") / a).item(), rel=1e-9)


# DDIM's steps -----------------------------------------------------------------------------------


@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("k, j", [p for p in PAIRS if p[1]])
def test_every_s_keeps_the_marginals(k, j, eta):
    """One step with x_0 known is A x_0 + B x_k + s z; A and B are read off, then (2.13) checked."""

    def step(x0, x):
        net = knowing(torch.tensor([x0], dtype=torch.float64))
        start = torch.tensor([[x]], dtype=torch.float64)
        _, after, _ = ddpm.ddim(net, start, LINEAR, [k, j, 0], eta, generator=generator(3))
        return after.item()

    A, B = step(1.0, 0.0) - step(0.0, 0.0), step(0.0, 1.0) - step(0.0, 0.0)
    z = torch.empty(1, dtype=torch.float64).normal_(generator=generator(3)).item()
    s = step(0.0, 0.0) / z
    (a_j, s_j), (a_k, s_k) = signal_and_noise(j), signal_and_noise(k)
    assert a_k * B + A == pytest.approx(a_j, rel=1e-9)
    assert B**2 * s_k**2 + s**2 == pytest.approx(s_j**2, rel=1e-8)
    added = s_k**2 - (a_k / a_j) ** 2 * s_j**2
    assert s == pytest.approx(eta * s_j / s_k * math.sqrt(added), rel=1e-7, abs=1e-12)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0, "sigma-hat"])
def test_ddim_number_by_number(eta):
    net, x, steps = smooth_net(), normal(4, 3), [900, 401, 400, 17, 0]
    *_, found = ddpm.ddim(net, x, LINEAR, steps, eta, generator=generator(9))
    again = generator(9)
    for k, j in itertools.pairwise(steps):
        (a_k, s_k), (a_j, s_j) = signal_and_noise(k), signal_and_noise(j)
        ratio = (a_k / a_j) ** 2
        s = (1.0 if eta == "sigma-hat" else eta) * s_j / s_k * math.sqrt(1 - ratio)
        drawn = math.sqrt(1 - ratio) if eta == "sigma-hat" else s
        eps = net(x, torch.tensor(k / 1000, dtype=torch.float64))
        new = a_j * (x - s_k * eps) / a_k + math.sqrt(s_j**2 - s**2) * eps
        if j and eta != 0.0:
            new = new + drawn * torch.empty_like(x).normal_(generator=again)
        x = new
    torch.testing.assert_close(found, x, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("k, j", PAIRS)
def test_eta_one_is_the_posterior(k, j):
    """Same variance and same mean as Bayes' rule, for neighbours and for any other pair."""
    x, x0 = normal(5, 3), normal(3, seed=1)
    mean, variance = ddpm.posterior(x, x0.expand(5, 3), LINEAR, k, j)
    s, drawn = ddpm.random_part(LINEAR, k, j, 1.0)
    assert s == drawn and s**2 == pytest.approx(variance, rel=1e-9, abs=1e-15)
    _, after, *_ = ddpm.ddim(
        knowing(x0), x, LINEAR, [k, j, 0] if j else [k, 0], 1.0, generator=generator(3)
    )
    z = torch.empty_like(x).normal_(generator=generator(3))
    torch.testing.assert_close(after, mean + variance**0.5 * z, rtol=1e-7, atol=1e-9)


def test_ddpm_is_ddim_with_eta_one():
    net, x, schedule = smooth_net(), normal(4, 3), ddpm.cosine(60)
    one = [*ddpm.ddpm(net, x, schedule, generator=generator(2))]
    other = [*ddpm.ddim(net, x, schedule, 60, 1.0, generator=generator(2))]
    assert len(one) == len(other) == 61
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-7)


def test_sigma_hat_draws_more_than_it_makes_room_for():
    for k, j in PAIRS:
        s, drawn = ddpm.random_part(LINEAR, k, j, "sigma-hat")
        (a_k, s_k), (a_j, s_j) = signal_and_noise(k), signal_and_noise(j)
        added = s_k**2 - (a_k / a_j) ** 2 * s_j**2
        assert s == pytest.approx(math.sqrt(added) * s_j / s_k, rel=1e-8, abs=1e-12)
        if j == 0:
            assert drawn == 0.0  # no noise on the data themselves
        else:
            assert drawn == pytest.approx(math.sqrt(added), rel=1e-8)
            assert drawn > s


def test_eta_zero_is_an_euler_step():
    net, x = smooth_net(), normal(4, 3)
    steps = [1000, 700, 250, 30, 1, 0]
    rho = torch.tensor([s / a for a, s in map(signal_and_noise, steps)], dtype=torch.float64)
    times = dict(zip(rho.tolist(), steps, strict=True))

    def slope(y, r):
        t = torch.tensor(times[r.item()] / 1000, dtype=torch.float64)
        return net(y / torch.sqrt(1 + r**2), t)

    *_, expected = ode.euler(slope, x / signal_and_noise(1000)[0], rho)
    *_, found = ddpm.ddim(net, x, LINEAR, steps)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_gaussian_data_have_a_closed_path():
    """y - m is proportional to sqrt(c^2 + rho^2), and DDIM's error halves when its steps do."""
    m, c, schedule = 0.7, 0.5, ddpm.linear(4000, 2.5e-5, 0.005)
    net = exact(GaussianMixture(torch.full((1, 1), m, dtype=torch.float64), c), schedule)
    x = normal(6, 1)
    bar = schedule.at(4000)
    y, rho = x / bar**0.5, math.sqrt((1 - bar) / bar)
    expected = m + (y - m) * c / math.sqrt(c**2 + rho**2)
    errors = []
    for n in (1000, 2000, 4000):
        steps = [4000 * i // n for i in range(n, -1, -1)]
        *_, found = ddpm.ddim(net, x, schedule, steps)
        errors.append((found - expected).abs().max().item())
    assert errors[2] < 1e-3
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.05)
    assert errors[1] / errors[2] == pytest.approx(2, rel=0.05)


def test_inversion_undoes_ddim():
    net, x0 = smooth_net(), 0.5 * normal(4, 3)
    *_, noise = ddpm.invert(net, x0, LINEAR, 20, n_iterations=60)
    *_, back = ddpm.ddim(net, noise, LINEAR, 20)
    torch.testing.assert_close(back, x0, rtol=0, atol=1e-9)
    once, *_ = reversed([*ddpm.invert(net, x0, LINEAR, 20)])
    *_, rough = ddpm.ddim(net, once, LINEAR, 20)
    assert 1e-4 < (rough - x0).abs().max() < 0.5
    path = [*ddpm.invert(net, x0, LINEAR, [1000, 500, 0])]
    assert len(path) == 3 and path[0] is x0


def test_inversion_number_by_number():
    """One call a step, at the point before, at the time that is reached."""
    net, x, steps = smooth_net(), normal(4, 3), [0, 3, 250, 1000]
    *_, found = ddpm.invert(net, x, LINEAR, steps[::-1])
    for j, k in itertools.pairwise(steps):
        (a_k, s_k), (a_j, s_j) = signal_and_noise(k), signal_and_noise(j)
        eps = net(x, torch.tensor(k / 1000, dtype=torch.float64))
        x = a_k * (x - s_j * eps) / a_j + s_k * eps
    torch.testing.assert_close(found, x, rtol=1e-9, atol=1e-9)


def test_samples_follow_the_data():
    """The exact net for two bumps of unequal weight: 200 steps give weights, means and widths."""
    means = torch.tensor([[-1.2], [0.8]], dtype=torch.float64)
    bumps = GaussianMixture(means, 0.15, torch.tensor([0.3, 0.7], dtype=torch.float64))
    for eta in (0.0, 1.0, "sigma-hat"):
        *_, x = ddpm.ddim(exact(bumps), normal(4000, 1), LINEAR, 200, eta, generator=generator(1))
        right = x[x > -0.2]
        assert len(right) / 4000 == pytest.approx(0.7, abs=0.03)
        assert right.mean().item() == pytest.approx(0.8, abs=0.03)
        assert right.std().item() == pytest.approx(0.15, rel=0.15)


# How they are used ------------------------------------------------------------------------------


def test_spaced_steps():
    assert ddpm.spaced(LINEAR, 10) == [901, 801, 701, 601, 501, 401, 301, 201, 101, 1, 0]
    assert ddpm.spaced(LINEAR, 1000) == list(range(1000, -1, -1))
    assert ddpm.spaced(LINEAR, 1) == [1, 0]
    assert ddpm.spaced(ddpm.linear(10), 4) == [8, 6, 3, 1, 0]
    assert ddpm.spaced(LINEAR, [1000, 3, 0]) == [1000, 3, 0]


@pytest.mark.parametrize("predict", ddpm.KINDS)
def test_samplers_take_every_parametrisation(predict):
    net, x = smooth_net(), normal(4, 3)

    def other(x, t):
        bar = LINEAR.at(round(float(t) * 1000))
        return ddpm.convert(net(x, t), x, bar, "noise", predict)

    for sampler in (ddpm.ddim, ddpm.invert):
        (*_, a), (*_, b) = sampler(net, x, LINEAR, 7), sampler(other, x, LINEAR, 7, predict=predict)
        torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-7)
    short = ddpm.linear(5)

    def again(x, t):
        return ddpm.convert(net(x, t), x, short.at(round(float(t) * 5)), "noise", predict)

    *_, a = ddpm.ddpm(net, x, short, generator=generator())
    *_, b = ddpm.ddpm(again, x, short, predict=predict, generator=generator())
    torch.testing.assert_close(a, b)


def test_samplers_yield_the_start_and_keep_shape_dtype_and_gradients_off():
    weight = torch.ones(1, requires_grad=True)

    def net(x, t):
        assert x.dtype == t.dtype and t.ndim == 0 and 0 < t <= 1
        return weight.to(x) * x * t

    for dtype, shape in itertools.product((torch.float32, torch.float64), ((3, 2), (2, 1, 4, 4))):
        x = torch.randn(shape, generator=generator(), dtype=dtype)
        for path in (
            ddpm.ddim(net, x, LINEAR, 5, 0.5, generator=generator()),
            ddpm.ddpm(net, x, ddpm.linear(5), generator=generator()),
            ddpm.invert(net, x, LINEAR, 5, n_iterations=2),
        ):
            path = [*path]
            assert len(path) == 6 and path[0] is x
            assert all(p.shape == x.shape and p.dtype == dtype for p in path)
            assert not any(p.requires_grad for p in path)
        assert ddpm.loss(lambda x, t: 0 * x, x, LINEAR, generator=generator()).shape == ()


def test_noise_comes_from_the_generator_and_only_when_needed():
    net, x, before = smooth_net(), normal(4, 3), torch.get_rng_state()
    draws = [[*ddpm.ddim(net, x, LINEAR, 5, 0.5, generator=generator(s))][-1] for s in (1, 1, 2)]
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])
    rest = generator(4)
    [*ddpm.ddim(net, x, LINEAR, 5, generator=rest)]
    assert torch.equal(rest.get_state(), generator(4).get_state())
    assert torch.equal(before, torch.get_rng_state())


def test_number_of_calls():
    for sampler, options, expected in (
        (ddpm.ddim, {"n_steps": 12}, 12),
        (ddpm.invert, {"n_steps": 12, "n_iterations": 3}, 36),
    ):
        counted = ode.Counted(smooth_net())
        [*sampler(counted, normal(2, 3), LINEAR, **options)]
        assert counted.n_calls == expected


def test_what_is_taken_unless_told():
    """Fifty steps, no noise, one iteration, a net that predicts the noise, neighbours."""
    net, x = smooth_net(), normal(4, 3)
    told = ddpm.ddim(net, x, LINEAR, 50, 0.0, predict="noise", generator=generator())
    assert all(map(torch.equal, ddpm.ddim(net, x, LINEAR), told))
    assert len([*ddpm.ddim(net, x, LINEAR)]) == len([*ddpm.invert(net, x, LINEAR)]) == 51
    told = ddpm.invert(net, x, LINEAR, 50, n_iterations=1, predict="noise")
    assert all(map(torch.equal, ddpm.invert(net, x, LINEAR), told))
    short = ddpm.linear(5)
    told = ddpm.ddpm(net, x, short, predict="noise", generator=generator())
    assert all(map(torch.equal, ddpm.ddpm(net, x, short, generator=generator()), told))
    losses = [ddpm.loss(net, x, LINEAR, generator=generator(), **options)
              for options in ({}, {"predict": "noise"})]  # fmt: skip
    assert losses[0] == losses[1]
    assert ddpm.cosine().T == 1000 and ddpm.cosine().beta[-1] == 0.999


def test_the_smallest_that_is_allowed():
    """One step, equal betas, no offset, both ends of eta, the last step of all."""
    assert ddpm.linear(1, 0.3, 0.3).beta.tolist() == [0.3]
    assert ddpm.Schedule([0.1]).beta.tolist() == [0.1]  # not by way of float32
    assert ddpm.cosine(1).beta.tolist() == [0.999]
    flat = ddpm.cosine(4, offset=0.0)
    assert flat.at(2) == pytest.approx(0.5) and flat.at(4) == pytest.approx(
        1e-3 * math.cos(3 * math.pi / 8) ** 2
    )
    assert ddpm.random_part(LINEAR, 5, 4, 0) == (0, 0) and ddpm.spaced(LINEAR, [3, 0]) == [3, 0]
    assert LINEAR.at(1) == pytest.approx(1 - 1e-4)


def test_schedules_are_double_on_the_cpu():
    for schedule in (ddpm.linear(3), ddpm.cosine(3), ddpm.Schedule(torch.full((3,), 0.5))):
        parts = (schedule.beta, schedule.alpha_bar, schedule.signal, schedule.noise)
        assert all(p.dtype == torch.float64 and p.device.type == "cpu" for p in parts)
        assert all(p.shape == (3,) for p in parts) and schedule.T == 3


def test_loss_draws_from_the_generator_alone():
    """Noise of every row and coordinate its own, standard normal; another seed, other numbers."""
    before, seen = torch.get_rng_state(), []

    def net(x, t):
        seen.append(x)
        return 0 * x

    last = ddpm.Schedule([1 - 1e-12])  # nothing is left of the data
    losses = [ddpm.loss(net, normal(5000, 4), last, generator=generator(s)) for s in (1, 1, 2)]
    assert losses[0] == losses[1] != losses[2]
    assert torch.equal(before, torch.get_rng_state())
    assert seen[0].std(0).tolist() == pytest.approx([1] * 4, abs=0.04)
    assert seen[0].unique().numel() == 20_000


@pytest.mark.parametrize("eta, std", [(0.5, 0.5), (1.0, 1.0), ("sigma-hat", None)])
def test_noise_of_a_step_has_the_stated_spread(eta, std):
    """A net that sees nothing: what a step adds is as wide as `random_part` says, row by row."""
    x = torch.zeros(5000, 3, dtype=torch.float64)
    _, after, _ = ddpm.ddim(
        lambda x, t: 0 * x, x, LINEAR, [600, 500, 0], eta, generator=generator()
    )
    (a_k, s_k), (a_j, s_j) = signal_and_noise(600), signal_and_noise(500)
    added = math.sqrt(1 - (a_k / a_j) ** 2)
    expected = added if std is None else std * s_j / s_k * added
    assert after.std(0).tolist() == pytest.approx([expected] * 3, rel=0.04)
    assert after.unique().numel() == 15_000


def nan(x, t):
    return x / 0 if t < 0.5 else 0 * x


def narrow(x, t):
    return x[:, :1]


BARS = torch.tensor([[0.5], [0.5], [0.5], [math.nan]])
KINDS = r"must be one of \('noise', 'data', 'velocity'\), got"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda net, x: ddpm.Schedule(torch.tensor([0.1, 1.0])), r"beta must be in \(0, 1\), got"),
        (lambda net, x: ddpm.Schedule(torch.tensor([0.1, 0.0])), r"beta must be in \(0, 1\), got"),
        (lambda net, x: ddpm.Schedule(torch.tensor([0.1, -0.1])), r"beta must be in \(0, 1\)"),
        (lambda net, x: ddpm.Schedule(torch.tensor([0.1, math.nan])), r"beta must be in \(0, 1\)"),
        (lambda net, x: ddpm.Schedule(torch.ones(2, 2) / 2), r"beta must be \(T,\), got \(2, 2\)"),
        (lambda net, x: ddpm.Schedule(torch.zeros(0)), "beta must hold one step or more, got none"),
        (lambda net, x: ddpm.linear(0), "n_steps must be at least 1, got 0"),
        (lambda net, x: ddpm.linear(10, 0.02, 1e-4), "betas must rise .*, got 0.02 to 0.0001"),
        (lambda net, x: ddpm.linear(10, 0.0), r"beta must be in \(0, 1\), got"),
        (lambda net, x: ddpm.cosine(0), "n_steps must be at least 1, got 0"),
        (lambda net, x: ddpm.cosine(10, offset=-1.0), "offset must be at least 0, got -1.0"),
        (lambda net, x: ddpm.cosine(10, offset=math.nan), "offset must be at least 0, got nan"),
        (lambda net, x: ddpm.cosine(10, beta_max=1.0), r"beta must be in \(0, 1\), got"),
        (lambda net, x: LINEAR.at(1001), "k must be 0 .. 1000, got 1001"),
        (lambda net, x: LINEAR.at(-1), "k must be 0 .. 1000, got -1"),
        (lambda net, x: ddpm.convert(x, x, 0.5, "noise", "score"), f"wanted {KINDS} 'score'"),
        (lambda net, x: ddpm.convert(x, x, 0.5, "score", "score"), f"given {KINDS} 'score'"),
        (lambda net, x: ddpm.convert(x, x, 0.5, "eps", "data"), f"given {KINDS} 'eps'"),
        (
            lambda net, x: ddpm.convert(x[:1], x, 0.5, "noise", "data"),
            r"value must be \(4, 3\) like x, got \(1, 3\)",
        ),
        (
            lambda net, x: ddpm.convert(x, x, 1.0, "data", "noise"),
            r"alpha_bar must be in \(0, 1\), got 1.0",
        ),
        (
            lambda net, x: ddpm.convert(x, x, 0.0, "noise", "data"),
            r"alpha_bar must be in \(0, 1\), got 0.0",
        ),
        (
            lambda net, x: ddpm.convert(x, x, BARS, "noise", "data"),
            r"alpha_bar must be in \(0, 1\), got",
        ),
        (lambda net, x: ddpm.loss(net, x, LINEAR, predict="score"), f"predict {KINDS} 'score'"),
        (lambda net, x: ddpm.loss(net, x[:, 0], LINEAR), r"x0 must be \(B, \*S\), got \(4,\)"),
        (lambda net, x: ddpm.loss(net, x.long(), LINEAR), "x0 must be floats, got torch.int64"),
        (lambda net, x: ddpm.loss(narrow, x, LINEAR), r"net must map \(4, 3\) .* got \(4, 1\)"),
        (lambda net, x: ddpm.posterior(x, x, LINEAR, 0), "0 <= j < k, got j = -1 and k = 0"),
        (lambda net, x: ddpm.posterior(x, x, LINEAR, 5, 5), "0 <= j < k, got j = 5 and k = 5"),
        (lambda net, x: ddpm.posterior(x, x, LINEAR, 5, -1), "0 <= j < k, got j = -1 and k = 5"),
        (lambda net, x: ddpm.posterior(x, x, LINEAR, 1001), "k must be 0 .. 1000, got 1001"),
        (
            lambda net, x: ddpm.posterior(x, x[:1], LINEAR, 5),
            r"x0 must be \(4, 3\) like x, got \(1, 3\)",
        ),
        (lambda net, x: ddpm.random_part(LINEAR, 4, 5, 1.0), "0 <= j < k, got j = 5 and k = 4"),
        (lambda net, x: ddpm.random_part(LINEAR, 1001, 5, 1.0), "k must be 0 .. 1000, got 1001"),
        (lambda net, x: ddpm.random_part(LINEAR, 5, 4, -0.1), "eta must be in 0 .. 1, got -0.1"),
        (lambda net, x: ddpm.random_part(LINEAR, 5, 4, 1.1), "eta must be in 0 .. 1, got 1.1"),
        (lambda net, x: ddpm.random_part(LINEAR, 5, 4, math.nan), "eta must be in 0 .. 1, got nan"),
        (lambda net, x: ddpm.random_part(LINEAR, 5, 4, "sigma"), "\"sigma-hat\" .*, got 'sigma'"),
        (lambda net, x: next(ddpm.ddim(net, x, LINEAR, 5, -1.0)), "eta must be .*, got -1.0"),
        (lambda net, x: ddpm.spaced(LINEAR, 0), "n_steps must be 1 .. 1000, got 0"),
        (lambda net, x: ddpm.spaced(LINEAR, 1001), "n_steps must be 1 .. 1000, got 1001"),
        (lambda net, x: ddpm.spaced(LINEAR, [500, 600, 0]), "n_steps must fall, got"),
        (lambda net, x: ddpm.spaced(LINEAR, [900, 500, 500, 0]), "n_steps must fall, got"),
        (lambda net, x: ddpm.spaced(LINEAR, [500, 100]), "n_steps must fall to 0, got"),
        (lambda net, x: ddpm.spaced(LINEAR, [500, -1]), "n_steps must fall to 0, got"),
        (lambda net, x: ddpm.spaced(LINEAR, [1001, 100, 0]), "n_steps must begin at 1000 or below"),
        (lambda net, x: ddpm.spaced(LINEAR, [0.5, 0]), "n_steps must list whole numbers, got"),
        (lambda net, x: ddpm.spaced(LINEAR, [9, 0.5, 0]), "n_steps must list whole numbers, got"),
        (
            lambda net, x: ddpm.spaced(LINEAR, [0]),
            r"n_steps must list two steps or more, got \[0\]",
        ),
        (lambda net, x: ddpm.spaced(LINEAR, []), r"n_steps must list two steps or more, got \[\]"),
        (lambda net, x: next(ddpm.ddim(net, x, LINEAR, 0)), "n_steps must be 1 .. 1000, got 0"),
        (lambda net, x: [*ddpm.ddim(nan, x, LINEAR, 5)], r"net\(x, t\) must be finite, got"),
        (lambda net, x: [*ddpm.ddim(narrow, x, LINEAR, 5)], r"net must map \(4, 3\) .*, got"),
        (lambda net, x: next(ddpm.ddim(net, x / 0, LINEAR, 5)), "noise must be finite, got"),
        (lambda net, x: [*ddpm.ddim(net, x, LINEAR, 5, predict="score")], f"given {KINDS} 'score'"),
        (lambda net, x: [*ddpm.ddpm(nan, x, ddpm.linear(5))], r"net\(x, t\) must be finite, got"),
        (lambda net, x: [*ddpm.ddpm(narrow, x, ddpm.linear(5))], r"net must map \(4, 3\) .*, got"),
        (lambda net, x: next(ddpm.ddpm(net, x / 0, ddpm.linear(5))), "noise must be finite, got"),
        (
            lambda net, x: next(ddpm.invert(net, x, LINEAR, 5, n_iterations=0)),
            "n_iterations must be at least 1, got 0",
        ),
        (lambda net, x: [*ddpm.invert(nan, x, LINEAR, 5)], r"net\(x, t\) must be finite, got"),
        (lambda net, x: next(ddpm.invert(net, x / 0, LINEAR, 5)), "x0 must be finite, got"),
        (lambda net, x: next(ddpm.invert(net, x, LINEAR, [0, 500])), "n_steps must fall, got"),
    ],
)
def test_bad_input_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call(smooth_net(), normal(4, 3))
