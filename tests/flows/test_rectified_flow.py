"""Rectified flow against quadrature, closed forms for Gaussians, autograd and brute force."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.flows import cnf, ode, toy
from helpers.flows import rectified_flow as rf

F64 = torch.float64
BUMPS = toy.GaussianMixture(
    torch.tensor([[-1.5], [0.4], [2.0]], dtype=F64), 0.4, torch.tensor([0.5, 0.2, 0.3], dtype=F64)
)
RING = toy.eight_gaussians()
GRID = torch.linspace(-12, 12, 24_001, dtype=F64)  # for sums that are integrals


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def points(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed), dtype=F64)


def bell(x, std=1.0):
    return torch.exp(-((x / std) ** 2) / 2) / (std * math.sqrt(2 * math.pi))


def integral(values):
    return values.sum(-1) * (GRID[1] - GRID[0])


# Lines, target and loss ---------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(4, 3), (2, 1, 3, 2)])
def test_line_number_by_number(shape):
    """Every coordinate of (5.1), with a time for each sample; data at 0, noise at 1."""
    x0, x1 = points(*shape), points(*shape, seed=1)
    t = torch.linspace(0.1, 0.9, len(x0), dtype=F64)
    found = rf.between(x0, x1, t)
    for b in range(len(x0)):
        for a, e, f in zip(x0[b].flatten(), x1[b].flatten(), found[b].flatten(), strict=True):
            assert f.item() == pytest.approx(((1 - t[b]) * a + t[b] * e).item(), abs=1e-14)
    assert torch.equal(rf.between(x0, x1, 0.0), x0)
    assert torch.equal(rf.between(x0, x1, 1.0), x1)


def test_a_time_takes_the_dtype_of_the_points():
    x0, x1 = points(4, 2), points(4, 2, seed=1)
    assert torch.equal(rf.between(x0, x1, 0.3), rf.between(x0, x1, torch.tensor(0.3, dtype=F64)))
    t = torch.full((4,), 0.3, dtype=F64)
    assert rf.between(x0.float(), x1.float(), t).dtype == torch.float32


def test_target_is_the_line_s_slope():
    x0, x1 = points(5, 2), points(5, 2, seed=1)
    slope = (rf.between(x0, x1, 0.7) - rf.between(x0, x1, 0.2)) / 0.5
    torch.testing.assert_close(rf.target(x0, x1), slope)


def test_loss_of_a_constant_in_closed_form():
    """(5.3) for w = c: on given pairs exactly, and in expectation for the independent coupling."""
    c = torch.tensor([0.3, 0.7], dtype=F64)
    x0, x1 = points(6, 2), points(6, 2, seed=1)
    by_hand = sum((c - x1[b] + x0[b]).square().sum().item() for b in range(6)) / 12
    found = rf.loss(lambda x, t: c.expand_as(x), x0, x1, generator=generator())
    assert found.item() == pytest.approx(by_hand)
    mean, std = torch.tensor([1.0, -2.0], dtype=F64), 0.5
    x0 = mean + std * points(400_000, 2, seed=2)
    expected = ((c + mean).square() + 1 + std**2).mean().item()
    found = rf.loss(lambda x, t: c.expand_as(x), x0, generator=generator())
    assert found.item() == pytest.approx(expected, rel=0.01)


def test_loss_shows_the_net_the_line_s_point_and_time():
    x0, x1, seen = points(5000, 3), points(5000, 3, seed=1), []

    def net(x, t):
        seen.append((x, t))
        return x

    rf.loss(net, x0, x1, generator=generator())
    (x, t), *_ = seen
    assert t.shape == (5000,) and t.min() >= 0 and t.max() < 1
    assert t.mean().item() == pytest.approx(0.5, abs=0.02)
    assert t.var().item() == pytest.approx(1 / 12, abs=0.005)
    torch.testing.assert_close(x, (1 - t)[:, None] * x0 + t[:, None] * x1)


def test_loss_splits_by_pythagoras():
    """(5.4) for N(m, s^2) data: what w = v + bump adds to the loss is the bump's mean square."""
    m, s = 1.0, 0.5
    x0 = m + s * points(400_000, 1)

    def v(x, t):
        t = t[:, None]
        denoised = m + (1 - t) * s**2 / ((1 - t) ** 2 * s**2 + t**2) * (x - (1 - t) * m)
        return (x - denoised) / t

    floor = rf.loss(v, x0, generator=generator(1))
    more = rf.loss(lambda x, t: v(x, t) + torch.sin(2 * x), x0, generator=generator(1))
    bump = crossing = 0.0
    for t in ((torch.arange(200, dtype=F64) + 0.5) / 200).tolist():
        variance = (1 - t) ** 2 * s**2 + t**2
        density = bell(GRID - (1 - t) * m, math.sqrt(variance))
        bump += integral(torch.sin(2 * GRID) ** 2 * density).item() / 200
        # variance of x1 - x0 less what x_t explains of it
        crossing += (1 + s**2 - (t - (1 - t) * s**2) ** 2 / variance) / 200
    assert floor.item() == pytest.approx(crossing, rel=0.02)
    assert (more - floor).item() == pytest.approx(bump, abs=0.01)


