"""What a call of Part I does unless told otherwise, and what it refuses in any row."""

import math

import pytest
import torch

from helpers.flows import (
    cnf,
    ddpm,
    distances,
    heat,
    likelihood,
    nice,
    ode,
    poisson,
    rectified_flow,
    sde,
    toy,
)

F64 = torch.float64


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def points(n=6, dim=2, seed=0):
    return torch.randn(n, dim, generator=generator(seed), dtype=F64)


X = points()
Y = points(seed=1)
SCHEDULE = ddpm.linear(40)


def net(x, t):
    return x.sin() + t.reshape(-1, *[1] * (x.ndim - 1))


def score(x, t):
    return -x / (1 + t)


def last(path):
    *_, x = path
    return x


def down(lowest):
    return torch.linspace(1.0, lowest, 6, dtype=F64)


LONG = ddpm.linear(200)

# what is called without its defaults; with them; with another value, to see that it matters
CALLS = {
    "linear": (
        lambda **o: ddpm.linear(**o).beta,
        {"n_steps": (1000, 999), "beta_min": (1e-4, 2e-4), "beta_max": (0.02, 0.03)},
    ),
    "cosine": (
        lambda **o: ddpm.cosine(**o).beta,
        {"n_steps": (1000, 999), "offset": (0.008, 0.01), "beta_max": (0.999, 0.99)},
    ),
    "ddpm.loss": (
        lambda **o: ddpm.loss(net, X, SCHEDULE, generator=generator(), **o),
        {"predict": ("noise", "data")},
    ),
    "ddim": (
        lambda **o: last(ddpm.ddim(net, X, LONG, generator=generator(), **o)),
        {"n_steps": (50, 51), "eta": (0.0, 0.5), "predict": ("noise", "velocity")},
    ),
    "ddpm": (
        lambda **o: last(ddpm.ddpm(net, X, SCHEDULE, generator=generator(), **o)),
        {"predict": ("noise", "velocity")},
    ),
    "invert": (
        lambda **o: last(ddpm.invert(net, X, LONG, **o)),
        {"n_steps": (50, 51), "n_iterations": (1, 2), "predict": ("noise", "velocity")},
    ),
    "posterior": (
        lambda **o: ddpm.posterior(X, Y, SCHEDULE, 7, **o)[0],
        {"j": (6, 5)},
    ),
    "adaptive": (
        lambda **o: last(ode.adaptive(lambda x, t: (5 * x).sin() + t, X, [0.0, 3.0], **o)),
        {"rtol": (1e-5, 2e-5), "atol": (1e-5, 2e-5)},
    ),
    "wasserstein": (lambda **o: distances.wasserstein(X, Y, **o), {"p": (2.0, 1.0)}),
    "sliced_wasserstein": (
        lambda **o: torch.tensor(distances.sliced_wasserstein(X, Y, generator=generator(), **o)),
        {"n_directions": (256, 255)},
    ),
    "VP": (
        lambda **o: sde.VP(**o).noise(torch.tensor(0.3)),
        {"beta_min": (0.1, 0.2), "beta_max": (20.0, 21.0)},
    ),
    "VE": (
        lambda **o: sde.VE(**o).noise(torch.tensor(0.3)),
        {"sigma_min": (0.01, 0.02), "sigma_max": (50.0, 49.0)},
    ),
    "predictor_corrector": (
        lambda **o: last(sde.predictor_corrector(sde.VP(), score, X, down(0.1), generator(), **o)),
        {"n_corrections": (1, 2), "snr": (0.16, 0.17)},
    ),
    "sde.loss": (
        lambda **o: sde.loss(net, X, sde.VP(), generator=generator(), **o),
        {"t_min": (1e-3, 1e-2)},
    ),
    "eight_gaussians": (
        lambda **o: toy.eight_gaussians(**o).log_prob(X),
        {"radius": (2.0, 2.1), "std": (0.15, 0.16)},
    ),
    "TwoMoons": (
        lambda **o: toy.TwoMoons(**o).log_prob(0.3 * X),
        {"std": (0.1, 0.11), "n_nodes": (128, 20)},
    ),
    "transport_cost": (
        lambda **o: torch.tensor(rectified_flow.transport_cost(X, Y, **o)),
        {"power": (2.0, 1.0)},
    ),
    "reflow": (
        lambda **o: rectified_flow.reflow(score, X, down(0.0), **o)[0],
        {"solver": (ode.euler, ode.heun)},
    ),
    "hemisphere": (
        lambda **o: poisson.hemisphere(5, 2, generator=generator(), **o),
        {"radius": (1.0, 2.0)},
    ),
    "log_prob of an ODE": (
        lambda **o: cnf.log_prob(score, X, [0.0, 1.0], lambda x: -x.square().sum(1), **o)[0],
        {"solver": (ode.adaptive, ode.euler)},
    ),
    "a sample of a flow": (
        lambda **o: nice.nice(4, hidden=[5], generator=generator()).sample(
            5, generator=generator(), **o
        ),
        {"temperature": (1.0, 0.5)},
    ),
}
CASES = [(name, option) for name, (_, options) in CALLS.items() for option in options]


