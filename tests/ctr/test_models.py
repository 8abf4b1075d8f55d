"""Models of a click against loops over pairs and Newton's method in float64."""

import itertools

import pytest
import torch

from helpers.ctr import models
from helpers.ctr.embedding import Embedding, Linear

F64 = torch.float64
SIZES = (3, 4, 2)


def impressions(n=200, sizes=SIZES, seed=0):
    g = torch.Generator().manual_seed(seed)
    ids = torch.stack([torch.randint(s, (n,), generator=g) for s in sizes], 1)
    u = 0.8 * ids[:, 0] - 0.5 * ids[:, 1] * (ids[:, 2] if len(sizes) > 2 else 1)
    return ids, (torch.rand(n, generator=g) < u.float().sigmoid()).long()


def test_crosses_name_every_combination_once():
    """Exact where there is room: a pair's ids are a bijection of its combinations."""
    every = torch.tensor(list(itertools.product(*map(range, SIZES))))
    assert models.cross_sizes(SIZES, 100) == [12, 6, 8]
    crossed = models.cross_ids(every, SIZES, 100)
    for k, (f, g) in enumerate(((0, 1), (0, 2), (1, 2))):
        rows = zip(every[:, f].tolist(), every[:, g].tolist(), crossed[:, k].tolist(), strict=True)
        seen = {(a, b): c for a, b, c in rows}
        assert sorted(seen.values()) == list(range(SIZES[f] * SIZES[g]))


def test_hashed_crosses_spread_evenly():
    """Two fields of 300 in 512 buckets: in range, the same again, loads like a random hash's."""
    every = torch.cartesian_prod(torch.arange(300), torch.arange(300))
    crossed = models.cross_ids(every, (300, 300), 512)[:, 0]
    assert crossed.min() >= 0 and crossed.max() < 512
    load = torch.bincount(crossed, minlength=512).double()
    assert load.min() > 0 and load.std() < 2.5 * (90_000 / 512) ** 0.5
    assert torch.equal(crossed, models.cross_ids(every, (300, 300), 512)[:, 0])
    for rows in (every[:300], every[::300]):  # one user with all items, one item with all users
        n_buckets = models.cross_ids(rows, (300, 300), 512)[:, 0].unique().numel()
        assert n_buckets > 190  # 512 (1 - (1 - 1/512)^300) = 227 at random


def test_poly2_is_a_sum_over_features_and_pairs():
    ids, _ = impressions(20)
    model = models.Poly2(SIZES)
    g = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for w in model.parameters():
            w.copy_(torch.randn(w.shape, generator=g))
        model.crosses.bias.zero_()
    single = [model.linear.weights.field(f)[:, 0] for f in range(3)]
    crossed = [model.crosses.weights.field(k)[:, 0] for k in range(3)]
    for row, found in zip(ids.tolist(), model(ids), strict=True):
        u = model.linear.bias + sum(single[f][i] for f, i in enumerate(row))
        for k, (f, g) in enumerate(((0, 1), (0, 2), (1, 2))):
            u = u + crossed[k][row[f] * SIZES[g] + row[g]]
        torch.testing.assert_close(found, u)


def test_mlp_sees_all_fields_in_order():
    ids, _ = impressions(8)
    model = models.MLP(
        Embedding(SIZES, 5, std=1.0, generator=torch.Generator().manual_seed(0)),
        (7,),
        generator=torch.Generator().manual_seed(1),
    )
    first, _, last = model.net
    for row, found in zip(ids.tolist(), model(ids), strict=True):
        x = torch.cat([model.embedding.field(f)[i] for f, i in enumerate(row)])
        h = (first.weight @ x + first.bias).relu()
        torch.testing.assert_close(found, (last.weight @ h + last.bias)[0])


