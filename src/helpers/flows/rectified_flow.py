"""Rectified flow (Liu, Gong and Liu, arXiv:2209.03003): an ODE from straight lines.

A line joins data to noise, ``x_t = (1 - t) x0 + t x1``: x0 data, x1 noise, both (B, *S), t in
[0, 1]. (The paper's clock runs the other way.) Who is joined to whom is the *coupling*, given by
the rows of x0 and x1. A network ``net(x, t)`` takes x (B, *S) and t, a scalar or (B,), and
predicts the mean of x1 - x0 over the lines through x; ``ode.euler(net, x1, times)`` with times
falling from 1 to 0 samples. Chapter 5 derives each line.
"""

import math
from collections.abc import Callable, Iterator
from typing import Protocol

import torch
from torch import Tensor

from helpers.checks import finite
from helpers.flows.ode import Velocity, check_times, euler


class Mixture(Protocol):
    """A density whose noised score and best denoiser are known: ``toy.GaussianMixture``."""

    def noised(self, signal: float, noise: float) -> "Mixture":
        """The density of signal * x_0 + noise * eps, eps standard normal."""

    def score(self, x: Tensor) -> Tensor:
        """Gradient of the log density at x (B, D), (B, D)."""

    def denoise(self, x: Tensor, signal: float, noise: float) -> Tensor:
        """E[x_0 | signal * x_0 + noise * eps = x] at x (B, D), (B, D)."""


def between(x0: Tensor, x1: Tensor, t: Tensor | float) -> Tensor:
    """The point (1 - t) x0 + t x1 of each line, (B, *S): data at t = 0, noise at t = 1.

    x0, x1 : floats (B, *S). t : in [0, 1], a scalar or (B,).
    """
    _pair(x0, x1)
    t = torch.as_tensor(t, dtype=x0.dtype, device=x0.device)
    if t.shape not in ((), x0.shape[:1]):
        raise ValueError(f"t must be a scalar or ({len(x0)},), got {tuple(t.shape)}")
    if not ((t >= 0) & (t <= 1)).all():
        raise ValueError(f"t must be in [0, 1], got {t}")
    t = t.reshape(-1, *[1] * (x0.ndim - 1))
    return t * x1 + (1 - t) * x0


def target(x0: Tensor, x1: Tensor) -> Tensor:
    """What a line's point moves by in a unit of time, x1 - x0, (B, *S), at every t the same."""
    _pair(x0, x1)
    return x1 - x0


