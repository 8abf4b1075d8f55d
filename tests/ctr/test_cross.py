"""Cross networks, CIN and attention against loops in float64, and what they can and cannot say."""

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
    network,
    seeded,
    starts,
    two,
    vectors,
)

from helpers.ctr.cross import DCN, CrossV1, CrossV2
from helpers.ctr.embedding import Embedding, bi_interaction
from helpers.ctr.fieldwise import CIN, AutoInt, Interacting, XDeepFM
from helpers.ctr.fm import FwFM

N = len(IDS)
X0 = vectors(5, 6)


# ---- each is its equation ------------------------------------------------------------------------


def test_cross_v1_layer_by_layer():
    cross = filled(CrossV1(6, 3))
    for b in range(5):
        x = X0[b]
        for w, bias in zip(cross.weight.detach(), cross.bias.detach(), strict=True):
            scalar = inner(x, w)
            x = torch.stack([X0[b, i] * scalar + bias[i] + x[i] for i in range(6)])
        torch.testing.assert_close(cross(X0)[b].detach(), x)


@pytest.mark.parametrize("rank", [None, 2])
def test_cross_v2_layer_by_layer(rank):
    cross = filled(CrossV2(6, 3, rank=rank))
    for b in range(5):
        x = X0[b]
        for layer in range(3):
            weight = cross.weight[layer].detach()
            if rank is not None:
                assert weight.shape == (6, 2)
                weight = weight @ cross.down[layer].detach()
            bias = cross.bias[layer].detach()
            x = torch.stack([X0[b, i] * (inner(weight[i], x) + bias[i]) + x[i] for i in range(6)])
        torch.testing.assert_close(cross(X0)[b].detach(), x)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("hidden", [(), (4, 3)])
def test_dcn_adds_two_networks_side_by_side(version, hidden):
    model, rows = filled(DCN(embedded(3), version, 2, hidden)), []
    x = model.embedding(IDS).flatten(1).detach()
    assert isinstance(model.cross, (CrossV1, CrossV2)[version - 1])
    for b in range(N):
        sides = model.cross(x[b : b + 1])[0].tolist()
        sides += network(model.net, x[b]) if hidden else []
        rows.append(network(model.out, torch.tensor(sides, dtype=F64))[0])
    agrees(model, IDS, rows)


def test_cin_by_loops():
    cin, x = filled(CIN(4, (3, 2))), vectors(2, 4, 5)
    for b in range(2):
        above, sums = x[b], []
        for weight in cin.weights:
            layer = torch.zeros(len(weight), 5, dtype=F64)
            for h in range(len(weight)):
                for i in range(len(above)):
                    for j in range(4):
                        layer[h] += weight[h, i, j].detach() * above[i] * x[b, j]
            above = layer
            sums += [math.fsum(row) for row in layer.tolist()]
        torch.testing.assert_close(cin(x)[b].detach(), torch.tensor(sums, dtype=F64))


@pytest.mark.parametrize("hidden", [(), (4,)])
def test_xdeepfm_is_a_sum_of_three(hidden):
    model, rows = filled(XDeepFM(embedded(3), (3, 2), hidden)), []
    x = model.embedding(IDS).detach()
    for b in range(N):
        total = first_order(model, IDS, b) + network(model.out, model.cin(x[b : b + 1])[0])[0]
        rows.append(total + (network(model.net, x[b].flatten())[0] if hidden else 0.0))
    agrees(model, IDS, rows)


