"""NICE (Dinh, Krueger & Bengio 2014, arXiv:1410.8516): flows made of couplings.

Every layer maps data towards the latent: ``y, log_det = layer(x)`` and ``x = layer.inverse(y)``,
with x and y (B, D) or (B, D, *S) and log_det (B,) in nats. A coupling changes one half of the
coordinates by a function of the half it has kept; ``flip`` says that the even ones are changed.
Chapter 1 derives each line.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from helpers.flows.likelihood import Flow, Gaussian, Logistic
from helpers.nets import mlp


def split(x: Tensor, flip: bool) -> tuple[Tensor, Tensor]:
    """Part x (B, D, *S) into (kept, changed), each (B, D/2, *S): even coordinates, then odd.

    ``flip`` exchanges their parts. The interleaving is the paper's (section 5.1).
    """
    if x.ndim < 2:
        shape = tuple(x.shape)
        raise ValueError(f"x must be (B, D, *S); dim must be even to split in halves, got {shape}")
    if x.shape[1] % 2:
        raise ValueError(f"dim must be even to split in halves, got shape {tuple(x.shape)}")
    even = x[:, 0::2]
    odd = x[:, 1::2]
    return (odd, even) if flip else (even, odd)


def merge(kept: Tensor, changed: Tensor, flip: bool) -> Tensor:
    """Undo :func:`split`: two (B, D/2, *S) back into one (B, D, *S)."""
    even, odd = (changed, kept) if flip else (kept, changed)
    return torch.stack((even, odd), dim=2).flatten(1, 2)


class AdditiveCoupling(nn.Module):
    """y_kept = x_kept, y_changed = x_changed + net(x_kept); log_det = 0 (NICE, section 3.2).

    ``net`` maps (B, D/2) to (B, D/2) and may be any function at all: it is never inverted.
    """

    def __init__(self, net: nn.Module, flip: bool = False) -> None:
        super().__init__()
        self.net = net
        self.flip = flip

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        kept, changed = split(x, self.flip)
        y = merge(kept, changed + self.net(kept), self.flip)
        return y, x.new_zeros(len(x))

    def inverse(self, y: Tensor) -> Tensor:
        kept, changed = split(y, self.flip)
        return merge(kept, changed - self.net(kept), self.flip)


class AffineCoupling(nn.Module):
    """y_changed = x_changed * exp(s) + t, log_det = sum(s) (RealNVP, arXiv:1605.08803).

    ``net`` maps (B, D/2) to (B, D): the first half is the shift t, the second half goes through
    ``bound * tanh(./bound)`` to give the log-scale s, in (-bound, bound).
    """

    def __init__(self, net: nn.Module, flip: bool = False, bound: float = 2.0) -> None:
        super().__init__()
        if not bound > 0:
            raise ValueError(f"bound must be positive, got {bound}")
        if bound == math.inf:
            raise ValueError("bound must be finite, got inf")
        self.net = net
        self.flip = flip
        self.bound = bound

    def shift_and_log_scale(self, kept: Tensor) -> tuple[Tensor, Tensor]:
        """Shift t and log-scale s, each shaped like ``kept`` (B, D/2, *S)."""
        shift, raw = self.net(kept).chunk(2, dim=1)
        return shift, self.bound * torch.tanh(raw / self.bound)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        kept, changed = split(x, self.flip)
        shift, log_scale = self.shift_and_log_scale(kept)
        y = merge(kept, changed * log_scale.exp() + shift, self.flip)
        return y, log_scale.flatten(1).sum(1)

    def inverse(self, y: Tensor) -> Tensor:
        kept, changed = split(y, self.flip)
        shift, log_scale = self.shift_and_log_scale(kept)
        return merge(kept, (changed - shift) * (-log_scale).exp(), self.flip)


class Scaling(nn.Module):
    """y = exp(log_scale) * x coordinate by coordinate; log_det = sum(log_scale) (section 3.3)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(dim))

    @torch.no_grad()
    def fit(self, x: Tensor, std: float = 1.0) -> None:
        """Start from data: choose log_scale so that x (B, D) leaves with standard deviation std.

        Raises
        ------
        ValueError : x of another shape, with NaN or without spread; a std that is not positive.
        """
        if not 0 < std < math.inf:
            raise ValueError(f"std must be positive and finite, got {std}")
        if x.ndim != 2:
            raise ValueError(f"x must be a batch (B, D), got shape {tuple(x.shape)}")
        if x.shape[1] != len(self.log_scale):
            raise ValueError(f"x must be (B, {len(self.log_scale)}), got {tuple(x.shape)}")
        if not x.isfinite().all():
            raise ValueError("x must be finite, got NaN or infinity")
        spread = x.std(0)
        if not (spread > 0).all():
            raise ValueError("every coordinate must vary to be scaled; dequantise the data first")
        self.log_scale.copy_(math.log(std) - spread.log())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x * self.log_scale.exp(), self.log_scale.sum().expand(len(x))

    def inverse(self, y: Tensor) -> Tensor:
        return y * (-self.log_scale).exp()


