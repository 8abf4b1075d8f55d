"""SDEs, their reversal and their flow, against quadrature, Bayes' rule and closed forms."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from helpers.flows import cnf, ode, sde, toy

VP, SUB, VE = sde.VP(0.2, 12.0), sde.SubVP(0.2, 12.0), sde.VE(0.05, 8.0)
ALL = [pytest.param(p, id=type(p).__name__) for p in (VP, SUB, VE)]
T = torch.tensor([0.03, 0.2, 0.55, 1.0], dtype=torch.float64)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(shape, generator=generator(seed), dtype=torch.float64)


def clock(start, end, n):
    return torch.linspace(start, end, n + 1, dtype=torch.float64)


def mixture(std=0.3):
    means = torch.tensor([[-1.0], [0.4], [1.5]], dtype=torch.float64)
    return toy.GaussianMixture(means, std, torch.tensor([0.3, 0.5, 0.2], dtype=torch.float64))


def exact(process, target):
    return lambda x, t: target.noised(process.signal(t), process.noise(t)).score(x)


def schedules(process):
    """drift's factor and g^2 as the chapter defines them, in plain floats."""
    if process is VE:
        growth = 2 * math.log(8.0 / 0.05)
        return (lambda t: 0.0), lambda t: growth * 0.05**2 * math.exp(growth * t)

    def beta(t):
        return 0.2 + t * 11.8

    def area(t):
        return integrate.quad(beta, 0, t)[0]

    if process is VP:
        return (lambda t: -beta(t) / 2), beta
    return (lambda t: -beta(t) / 2), lambda t: beta(t) * (1 - math.exp(-2 * area(t)))


# Forward ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("process", ALL)
def test_rate_and_diffusion_are_the_chapters(process):
    rate, square = schedules(process)
    for t in T:
        assert process.rate(t).item() == pytest.approx(rate(t.item()), rel=1e-12)
        assert process.diffusion(t).item() ** 2 == pytest.approx(square(t.item()), rel=1e-9)


@pytest.mark.parametrize("process", ALL)
def test_kernels_solve_the_moment_equations(process):
    """(3.6), integrated by scipy from the schedules as floats."""
    rate, square = schedules(process)

    def slope(t, moments):
        return [rate(t) * moments[0], 2 * rate(t) * moments[1] + square(t)]

    found = integrate.solve_ivp(slope, (0, 1), [1, 0], t_eval=T.numpy(), rtol=1e-10, atol=1e-13)
    signal, variance = torch.from_numpy(found.y)
    torch.testing.assert_close(process.signal(T), signal, rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(process.noise(T).square(), variance, rtol=1e-6, atol=1e-9)


def test_kernels_in_closed_form():
    """(3.7) to (3.9), number by number; small t without cancellation."""
    t = 0.55
    area = integrate.quad(lambda u: 0.2 + u * 11.8, 0, t)[0]
    assert VP.signal(t).item() == pytest.approx(math.exp(-area / 2))
    assert VP.noise(t).item() ** 2 == pytest.approx(1 - math.exp(-area))
    assert SUB.signal(t).item() == pytest.approx(math.exp(-area / 2))
    assert SUB.noise(t).item() == pytest.approx(1 - math.exp(-area))
    assert VE.signal(t).item() == 1
    grown = integrate.quad(lambda u: 2 * math.log(160) * (0.05 * 160**u) ** 2, 0, t)[0]
    assert VE.noise(t).item() ** 2 == pytest.approx(grown)
    assert VE.prior_std == pytest.approx(VE.noise(1.0).item())
    tiny = torch.tensor(1e-9)  # float32: 1 - exp(-area) would be 0
    assert VP.noise(tiny).item() == pytest.approx(math.sqrt(0.2e-9), rel=1e-5)
    for process in (VP, SUB, VE):
        assert process.signal(0.0) == 1 and process.noise(0.0) == 0


def test_sub_vp_is_below_vp():
    t = torch.linspace(0, 1, 101, dtype=torch.float64)
    assert (SUB.noise(t) <= VP.noise(t)).all()
    torch.testing.assert_close(SUB.noise(t), VP.noise(t).square())
    torch.testing.assert_close(SUB.signal(t), VP.signal(t))
    assert SUB.noise(1.0) > 0.99


def test_ddpm_tends_to_vp():
    """(3.1) with beta(t) / N a step: signal and variance approach VP's, in proportion to 1/N."""
    errors = []
    for n in (100, 200, 400):
        variance, signal = 0.0, 1.0
        for k in range(n):
            share = (0.2 + 11.8 * (k + 0.5) / n) / n
            signal *= math.sqrt(1 - share)
            variance = (1 - share) * variance + share
        errors.append(abs(signal - VP.signal(1.0).item()))
        assert variance == pytest.approx(VP.noise(1.0).item() ** 2, abs=2 / n)
    assert errors[0] < 0.02
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.1)
    assert errors[1] / errors[2] == pytest.approx(2, rel=0.1)


