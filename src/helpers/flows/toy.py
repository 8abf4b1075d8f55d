"""Targets whose density is known, also when noise is added, so that errors can be measured.

Shapes: B points (B, D), K components. Log densities are in nats. Throughout Part I a noised
point is ``x = signal * x_0 + noise * eps`` with eps standard normal.
"""

import math

import numpy as np
import torch
from torch import Tensor


class GaussianMixture:
    """sum_k weight_k N(mean_k, std^2 I): means (K, D), weights (K,) summing to 1, one std."""

    def __init__(self, means: Tensor, std: float, weights: Tensor | None = None) -> None:
        if means.ndim != 2:
            raise ValueError(f"means must be (K, D), got {tuple(means.shape)}")
        if means.numel() == 0:
            raise ValueError(f"means must be at least one number, got {tuple(means.shape)}")
        if not means.is_floating_point():
            raise ValueError(f"means must be floats, got {means.dtype}")
        if not means.isfinite().all():
            raise ValueError("means must be finite, got NaN or infinity")
        if not 0 < std < math.inf:
            raise ValueError(f"std must be positive and finite, got {std}")
        if weights is None:
            weights = means.new_full((len(means),), 1 / len(means))
        if weights.shape != means.shape[:1]:
            raise ValueError(f"weights must be ({len(means)},), got {tuple(weights.shape)}")
        if not (weights >= 0).all():
            raise ValueError(f"weights must be >= 0, got {weights}")
        if not abs(weights.sum() - 1) <= 1e-5:
            raise ValueError(f"weights must be >= 0 and sum to 1, got {weights.sum()} in all")
        self.means = means
        self.std = std
        self.weights = weights

    def _terms(self, x: Tensor) -> Tensor:
        """Log of each weighted component's density at x (B, D), (B, K)."""
        dim = self.means.shape[1]
        if x.ndim != 2:
            raise ValueError(f"x must be (B, {dim}), got {x.ndim} axes: {tuple(x.shape)}")
        if x.shape[1] != dim:
            raise ValueError(f"x must be (B, {dim}), got {tuple(x.shape)}")
        means = self.means.to(x)
        if dim < 4:
            square = (x[:, None] - means).square().sum(2)
        else:  # digits: 1,797 components of 64 dimensions would not fit otherwise
            cross = x @ means.T
            square = x.square().sum(1, keepdim=True) - 2 * cross + means.square().sum(1)
        log_norm = dim * math.log(self.std * math.sqrt(2 * math.pi))
        return self.weights.to(x).log() - square / (2 * self.std**2) - log_norm

    def log_prob(self, x: Tensor) -> Tensor:
        """Exact log density of x (B, D), (B,)."""
        return self._terms(x).logsumexp(1)

    def score(self, x: Tensor) -> Tensor:
        """Exact gradient of log_prob at x (B, D), (B, D)."""
        return (self._terms(x).softmax(1) @ self.means.to(x) - x) / self.std**2

    def noised(self, signal: float, noise: float) -> "GaussianMixture":
        """The density of signal * x_0 + noise * eps: each component moves and widens.

        Every path of Part I is this with its own two numbers: VP, VE, sub-VP, straight lines.

        Raises
        ------
        ValueError : a number that is negative or not finite, or both 0.
        """
        signal, noise = _path(signal, noise)
        std = math.hypot(signal * self.std, noise)
        return GaussianMixture(signal * self.means, std, self.weights)

    def denoise(self, x: Tensor, signal: float, noise: float) -> Tensor:
        """E[x_0 | signal * x_0 + noise * eps = x], x (B, D) -> (B, D): the best denoiser there is.

        signal, noise : as for ``noised``. The mean of eps is (x - signal * denoise(x)) / noise.
        """
        signal, noise = _path(signal, noise)
        noised = self.noised(signal, noise)
        mean = noised._terms(x).softmax(1) @ self.means.to(x)
        # Within a component both are Gaussian: regress x_0 on x.
        return mean + signal * self.std**2 / noised.std**2 * (x - signal * mean)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n independent points (n, D); generator draws them, the global one if None."""
        if n < 1:
            raise ValueError(f"n must be at least 1, got {n}")
        which = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        means = self.means[which]
        return means + self.std * torch.empty_like(means).normal_(generator=generator)


def _path(signal: float, noise: float) -> tuple[float, float]:
    """The two numbers of a noised point as floats, or what is wrong with them."""
    for name, value in (("signal", signal), ("noise", noise)):
        if torch.as_tensor(value).numel() != 1:
            raise ValueError(f"{name} must be one number for all points, got {value}")
    signal = float(signal)
    noise = float(noise)
    if not (math.isfinite(signal) and math.isfinite(noise)):
        raise ValueError(f"signal and noise must be finite, got {signal} and {noise}")
    if min(signal, noise) < 0:
        raise ValueError(f"signal and noise must be >= 0, got {signal} and {noise}")
    if signal == noise == 0:
        raise ValueError("signal and noise must not both be 0: nothing would be left")
    return signal, noise


def eight_gaussians(radius: float = 2.0, std: float = 0.15) -> GaussianMixture:
    """Eight equal components of width std on a circle of this radius, means (8, 2), float64."""
    angle = torch.arange(8, dtype=torch.float64) * (math.pi / 4)
    return GaussianMixture(radius * torch.stack((angle.cos(), angle.sin()), 1), std)


class TwoMoons:
    """Two half circles of radius 1, uniform in angle, blurred by N(0, std^2 I).

    The density is an integral over the angle. Gauss-Legendre quadrature turns it into a Gaussian
    mixture along the arcs; with n_nodes = 128 an arc its error is below 1e-10 for std >= 0.08.
    ``mixture`` is that mixture: its score and its noised densities serve the moons as well.
    """

    def __init__(self, std: float = 0.1, n_nodes: int = 128) -> None:
        if not std > 0:
            raise ValueError(f"std must be positive, got {std}")
        nodes, weights = np.polynomial.legendre.leggauss(n_nodes)
        angle = torch.from_numpy((nodes + 1) * math.pi / 2)
        means = torch.cat([self._arc(angle, 0), self._arc(angle, 1)])
        weight = torch.from_numpy(weights).repeat(2) / 4
        self.std = std
        self.mixture = GaussianMixture(means, std, weight)

    @staticmethod
    def _arc(angle: Tensor, which: int | Tensor) -> Tensor:
        # The lower moon is the upper one turned by half a circle and shifted; both are centred.
        sign = 1 - 2 * torch.as_tensor(which)
        x = sign * (angle.cos() - 0.5)
        y = sign * (angle.sin() - 0.25)
        return torch.stack((x, y), dim=-1)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log density of x (B, 2), (B,)."""
        return self.mixture.log_prob(x)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n independent points (n, 2), float32; generator draws them, the global one if None."""
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
    if log_density.ndim != 1:
        raise ValueError(f"log_density must be (N,), got {tuple(log_density.shape)}")
    if log_density.isnan().any():
        raise ValueError("log_density must be numbers or -infinity, got NaN")
    if not area > 0:
        raise ValueError(f"area must be positive, got {area}")
    log_p = log_density.double().sort(descending=True).values
    mass = log_p.exp() * area
    if abs(mass.sum() - 1) > 0.01:
        raise ValueError(f"the cells must hold a mass of 1, got {mass.sum():.3f}: widen the grid")
    mass = mass / mass.sum()
    enclosed = (torch.arange(len(log_p), device=log_p.device, dtype=log_p.dtype) + 0.5) * area
    entropy = -(mass * log_p).nan_to_num().sum()  # 0 * -inf is 0: an empty cell
    return (1 - entropy + (mass * enclosed).sum().log()).item()
