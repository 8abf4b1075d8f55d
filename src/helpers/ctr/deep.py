"""Click models with a network on the embedding: DNN, Wide & Deep, DeepFM, NFM, PNN.

Each takes ids (B, F) and returns logits (B,). With x = embedding(ids), (B, F, D), each forward is
its equation; `linear` are the terms of order 0 and 1, and `net` the network. What the models share
is built once, in :class:`Networked`; they differ in what the network is fed and in what stands
beside it. Chapter 11 derives each line; `helpers.ctr.cross` has the models that cross vectors
layer by layer.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from helpers.ctr.embedding import Embedding, Linear, bi_interaction, pair_scores, pairs
from helpers.nets import mlp

HIDDEN = (64, 32)


class Networked(nn.Module):
    """An embedding and a network from `n_inputs` numbers to the logit; a model adds its equation.

    Parameters
    ----------
    embedding : of F fields; F >= 2 where the model multiplies pairs.
    hidden : widths of the layers between the inputs and the logit, () for none.
    generator : draws the network's initial weights; the global one if None.
    """

    wide = False  # whether `linear` stands beside the network

    def __init__(
        self,
        embedding: Embedding,
        hidden: Sequence[int] = HIDDEN,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        n_inputs = self._n_inputs(embedding.n_fields, embedding.dim)
        self.embedding = embedding
        self.net = mlp([n_inputs, *hidden, 1], generator=generator)
        if self.wide:
            sparse = embedding.sparse
            checked = embedding.checked
            self.linear = Linear(embedding.sizes, sparse=sparse, checked=checked)

    def _n_inputs(self, n_fields: int, dim: int) -> int:
        """How many numbers the network is fed: here all vectors, side by side."""
        return n_fields * dim


class Deep(Networked):
    """DNN: mlp(x), all vectors of an example side by side; no pair is multiplied by hand."""

    def forward(self, ids: Tensor) -> Tensor:
        return self.net(self.embedding(ids).flatten(1))[:, 0]


class WideDeep(Networked):
    """linear + mlp(x) (Cheng et al., arXiv:1606.07792).

    The paper's wide part also holds crosses chosen by hand; give them as fields of their own.
    """

    wide = True

    def forward(self, ids: Tensor) -> Tensor:
        return self.linear(ids) + self.net(self.embedding(ids).flatten(1))[:, 0]


class DeepFM(Networked):
    """linear + sum over f < g of <x_f, x_g> + mlp(x), one x for both (Guo et al., 1703.04247)."""

    wide = True

    def _n_inputs(self, n_fields: int, dim: int) -> int:
        pairs(n_fields)  # refuses fewer than two fields
        return n_fields * dim

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embedding(ids)
        return self.linear(ids) + bi_interaction(x).sum(1) + self.net(x.flatten(1))[:, 0]


class NFM(Networked):
    """linear + mlp(sum over f < g of x_f * x_g) (He and Chua, arXiv:1708.05027).

    ``hidden`` () leaves one weight for each of the D coordinates.
    """

    wide = True

    def _n_inputs(self, n_fields: int, dim: int) -> int:
        pairs(n_fields)  # refuses fewer than two fields
        return dim

    def forward(self, ids: Tensor) -> Tensor:
        return self.linear(ids) + self.net(bi_interaction(self.embedding(ids)))[:, 0]


class PNN(Networked):
    """mlp(x beside <x_f, x_g> for all f < g): the inner-product kind (Qu et al., 1611.00144)."""

    def _n_inputs(self, n_fields: int, dim: int) -> int:
        return n_fields * dim + pairs(n_fields).shape[1]

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embedding(ids)
        return self.net(torch.cat((x.flatten(1), pair_scores(x)), 1))[:, 0]
