"""Chapter 10's own functions, as they stand on the page, against helpers and brute force."""

import copy
import re
from pathlib import Path

import pytest
import torch

from helpers.ctr import auction, calibration, delayed, ftrl, metrics
from helpers.exercises.ctr import answers

PAGE = (Path(__file__).parents[2] / "chapters/10_ctr.md").read_text(encoding="utf-8")
F64 = torch.float64


def page_function(name, **scope):
    """The function as it stands on the page."""
    cells = re.findall(r"```\{code-cell\} ipython3\n(.*?)```", PAGE, re.DOTALL)
    cell = next(c for c in cells if f"def {name}(" in c)
    source = re.search(rf"def {name}\(.*?(?=\n\S|\Z)", cell, re.DOTALL).group()
    scope = {"torch": torch, "metrics": metrics} | scope
    exec(source, scope)
    return scope[name]


def rows(n, seed=0):
    g = torch.Generator().manual_seed(seed)
    scores = torch.randint(7, (n,), generator=g).double() / 2
    return scores, (torch.rand(n, generator=g) < 0.2 + scores / 5).double()


def test_auc_on_the_page():
    u, y = rows(60)
    won = [(a > b) + (a == b) / 2 for a in u[y == 1] for b in u[y == 0]]
    assert page_function("auc")(u, y).item() == pytest.approx(sum(won) / len(won))


def test_ftrl_on_the_page():
    weight = page_function("weight")
    learn = page_function("learn", weight=weight)
    g = torch.Generator().manual_seed(0)
    ids, y = torch.rand(80, 9, generator=g).argsort(1)[:, :3], rows(80)[1]
    z, n, model = torch.zeros(9, dtype=F64), torch.zeros(9, dtype=F64), ftrl.FTRL(9, l1=1.0)
    for row, label in zip(ids, y, strict=True):
        mine, theirs = learn(z, n, row, label), model.step(row[None], label[None])
        torch.testing.assert_close(mine, theirs[0])
    torch.testing.assert_close(z, model.z)
    torch.testing.assert_close(n, model.n)
    torch.testing.assert_close(weight(z, n, 0.1, 1.0, 1.0), model.weights())
    assert (model.weights() == 0).any()


def test_pav_on_the_page():
    pav = page_function("pav")
    for seed in range(5):
        y = rows(40, seed)[1]
        torch.testing.assert_close(pav(y).double(), calibration.pool(y))
    assert pav(torch.tensor([3.0, 2.0, 1.0, 9.0])).tolist() == [2, 2, 2, 9]


def test_price_on_the_page():
    g = torch.Generator().manual_seed(0)
    bids, p = torch.rand(6, generator=g), torch.rand(6, generator=g)
    _, expected = auction.gsp(bids[None], p[None], 5)
    found = [page_function("price")(bids, p, slot) for slot in range(5)]
    torch.testing.assert_close(torch.stack(found), expected[0])


def test_inverse_propensity_on_the_page():
    y, seen = torch.tensor([1.0, 0.0, 1.0, 1.0]), torch.tensor([0.5, 0.1, 1.0, 0.25])
    assert page_function("inverse_propensity")(y, seen) == (2 + 0 + 1 + 4) / 4


def test_expected_entropy_on_the_page():
    """Its mean over all labels of three rows: enumerated."""
    u, p = torch.tensor([0.5, -1.0, 0.2], dtype=F64), torch.tensor([0.7, 0.2, 0.4], dtype=F64)
    total = base = 0.0
    for labels in torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=F64)] * 3):
        chance = torch.where(labels == 1, p, 1 - p).prod()
        total = total + chance * metrics.log_loss(u, labels)
        base = base + chance * metrics.log_loss(p.mean().logit().expand(3), labels)
    found = page_function("expected_entropy")(u, p)
    assert found == pytest.approx((total / base).item())


def test_frozen_and_online_on_the_page():
    """Frozen after the first week, the other one learns from every row and is asked before."""
    g = torch.Generator().manual_seed(3)
    day, ids = torch.arange(1000) // 100 + 1, torch.randint(9, (1000, 2), generator=g)  # days 1-10
    clicks = (torch.rand(1000, generator=g) < 0.3).long()
    said = page_function("frozen_and_online", ftrl=ftrl, copy=copy)(day, ids, clicks, 9)
    model = ftrl.FTRL(9, alpha=0.05)
    for start in range(0, 1000, 100):
        part = slice(start, start + 100)
        if start == 500:  # the last batch that begins in the week: the copy is from before it
            before = copy.deepcopy(model)
        torch.testing.assert_close(said[1, part], model.step(ids[part], clicks[part]))
    torch.testing.assert_close(said[0, 500:], before.logits(ids[500:]))
    torch.testing.assert_close(said[0, :600], said[1, :600])
    assert (said[0, 600:] - said[1, 600:]).abs().max() > 1e-3


def test_answers_to_the_exercises_agree_with_the_helpers():
    u, y = rows(50)
    found = answers.auc(u[y == 1][None], u[y == 0][None])
    assert found.item() == pytest.approx(metrics.auc(u, y))
    model = ftrl.FTRL(4, alpha=0.3, beta=0.7, l1=0.2)
    for row, label in zip(torch.arange(4)[:, None].repeat(10, 1), y, strict=False):
        z, n = model.z.clone(), model.n.clone()
        logit = model.step(row[None], label[None])
        g = torch.zeros(4, dtype=F64)
        g[row] = (logit.sigmoid() - label).double()
        z, n = answers.step(z, n, g, 0.3, 0.7, 0.2)
        torch.testing.assert_close(z, model.z)
        torch.testing.assert_close(n, model.n)
    g = torch.Generator().manual_seed(1)
    bids, p = torch.rand(3, 5, generator=g) + 1, torch.rand(3, 5, generator=g) / 2 + 0.1
    _, expected = auction.gsp(bids, p, 5, reserve=0.05)
    torch.testing.assert_close(answers.price(bids, p, 0.05), expected)


def test_attraction_under_trust_is_unbiased():
    """Expected clicks in, the attraction out."""
    gamma, theta = torch.tensor([0.3, 0.05], dtype=F64), torch.tensor([0.9, 0.4, 0.2], dtype=F64)
    trust, shown = torch.tensor([0.3, 0.1, 0.05], dtype=F64), torch.tensor([[5.0, 7, 2], [1, 8, 3]])
    chance = theta * (gamma[:, None] + trust * (1 - gamma[:, None]))
    found = answers.attraction(shown * chance, shown.double(), theta, trust)
    torch.testing.assert_close(found, gamma)


def test_delays_reweighted_by_a_rate_each():
    labels, age, rate = torch.ones(2), torch.tensor([1.0, 2.0]), torch.tensor([0.5, 3.0])
    expected = [delayed.reweight(labels[:1], age[i : i + 1], float(rate[i]))[0] for i in range(2)]
    torch.testing.assert_close(delayed.reweight(labels, age, rate), torch.stack(expected))