@pytest.mark.parametrize(("name", "option"), CASES, ids=[" ".join(case) for case in CASES])
def test_a_default_is_the_documented_value(name, option):
    call, options = CALLS[name]
    value, other = options[option]
    plain = call()
    torch.testing.assert_close(call(**{option: value}), plain, rtol=0, atol=0)
    changed = call(**{option: other})
    assert changed.shape != plain.shape or not torch.equal(changed, plain)


def test_the_paper_s_model_unless_told_otherwise():
    model = nice.nice(6, generator=generator())
    *couplings, scaling = model.layers
    assert [type(c) for c in couplings] == [nice.AdditiveCoupling] * 4
    assert [c.flip for c in couplings] == [False, True, False, True]
    assert isinstance(scaling, nice.Scaling) and isinstance(model.prior, likelihood.Logistic)
    for coupling in couplings:
        shapes = [tuple(p.shape) for p in coupling.net.parameters() if p.ndim == 2]
        assert shapes == [(256, 3), (256, 256), (3, 256)]
        kinds = [type(m) for m in coupling.net if not isinstance(m, torch.nn.Linear)]
        assert kinds == [torch.nn.ReLU] * 2
    assert nice.AdditiveCoupling(torch.nn.Identity()).flip is False
    affine = nice.AffineCoupling(torch.nn.Identity())
    assert affine.flip is False and affine.bound == 2.0


def test_a_solver_may_ask_a_hundred_thousand_times_unless_told_otherwise(monkeypatch):
    limits = []

    class Spy(ode._Walk):
        def __init__(self, *given):
            limits.append(given[-1])
            super().__init__(*given)

    monkeypatch.setattr(ode, "_Walk", Spy)
    last(ode.adaptive(score, X, [0.0, 1.0]))
    last(ode.adaptive(score, X, [0.0, 1.0], max_calls=500))
    assert limits == [100_000, 500]


# Starts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("affine", [False, True])
def test_a_flow_s_networks_start_apart_and_its_couplings_as_the_identity(affine):
    one, two, other = (nice.nice(4, hidden=[50], affine=affine, generator=generator(s))
                       for s in (1, 1, 2))  # fmt: skip
    first = [c.net[0].weight for c in one.layers[:-1]]
    for a, b, c in zip(first, (m.net[0].weight for m in two.layers[:-1]),
                       (m.net[0].weight for m in other.layers[:-1]), strict=True):  # fmt: skip
        assert torch.equal(a, b) and not torch.equal(a, c)
        assert len(a.unique()) == a.numel() and a.min() < 0 < a.max()
    assert not torch.equal(first[0], first[1])
    z, log_det = one(X.float().repeat(1, 2))
    assert torch.equal(z, X.float().repeat(1, 2)) and not log_det.any()


