"""Two-dimensional targets whose density is known, so that a model's error can be measured.

Shapes: B points (B, 2), K components. Log densities are in nats.
"""

import math

import numpy as np
import torch
from torch import Tensor


class GaussianMixture:
    """sum_k weight_k N(mean_k, std^2 I): means (K, D), weights (K,) summing to 1, one std."""

    def __init__(self, means: Tensor, std: float, weights: Tensor | None = None) -> None:
        if means.ndim != 2 or not means.isfinite().all():
            raise ValueError(f"means must be finite and (K, D), got {tuple(means.shape)}")
        if not std > 0:
            raise ValueError(f"std must be positive, got {std}")
        if weights is None:
            weights = means.new_full((len(means),), 1 / len(means))
        if weights.shape != means.shape[:1] or weights.min() < 0 or abs(weights.sum() - 1) > 1e-5:
            raise ValueError(f"weights must be ({len(means)},), >= 0 and sum to 1, got {weights}")
        self.means, self.std, self.weights = means, std, weights

    def log_prob(self, x: Tensor) -> Tensor:
        """Exact log density of x (B, D), (B,)."""
        means = self.means.to(x)
        square = (x[:, None] - means).square().sum(2)
        log_norm = means.shape[1] * math.log(self.std * math.sqrt(2 * math.pi))
        return (self.weights.to(x).log() - square / (2 * self.std**2)).logsumexp(1) - log_norm

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n independent points (n, D)."""
        which = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        noise = torch.randn(n, self.means.shape[1], generator=generator, dtype=self.means.dtype)
        return self.means[which] + self.std * noise


class TwoMoons:
    """Two half circles of radius 1, uniform in angle, blurred by N(0, std^2 I).

    The density is an integral over the angle. Gauss-Legendre quadrature turns it into a Gaussian
    mixture along the arcs; with n_nodes = 128 an arc its error is below 1e-10 for std >= 0.08.
    """

    def __init__(self, std: float = 0.1, n_nodes: int = 128) -> None:
        if not std > 0:
            raise ValueError(f"std must be positive, got {std}")
        nodes, weights = np.polynomial.legendre.leggauss(n_nodes)
        angle = torch.from_numpy((nodes + 1) * math.pi / 2)
        means = torch.cat([self._arc(angle, 0), self._arc(angle, 1)])
        weight = torch.from_numpy(weights).repeat(2) / 4
        self.std, self._mixture = std, GaussianMixture(means, std, weight)

    @staticmethod
    def _arc(angle: Tensor, which: int | Tensor) -> Tensor:
        # The lower moon is the upper one turned by half a circle and shifted; both are centred.
        sign = 1 - 2 * torch.as_tensor(which)
        x = sign * (angle.cos() - 0.5)
        return torch.stack((x, sign * (angle.sin() - 0.25)), dim=-1)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log density of x (B, 2), (B,)."""
        return self._mixture.log_prob(x)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n independent points (n, 2), float32."""
        if n < 1:
            raise ValueError(f"n must be at least 1, got {n}")
        angle = math.pi * torch.rand(n, generator=generator)
        which = torch.randint(2, (n,), generator=generator)
        return self._arc(angle, which) + self.std * torch.randn(n, 2, generator=generator)


def equal_volume_floor(log_density: Tensor, area: float) -> float:
    """Least KL(p || q) in nats over all q that a volume-preserving flow can make of a 2-D Gaussian.

    E[log p] + 1 + log E[V], where V(x) is the area on which p exceeds p(x): chapter 1 derives it.

    Parameters
    ----------
    log_density : log p at the centres of equal cells (N,) that cover all of its mass.
    area : of one cell. The mass found must be 1 within 1 %.
    """
    if log_density.ndim != 1 or log_density.isnan().any() or not area > 0:
        raise ValueError(
            f"log_density must be (N,) without NaN and area positive, "
            f"got {tuple(log_density.shape)} and {area}"
        )
    log_p = log_density.double().sort(descending=True).values
    mass = log_p.exp() * area
    if abs(mass.sum() - 1) > 0.01:
        raise ValueError(f"the cells must hold a mass of 1, got {mass.sum():.3f}: widen the grid")
    mass = mass / mass.sum()
    enclosed = (torch.arange(len(log_p), device=log_p.device, dtype=log_p.dtype) + 0.5) * area
    entropy = -(mass * log_p).nan_to_num().sum()  # 0 * -inf is 0: an empty cell
    return (1 - entropy + (mass * enclosed).sum().log()).item()
