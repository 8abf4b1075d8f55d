"""The small U-Net against the same network computed from its weights by matrices and loops."""

import pytest
import torch

from helpers.flows.unet import GROUPS, Attention, Residual, UNet, conv


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def stirred(module, seed=1):
    """The module in float64 with all weights moved, so that nothing is 0 any more."""
    with torch.no_grad():
        for p in module.double().parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=generator(seed), dtype=p.dtype))
    return module


def randn(*shape, seed=2):
    return torch.randn(shape, generator=generator(seed), dtype=torch.float64)


# The same network, written out from its weights --------------------------------------------------


def linear(x, w, name):
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def convolved(x, w, name):
    """A sum over the kernel's places of shifted images times matrices."""
    weight, bias = w[f"{name}.weight"], w[f"{name}.bias"]
    reach = weight.shape[-1] // 2
    height, width = x.shape[2:]
    padded = x.new_zeros(*x.shape[:2], height + 2 * reach, width + 2 * reach)
    padded[:, :, reach : reach + height, reach : reach + width] = x
    total = bias[None, :, None, None].expand(len(x), -1, height, width).clone()
    for i in range(2 * reach + 1):
        for j in range(2 * reach + 1):
            shifted = padded[:, :, i : i + height, j : j + width]
            total += torch.einsum("bchw,oc->bohw", shifted, weight[:, :, i, j])
    return total


def normalised(x, w, name):
    groups = x.unflatten(1, (GROUPS, -1))
    mean = groups.mean((2, 3, 4), keepdim=True)
    variance = (groups - mean).square().mean((2, 3, 4), keepdim=True)
    y = ((groups - mean) / (variance + 1e-5).sqrt()).flatten(1, 2)
    return y * w[f"{name}.weight"][:, None, None] + w[f"{name}.bias"][:, None, None]


def silu(x):
    return x / (1 + (-x).exp())


def residual(x, time, w, name):
    h = convolved(silu(normalised(x, w, f"{name}.norms.0")), w, f"{name}.enter")
    scale, shift = linear(silu(time), w, f"{name}.time.0")[:, :, None, None].tensor_split(2, 1)
    h = normalised(h, w, f"{name}.norms.1") * (1 + scale) + shift
    h = convolved(silu(h), w, f"{name}.leave")
    wider = f"{name}.shortcut.weight" in w
    return h + (convolved(x, w, f"{name}.shortcut") if wider else x)


def attention(x, w, name):
    query, key, value = convolved(normalised(x, w, f"{name}.norm"), w, f"{name}.ask").chunk(3, 1)
    score = torch.einsum("bchw,bcij->bhwij", query, key) / query.shape[1] ** 0.5
    share = score.exp() / score.exp().sum((3, 4), keepdim=True)
    seen = torch.einsum("bhwij,bcij->bchw", share, value)
    return x + convolved(seen, w, f"{name}.tell")


def by_hand(net, x, t):
    """A U-Net of two levels."""
    w = net.state_dict()
    angle = t[:, None] * w["frequencies"]
    waves = torch.cat([angle.sin(), angle.cos()], 1)
    time = linear(silu(linear(waves, w, "time.0")), w, "time.2")
    high = residual(convolved(x, w, "first"), time, w, "down.0")
    halved = (high[..., ::2, ::2] + high[..., 1::2, ::2] + high[..., ::2, 1::2]
              + high[..., 1::2, 1::2]) / 4  # fmt: skip
    low = residual(halved, time, w, "down.1")
    h = residual(attention(residual(low, time, w, "enter"), w, "attend"), time, w, "leave")
    h = residual(torch.cat([h, low], 1), time, w, "up.0")
    doubled = h.repeat_interleave(2, 2).repeat_interleave(2, 3)
    h = residual(torch.cat([doubled, high], 1), time, w, "up.1")
    return convolved(silu(normalised(h, w, "norm")), w, "last")


def test_the_network_from_its_weights():
    net = stirred(UNet(2, (8, 16), n_frequencies=3, generator=generator()))
    x, t = randn(3, 2, 4, 6), torch.tensor([0.02, 0.4, 1.0], dtype=torch.float64)
    torch.testing.assert_close(net(x, t), by_hand(net, x, t))
    waves = torch.tensor([1.0, 1000**0.5, 1000.0], dtype=x.dtype)
    torch.testing.assert_close(net.frequencies, waves, rtol=1e-6, atol=0)


def test_parts_from_their_weights():
    x, time = randn(2, 8, 3, 5), randn(2, 6, seed=3)
    for n_out in (8, 16):
        block = stirred(Residual(8, n_out, 6, generator=generator()))
        expected = residual(x, time, {f"r.{k}": v for k, v in block.state_dict().items()}, "r")
        torch.testing.assert_close(block(x, time), expected)
    block = stirred(Attention(8, generator=generator()))
    expected = attention(x, {f"a.{k}": v for k, v in block.state_dict().items()}, "a")
    torch.testing.assert_close(block(x), expected)


def test_levels_meet_their_own():
    """Three levels, with the names of the blocks in the order in which they see which sides."""
    net, seen = UNet(1, (8, 8, 8), generator=generator()), []
    for name, block in net.named_modules():
        if isinstance(block, Residual):
            block.register_forward_hook(
                lambda _, inputs, out, name=name: seen.append((name, inputs[0], out))
            )
    net(torch.randn(2, 1, 8, 8, generator=generator()), 0.5)
    assert [(name, h.shape[2]) for name, h, _ in seen] == [
        *(("down.0", 8), ("down.1", 4), ("down.2", 2), ("enter", 2), ("leave", 2)),
        *(("up.0", 2), ("up.1", 4), ("up.2", 8)),
    ]
    for i in range(3):
        assert torch.equal(seen[5 + i][1][:, 8:], seen[2 - i][2])


