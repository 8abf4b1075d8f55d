"""deepctr-torch's layers on our weights and vectors, in float64: the same numbers."""

import pytest
import torch
from ctr_models import F64, embedded, example, filled, seeded, vectors

from benchmarks.deepctr import module
from helpers.ctr.cross import CrossV1, CrossV2
from helpers.ctr.deep import DeepFM
from helpers.ctr.embedding import bi_interaction, pair_products, pair_scores
from helpers.ctr.fieldwise import CIN, Interacting
from helpers.ctr.fm import AFM, FM

theirs = module("layers.interaction")
X = vectors(20, 6, 4)
FLAT = X.flatten(1)


def same(ours, other):
    torch.testing.assert_close(ours, other, atol=1e-12, rtol=1e-12)


def test_fm():
    same(bi_interaction(X).sum(1, keepdim=True), theirs.FM()(X))


def test_bi_interaction():
    same(bi_interaction(X)[:, None], theirs.BiInteractionPooling()(X))


@pytest.mark.parametrize("reduce", [False, True])
def test_products_of_pairs(reduce):
    parts = list(X.split(1, 1))
    found = theirs.InnerProductLayer(reduce_sum=reduce)(parts)
    same(pair_scores(X)[..., None] if reduce else pair_products(X), found)


def test_cross_network_v1():
    ours = filled(CrossV1(24, 3))
    other = theirs.CrossNet(24, 3, "vector").double()
    with torch.no_grad():
        other.kernels.copy_(ours.weight[..., None])
        other.bias.copy_(ours.bias[..., None])
    same(ours(FLAT), other(FLAT))


def test_cross_network_v2():
    ours = filled(CrossV2(24, 3))
    other = theirs.CrossNet(24, 3, "matrix").double()
    with torch.no_grad():
        other.kernels.copy_(ours.weight)
        other.bias.copy_(ours.bias[..., None])
    same(ours(FLAT), other(FLAT))


def test_cin():
    ours = filled(CIN(6, (5, 3)))
    other = theirs.CIN(6, (5, 3), "linear", split_half=False).double()
    with torch.no_grad():
        for convolution, weight in zip(other.conv1ds, ours.weights, strict=True):
            convolution.weight.copy_(weight.flatten(1)[..., None])
            convolution.bias.zero_()
    same(ours(X), other(X))


def test_afm():
    ours = filled(AFM(embedded(4, (9,) * 6), 3))
    ids = example(20, (9,) * 6)
    other = theirs.AFMLayer(4, 3).double()
    with torch.no_grad():
        other.attention_W.copy_(ours.weight.T)
        other.attention_b.copy_(ours.bias)
        other.projection_h.copy_(ours.score[:, None])
        other.projection_p.copy_(ours.projection[:, None])
    parts = list(ours.embedding(ids).split(1, 1))
    same(ours(ids) - ours.linear(ids), other(parts)[:, 0])


@pytest.mark.parametrize("n_heads", [1, 2])
def test_attention_among_fields(n_heads):
    ours = filled(Interacting(4, n_heads))
    other = theirs.InteractingLayer(4, n_heads, use_res=True, scaling=False).double()
    with torch.no_grad():
        for name, weight in (
            ("W_Query", ours.query),
            ("W_key", ours.key),
            ("W_Value", ours.value),
            ("W_Res", ours.residual),
        ):
            getattr(other, name).copy_(weight)
    same(ours(X), other(X))


def twin(ours, sizes):
    """deepctr-torch's whole DeepFM with our weights; it gives probabilities."""
    inputs, model = module("inputs"), module("models.deepfm")
    columns = [
        inputs.SparseFeat(f"f{f}", n, embedding_dim=ours.embedding.dim)
        for f, n in enumerate(sizes)
    ]  # fmt: skip
    hidden = tuple(layer.out_features for layer in ours.net[:-1] if hasattr(layer, "out_features"))
    other = model.DeepFM(columns, columns, dnn_hidden_units=hidden).double()
    linears = [layer for layer in ours.net if hasattr(layer, "out_features")]
    with torch.no_grad():
        for f in range(len(sizes)):
            other.embedding_dict[f"f{f}"].weight.copy_(ours.embedding.field(f))
            other.linear_model.embedding_dict[f"f{f}"].weight.copy_(ours.linear.weights.field(f))
        for mine, yours in zip(linears, [*other.dnn.linears, other.dnn_linear], strict=True):
            yours.weight.copy_(mine.weight)
            if yours.bias is not None:
                yours.bias.copy_(mine.bias)
        other.out.bias.fill_(ours.linear.bias + linears[-1].bias[0])
    return other


def test_the_whole_of_deepfm():
    sizes = (9, 5, 3)
    ours = filled(DeepFM(embedded(4, sizes), (8, 6)))
    ids = example(20, sizes)
    other = twin(ours, sizes)
    same(ours(ids).sigmoid(), other(ids.double())[:, 0])


def test_one_step_of_training():
    """The same gradient for every vector: FM's, by autograd through their layer and ours."""
    fm = filled(FM(embedded(4, (9, 5, 3))))
    ids, clicks = example(50, (9, 5, 3)), torch.rand(50, generator=seeded(), dtype=F64).round()
    loss = torch.nn.functional.binary_cross_entropy_with_logits
    loss(fm(ids), clicks).backward()
    mine = fm.embedding.weight.grad.clone()
    fm.embedding.weight.grad = None
    loss(fm.linear(ids) + theirs.FM()(fm.embedding(ids))[:, 0], clicks).backward()
    same(mine, fm.embedding.weight.grad)