# The exact velocity -------------------------------------------------------------------------------


@pytest.mark.parametrize("t", [0.03, 0.3, 0.49, 0.5, 0.8, 0.99])
def test_exact_velocity_by_quadrature(t):
    """(5.2) and (5.5): Bayes' rule over all x_0 on a grid."""
    x = torch.tensor([-2.0, -0.3, 0.0, 1.1, 2.5], dtype=F64)
    prior = BUMPS.log_prob(GRID[:, None]).exp()
    x1 = (x[:, None] - (1 - t) * GRID) / t
    weight = prior * bell(x1)
    expected = integral(weight * (x1 - GRID)) / integral(weight)
    found = rf.exact(BUMPS)(x[:, None], t)[:, 0]
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=1e-9)


def test_exact_velocity_at_both_ends():
    """At t = 0 noise is independent of x = x_0; at t = 1 data is independent of x = x_1."""
    x = points(7, 1)
    torch.testing.assert_close(rf.exact(BUMPS)(x, 0.0), -x)
    mean = (BUMPS.weights[:, None] * BUMPS.means).sum(0)
    torch.testing.assert_close(rf.exact(BUMPS)(x, torch.tensor(1.0)), x - mean)


@pytest.mark.parametrize("t", [0.2, 0.5, 0.9])
def test_observer_sees_only_the_average(t):
    """(5.6) for h = a window's bump: d/dt of its mean against the mean of h' v."""

    def h(x):
        return torch.exp(-((x - 0.7) ** 2))

    def mean_h(t):
        return integral(h(GRID) * BUMPS.noised(1 - t, t).log_prob(GRID[:, None]).exp())

    slope = (mean_h(t + 1e-4) - mean_h(t - 1e-4)) / 2e-4
    v = rf.exact(BUMPS)(GRID[:, None], t)[:, 0]
    density = BUMPS.noised(1 - t, t).log_prob(GRID[:, None]).exp()
    average = integral(-2 * (GRID - 0.7) * h(GRID) * v * density)
    assert average.item() == pytest.approx(slope.item(), abs=1e-6)
    # The single velocities give the same, by Monte Carlo.
    x0, x1 = BUMPS.sample(400_000, generator()), points(400_000, 1, seed=1)
    x = rf.between(x0, x1, t)
    lines = (-2 * (x - 0.7) * h(x) * rf.target(x0, x1)).mean()
    assert lines.item() == pytest.approx(slope.item(), abs=0.01)