class Conv1x1(nn.Module):
    """Glow's invertible 1x1 convolution: the same matrix W (C, C) at every position.

    y[b, :, p] = W x[b, :, p] for x (B, C, *S), log_det = (number of positions) * log|det W|
    (Glow, arXiv:1807.03039, section 3.2). W starts as a random rotation, so log_det starts at 0.

    n_channels : C. generator : draws the rotation; the global one if None.
    """

    def __init__(self, n_channels: int, generator: torch.Generator | None = None) -> None:
        super().__init__()
        noise = torch.randn(n_channels, n_channels, generator=generator, dtype=torch.float64)
        rotation = torch.linalg.qr(noise).Q
        self.weight = nn.Parameter(rotation.to(torch.get_default_dtype()))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        n_positions = x[0, 0].numel()
        log_det = n_positions * torch.linalg.slogdet(self.weight).logabsdet
        return torch.einsum("ij,bj...->bi...", self.weight, x), log_det.expand(len(x))

    def inverse(self, y: Tensor) -> Tensor:
        columns = y.reshape(len(y), y.shape[1], -1)
        return torch.linalg.solve(self.weight, columns).view_as(y)


def nice(
    dim: int,
    *,
    n_couplings: int = 4,
    hidden: Sequence[int] = (256, 256),
    prior: Logistic | Gaussian | None = None,
    affine: bool = False,
    activation: type[nn.Module] = nn.ReLU,
    generator: torch.Generator | None = None,
) -> Flow:
    """The paper's model on vectors: couplings that take turns, then one diagonal scaling.

    The couplings start as the identity, so that ``Scaling.fit`` can set the scales from data.

    Parameters
    ----------
    dim : D, even. n_couplings : 4 in the paper, where 3 are the fewest that let every
        coordinate influence every other (section 3.2).
    hidden : widths of each coupling network's hidden layers.
    prior : :class:`Logistic` unless given.
    affine : couplings that also scale (RealNVP) in place of additive ones.
    activation : between the networks' layers; the paper's ReLU unless given.
    generator : draws the initial weights; the global one if None.

    Raises
    ------
    ValueError : a dim that cannot be halved, no coupling at all.
    """
    _check(dim, n_couplings)
    half = dim // 2
    coupling = AffineCoupling if affine else AdditiveCoupling
    layers: list[nn.Module] = []
    for k in range(n_couplings):
        sizes = [half, *hidden, dim if affine else half]
        net = mlp(sizes, activation=activation, zero_last=True, generator=generator)
        layers.append(coupling(net, flip=k % 2 == 1))
    return Flow([*layers, Scaling(dim)], prior or Logistic(), (dim,))


def _check(dim: int, n_couplings: int) -> None:
    """ValueError unless ``dim`` can be halved and there is a coupling."""
    if not isinstance(dim, int):
        raise ValueError(f"dim must be whole; dim must be even to split in halves, got {dim}")
    if dim < 2:
        raise ValueError(f"dim must be 2 or more; dim must be even to split in halves, got {dim}")
    if dim % 2:
        raise ValueError(f"dim must be even to split in halves, got {dim}")
    if n_couplings < 1:
        raise ValueError(f"n_couplings must be at least 1, got {n_couplings}")
