"""Answers to chapter 5's graded exercises: a reference and two other styles for each.

The planted mistakes are in ``mistakes.py``. If you are reading the book, try first.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

Tensor = torch.Tensor
Field = Callable[[Any, Any], Any]


def step(x: Tensor, t: float, s: float, denoise: Field) -> Tensor:
    """rectified-flow-3: x (B, D) at t -> x (B, D) at the earlier time s."""
    velocity = (x - denoise(x, t)) / t
    return x + (s - t) * velocity


def _step_between(x: Tensor, t: float, s: float, denoise: Field) -> np.ndarray:
    data = denoise(x.numpy(), t)
    return data + s / t * (x.numpy() - data)


def _step_ends(x: Tensor, t: float, s: float, denoise: Field) -> Tensor:
    x0 = denoise(x, t)
    x1 = (x - (1 - t) * x0) / t
    return torch.lerp(x0, x1, s)


def loss(x0: Tensor, x1: Tensor, t: Tensor, net: Field) -> Tensor:
    """rectified-flow-4: the squared length of each line's miss, (B,)."""
    beside = t[:, None]
    x = (1 - beside) * x0 + beside * x1
    return (net(x, t) - (x1 - x0)).square().sum(1)


def _loss_numpy(x0: Tensor, x1: Tensor, t: Tensor, net: Field) -> np.ndarray:
    x0, x1, t = x0.numpy(), x1.numpy(), t.numpy()
    move = x1 - x0
    miss = net(x0 + t[:, None] * move, t) - move
    return np.einsum("bd,bd->b", miss, miss)


def _loss_loop(x0: Tensor, x1: Tensor, t: Tensor, net: Field) -> Tensor:
    rows = []
    for a, e, when in zip(x0, x1, t, strict=True):
        miss = net(torch.lerp(a, e, when)[None], when)[0] - (e - a)
        rows.append(miss @ miss)
    return torch.stack(rows)


def straightness(path: Tensor, times: Tensor) -> Tensor:
    """rectified-flow-5: path (B, T, D), times (T,) -> (B,)."""
    steps = times.diff()
    whole = times[-1] - times[0]
    chord = (path[:, -1] - path[:, 0]) / whole
    slope = path.diff(dim=1) / steps[:, None]
    square = (slope - chord[:, None]).square().sum(2)
    return square @ (steps / whole)


def _straightness_numpy(path: Tensor, times: Tensor) -> np.ndarray:
    path, times = path.numpy(), times.numpy()
    steps = np.diff(times)
    share = steps / steps.sum()
    slope = np.diff(path, axis=1) / steps[:, None]
    mean = np.einsum("t,btd->bd", share, slope)  # the chord
    return np.einsum("t,btd->b", share, slope**2) - (mean**2).sum(1)


def _straightness_loop(path: Tensor, times: Tensor) -> Tensor:
    whole = times[-1] - times[0]
    total = torch.zeros(len(path), dtype=path.dtype)
    for k in range(len(times) - 1):
        step = times[k + 1] - times[k]
        bend = (path[:, k + 1] - path[:, k]) / step - (path[:, -1] - path[:, 0]) / whole
        total = total + step.abs() / whole.abs() * bend.pow(2).sum(-1)
    return total


def disguise(x: Tensor, v: Field, a: float, sigma: float, da: float, dsigma: float) -> Tensor:
    """rectified-flow-6: the velocity of a x0 + sigma x1 from the straight one, (B, D)."""
    c = a + sigma
    r = sigma / (a + sigma)
    dc = da + dsigma
    dr = (dsigma * a - sigma * da) / (a + sigma) ** 2
    return dc / c * x + c * dr * v(x / c, r)


def _disguise_numpy(x: Tensor, v: Field, a: float, sigma: float, da: float, dsigma: float) -> Any:
    c = a + sigma
    y = x.numpy() / (a + sigma)
    dr = dsigma / c - sigma * (da + dsigma) / c**2
    return (da + dsigma) * y + c * dr * v(y, sigma / c)


def _disguise_ends(x: Tensor, v: Field, a: float, sigma: float, da: float, dsigma: float) -> Tensor:
    r = sigma / (a + sigma)
    y = x / (a + sigma)
    move = v(y, r)
    data = y - r * move
    noise = y + (1 - r) * move  # the means of x0 and x1 given x
    return da * data + dsigma * noise


SOLUTIONS = {
    "rectified-flow-3": (step, _step_between, _step_ends),
    "rectified-flow-4": (loss, _loss_numpy, _loss_loop),
    "rectified-flow-5": (straightness, _straightness_numpy, _straightness_loop),
    "rectified-flow-6": (disguise, _disguise_numpy, _disguise_ends),
}