def test_a_convolution_starts_as_a_rotation_of_the_generator_s():
    one, two, other = (nice.Conv1x1(5, generator(s)).weight for s in (1, 1, 2))
    assert torch.equal(one, two) and not torch.equal(one, other)
    torch.testing.assert_close(one @ one.T, torch.eye(5))
    assert (one.abs() < 0.999).all()
    assert nice.Conv1x1(3).weight.shape == (3, 3) and nice.Conv1x1(3).weight.dtype == torch.float32


# Refusals, in every row ---------------------------------------------------------------------------


def spoiled(x, at, value):
    """A copy of x with one entry changed: the first or the last."""
    x = x.clone()
    x.view(-1)[at] = value
    return x


FLOW = nice.nice(2, hidden=[3], generator=generator()).double()
BAD = {
    "x of a solver": lambda at, v: last(ode.euler(score, spoiled(X, at, v), [0.0, 1.0])),
    "times": lambda at, v: last(ode.euler(score, X, spoiled(torch.tensor([0.0, 0.5, 1.0]), at, v))),
    "x of a distance": lambda at, v: distances.frechet(spoiled(X, at, v), Y),
    "y of a distance": lambda at, v: distances.frechet(X, spoiled(Y, at, v)),
    "x of a flow": lambda at, v: FLOW(spoiled(X, at, v)),
    "z of a flow": lambda at, v: FLOW.inverse(spoiled(X, at, v)),
    "x that scales": lambda at, v: nice.Scaling(2).fit(spoiled(X, at, v)),
    "means of a mixture": lambda at, v: toy.GaussianMixture(spoiled(X, at, v), 1.0),
    "noise of ddim": lambda at, v: last(ddpm.ddim(net, spoiled(X, at, v), SCHEDULE, 3)),
    "noise of ddpm": lambda at, v: last(ddpm.ddpm(net, spoiled(X, at, v), SCHEDULE)),
    "data of invert": lambda at, v: last(ddpm.invert(net, spoiled(X, at, v), SCHEDULE, 3)),
    "x of forward": lambda at, v: last(sde.forward(sde.VP(), spoiled(X, at, v), [0.0, 1.0])),
    "path": lambda at, v: rectified_flow.straightness(
        spoiled(torch.stack([X, Y, X]), at, v), torch.tensor([0.0, 0.5, 1.0])
    ),
}


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("at", [0, -1])
@pytest.mark.parametrize("what", BAD)
def test_no_row_may_be_infinite_or_no_number(what, at, bad):
    with pytest.raises(ValueError, match=r"finite|NaN"):
        BAD[what](at, bad)


@pytest.mark.parametrize("at", [0, -1])
@pytest.mark.parametrize("bad", [-0.01, 1.01, math.nan])
def test_times_of_lines_are_within_0_and_1_in_every_row(at, bad):
    t = spoiled(torch.linspace(0, 1, 6, dtype=F64), at, bad)
    with pytest.raises(ValueError, match=r"t must be in \[0, 1\]"):
        rectified_flow.between(X, Y, t)
    ends = rectified_flow.between(X, Y, torch.tensor([0.0, 1.0] * 3))
    assert torch.equal(ends[::2], X[::2]) and torch.equal(ends[1::2], Y[1::2])


@pytest.mark.parametrize("at", [0, -1])
@pytest.mark.parametrize("bad", [-0.1, math.nan])
def test_weights_are_at_least_0_in_every_place(at, bad):
    equal = torch.full((6,), 1 / 6, dtype=F64)
    weights = spoiled(equal, at, bad)
    given = torch.zeros(3, 6, 2, dtype=F64)
    for call in (
        lambda w: poisson.field(points(3, 3), X, w),
        lambda w: poisson.log_density(points(3), 1.0, X, w),
        lambda w: poisson.velocity(X, w)(points(3), torch.tensor(1.0)),
        lambda w: heat.average(torch.zeros(3, 6, dtype=F64), given, w),
        lambda w: toy.GaussianMixture(X, 1.0, w),
    ):
        with pytest.raises(ValueError, match=r"weights must be (at least 0|>= 0)"):
            call(weights)
        with pytest.raises(ValueError, match="weights must be"):
            call(equal[:5])
        with pytest.raises(ValueError, match="weights must be"):
            call(equal[None])
        call(equal)