@pytest.mark.parametrize("t", [0.2, 0.5, 0.9])
def test_continuity_equation(t):
    """(5.7): d log p/dt = -div v - v . score, with the left side by central differences."""
    x = 1.5 * points(200, 2)
    ahead, behind = RING.noised(1 - t - 1e-4, t + 1e-4), RING.noised(1 - t + 1e-4, t - 1e-4)
    change = (ahead.log_prob(x) - behind.log_prob(x)) / 2e-4
    v, div = cnf.divergence(rf.exact(RING), x, torch.tensor(t))
    flux = div + (v * RING.noised(1 - t, t).score(x)).sum(1)
    torch.testing.assert_close(change, -flux, atol=1e-4, rtol=1e-5)


def test_flow_keeps_the_marginals():
    """(5.8), integrated: the density carried from the bell to t is that of x_t, at t = 0 data's."""
    x = BUMPS.sample(20, generator())

    def log_prior(z):
        return bell(z).log().sum(1)

    for t in (0.0, 0.4):
        times = torch.tensor([t, 1.0], dtype=F64)
        found, _ = cnf.log_prob(rf.exact(BUMPS), x, times, log_prior, rtol=1e-9, atol=1e-9)
        expected = BUMPS.noised(1 - t, t).log_prob(x)
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


# Costs and straightness ---------------------------------------------------------------------------


@pytest.mark.parametrize("power", [1.0, 1.5, 2.0, 4.0])
def test_no_convex_cost_rises(power):
    """(5.9): both inequalities, the first on every path, for four costs."""
    x0, x1 = RING.sample(2000, generator()), points(2000, 2)
    times = torch.linspace(1, 0, 101, dtype=F64)
    path = torch.stack([*ode.euler(rf.exact(RING), x1, times)])
    speed = (path.diff(dim=0) * 100).norm(dim=2).pow(power)
    own = (x1 - path[-1]).square().sum(1).sqrt() ** power
    assert (own <= speed.mean(0) + 1e-9).all()
    after = rf.transport_cost(path[-1], x1, power)
    assert after == pytest.approx(own.mean().item())
    before = rf.transport_cost(x0, x1, power)
    assert after < speed.mean().item() < before


def gaussians(dim=3, n=4000, seed=0):
    """A correlated coupling whose sample moments are exactly Gaussian ones: x0, x1, covariance."""
    joint = points(n, 2 * dim, seed=seed)
    joint = joint - joint.mean(0)
    white = joint @ torch.linalg.inv(torch.linalg.cholesky(joint.T @ joint / n)).T
    mix = torch.eye(2 * dim, dtype=F64) + 0.35 * points(2 * dim, 2 * dim, seed=seed + 1)
    joint = white @ mix
    return joint[:, :dim], joint[:, dim:], joint.T @ joint / n


def linear_flow(covariance):
    """v(x, t) and the conditional variance of x1 - x0 for jointly Gaussian ends, by regression."""
    dim = len(covariance) // 2
    eye = torch.eye(dim, dtype=F64)

    def moments(t):
        at, move = torch.cat([(1 - t) * eye, t * eye], 1), torch.cat([-eye, eye], 1)
        cross, own = move @ covariance @ at.T, at @ covariance @ at.T
        matrix = torch.linalg.solve(own, cross, left=False)
        return matrix, (move @ covariance @ move.T - matrix @ cross.T).trace().item()

    grid = (torch.arange(400, dtype=F64) + 0.5) / 400
    crossing = sum(moments(float(t))[1] for t in grid) / 400
    return (lambda x, t: x @ moments(float(t))[0].T), crossing


def test_straightness_in_closed_form():
    """(5.10): N(0, s^2) data in 1-D, whose flow multiplies by std_t; S is an integral over t."""
    s, x1 = 0.4, points(2000, 1)
    x1 = x1 / x1.square().mean().sqrt()
    flow = rf.exact(toy.GaussianMixture(torch.zeros(1, 1, dtype=F64), s))
    times = torch.linspace(1, 0, 2001, dtype=F64)
    found = rf.straightness(torch.stack([*ode.heun(flow, x1, times)]), times)
    t = (torch.arange(100_000, dtype=F64) + 0.5) / 100_000
    std = ((1 - t) ** 2 * s**2 + t**2).sqrt()
    slope = (t - (1 - t) * s**2) / std
    assert found == pytest.approx((slope - (1 - s)).square().mean().item(), rel=1e-4)
    assert found > 0.05


