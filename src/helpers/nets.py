"""Small networks shared by the chapters. Shapes: B batch, *S further dimensions."""

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


def mlp(
    sizes: Sequence[int],
    *,
    activation: type[nn.Module] = nn.ReLU,
    zero_last: bool = False,
    generator: torch.Generator | None = None,
) -> nn.Sequential:
    """Fully connected network, (B, sizes[0]) -> (B, sizes[-1]).

    Parameters
    ----------
    sizes : at least two positive widths, input first.
    activation : module class put between the linear layers.
    zero_last : start the last layer at 0, so that the network starts as the zero function.
    generator : draws the initial weights, U(-1/sqrt(n), 1/sqrt(n)); the global one if None.

    Raises
    ------
    ValueError : fewer than two sizes, or one that is not a positive whole number.
    """
    _check(sizes)
    layers: list[nn.Module] = []
    for n_in, n_out in itertools.pairwise(sizes):
        # skip_init: the default initialisation would draw from the global generator.
        linear = nn.utils.skip_init(nn.Linear, n_in, n_out)
        bound = 1 / math.sqrt(n_in)
        with torch.no_grad():
            linear.weight.uniform_(-bound, bound, generator=generator)
            linear.bias.uniform_(-bound, bound, generator=generator)
        layers += [linear, activation()]
    layers.pop()
    if zero_last:
        nn.init.zeros_(layers[-1].weight)
        nn.init.zeros_(layers[-1].bias)
    return nn.Sequential(*layers)


def _check(sizes: Sequence[int]) -> None:
    """ValueError unless ``sizes`` are two or more positive whole numbers."""
    if len(sizes) < 2:
        raise ValueError(f"sizes must be two or more positive whole numbers, got {list(sizes)}")
    if any(not isinstance(n, int) for n in sizes):
        raise ValueError(
            f"sizes must be two or more positive whole numbers, as ints, got {list(sizes)}"
        )
    if any(n < 1 for n in sizes):
        raise ValueError(
            f"sizes must be two or more positive whole numbers, above 0, got {list(sizes)}"
        )


class TimeMLP(nn.Module):
    """A function of a point and a time, (B, dim) and t in [0, 1] -> (B, dim), for all of Part I.

    The time enters as sines and cosines of t, 2t, 4t, ... times pi beside x, so that a narrow
    network can change quickly in t. The last layer starts at 0.

    Parameters
    ----------
    dim : of x and of the output. hidden : widths of the hidden layers.
    n_frequencies : pairs of sine and cosine.
    generator : draws the initial weights; the global one if None.

    Raises
    ------
    ValueError : a width that is not a positive whole number; an x or t of another shape.
    """

    def __init__(
        self,
        dim: int,
        hidden: Sequence[int] = (128, 128, 128),
        *,
        n_frequencies: int = 4,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if n_frequencies < 0:
            raise ValueError(f"n_frequencies must be at least 0, got {n_frequencies}")
        self.dim = dim
        sizes = (dim + 2 * n_frequencies, *hidden, dim)
        self.body = mlp(sizes, activation=nn.SiLU, zero_last=True, generator=generator)
        self.register_buffer("frequencies", math.pi * 2.0 ** torch.arange(n_frequencies))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """x (B, dim), t scalar or (B,) -> (B, dim)."""
        if x.ndim != 2:
            raise ValueError(f"x must be (B, {self.dim}), got {x.ndim} axes: {tuple(x.shape)}")
        if x.shape[1] != self.dim:
            raise ValueError(f"x must be (B, {self.dim}), got {tuple(x.shape)}")
        t = torch.as_tensor(t, dtype=x.dtype, device=x.device)
        # Not only what expand refuses: one time (1,) for three points would go through.
        if t.shape not in ((), x.shape[:1]):
            raise ValueError(f"t must be a scalar or ({len(x)},), got {tuple(t.shape)}")
        angle = t.expand(len(x))[:, None] * self.frequencies
        return self.body(torch.cat((x, angle.sin(), angle.cos()), 1))
