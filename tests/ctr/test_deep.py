"""Click models with a network, against loops in float64 and against the models they contain."""

import pytest
import torch
from ctr_models import (
    F64,
    IDS,
    SIZES,
    agrees,
    embedded,
    filled,
    first_order,
    inner,
    network,
    seeded,
    two,
)

from helpers.ctr.deep import NFM, PNN, Deep, DeepFM, WideDeep
from helpers.ctr.embedding import Embedding, Linear
from helpers.ctr.fm import FM

N = len(IDS)
MODELS = (Deep, WideDeep, DeepFM, NFM, PNN)


def pair_sum(x):
    """The sum of x_f * x_g over pairs, coordinate by coordinate, of x (F, D)."""
    return torch.stack([sum(x[f, d] * x[g, d] for f, g in two(len(x))) for d in range(x.shape[1])])


def test_deep_is_a_network_on_all_vectors():
    model = filled(Deep(embedded(), (4, 3)))
    x = model.embedding(IDS).detach()
    agrees(model, IDS, [network(model.net, x[b].flatten())[0] for b in range(N)])


def test_wide_and_deep_is_a_sum():
    model = filled(WideDeep(embedded(), (4,)))
    x = model.embedding(IDS).detach()
    rows = [first_order(model, IDS, b) + network(model.net, x[b].flatten())[0] for b in range(N)]
    agrees(model, IDS, rows)


def test_deepfm_is_fm_and_a_network_on_the_same_vectors():
    model, rows = filled(DeepFM(embedded(), (4, 3))), []
    x = model.embedding(IDS).detach()
    for b in range(N):
        pair = sum(inner(x[b, f], x[b, g]) for f, g in two(4))
        rows.append(first_order(model, IDS, b) + pair + network(model.net, x[b].flatten())[0])
    agrees(model, IDS, rows)


def test_nfm_is_a_network_on_the_pooled_pairs():
    model = filled(NFM(embedded(), (4,)))
    x = model.embedding(IDS).detach()
    rows = [
        first_order(model, IDS, b) + network(model.net, pair_sum(x[b]))[0] for b in range(N)
    ]  # fmt: skip
    agrees(model, IDS, rows)


def test_pnn_is_a_network_on_vectors_and_their_products():
    model, rows = filled(PNN(embedded(), (4,))), []
    x = model.embedding(IDS).detach()
    for b in range(N):
        inputs = x[b].flatten().tolist() + [inner(x[b, f], x[b, g]) for f, g in two(4)]
        rows.append(network(model.net, torch.tensor(inputs, dtype=F64))[0])
    agrees(model, IDS, rows)


# ---- what they contain --------------------------------------------------------------------------


def zeroed(net):
    """Make a network the zero function."""
    with torch.no_grad():
        net[-1].weight.zero_()
        net[-1].bias.zero_()


def test_deepfm_without_its_deep_part_is_fm():
    model = filled(DeepFM(embedded()))
    zeroed(model.net)
    fm = FM(model.embedding).double()
    fm.linear.load_state_dict(model.linear.state_dict())
    torch.testing.assert_close(model(IDS), fm(IDS))


def test_wide_and_deep_without_its_deep_part_is_lr():
    model = filled(WideDeep(embedded()))
    zeroed(model.net)
    lr = Linear(SIZES).double()
    lr.load_state_dict(model.linear.state_dict())
    torch.testing.assert_close(model(IDS), lr(IDS))


def test_nfm_with_an_identity_net_is_fm():
    """No hidden layer, all weights one, no bias."""
    model = filled(NFM(embedded(), ()))
    zeroed(model.net)
    with torch.no_grad():
        model.net[-1].weight.fill_(1.0)
    fm = FM(model.embedding).double()
    fm.linear.load_state_dict(model.linear.state_dict())
    torch.testing.assert_close(model(IDS), fm(IDS))


def test_pnn_with_weights_on_the_products_alone_is_fwfm():
    """No hidden layer: one weight for each pair, none for the vectors."""
    model = filled(PNN(embedded(), ()))
    with torch.no_grad():
        model.net[0].weight[0, :20] = 0.0
    x = model.embedding(IDS).detach()
    strength, bias = model.net[0].weight[0, 20:].tolist(), model.net[0].bias.item()
    rows = [
        bias + sum(r * inner(x[b, f], x[b, g]) for r, (f, g) in zip(strength, two(4), strict=True))
        for b in range(N)
    ]
    agrees(model, IDS, rows)


def test_one_embedding_is_trained_by_both_parts():
    """The gradient of DeepFM's table is the sum of FM's and of the network's."""
    model = filled(DeepFM(embedded(), (4,)))
    model(IDS).sum().backward()
    both = model.embedding.weight.grad.clone()
    fm, deep = FM(model.embedding).double(), Deep(model.embedding, (4,)).double()
    deep.net.load_state_dict(model.net.state_dict())
    parts = []
    for part in (fm, deep):
        model.embedding.weight.grad = None
        part(IDS).sum().backward()
        parts.append(model.embedding.weight.grad.clone())
    torch.testing.assert_close(both, parts[0] + parts[1])
    assert all(part.abs().max() > 0.01 for part in parts)


@pytest.mark.parametrize("model", (WideDeep, DeepFM, NFM))
@pytest.mark.parametrize(("sparse", "checked"), [(True, False), (False, True)])
def test_the_first_order_is_as_sparse_and_as_checked_as_the_embedding(model, sparse, checked):
    """Else one optimiser for sparse rows can't train both, or a look at the ids remains."""
    built = model(Embedding(SIZES, 3, sparse=sparse, checked=checked))
    weights = built.linear.weights
    assert (weights.sparse, weights.checked) == (sparse, checked)
    built(IDS).sum().backward()
    assert weights.weight.grad.is_sparse == built.embedding.weight.grad.is_sparse == sparse


def test_what_a_network_is_fed_is_counted():
    """F vectors of D numbers, D numbers, or the vectors and one number a pair."""
    fed = {kind: kind(embedded(5)).net[0].in_features for kind in MODELS}
    assert fed == {Deep: 20, WideDeep: 20, DeepFM: 20, NFM: 5, PNN: 26}
    wide = [kind for kind in MODELS if hasattr(kind(embedded()), "linear")]
    assert wide == [WideDeep, DeepFM, NFM]


@pytest.mark.parametrize("model", MODELS)
def test_the_same_generator_gives_the_same_model(model):
    one, two_, other = (model(embedded(), generator=seeded(s)).double() for s in (3, 3, 4))
    assert torch.equal(one(IDS), two_(IDS)) and not torch.equal(one(IDS), other(IDS))


@pytest.mark.parametrize("model", MODELS)
def test_bad_input_is_refused(model):
    with pytest.raises(ValueError, match="sizes must be two or more positive"):
        model(Embedding(SIZES, 3), (0,))
    built = model(Embedding(SIZES, 3))
    for ids in (IDS[:, :3], IDS + 9, IDS.double(), IDS[:0], IDS[0]):
        with pytest.raises(ValueError, match="ids"):
            built(ids)
    if model in (DeepFM, NFM, PNN):
        with pytest.raises(ValueError, match=">= 2"):
            model(Embedding((3,), 3))