def test_straightness_of_uneven_steps():
    """Steps count by their duration; half of the way is an average over that half."""
    path = torch.tensor([0.0, 1.0, 1.0], dtype=F64).view(3, 1, 1)
    times = torch.tensor([1.0, 0.75, 0.0], dtype=F64)
    # chord -1; slopes -4 for a quarter of the time, then 0: 9 / 4 + 3 / 4
    assert rf.straightness(path, times) == pytest.approx(3.0)
    half = torch.tensor([0.5, 0.375, 0.0], dtype=F64)
    assert rf.straightness(path, half) == pytest.approx(12.0)
    line = points(4, 2)[None] * torch.tensor([0.0, 0.3, 1.0], dtype=F64).view(3, 1, 1)
    assert rf.straightness(line, torch.tensor([0.0, 0.3, 1.0])) == pytest.approx(0, abs=1e-12)
    image = path.view(3, 1, 1, 1).expand(3, 2, 2, 1)  # sums over coordinates, averages over batch
    assert rf.straightness(image, times) == pytest.approx(6.0)


def test_cost_saved_is_straightness_plus_crossing():
    """(5.11) for Gaussians of which every moment is known."""
    x0, x1, covariance = gaussians()
    velocity, crossing = linear_flow(covariance)
    times = torch.linspace(1, 0, 1001, dtype=F64)
    path = torch.stack([*ode.heun(velocity, x1, times)])
    saved = rf.transport_cost(x0, x1) - rf.transport_cost(path[-1], x1)
    assert saved == pytest.approx(rf.straightness(path, times) + crossing, rel=1e-4)
    assert crossing > 0.1 and rf.straightness(path, times) > 0.01


def test_rounds_telescope():
    """(5.12): two rounds; the second finds lines that do not cross, and nothing to save."""
    x0, x1, covariance = gaussians(seed=3)
    costs, spent = [rf.transport_cost(x0, x1)], 0.0
    times = torch.linspace(1, 0, 1001, dtype=F64)
    for _ in range(2):
        velocity, crossing = linear_flow(covariance)
        path = torch.stack([*ode.heun(velocity, x1, times)])
        spent += crossing + rf.straightness(path, times)
        x0, x1 = rf.reflow(velocity, x1, times, ode.heun)
        assert torch.equal(x0, path[-1])
        joint = torch.cat((x0, x1), 1)
        covariance = joint.T @ joint / len(joint)
        costs.append(rf.transport_cost(x0, x1))
    assert spent == pytest.approx(costs[0] - costs[2], rel=1e-3)
    assert crossing < 1e-3 * costs[0] and costs[2] == pytest.approx(costs[1], rel=1e-3)


def test_transport_cost_number_by_number():
    x0, x1 = points(3, 2, 2), points(3, 2, 2, seed=1)
    for power in (1.0, 2.0, 3.0):
        each = [math.sqrt((x1[b] - x0[b]).square().sum().item()) ** power for b in range(3)]
        assert rf.transport_cost(x0, x1, power) == pytest.approx(sum(each) / 3)


# Reflow, distillation, sampling in one step -------------------------------------------------------


def test_reflow_returns_data_then_its_noise():
    """For dx/dt = x, data is noise / e; the pairs keep their rows and carry no gradient."""
    x1 = points(5, 3)
    times = torch.linspace(1, 0, 401, dtype=F64)
    x0, same = rf.reflow(lambda x, t: x, x1, times, ode.heun)
    assert same is x1 and not x0.requires_grad
    torch.testing.assert_close(x0, x1 / math.e, atol=1e-5, rtol=0)
    coarse, _ = rf.reflow(lambda x, t: x, x1, torch.tensor([1.0, 0.5, 0.0]))
    torch.testing.assert_close(coarse, x1 / 4)  # Euler unless told otherwise


