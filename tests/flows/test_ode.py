"""ODE solvers: against closed forms, matrix exponentials, quadrature, and scipy's tables."""

import inspect
import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate

from helpers.flows import ode
from helpers.flows.ode import Counted, adaptive, check_times, euler, finite, heun

SOLVERS = (euler, heun, adaptive)
TURN = torch.tensor([[-0.5, 2.0], [-3.0, 0.2]], dtype=torch.float64)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def points(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=generator(seed), dtype=dtype)


def grid(start, end, n_steps):
    return torch.linspace(start, end, n_steps + 1, dtype=torch.float64)


def linear(x, t):
    return x @ TURN.T


def swing(x, t):
    """x' = 3 cos(5 t) x, so x(t) = x(0) exp(3/5 sin 5t)."""
    return 3 * torch.cos(5 * t) * x


def end(solver, velocity, x, times, **options):
    *_, last = solver(velocity, x, times, **options)
    return last


@pytest.mark.parametrize(("solver", "order"), [(euler, 1), (heun, 2)])
@pytest.mark.parametrize("span", [(0.0, 1.0), (1.0, 0.0)], ids=["rising", "falling"])
def test_error_falls_with_the_order(solver, order, span):
    """Halving the step divides the error by 2^order, also where the velocity depends on t."""
    x, length = points(5, 2), span[1] - span[0]
    swung = math.exp(3 / 5 * (math.sin(5 * span[1]) - math.sin(5 * span[0])))
    exact = {linear: x @ torch.linalg.matrix_exp(TURN * length).T, swing: x * swung}
    for velocity, truth in exact.items():
        errors = [
            (end(solver, velocity, x, grid(*span, n)) - truth).abs().max() for n in (200, 400, 800)
        ]
        for coarse, fine in itertools.pairwise(errors):
            assert math.log2(coarse / fine) == pytest.approx(order, abs=0.1)


def test_one_step_by_hand():
    """x' = x t from x = 2 at t = 1 with a step of 1/2, worked out on paper."""
    x, times = torch.tensor([[2.0]], dtype=torch.float64), torch.tensor([1.0, 1.5])
    assert end(euler, lambda x, t: x * t, x, times).item() == 3.0
    assert end(heun, lambda x, t: x * t, x, times).item() == 2 + 0.25 * (2 + 3 * 1.5)


@pytest.mark.parametrize(("solver", "degree"), [(euler, 0), (heun, 1), (adaptive, 4)])
def test_polynomials_in_time_are_exact(solver, degree):
    """A method of order p integrates t^q without error for q < p, along unequal steps too."""
    x, times = points(3, 2), torch.tensor([0.3, 0.7, 0.8, 2.0], dtype=torch.float64)
    for q in range(degree + 1):
        path = torch.stack(list(solver(lambda x, t, q=q: t**q * torch.ones_like(x), x, times)))
        expected = (times ** (q + 1) - times[0] ** (q + 1)) / (q + 1)
        gained = path[[0, -1]] - x
        expected = expected[[0, -1], None, None].expand_as(gained)
        torch.testing.assert_close(gained, expected, atol=1e-13, rtol=0)


def test_the_interpolant_is_of_fourth_order():
    """Between steps a solution that is a polynomial of degree 4 in t is reported exactly."""
    x, times = points(2, 1), torch.linspace(0, 1, 30, dtype=torch.float64)
    velocity = Counted(lambda x, t: 4 * t**3 * torch.ones_like(x))
    path = torch.stack(list(adaptive(velocity, x, times, rtol=0.1, atol=0.1)))
    assert velocity.n_calls < 40  # far fewer steps than reports
    torch.testing.assert_close(
        path - x, (times**4)[:, None, None].expand_as(path), atol=1e-13, rtol=0
    )


