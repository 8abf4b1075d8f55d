"""Answers to chapter 2's graded exercises: a reference and two other styles for each.

The planted mistakes are in ``mistakes.py``. If you are reading the book, try first.
"""

import math

import numpy as np
import torch

Tensor = torch.Tensor


def posterior(x: Tensor, x0: Tensor, bar: float, bar_j: float) -> tuple[Tensor, Tensor]:
    """ddim-3: x, x0 (B, D) -> mean (B, D) and variance, a scalar."""
    factor = math.sqrt(bar / bar_j)
    added = 1 - bar / bar_j
    mean = math.sqrt(bar_j) * added * x0 + factor * (1 - bar_j) * x
    return mean / (1 - bar), x.new_tensor((1 - bar_j) / (1 - bar) * added)


def _posterior_precision(x: Tensor, x0: Tensor, bar: float, bar_j: float) -> tuple:
    step = bar / bar_j
    precision = step / (1 - step) + 1 / (1 - bar_j)
    b = np.sqrt(step) / (1 - step) * x.numpy() + np.sqrt(bar_j) / (1 - bar_j) * x0.numpy()
    return b / precision, 1 / precision


def _posterior_regression(x: Tensor, x0: Tensor, bar: float, bar_j: float) -> list:
    slope = (bar / bar_j) ** 0.5 * (1 - bar_j) / (1 - bar)  # Cov(x_j, x_k) / Var(x_k), given x_0
    return [bar_j**0.5 * x0 + slope * (x - bar**0.5 * x0), 1 - bar_j - slope**2 * (1 - bar)]


def ddim_step(x: Tensor, eps: Tensor, bar: float, bar_j: float, eta: float, z: Tensor) -> Tensor:
    """ddim-4: x, eps, z (B, D) -> x_j (B, D)."""
    x0 = (x - math.sqrt(1 - bar) * eps) / math.sqrt(bar)
    s = eta * math.sqrt((1 - bar_j) / (1 - bar) * (1 - bar / bar_j))
    return math.sqrt(bar_j) * x0 + math.sqrt(1 - bar_j - s**2) * eps + s * z


def _step_numpy(x: Tensor, eps: Tensor, bar: float, bar_j: float, eta: float, z: Tensor):
    x, eps, z = x.numpy(), eps.numpy(), z.numpy()
    variance = eta**2 * (1 - bar_j) * (1 - bar / bar_j) / (1 - bar)
    along_eps = np.sqrt(1 - bar_j - variance) - np.sqrt(bar_j * (1 - bar) / bar)
    return np.sqrt(bar_j / bar) * x + along_eps * eps + np.sqrt(variance) * z


def _step_coefficients(x: Tensor, eps: Tensor, bar: float, bar_j: float, eta: float, z: Tensor):
    a, a_j, sigma, sigma_j = (math.sqrt(v) for v in (bar, bar_j, 1 - bar, 1 - bar_j))
    s = eta * sigma_j / sigma * math.sqrt(1 - (a / a_j) ** 2)
    b = math.sqrt(sigma_j**2 - s**2) / sigma
    return (a_j - a * b) * (x - sigma * eps) / a + b * x + s * z


def velocity_step(x: Tensor, v: Tensor, bar: float, bar_j: float) -> Tensor:
    """ddim-5: x, v (B, D) -> x_j (B, D)."""
    a = math.sqrt(bar)
    sigma = math.sqrt(1 - bar)
    x0 = a * x - sigma * v
    eps = sigma * x + a * v
    return math.sqrt(bar_j) * x0 + math.sqrt(1 - bar_j) * eps


def _velocity_rotation(x: Tensor, v: Tensor, bar: float, bar_j: float) -> np.ndarray:
    turn = np.arccos(np.sqrt(bar_j)) - np.arccos(np.sqrt(bar))
    return np.cos(turn) * x.numpy() + np.sin(turn) * v.numpy()


def _velocity_matrix(x: Tensor, v: Tensor, bar: float, bar_j: float) -> Tensor:
    a = bar**0.5
    sigma = (1 - bar) ** 0.5
    known = torch.stack([x, v]).flatten(1)
    back = torch.tensor([[a, -sigma], [sigma, a]], dtype=x.dtype) @ known
    weights = torch.tensor([bar_j**0.5, (1 - bar_j) ** 0.5], dtype=x.dtype)
    return (weights @ back).reshape(x.shape)


def best_noise(x: Tensor, points: Tensor, bar: float) -> Tensor:
    """ddim-6: x (B, D), points (N, D) -> mean noise (B, D)."""
    a = math.sqrt(bar)
    sigma = math.sqrt(1 - bar)
    square = (x[:, None] - a * points).square().sum(2)
    weights = torch.softmax(-square / (2 * sigma**2), dim=1)
    return (x - a * weights @ points) / sigma


def _best_loop(x: Tensor, points: Tensor, bar: float) -> np.ndarray:
    rows = []
    for row in x.numpy():
        noises = (row - np.sqrt(bar) * points.numpy()) / np.sqrt(1 - bar)
        likelihood = np.exp(-0.5 * (noises**2).sum(1))
        rows.append((likelihood[:, None] * noises).sum(0) / likelihood.sum())
    return np.array(rows)


def _best_score(x: Tensor, points: Tensor, bar: float) -> Tensor:
    """Minus the noise's deviation times the slope of the log-density, by autograd."""
    at = x.detach().clone().requires_grad_()
    log_p = (-((at[:, None] - bar**0.5 * points) ** 2).sum(2) / (2 * (1 - bar))).logsumexp(1)
    return -((1 - bar) ** 0.5) * torch.autograd.grad(log_p.sum(), at)[0]


SOLUTIONS = {
    "ddim-3": (posterior, _posterior_precision, _posterior_regression),
    "ddim-4": (ddim_step, _step_numpy, _step_coefficients),
    "ddim-5": (velocity_step, _velocity_rotation, _velocity_matrix),
    "ddim-6": (best_noise, _best_loop, _best_score),
}