@pytest.mark.parametrize("l2", [0.5, 3.0])
def test_fit_is_the_minimum(l2):
    """Newton's method on the dense one-hot matrix, in float64; the bias is not penalised."""
    ids, y = impressions()
    x = torch.cat(
        [torch.nn.functional.one_hot(ids[:, f], s) for f, s in enumerate(SIZES)], 1
    ).double()
    x = torch.cat((x, torch.ones(len(x), 1, dtype=F64)), 1)
    penalty = torch.tensor([l2] * 9 + [0.0], dtype=F64)
    w = torch.zeros(10, dtype=F64)
    for _ in range(30):
        p = (x @ w).sigmoid()
        slope = x.T @ (p - y) + penalty * w
        w = w - torch.linalg.solve(x.T @ (x * (p * (1 - p))[:, None]) + penalty.diag(), slope)
    model = Linear(SIZES).double()
    value = models.fit_logistic(model, ids, y, l2=l2)
    torch.testing.assert_close(model.weights.weight[:, 0].detach(), w[:9], atol=1e-5, rtol=0)
    assert model.bias.item() == pytest.approx(w[9].item(), abs=1e-5)
    p = (x @ w).sigmoid()
    direct = -torch.where(y == 1, p, 1 - p).log().sum() + l2 / 2 * w[:9].square().sum()
    assert value == pytest.approx(direct.item() / len(y))


def test_mean_prediction_is_the_click_rate():
    """At the minimum the slope by the unpenalised bias, the sum of p - y, is zero."""
    ids, y = impressions()
    for model in (Linear(SIZES).double(), models.Poly2(SIZES).double()):
        models.fit_logistic(model, ids, y, l2=5.0)
        p = model(ids).sigmoid()
        assert p.mean().item() == pytest.approx(y.double().mean().item(), abs=1e-6)


def test_poly2_learns_a_pair_that_no_sum_can():
    """Clicks where two coins agree: logistic regression says 1/2 everywhere, Poly2 does not."""
    ids = torch.cartesian_prod(torch.arange(2), torch.arange(2)).repeat(50, 1)
    y = (ids[:, 0] == ids[:, 1]).long()
    plain, crossed = Linear((2, 2)).double(), models.Poly2((2, 2)).double()
    models.fit_logistic(plain, ids, y, l2=0.1)
    models.fit_logistic(crossed, ids, y, l2=0.1)
    assert plain(ids).sigmoid().sub(0.5).abs().max() < 1e-4
    assert (crossed(ids).sigmoid() - y).abs().max() < 0.1


def test_leaves_are_fields():
    leaves = torch.tensor([[3.0, 0.0], [1.0, 4.0]])
    assert torch.equal(models.leaf_ids(leaves, (4, 5)), leaves.long())
    assert models.leaf_ids(leaves.numpy(), (4, 5)).dtype == torch.int64


def test_bad_input():
    ids, y = impressions()
    model = Linear(SIZES)
    for call, match in (
        (lambda: models.cross_sizes((3,), 5), ">= 2"),
        (lambda: models.cross_sizes((3, 0), 5), "every size must be"),
        (lambda: models.cross_sizes(SIZES, 0), "n_buckets"),
        (lambda: models.cross_ids(ids + 3, SIZES, 9), "ids of field"),
        (lambda: models.cross_ids(ids.float(), SIZES, 9), "whole numbers"),
        (lambda: models.leaf_ids(torch.tensor([[0.5]]), (3,)), "whole numbers"),
        (lambda: models.leaf_ids(torch.tensor([[3]]), (3,)), "ids of field 0"),
        (
            lambda: models.leaf_ids(torch.tensor([1, 2]), (3,)),
            r"leaves must be \(B, T\), got \(2,\)",
        ),
        (lambda: models.fit_logistic(model, ids, y[:3]), r"labels must be \(.*,\), got \(3,\)"),
        (lambda: models.fit_logistic(model, ids, y + 1), "labels must be 0 or 1"),
        (lambda: models.fit_logistic(model, ids, y, l2=-1.0), "l2 must be at least 0"),
    ):
        with pytest.raises(ValueError, match=match):
            call()
