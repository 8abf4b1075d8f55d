"""Couplings, scaling and the 1x1 convolution, against loops, autograd and closed forms."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from helpers.flows.likelihood import Gaussian, Logistic
from helpers.flows.nice import (
    AdditiveCoupling,
    AffineCoupling,
    Conv1x1,
    Scaling,
    merge,
    nice,
    split,
)
from helpers.nets import mlp


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def points(n=5, dim=6, seed=0, tail=()):
    return torch.randn(n, dim, *tail, generator=generator(seed), dtype=torch.float64)


def net(n_in, n_out, seed=0):
    return mlp([n_in, 16, n_out], activation=nn.Tanh, generator=generator(seed)).double()


def layers(dim=6):
    scaling = Scaling(dim).double()
    nn.init.uniform_(scaling.log_scale, -1, 1, generator=generator(4))
    conv = Conv1x1(dim, generator(5)).double()
    with torch.no_grad():  # away from the rotation it starts as
        conv.weight.add_(0.3 * torch.randn(dim, dim, generator=generator(6), dtype=torch.float64))
    half = dim // 2
    return {
        "additive": AdditiveCoupling(net(half, half)),
        "additive, flipped": AdditiveCoupling(net(half, half), flip=True),
        "affine": AffineCoupling(net(half, dim)),
        "affine, flipped": AffineCoupling(net(half, dim), flip=True),
        "scaling": scaling,
        "conv": conv,
    }


NAMES = list(layers())


def jacobian(layer, row):
    return torch.autograd.functional.jacobian(lambda v: layer(v[None])[0].flatten(), row)


@pytest.mark.parametrize("name", NAMES)
def test_log_det_equals_autograd(name):
    layer = layers()[name]
    x = points()
    _, log_det = layer(x)
    assert log_det.shape == (5,)
    for row, found in zip(x, log_det, strict=True):
        expected = torch.linalg.slogdet(jacobian(layer, row)).logabsdet
        assert found.item() == pytest.approx(expected.item(), abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_inverse_undoes_forward(name):
    layer = layers()[name]
    x = points()
    torch.testing.assert_close(layer.inverse(layer(x)[0]), x, atol=1e-12, rtol=0)
    torch.testing.assert_close(layer(layer.inverse(x))[0], x, atol=1e-12, rtol=0)


@pytest.mark.parametrize("flip", [False, True])
def test_additive_coupling_number_by_number(flip):
    """Every coordinate of the definition, in plain loops."""
    m = net(3, 3)
    x = points()
    y, log_det = AdditiveCoupling(m, flip)(x)
    kept = [1, 3, 5] if flip else [0, 2, 4]
    changed = [0, 2, 4] if flip else [1, 3, 5]
    for b in range(len(x)):
        shift = m(x[b, kept])
        for j in range(3):
            assert y[b, kept[j]] == x[b, kept[j]]
            assert y[b, changed[j]].item() == pytest.approx((x[b, changed[j]] + shift[j]).item())
    assert torch.equal(log_det, torch.zeros(5, dtype=torch.float64))


@pytest.mark.parametrize("flip", [False, True])
def test_affine_coupling_number_by_number(flip):
    layer = AffineCoupling(net(3, 6), flip, bound=1.5)
    x = points()
    y, log_det = layer(x)
    kept, changed = ([1, 3, 5], [0, 2, 4]) if flip else ([0, 2, 4], [1, 3, 5])
    for b in range(len(x)):
        out = layer.net(x[b, kept][None])[0]
        shift, log_scale = out[:3], 1.5 * torch.tanh(out[3:] / 1.5)
        assert torch.equal(y[b, kept], x[b, kept])
        torch.testing.assert_close(y[b, changed], x[b, changed] * log_scale.exp() + shift)
        assert log_det[b].item() == pytest.approx(log_scale.sum().item())


def test_coupling_jacobian_is_triangular_with_unit_diagonal():
    """In the order kept, changed: ones on the diagonal, zeros above it, m's slope below."""
    layer = AdditiveCoupling(net(3, 3))
    row = points(1)[0]
    order = [0, 2, 4, 1, 3, 5]
    j = jacobian(layer, row)[order][:, order]
    assert torch.equal(j[:3, :3], torch.eye(3, dtype=torch.float64))
    assert torch.equal(j[:3, 3:], torch.zeros(3, 3, dtype=torch.float64))
    assert torch.equal(j[3:, 3:], torch.eye(3, dtype=torch.float64))
    slope = torch.autograd.functional.jacobian(lambda v: layer.net(v[None])[0], row[[0, 2, 4]])
    torch.testing.assert_close(j[3:, :3], slope)
    assert slope.abs().min() > 1e-3


def test_three_couplings_mix_everything():
    """How many outputs see how many inputs: one coupling, two, three."""

    def pattern(n):
        flow = nice(6, n_couplings=n, hidden=(16,), generator=generator()).double()
        with torch.no_grad():
            for p in flow.parameters():
                p.add_(0.5 * torch.randn(p.shape, generator=generator(n), dtype=p.dtype))
        return jacobian(flow, points(1)[0]).abs() > 1e-9

    even, odd = [0, 2, 4], [1, 3, 5]
    eye = torch.eye(3, dtype=torch.bool)
    assert torch.equal(pattern(1)[even][:, even], eye) and not pattern(1)[even][:, odd].any()
    two = pattern(2)
    assert two[even].all() and torch.equal(two[odd][:, odd], eye)
    assert pattern(3).all()


