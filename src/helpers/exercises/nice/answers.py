"""Answers to chapter 1's graded exercises: a reference and two other styles for each.

The planted mistakes are in ``mistakes.py``. If you are reading the book, try first.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

Tensor = torch.Tensor
Net = Callable[[Any], Any]


def log_prob(x: Tensor, m: Net, log_scale: Tensor) -> Tensor:
    """nice-3: x (B, D) -> log-density (B,)."""
    y = x.clone()
    y[:, 1::2] = x[:, 1::2] + m(x[:, ::2])
    z = torch.exp(log_scale) * y
    log_prior = -z - 2 * F.softplus(-z)
    return log_prior.sum(1) + log_scale.sum()


def _log_prob_numpy(x: Tensor, m: Net, log_scale: Tensor) -> np.ndarray:
    z = x.numpy().copy()
    z[:, 1::2] += m(z[:, 0::2])
    z *= np.exp(log_scale.numpy())
    prior = -np.logaddexp(0, z) - np.logaddexp(0, -z)
    return (prior + log_scale.numpy()).sum(axis=-1)


def _log_prob_jacobian(x: Tensor, m: Net, log_scale: Tensor) -> Tensor:
    def forward(row: Tensor) -> Tensor:
        odd = row[1::2] + m(row[None, ::2])[0]
        return torch.stack([row[::2], odd], dim=1).flatten() * log_scale.exp()

    rows = []
    for row in x:
        z = forward(row)
        jacobian = torch.autograd.functional.jacobian(forward, row)
        prior = torch.log(torch.sigmoid(z) * torch.sigmoid(-z)).sum()
        rows.append(prior + torch.linalg.slogdet(jacobian).logabsdet)
    return torch.stack(rows)


def inverse(y: Tensor, m1: Net, m2: Net) -> Tensor:
    """nice-4: y (B, D) -> x (B, D)."""
    x = y.clone()
    x[:, ::2] = y[:, ::2] - m2(y[:, 1::2])
    x[:, 1::2] = y[:, 1::2] - m1(x[:, ::2])
    return x


def _inverse_numpy(y: Tensor, m1: Net, m2: Net) -> np.ndarray:
    x = y.numpy().copy()
    x[:, 0::2] -= m2(x[:, 1::2])
    x[:, 1::2] -= m1(x[:, 0::2])
    return x


def _inverse_stack(y: Tensor, m1: Net, m2: Net) -> Tensor:
    even, odd = y.reshape(len(y), -1, 2).unbind(-1)
    even = even - m2(odd)
    return torch.stack([even, odd - m1(even)], dim=-1).reshape(y.shape)


def affine_coupling(x: Tensor, s: Net, t: Net) -> tuple[Tensor, Tensor]:
    """nice-5: x (B, D) -> y (B, D), log_det (B,)."""
    even = x[:, ::2]
    odd = x[:, 1::2]
    log_scale = s(even)
    y = x.clone()
    y[:, 1::2] = odd * torch.exp(log_scale) + t(even)
    return y, log_scale.sum(1)


def _affine_numpy(x: Tensor, s: Net, t: Net) -> list[np.ndarray]:
    y = x.numpy().copy()
    y[:, 1::2] *= np.exp(s(y[:, ::2]))
    y[:, 1::2] += t(y[:, ::2])
    return [y, np.einsum("bd->b", s(y[:, ::2]))]


def _affine_product(x: Tensor, s: Net, t: Net) -> tuple[Tensor, Tensor]:
    even = x[:, 0::2]
    scale = s(even).exp()
    y = torch.stack([even, torch.addcmul(t(even), x[:, 1::2], scale)], dim=2).flatten(1)
    return y, scale.prod(dim=1).log()


def to_bits(log_prob: Tensor, dim: int, n_levels: int) -> Tensor:
    """nice-6: log_prob (B,) in nats -> bits per dimension (B,)."""
    return math.log2(n_levels) - log_prob / (dim * math.log(2))


def _bits_numpy(log_prob: Tensor, dim: int, n_levels: int) -> np.ndarray:
    log_mass = log_prob.numpy() - dim * np.log(n_levels)
    return -log_mass / np.log(2) / dim


def _bits_loop(log_prob: Tensor, dim: int, n_levels: int) -> list[float]:
    return [math.log(n_levels, 2) - p * math.log2(math.e) / dim for p in log_prob.tolist()]


def tempered_log_prob(x: Tensor, flow: Net, tau: float) -> Tensor:
    """nice-7: x (B, D) -> log-density (B,) of samples f^-1(tau z)."""
    z, log_det = flow(x)
    log_prior = -z / tau - 2 * F.softplus(-z / tau) - math.log(tau)
    return log_prior.sum(1) + log_det


def _tempered_numpy(x: Tensor, flow: Net, tau: float) -> np.ndarray:
    z, log_det = flow(x.numpy())
    u = z / tau
    density = 1 / (tau * (2 + np.exp(u) + np.exp(-u)))
    return np.log(density).sum(-1) + log_det


def _tempered_sigmoid(x: Tensor, flow: Net, tau: float) -> Tensor:
    z, log_det = flow(x)
    log_det = log_det - x.shape[1] * torch.log(torch.tensor(tau, dtype=x.dtype))
    return (F.logsigmoid(z / tau) + F.logsigmoid(-z / tau)).sum(-1) + log_det


SOLUTIONS = {
    "nice-3": (log_prob, _log_prob_numpy, _log_prob_jacobian),
    "nice-4": (inverse, _inverse_numpy, _inverse_stack),
    "nice-5": (affine_coupling, _affine_numpy, _affine_product),
    "nice-6": (to_bits, _bits_numpy, _bits_loop),
    "nice-7": (tempered_log_prob, _tempered_numpy, _tempered_sigmoid),
}
