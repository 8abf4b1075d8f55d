"""Solvers of dx/dt = velocity(x, t), as generators.

``velocity(x, t)`` takes x (B, *S) and a scalar tensor t and gives (B, *S). ``times`` (T,) rise or
fall strictly; the first is where x is now. A solver yields T tensors (B, *S), x itself first, so
``*path, x = euler(velocity, x, times)``. Wrap a velocity in :class:`Counted` to count evaluations.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from helpers.checks import finite

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
        self.function = function
        self.n_calls = 0

    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        self.n_calls += 1
        return self.function(x, t)


def check_times(x: Tensor, times: Tensor) -> Tensor:
    """``times`` (T,) in the dtype and on the device of x (B, *S), if a solver can use them.

    Raises
    ------
    ValueError : x is not a finite float tensor; times, in its dtype, not finite or not monotone.
    """
    if not x.is_floating_point():
        raise ValueError(f"x must be finite floats (B, *S), got {x.dtype}")
    if x.ndim < 1:
        raise ValueError(f"x must be finite floats (B, *S), got a scalar, {x}")
    if not x.isfinite().all():
        raise ValueError("x must be finite floats (B, *S), got NaN or infinity")
    times = torch.as_tensor(times, dtype=torch.float64).to(x)
    if times.ndim != 1:
        raise ValueError(f"times must be two or more finite numbers (T,), got {tuple(times.shape)}")
    if len(times) < 2:
        raise ValueError(f"times must be two or more finite numbers (T,), got {len(times)}")
    if not times.isfinite().all():
        raise ValueError(f"times must be two or more finite numbers (T,), got {times.tolist()}")
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
        step = after - t
        slope = _slope(velocity, x, t)
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
    _check_tolerance(rtol, atol)
    times = check_times(x, times)
    clock = times.double().tolist()
    walk = _Walk(velocity, x, (clock[0], clock[-1]), (rtol, atol), max_calls)
    yield x
    following = 1
    while following < len(clock):
        step = walk.try_step()
        if step is None:
            continue
        while following < len(clock) and step.reaches(clock[following]):
            yield step.at(clock[following])
            following += 1


@dataclass(frozen=True)
class _Step:
    """From x at t to new at t + h, both (B, *S), with the slopes k of all stages on the way."""

    x: Tensor
    new: Tensor
    t: float
    h: float
    k: list[Tensor]
    last: bool

    def reaches(self, time: float) -> bool:
        """Whether ``time`` is at the step's end or before it; of the last step all are."""
        return self.last or math.copysign(1.0, self.h) * (time - self.t - self.h) <= 0

    def at(self, time: float) -> Tensor:
        """The solution (B, *S) at a time within the step."""
        return _between(self.x, self.new, self.h, self.k, (time - self.t) / self.h)


class _Walk:
    """Where `adaptive` stands: at x (B, *S) at t with slope k1, about to try a step's length.

    span : first and last time. tolerance : rtol and atol. max_calls : of velocity.
    """

    def __init__(
        self,
        velocity: Velocity,
        x: Tensor,
        span: tuple[float, float],
        tolerance: tuple[float, float],
        max_calls: int,
    ) -> None:
        self.velocity = Counted(velocity)
        self.max_calls = max_calls
        self.rtol, self.atol = tolerance
        self.x = x
        self.t, self.end = span
        self.sign = math.copysign(1.0, self.end - self.t)
        self.k1 = self.slope(x, self.t)
        self.refused = False
        self.length = self.first_length()

    def slope(self, x: Tensor, t: float) -> Tensor:
        """velocity(x, t) (B, *S), while there are calls left."""
        if self.velocity.n_calls >= self.max_calls:
            limit = self.max_calls
            raise ValueError(f"max_calls must be enough, got {limit}, used up at t = {t:.4g}")
        return _slope(self.velocity, x, torch.as_tensor(t, dtype=x.dtype, device=x.device))

    def size(self, error: Tensor, *at: Tensor) -> float:
        """Root mean square of error (B, *S) over atol + rtol |x|, the largest |x| among ``at``."""
        scale = self.atol + self.rtol * torch.stack([a.abs() for a in at]).amax(0)
        value = (error / scale).square().mean().sqrt().item()
        if not math.isfinite(value):
            where = f"t = {self.t:.4g}"
            raise ValueError(f"velocity(x, t) must be finite, got NaN or infinity at {where}")
        return value

    def first_length(self) -> float:
        """Hairer, Norsett and Wanner, section II.4: from the sizes of x, of k1 and its change."""
        span = abs(self.end - self.t)
        d0 = self.size(self.x, self.x)
        d1 = self.size(self.k1, self.x)
        guess = 1e-6 if min(d0, d1) < 1e-5 else 0.01 * d0 / d1
        h0 = min(span, guess)
        ahead = self.slope(self.x + self.sign * h0 * self.k1, self.t + self.sign * h0)
        d2 = self.size(ahead - self.k1, self.x) / h0
        worst = max(d1, d2)
        h1 = max(1e-6, 1e-3 * h0) if worst <= 1e-15 else (0.01 / worst) ** 0.2
        return min(100 * h0, h1, span)

    def try_step(self) -> _Step | None:
        """Take the next step, or None if its error is too large; either way set the next length."""
        left = abs(self.end - self.t)
        length = min(self.allowed_length(), left)
        h = self.sign * length
        new, k = self.stages(h)
        error = h * sum(e * ki for e, ki in zip(_E, k, strict=True) if e)
        wrong = self.size(error, self.x, new)
        step = None
        if wrong <= 1:
            step = _Step(self.x, new, self.t, h, k, last=length >= left)
            self.x = new
            self.t = self.t + h
            self.k1 = k[-1]  # the last slope is the next step's first
        factor = min(10.0, max(0.2, 0.9 * wrong**-0.2)) if wrong > 0 else 10.0
        if self.refused:
            factor = min(1.0, factor)  # no growth right after a refusal
        self.length = length * factor
        self.refused = wrong > 1
        return step

    def allowed_length(self) -> float:
        """The length to try, but not so short that rounding would swallow it."""
        least = 1e-14 * max(1.0, abs(self.t))
        if self.refused and self.length < least:
            raise ValueError(f"rtol and atol must be reachable; none is at t = {self.t:.6g}")
        return max(self.length, least)

    def stages(self, h: float) -> tuple[Tensor, list[Tensor]]:
        """x after a step of h, (B, *S), and the slopes at its seven stages."""
        k = [self.k1]
        for c, row in zip(_C, _A, strict=True):
            new = self.x + h * sum(a * ki for a, ki in zip(row, k, strict=True) if a)
            k.append(self.slope(new, self.t + c * h))
        return new, k


def _check_tolerance(rtol: float, atol: float) -> None:
    wanted = f"rtol and atol must be >= 0 and not both 0, got {rtol} and {atol}"
    if not rtol >= 0:
        raise ValueError(f"{wanted}: rtol is below 0 or NaN")
    if not atol >= 0:
        raise ValueError(f"{wanted}: atol is below 0 or NaN")
    if rtol + atol == 0:
        raise ValueError(f"{wanted}: both are 0")


def _between(x: Tensor, new: Tensor, h: float, k: list[Tensor], theta: float) -> Tensor:
    """Shampine's interpolant between x and new (B, *S), at the share theta of the step h."""
    if theta >= 1:
        return new
    change = new - x
    bend = h * k[0] - (new - x)
    fifth = h * sum(d * ki for d, ki in zip(_D, k, strict=True) if d)
    inner = change - h * k[-1] - bend + (1 - theta) * fifth
    return x + theta * (change + (1 - theta) * (bend + theta * inner))