def test_the_tables_are_dormand_and_princes():
    """Nodes, stages, weights, error weights: those of scipy's RK45, and their order conditions."""
    table = integrate.RK45
    assert list(ode._C[:5]) == table.C[1:].tolist() and ode._C[5] == 1
    for ours, theirs in zip(ode._A[:5], table.A[1:].tolist(), strict=True):
        assert list(ours) == pytest.approx(theirs[: len(ours)], abs=1e-15)
    weights = torch.tensor(ode._A[5], dtype=torch.float64)
    torch.testing.assert_close(weights, torch.from_numpy(table.B), atol=1e-16, rtol=0)
    wrong = torch.tensor(ode._E, dtype=torch.float64)
    torch.testing.assert_close(wrong.abs(), torch.from_numpy(table.E).abs(), atol=1e-16, rtol=0)
    nodes = torch.tensor((0.0, *ode._C), dtype=torch.float64)
    for row, c in zip(ode._A, ode._C, strict=True):
        assert sum(row) == pytest.approx(c, abs=1e-13)
    for q in range(5):
        assert (weights * nodes[:6] ** q).sum().item() == pytest.approx(1 / (q + 1), abs=1e-14)
    for q in range(4):  # the fourth-order solution agrees on what it integrates exactly
        assert (wrong * nodes**q).sum().item() == pytest.approx(0, abs=1e-14)


@pytest.mark.parametrize("velocity", [linear, swing])
@pytest.mark.parametrize("span", [(0.0, 2.0), (2.0, -1.0)], ids=["rising", "falling"])
def test_adaptive_keeps_its_tolerance(velocity, span):
    """Global error within a few tolerances, from 1e-3 to 1e-10; the evaluations rise slowly."""
    x, calls = points(20, 2), []
    turned = x @ torch.linalg.matrix_exp(TURN * (span[1] - span[0])).T
    swung = x * math.exp(3 / 5 * (math.sin(5 * span[1]) - math.sin(5 * span[0])))
    truth = turned if velocity is linear else swung
    for tolerance in (1e-3, 1e-6, 1e-10):
        counted = Counted(velocity)
        found = end(adaptive, counted, x, torch.tensor(span), rtol=tolerance, atol=tolerance)
        assert (found - truth).abs().max() < 30 * tolerance * (1 + truth.abs().max())
        calls.append(counted.n_calls)
    # Seven digits more at an order of 5 are a factor 10^(7/5) = 25 in steps.
    assert calls[0] < calls[1] < calls[2] < 30 * calls[0]


def spiked(x, t):
    """Three slopes that jump: steps are refused, again and again."""
    return 10 * torch.ones_like(x) if 0.5 < t < 0.6 else -x


WALKS = {
    "swing": (swing, [1.0, 2.0], (0.0, 2.0)),
    "back": (swing, [1.0, 2.0], (2.0, -1.0)),
    "spike": (spiked, [1.0, -2.0], (0.0, 1.0)),
    "from almost 0": (lambda x, t: 1 + x**2, [1e-7, 0.0], (0.0, 1.2)),
    "slow at first": (lambda x, t: t**6 + 0 * x, [1.0, 5.0], (0.0, 3.0)),
    "still": (lambda x, t: 0 * x, [3.0, 4.0], (0.0, 3.0)),
    "far from 0 in time": (lambda x, t: -50 * (x - torch.cos(t)), [0.0, 1.0], (100.0, 101.0)),
    "short": (lambda x, t: x, [1.0, 2.0], (0.0, 1e-3)),
    "barely": (lambda x, t: 1e-7 * x, [1.0, 2.0], (0.0, 50.0)),
}


@pytest.mark.parametrize("name", WALKS)
@pytest.mark.parametrize("tolerance", [(1e-3, 1e-6), (1e-6, 1e-8)])
def test_steps_are_scipys(name, tolerance):
    """Every time at which RK45 evaluates, in its order: first step, growth, refusal and the end."""
    velocity, start, span = WALKS[name]
    x, ours, theirs = torch.tensor([start], dtype=torch.float64), [], []

    def seen(x, t):
        ours.append(t.item())
        return velocity(x, t)

    def flat(t, y):
        theirs.append(t)
        return velocity(torch.from_numpy(y), torch.tensor(t, dtype=torch.float64)).numpy()

    rtol, atol = tolerance
    last = end(adaptive, seen, x, torch.tensor(span, dtype=torch.float64), rtol=rtol, atol=atol)
    found = integrate.solve_ivp(flat, span, start, method="RK45", rtol=rtol, atol=atol)
    assert len(ours) == len(theirs)
    assert ours == pytest.approx(theirs, rel=1e-6, abs=1e-9)
    torch.testing.assert_close(last[0], torch.from_numpy(found.y[:, -1]), rtol=1e-7, atol=1e-9)


