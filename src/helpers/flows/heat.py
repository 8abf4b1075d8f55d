"""Diffusion as an ODE, from the heat equation dp/dtau = 1/2 Laplace p, without an SDE.

The clock is tau, a variance: p_tau is p_0 blurred by N(0, tau I), and the ODE
dx/dtau = -1/2 grad log p_tau(x) carries points so that their density is p_tau. Scaled and on
another clock it is the probability-flow ODE of arxiv.org/abs/2011.13456, and its Euler steps are
DDIM (arxiv.org/abs/2010.02502). Chapter 4 derives each line.
Shapes: B points (B, D), K cases. Densities are per unit of volume, logarithms in nats.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from helpers.flows.ode import Velocity

Score = Callable[[Tensor, Tensor], Tensor]
Clock = Callable[[Tensor], Tensor]


def spread(density: Tensor, spacing: float, tau: float) -> Tensor:
    """Solve the heat equation for a time tau on a periodic grid, in Fourier space.

    Every wave exp(i w.x) in it shrinks by exp(-|w|^2 tau / 2), exactly: there are no time steps.

    Parameters
    ----------
    density : p_0 on the grid (*S), of any number of axes. It should vanish at the borders, for
        what leaves on one side comes in on the other.
    spacing : between neighbours on every axis, in units of x.
    tau : variance to add. Negative runs backwards: waves then *grow* by exp(|w|^2 |tau| / 2), and
        so does every error in them.

    Returns
    -------
    p_tau on the grid (*S).
    """
    if not density.is_floating_point():
        raise ValueError(f"density must be floats, got {density.dtype}")
    if density.ndim < 1:
        raise ValueError(f"density must be on a grid (*S), got {tuple(density.shape)}")
    if not 0 < spacing < math.inf:
        raise ValueError(f"spacing must be positive and finite, got {spacing}")
    if not math.isfinite(tau):
        raise ValueError(f"expected tau finite, got {tau}")
    square = density.new_zeros(())
    for axis, n in enumerate(density.shape):
        omega = 2 * math.pi * torch.fft.fftfreq(n, spacing, dtype=density.dtype)
        shape = [-1 if a == axis else 1 for a in range(density.ndim)]
        square = square + omega.to(density.device).square().view(shape)
    return torch.fft.ifftn(torch.fft.fftn(density) * torch.exp(-square * tau / 2)).real


def velocity(score: Score) -> Velocity:
    """-1/2 score(x, tau) on the clock of the variance tau: x (B, D), tau scalar -> (B, D).

    score : gradient of log p_tau at x, where p_tau is the data blurred by N(0, tau I).
    """
    return lambda x, tau: -score(x, tau) / 2


def by_noise(score: Score) -> Velocity:
    """The same curves on the clock of the standard deviation rho: x (B, D), rho scalar -> (B, D).

    dx/drho = -rho score(x, rho^2) = E[eps | x]. Euler's method with it is DDIM.
    score : of (x, variance), as for :func:`velocity`.
    """
    return lambda x, rho: -rho * score(x, rho**2)


def along(score: Score, signal: Clock, noise: Clock) -> Velocity:
    """Velocity of the path x_t = a_t x_0 + sigma_t eps: x (B, D), t scalar -> (B, D).

    v = (a'/a) x - (sigma sigma' - sigma^2 a'/a) score(x, t), the probability-flow ODE for any
    schedule. a and sigma are differentiated by autograd.

    Parameters
    ----------
    score : of x_t, at (x, t) on this path's own clock and scale.
    signal, noise : a and sigma, functions of the scalar tensor t; a is not 0.
    """

    def slope(value: Tensor, t: Tensor) -> Tensor:
        # 0 * t: a schedule may be constant, or hold one that is.
        return torch.autograd.grad(value + 0 * t, t, retain_graph=True)[0]

    def v(x: Tensor, t: Tensor) -> Tensor:
        t = torch.as_tensor(t, dtype=torch.float64, device=x.device).detach()
        with torch.enable_grad():
            t = t.clone().requires_grad_()
            a = signal(t)
            sigma = noise(t)
            da = slope(a, t)
            dsigma = slope(sigma, t)
        a, sigma, t = (torch.as_tensor(value).detach() for value in (a, sigma, t))
        if not a > 0:
            raise ValueError(f"signal must be positive, got {a.item()} at t = {t.item()}")
        shrink = da / a
        pull = sigma * dsigma - sigma**2 * shrink
        return shrink.to(x) * x - pull.to(x) * score(x, t.to(x))

    return v


def average(log_given: Tensor, given: Tensor, weights: Tensor | None = None) -> Tensor:
    """Average the velocities of K cases with their posterior weights, (B, D).

    If each density p(x | k) moves with its own velocity v(x | k), then the mixture moves with
    sum_k w_k p(x | k) v(x | k) / sum_k w_k p(x | k).

    Parameters
    ----------
    log_given : log p(x | k), up to a constant of x's own, (B, K).
    given : v(x | k), (B, K, D).
    weights : w_k (K,), at least 0; equal unless given.
    """
    if given.ndim != 3:
        raise ValueError(f"given must be (B, K) vectors, (B, K, D), got {tuple(given.shape)}")
    if log_given.shape != given.shape[:2]:
        expected = tuple(given.shape[:2])
        raise ValueError(f"log_given must be (B, K) = {expected}, got {tuple(log_given.shape)}")
    if weights is not None:
        if weights.shape != log_given.shape[1:]:
            expected = tuple(log_given.shape[1:])
            raise ValueError(f"weights must be (K,) = {expected}, got {tuple(weights.shape)}")
        if not (weights >= 0).all():
            raise ValueError(f"weights must be at least 0, got {weights.tolist()}")
        log_given = log_given + weights.to(log_given).log()
    return torch.einsum("bk,bkd->bd", log_given.softmax(1), given)


def residual(
    log_prob: Callable[[Tensor, Tensor], Tensor], velocity: Velocity, x: Tensor, t: float
) -> Tensor:
    """How far (p, v) is from the continuity equation dp/dt + div(p v) = 0, divided by p, (B,).

    It is d log p/dt + div v + v . grad log p, by autograd. Zero everywhere: v carries p.

    Parameters
    ----------
    log_prob : of (x (B, D), t), (B,), differentiable in both.
    velocity : of (x (B, D), t), (B, D), differentiable in x.
    x : points (B, D). t : a number.
    """
    x = x.detach().requires_grad_()
    # One clock for each point, so that one backward pass gives all derivatives in t.
    times = x.new_full((len(x), 1), t).requires_grad_()
    with torch.enable_grad():
        log_p = log_prob(x, times)
        if log_p.shape != x.shape[:1]:
            shape = tuple(log_p.shape)
            raise ValueError(f"log_prob must give ({len(x)},) for t ({len(x)}, 1), got {shape}")
        slope, rate = torch.autograd.grad(log_p.sum(), (x, times))
        v = velocity(x, x.new_tensor(t))
        if v.shape != x.shape:
            raise ValueError(f"velocity must give {tuple(x.shape)}, got {tuple(v.shape)}")
        rows = [
            torch.autograd.grad(v[:, d].sum(), x, retain_graph=True)[0] for d in range(v.shape[1])
        ]
    spreads = torch.stack([row[:, d] for d, row in enumerate(rows)], 1).sum(1)
    return (rate[:, 0] + spreads + (v * slope).sum(1)).detach()
