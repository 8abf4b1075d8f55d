"""Small networks shared by the chapters. Shapes: B batch, *S further dimensions."""

import itertools
import math
from collections.abc import Sequence

import torch
from torch import nn


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
    generator : source of the initial weights; U(-1/sqrt(n), 1/sqrt(n)) for n inputs.

    Raises
    ------
    ValueError : fewer than two sizes, or one that is not a positive whole number.
    """
    if len(sizes) < 2 or any(not isinstance(n, int) or n < 1 for n in sizes):
        raise ValueError(f"sizes must be two or more positive whole numbers, got {list(sizes)}")
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