def test_tolerances_unless_told():
    """1e-5 for both; each matters alone, and is worth the calls that it costs."""
    x, times = torch.tensor([[1e-3, 3.0]], dtype=torch.float64), torch.tensor([0.0, 2.0])
    path, told = [*adaptive(swing, x, times)], [*adaptive(swing, x, times, rtol=1e-5, atol=1e-5)]
    assert torch.equal(path[-1], told[-1])
    for other in ({"rtol": 1.1e-5}, {"atol": 1.1e-5}):
        assert not torch.equal(path[-1], end(adaptive, swing, x, times, **other))


def test_a_hundred_thousand_calls_unless_told():
    """A slope that no step is short enough for ends by the limit, which is the stated one."""
    assert inspect.signature(adaptive).parameters["max_calls"].default == 100_000
    counted = Counted(linear)
    end(adaptive, counted, points(2, 2), [0, 1])
    assert end(adaptive, linear, points(2, 2), [0, 1], max_calls=counted.n_calls).shape == (2, 2)
    with pytest.raises(ValueError, match="max_calls must be enough, got"):
        end(adaptive, linear, points(2, 2), [0, 1], max_calls=counted.n_calls - 1)


def test_a_tolerance_may_be_relative_or_absolute_alone():
    x, times = torch.ones(1, 1, dtype=torch.float64), [0, 1]
    for options in ({"rtol": 1e-8, "atol": 0.0}, {"rtol": 0.0, "atol": 1e-8}):
        found = end(adaptive, lambda x, t: -x, x, times, **options)
        assert found.item() == pytest.approx(math.exp(-1), abs=1e-7)


def test_a_tolerance_out_of_reach_is_named():
    """At a jump of 1e12 the error stays above 1e-9 until the step is below the clock's rounding."""
    x = torch.zeros(1, 1, dtype=torch.float64)

    def cliff(x, t):
        return 1e12 * torch.ones_like(x) if t > 0.5 else 0 * x

    with pytest.raises(ValueError, match=r"rtol and atol must be reachable; none is at t = 0\.5"):
        list(adaptive(cliff, x, [0, 1], rtol=0.0, atol=1e-9))


def test_reporting_costs_nothing():
    """Two times or two hundred: the same steps; reports between them keep the tolerance."""
    x, few, many = points(4, 2), Counted(swing), Counted(swing)
    times = grid(0, 2, 200)
    (last,) = list(adaptive(few, x, times[[0, -1]]))[1:]
    path = torch.stack(list(adaptive(many, x, times)))
    assert few.n_calls == many.n_calls < 200
    assert torch.equal(path[-1], last)
    truth = x * (0.6 * (5 * times).sin()).exp()[:, None, None]
    assert (path - truth).abs().max() < 2e-3


def test_evaluations_are_counted():
    x, times = points(3, 2), grid(0, 1, 7)
    for solver, expected in ((euler, 7), (heun, 14)):
        counted = Counted(linear)
        end(solver, counted, x, times)
        assert counted.n_calls == expected
    counted = Counted(linear)
    end(adaptive, counted, x, times)
    assert counted.n_calls % 6 == 2  # two to begin with, six a step: the seventh is the next first
    assert torch.equal(counted(x, times[0]), linear(x, times[0]))


def test_the_batch_counts_by_its_mean():
    """The error is a root mean square: a batch of copies takes the steps of the original."""
    x, one, many = points(3, 2), Counted(swing), Counted(swing)
    path = torch.stack(list(adaptive(one, x, grid(0, 2, 5))))
    copies = torch.stack(list(adaptive(many, x.repeat(50, 1), grid(0, 2, 5))))
    assert one.n_calls == many.n_calls
    torch.testing.assert_close(copies, path.repeat(1, 50, 1), atol=1e-12, rtol=0)


