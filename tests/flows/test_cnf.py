"""Densities that an ODE carries: against Jacobians, matrix exponentials, Gaussian mixtures."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.flows.cnf import divergence, log_prob
from helpers.flows.ode import Counted, adaptive, euler, heun
from helpers.flows.toy import GaussianMixture
from helpers.nets import TimeMLP

TURN = torch.tensor([[-0.5, 2.0, 0.3], [-1.0, 0.2, 0.0], [0.4, 0.0, 0.7]], dtype=torch.float64)
TIGHT = {"rtol": 1e-10, "atol": 1e-10}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def points(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def network(dim, scale=0.3):
    net = TimeMLP(dim, hidden=(16, 16), generator=generator()).double()
    with torch.no_grad():
        for p in net.parameters():
            p.add_(scale * torch.randn(p.shape, generator=generator(1), dtype=p.dtype))
    return net


def linear(x, t):
    return x @ TURN.T


def standard(z):
    return -0.5 * (z.square().sum(1) + z.shape[1] * math.log(2 * math.pi))


def probes(dim):
    """All 2^dim vectors of signs."""
    return torch.tensor(list(itertools.product((-1.0, 1.0), repeat=dim)), dtype=torch.float64)


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_divergence_is_the_trace_of_the_jacobian(dim):
    net, x, t = network(dim), points(7, dim), torch.tensor(0.3, dtype=torch.float64)
    v, found = divergence(net, x, t)
    jacobian = torch.autograd.functional.jacobian(lambda y: net(y, t), x)
    expected = torch.einsum("bibi->b", jacobian)
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)
    torch.testing.assert_close(v, net(x, t), atol=0, rtol=0)
    assert not (v.requires_grad or found.requires_grad or x.requires_grad)
    assert all(p.grad is None for p in net.parameters())


def test_divergence_under_no_grad():
    """A sampler's no_grad does not turn the derivative off."""
    x, t = points(4, 3), torch.tensor(0.0)
    with torch.no_grad():
        _, trace = divergence(linear, x, t)
    torch.testing.assert_close(trace, TURN.trace().expand(4))


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_hutchinson_is_exact_over_all_signs(dim):
    """One probe gives p^T J p; the mean over all sign vectors is the trace without error."""
    net, x, t = network(dim), points(3, dim), torch.tensor(0.6, dtype=torch.float64)
    jacobian = torch.einsum("bibj->bij", torch.autograd.functional.jacobian(lambda y: net(y, t), x))
    estimates = []
    for probe in probes(dim):
        probe = probe.expand(3, dim)
        v, estimate = divergence(net, x, t, probe)
        expected = torch.einsum("bi,bij,bj->b", probe, jacobian, probe)
        torch.testing.assert_close(estimate, expected, atol=1e-12, rtol=0)
        torch.testing.assert_close(v, net(x, t), atol=0, rtol=0)
        estimates.append(estimate)
    exact = divergence(net, x, t)[1]
    torch.testing.assert_close(torch.stack(estimates).mean(0), exact, atol=1e-12, rtol=0)


@pytest.mark.parametrize("span", [(0.0, 1.0), (1.0, 0.0), (0.5, 2.0)])
def test_log_prob_of_a_linear_flow(span):
    """x' = A x carries x to z = e^(A T) x with determinant e^(T tr A), whatever the sign of T."""
    x, length = points(6, 3), span[1] - span[0]
    z = x @ torch.linalg.matrix_exp(TURN * length).T
    expected = standard(z) + length * TURN.trace()
    found, latent = log_prob(linear, x, torch.tensor(span), standard, **TIGHT)
    torch.testing.assert_close(latent, z, atol=1e-8, rtol=0)
    torch.testing.assert_close(found, expected, atol=1e-8, rtol=0)


def test_log_prob_of_a_mixture():
    """Noise of std t spread by dx/dt = -t score(x, t) is the mixture's own density, exactly.

    The velocity is curved and changes in time; the prior is the mixture at t = 2, in closed form.
    """
    means = torch.tensor([[0.0, 1.0], [2.0, -1.0], [-1.5, 0.5]], dtype=torch.float64)
    mixture = GaussianMixture(means, 0.5, torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64))
    x = 1.5 * points(40, 2)

    def velocity(x, t):
        return -t * mixture.noised(1, t).score(x)

    found, _ = log_prob(
        velocity, x, torch.tensor([0.0, 2.0]), mixture.noised(1, 2).log_prob, **TIGHT
    )
    torch.testing.assert_close(found, mixture.log_prob(x), atol=1e-7, rtol=0)


def test_log_prob_integrates_to_one():
    """Whatever the network: the mass of e^log_prob on a fine grid."""
    net = network(1, scale=0.4)
    axis = torch.linspace(-40, 40, 8001, dtype=torch.float64)[:, None]
    found, latent = log_prob(net, axis, torch.tensor([0.0, 1.0]), standard, rtol=1e-7, atol=1e-7)
    assert (latent - axis).abs().max() > 0.3  # it moves
    assert found.exp().sum().item() * 80 / 8000 == pytest.approx(1, abs=1e-4)


def test_log_prob_is_the_change_of_variables():
    """log_prior(z) + log |det dz/dx|, the Jacobian of the whole way by autograd's forward mode."""
    net, x, times = network(2), points(5, 2), torch.linspace(0, 1, 201, dtype=torch.float64)

    def carried(x):
        for t, step in zip(times, times.diff(), strict=False):
            slope = net(x, t)
            x = x + step / 2 * (slope + net(x + step * slope, t + step))
        return x

    jacobian = torch.einsum("bibj->bij", torch.autograd.functional.jacobian(carried, x))
    expected = standard(carried(x)) + torch.linalg.slogdet(jacobian)[1]
    found, latent = log_prob(net, x, times, standard, solver=heun)
    torch.testing.assert_close(latent, carried(x), atol=1e-10, rtol=0)
    torch.testing.assert_close(found, expected.detach(), atol=2e-4, rtol=0)


