"""Click models with a network on the embedding: DNN, Wide & Deep, DeepFM, NFM, PNN.

Each takes ids (B, F) and returns logits (B,). With x = embedding(ids), (B, F, D), each forward is
its equation; `linear` are the terms of order 0 and 1, and a network's widths stand in `hidden`.
Chapter 11 derives each line; `helpers.cross` has the models that cross vectors layer by layer.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from helpers.embedding import Embedding, Linear, bi_interaction, pair_scores, pairs
from helpers.nets import mlp

HIDDEN = (64, 32)


class Deep(nn.Module):
    """DNN: mlp(x), all vectors of an example side by side; no pair is multiplied by hand.

    Parameters
    ----------
    embedding : of F fields. hidden : widths of the layers between x and the logit, () for none.
    generator : source of the initial weights.
    """

    def __init__(
        self,
        embedding: Embedding,
        hidden: Sequence[int] = HIDDEN,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.embedding = embedding
        n_inputs = embedding.n_fields * embedding.dim
        self.net = mlp([n_inputs, *hidden, 1], generator=generator)

    def forward(self, ids: Tensor) -> Tensor:
        return self.net(self.embedding(ids).flatten(1))[:, 0]


class WideDeep(nn.Module):
    """linear + mlp(x) (Cheng et al., arXiv:1606.07792).

    The paper's wide part also holds crosses chosen by hand; give them as fields of their own.
    ``embedding``, ``hidden`` as for :class:`Deep`.
    """

    def __init__(
        self,
        embedding: Embedding,
        hidden: Sequence[int] = HIDDEN,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.linear, self.deep = _linear(embedding), Deep(embedding, hidden, generator)

    def forward(self, ids: Tensor) -> Tensor:
        return self.linear(ids) + self.deep(ids)


class DeepFM(nn.Module):
    """linear + sum over f < g of <x_f, x_g> + mlp(x), one x for both (Guo et al., 1703.04247).

    ``embedding``, ``hidden`` as for :class:`Deep`.
    """

    def __init__(
        self,
        embedding: Embedding,
        hidden: Sequence[int] = HIDDEN,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        pairs(embedding.n_fields)  # refuses fewer than two fields
        self.embedding, self.linear = embedding, _linear(embedding)
        n_inputs = embedding.n_fields * embedding.dim
        self.net = mlp([n_inputs, *hidden, 1], generator=generator)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embedding(ids)
        return self.linear(ids) + bi_interaction(x).sum(1) + self.net(x.flatten(1))[:, 0]


class NFM(nn.Module):
    """linear + mlp(sum over f < g of x_f * x_g) (He and Chua, arXiv:1708.05027).

    ``embedding``, ``hidden`` as for :class:`Deep`; () leaves one weight for each of D coordinates.
    """

    def __init__(
        self,
        embedding: Embedding,
        hidden: Sequence[int] = HIDDEN,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        pairs(embedding.n_fields)
        self.embedding, self.linear = embedding, _linear(embedding)
        self.net = mlp([embedding.dim, *hidden, 1], generator=generator)

    def forward(self, ids: Tensor) -> Tensor:
        return self.linear(ids) + self.net(bi_interaction(self.embedding(ids)))[:, 0]


class PNN(nn.Module):
    """mlp(x beside <x_f, x_g> for all f < g): the inner-product kind (Qu et al., 1611.00144).

    ``embedding``, ``hidden`` as for :class:`Deep`.
    """

    def __init__(
        self,
        embedding: Embedding,
        hidden: Sequence[int] = HIDDEN,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.embedding = embedding
        n_pairs = pairs(embedding.n_fields).shape[1]
        n_inputs = embedding.n_fields * embedding.dim + n_pairs
        self.net = mlp([n_inputs, *hidden, 1], generator=generator)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embedding(ids)
        return self.net(torch.cat((x.flatten(1), pair_scores(x)), 1))[:, 0]


def _linear(embedding: Embedding) -> Linear:
    return Linear(embedding.sizes, sparse=embedding.sparse, checked=embedding.checked)