def test_it_starts_simple():
    """0 as a whole, the shortcut or the identity in its parts."""
    net, x = UNet(generator=generator()), torch.randn(3, 1, 28, 28, generator=generator())
    assert torch.equal(net(x, torch.tensor(0.3)), torch.zeros_like(x))
    assert 0.9e6 < sum(p.numel() for p in net.parameters()) < 2e6
    y, time = randn(2, 8, 3, 5), randn(2, 6)
    assert torch.equal(Residual(8, 8, 6, generator=generator()).double()(y, time), y)
    assert torch.equal(Attention(8, generator=generator()).double()(y), y)


def test_weights_start_uniform():
    """U(-1/sqrt(n), 1/sqrt(n)) for n numbers that enter."""
    for side in (1, 3):
        layer = conv(16, 300, side, generator=generator())
        for values in (layer.weight, layer.bias):
            scaled = values * (16 * side**2) ** 0.5
            assert 0.97 < scaled.abs().max() <= 1 and abs(scaled.var() * 3 - 1) < 0.15
        zero = conv(16, 4, side, zero=True, generator=generator())
        assert not zero.weight.any() and not zero.bias.any()


def test_rows_do_not_see_each_other_and_a_time_may_be_shared():
    net, x = stirred(UNet(1, (8, 8), generator=generator())), randn(4, 1, 8, 8)
    t = torch.linspace(0, 1, 4, dtype=torch.float64)
    rows = [net(x[i : i + 1], t[i]) for i in range(4)]
    torch.testing.assert_close(net(x, t), torch.cat(rows))
    torch.testing.assert_close(net(x, 0.25), net(x, torch.full((4,), 0.25)))
    assert (net(x, 0.25) - net(x, 0.251)).abs().max() > 1e-3  # a thousandth can be told apart


def test_weights_come_from_the_generator_alone():
    before = torch.get_rng_state()
    a, b, c = (UNet(1, (8, 16), generator=generator(seed)) for seed in (5, 5, 6))
    assert torch.equal(before, torch.get_rng_state())
    alike = [torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True)]
    assert all(alike)
    assert not torch.equal(a.first.weight, c.first.weight)


@pytest.mark.parametrize(
    "bad, named",
    [
        (lambda: UNet(widths=()), "multiples of 8"),
        (lambda: UNet(widths=(8, 12)), "multiples of 8"),
        (lambda: UNet()(torch.zeros(2, 784), 0.5), r"\(2, 784\)"),
        (lambda: UNet()(torch.zeros(2, 3, 28, 28), 0.5), r"\(2, 3, 28, 28\)"),
        (lambda: UNet()(torch.zeros(2, 1, 30, 28), 0.5), "divisible by 4"),
        (lambda: UNet()(torch.zeros(2, 1, 28, 28), torch.zeros(3)), r"\(3,\)"),
        (lambda: UNet()(torch.zeros(2, 1, 28, 28), torch.zeros(2, 1)), r"\(2, 1\)"),
    ],
)
def test_errors(bad, named):
    with pytest.raises(ValueError, match=named):
        bad()


if torch.cuda.is_available():  # not skipped elsewhere: where there is no GPU there is no such test

    def test_it_is_the_same_on_a_gpu():
        net = stirred(UNet(1, (8, 16), generator=generator()))
        x, t = randn(4, 1, 8, 8), torch.tensor([0.1, 0.2, 0.7, 1.0], dtype=torch.float64)
        expected = net(x, t)
        torch.testing.assert_close(net.cuda()(x.cuda(), t.cuda()).cpu(), expected)


@pytest.mark.parametrize(
    ("widths", "named"),
    [((), "got none"), ((8, 0), "positive"), ((-8,), "positive"), ((8, 12), r"got \[8, 12\]")],
)
def test_widths_are_refused_for_what_they_are(widths, named):
    with pytest.raises(ValueError, match=named):
        UNet(widths=widths)


@pytest.mark.parametrize(
    ("x_shape", "t_shape", "named"),
    [
        ((2, 1, 8), (), "images"),
        ((2, 2, 8, 8), (), r"\(B, 1, H, W\)"),
        ((2, 1, 9, 8), (), "divisible by 2"),
        ((2, 1, 8, 9), (), "divisible by 2"),
        ((2, 1, 8, 8), (1,), r"scalar or \(2,\), got \(1,\)"),
    ],
)
def test_one_wrong_shape_at_a_time(x_shape, t_shape, named):
    with pytest.raises(ValueError, match=named):
        UNet(1, (8, 8))(torch.zeros(x_shape), torch.zeros(t_shape))


def test_the_parts_start_apart():
    """Every kernel is its own draw, on both sides of 0, and no block is another's copy."""
    net = UNet(1, (8, 8), generator=generator())
    assert len(net.first.weight.unique()) == net.first.weight.numel()
    assert net.first.weight.min() < 0 < net.first.weight.max()
    assert not torch.equal(net.down[0].enter.weight, net.down[1].enter.weight)
    assert not torch.equal(net.enter.enter.weight, net.leave.enter.weight)


def test_widths_and_waves_unless_told():
    net = UNet(generator=generator())
    assert [block.leave.out_channels for block in net.down] == [24, 48, 96]
    assert net.first.in_channels == 1 and len(net.frequencies) == 32
    assert net.time[0].out_features == 4 * 24
