"""Answers to chapter 3's graded exercises: a reference and two other styles for each.

The planted mistakes are in ``mistakes.py``. If you are reading the book, try first.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

Tensor = torch.Tensor
Beta = Callable[[float], float]
Score = Callable[[Any, float], Any]


def sub_vp_noise(t: Tensor, low: float, high: float) -> Tensor:
    """sde-3: t (B,) -> standard deviation (B,)."""
    area = low * t + (high - low) * t**2 / 2
    return 1 - torch.exp(-area)


def _noise_numpy(t: Tensor, low: float, high: float) -> np.ndarray:
    t = t.numpy()
    signal = np.exp(-t * (2 * low + (high - low) * t) / 4)
    return 1 - signal**2


def _noise_quadrature(t: Tensor, low: float, high: float) -> list[float]:
    # The trapezoid rule is exact on a straight line.
    return [-math.expm1(-end * (low + low + end * (high - low)) / 2) for end in t.tolist()]


def reverse_step(x: Tensor, t: float, dt: float, beta: Beta, score: Score, eps: Tensor) -> Tensor:
    """sde-4: x (B, D) at t -> x (B, D) at t - dt, with eps (B, D)."""
    drift = -beta(t) / 2 * x - beta(t) * score(x, t)
    return x - drift * dt + math.sqrt(beta(t) * dt) * eps


def _reverse_numpy(
    x: Tensor, t: float, dt: float, beta: Beta, score: Score, eps: Tensor
) -> np.ndarray:
    y = x.numpy()
    share = beta(t) * dt
    return y + share * (y / 2 + score(y, t)) + np.sqrt(share) * eps.numpy()


def _reverse_mean(x: Tensor, t: float, dt: float, beta: Beta, score: Score, eps: Tensor) -> Tensor:
    g = torch.tensor(beta(t), dtype=x.dtype).sqrt()
    mean = torch.lerp(x, x + beta(t) * (0.5 * x + score(x, t)), dt)
    return torch.addcmul(mean, eps, g * dt**0.5)


def heun_step(x: Tensor, t: float, dt: float, beta: Beta, score: Score) -> Tensor:
    """sde-5: x (B, D) at t -> x (B, D) at t - dt by the flow."""

    def velocity(x: Tensor, t: float) -> Tensor:
        return -beta(t) / 2 * (x + score(x, t))

    first = velocity(x, t)
    second = velocity(x - dt * first, t - dt)
    return x - dt * (first + second) / 2


def _heun_numpy(x: Tensor, t: float, dt: float, beta: Beta, score: Score) -> np.ndarray:
    y = x.numpy()
    slopes = [-0.5 * beta(t) * y - 0.5 * beta(t) * score(y, t)]
    ahead = y - dt * slopes[0]
    later = t - dt
    slopes.append(-0.5 * beta(later) * ahead - 0.5 * beta(later) * score(ahead, later))
    return y - dt * np.mean(slopes, axis=0)


def _heun_twice(x: Tensor, t: float, dt: float, beta: Beta, score: Score) -> Tensor:
    # Euler twice, each over the whole step: the average of start and second arrival.
    arrival = x
    for when in (t, t - dt):
        arrival = arrival + dt * beta(when) / 2 * (arrival + score(arrival, when))
    return (x + arrival) / 2


def score_loss(x0: Tensor, eps: Tensor, signal: Tensor, noise: Tensor, net: Score) -> Tensor:
    """sde-6: x0, eps (B, D), signal, noise (B,) -> loss (B,)."""
    a = signal[:, None]
    s = noise[:, None]
    return (s * net(a * x0 + s * eps) + eps).square().sum(1)


def _loss_numpy(x0: Tensor, eps: Tensor, signal: Tensor, noise: Tensor, net: Score) -> np.ndarray:
    a = signal.numpy().reshape(-1, 1)
    s = noise.numpy().reshape(-1, 1)
    x = a * x0.numpy() + s * eps.numpy()
    target = -(x - a * x0.numpy()) / s**2
    return (s[:, 0] * np.linalg.norm(net(x) - target, axis=1)) ** 2


def _loss_einsum(x0: Tensor, eps: Tensor, signal: Tensor, noise: Tensor, net: Score) -> Tensor:
    x = torch.einsum("b,bd->bd", signal, x0) + torch.einsum("b,bd->bd", noise, eps)
    miss = net(x) + eps / noise.unsqueeze(1)
    return noise.square() * torch.einsum("bd,bd->b", miss, miss)


def family_step(
    x: Tensor, t: float, dt: float, beta: Beta, score: Score, eps: Tensor, amount: float
) -> Tensor:
    """sde-7: x (B, D) at t -> x (B, D) at t - dt, with noise amount * g."""
    drift = -beta(t) / 2 * x - (1 + amount**2) / 2 * beta(t) * score(x, t)
    return x - drift * dt + amount * math.sqrt(beta(t) * dt) * eps


def _family_numpy(
    x: Tensor, t: float, dt: float, beta: Beta, score: Score, eps: Tensor, amount: float
) -> np.ndarray:
    y = x.numpy()
    g2 = beta(t)
    flow = y + dt * g2 / 2 * (y + score(y, t))  # the ODE's step, and Langevin's on top
    h = amount**2 * g2 * dt / 2
    return flow + h * score(y, t) + np.sqrt(2 * h) * eps.numpy()


def _family_mixed(
    x: Tensor, t: float, dt: float, beta: Beta, score: Score, eps: Tensor, amount: float
) -> Tensor:
    s = score(x, t)
    share = beta(t) * dt
    ode = x + share / 2 * (x + s)
    sde = x + share * (x / 2 + s)
    mean = (1 - amount**2) * ode + amount**2 * sde
    return mean + amount * share**0.5 * eps


SOLUTIONS = {
    "sde-3": (sub_vp_noise, _noise_numpy, _noise_quadrature),
    "sde-4": (reverse_step, _reverse_numpy, _reverse_mean),
    "sde-5": (heun_step, _heun_numpy, _heun_twice),
    "sde-6": (score_loss, _loss_numpy, _loss_einsum),
    "sde-7": (family_step, _family_numpy, _family_mixed),
}