@pytest.mark.parametrize("at", [0, -1])
@pytest.mark.parametrize("bad", [0.0, 1.0, math.nan])
def test_every_beta_is_within_0_and_1(at, bad):
    with pytest.raises(ValueError, match=r"beta must be in \(0, 1\)"):
        ddpm.Schedule(spoiled(SCHEDULE.beta, at, bad))


@pytest.mark.parametrize("at", [0, -1])
@pytest.mark.parametrize("bad", [0.0, 1.0, math.nan])
def test_every_row_s_signal_is_between_nothing_and_all(at, bad):
    bar = spoiled(torch.full((6, 1), 0.5, dtype=F64), at, bad)
    with pytest.raises(ValueError, match=r"alpha_bar must be in \(0, 1\)"):
        ddpm.convert(X, Y, bar, "noise", "data")


@pytest.mark.parametrize("at", [0, -1])
def test_levels_of_whole_numbers_in_every_row(at):
    x = torch.tensor([[0, 16, 3], [16, 1, 0]])
    assert likelihood.dequantize(x, 17, generator()).shape == (2, 3)
    with pytest.raises(ValueError, match="negative"):
        likelihood.dequantize(spoiled(x, at, -1), 17)
    with pytest.raises(ValueError, match="at most n_levels - 1 = 16, got 17"):
        likelihood.dequantize(spoiled(x, at, 17), 17)


@pytest.mark.parametrize(
    "times", [[0.0, 0.5, 0.5], [0.0, 0.0, 0.5], [0.0, 0.7, 0.6], [1.0, 0.4, 0.5]]
)
def test_times_rise_or_fall_at_every_step(times):
    with pytest.raises(ValueError, match="rise strictly or fall strictly"):
        ode.check_times(X, torch.tensor(times))