def test_reflow_in_one_dimension_sorts():
    """Flows of a line keep the order, so their pairs are the cheapest there are."""
    x1 = points(300, 1)
    x0, _ = rf.reflow(rf.exact(BUMPS), x1, torch.linspace(1, 0, 201, dtype=F64), ode.heun)
    assert (x0[x1[:, 0].argsort(), 0].diff() > 0).all()


def test_one_step_is_exact_on_straight_paths():
    """Data = A noise + b is carried by straight paths, along v(x, t) = x1 - x0."""
    matrix = torch.tensor([[0.5, 0.2], [0.1, 0.8]], dtype=F64)
    shift, x1 = torch.tensor([1.0, -2.0], dtype=F64), points(6, 2)

    def velocity(x, t):
        back = torch.linalg.inv((1 - t) * matrix + t * torch.eye(2, dtype=F64))
        x1 = (x - (1 - t) * shift) @ back.T
        return x1 - (x1 @ matrix.T + shift)

    expected = x1 @ matrix.T + shift
    torch.testing.assert_close(rf.one_step(velocity, x1), expected)
    *_, many = ode.euler(velocity, x1, torch.linspace(1, 0, 17))
    torch.testing.assert_close(many, expected)


def test_distillation_learns_the_conditional_mean():
    """(5.13): noise of four values, a table as network; its optimum sends each to a mean."""
    value = torch.arange(4, dtype=F64).repeat(50)
    x1 = torch.stack((value, -value), 1)
    x0 = points(200, 2) + x1.square()
    table = torch.zeros(4, 2, dtype=F64, requires_grad=True)
    times = []

    def net(x, t):
        times.append(t)
        return table[x[:, 0].round().clamp(0, 3).long()]

    mean = torch.stack([x0[value == k].mean(0) for k in range(4)])
    with torch.no_grad():
        table.copy_(x1[:4] - mean)
    loss = rf.distill_loss(net, x0, x1)
    loss.backward()
    assert table.grad.abs().max() < 1e-12
    spread = (x0 - mean[value.long()]).square().mean()
    assert loss.item() == pytest.approx(spread.item())
    assert torch.equal(times[0], torch.ones(200, dtype=F64))
    torch.testing.assert_close(rf.one_step(net, x1[:4]), mean)


# The bridge ---------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(signal=st.floats(0, 5), noise=st.floats(0.01, 50))
def test_every_path_is_a_line_in_disguise(signal, noise):
    """(5.14), with the weights on the line adding up to one."""
    scale, t = rf.line_of(signal, noise)
    x0, x1 = points(4, 2), points(4, 2, seed=1)
    torch.testing.assert_close(scale * rf.between(x0, x1, t), signal * x0 + noise * x1)


@pytest.mark.parametrize("t", [0.1, 0.5, 0.9])
def test_disguised_velocity_is_the_probability_flow(t):
    """(5.15) = (5.16) = f x - g^2/2 score for VP, typed out here, with a' and sigma' by hand."""
    rate, total = 0.1 + 19.9 * t, 0.1 * t + 19.9 * t**2 / 2

    def path(t):
        total = 0.1 * t + 19.9 * t**2 / 2
        return math.exp(-total / 2), math.sqrt(-math.expm1(-total))

    (a, s), x = path(t), points(50, 2)
    score = RING.noised(a, s).score(x)
    flow = -rate / 2 * x - rate / 2 * score
    h = 1e-6
    (c, r), (c_up, r_up), (c_low, r_low) = (rf.line_of(*path(u)) for u in (t, t + h, t - h))
    dc, dr = (c_up - c_low) / (2 * h), (r_up - r_low) / (2 * h)
    disguised = dc / c * x + c * dr * rf.exact(RING)(x / c, r)
    torch.testing.assert_close(disguised, flow, atol=1e-6, rtol=1e-6)
    da, ds = -rate / 2 * a, rate * math.exp(-total) / (2 * s)
    data, noise = RING.denoise(x, a, s), -s * score
    torch.testing.assert_close(disguised, da * data + ds * noise, atol=1e-6, rtol=1e-6)


