"""Click models of second order: FM, FFM, FwFM, AFM. Chapter 11 derives each line.

Each takes ids (B, F) and returns logits (B,). With x = embedding(ids), (B, F, D), x_f the vector of
the feature present in field f, and `linear` the terms of order 0 and 1, each forward is its
equation. Models given the same embedding share it.
"""

import torch
from torch import Tensor, nn

from helpers.ctr.embedding import (
    Embedding,
    Linear,
    bi_interaction,
    pair_products,
    pair_scores,
    pairs,
)


class FM(nn.Module):
    """linear + sum over f < g of <x_f, x_g>, in O(F D) (Rendle 2010)."""

    def __init__(self, embedding: Embedding) -> None:
        super().__init__()
        self.embedding = embedding
        self.linear = _linear(embedding)

    def forward(self, ids: Tensor) -> Tensor:
        return self.linear(ids) + bi_interaction(self.embedding(ids)).sum(1)


class FFM(nn.Module):
    """linear + sum over f < g of <x_fg, x_gf>: a vector for each other field (Juan et al. 2016).

    The embedding's D must be F times the length k of these vectors: x_fg is the g-th part of x_f.
    """

    def __init__(self, embedding: Embedding) -> None:
        super().__init__()
        if embedding.dim % embedding.n_fields:
            wanted = f"a multiple of the {embedding.n_fields} fields"
            raise ValueError(f"embedding's dim must be {wanted}, got {embedding.dim}")
        self.embedding = embedding
        self.linear = _linear(embedding)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embedding(ids).unflatten(2, (self.embedding.n_fields, -1))  # (B, F, F, k)
        f, g = pairs(self.embedding.n_fields, x.device)
        return self.linear(ids) + (x[:, f, g] * x[:, g, f]).sum((1, 2))


class FwFM(nn.Module):
    """linear + sum over f < g of r_fg <x_f, x_g> (Pan et al., arXiv:1806.03514).

    ``strength`` (P,) holds r in the order of :func:`helpers.ctr.embedding.pairs`; it starts at
    1, which is FM.
    """

    def __init__(self, embedding: Embedding) -> None:
        super().__init__()
        self.embedding = embedding
        self.linear = _linear(embedding)
        self.strength = nn.Parameter(torch.ones(pairs(embedding.n_fields).shape[1]))

    def forward(self, ids: Tensor) -> Tensor:
        return self.linear(ids) + pair_scores(self.embedding(ids)) @ self.strength


class AFM(nn.Module):
    """linear + sum over f < g of a_fg <p, x_f * x_g> (Xiao et al., arXiv:1708.04617).

    The attention a is the softmax over the pairs of h . relu(W (x_f * x_g) + b).

    Parameters
    ----------
    embedding : of F >= 2 fields. n_hidden : length of b and h, the attention's width.
    generator : draws W (n_hidden, D), U(-1/sqrt(D), 1/sqrt(D)); the global one if
        None. p starts at the number of pairs and h at 0, so AFM starts as FM.
    """

    def __init__(
        self, embedding: Embedding, n_hidden: int = 8, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        if not isinstance(n_hidden, int):
            kind = type(n_hidden).__name__
            raise ValueError(f"n_hidden must be a positive whole number, got a {kind}")
        if n_hidden < 1:
            raise ValueError(f"n_hidden must be a positive whole number, got {n_hidden}")
        self.embedding = embedding
        self.linear = _linear(embedding)
        n_pairs = pairs(embedding.n_fields).shape[1]
        dim = embedding.dim
        bound = 1 / dim**0.5
        weight = torch.empty(n_hidden, dim).uniform_(-bound, bound, generator=generator)
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(n_hidden))
        self.score = nn.Parameter(torch.zeros(n_hidden))  # h
        self.projection = nn.Parameter(torch.full((dim,), float(n_pairs)))  # p

    def attention(self, products: Tensor) -> Tensor:
        """The weights (B, P), adding up to 1, of the products (B, P, D)."""
        return ((products @ self.weight.T + self.bias).relu() @ self.score).softmax(1)

    def forward(self, ids: Tensor) -> Tensor:
        products = pair_products(self.embedding(ids))
        pooled = torch.einsum("bp,bpd->bd", self.attention(products), products)
        return self.linear(ids) + pooled @ self.projection


def learned(embedding: Embedding, f: int, g: int) -> Tensor:
    """FM's interactions <x_f, x_g> of all features of field f with all of g, (size_f, size_g)."""
    if f == g:
        raise ValueError(f"f and g must be two fields, got {f} twice")
    return embedding.field(f) @ embedding.field(g).T


def _linear(embedding: Embedding) -> Linear:
    pairs(embedding.n_fields)  # refuses fewer than two fields
    return Linear(embedding.sizes, sparse=embedding.sparse, checked=embedding.checked)