def test_attention_among_fields_by_loops():
    layer, x = filled(Interacting(5, 2, 6)), vectors(2, 4, 5)
    for b in range(2):
        q, k, v, r = (
            x[b] @ m.detach() for m in (layer.query, layer.key, layer.value, layer.residual)
        )
        for f in range(4):
            out = []
            for head in (slice(0, 3), slice(3, 6)):
                scores = [math.exp(inner(q[f, head], k[g, head])) for g in range(4)]
                shares = torch.tensor([s / sum(scores) for s in scores], dtype=F64)
                found = layer.attention(x)[b, head.start // 3, f].detach()
                torch.testing.assert_close(found, shares)
                out += [inner(shares, v[:, head][:, i]) for i in range(3)]
            expected = [max(o + r[f, i].item(), 0.0) for i, o in enumerate(out)]
            torch.testing.assert_close(
                layer(x)[b, f].detach(), torch.tensor(expected, dtype=F64)
            )  # fmt: skip


def test_autoint_stacks_attention():
    model = filled(AutoInt(embedded(4), 2, 2))
    x = model.embedding(IDS)
    for layer in model.layers:
        x = layer(x)
    rows = [network(model.out, x[b].flatten().detach())[0] for b in range(N)]
    assert len(model.layers) == 2
    agrees(model, IDS, rows)


# ---- what they can and cannot say -------------------------------------------------------------


def test_cross_v1_without_bias_is_x0_times_a_number():
    """The number is the product over the layers of 1 + x_0 . w."""
    cross = filled(CrossV1(6, 4, bias=False))
    assert cross.bias is None
    for b in range(5):
        number = math.prod(1 + inner(X0[b], w) for w in cross.weight.detach())
        torch.testing.assert_close(cross(X0)[b].detach(), number * X0[b])


def test_cross_v1_with_bias_is_x0_times_a_number_plus_a_constant():
    """The constant is the sum of the biases, whatever x_0."""
    cross = filled(CrossV1(6, 4))
    rest = cross(X0).detach() - cross.bias.detach().sum(0)
    number = (rest * X0).sum(1) / X0.square().sum(1)
    torch.testing.assert_close(rest, number[:, None] * X0)


def test_cross_v2_is_no_multiple_of_x0():
    cross = filled(CrossV2(6, 1, bias=False))
    out = cross(X0).detach()
    number = (out * X0).sum(1) / X0.square().sum(1)
    assert ((out - number[:, None] * X0).norm(dim=1) > 0.1).all()


def test_cross_v2_with_equal_rows_is_v1():
    """W = 1 w: every coordinate sees the same scalar. In rank one, U = 1 and V = w."""
    v1 = filled(CrossV1(6, 3, bias=False))
    full = CrossV2(6, 3, bias=False).double()
    thin = CrossV2(6, 3, rank=1, bias=False).double()
    with torch.no_grad():
        full.weight.copy_(v1.weight[:, None].expand(3, 6, 6))
        thin.weight.fill_(1.0)
        thin.down.copy_(v1.weight[:, None])
    torch.testing.assert_close(full(X0), v1(X0))
    torch.testing.assert_close(thin(X0), v1(X0))


def test_cross_v2_of_full_rank_is_the_full_matrix():
    full, thin = filled(CrossV2(6, 2)), CrossV2(6, 2, rank=6).double()
    with torch.no_grad():
        thin.weight.copy_(full.weight)
        thin.down.copy_(torch.eye(6, dtype=F64).expand(2, 6, 6))
        thin.bias.copy_(full.bias)
    torch.testing.assert_close(thin(X0), full(X0))


def test_one_layer_of_cross_v2_holds_fwfm():
    """Blocks r_fg I above the diagonal: the sum of what the layer adds is FwFM's pairs."""
    fwfm = filled(FwFM(embedded(3)))
    x = fwfm.embedding(IDS).flatten(1)
    cross = CrossV2(12, 1, bias=False).double()
    with torch.no_grad():
        cross.weight.zero_()
        for r, (f, g) in zip(fwfm.strength, two(4), strict=True):
            cross.weight[0, 3 * f : 3 * f + 3, 3 * g : 3 * g + 3] = r * torch.eye(3, dtype=F64)
    torch.testing.assert_close((cross(x) - x).sum(1), fwfm(IDS) - fwfm.linear(IDS))


def test_two_layers_of_cross_v2_hold_a_triple():
    """A 1 and a bias of -1 in each layer: c sees b - 1, then a sees c b - 1; a b c is left."""
    cross, (a, b, c) = CrossV2(6, 2).double(), (0, 2, 5)
    with torch.no_grad():
        cross.weight.zero_()
        cross.bias.zero_()
        for layer, row, seen in ((0, c, b), (1, a, c)):
            cross.weight[layer, row, seen], cross.bias[layer, row] = 1.0, -1.0
    torch.testing.assert_close(cross(X0)[:, a], X0[:, a] * X0[:, b] * X0[:, c])


def test_one_map_of_cin_holds_fm():
    """W = 1 above the diagonal and 0 elsewhere: the map is FM's sum over pairs."""
    cin, x = CIN(4, (1,)).double(), vectors(3, 4, 5)
    with torch.no_grad():
        cin.weights[0][0] = torch.ones(4, 4, dtype=F64).triu(1)
    torch.testing.assert_close(cin(x)[:, 0], bi_interaction(x).sum(1))


@pytest.mark.parametrize(
    ("network_of", "degree"),
    [
        (lambda n: CrossV1(6, n, bias=False), lambda n: n + 1),
        (lambda n: CrossV2(6, n, bias=False), lambda n: n + 1),
        (lambda n: CIN(3, (2,) * n), lambda n: n + 1),
    ],
    ids=["v1", "v2", "CIN"],
)
@pytest.mark.parametrize("n_layers", [1, 2, 3])
def test_n_layers_have_degree_n_plus_one(network_of, degree, n_layers):
    """Along a line s x they are polynomials in s: differences beyond the degree vanish."""
    made, highest = filled(network_of(n_layers)), degree(n_layers)
    x = vectors(3, 3, 2) if isinstance(made, CIN) else vectors(3, 6)
    values = torch.stack([made(s * x).sum(1) for s in torch.arange(7.0, dtype=F64)]).detach()
    rows = [values]
    while len(rows[-1]) > 1:
        rows.append(rows[-1].diff(dim=0))
    scale = values.abs().max()
    assert (rows[highest].abs() > 1e-3).all()
    assert rows[highest + 1].abs().max() < 1e-9 * scale


@pytest.mark.parametrize("build", [lambda e, g: DCN(e, 1, generator=g),
                                   lambda e, g: DCN(e, 2, rank=2, generator=g),
                                   lambda e, g: XDeepFM(e, generator=g),
                                   lambda e, g: AutoInt(e, generator=g)])  # fmt: skip
def test_the_same_generator_gives_the_same_model(build):
    one, again, other = (build(embedded(4), seeded(s)).double() for s in (3, 3, 4))
    assert torch.equal(one(IDS), again(IDS)) and not torch.equal(one(IDS), other(IDS))


# ---- bad input ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: CrossV1(0), "dim must be a positive whole number, got 0"),
        (lambda: CrossV1(4, 0), "n_layers must be"),
        (lambda: CrossV2(4, 1, rank=0), "rank must be a positive whole number, got 0"),
        (lambda: CrossV2(4, 1.5), "n_layers must be"),
        (lambda: DCN(Embedding(SIZES, 2), 3), "version must be 1 or 2, got 3"),
        (lambda: DCN(Embedding(SIZES, 2), 1, rank=2), "rank must be None for version 1, got 2"),
        (lambda: CIN(4, ()), "layers must be a positive"),
        (lambda: CIN(4, (2, 0)), "maps must be a positive whole number, got 0"),
        (lambda: CIN(0, (2,)), "n_fields must be"),
        (lambda: Interacting(5, 2), "n_heads must divide the 5 outputs, got 2"),
        (lambda: Interacting(5, 0), "n_heads must be a positive"),
        (lambda: AutoInt(Embedding(SIZES, 4), 0), "n_layers must be"),
    ],
)
def test_bad_settings_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize("cross", [CrossV1(6), CrossV2(6), CrossV2(6, rank=2)])
@pytest.mark.parametrize(
    "x", [torch.zeros(3, 5), torch.zeros(6), torch.zeros(0, 6), torch.zeros(3, 6).long()]
)
def test_bad_vectors_are_refused(cross, x):
    with pytest.raises(ValueError, match=r"x must be floats \(B, 6\), not empty"):
        cross(x)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.zeros(3, 5, 2), "x must have 4 fields, got 5"),
        (torch.zeros(3, 4), r"floats \(B, F, D\)"),
        (torch.zeros(0, 4, 2), "not empty"),
    ],
)
def test_bad_fields_are_refused(x, message):
    with pytest.raises(ValueError, match=message):
        CIN(4, (2,))(x)
    if x.ndim != 3 or len(x) == 0:
        with pytest.raises(ValueError, match=message):
            Interacting(2)(x)


