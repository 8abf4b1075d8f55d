"""Click models of second order against nested loops in float64, and against each other."""

import math

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
    seeded,
    starts,
    two,
)

from helpers.ctr.embedding import Embedding, Linear, pairs
from helpers.ctr.fm import AFM, FFM, FM, FwFM, learned
from helpers.ctr.models import Poly2

N = len(IDS)


# ---- each model is its equation ----------------------------------------------------------------


def test_fm_is_the_sum_over_pairs():
    model, rows = filled(FM(embedded())), []
    x = model.embedding(IDS).detach()
    for b in range(N):
        pair = sum(inner(x[b, f], x[b, g]) for f, g in two(4))
        rows.append(first_order(model, IDS, b) + pair)
    agrees(model, IDS, rows)


def test_ffm_has_a_vector_for_each_other_field():
    model, rows = filled(FFM(embedded(4 * 3))), []
    table = model.embedding
    for b in range(N):
        total = first_order(model, IDS, b)
        for f, g in two(4):
            for k in range(3):  # part g of f's vector, part f of g's
                total += (
                    table.field(f)[IDS[b, f], 3 * g + k] * table.field(g)[IDS[b, g], 3 * f + k]
                ).item()
        rows.append(total)
    agrees(model, IDS, rows)


def test_fwfm_weighs_each_pair_of_fields():
    model, rows = filled(FwFM(embedded())), []
    x = model.embedding(IDS).detach()
    for b in range(N):
        total = first_order(model, IDS, b)
        for p, (f, g) in enumerate(two(4)):
            total += model.strength[p].item() * inner(x[b, f], x[b, g])
        rows.append(total)
    agrees(model, IDS, rows)


def test_afm_attends_to_pairs():
    model, rows = filled(AFM(embedded(), 3)), []
    x = model.embedding(IDS).detach()
    weight, bias, h = (p.detach() for p in (model.weight, model.bias, model.score))
    for b in range(N):
        scores, values = [], []
        for f, g in two(4):
            product = x[b, f] * x[b, g]
            hidden = [max(inner(weight[i], product) + bias[i].item(), 0.0) for i in range(3)]
            scores.append(inner(h, torch.tensor(hidden, dtype=F64)))
            values.append(inner(model.projection.detach(), product))
        total = sum(math.exp(s) for s in scores)
        pooled = sum(math.exp(s) / total * v for s, v in zip(scores, values, strict=True))
        rows.append(first_order(model, IDS, b) + pooled)
    agrees(model, IDS, rows)
    products = torch.randn(5, 6, 5, dtype=F64, generator=seeded())
    attention = model.attention(products)
    assert attention.shape == (5, 6) and attention.min() > 0
    torch.testing.assert_close(attention.sum(1), torch.ones(5, dtype=F64))


# ---- each is another in disguise ---------------------------------------------------------------


def same_linear(*models):
    """Give all models the first's terms of order 0 and 1."""
    for model in models[1:]:
        model.linear.load_state_dict(models[0].linear.state_dict())


def test_fwfm_with_equal_strengths_is_fm():
    embedding = embedded()
    fm, fwfm = filled(FM(embedding)), FwFM(embedding).double()
    same_linear(fm, fwfm)
    torch.testing.assert_close(fwfm(IDS), fm(IDS))
    assert torch.equal(fwfm.strength, torch.ones(6, dtype=F64))  # that is how it starts


def test_afm_with_equal_attention_is_fm_up_to_a_factor():
    """With h = 0 all P pairs weigh 1 / P; p = 1 gives FM's pairs over P, and p starts at P."""
    embedding = embedded()
    fm, afm = filled(FM(embedding)), AFM(embedding, generator=seeded()).double()
    same_linear(fm, afm)
    torch.testing.assert_close(afm(IDS), fm(IDS))
    with torch.no_grad():
        afm.projection.fill_(1.0)
    pair = fm(IDS) - fm.linear(IDS)
    torch.testing.assert_close(afm(IDS) - afm.linear(IDS), pair / 6)


def test_ffm_with_one_vector_for_all_fields_is_fm():
    fm, ffm = filled(FM(embedded(5))), FFM(embedded(4 * 5)).double()
    same_linear(fm, ffm)
    with torch.no_grad():
        ffm.embedding.weight.copy_(fm.embedding.weight.repeat(1, 4))
    torch.testing.assert_close(ffm(IDS), fm(IDS))