# At the boundary ----------------------------------------------------------------------------------


def test_randomness_comes_from_the_generator_alone():
    before = torch.get_rng_state()
    losses = [rf.loss(lambda x, t: x, points(9, 2), generator=generator(5)) for _ in range(2)]
    assert losses[0] == losses[1]
    assert torch.equal(before, torch.get_rng_state())
    other = rf.loss(lambda x, t: x, points(9, 2), generator=generator(6))
    assert other != losses[0]


def test_float32_and_images():
    x0 = points(4, 1, 8, 8).float()
    value = rf.loss(lambda x, t: x * t.view(-1, 1, 1, 1), x0, generator=generator())
    assert value.dtype == torch.float32 and value.ndim == 0
    x, x1 = rf.reflow(lambda x, t: 0 * x, x0, torch.linspace(1, 0, 5))
    assert torch.equal(x, x1) and x.dtype == torch.float32


def test_noise_is_drawn_before_the_times():
    """By default standard normal, as x0 in shape; then uniform times: the order of the dice."""
    x0, seen = points(6, 3), []

    def net(x, t):
        seen.append((x, t))
        return 0 * x

    found = rf.loss(net, x0, generator=generator(3))
    dice = generator(3)
    x1 = torch.empty(6, 3, dtype=F64).normal_(generator=dice)
    t = torch.empty(6, dtype=F64).uniform_(generator=dice)
    (x, at), *_ = seen
    assert torch.equal(at, t)
    torch.testing.assert_close(x, (1 - t)[:, None] * x0 + t[:, None] * x1)
    assert found.item() == pytest.approx((x1 - x0).square().mean().item())


def test_transport_cost_is_of_squares_unless_told():
    x0, x1 = points(5, 2), points(5, 2, seed=1)
    assert rf.transport_cost(x0, x1) == pytest.approx((x1 - x0).square().sum(1).mean().item())
    assert rf.transport_cost(x0, x1, 1) == pytest.approx((x1 - x0).norm(dim=1).mean().item())


def test_exact_chooses_the_form_that_is_not_0_by_0():
    """Close to each end, where the other form divides rounding by almost nothing."""
    x = points(7, 1)
    mean = (BUMPS.weights[:, None] * BUMPS.means).sum(0)
    torch.testing.assert_close(rf.exact(BUMPS)(x, 1e-15), -x, atol=1e-12, rtol=0)
    torch.testing.assert_close(rf.exact(BUMPS)(x, 1 - 1e-15), x - mean, atol=1e-12, rtol=0)


def test_a_line_may_be_all_signal_or_all_noise():
    assert rf.line_of(2.0, 0.0) == (2.0, 0.0)
    assert rf.line_of(0.0, 3.0) == (3.0, 1.0)


X, TIMES = torch.randn(4, 2, generator=generator()).double(), torch.linspace(1, 0, 5)
LATE = torch.tensor([0.0, 0.5, 0.9, 1.1], dtype=F64)
EARLY = torch.tensor([0.0, 0.5, 0.9, -0.1], dtype=F64)