@pytest.mark.parametrize(
    "model", [DCN(Embedding(SIZES, 2)), XDeepFM(Embedding(SIZES, 2)), AutoInt(Embedding(SIZES, 2))]
)
@pytest.mark.parametrize("ids", [IDS[:, :3], IDS + 9, IDS.double(), IDS[:0]])
def test_bad_ids_are_refused(model, ids):
    with pytest.raises(ValueError, match="ids"):
        model(ids)


# ---- how it starts -------------------------------------------------------------------------------


STARTS = {
    "v1": (lambda g: CrossV1(900, 3, generator=g).weight, 900),
    "v2": (lambda g: CrossV2(36, 3, generator=g).weight, 36),
    "v2-up": (lambda g: CrossV2(400, 3, rank=9, generator=g).weight, 9),
    "v2-down": (lambda g: CrossV2(400, 3, rank=9, generator=g).down, 400),
    "cin-first": (lambda g: CIN(9, (40, 16), g).weights[0], 81),
    "cin-second": (lambda g: CIN(9, (40, 16), g).weights[1], 360),
    "query": (lambda g: Interacting(64, 2, generator=g).query, 64),
    "key": (lambda g: Interacting(64, 2, generator=g).key, 64),
    "value": (lambda g: Interacting(64, 2, generator=g).value, 64),
    "residual": (lambda g: Interacting(64, 2, generator=g).residual, 64),
    "narrow": (lambda g: Interacting(64, 2, 16, generator=g).query, 64),
    "dcn-1": (lambda g: DCN(embedded(200), 1, generator=g).cross.weight, 800),
    "dcn-2": (lambda g: DCN(embedded(9), generator=g).cross.weight, 36),
    "dcn-net": (lambda g: DCN(embedded(9), generator=g).net[0].weight, 36),
    "xdeepfm-cin": (lambda g: XDeepFM(embedded(9), (40, 40), generator=g).cin.weights[1], 160),
    "xdeepfm-net": (lambda g: XDeepFM(embedded(9), generator=g).net[0].weight, 36),
    "autoint": (lambda g: AutoInt(embedded(64), generator=g).layers[1].key, 64),
}  # what is drawn, and the number of its inputs