def test_one_probe_serves_the_whole_way():
    """Of a linear velocity the integral is T p^T A p; the mean over all signs is exact."""
    x, times = points(4, 3), torch.tensor([0.0, 0.5])
    exact = log_prob(linear, x, times, standard, **TIGHT)[0]
    found = []
    for probe in probes(3):
        found.append(log_prob(linear, x, times, standard, probe=probe.expand(4, 3), **TIGHT)[0])
        off = 0.5 * (probe @ TURN @ probe - TURN.trace())
        torch.testing.assert_close(found[-1] - exact, off.expand(4), atol=1e-7, rtol=0)
    torch.testing.assert_close(torch.stack(found).mean(0), exact, atol=1e-7, rtol=0)


def test_options_reach_the_solver():
    x, counted = points(4, 3), Counted(linear)
    times = torch.linspace(0, 1, 11)
    _, latent = log_prob(counted, x, times, standard, solver=euler)
    assert counted.n_calls == 10
    stepped = x @ torch.linalg.matrix_power(torch.eye(3).double() + 0.1 * TURN, 10).T
    torch.testing.assert_close(latent, stepped, atol=1e-6, rtol=0)
    loose, tight = Counted(linear), Counted(linear)
    log_prob(loose, x, times, standard, rtol=1e-2, atol=1e-2)
    log_prob(tight, x, times, standard, **TIGHT)
    assert loose.n_calls < tight.n_calls


def test_adaptive_and_the_exact_trace_unless_told():
    x, times = points(4, 3), torch.tensor([0.0, 0.5])
    told = log_prob(linear, x, times, standard, solver=adaptive, probe=None, rtol=1e-5, atol=1e-5)
    assert all(map(torch.equal, log_prob(linear, x, times, standard), told))


def test_solver_starts_at_x_with_no_change_of_density():
    """The state is (B, D + 1), in the dtype of x; the latent is what the solver ends with."""
    x, states = points(4, 3).float(), []

    def solver(both, state, times, *, shift):
        states.append((state, times))
        yield state
        yield state + shift

    found, latent = log_prob(linear, x, torch.tensor([0.0, 1.0]), standard, solver=solver, shift=2)
    (state, times), *_ = states
    assert torch.equal(state, torch.cat((x, torch.zeros(4, 1)), 1)) and times.tolist() == [0, 1]
    assert torch.equal(latent, x + 2) and latent.dtype == torch.float32
    torch.testing.assert_close(found, standard(x + 2) + 2)


def test_float32_is_enough_for_a_few_digits():
    net, x, times = network(2), points(50, 2), torch.tensor([0.0, 1.0])
    exact = log_prob(net, x, times, standard, **TIGHT)[0]
    found = log_prob(net.float(), x.float(), times, standard)[0]
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), exact, atol=0, rtol=1e-3)


@given(st.lists(st.integers(1, 4), min_size=0, max_size=3))
@settings(max_examples=40)
def test_any_shape_is_carried_or_named(shape):
    x, times = torch.ones(shape, dtype=torch.float64), torch.tensor([0.0, 0.1])
    if len(shape) == 2:
        found, latent = log_prob(lambda x, t: -x, x, times, standard)
        assert found.shape == (shape[0],) and latent.shape == tuple(shape)
        torch.testing.assert_close(divergence(lambda x, t: -x, x, times[0])[1], -x.sum(1))
    else:
        with pytest.raises(ValueError, match=r"x must be \(B, D\), got"):
            log_prob(lambda x, t: -x, x, times, standard)
        with pytest.raises(ValueError, match=r"velocity must map \(B, D\) to itself, got"):
            divergence(lambda x, t: -x, x, times[0])


@pytest.mark.parametrize(
    "wrong", [lambda z: z, lambda z: standard(z)[:, None], lambda z: standard(z).sum()]
)
def test_a_prior_of_another_shape_is_named(wrong):
    with pytest.raises(ValueError, match=r"log_prior must give \(3,\), got"):
        log_prob(linear, points(3, 3), torch.tensor([0.0, 1.0]), wrong)


def test_bad_input():
    x, t, times = points(3, 3), torch.tensor(0.0), torch.tensor([0.0, 1.0])
    with pytest.raises(ValueError, match=r"velocity must map .* got \(3, 3\) to \(3,\)"):
        divergence(lambda x, t: x.sum(1), x, t)
    with pytest.raises(ValueError, match=r"velocity must map .* got \(3, 3\) to \(3, 1\)"):
        divergence(lambda x, t: x[:, :1], x, t)
    with pytest.raises(ValueError, match=r"velocity must map \(B, D\) .* got points \(3, 3, 1\)"):
        divergence(linear, x[..., None], t)
    with pytest.raises(ValueError, match=r"x must be floats, got torch.int64"):
        divergence(linear, x.long(), t)
    for probe in (torch.ones(3), torch.ones(3, 1), torch.ones(1, 3)):
        with pytest.raises(ValueError, match=r"probe must be \(3, 3\), got"):
            divergence(linear, x, t, probe)
    with pytest.raises(ValueError, match="finite"):
        log_prob(linear, x * math.nan, times, standard)
    with pytest.raises(ValueError, match="finite"):
        log_prob(lambda x, t: x * math.nan, x, times, standard)
