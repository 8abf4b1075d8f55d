"""ODE solvers against scipy, step for step, and against torchdiffeq at equal tolerance."""

import math

import pytest
import torch
from scipy.integrate import solve_ivp
from torchdiffeq import odeint

from helpers.flows.ode import Counted, adaptive, euler, heun
from helpers.flows.toy import GaussianMixture


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def swing(x, t):
    return 3 * torch.cos(5 * t) * x


def hunt(x, t):
    """Lotka and Volterra's hunters and prey."""
    prey, hunters = x.T
    return torch.stack((1.5 * prey - prey * hunters, prey * hunters - 3 * hunters), 1)


def oscillate(x, t):
    """Van der Pol's oscillator: slow, then fast, so that steps are refused."""
    place, speed = x.T
    return torch.stack((speed, 5 * (1 - place**2) * speed - place), 1)


def kink(x, t):
    return torch.where(t > 0.5, 10 * torch.ones_like(x), -x)


def flow(x, t):
    """The probability flow of a mixture under noise of std t: what the chapters solve."""
    means = torch.tensor([[2.0, 0.0], [-1.0, 1.5]], dtype=torch.float64)
    # torchdiffeq walks past the end, here to t < 0, and interpolates back.
    return -t * GaussianMixture(means, 0.3).noised(1, t.abs()).score(x)


PAIR = [[1.0, 2.0], [3.0, -1.0]]
PROBLEMS = {
    "swing": (swing, PAIR, (0.0, 2.0)),
    "swing, falling": (swing, PAIR, (2.0, -1.0)),
    "hunt": (hunt, [[10.0, 5.0]], (0.0, 8.0)),
    "oscillate": (oscillate, [[2.0, 0.0]], (0.0, 12.0)),
    "kink": (kink, [[1.0, 2.0]], (0.0, 1.0)),
    "flow": (flow, PAIR, (3.0, 0.0)),
    "flow, rising": (flow, PAIR, (0.0, 3.0)),
}


def scipys(velocity, x, times, tolerance, method="RK45"):
    """scipy's path (T, B, D) and how often it evaluated."""
    found = solve_ivp(
        lambda t, y: velocity(torch.from_numpy(y).view_as(x), x.new_tensor(t)).numpy().ravel(),
        (times[0].item(), times[-1].item()),
        x.numpy().ravel(),
        method=method,
        rtol=tolerance,
        atol=tolerance,
        t_eval=times.numpy(),
    )
    return torch.from_numpy(found.y.T).reshape(-1, *x.shape), found.nfev


@pytest.mark.parametrize("tolerance", [1e-3, 1e-5, 1e-7])
@pytest.mark.parametrize("name", PROBLEMS)
def test_adaptive_walks_as_scipy_does(name, tolerance):
    """As many evaluations as RK45, and the same numbers at the steps and between them.

    Adding in another order changes last digits, which a kink or a fast motion carries on.
    """
    velocity, start, span = PROBLEMS[name]
    x, times = torch.tensor(start, dtype=torch.float64), torch.linspace(*span, 9).double()
    counted = Counted(velocity)
    path = torch.stack(list(adaptive(counted, x, times, rtol=tolerance, atol=tolerance)))
    theirs, n_calls = scipys(velocity, x, times, tolerance)
    assert counted.n_calls == n_calls
    digits = tolerance if name == "kink" else 1e-6 * tolerance + 1e-11
    if name == "oscillate":
        digits = 1e-2 * tolerance
    torch.testing.assert_close(path, theirs, atol=digits, rtol=digits)


@pytest.mark.parametrize("name", ["swing", "hunt", "flow", "flow, rising"])
@pytest.mark.parametrize("tolerance", [1e-3, 1e-5, 1e-7])
def test_adaptive_is_worth_dopri5(name, tolerance):
    """At one tolerance no more evaluations than torchdiffeq, and no larger an error than 5 times.

    It ends a path by interpolation, we by a step that ends there, and the rules for the next step
    differ. The truth is scipy's DOP853 at 1e-12.
    """
    velocity, start, span = PROBLEMS[name]
    x, times = torch.tensor(start, dtype=torch.float64), torch.tensor(span, dtype=torch.float64)
    ours, theirs = Counted(velocity), Counted(velocity)
    *_, found = adaptive(ours, x, times, rtol=tolerance, atol=tolerance)
    other = odeint(
        lambda t, x: theirs(x, t), x, times, rtol=tolerance, atol=tolerance, method="dopri5"
    )[-1]
    truth = scipys(velocity, x, times, 1e-12, method="DOP853")[0][-1]
    mine, them = ((z - truth).abs().max().item() for z in (found, other))
    assert ours.n_calls <= 1.15 * theirs.n_calls + 6
    assert mine <= max(5 * them, 10 * tolerance)
    assert math.isfinite(mine)


@pytest.mark.parametrize(("solver", "method"), [(euler, "euler"), (heun, "heun2")])
@pytest.mark.parametrize("name", ["swing", "swing, falling", "hunt", "flow"])
def test_fixed_steps_are_theirs(solver, method, name):
    """Along equal and unequal steps, every point of the path."""
    velocity, start, span = PROBLEMS[name]
    x = torch.tensor(start, dtype=torch.float64)
    even = torch.linspace(0, 1, 401, dtype=torch.float64)
    for clock in (even, even**2):
        times = span[0] + (span[1] - span[0]) * clock
        ours, theirs = Counted(velocity), Counted(velocity)
        path = torch.stack(list(solver(ours, x, times)))
        other = odeint(lambda t, x, f=theirs: f(x, t), x, times, method=method)
        torch.testing.assert_close(path, other, atol=1e-12, rtol=1e-12)
        assert ours.n_calls == theirs.n_calls


def test_in_float32_as_well():
    """Steps of float32 points are as many and as good as torchdiffeq's."""
    x = 2 * torch.randn(50, 2, generator=generator())
    times = torch.tensor([3.0, 0.0])
    ours, theirs = Counted(flow), Counted(flow)
    *_, found = adaptive(ours, x, times, rtol=1e-5, atol=1e-5)
    other = odeint(lambda t, x: theirs(x, t), x, times, rtol=1e-5, atol=1e-5, method="dopri5")[-1]
    *_, truth = adaptive(flow, x.double(), times, rtol=1e-10, atol=1e-10)
    assert found.dtype == torch.float32 and ours.n_calls <= 1.15 * theirs.n_calls + 6
    mine, them = ((z - truth).abs().max() for z in (found, other))
    assert mine < 2e-4 and mine < 2 * them