@pytest.mark.parametrize("process", ALL)
def test_forward_number_by_number(process):
    """(3.5) in a plain loop, with the same dice."""
    rate, square = schedules(process)
    x, times = normal(3, 2), torch.tensor([0.1, 0.15, 0.4, 0.5], dtype=torch.float64)
    path = list(sde.forward(process, x, times, generator(5)))
    assert len(path) == 4 and torch.equal(path[0], x)
    dice = generator(5)
    for k in range(3):
        t, dt = times[k].item(), (times[k + 1] - times[k]).item()
        eps = torch.randn(3, 2, generator=dice, dtype=torch.float64)
        for b in range(3):
            for d in range(2):
                was = path[k][b, d].item()
                kick = math.sqrt(square(t)) * math.sqrt(dt) * eps[b, d].item()
                assert path[k + 1][b, d].item() == pytest.approx(was + rate(t) * was * dt + kick)


@pytest.mark.parametrize("n", [1, 4, 60])
def test_noise_adds_up_however_it_is_cut(n):
    """(3.3): with a constant g the variance at the end is g^2 t, whatever the steps."""

    class Brownian(sde.Process):
        def _at(self, t):
            return 0 * t, 4 + 0 * t, 1 + 0 * t, 4 * t

    times = clock(0, 0.7**0.5, n) ** 2  # uneven steps
    *_, x = sde.forward(Brownian(), torch.zeros(20_000, 1).double(), times, generator(n))
    assert x.var().item() == pytest.approx(4 * 0.7, rel=0.05)  # 5 standard errors


def test_jump_has_the_law_of_many_steps():
    x0 = torch.full((20_000, 1), 1.3, dtype=torch.float64)
    *_, walked = sde.forward(VP, x0, clock(0, 0.5, 400), generator())
    t, eps = torch.tensor(0.5, dtype=torch.float64), normal(20_000, 1, seed=1)
    jumped = VP.jump(x0, t, eps)
    torch.testing.assert_close(jumped, VP.signal(t) * x0 + VP.noise(t) * eps)
    assert stats.ks_2samp(walked[:, 0], jumped[:, 0]).pvalue > 1e-3
    each = VP.jump(x0[:4].expand(4, 3), T, normal(4, 3))  # a time for every row
    for b in range(4):
        row = VP.jump(x0[:1].expand(1, 3), T[b], normal(4, 3)[b : b + 1])
        torch.testing.assert_close(each[b : b + 1], row)


@pytest.mark.parametrize("process", ALL)
def test_kernels_solve_fokker_planck(process):
    """(3.17) for the smeared mixture, both sides by finite differences, in float64."""
    target, h = mixture(), 1e-4

    def p(x, t):
        return target.noised(process.signal(t), process.noise(t)).log_prob(x).exp()

    for t in (0.05, 0.3, 0.7):
        width = max(1.0, process.noise(t).item())
        x = torch.linspace(-3, 3, 61, dtype=torch.float64)[:, None] * width
        e = h * width
        left = (p(x, t + h) - p(x, t - h)) / (2 * h)
        when = torch.tensor(t, dtype=torch.float64)
        flux = [process.drift(x + s * e, when)[:, 0] * p(x + s * e, t) for s in (1, -1)]
        bend = (p(x + e, t) - 2 * p(x, t) + p(x - e, t)) / e**2
        right = -(flux[0] - flux[1]) / (2 * e) + process.diffusion(t) ** 2 / 2 * bend
        assert (left - right).abs().max() < 1e-4 * left.abs().max()


