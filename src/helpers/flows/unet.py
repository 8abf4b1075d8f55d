"""A small U-Net for images, conditioned on a time, for the large profile of Part I.

Ronneberger, Fischer and Brox, arXiv:1505.04597, with the residual blocks and the attention of
DDPM, arXiv:2006.11239, and the time as in arXiv:2105.05233. Shapes: B batch, C channels, H and W
the image's sides, D width of the time's features.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.nets import mlp

GROUPS = 8  # of channels, normalised together


class UNet(nn.Module):
    """A function of an image and a time, (B, C, H, W) and t in [0, 1] -> (B, C, H, W).

    Every level works at half the side of the level above. What it finds on the way down it sees
    again on the way up, beside what comes from below, so that details need not pass through the
    narrow bottom. The last layer starts at 0.

    Parameters
    ----------
    channels : C of the input and the output.
    widths : channels inside, level by level, multiples of 8. H and W must be divisible by
        2 ** (number of levels - 1). The defaults make a million parameters.
    n_frequencies : pairs of sine and cosine of t, at 1 to 1000 radians.
    generator : draws the initial weights; the global one if None.

    Raises
    ------
    ValueError : a width that is not a positive multiple of 8; an x or t of another shape.
    """

    def __init__(
        self,
        channels: int = 1,
        widths: Sequence[int] = (24, 48, 96),
        *,
        n_frequencies: int = 32,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if len(widths) < 1:
            raise ValueError(f"widths must be one or more multiples of {GROUPS}, got none")
        if any(w < 1 for w in widths):
            raise ValueError(f"widths must be positive multiples of {GROUPS}, got {list(widths)}")
        if any(w % GROUPS for w in widths):
            raise ValueError(f"widths must be multiples of {GROUPS}, got {list(widths)}")
        self.channels = channels
        self.halvings = len(widths) - 1
        time = 4 * widths[0]
        self.register_buffer("frequencies", 1000 ** torch.linspace(0, 1, n_frequencies))
        self.time = mlp([2 * n_frequencies, time, time], activation=nn.SiLU, generator=generator)
        self.first = conv(channels, widths[0], 3, generator=generator)
        bottom = widths[-1]
        above = (widths[0], *widths[:-1])
        below = (*widths[1:], bottom)
        self.down = nn.ModuleList(
            Residual(n, width, time, generator=generator)
            for n, width in zip(above, widths, strict=True)
        )
        self.enter = Residual(bottom, bottom, time, generator=generator)
        self.attend = Attention(bottom, generator=generator)
        self.leave = Residual(bottom, bottom, time, generator=generator)
        self.up = nn.ModuleList(
            Residual(n + width, width, time, generator=generator)
            for n, width in reversed([*zip(below, widths, strict=True)])
        )
        self.norm = nn.GroupNorm(GROUPS, widths[0])
        self.last = conv(widths[0], channels, 3, zero=True, generator=generator)

    def forward(self, x: Tensor, t: Tensor | float) -> Tensor:
        """x (B, C, H, W), t scalar or (B,) -> (B, C, H, W)."""
        smallest = 2**self.halvings
        if x.ndim != 4:
            raise ValueError(f"x must be images (B, C, H, W), got {tuple(x.shape)}")
        if x.shape[1] != self.channels:
            raise ValueError(f"x must be (B, {self.channels}, H, W), got {tuple(x.shape)}")
        if any(side % smallest for side in x.shape[2:]):
            raise ValueError(f"H and W must be divisible by {smallest}, got {tuple(x.shape)}")
        t = torch.as_tensor(t, dtype=x.dtype, device=x.device)
        if t.shape not in ((), x.shape[:1]):
            raise ValueError(f"t must be a scalar or ({len(x)},), got {tuple(t.shape)}")
        angle = t.expand(len(x))[:, None] * self.frequencies
        time = self.time(torch.cat((angle.sin(), angle.cos()), 1))
        h = self.first(x)
        kept = []
        for level, block in enumerate(self.down):
            h = block(F.avg_pool2d(h, 2) if level else h, time)
            kept.append(h)
        h = self.leave(self.attend(self.enter(h, time)), time)
        for level, block in enumerate(self.up):
            h = F.interpolate(h, scale_factor=2.0, mode="nearest") if level else h
            h = block(torch.cat((h, kept.pop()), 1), time)
        return self.last(F.silu(self.norm(h)))


class Residual(nn.Module):
    """Twice normalise, SiLU, convolve, the second time scaled and shifted by t, and a shortcut.

    x (B, n_in, H, W) and time features (B, D) -> (B, n_out, H, W). Starts as the shortcut alone.

    n_in, n_out : channels. time : D.
    generator : draws the initial weights; the global one if None.
    """

    def __init__(self, n_in: int, n_out: int, time: int, *,
                 generator: torch.Generator | None = None) -> None:  # fmt: skip
        super().__init__()
        self.norms = nn.ModuleList(nn.GroupNorm(GROUPS, n) for n in (n_in, n_out))
        self.enter = conv(n_in, n_out, 3, generator=generator)
        self.leave = conv(n_out, n_out, 3, zero=True, generator=generator)
        self.time = mlp([time, 2 * n_out], generator=generator)
        same = n_in == n_out
        self.shortcut = nn.Identity() if same else conv(n_in, n_out, 1, generator=generator)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        before, after = self.norms
        scale, shift = self.time(F.silu(time))[:, :, None, None].chunk(2, 1)
        # After the normalisation, which would take out much of what is added before it.
        h = after(self.enter(F.silu(before(x)))) * (1 + scale) + shift
        return self.shortcut(x) + self.leave(F.silu(h))


class Attention(nn.Module):
    """Every pixel looks at every other one, (B, C, H, W) -> itself; starts as the identity.

    width : C. generator : draws the initial weights; the global one if None.
    """

    def __init__(self, width: int, *, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, width)
        self.ask = conv(width, 3 * width, 1, generator=generator)
        self.tell = conv(width, width, 1, zero=True, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.ask(self.norm(x)).flatten(2).mT.chunk(3, 2)
        seen = F.scaled_dot_product_attention(query, key, value)
        return x + self.tell(seen.mT.reshape(x.shape))


def conv(n_in: int, n_out: int, side: int, *, zero: bool = False,
         generator: torch.Generator | None = None) -> nn.Conv2d:  # fmt: skip
    """A convolution that keeps H and W, (B, n_in, H, W) -> (B, n_out, H, W).

    n_in, n_out : channels. side : of the kernel, odd. zero : start as the zero function.
    generator : draws the weights, U(-1/sqrt(n), 1/sqrt(n)) for n numbers that enter; the global
        one if None.
    """
    # skip_init: the default initialisation would draw from the global generator.
    layer = nn.utils.skip_init(nn.Conv2d, n_in, n_out, side, padding=side // 2)
    bound = 0.0 if zero else 1 / math.sqrt(n_in * side**2)
    with torch.no_grad():
        layer.weight.uniform_(-bound, bound, generator=generator)
        layer.bias.uniform_(-bound, bound, generator=generator)
    return layer