def same(x, t):
    return x


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: rf.between(X, X, 1.5), r"t must be in \[0, 1\], got"),
        (lambda: rf.between(X, X, -0.5), r"t must be in \[0, 1\], got"),
        (lambda: rf.between(X, X, math.nan), r"t must be in \[0, 1\], got"),
        (lambda: rf.between(X, X, LATE), r"t must be in \[0, 1\], got"),
        (lambda: rf.between(X, X, EARLY), r"t must be in \[0, 1\], got"),
        (lambda: rf.between(X, X, torch.zeros(3)), r"t must be a scalar or \(4,\), got \(3,\)"),
        (lambda: rf.between(X, X, torch.zeros(4, 1)), r"t must be a scalar or \(4,\), got"),
        (lambda: rf.between(X, X[:1], 0.5), r"x1 must be \(4, 2\) like x0, got \(1, 2\)"),
        (lambda: rf.target(X, X[:1]), r"x1 must be \(4, 2\) like x0, got \(1, 2\)"),
        (lambda: rf.target(X, X.float()), "x1 must be torch.float64 like x0, got torch.float32"),
        (lambda: rf.target(X.long(), X.long()), "x0 must be floats, got torch.int64"),
        (lambda: rf.loss(same, X.long()), "x0 must be floats, got torch.int64"),
        (lambda: rf.loss(same, X[0]), r"x0 must be floats \(B, \*S\), got \(2,\)"),
        (lambda: rf.loss(same, X[:0]), r"x0 must be floats .*, got none: \(0, 2\)"),
        (lambda: rf.loss(same, X, X[:, :1]), "x1 must be .* like x0, got"),
        (lambda: rf.loss(lambda x, t: x[:1], X), r"net must give \(4, 2\), got \(1, 2\)"),
        (lambda: rf.distill_loss(same, X, X[:1]), "x1 must be .* like x0, got"),
        (lambda: rf.distill_loss(lambda x, t: x[:, :1], X, X), "net must give .* got"),
        (lambda: rf.reflow(same, X, TIMES.flip(0)), "times must fall from 1, .*, got 0"),
        (lambda: rf.reflow(same, X, TIMES[1:]), "times must fall from 1, .*, got 0.75"),
        (lambda: rf.reflow(same, X, TIMES[:-1]), "times must fall from 1 to 0, .*, got 0.25"),
        (lambda: rf.reflow(same, X[0], TIMES), r"x1 must be floats \(B, \*S\), got"),
        (lambda: rf.reflow(lambda x, t: x * math.nan, X, TIMES), "must be finite"),
        (lambda: rf.reflow(same, X, TIMES, lambda v, x, t: [x / 0]), "must be finite"),
        (lambda: rf.straightness(X, TIMES), r"path must be \(T, B, \*S\), got \(4, 2\)"),
        (lambda: rf.straightness(points(5, 0, 2), TIMES), "path must be of one point or more"),
        (lambda: rf.straightness(points(4, 3, 2), TIMES), "path must hold 5 times, got 4"),
        (lambda: rf.straightness(points(5, 3, 2) * math.inf, TIMES), "finite"),
        (
            lambda: rf.straightness(torch.stack((X, X / 0, X)), torch.tensor([1.0, 0.5, 0.0])),
            "path must be finite",
        ),
        (lambda: rf.transport_cost(X, X, 0.5), "power must be at least 1 .*, got 0.5"),
        (lambda: rf.transport_cost(X, X, math.inf), "power must be at least 1 .*, got inf"),
        (lambda: rf.transport_cost(X, X, math.nan), "power must be at least 1 .*, got nan"),
        (lambda: rf.exact(RING)(X, 1.5), r"t must be one number in \[0, 1\], got 1.5"),
        (lambda: rf.exact(RING)(X, -0.5), r"t must be one number in \[0, 1\], got -0.5"),
        (lambda: rf.exact(RING)(X, torch.rand(4)), "t must be one number, got"),
        (lambda: rf.line_of(0.0, 0.0), "signal and noise must be not both 0, got 0.0 and 0.0"),
        (lambda: rf.line_of(-1.0, 2.0), "signal must be >= 0 and finite, got -1.0"),
        (lambda: rf.line_of(math.inf, 2.0), "signal must be >= 0 and finite, got inf"),
        (lambda: rf.line_of(2.0, -1.0), "noise must be >= 0 and finite, got -1.0"),
        (lambda: rf.line_of(2.0, math.inf), "noise must be >= 0 and finite, got inf"),
        (lambda: rf.line_of(1.0, math.nan), "noise must be >= 0 and finite, got nan"),
    ],
)
def test_bad_input(call, words):
    with pytest.raises(ValueError, match=words):
        call()
