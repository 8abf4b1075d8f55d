"""Points that cover a piece of the plane: a mesh of cells, the lines of a grid.

L lines of P points. ``extent`` is (x_low, x_high, y_low, y_high), or r for the square [-r, r]^2.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def box(extent: float | Sequence[float]) -> tuple[float, float, float, float]:
    """(x_low, x_high, y_low, y_high); a number r stands for the square from -r to r."""
    e = (-extent, extent) * 2 if isinstance(extent, int | float) else tuple(map(float, extent))
    wanted = "extent must be (x_low < x_high, y_low < y_high) or r > 0"
    if len(e) != 4:
        raise ValueError(f"{wanted}, got {extent}")
    if not np.isfinite(e).all():
        raise ValueError(f"{wanted} and finite, got {extent}")
    if e[0] >= e[1] or e[2] >= e[3]:
        raise ValueError(f"{wanted}, got {extent}")
    return e


def mesh(extent: float | Sequence[float], n: int) -> Tensor:
    """Centres of n x n cells that fill ``extent``, (n, n, 2); [i, j] is (x_j, y_i), y_0 lowest."""
    x0, x1, y0, y1 = box(extent)
    at = (torch.arange(n) + 0.5) / n
    return torch.stack(torch.meshgrid(x0 + (x1 - x0) * at, y0 + (y1 - y0) * at, indexing="xy"), -1)


def lattice(extent: float | Sequence[float], n_lines: int = 13, n_between: int = 4) -> Tensor:
    """Points on a square grid's lines, (2, L, P, 2), L = n_lines, P = (L - 1) n_between + 1.

    [0, l] runs along the first coordinate, [1, l] along the second. Push its points through a map,
    ``flow(g.reshape(-1, 2)).reshape(g.shape)``, for the ``grid`` of `Particles`.
    """
    x0, x1, y0, y1 = box(extent)
    fine, coarse = (torch.linspace(0, 1, n) for n in ((n_lines - 1) * n_between + 1, n_lines))
    along = torch.stack(torch.meshgrid(fine, coarse, indexing="xy"), -1)
    lines = torch.stack([along, along.flip(-1)])
    return torch.tensor([x0, y0]) + torch.tensor([x1 - x0, y1 - y0]) * lines
