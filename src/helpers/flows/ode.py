"""Solvers of dx/dt = velocity(x, t), as generators.

``velocity(x, t)`` takes x (B, *S) and a scalar tensor t and gives (B, *S). ``times`` (T,) rise or
fall strictly; the first is where x is now. A solver yields T tensors (B, *S), x itself first, so
``*path, x = euler(velocity, x, times)``. Wrap a velocity in :class:`Counted` to count evaluations.
"""

import itertools
import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

Velocity = Callable[[Tensor, Tensor], Tensor]

# Dormand and Prince's fifth-order pair: doi.org/10.1016/0771-050X(80)90013-3. Nodes, stages, the
# difference from the fourth-order solution, and Shampine's fourth-order interpolant.
_C = (1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0)
_A = (
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
_E = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)
_D = (
    -12715105075 / 11282082432,
    0.0,
    87487479700 / 32700410799,
    -10690763975 / 1880347072,
    701980252875 / 199316789632,
    -1453857185 / 822651844,
    69997945 / 29380423,
)


class Counted:
    """A function of (x, t) that counts its calls in ``n_calls``; x (B, *S), t scalar."""

    def __init__(self, function: Velocity) -> None:
        self.function, self.n_calls = function, 0

    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        self.n_calls += 1
        return self.function(x, t)


def check_times(x: Tensor, times: Tensor) -> Tensor:
    """``times`` (T,) in the dtype and on the device of x (B, *S), if a solver can use them.

    Raises
    ------
    ValueError : x is not a finite float tensor; times, in its dtype, not finite or not monotone.
    """
    if not x.is_floating_point() or x.ndim < 1 or not x.isfinite().all():
        raise ValueError(f"x must be finite floats (B, *S), got {x.dtype} {tuple(x.shape)}")
    times = torch.as_tensor(times, dtype=torch.float64).to(x)
    if times.ndim != 1 or len(times) < 2 or not times.isfinite().all():
        raise ValueError(f"times must be two or more finite numbers (T,), got {times}")
    steps = times.diff()
    if not ((steps > 0).all() or (steps < 0).all()):
        raise ValueError(f"times must rise strictly or fall strictly, got {times.tolist()}")
    return times


def _slope(velocity: Velocity, x: Tensor, t: Tensor) -> Tensor:
    """velocity(x, t) (B, *S), unless its shape would broadcast against x (B, *S)."""
    v = velocity(x, t)
    if v.shape != x.shape:
        raise ValueError(f"velocity(x, t) must be {tuple(x.shape)}, got {tuple(v.shape)}")
    return v


def finite(x: Tensor, what: str = "velocity(x, t)") -> Tensor:
    """x (B, *S) itself, if it is finite; else a ValueError that names ``what`` made it so.

    NaN and infinity survive every later step, so solvers look once, at the end.
    """
    if not x.isfinite().all():
        raise ValueError(f"{what} must be finite, got NaN or infinity on the way")
    return x


@torch.no_grad()
def euler(velocity: Velocity, x: Tensor, times: Tensor) -> Iterator[Tensor]:
    """First order: T - 1 evaluations of velocity from x (B, *S) along times (T,)."""
    times = check_times(x, times)
    for t, step in zip(times, times.diff(), strict=False):
        yield x
        x = x + step * _slope(velocity, x, t)
    yield finite(x)


@torch.no_grad()
def heun(velocity: Velocity, x: Tensor, times: Tensor) -> Iterator[Tensor]:
    """Second order, the trapezoid rule: 2 (T - 1) evaluations from x (B, *S) along times (T,)."""
    times = check_times(x, times)
    for t, after in itertools.pairwise(times):
        yield x
        step, slope = after - t, _slope(velocity, x, t)
        x = x + step / 2 * (slope + _slope(velocity, x + step * slope, after))
    yield finite(x)


