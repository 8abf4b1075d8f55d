"""Answers to chapter 6's graded exercises: a reference and two other styles for each.

The planted mistakes are in ``mistakes.py``. If you are reading the book, try first.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

Tensor = torch.Tensor
Predict = Callable[[Any, float, float], Any]


def step(
    x: Tensor,
    eps: Tensor,
    signal: float,
    noise: float,
    signal_u: float,
    noise_u: float,
    eta: float,
    fresh: Tensor,
) -> Tensor:
    """flow-bench-3: x, eps, fresh (B, D) -> x_u (B, D)."""
    x0 = (x - noise * eps) / signal
    s = eta * noise_u / noise * math.sqrt(1 - (signal / signal_u) ** 2)
    return signal_u * x0 + math.sqrt(noise_u**2 - s**2) * eps + s * fresh


def _step_numpy(x, eps, signal, noise, signal_u, noise_u, eta, fresh) -> np.ndarray:
    x, eps, fresh = x.numpy(), eps.numpy(), fresh.numpy()
    variance = eta**2 * (1 - signal_u**2) / (1 - signal**2) * (1 - signal**2 / signal_u**2)
    kept = (1 - signal_u**2 - variance) ** 0.5
    return signal_u / signal * x + (kept - signal_u * noise / signal) * eps + variance**0.5 * fresh


def _step_ratio(x, eps, signal, noise, signal_u, noise_u, eta, fresh) -> Tensor:
    kappa = noise / signal
    kappa_u = noise_u / signal_u
    y = x / signal + (kappa_u - kappa) * eps  # the step without randomness, on the other clock
    s = eta * noise_u * (1 - (kappa_u / kappa) ** 2) ** 0.5
    return signal_u * y + ((noise_u**2 - s**2) ** 0.5 - noise_u) * eps + s * fresh


def shares(signal: Tensor, noise: Tensor, c: float) -> Tensor:
    """flow-bench-4: signal and noise (T,) along the way -> variance over the true one (T,)."""
    angle = torch.atan2(noise, c * signal)
    factors = torch.cos(angle.diff()) ** 2
    return torch.cat([torch.ones_like(signal[:1]), torch.cumprod(factors, 0)])


def _shares_loop(signal: Tensor, noise: Tensor, c: float) -> Tensor:
    true = signal**2 * c**2 + noise**2
    found = true[0]
    result = [torch.ones_like(true[0])]
    for k in range(len(true) - 1):
        r = (signal[k + 1] * signal[k] * c**2 + noise[k + 1] * noise[k]) / true[k]
        found = r**2 * found
        result.append(found / true[k + 1])
    return torch.stack(result)


def _shares_numpy(signal: Tensor, noise: Tensor, c: float) -> np.ndarray:
    way = np.stack([c * signal.numpy(), noise.numpy()])
    way /= np.linalg.norm(way, axis=0)
    return np.cumprod(np.r_[1.0, (way[:, 1:] * way[:, :-1]).sum(0) ** 2])


def frechet_floor(cov: Tensor, n: int) -> Tensor:
    """flow-bench-5: covariances (B, D, D) -> floors (B,) for two sets of n points."""
    spectrum = torch.linalg.eigvalsh(cov)
    row = spectrum[:, :, None]
    column = spectrum[:, None, :]
    pairs = row * column / (row + column)
    same = pairs.diagonal(dim1=1, dim2=2).sum(1)
    return (2 * spectrum.sum(1) + pairs.sum((1, 2)) + same) / n


def _floor_numpy(cov: Tensor, n: int) -> np.ndarray:
    result = []
    for c in cov.numpy():
        s = np.linalg.eigvalsh(c)
        pairs = sum(a * b / (a + b) for a in s for b in s)
        result.append(2.5 * s.sum() + pairs)  # the equal pairs add half of the trace
    return np.array(result) / n


def _floor_halves(cov: Tensor, n: int) -> Tensor:
    spectrum = torch.linalg.svd(cov).S
    upper = torch.triu(torch.ones(cov.shape[1:], dtype=cov.dtype), 1)
    harmonic = 1 / (1 / spectrum[:, :, None] + 1 / spectrum[:, None, :])
    return (3 * spectrum.sum(1) + 2 * (harmonic * upper).sum((1, 2))) / n


def heun_step(
    x: Tensor, predict: Predict, signal: float, noise: float, signal_u: float, noise_u: float
) -> Tensor:
    """flow-bench-6: x (B, D) -> x_u (B, D), two calls of predict."""
    h = noise_u / signal_u - noise / signal
    slope = predict(x, signal, noise)
    trial = signal_u * (x / signal + h * slope)
    mean = (slope + predict(trial, signal_u, noise_u)) / 2
    return signal_u * (x / signal + h * mean)


def _heun_twice(x, predict, signal, noise, signal_u, noise_u) -> Tensor:
    def ddim(eps: Tensor) -> Tensor:
        return signal_u * (x - noise * eps) / signal + noise_u * eps

    first = predict(x, signal, noise)
    trial = ddim(first)
    return (trial + ddim(predict(trial, signal_u, noise_u))) / 2  # the step is linear in eps


def _heun_numpy(x, predict, signal, noise, signal_u, noise_u) -> np.ndarray:
    x = x.numpy()
    weight = noise_u - noise * signal_u / signal
    first = predict(x, signal, noise)
    second = predict(signal_u / signal * x + weight * first, signal_u, noise_u)
    return signal_u / signal * x + weight * 0.5 * (first + second)


SOLUTIONS = {
    "flow-bench-3": (step, _step_numpy, _step_ratio),
    "flow-bench-4": (shares, _shares_loop, _shares_numpy),
    "flow-bench-5": (frechet_floor, _floor_numpy, _floor_halves),
    "flow-bench-6": (heun_step, _heun_twice, _heun_numpy),
}