def test_additive_couplings_keep_volume_and_peak():
    """Without scaling no point's density can exceed the prior's peak."""
    flow = nice(4, hidden=(16,), prior=Gaussian(), generator=generator()).double()
    with torch.no_grad():
        for p in flow.layers[:-1].parameters():
            p.add_(torch.randn(p.shape, generator=generator(1), dtype=p.dtype))
    x = points(2000, 4)
    _, log_det = flow(x)
    assert torch.equal(log_det, torch.zeros(2000, dtype=torch.float64))
    peak = Gaussian().log_prob(torch.zeros(4)).sum()
    assert flow.log_prob(x).max() < peak
    top = flow.inverse(torch.zeros(1, 4, dtype=torch.float64))
    assert flow.log_prob(top).item() == pytest.approx(peak.item())


def test_scaling():
    scaling = Scaling(3).double()
    x = points(4000, 3) * torch.tensor([0.1, 1.0, 20.0], dtype=torch.float64)
    scaling.fit(x, std=2.0)
    y, log_det = scaling(x)
    torch.testing.assert_close(y.std(0), torch.full((3,), 2.0, dtype=torch.float64))
    expected = (2 / x.std(0)).log().sum()
    torch.testing.assert_close(log_det, expected.expand(4000))
    with pytest.raises(ValueError, match="dequantise"):
        scaling.fit(torch.zeros(10, 3, dtype=torch.float64))


@pytest.mark.parametrize("tail", [(), (5,), (2, 3)])
def test_conv1x1_counts_every_position(tail):
    conv = layers()["conv"]
    x = points(3, 6, tail=tail)
    y, log_det = conv(x)
    for b in range(3):
        flat_x, flat_y = x[b].reshape(6, -1), y[b].reshape(6, -1)
        for p in range(flat_x.shape[1]):
            torch.testing.assert_close(flat_y[:, p], conv.weight @ flat_x[:, p])
        expected = torch.linalg.slogdet(jacobian(conv, x[b]).reshape(x[b].numel(), -1)).logabsdet
        assert log_det[b].item() == pytest.approx(expected.item(), abs=1e-12)
    torch.testing.assert_close(conv.inverse(y), x, atol=1e-12, rtol=0)


def test_conv1x1_starts_as_a_rotation():
    weight = Conv1x1(8, generator()).weight.double()
    torch.testing.assert_close(
        weight @ weight.T, torch.eye(8, dtype=torch.float64), atol=1e-6, rtol=0
    )


def test_couplings_work_on_images():
    class Channelwise(nn.Module):
        def forward(self, x):
            return x.square()

    layer = AdditiveCoupling(Channelwise(), flip=True)
    x = points(2, 4, tail=(3, 3))
    y, log_det = layer(x)
    torch.testing.assert_close(y[:, 0::2], x[:, 0::2] + x[:, 1::2].square())
    assert log_det.shape == (2,)
    torch.testing.assert_close(layer.inverse(y), x)


def test_nice_starts_as_the_identity_and_alternates():
    flow = nice(6, n_couplings=5, generator=generator())
    assert [layer.flip for layer in flow.layers[:-1]] == [False, True, False, True, False]
    x = points().float()
    z, log_det = flow(x)
    assert torch.equal(z, x) and torch.equal(log_det, torch.zeros(5))
    assert isinstance(flow.prior, Logistic)
    same = nice(6, n_couplings=5, generator=generator())
    for a, b in zip(flow.parameters(), same.parameters(), strict=True):
        assert torch.equal(a, b)


def test_randomness_comes_from_the_generator_alone():
    before = torch.get_rng_state()
    flow = nice(4, generator=generator())
    flow.sample(3, generator=generator())
    Conv1x1(4, generator())
    assert torch.equal(before, torch.get_rng_state())


def test_inverse_in_float32():
    """The promise of the chapter: less than 1e-5 in single precision."""
    flow = nice(64, generator=generator())
    with torch.no_grad():
        for p in flow.parameters():
            p.add_(0.05 * torch.randn(p.shape, generator=generator(1)))
    x = torch.rand(200, 64, generator=generator(2))
    assert (flow.inverse(flow(x)[0]) - x).abs().max() < 1e-5


@settings(max_examples=60, deadline=None)
@given(
    half=st.integers(1, 5),
    batch=st.integers(1, 4),
    flip=st.booleans(),
    tail=st.lists(st.integers(1, 3), max_size=2),
)
def test_merge_undoes_split(half, batch, flip, tail):
    x = points(batch, 2 * half, tail=tail)
    kept, changed = split(x, flip)
    assert kept.shape == changed.shape == (batch, half, *tail)
    assert torch.equal(merge(kept, changed, flip), x)
    assert torch.equal(kept, x[:, 1::2] if flip else x[:, 0::2])


def test_bad_input():
    for call in (
        lambda: nice(3),
        lambda: nice(0),
        lambda: nice(2.0),
        lambda: AdditiveCoupling(nn.Identity())(torch.zeros(2, 3)),
        lambda: AdditiveCoupling(nn.Identity())(torch.zeros(4)),
    ):
        with pytest.raises(ValueError, match="dim must be even to split in halves, got"):
            call()
    with pytest.raises(ValueError, match="n_couplings must be at least 1, got 0"):
        nice(2, n_couplings=0)
    for bound in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="bound must be positive, got"):
            AffineCoupling(nn.Identity(), bound=bound)
    with pytest.raises(ValueError, match="sizes must be two or more"):
        mlp([3])
