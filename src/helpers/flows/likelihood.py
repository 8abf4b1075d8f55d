"""The contract of a normalizing flow: layers, a prior, exact likelihood, sampling.

A layer maps data towards the latent, ``y, log_det = layer(x)``, and back, ``x = layer.inverse(y)``.
Shapes: x, y, z are (B, *S) with S the shape of one sample; log_det and log_prob are (B,), in nats.
"""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Logistic:
    """Standard logistic prior, one factor a coordinate: log p(z) = -log(1+e^z) - log(1+e^-z)."""

    std = math.pi / math.sqrt(3)

    def log_prob(self, z: Tensor) -> Tensor:
        """Elementwise log density in nats, shaped like z."""
        return -F.softplus(z) - F.softplus(-z)

    def sample(self, like: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Independent draws with the shape, dtype and device of ``like``, by inverting the cdf.

        generator : draws the uniforms; the global one if None.
        """
        tiny = torch.finfo(like.dtype).tiny  # keeps both logarithms finite
        u = torch.empty_like(like).uniform_(generator=generator).clamp_min(tiny)
        return u.log() - torch.log1p(-u)


class Gaussian:
    """Standard normal prior, one factor a coordinate."""

    std = 1.0

    def log_prob(self, z: Tensor) -> Tensor:
        """Elementwise log density in nats, shaped like z."""
        return -0.5 * (z.square() + math.log(2 * math.pi))

    def sample(self, like: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Independent draws with the shape, dtype and device of ``like``.

        generator : draws them; the global one if None.
        """
        return torch.empty_like(like).normal_(generator=generator)


class Flow(nn.Module):
    """Layers applied in order, and a prior on what leaves the last one.

    Parameters
    ----------
    layers : modules with the contract above. prior : :class:`Logistic` or :class:`Gaussian`.
    shape : S, the shape of one sample: (D,) for vectors, (C, H, W) for images.
    """

    def __init__(
        self, layers: Sequence[nn.Module], prior: Logistic | Gaussian, shape: Sequence[int]
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.prior = prior
        self.shape = tuple(shape)
        # Follows the flow's dtype and device, also where no layer has a parameter.
        self.register_buffer("_like", torch.zeros(()), persistent=False)

    def _checked(self, x: Tensor, name: str) -> Tensor:
        if x.ndim < 2:
            raise ValueError(f"{name} must be a batch (B, *S), got shape {tuple(x.shape)}")
        if tuple(x.shape[1:]) != self.shape:
            raise ValueError(f"{name} must be (B, *{self.shape}), got {tuple(x.shape)}")
        if x.dtype != self._like.dtype:
            raise ValueError(f"{name} must have the flow's dtype {self._like.dtype}, got {x.dtype}")
        if not x.isfinite().all():
            raise ValueError(f"{name} must be finite, got NaN or infinity")
        return x

    def path(self, x: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (h, log_det so far) for the data itself and after each layer."""
        x = self._checked(x, "x")
        log_det = x.new_zeros(len(x))
        yield x, log_det
        for layer in self.layers:
            x, step = layer(x)
            log_det = log_det + step
            yield x, log_det

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Data to latent: x (B, *S) -> z (B, *S) and log|det dz/dx| (B,)."""
        *_, (z, log_det) = self.path(x)
        return z, log_det

    def inverse(self, z: Tensor) -> Tensor:
        """Latent to data, exactly: z (B, *S) -> x (B, *S)."""
        z = self._checked(z, "z")
        for layer in reversed(self.layers):
            z = layer.inverse(z)
        return z

    def log_prob(self, x: Tensor) -> Tensor:
        """Exact log density of x (B, *S) in nats, (B,): NICE's equation (1)."""
        z, log_det = self(x)
        return self.prior.log_prob(z).flatten(1).sum(1) + log_det

    @torch.no_grad()
    def sample(
        self, n: int, *, temperature: float = 1.0, generator: torch.Generator | None = None
    ) -> Tensor:
        """n samples (n, *S): a latent from the prior, multiplied by temperature, then inverted.

        generator : draws the latent; the global one if None.
        """
        if n < 1:
            raise ValueError(f"n must be at least 1, got {n}")
        if not math.isfinite(temperature):
            raise ValueError(f"temperature must be finite, got {temperature}")
        if temperature < 0:
            raise ValueError(f"temperature must not be negative, got {temperature}")
        z = self.prior.sample(self._like.expand(n, *self.shape), generator)
        return self.inverse(temperature * z)


def dequantize(x: Tensor, n_levels: int, generator: torch.Generator | None = None) -> Tensor:
    """Spread whole numbers over their bins: (x + u) / n_levels in [0, 1), u uniform in [0, 1).

    Parameters
    ----------
    x : integer tensor of any shape with values in 0 .. n_levels - 1 (17 levels for digits).
    generator : draws u; the global one if None.

    Raises
    ------
    ValueError : x of another dtype, empty or out of its levels; fewer than one level.
    """
    if x.is_floating_point() or x.is_complex():
        raise ValueError(f"x must hold whole numbers in an integer dtype, got {x.dtype}")
    if n_levels < 1:
        raise ValueError(f"n_levels must be at least 1, got {n_levels}")
    if x.numel() == 0:
        raise ValueError(f"x must hold a number, got an empty tensor {tuple(x.shape)}")
    if x.min() < 0:
        raise ValueError(f"x must not be negative, got {x.min()}")
    if x.max() >= n_levels:
        raise ValueError(f"x must be at most n_levels - 1 = {n_levels - 1}, got {x.max()}")
    u = torch.rand(x.shape, generator=generator, device=x.device)
    # A float32 sum can round up to the next whole number; stay inside the bin.
    return torch.minimum(x + u, torch.nextafter(x + 1.0, x.float())) / n_levels


def bits_per_dim(log_prob: Tensor, dim: int, n_levels: int) -> Tensor:
    """Code length in bits a dimension of whole numbers whose dequantised x has this log_prob.

    log_prob : nats, of x in [0, 1)^dim; the bins are 1/n_levels wide, which costs log n_levels.
    """
    if dim < 1:
        raise ValueError(f"dim must be at least 1, got {dim} and {n_levels} levels")
    if n_levels < 1:
        raise ValueError(f"n_levels must be at least 1, got {n_levels}")
    return (math.log(n_levels) - log_prob / dim) / math.log(2)