@torch.no_grad()
def adaptive(
    velocity: Velocity,
    x: Tensor,
    times: Tensor,
    *,
    rtol: float = 1e-5,
    atol: float = 1e-5,
    max_calls: int = 100_000,
) -> Iterator[Tensor]:
    """Dormand-Prince of order 5 (RK45): steps as long as the tolerance allows, the batch as one.

    Parameters
    ----------
    x : (B, *S). times : (T,), where to report; between steps a fourth-order interpolant reports,
        so that reporting costs no evaluation. velocity : of (x, t).
    rtol, atol : a step is accepted when the root mean square of error / (atol + rtol |x|) is <= 1.
    max_calls : of velocity.

    Raises
    ------
    ValueError : bad x, times or tolerances; velocity not finite; max_calls not enough.
    """
    if not (rtol >= 0 and atol >= 0 and rtol + atol > 0):
        raise ValueError(f"rtol and atol must be >= 0 and not both 0, got {rtol} and {atol}")
    times = check_times(x, times)
    clock = times.double().tolist()
    velocity, t, end = Counted(velocity), clock[0], clock[-1]
    sign = math.copysign(1.0, end - t)

    def slope(x: Tensor, t: float) -> Tensor:
        if velocity.n_calls >= max_calls:
            raise ValueError(f"max_calls must be enough, got {max_calls}, used up at t = {t:.4g}")
        return _slope(velocity, x, torch.as_tensor(t, dtype=x.dtype, device=x.device))

    def size(error: Tensor, *at: Tensor) -> float:
        scale = atol + rtol * torch.stack([a.abs() for a in at]).amax(0)
        value = (error / scale).square().mean().sqrt().item()
        if not math.isfinite(value):
            raise ValueError(f"velocity(x, t) must be finite, got NaN or infinity at t = {t:.4g}")
        return value

    k1, refused = slope(x, t), False
    step = _first_step(slope, size, x, k1, t, sign, abs(end - t))
    yield x
    following = 1
    while following < len(clock):
        least = 1e-14 * max(1.0, abs(t))
        if refused and step < least:
            raise ValueError(f"rtol and atol must be reachable; none is at t = {t:.6g}")
        step = min(max(step, least), abs(end - t))
        h, k = sign * step, [k1]
        for c, row in zip(_C, _A, strict=True):
            new = x + h * sum(a * ki for a, ki in zip(row, k, strict=True) if a)
            k.append(slope(new, t + c * h))
        error = h * sum(e * ki for e, ki in zip(_E, k, strict=True) if e)
        wrong = size(error, x, new)
        if wrong <= 1:
            last = step >= abs(end - t)
            while following < len(clock) and (last or sign * (clock[following] - t - h) <= 0):
                yield _between(x, new, h, k, (clock[following] - t) / h)
                following += 1
            x, t, k1 = new, t + h, k[-1]  # the last slope is the next step's first
        factor = min(10.0, max(0.2, 0.9 * wrong**-0.2)) if wrong > 0 else 10.0
        step *= min(1.0, factor) if refused else factor  # no growth right after a refusal
        refused = wrong > 1


def _first_step(slope, size, x, k1, t, sign, span):
    """Hairer, Norsett and Wanner, section II.4: from the sizes of x, of k1 and of its change."""
    d0, d1 = size(x, x), size(k1, x)
    h0 = min(span, 1e-6 if min(d0, d1) < 1e-5 else 0.01 * d0 / d1)
    d2 = size(slope(x + sign * h0 * k1, t + sign * h0) - k1, x) / h0
    worst = max(d1, d2)
    h1 = max(1e-6, 1e-3 * h0) if worst <= 1e-15 else (0.01 / worst) ** 0.2
    return min(100 * h0, h1, span)


def _between(x: Tensor, new: Tensor, h: float, k: list[Tensor], theta: float) -> Tensor:
    if theta >= 1:
        return new
    change, bend = new - x, h * k[0] - (new - x)
    fifth = h * sum(d * ki for d, ki in zip(_D, k, strict=True) if d)
    inner = change - h * k[-1] - bend + (1 - theta) * fifth
    return x + theta * (change + (1 - theta) * (bend + theta * inner))
