"""Small networks: mlp against its matrices, TimeMLP against its features by hand."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from helpers.nets import TimeMLP, mlp


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def stirred(dim=2, **options):
    """A network whose last layer is no longer 0, in float64."""
    net = TimeMLP(dim, hidden=(8, 6), generator=generator(), **options).double()
    with torch.no_grad():
        for p in net.parameters():
            p.add_(torch.randn(p.shape, generator=generator(1), dtype=p.dtype))
    return net


def test_mlp_is_alternating_linear_maps():
    net = mlp([3, 5, 4, 2], activation=nn.Tanh, generator=generator())
    x = torch.randn(7, 3, generator=generator(1))
    maps = [layer for layer in net if isinstance(layer, nn.Linear)]
    assert [tuple(m.weight.shape) for m in maps] == [(5, 3), (4, 5), (2, 4)]
    h = x
    for m in maps[:-1]:
        h = torch.tanh(h @ m.weight.T + m.bias)
    torch.testing.assert_close(net(x), h @ maps[-1].weight.T + maps[-1].bias)
    zero = mlp([3, 5, 2], zero_last=True, generator=generator())
    assert torch.equal(zero(x), torch.zeros(7, 2))


def test_mlp_starts_uniform():
    """U(-1/sqrt(n), 1/sqrt(n)): the bounds are reached and kept, the variance is 1/(3n)."""
    for n in (16, 400):
        (linear,) = mlp([n, 300], generator=generator())
        for values in (linear.weight, linear.bias):
            assert 0.97 < values.abs().max().item() * math.sqrt(n) <= 1
        assert linear.weight.var().item() * 3 * n == pytest.approx(1, rel=0.05)


def test_mlp_shapes_and_zero_start():
    net = mlp([3, 8, 2], activation=nn.Tanh, zero_last=True, generator=generator())
    assert [type(layer).__name__ for layer in net] == ["Linear", "Tanh", "Linear"]
    assert torch.equal(net(torch.randn(5, 3)), torch.zeros(5, 2))


def test_time_enters_as_waves():
    """sin and cos of pi t, 2 pi t, 4 pi t, 8 pi t beside x, then SiLU layers: all by hand."""
    net, x = stirred(), torch.randn(5, 2, generator=generator(2), dtype=torch.float64)
    t = torch.rand(5, generator=generator(3), dtype=torch.float64)
    angles = [math.pi * t * 2**k for k in range(4)]
    h = torch.stack([*x.T, *map(torch.sin, angles), *map(torch.cos, angles)], 1)
    first, second, third = (layer for layer in net.body if isinstance(layer, nn.Linear))
    for layer in (first, second):
        z = h @ layer.weight.T + layer.bias
        h = z / (1 + (-z).exp())
    expected = h @ third.weight.T + third.bias
    torch.testing.assert_close(net(x, t), expected, atol=1e-6, rtol=1e-6)
    assert third.weight.shape == (2, 6) and first.weight.shape == (8, 2 + 2 * 4)
    assert stirred(n_frequencies=0).body[0].weight.shape == (8, 2)


def test_a_scalar_time_serves_the_whole_batch():
    net, x = stirred(), torch.randn(5, 2, generator=generator(2), dtype=torch.float64)
    expected = net(x, torch.full((5,), 0.3, dtype=torch.float64))
    for t in (0.3, torch.tensor(0.3, dtype=torch.float64)):
        torch.testing.assert_close(net(x, t), expected, atol=0, rtol=0)
    assert (net(x, 0.3) - net(x, 0.31)).abs().max() > 1e-3


def test_every_row_has_its_own_time():
    """Row i of the output is of x_i and t_i alone."""
    net, x = stirred(), torch.randn(6, 2, generator=generator(2), dtype=torch.float64)
    t = torch.rand(6, generator=generator(3), dtype=torch.float64)
    rows = torch.cat([net(x[i : i + 1], t[i]) for i in range(6)])
    torch.testing.assert_close(net(x, t), rows)


def test_time_network_starts_as_zero():
    """Zero output, but not zero slopes: the first step of training can move the last layer."""
    net = TimeMLP(3, generator=generator())
    x, t = torch.randn(4, 3, generator=generator(1)), torch.rand(4, generator=generator(2))
    assert torch.equal(net(x, t), torch.zeros(4, 3))
    (net(x, t) - x).square().sum().backward()
    assert net.body[-1].weight.grad.abs().max() > 0.1
    assert [m.out_features for m in net.body if isinstance(m, nn.Linear)] == [128, 128, 128, 3]


def test_weights_come_from_the_generator():
    before = torch.get_rng_state()
    first, again, other = (TimeMLP(2, generator=generator(s)).state_dict() for s in (3, 3, 4))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["body.0.weight"], other["body.0.weight"])
    assert not torch.equal(first["body.0.bias"], other["body.0.bias"])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_output_has_the_dtype_of_x(dtype):
    """Whatever the time comes in: a step number over T, a float64 clock, a Python number."""
    net, x = TimeMLP(2, generator=generator()).to(dtype), torch.ones(3, 2, dtype=dtype)
    for t in (0.5, 1, torch.tensor(1), torch.arange(3) / 3, torch.ones(3, dtype=torch.float64)):
        assert net(x, t).dtype == dtype and net(x, t).shape == (3, 2)


SHAPES = st.lists(st.integers(0, 4), max_size=3).map(tuple)


@given(SHAPES, SHAPES)
@settings(max_examples=150)
def test_any_shapes_are_taken_or_named(x_shape, t_shape):
    net, x, t = (
        TimeMLP(2, hidden=(4,), generator=generator()),
        torch.ones(x_shape),
        torch.ones(t_shape),
    )
    if len(x_shape) != 2 or x_shape[1] != 2:
        with pytest.raises(ValueError, match=r"x must be \(B, 2\), got"):
            net(x, t)
    elif t_shape not in ((), x_shape[:1]):
        with pytest.raises(ValueError, match="t must be a scalar or"):
            net(x, t)
    else:
        assert net(x, t).shape == x_shape


def test_bad_sizes():
    for sizes in ((0,), (2.0,), (-1,), (8, 0)):
        with pytest.raises(ValueError, match="two or more positive whole numbers"):
            TimeMLP(2, hidden=sizes)
        with pytest.raises(ValueError, match="two or more positive whole numbers"):
            mlp([2, *sizes, 1])
    with pytest.raises(ValueError, match="two or more positive whole numbers"):
        TimeMLP(0)
    with pytest.raises(ValueError, match="n_frequencies must be at least 0, got -1"):
        TimeMLP(2, n_frequencies=-1)


@pytest.mark.parametrize(
    ("x_shape", "t_shape", "message"),
    [
        ((3,), (), "got 1 axes"),
        ((3, 2, 1), (), "got 3 axes"),
        ((3, 1), (), r"\(B, 2\), got \(3, 1\)"),
        ((3, 2), (1,), r"scalar or \(3,\), got \(1,\)"),
        ((3, 2), (2,), r"scalar or \(3,\), got \(2,\)"),
        ((3, 2), (3, 1), r"scalar or \(3,\), got \(3, 1\)"),
        ((1, 2), (1, 1), r"scalar or \(1,\), got \(1, 1\)"),
    ],
)
def test_one_wrong_shape_at_a_time(x_shape, t_shape, message):
    net = TimeMLP(2, hidden=(4,), generator=generator())
    with pytest.raises(ValueError, match=message):
        net(torch.ones(x_shape), torch.ones(t_shape))


@pytest.mark.parametrize(
    ("sizes", "message"),
    [([], "two or more"), ([3], "two or more"), ([2, 3, 1.5], "ints"), ([2, 3, 0], "above 0")],
)
def test_sizes_are_refused_for_what_they_are(sizes, message):
    with pytest.raises(ValueError, match=message):
        mlp(sizes)


def test_the_parts_of_a_network_start_apart():
    """Rows, layers, weights and biases are each a draw of their own."""
    first, _, second = mlp([16, 16, 16], generator=generator())
    assert len(first.weight.unique()) == 256 and len(first.bias.unique()) == 16
    assert not torch.equal(first.weight, second.weight)
    assert abs(first.weight.mean()) < 0.05 and first.weight.min() < -0.2


def test_ramps_and_four_frequencies_unless_told():
    assert isinstance(mlp([2, 3, 1])[1], nn.ReLU)
    assert mlp([2, 3, 1], generator=generator())[-1].weight.any()
    expected = torch.tensor([1.0, 2.0, 4.0, 8.0]) * math.pi
    torch.testing.assert_close(TimeMLP(2).frequencies, expected)
