"""Click models that cross coordinates layer by layer: DCN v1 and v2. Chapter 11 derives each line.

A cross network sees all vectors of an example side by side, x_0 (B, N), N = F D, and every layer
multiplies by x_0 once more. The model takes ids (B, F) and returns logits (B,).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from helpers.ctr.embedding import Embedding
from helpers.nets import mlp


class CrossV1(nn.Module):
    """x_{l+1} = x_0 (x_l . w_l) + b_l + x_l, (B, N) -> (B, N) (Wang et al., arXiv:1708.05123).

    Parameters
    ----------
    dim : N. n_layers : at least 1. bias : whether there are b_l; without, the output is x_0 times
        a number.
    generator : draws the w_l, U(-1/sqrt(N), 1/sqrt(N)); the global one if None.
    """

    def __init__(
        self,
        dim: int,
        n_layers: int = 2,
        *,
        bias: bool = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        _positive(dim=dim, n_layers=n_layers)
        bound = 1 / dim**0.5
        weight = torch.empty(n_layers, dim).uniform_(-bound, bound, generator=generator)
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(n_layers, dim)) if bias else None

    def forward(self, x0: Tensor) -> Tensor:
        _flat(x0, self.weight.shape[1])
        x = x0
        for layer, w in enumerate(self.weight):
            step = x0 * (x @ w)[:, None] + x
            x = step if self.bias is None else step + self.bias[layer]
        return x


class CrossV2(nn.Module):
    """x_{l+1} = x_0 * (W_l x_l + b_l) + x_l, (B, N) -> (B, N) (Wang et al., arXiv:2008.13535).

    Parameters
    ----------
    dim : N. n_layers : at least 1. rank : W_l = U_l V_l with N x rank and rank x N; None for a full
        matrix. bias : whether there are b_l.
    generator : draws the matrices, U(-1/sqrt(n), 1/sqrt(n)) for n columns; the global one if None.
    """

    def __init__(
        self,
        dim: int,
        n_layers: int = 2,
        *,
        rank: int | None = None,
        bias: bool = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        _positive(dim=dim, n_layers=n_layers, rank=1 if rank is None else rank)

        def matrices(n_rows: int, n_columns: int) -> nn.Parameter:
            bound = 1 / n_columns**0.5
            draw = torch.empty(n_layers, n_rows, n_columns)
            return nn.Parameter(draw.uniform_(-bound, bound, generator=generator))

        self.down = None if rank is None else matrices(rank, dim)
        self.weight = matrices(dim, dim if rank is None else rank)
        self.bias = nn.Parameter(torch.zeros(n_layers, dim)) if bias else None

    def forward(self, x0: Tensor) -> Tensor:
        _flat(x0, self.weight.shape[1])
        x = x0
        for layer, weight in enumerate(self.weight):
            step = (x if self.down is None else x @ self.down[layer].T) @ weight.T
            x = x0 * (step if self.bias is None else step + self.bias[layer]) + x
        return x


class DCN(nn.Module):
    """A cross network and a plain one side by side: out . [cross(x_0), mlp(x_0)].

    Parameters
    ----------
    embedding : of F fields. version : 1 or 2. n_layers : of crossing. hidden : widths of the plain
        network, () for the cross network alone. rank : of version 2's matrices.
    generator : draws the weights of cross, network and out, in that order; the global one if None.
    """

    def __init__(
        self,
        embedding: Embedding,
        version: int = 2,
        n_layers: int = 2,
        hidden: Sequence[int] = (64, 32),
        *,
        rank: int | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if version not in (1, 2):
            raise ValueError(f"version must be 1 or 2, got {version}")
        if version == 1 and rank is not None:
            raise ValueError(f"rank must be None for version 1, got {rank}")
        self.embedding = embedding
        dim = embedding.n_fields * embedding.dim
        if version == 1:
            self.cross = CrossV1(dim, n_layers, generator=generator)
        else:
            self.cross = CrossV2(dim, n_layers, rank=rank, generator=generator)
        self.net = mlp([dim, *hidden], generator=generator).append(nn.ReLU()) if hidden else None
        self.out = mlp([dim + (hidden[-1] if hidden else 0), 1], generator=generator)

    def forward(self, ids: Tensor) -> Tensor:
        x0 = self.embedding(ids).flatten(1)
        sides = [self.cross(x0)] if self.net is None else [self.cross(x0), self.net(x0)]
        return self.out(torch.cat(sides, 1))[:, 0]


def _positive(**counts: int) -> None:
    for name, n in counts.items():
        if not isinstance(n, int):
            raise ValueError(f"{name} must be a positive whole number, got a {type(n).__name__}")
        if n < 1:
            raise ValueError(f"{name} must be a positive whole number, got {n}")


def _flat(x: Tensor, dim: int) -> None:
    wanted = f"x must be floats (B, {dim}), not empty"
    if x.ndim != 2:
        raise ValueError(f"{wanted}, got {x.ndim} dimensions, {tuple(x.shape)}")
    if x.shape[1] != dim:
        raise ValueError(f"{wanted}, got {x.shape[1]} columns")
    if len(x) == 0:
        raise ValueError(f"{wanted}, got no rows")
    if not x.is_floating_point():
        raise ValueError(f"{wanted}, got {x.dtype}")