@pytest.mark.parametrize("name", STARTS)
def test_weights_start_spread_over_what_is_stated(name):
    starts(*STARTS[name])


def test_biases_start_at_zero_and_the_matrices_of_attention_differ():
    assert not CrossV1(6).bias.any() and not CrossV2(6).bias.any()
    layer = Interacting(6, 2, generator=seeded())
    drawn = [layer.query, layer.key, layer.value, layer.residual]
    assert all(not torch.equal(drawn[i], drawn[j]) for i, j in two(4))


def test_what_is_not_said_is_two_layers():
    assert CrossV1(6).weight.shape == (2, 6) and CrossV1(6).bias.shape == (2, 6)
    assert CrossV2(6).weight.shape == (2, 6, 6) and CrossV2(6).bias.shape == (2, 6)
    assert CrossV2(6).down is None and CrossV2(6, rank=3).down.shape == (2, 3, 6)
    model = DCN(embedded(3))
    assert isinstance(model.cross, CrossV2) and model.cross.weight.shape == (2, 12, 12)
    assert [w.shape for w in XDeepFM(embedded(3)).cin.weights] == [(8, 4, 4), (8, 8, 4)]
    assert len(AutoInt(embedded(4)).layers) == 2 and AutoInt(embedded(4)).layers[0].n_heads == 2
    assert Interacting(6).n_heads == 2 and Interacting(6).query.shape == (6, 6)


@pytest.mark.parametrize("build", [DCN, XDeepFM])
def test_what_is_not_said_is_hidden_64_and_32(build):
    widths = [m.out_features for m in build(embedded(3)).net if isinstance(m, torch.nn.Linear)]
    assert widths[:2] == [64, 32]
