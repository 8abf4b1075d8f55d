"""The density that an ODE's motion carries: a continuous normalizing flow (FFJORD).

Chen et al., arxiv.org/abs/1806.07366, and Grathwohl et al., arxiv.org/abs/1810.01367.
Shapes: B points of dimension D, (B, D); T times (T,). Log densities are in nats.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from helpers.flows.ode import Velocity, adaptive


def divergence(
    velocity: Velocity, x: Tensor, t: Tensor, probe: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """velocity(x, t) (B, D) and its divergence (B,) in x (B, D), by autograd, at the scalar t.

    probe : (B, D) with mean 0 and covariance I, +-1 for the least variance: then Hutchinson's
        unbiased estimate, one backward pass. Without it the exact trace, D passes.
    """
    if x.ndim != 2:
        raise ValueError(f"velocity must map (B, D) to itself, got points {tuple(x.shape)}")
    if not x.is_floating_point():
        raise ValueError(f"x must be floats, got {x.dtype}")
    if probe is not None and probe.shape != x.shape:
        raise ValueError(f"probe must be {tuple(x.shape)}, got {tuple(probe.shape)}")
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        v = velocity(x, t)
        if v.shape != x.shape:
            shapes = f"{tuple(x.shape)} to {tuple(v.shape)}"
            raise ValueError(f"velocity must map (B, D) to itself, got {shapes}")
        if probe is not None:
            trace = (torch.autograd.grad((v * probe).sum(), x)[0] * probe).sum(1)
        else:
            rows = (torch.autograd.grad(column.sum(), x, retain_graph=True)[0] for column in v.T)
            trace = sum(row[:, d] for d, row in enumerate(rows))
    return v.detach(), trace.detach()


def log_prob(
    velocity: Velocity,
    x: Tensor,
    times: Tensor,
    log_prior: Callable[[Tensor], Tensor],
    *,
    solver: Callable[..., Iterator[Tensor]] = adaptive,
    probe: Tensor | None = None,
    **options: float,
) -> tuple[Tensor, Tensor]:
    """Log density (B,) in nats at x (B, D), and the latent (B, D) that x is carried to.

    log p(x) = log_prior(latent) + the integral of div velocity along the way. ``times`` (T,) go
    from x to the prior, of which log_prior gives (B,). ``solver`` takes ``options``; ``probe`` as
    in :func:`divergence`, the same all the way.
    """

    def both(state: Tensor, t: Tensor) -> Tensor:
        v, trace = divergence(velocity, state[:, :-1], t, probe)
        return torch.cat((v, trace[:, None]), 1)

    if x.ndim != 2:
        raise ValueError(f"x must be (B, D), got {tuple(x.shape)}")
    start = torch.cat((x, x.new_zeros(len(x), 1)), 1)
    *_, state = solver(both, start, times, **options)
    latent = state[:, :-1]
    prior = log_prior(latent)
    if prior.shape != x.shape[:1]:
        raise ValueError(f"log_prior must give ({len(x)},), got {tuple(prior.shape)}")
    return prior + state[:, -1], latent
