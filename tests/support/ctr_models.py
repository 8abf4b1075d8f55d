"""What the tests of click models share: ids, models with random weights in float64, plain loops."""

import itertools

import torch

from helpers.ctr.embedding import Embedding

F64 = torch.float64
SIZES = (4, 2, 7, 3)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def vectors(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed), dtype=F64)


def example(n=7, sizes=SIZES, seed=0):
    """Ids (n, F), the first and last feature of every field among them."""
    columns = [torch.randint(s, (n,), generator=seeded(seed + 10 * f)) for f, s in enumerate(sizes)]
    ids = torch.stack(columns, 1)
    ids[0], ids[-1] = 0, torch.tensor(sizes) - 1
    return ids


IDS = example()


def embedded(dim=5, sizes=SIZES, seed=0):
    """An embedding whose vectors are of size one."""
    return Embedding(sizes, dim, std=1.0, generator=seeded(seed)).double()


def filled(model, seed=1):
    """The model in float64 with every parameter random, so that no term is hidden by a zero."""
    generator = seeded(seed)
    with torch.no_grad():
        for p in model.double().parameters():
            p.copy_(torch.randn(p.shape, generator=generator, dtype=F64) * 0.5)
    return model


def first_order(model, ids, b):
    """bias + the sum of one weight a feature, for example b, by a loop."""
    total = model.linear.bias.item()
    for f in range(ids.shape[1]):
        total += model.linear.weights.field(f)[ids[b, f], 0].item()
    return total


def starts(draw, width, seed=3):
    """draw(generator) is uniform within 1 / sqrt(width), from the generator, rows all different."""
    weight = draw(seeded(seed)).detach()
    bound = width**-0.5
    torch.testing.assert_close(weight.std().item(), bound / 3**0.5, atol=0, rtol=0.05)
    assert 0.97 * bound < weight.abs().max() <= bound
    assert abs(weight.mean().item()) < 0.1 * bound
    rows = weight.flatten(0, -2)
    assert len(rows.unique(dim=0)) == len(rows)
    assert len(rows.mT.unique(dim=0)) == rows.shape[1]
    assert torch.equal(weight, draw(seeded(seed)).detach())
    assert not torch.equal(weight, draw(seeded(seed + 1)).detach())


def two(n):
    """The pairs f < g."""
    return list(itertools.combinations(range(n), 2))


def inner(u, v):
    """An inner product by a loop."""
    total = 0.0
    for a, b in zip(u.tolist(), v.tolist(), strict=True):
        total += a * b
    return total


def network(net, x):
    """An nn.Sequential of Linear and ReLU on one vector x (N,), by loops over its weights."""
    values = x.tolist()
    for layer in net:
        if isinstance(layer, torch.nn.Linear):
            values = [
                inner(row, torch.tensor(values, dtype=F64)) + bias
                for row, bias in zip(layer.weight.detach(), layer.bias.tolist(), strict=True)
            ]
        else:
            values = [max(v, 0.0) for v in values]
    return values


def agrees(model, ids, expected):
    """The model's logits are these (B,), to rounding."""
    logits = model(ids)
    assert logits.shape == (len(ids),)
    expected = torch.tensor(expected, dtype=F64)
    torch.testing.assert_close(logits.detach(), expected, atol=1e-11, rtol=1e-11)
