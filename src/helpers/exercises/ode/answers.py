"""Answers to chapter 4's graded exercises: a reference and two other styles for each.

The planted mistakes are in ``mistakes.py``. If you are reading the book, try first.
"""

import math

import numpy as np
import torch

Tensor = torch.Tensor


def spread_out(density: Tensor, spacing: float, tau: float) -> Tensor:
    """ode-3: density (B, N) -> density (B, N) after heat time tau."""
    omega = 2 * math.pi * torch.fft.fftfreq(density.shape[1], spacing, dtype=density.dtype)
    return torch.fft.ifft(torch.exp(-tau * omega**2 / 2) * torch.fft.fft(density)).real


def _spread_numpy(density: Tensor, spacing: float, tau: float) -> np.ndarray:
    p = density.numpy()
    omega = 2 * np.pi * np.fft.rfftfreq(p.shape[-1], spacing)
    waves = np.fft.rfft(p, axis=-1) * np.exp(-tau * omega**2 / 2)
    return np.fft.irfft(waves, p.shape[-1], axis=-1)


def _spread_matrix(density: Tensor, spacing: float, tau: float) -> Tensor:
    n = density.shape[1]
    k = torch.arange(n, dtype=density.dtype)
    omega = 2 * math.pi * torch.minimum(k, n - k) / (n * spacing)
    waves = torch.cos(2 * math.pi / n * torch.outer(k, k)) @ torch.exp(-tau * omega**2 / 2) / n
    kernel = torch.stack([waves.roll(j) for j in range(n)])
    return density @ kernel


def heat_velocity(x: Tensor, tau: float, means: Tensor, std: float, weights: Tensor) -> Tensor:
    """ode-4: x (B, D) -> velocity (B, D)."""
    var = std**2 + tau
    square = (x[:, None] - means).square().sum(2)
    share = (weights.log() - square / (2 * var)).softmax(1)
    return (x - share @ means) / (2 * var)


def _velocity_numpy(
    x: Tensor, tau: float, means: Tensor, std: float, weights: Tensor
) -> np.ndarray:
    var = std**2 + tau
    away = x.numpy()[:, None] - means.numpy()
    p = weights.numpy() * np.exp(-np.einsum("bkd,bkd->bk", away, away) / (2 * var))
    return np.einsum("bk,bkd->bd", p / p.sum(1, keepdims=True), away) / (2 * var)


def _velocity_autograd(x: Tensor, tau: float, means: Tensor, std: float, weights: Tensor) -> Tensor:
    x = x.detach().clone().requires_grad_()
    away = (x[:, None] - means).square().sum(2) / (std**2 + tau)
    log_p = torch.logsumexp(weights.log() - away / 2, 1).sum()
    return -torch.autograd.grad(log_p, x)[0] / 2


def ddim_step(
    x: Tensor, eps: Tensor, signal: float, noise: float, new_signal: float, new_noise: float
) -> Tensor:
    """ode-5: x, eps (B, D) -> x (B, D)."""
    return new_signal * (x / signal + (new_noise / new_signal - noise / signal) * eps)


def _step_by_data(
    x: Tensor, eps: Tensor, signal: float, noise: float, new_signal: float, new_noise: float
) -> Tensor:
    x0 = (x - noise * eps) / signal
    return new_signal * x0 + new_noise * eps


def _step_numpy(
    x: Tensor, eps: Tensor, signal: float, noise: float, new_signal: float, new_noise: float
) -> np.ndarray:
    zoom = new_signal / signal
    return zoom * x.numpy() + (new_noise - zoom * noise) * eps.numpy()


def field_line_velocity(x: Tensor, z: float, points: Tensor) -> Tensor:
    """ode-6: x (B, N) at height z -> dx/dz (B, N)."""
    square = (x[:, None] - points).square().sum(2) + z**2
    share = (-(x.shape[1] + 1) / 2 * square.log()).softmax(1)
    return (x - share @ points) / z


def _field_numpy(x: Tensor, z: float, points: Tensor) -> np.ndarray:
    away = x.numpy()[:, None] - points.numpy()
    distance = np.sqrt((away**2).sum(2) + z**2)
    strength = distance ** -(x.shape[1] + 1.0)
    across = (strength[:, :, None] * away).sum(1)
    up = (strength * z).sum(1)
    return across / up[:, None]


def _field_potential(x: Tensor, z: float, points: Tensor) -> Tensor:
    """The gradient of the potential in the space with one more dimension."""
    height = torch.full_like(x[:, :1], z)
    at = torch.cat([x.detach(), height.detach()], 1).requires_grad_()
    charges = torch.cat([points, torch.zeros_like(points[:, :1])], 1)
    r = (at[:, None] - charges).square().sum(2).sqrt()
    potential = -r.log() if x.shape[1] == 1 else r ** (1 - x.shape[1])
    field = -torch.autograd.grad(potential.sum(), at)[0]
    return field[:, :-1] / field[:, -1:]


SOLUTIONS = {
    "ode-3": (spread_out, _spread_numpy, _spread_matrix),
    "ode-4": (heat_velocity, _velocity_numpy, _velocity_autograd),
    "ode-5": (ddim_step, _step_by_data, _step_numpy),
    "ode-6": (field_line_velocity, _field_numpy, _field_potential),
}