def test_poly2_with_factored_weights_is_fm():
    """FM is Poly2 whose weights are inner products; `learned` writes them out."""
    fm, poly2 = filled(FM(embedded(3))), Poly2(SIZES).double()
    same_linear(fm, poly2)
    blocks = [learned(fm.embedding, f, g).flatten() for f, g in pairs(4).T.tolist()]
    with torch.no_grad():
        poly2.crosses.weights.weight.copy_(torch.cat(blocks)[:, None])
    torch.testing.assert_close(poly2(IDS), fm(IDS))


def test_fm_with_zero_vectors_is_lr():
    fm = filled(FM(embedded()))
    with torch.no_grad():
        fm.embedding.weight.zero_()
    lr = Linear(SIZES).double()
    lr.load_state_dict(fm.linear.state_dict())
    torch.testing.assert_close(fm(IDS), lr(IDS))


def test_learned_interactions_are_inner_products():
    embedding = embedded()
    found = learned(embedding, 2, 0)
    assert found.shape == (7, 4)
    for i in range(7):
        for j in range(4):
            expected = inner(embedding.field(2)[i].detach(), embedding.field(0)[j].detach())
            assert abs(found[i, j].item() - expected) < 1e-12


def test_models_share_the_embedding_they_are_given():
    embedding = embedded()
    fm, fwfm = FM(embedding), FwFM(embedding)
    assert fm.embedding.weight is fwfm.embedding.weight
    fm(IDS).sum().backward()
    assert fwfm.embedding.weight.grad is not None


# ---- what a step of training can reach ----------------------------------------------------------


def test_only_factors_reach_an_unseen_pair():
    """Training on a pair moves FM's opinion of pairs that share a feature with it; not Poly2's."""
    # Rows: the example trained on, one that shares a feature with it in a new pair, none shared.
    ids = torch.tensor([[0, 0], [0, 1], [1, 1]])
    fm = FM(Embedding((2, 2), 3, std=1.0, generator=seeded()).double()).double()
    poly2 = Poly2((2, 2)).double()
    for model in (fm, poly2):
        before = (model(ids) - model.linear(ids)).detach()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        model(ids[:1]).sum().backward()
        optimizer.step()
        moved = (model(ids) - model.linear(ids) - before).abs().detach()
        assert moved[0] > 0.01 and moved[2] == 0
        assert (moved[1] > 0.01) == (model is fm)


# ---- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "build",
    [
        lambda: FM(Embedding((5,), 3)),
        lambda: FFM(Embedding((5,), 3)),
        lambda: FwFM(Embedding((5,), 3)),
        lambda: AFM(Embedding((5,), 3)),
    ],
)
def test_one_field_has_no_pairs(build):
    with pytest.raises(ValueError, match="n_fields must be a whole number >= 2"):
        build()


def test_ffm_needs_a_multiple_of_the_fields():
    with pytest.raises(ValueError, match="a multiple of the 4 fields, got 6"):
        FFM(Embedding(SIZES, 6))


@pytest.mark.parametrize("n", [0, 1.5])
def test_bad_counts_are_refused(n):
    with pytest.raises(ValueError, match="n_hidden must be"):
        AFM(Embedding(SIZES, 3), n)


def test_learned_needs_two_fields():
    with pytest.raises(ValueError, match="two fields, got 1 twice"):
        learned(Embedding(SIZES, 3), 1, 1)


@pytest.mark.parametrize(
    "model", [FM(Embedding(SIZES, 3)), FFM(Embedding(SIZES, 8)), AFM(Embedding(SIZES, 3))]
)
@pytest.mark.parametrize("ids", [IDS[:, :3], IDS + 9, IDS.double(), IDS[:0]])
def test_bad_ids_are_refused(model, ids):
    with pytest.raises(ValueError, match="ids"):
        model(ids)


def test_weights_that_are_not_finite_are_refused():
    model = FM(Embedding(SIZES, 3))
    with torch.no_grad():
        model.embedding.weight[0] = math.nan
    with pytest.raises(ValueError, match="finite"):
        model(torch.zeros(1, 4, dtype=torch.int64))


# ---- how it starts -------------------------------------------------------------------------------


def test_attention_starts_spread_over_what_is_stated():
    starts(lambda g: AFM(embedded(36), 50, g).weight, 36)
    model = AFM(embedded(5))
    assert model.weight.shape == (8, 5) and model.bias.tolist() == [0] * 8
    assert model.score.tolist() == [0] * 8 and model.projection.tolist() == [6] * 5