@pytest.mark.parametrize("solver", SOLVERS)
def test_there_and_back(solver):
    """Times that fall undo times that rise, as well as the solver can."""
    x, times = points(6, 2), grid(0, 1, 2000)[:: 1 if solver is not adaptive else 2000]
    options = {"rtol": 1e-9, "atol": 1e-9} if solver is adaptive else {}
    there = end(solver, swing, x, times, **options)
    back = end(solver, swing, there, times.flip(0), **options)
    assert (back - x).abs().max() < {euler: 2e-2, heun: 1e-5, adaptive: 1e-7}[solver]
    assert (there - x).abs().max() > 0.3


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("shape", [(4,), (3, 2), (2, 1, 4, 4)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_one_tensor_a_time_the_start_first(solver, shape, dtype):
    """T tensors like x, x itself first; velocity gets x's dtype, a scalar t and no gradient."""
    x = points(*shape, dtype=dtype).requires_grad_()
    seen = []

    def velocity(x, t):
        seen.append((x.dtype, t.dtype, t.shape, x.device == t.device, torch.is_grad_enabled()))
        return -x

    path = list(solver(velocity, x, [0, 0.25, 1]))
    assert len(path) == 3 and path[0] is x
    assert all(p.shape == x.shape and p.dtype == dtype and not p.requires_grad for p in path[1:])
    assert set(seen) == {(dtype, dtype, (), True, False)}


@pytest.mark.parametrize("solver", SOLVERS)
def test_solvers_work_as_they_are_asked(solver):
    """No evaluation before the first step is asked for, and gradients are on again outside."""
    counted = Counted(linear)
    path = solver(counted, points(2, 2), grid(0, 1, 4))
    assert counted.n_calls == 0
    next(path)
    assert torch.is_grad_enabled() and counted.n_calls <= 2


def test_a_refused_step_is_not_followed_by_a_longer_one():
    """At a kink steps are refused; growing again at once would only be refused again."""
    x = torch.tensor([[1.0, 2.0]], dtype=torch.float64)

    def kink(x, t):
        return 10 * torch.ones_like(x) if t > 0.5 else -x

    counted = Counted(kink)
    found = end(adaptive, counted, x, torch.tensor([0.0, 1.0]), rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(found, x * math.exp(-0.5) + 5, atol=1e-6, rtol=0)
    assert counted.n_calls == 284  # as scipy's; 422 with growth after a refusal


def test_the_last_step_may_be_tiny():
    """A remainder that rounding leaves before the end is a step, not a tolerance out of reach."""
    x = torch.ones(1, 1, dtype=torch.float64)
    times = torch.tensor([0.0, 1e-15], dtype=torch.float64)
    assert end(adaptive, lambda x, t: -x, x, times).item() == pytest.approx(1)


# Bad input ---------------------------------------------------------------------------------------


@given(st.lists(st.floats(width=32), max_size=6), st.sampled_from(SOLVERS))
@settings(max_examples=150)
def test_any_times_are_followed_or_named(times, solver):
    """Whatever the numbers: a path of as many finite tensors, or a ValueError that shows them."""
    x = torch.ones(2, 2, dtype=torch.float64)
    rising = all(b > a for a, b in itertools.pairwise(times))
    falling = all(b < a for a, b in itertools.pairwise(times))
    if len(times) > 1 and all(map(math.isfinite, times)) and (rising or falling):
        path = list(solver(lambda x, t: torch.zeros_like(x), x, times))
        assert len(path) == len(times) and all(torch.equal(p, x) for p in path)
    else:
        with pytest.raises(ValueError, match=r"times must .*, got"):
            list(solver(lambda x, t: x, x, times))


@pytest.mark.parametrize("solver", SOLVERS)
def test_times_must_differ_in_the_dtype_of_x(solver):
    """1 and 1 + 1e-9 are two numbers in float64 and one in float32."""
    times = torch.tensor([1, 1 + 1e-9, 2], dtype=torch.float64)
    assert len(list(solver(linear, points(2, 2), times))) == 3
    with pytest.raises(ValueError, match="rise strictly or fall strictly, got"):
        list(solver(linear, points(2, 2, dtype=torch.float32), times))


@pytest.mark.parametrize("solver", SOLVERS)
def test_bad_input(solver):
    x, times = points(3, 2), grid(0, 1, 2)
    late = torch.cat((x[:2], x[2:] / 0))
    wrong = {"torch.int64": x.long(), "NaN or": x * math.nan, "NaN or i": late, "a scal": x[0, 0]}
    for words, bad in wrong.items():
        with pytest.raises(ValueError, match=rf"x must be finite floats \(B, \*S\), got {words}"):
            list(solver(linear, bad, times))
    nan = torch.tensor([0, 1, math.nan])
    wrong = {r"\(1, 3\)": times[None], "1": times[:1], r"\(\)": times[0], r"\[0.0, 1.0, nan": nan}
    for words, bad in wrong.items():
        match = rf"times must be two or more finite numbers \(T,\), got {words}"
        with pytest.raises(ValueError, match=match):
            list(solver(linear, x, bad))


@pytest.mark.parametrize(
    ("rtol", "atol", "words"),
    [
        (-1e-3, 1.0, "rtol is below 0"),
        (1.0, -1e-3, "atol is below 0"),
        (math.nan, 1.0, "rtol is below 0 or NaN"),
        (1.0, math.nan, "atol is below 0 or NaN"),
        (0.0, 0.0, "both are 0"),
    ],
)
def test_each_bad_tolerance_is_named(rtol, atol, words):
    with pytest.raises(
        ValueError, match=f"rtol and atol must be .*, got {rtol} and {atol}: {words}"
    ):
        next(adaptive(linear, points(2, 2), [0, 1], rtol=rtol, atol=atol))


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("shape", [(2, 1), (2,), (1, 2), ()])
def test_a_velocity_of_another_shape_is_named(solver, shape):
    """All of these would broadcast without a word."""
    x, times = points(2, 2), grid(0, 1, 2)
    with pytest.raises(ValueError, match=r"velocity\(x, t\) must be \(2, 2\), got"):
        list(solver(lambda x, t: torch.zeros(shape, dtype=x.dtype), x, times))


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_velocity_that_is_no_number_is_named(solver, value):
    x, times = points(3, 2), grid(0, 1, 2)
    with pytest.raises(ValueError, match=r"velocity\(x, t\) must be finite"):
        list(solver(lambda x, t: x * value if t > 0.4 else x, x, times))


@given(st.floats(), st.floats())
def test_any_tolerance_is_kept_or_named(rtol, atol):
    x, times = torch.ones(1, 1, dtype=torch.float64), [0, 1]
    if not (rtol >= 0 and atol >= 0 and rtol + atol > 0):
        with pytest.raises(ValueError, match="rtol and atol must be >= 0 and not both 0, got"):
            list(adaptive(linear, x, times, rtol=rtol, atol=atol))
    elif max(rtol, atol) > 1e-9:
        found = end(adaptive, lambda x, t: -x / 10, x, times, rtol=rtol, atol=atol).item()
        assert found == pytest.approx(math.exp(-0.1), abs=max(1e-8, 10 * (rtol + atol)))


def test_a_way_down_is_bounded():
    """x' = x from t = 1 to 0 loses a factor e in a few steps, each of them towards 0."""
    seen = []
    x = torch.ones(1, 1, dtype=torch.float64)
    *_, last = adaptive(lambda x, t: (seen.append(t.item()), x)[1], x, [1, 0], max_calls=100)
    assert last.item() == pytest.approx(math.exp(-1), abs=1e-5)
    assert min(seen) == 0 and max(seen) == 1


def test_evaluations_can_be_limited():
    x = points(2, 2)
    counted = Counted(linear)
    with pytest.raises(ValueError, match="max_calls must be enough, got 30, used up at t = 0"):
        list(adaptive(counted, x, [0, 10], rtol=1e-10, atol=1e-10, max_calls=30))
    assert counted.n_calls == 30


def test_a_blow_up_is_named():
    """x' = x^2 from 1 is infinite at t = 1."""
    x = torch.ones(1, 1, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"reachable|finite|enough"):
        list(adaptive(lambda x, t: x**2, x, [0, 2]))


def test_finite_names_what_was_not():
    x = torch.ones(2)
    assert finite(x) is x
    with pytest.raises(ValueError, match=r"score\(x, t\) must be finite, got NaN or infinity"):
        finite(x / 0, "score(x, t)")
    assert torch.equal(check_times(x, [1, 0]), torch.tensor([1.0, 0.0]))
    assert check_times(x.double(), [0, 0.1]).tolist() == [0, 0.1]  # not by way of float32
