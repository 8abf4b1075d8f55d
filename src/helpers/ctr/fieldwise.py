"""Click models that cross whole vectors layer by layer: xDeepFM (CIN) and AutoInt.

Where a cross network mixes all coordinates, these keep F vectors apart: CIN multiplies them entry
by entry, AutoInt lets each look at the others. The models take ids (B, F), see x = embedding(ids),
(B, F, D), and return logits (B,). Chapter 11 derives each line.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from helpers.ctr.embedding import Embedding, Linear, check_vectors
from helpers.nets import mlp


class CIN(nn.Module):
    """Compressed interactions, (B, F, D) -> (B, sum of maps) (Lian et al., arXiv:1803.05170).

    Layer k has maps[k] vectors X^k_h = sum over i, j of W^k_hij (X^{k-1}_i * X^0_j), with X^0 = x;
    out come the sums of the coordinates of all of them.

    Parameters
    ----------
    n_fields : F. maps : vectors of each layer, at least one layer.
    generator : draws the W^k, U(-1/sqrt(n), 1/sqrt(n)) for n products a map;
        the global one if None.
    """

    def __init__(
        self, n_fields: int, maps: Sequence[int], generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        _positive(n_fields=n_fields, layers=len(maps))
        for n in maps:
            _positive(maps=n)
        shapes = zip(maps, [n_fields, *maps[:-1]], strict=True)
        bounds = [(n, m, 1 / (m * n_fields) ** 0.5) for n, m in shapes]
        self.weights = nn.ParameterList(
            torch.empty(n, m, n_fields).uniform_(-bound, bound, generator=generator)
            for n, m, bound in bounds
        )

    def forward(self, x: Tensor) -> Tensor:
        check_vectors(x, self.weights[0].shape[2])
        above = x
        sums = []
        for weight in self.weights:
            # One product of matrices, over i; a third of the time of an einsum with three factors.
            mixed = above.mT.flatten(0, 1) @ weight.transpose(0, 1).flatten(1)
            mixed = mixed.view(len(x), x.shape[2], len(weight), x.shape[1])  # (B, D, h, j)
            above = (mixed * x.mT.unsqueeze(2)).sum(3).mT
            sums.append(above.sum(2))
        return torch.cat(sums, 1)


class XDeepFM(nn.Module):
    """linear + out . CIN(x) + mlp(x) (Lian et al., arXiv:1803.05170).

    Parameters
    ----------
    embedding : of F >= 2 fields. maps : of :class:`CIN`. hidden : widths of the network, () for
        none at all.
    generator : draws the weights of CIN, out and network, in that order; the global one if None.
    """

    def __init__(
        self,
        embedding: Embedding,
        maps: Sequence[int] = (8, 8),
        hidden: Sequence[int] = (64, 32),
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.embedding = embedding
        self.linear = Linear(embedding.sizes, sparse=embedding.sparse, checked=embedding.checked)
        self.cin = CIN(embedding.n_fields, maps, generator)
        self.out = mlp([sum(maps), 1], generator=generator)
        n_inputs = embedding.n_fields * embedding.dim
        self.net = mlp([n_inputs, *hidden, 1], generator=generator) if hidden else None

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embedding(ids)
        logits = self.linear(ids) + self.out(self.cin(x))[:, 0]
        return logits if self.net is None else logits + self.net(x.flatten(1))[:, 0]


class Interacting(nn.Module):
    """Self-attention among the fields, (B, F, D) -> (B, F, N) (Song et al., arXiv:1810.11921).

    Each head's vectors are its values, averaged by the softmax over g of <Q x_f, K x_g>; the heads
    side by side, plus R x_f, go through a ReLU.

    Parameters
    ----------
    dim : D. n_heads : dividing n_out. n_out : N, n_heads times a head's width; D unless given.
    generator : draws Q, K, V, R, U(-1/sqrt(D), 1/sqrt(D)); the global one if None.
    """

    def __init__(
        self,
        dim: int,
        n_heads: int = 2,
        n_out: int | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        n_out = dim if n_out is None else n_out
        _positive(dim=dim, n_heads=n_heads, n_out=n_out)
        if n_out % n_heads:
            raise ValueError(f"n_heads must divide the {n_out} outputs, got {n_heads}")
        self.n_heads = n_heads
        bound = 1 / dim**0.5

        def matrix() -> nn.Parameter:
            draw = torch.empty(dim, n_out).uniform_(-bound, bound, generator=generator)
            return nn.Parameter(draw)

        self.query = matrix()
        self.key = matrix()
        self.value = matrix()
        self.residual = matrix()

    def attention(self, x: Tensor) -> Tensor:
        """The weights (B, n_heads, F, F) of x (B, F, D): each row adds up to 1."""
        q = self._heads(x @ self.query)
        k = self._heads(x @ self.key)
        return (q @ k.mT).softmax(-1)

    def forward(self, x: Tensor) -> Tensor:
        check_vectors(x)
        mixed = self.attention(x) @ self._heads(x @ self.value)  # (B, n_heads, F, N / n_heads)
        return (mixed.transpose(1, 2).flatten(2) + x @ self.residual).relu()

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self.n_heads, -1)).transpose(1, 2)


class AutoInt(nn.Module):
    """out . (all fields' vectors after several layers of attention) (Song et al., 1810.11921).

    Parameters
    ----------
    embedding : of F >= 2 fields. n_layers, n_heads : of :class:`Interacting`.
    generator : draws the weights of the layers, then of out; the global one if None.
    """

    def __init__(
        self,
        embedding: Embedding,
        n_layers: int = 2,
        n_heads: int = 2,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        _positive(n_layers=n_layers)
        self.embedding = embedding
        dim = embedding.dim
        layers = (Interacting(dim, n_heads, generator=generator) for _ in range(n_layers))
        self.layers = nn.Sequential(*layers)
        self.out = mlp([embedding.n_fields * dim, 1], generator=generator)

    def forward(self, ids: Tensor) -> Tensor:
        return self.out(self.layers(self.embedding(ids)).flatten(1))[:, 0]


def _positive(**counts: int) -> None:
    for name, n in counts.items():
        if not isinstance(n, int):
            raise ValueError(f"{name} must be a positive whole number, got a {type(n).__name__}")
        if n < 1:
            raise ValueError(f"{name} must be a positive whole number, got {n}")