# Score ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("process", ALL)
def test_score_is_minus_the_mean_noise(process):
    """(3.11): E[eps | x] by quadrature over x_0, against autograd of log p_t by quadrature."""
    weights, means, std = (0.3, 0.5, 0.2), (-1.0, 0.4, 1.5), 0.3
    t = torch.tensor(0.2, dtype=torch.float64)
    a, s = process.signal(t).item(), process.noise(t).item()
    x0 = torch.linspace(-4, 4, 40_001, dtype=torch.float64)
    prior = sum(
        w * torch.exp(-((x0 - m) ** 2) / (2 * std**2)) for w, m in zip(weights, means, strict=True)
    )

    def log_p(x):
        return (prior * torch.exp(-((x - a * x0) ** 2) / (2 * s**2))).sum(1).log()

    x = torch.tensor([[-1.2], [0.1], [0.9]], dtype=torch.float64, requires_grad=True)
    gradient = torch.autograd.grad(log_p(x).sum(), x)[0]

    def net(x, t):
        posterior = prior * torch.exp(-((x - a * x0) ** 2) / (2 * s**2))
        return (posterior * (x - a * x0) / s).sum(1, keepdim=True) / posterior.sum(1, keepdim=True)

    found = sde.score_of(process, net)(x.detach(), t)
    torch.testing.assert_close(found, gradient, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(
        exact(process, mixture())(x.detach(), t), gradient, rtol=1e-6, atol=0
    )
    pair = sde.score_of(process, lambda x, t: x)(x.detach(), torch.stack((t, t / 2, t)))
    assert pair[1].item() == pytest.approx(-0.1 / process.noise(t / 2).item())


def test_loss_of_the_best_linear_net():
    """(3.13) on Gaussian data, where the best net and its loss are known for every t."""
    x0, std = 0.7 * normal(400_000, 1), 0.7

    def best(x, t):
        a, s = VP.signal(t)[:, None], VP.noise(t)[:, None]
        return s * x / (a**2 * std**2 + s**2)

    def left(t):  # E[(best - eps)^2] at t
        a, s = VP.signal(t).item(), VP.noise(t).item()
        return a**2 * std**2 / (a**2 * std**2 + s**2)

    for t_min in (0.01, 0.5):
        expected = integrate.quad(left, t_min, 1)[0] / (1 - t_min)
        found = sde.loss(best, x0, VP, t_min=t_min, generator=generator(1))
        assert found.item() == pytest.approx(expected, rel=0.015)
        nothing = sde.loss(lambda x, t: 0 * x, x0, VP, t_min=t_min, generator=generator(1))
        assert nothing.item() == pytest.approx(1, rel=0.015)


def test_loss_gives_every_row_its_time():
    seen = []

    def net(x, t):
        seen.append(t)
        return torch.zeros_like(x)

    sde.loss(net, torch.zeros(500, 2, 3), VP, t_min=0.25, generator=generator())
    assert seen[0].shape == (500,) and 0.25 <= seen[0].min() < 0.27 and 0.98 < seen[0].max() <= 1


# Back -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("process", ALL)
def test_probability_flow_maps_quantiles_to_quantiles(process):
    """(3.19): on a line the flow is F_0^-1 F_1, whatever the process."""
    target = mixture()

    def cdf(x, t):
        p = target.noised(process.signal(t), process.noise(t))
        return torch.special.ndtr((x - p.means[:, 0]) / p.std) @ p.weights

    velocity = sde.probability_flow(process, exact(process, target))
    x0 = torch.tensor([[-1.4], [-0.6], [0.2], [0.5], [1.1], [1.9]], dtype=torch.float64)
    times = torch.tensor([0.0, 0.2, 1.0], dtype=torch.float64)
    _, middle, end = ode.adaptive(velocity, x0, times, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(cdf(middle, 0.2), cdf(x0, 0.0), rtol=0, atol=1e-6)
    torch.testing.assert_close(cdf(end, 1.0), cdf(x0, 0.0), rtol=0, atol=1e-6)


@pytest.mark.parametrize("process", ALL)
def test_reverse_number_by_number(process):
    """One step of (3.22) at a time in plain numbers, from 0.5 to 0.1."""
    rate, square = schedules(process)
    x, times = normal(3, 2), torch.tensor([0.5, 0.4, 0.15, 0.1], dtype=torch.float64)
    path = list(sde.reverse(process, lambda x, t: -x * t, x, times, generator(5)))
    dice = generator(5)
    for k in range(3):
        t, dt = times[k].item(), (times[k] - times[k + 1]).item()
        eps = torch.randn(3, 2, generator=dice, dtype=torch.float64)
        for b in range(3):
            for d in range(2):
                was = path[k][b, d].item()
                drift = rate(t) * was - square(t) * (-was * t)
                wanted = was - drift * dt + math.sqrt(square(t) * dt) * eps[b, d].item()
                assert path[k + 1][b, d].item() == pytest.approx(wanted)


@pytest.mark.parametrize("process", ALL)
def test_bayes_on_a_small_step(process):
    """(3.25) against the exact p(x_t | x_t+dt) of Gaussian data: errors fall like dt^2."""
    std, end = 0.6, 0.5

    def exact_back(y, dt):
        """Mean and variance of x_t given x_t+dt = y, by the two-dimensional Gaussian."""
        a, s = process.signal(end - dt).item(), process.noise(end - dt).item()
        b, u = process.signal(end).item(), process.noise(end).item()
        early, late = a**2 * std**2 + s**2, b**2 * std**2 + u**2
        cov = b / a * early
        return cov / late * y, early - cov**2 / late

    def score(x, t):
        late = process.signal(t) ** 2 * std**2 + process.noise(t) ** 2
        return -x / late

    y, errors = 1.1, []
    for dt in (4e-3, 2e-3):
        times = torch.tensor([end, end - dt], dtype=torch.float64)
        start = torch.full((1, 1), y, dtype=torch.float64)

        one, two = (list(_step(process, score, start, times, e))[-1].item() for e in (0.0, 1.0))
        mean, variance = exact_back(y, dt)
        errors.append((abs(one - mean), abs((two - one) ** 2 - variance)))
        assert errors[-1][0] < 0.05 * abs(mean - y)
        assert errors[-1][1] < 0.1 * variance
    for coarse, fine in zip(*errors, strict=True):
        assert coarse / fine == pytest.approx(4, rel=0.25)


def _step(process, score, x, times, eps):
    """A step of sde.reverse whose normal draw is the number eps."""
    original = torch.Tensor.normal_
    torch.Tensor.normal_ = lambda self, *a, **k: self.fill_(eps)
    try:
        return list(sde.reverse(process, score, x, times))
    finally:
        torch.Tensor.normal_ = original


@pytest.mark.parametrize("process", ALL)
def test_reverse_brings_the_data_back(process):
    """Kolmogorov and Smirnov find no difference between 4,000 reverse samples and the mixture."""
    target = mixture()
    start = target.noised(process.signal(1.0), process.noise(1.0)).sample(4000, generator())
    *_, x = sde.reverse(process, exact(process, target), start, clock(1, 0, 300), generator(1))

    def cdf(v):
        steps = (torch.as_tensor(v)[:, None] - target.means[:, 0]) / target.std
        return (torch.special.ndtr(steps) @ target.weights).numpy()

    assert stats.kstest(x[:, 0].numpy(), cdf).pvalue > 1e-3


def test_reverse_has_the_forward_joint_law():
    """Covariance of x_0 and x_0.3, which forward is the signal times the variance of x_0."""
    target = mixture()
    start = target.noised(VP.signal(1.0), VP.noise(1.0)).sample(20_000, generator())
    times = torch.cat((clock(1, 0.3, 80), clock(0.3, 0, 120)[1:]))
    path = list(sde.reverse(VP, exact(VP, target), start, times, generator(1)))
    cov = torch.cat((path[80], path[-1]), 1).T.cov()
    weights, means = target.weights, target.means[:, 0]
    variance = weights @ means**2 - (weights @ means) ** 2 + target.std**2
    assert cov[0, 1].item() == pytest.approx((VP.signal(0.3) * variance).item(), rel=0.03)
    assert cov[1, 1].item() == pytest.approx(variance.item(), rel=0.03)


def test_corrector_number_by_number():
    """(3.29) with the step 2 (snr noise)^2, twice after one step of the reverse SDE."""
    x, times = normal(4, 2), torch.tensor([0.5, 0.45], dtype=torch.float64)

    def score(x, t):
        return -x * (1 + t)

    options = {"n_corrections": 2, "snr": 0.3}
    *_, found = sde.predictor_corrector(VP, score, x, times, generator(3), **options)
    dice = generator(3)
    *_, x = sde.reverse(VP, score, x, times, dice)
    h = 2 * (0.3 * VP.noise(0.45).item()) ** 2
    for _ in range(2):
        eps = torch.randn(4, 2, generator=dice, dtype=torch.float64)
        x = x - h * 1.45 * x + math.sqrt(2 * h) * eps
    torch.testing.assert_close(found, x)


def test_corrector_pulls_a_wrong_start_right():
    """At one time, many corrections bring any start to p_t, its mean and its variance."""
    late = (VP.signal(0.5) ** 2 * 0.36 + VP.noise(0.5) ** 2).item()
    times = torch.tensor([0.5, 0.5 - 1e-9], dtype=torch.float64)
    start = 3 + 0.1 * normal(4000, 1)
    score = lambda x, t: -x / late  # noqa: E731
    *_, x = sde.predictor_corrector(
        VP, score, start, times, generator(), n_corrections=150, snr=0.2
    )
    assert abs(x.mean().item()) < 0.08
    assert x.var().item() == pytest.approx(late, rel=0.12)


@pytest.mark.parametrize("process", ALL)
def test_likelihood_equals_the_truth(process):
    """(3.27) with the exact score and the exact p_1."""
    target = mixture()
    x = torch.linspace(-2.5, 2.8, 23, dtype=torch.float64)[:, None]
    velocity = sde.probability_flow(process, exact(process, target))
    end = target.noised(process.signal(1.0), process.noise(1.0))
    times = torch.tensor([0.0, 1.0], dtype=torch.float64)
    log_p, _ = cnf.log_prob(velocity, x, times, end.log_prob, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(log_p, target.log_prob(x), rtol=0, atol=1e-5)


@pytest.mark.parametrize("process", ALL)
def test_log_prior_is_the_gaussian_that_stands_for_the_end(process):
    x = normal(5, 2, 3)
    std = 1.0 if process is not VE else math.sqrt(64 - 0.0025)
    expected = torch.distributions.Normal(0.0, std).log_prob(x).sum((1, 2))
    torch.testing.assert_close(process.log_prior(x), expected)


def test_hutchinson_is_right_on_average():
    """(3.28): all 2^3 sign vectors, each as likely, give the trace exactly on average."""
    matrix = normal(3, 3)
    x, t = normal(1, 3, seed=1), torch.tensor(0.5)
    signs = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * 3)

    def velocity(x, t):
        return torch.sin(x @ matrix.T)

    def estimate(probe):
        return cnf.divergence(velocity, x.expand(len(probe), 3), t, probe)[1]

    jacobian = torch.autograd.functional.jacobian(lambda x: velocity(x[None], t)[0], x[0])
    assert estimate(signs).mean().item() == pytest.approx(jacobian.trace().item())
    assert estimate(signs).std() > 0.1
    torch.testing.assert_close(cnf.divergence(velocity, x, t)[1], jacobian.trace()[None])


@pytest.mark.parametrize("process", ALL)
def test_evaluations_are_scipys(process):
    """The flow by ode.adaptive costs what scipy's RK45 costs, and ends where it ends."""
    velocity = ode.Counted(sde.probability_flow(process, exact(process, mixture())))
    x, times = normal(7, 1), torch.tensor([0.0, 1.0], dtype=torch.float64)
    *_, end = ode.adaptive(velocity, x, times, rtol=1e-6, atol=1e-6)
    slope = sde.probability_flow(process, exact(process, mixture()))

    def flat(t, y):
        at = torch.tensor(t, dtype=torch.float64)
        return slope(torch.from_numpy(y)[:, None], at)[:, 0].numpy()

    scipys = integrate.solve_ivp(flat, (0, 1), x[:, 0].numpy(), rtol=1e-6, atol=1e-6)
    assert velocity.n_calls == scipys.nfev
    torch.testing.assert_close(end[:, 0], torch.from_numpy(scipys.y[:, -1]), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("sampler", "per_step"), [(sde.reverse, 1), (sde.predictor_corrector, 3)])
def test_scores_are_counted(sampler, per_step):
    score = ode.Counted(lambda x, t: -x)
    options = {} if per_step == 1 else {"n_corrections": 2}
    path = list(sampler(VP, score, normal(3, 2), clock(1, 0.1, 7), generator(), **options))
    assert len(path) == 8 and score.n_calls == 7 * per_step


# Shapes, dtypes and bad input -------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.sampled_from([0, 1, 2]))
def test_any_shape_and_dtype_comes_back(shape, which):
    process, x = (VP, SUB, VE)[which], torch.zeros(shape)
    times = torch.linspace(1, 0.1, 4)
    score = lambda x, t: -x  # noqa: E731
    for run in (
        sde.forward(process, x, times.flip(0), generator()),
        sde.reverse(process, score, x, times, generator()),
        sde.predictor_corrector(process, score, x, times, generator()),
    ):
        path = list(run)
        assert len(path) == 4
        assert all(y.shape == x.shape and y.dtype == torch.float32 for y in path)
    assert sde.probability_flow(process, score)(x, times[0]).shape == x.shape
    assert process.log_prior(x).shape == x.shape[:1]


def test_randomness_comes_from_the_generator_alone():
    before = torch.get_rng_state()
    runs = [list(sde.reverse(VP, lambda x, t: -x, normal(3, 1), clock(1, 0, 5), generator(s)))
            for s in (1, 1, 2)]  # fmt: skip
    assert torch.equal(runs[0][-1], runs[1][-1]) and not torch.equal(runs[0][-1], runs[2][-1])
    assert torch.equal(torch.get_rng_state(), before)


def test_every_sampler_draws_from_its_generator():
    """Same seed, same path; another seed, another; every row and coordinate its own noise."""
    down, x = clock(1, 0.5, 3), torch.zeros(4000, 2).double()
    score = lambda x, t: 0 * x  # noqa: E731
    for run in (
        lambda g: sde.forward(VE, x, down.flip(0), g),
        lambda g: sde.reverse(VE, score, x, down, g),
        lambda g: sde.predictor_corrector(VE, score, x, down, g),
    ):
        (*_, first), (*_, again), (*_, other) = (run(generator(s)) for s in (1, 1, 2))
        assert torch.equal(first, again) and not torch.equal(first, other)
        assert first.unique().numel() == 8000 and not first.requires_grad
    losses = [sde.loss(lambda x, t: 0 * x, x, VP, generator=generator(s)) for s in (1, 1, 2)]
    assert losses[0] == losses[1] != losses[2]


def test_loss_draws_times_and_then_noise():
    """Noise is standard normal; t is down to 1e-3 unless told, drawn before the noise."""
    x0, seen = normal(2000, 3), []

    def net(x, t):
        seen.append((x, t))
        return torch.zeros_like(x)

    found = sde.loss(net, x0, VP, generator=generator(4))
    dice = generator(4)
    t = torch.empty(2000, dtype=torch.float64).uniform_(1e-3, 1, generator=dice)
    eps = torch.empty(2000, 3, dtype=torch.float64).normal_(generator=dice)
    (x, at), *_ = seen
    assert torch.equal(at, t) and found.item() == pytest.approx(eps.square().mean().item())
    torch.testing.assert_close(x, VP.jump(x0, t, eps))
    assert t.min() < 0.003


def test_what_is_taken_unless_told():
    """The paper's constants: betas, sigmas, one correction at a signal-to-noise ratio of 0.16."""
    for process in (sde.VP(), sde.SubVP()):
        assert (process.beta_min, process.beta_max, process.prior_std) == (0.1, 20.0, 1.0)
        assert process.rate(0.0) == -0.05 and process.rate(1.0) == -10
    assert (sde.VE().sigma_min, sde.VE().sigma_max) == (0.01, 50.0)
    x, times = normal(3, 2), clock(1, 0.5, 2)
    score = lambda x, t: -x  # noqa: E731
    told = {"n_corrections": 1, "snr": 0.16}
    found = sde.predictor_corrector(VP, score, x, times, generator())
    wanted = sde.predictor_corrector(VP, score, x, times, generator(), **told)
    assert all(map(torch.equal, found, wanted))


def test_the_smallest_that_is_allowed():
    """A constant beta, a beta from 0, and times that reach both ends."""
    assert sde.VP(2.0, 2.0).signal(1.0).item() == pytest.approx(math.exp(-1))
    assert sde.VP(0.0, 2.0).signal(1.0).item() == pytest.approx(math.exp(-0.5))
    whole = clock(0, 1, 2)
    assert len(list(sde.forward(VP, X, whole, generator()))) == 3
    assert len(list(sde.reverse(VP, lambda x, t: -x, X, whole.flip(0), generator()))) == 3
    row = VP.jump(torch.ones(3), T[:3], torch.zeros(3))  # points without coordinates
    torch.testing.assert_close(row, VP.signal(T[:3]).float())


def test_a_time_that_is_a_number_is_taken_in_double():
    exactly = torch.tensor(0.3, dtype=torch.float64)
    for process in (VP, SUB, VE):
        for f in (process.rate, process.diffusion, process.signal, process.noise):
            assert torch.equal(f(0.3), f(exactly)) and f(0.3).dtype == torch.float64


def test_drift_takes_a_time_for_every_row():
    x = normal(4, 3)
    torch.testing.assert_close(VP.drift(x, T), VP.rate(T)[:, None] * x)
    velocity = sde.probability_flow(VP, lambda x, t: -x)
    expected = (VP.rate(T) + VP.diffusion(T).square() / 2)[:, None] * x
    torch.testing.assert_close(velocity(x, T), expected)


def test_four_times_of_one_point_are_not_four_points():
    with pytest.raises(ValueError, match=r"t must be a scalar or \(1,\), got \(4,\)"):
        VP.jump(X[:1], UP, X[:1])


X = torch.zeros(3, 2)
DOWN, UP = torch.linspace(1, 0.1, 4), torch.linspace(0.1, 1, 4)


def score(x, t):
    return -x


def bad_at(*times):
    return torch.tensor(times)


def correct(x=X, times=DOWN, score=score, **options):
    return list(sde.predictor_corrector(VP, score, x, times, generator(), **options))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: sde.VP(-0.1, 20), "beta_min must be at least 0, got -0.1"),
        (lambda: sde.VP(20, 0.1), "beta_max must be at least beta_min, 20, got 0.1"),
        (lambda: sde.SubVP(math.nan, 1), "beta_min must be at least 0, got nan"),
        (lambda: sde.VP(1, math.nan), "beta_max must be at least beta_min, 1, got nan"),
        (lambda: sde.VP(0.1, math.inf), "beta_max must be positive and finite, got inf"),
        (lambda: sde.VP(0, 0), "beta_max must be positive and finite, got 0"),
        (lambda: sde.VE(0, 1), "sigma_min must be positive, got 0"),
        (lambda: sde.VE(math.nan, 1), "sigma_min must be positive, got nan"),
        (lambda: sde.VE(2, 1), "sigma_max must be above sigma_min, 2, got 1"),
        (lambda: sde.VE(2, 2), "sigma_max must be above sigma_min, 2, got 2"),
        (lambda: sde.VE(2, math.nan), "sigma_max must be above sigma_min, 2, got nan"),
        (lambda: sde.VE(2, math.inf), "sigma_max must be finite, got inf"),
        (lambda: list(sde.forward(VP, X, DOWN)), "times must rise, got"),
        (lambda: list(sde.reverse(VP, score, X, UP)), "times must fall, got"),
        (lambda: correct(times=UP), "times must fall, got"),
        (
            lambda: list(sde.reverse(VP, score, X, DOWN[[0, 2, 1, 3]])),
            "times must rise strictly or",
        ),
        (lambda: list(sde.forward(VP, X, bad_at(0.5, 1.5))), "times must be at most 1, got 1.5"),
        (lambda: list(sde.reverse(VP, score, X, bad_at(1.5, 0.5))), "times must be at most 1, got"),
        (lambda: list(sde.forward(VP, X, bad_at(-0.5, 1))), "times must be at least 0, got -0.5"),
        (lambda: list(sde.reverse(VP, score, X, bad_at(1, -0.5))), "times must be at least 0, got"),
        (lambda: list(sde.forward(VP, X, bad_at(0, math.nan))), "times must be .* finite .*, got"),
        (
            lambda: list(sde.reverse(VP, lambda x, t: x * math.nan, X, DOWN)),
            r"score\(x, t\) must be",
        ),
        (lambda: correct(score=lambda x, t: x / 0), r"score\(x, t\) must be finite, got"),
        (lambda: list(sde.reverse(VP, lambda x, t: x[:, :1], X, DOWN)), r"score must map .*, got"),
        (lambda: sde.probability_flow(VP, lambda x, t: x[0])(X, DOWN[0]), "score must map .*, got"),
        (lambda: list(sde.forward(VP, X.long(), UP)), "x must be finite floats .*, got"),
        (lambda: list(sde.forward(VP, X / 0, UP)), "x must be finite floats .*, got"),
        (lambda: correct(times=torch.linspace(1, 0, 4)), "times must end above 0, .*, got 0"),
        (lambda: correct(n_corrections=0), "n_corrections must be at least 1, got 0"),
        (lambda: correct(snr=0.0), "snr must be positive and finite, got 0.0"),
        (lambda: correct(snr=math.inf), "snr must be positive and finite, got inf"),
        (lambda: correct(snr=math.nan), "snr must be positive and finite, got nan"),
        (lambda: VP.jump(X, UP[0], X[:1]), r"eps must be .* \(3, 2\), got \(1, 2\)"),
        (lambda: VP.jump(X, UP, X), r"t must be a scalar or \(3,\), got \(4,\)"),
        (lambda: VP.drift(X, UP[:2]), r"t must be a scalar or \(3,\), got \(2,\)"),
        (lambda: VP.drift(X, UP[:3, None]), r"t must be a scalar or \(3,\), got \(3, 1\)"),
        (lambda: sde.loss(score, X, VP, t_min=0.0), r"t_min must be in \(0, 1\), got 0.0"),
        (lambda: sde.loss(score, X, VP, t_min=1.0), r"t_min must be in \(0, 1\), got 1.0"),
        (lambda: sde.loss(score, X, VP, t_min=math.nan), r"t_min must be in \(0, 1\), got nan"),
        (lambda: sde.loss(score, X.long(), VP), "x0 must be floats, got torch.int64"),
        (lambda: sde.loss(score, X[0, 0], VP), r"x0 must be \(B, \*S\), got \(\)"),
        (lambda: sde.loss(lambda x, t: x[:, :1], X, VP), r"net must give \(3, 2\), got \(3, 1\)"),
    ],
)
def test_bad_input_is_a_value_error(call, words):
    with pytest.raises(ValueError, match=words):
        call()