def loss(
    net: Velocity,
    x0: Tensor,
    x1: Tensor | None = None,
    *,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Mean of (net(x_t, t) - (x1 - x0))^2 at t uniform on [0, 1), a scalar.

    Parameters
    ----------
    net : sees x_t (B, *S) and t (B,). x0 : data (B, *S), floats.
    x1 : noise (B, *S), row by row the other end of x0's lines, as :func:`reflow` returns it; by
        default standard normal and drawn afresh: the independent coupling.
    generator : draws the noise (B, *S) if x1 is None, then t (B,), on x0's device; the global one
        if None.

    Raises
    ------
    ValueError : shapes or dtypes that do not fit; a net whose output is not shaped like x0.
    """
    if x1 is None:
        _floats("x0", x0)
        x1 = torch.empty_like(x0).normal_(generator=generator)
    _pair(x0, x1)
    t = x0.new_empty(len(x0)).uniform_(generator=generator)
    return _error(net, x0, x1, t)


def distill_loss(net: Velocity, x0: Tensor, x1: Tensor) -> Tensor:
    """:func:`loss` at t = 1 only: one Euler step from x1 shall end at x0. A scalar.

    x0, x1 : (B, *S), a coupling in which x1 determines x0, such as :func:`reflow` returns. net :
    sees x1 and t = 1, (B,). With any other coupling the step learns the mean of the x0.
    """
    _pair(x0, x1)
    return _error(net, x0, x1, x0.new_ones(len(x0)))


def one_step(net: Velocity, x1: Tensor) -> Tensor:
    """Data (B, *S) from noise x1 (B, *S) by a single Euler step, x1 - net(x1, 1)."""
    *_, x0 = euler(net, x1, torch.tensor([1.0, 0.0]))
    return x0


def reflow(
    velocity: Velocity,
    x1: Tensor,
    times: Tensor,
    solver: Callable[[Velocity, Tensor, Tensor], Iterator[Tensor]] = euler,
) -> tuple[Tensor, Tensor]:
    """The flow's own coupling, (x0, x1), each (B, *S): train :func:`loss` on it once more.

    Parameters
    ----------
    velocity : of (x, t). x1 : noise (B, *S). times : (T,), falling from 1 to 0.
    solver : such as ``ode.heun``; what it gets wrong the next flow will take for data.
    """
    _floats("x1", x1)
    times = check_times(x1, times)
    if times[0] != 1:
        raise ValueError(f"times must fall from 1, where noise is, got {times[0]:g}")
    if times[-1] != 0:
        raise ValueError(f"times must fall from 1 to 0, where data is, got {times[-1]:g}")
    *_, x0 = solver(velocity, x1, times)
    return finite(x0.detach()), x1


def straightness(path: Tensor, times: Tensor) -> float:
    """Mean over time and batch of |chord - slope|^2, squared units of x: 0 for straight paths.

    The paper's S: chord and slope are displacements in a unit of time, over the whole way and over
    each step.

    Parameters
    ----------
    path : (T, B, *S), as ``torch.stack([*euler(net, x1, times)])`` gives it. times : (T,).
    """
    if path.ndim < 3:
        raise ValueError(f"path must be (T, B, *S), got {tuple(path.shape)}")
    if path.shape[1] < 1:
        raise ValueError(f"path must be of one point or more, got {tuple(path.shape)}")
    path = path.double()
    times = check_times(path[0], times)
    if len(path) != len(times):
        raise ValueError(f"path must hold {len(times)} times, got {len(path)}")
    steps = times.diff().view(-1, *[1] * (path.ndim - 1))
    chord = (path[-1] - path[0]) / (times[-1] - times[0])
    square = (chord - path.diff(dim=0) / steps).square().flatten(2).sum(2).mean(1)
    share = (times.diff() / (times[-1] - times[0])).to(square)
    return finite(square * share, "path").sum().item()


def transport_cost(x0: Tensor, x1: Tensor, power: float = 2.0) -> float:
    """Mean of |x1 - x0|^power over the pairs of a coupling, (B, *S) each; power >= 1, so convex."""
    if not 1 <= power < math.inf:
        raise ValueError(f"power must be at least 1 for a convex cost, got {power}")
    return target(x0, x1).double().flatten(1).norm(dim=1).pow(power).mean().item()


def exact(mixture: Mixture) -> Velocity:
    """The true velocity E[x1 - x0 | x_t = x] for data from a mixture, independent of its noise.

    Returns a function of x (B, D) and a scalar t in [0, 1]. Two forms of one formula, each where it
    is not 0/0: (x - E[x0 | x]) / t, and -(x + t score) / (1 - t) near the data.
    """

    def velocity(x: Tensor, t: Tensor | float) -> Tensor:
        if torch.as_tensor(t).numel() != 1:
            raise ValueError(f"t must be one number, got {t}")
        t = float(t)
        if not 0 <= t <= 1:
            raise ValueError(f"t must be one number in [0, 1], got {t}")
        if t < 0.5:
            return -(x + t * mixture.noised(1 - t, t).score(x)) / (1 - t)
        return (x - mixture.denoise(x, 1 - t, t)) / t

    return velocity


def line_of(signal: float, noise: float) -> tuple[float, float]:
    """(scale, t) such that signal x0 + noise eps = scale ((1 - t) x0 + t eps).

    So a point of any path is a point of a straight one, at another time and in other units.
    """
    if not 0 <= signal < math.inf:
        raise ValueError(f"signal must be >= 0 and finite, got {signal}")
    if not 0 <= noise < math.inf:
        raise ValueError(f"noise must be >= 0 and finite, got {noise}")
    if signal + noise == 0:
        raise ValueError(f"signal and noise must be not both 0, got {signal} and {noise}")
    return signal + noise, noise / (signal + noise)


def _error(net: Velocity, x0: Tensor, x1: Tensor, t: Tensor) -> Tensor:
    predicted = net(between(x0, x1, t), t)
    if predicted.shape != x0.shape:
        raise ValueError(f"net must give {tuple(x0.shape)}, got {tuple(predicted.shape)}")
    return (predicted - target(x0, x1)).square().mean()


def _floats(name: str, x: Tensor) -> None:
    if not x.is_floating_point():
        raise ValueError(f"{name} must be floats, got {x.dtype}")
    if x.ndim < 2:
        raise ValueError(f"{name} must be floats (B, *S), got {tuple(x.shape)}")
    if x.numel() == 0:
        raise ValueError(f"{name} must be floats (B, *S), got none: {tuple(x.shape)}")


def _pair(x0: Tensor, x1: Tensor) -> None:
    _floats("x0", x0)
    if x1.shape != x0.shape:
        raise ValueError(f"x1 must be {tuple(x0.shape)} like x0, got {tuple(x1.shape)}")
    if x1.dtype != x0.dtype:
        raise ValueError(f"x1 must be {x0.dtype} like x0, got {x1.dtype}")