ENDS = {
    # what takes the number; good ones at its ends; bad ones just beyond, and what is said
    "signal": (lambda v: rectified_flow.line_of(v, 1.0), [0.0, 9.0], [-0.1, math.inf, math.nan]),
    "noise": (lambda v: rectified_flow.line_of(1.0, v), [0.0, 9.0], [-0.1, math.inf, math.nan]),
    "power": (
        lambda v: rectified_flow.transport_cost(X, Y, v),
        [1.0, 3.0],
        [0.99, math.inf, math.nan],
    ),
    "p": (lambda v: distances.wasserstein(X, Y, v), [1.0, 4.0], [0.99, math.inf, math.nan]),
    "n_directions": (lambda v: distances.sliced_wasserstein(X, Y, v), [1], [0, -1]),
    "snr": (
        lambda v: last(sde.predictor_corrector(sde.VP(), score, X, down(0.1), snr=v)),
        [0.01],
        [0.0, -0.1, math.inf, math.nan],
    ),
    "n_corrections": (
        lambda v: last(sde.predictor_corrector(sde.VP(), score, X, down(0.1), n_corrections=v)),
        [1],
        [0],
    ),
    "t_min": (
        lambda v: sde.loss(net, X, sde.VP(), t_min=v),
        [1e-6, 0.99],
        [0.0, 1.0, -0.1, math.nan],
    ),
    "std": (
        lambda v: toy.GaussianMixture(X, v),
        [1e-3, 9.0],
        [0.0, -1.0, math.inf, math.nan],
    ),
    "spacing": (
        lambda v: heat.spread(torch.ones(4), v, 0.1),
        [0.1],
        [0.0, -1.0, math.inf, math.nan],
    ),
    "tau": (lambda v: heat.spread(torch.ones(4), 1.0, v), [-0.1, 0.0], [math.inf, math.nan]),
    "bound": (
        lambda v: nice.AffineCoupling(torch.nn.Identity(), bound=v),
        [0.1, 9.0],
        [0.0, -1.0, math.inf, math.nan],
    ),
    "temperature": (
        lambda v: FLOW.sample(2, temperature=v),
        [0.0, 2.0],
        [-0.1, math.inf, math.nan],
    ),
    "eta": (lambda v: ddpm.random_part(SCHEDULE, 5, 2, v), [0.0, 1.0], [-0.01, 1.01, math.nan]),
    "offset": (lambda v: ddpm.cosine(9, v), [0.0, 0.5], [-0.01, math.nan]),
    "n_steps": (lambda v: ddpm.spaced(SCHEDULE, v), [1, 40], [0, 41]),
    "n_levels": (lambda v: likelihood.bits_per_dim(torch.zeros(2), 3, v), [1, 256], [0]),
    "dim": (lambda v: likelihood.bits_per_dim(torch.zeros(2), v, 2), [1, 256], [0]),
    "n_couplings": (lambda v: nice.nice(2, hidden=[3], n_couplings=v), [1], [0]),
    "n_iterations": (
        lambda v: last(ddpm.invert(net, X, SCHEDULE, 3, n_iterations=v)),
        [1],
        [0],
    ),
    "radius": (lambda v: poisson.hemisphere(2, 1, v), [0.1], [0.0, -1.0, math.nan]),
    "k": (SCHEDULE.at, [0, 1, 40], [-1, 41]),
    "beta_min": (lambda v: sde.VP(v, 20.0), [0.0, 20.0], [-0.1, math.nan]),
    "beta_max": (lambda v: sde.VP(0.0, v), [0.1, 99.0], [0.0, math.inf, math.nan]),
    "sigma_min": (lambda v: sde.VE(v, 50.0), [0.1, 49.0], [0.0, -0.1, math.nan]),
    "sigma_max": (lambda v: sde.VE(0.01, v), [0.02], [0.01, 0.0, math.inf, math.nan]),
    "height z": (
        lambda v: poisson.log_density(X, v, Y),
        [0.1],
        [0.0, -1.0, math.nan],
    ),
}
GOOD_ENDS = [(name, value) for name, (_, good, _) in ENDS.items() for value in good]
BAD_ENDS = [(name, value) for name, (*_, bad) in ENDS.items() for value in bad]


@pytest.mark.parametrize(("name", "value"), GOOD_ENDS)
def test_the_ends_of_a_range_belong_to_it_where_the_docstring_says_so(name, value):
    assert ENDS[name][0](value) is not None


@pytest.mark.parametrize(("name", "value"), BAD_ENDS)
def test_what_lies_just_outside_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=name):
        ENDS[name][0](value)


@pytest.mark.parametrize("shape", [(1,), (1, 1)])
@pytest.mark.parametrize(
    "process", [sde.VP(), sde.SubVP(), sde.VE()], ids=lambda p: type(p).__name__
)
def test_times_of_a_batch_are_one_for_each_row_or_one_for_all(process, shape):
    t = torch.full(shape, 0.5, dtype=F64)
    for call in (lambda: process.drift(X, t), lambda: process.jump(X, t, Y)):
        with pytest.raises(ValueError, match=r"t must be a scalar or \(6,\)"):
            call()
    each = torch.linspace(0, 1, 6, dtype=F64)
    rows = torch.stack([process.jump(X[i : i + 1], each[i], Y[i : i + 1])[0] for i in range(6)])
    torch.testing.assert_close(process.jump(X, each, Y), rows)


def test_velocities_leave_no_trace_of_autograd():
    """A path's schedule is differentiated inside, and nothing of it goes out."""
    scale = torch.ones((), requires_grad=True)
    v = heat.along(lambda x, t: -x, lambda t: (1 - t / 2) * scale, lambda t: t * scale)
    assert not v(X, 0.5).requires_grad
    assert not any(part.requires_grad for part in cnf.divergence(lambda x, t: x * scale, X, 0.5))
    log_prob = lambda x, t: -(x.square().sum(1) + t[:, 0]) * scale  # noqa: E731
    assert not heat.residual(log_prob, lambda x, t: x * scale, X, 0.5).requires_grad
