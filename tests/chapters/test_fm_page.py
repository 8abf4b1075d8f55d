"""Chapter 11's own functions, as they stand on the page, against loops, helpers and the truth."""

import itertools
import math
import re
from pathlib import Path

import pytest
import torch
from ctr_models import F64, embedded, example, filled, inner, seeded, two, vectors

from helpers.ctr import embedding, fm
from helpers.ctr.cross import CrossV2
from helpers.ctr.metrics import log_loss
from helpers.ctr.models import Poly2
from helpers.exercises.fm import answers

PAGE = (Path(__file__).parents[2] / "chapters/11_fm.md").read_text(encoding="utf-8")


def page_function(name, **scope):
    """The function as it stands on the page."""
    cells = re.findall(r"```\{code-cell\} ipython3\n(.*?)```", PAGE, re.DOTALL)
    cell = next(c for c in cells if f"def {name}(" in c)
    source = re.search(rf"def {name}\(.*?(?=\n\S|\Z)", cell, re.DOTALL).group()
    known = {"torch": torch, "embedding": embedding, "fm": fm, "log_loss": log_loss, "SEED": 0}
    scope = known | scope
    exec(source, scope)
    return scope[name]


def test_pairs_on_the_page():
    x = vectors(3, 5, 4)
    expected = [sum(inner(x[b, f], x[b, g]) for f, g in two(5)) for b in range(3)]
    for name in ("pairs_at_once", "pair_by_pair"):
        torch.testing.assert_close(page_function(name)(x), torch.tensor(expected, dtype=F64))


def test_field_aware_pairs_on_the_page():
    v = vectors(3, 4, 4, 2)
    expected = [sum(inner(v[b, f, g], v[b, g, f]) for f, g in two(4)) for b in range(3)]
    found = page_function("field_aware")(v)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=F64))
    torch.testing.assert_close(answers.ffm(v), found)


def test_crossing_on_the_page():
    net = filled(CrossV2(6, 3))
    x0 = vectors(5, 6)
    found = page_function("crossed")(x0, net.weight, net.bias)
    torch.testing.assert_close(found, net(x0))
    torch.testing.assert_close(answers.cross(x0, net.weight, net.bias), found)


def test_what_is_left_over_is_measured_right():
    """A multiple leaves nothing; something at a right angle and as long leaves its share."""

    class Turned(torch.nn.Module):
        def forward(self, x0):
            turn = torch.stack((-x0[:, 1], x0[:, 0]), 1)
            return 3 * x0 + 4 * turn

    x = vectors(7, 1, 2)
    left_over = page_function("left_over", x=x)
    assert abs(left_over(Turned()).item() - 0.8) < 1e-12
    assert left_over(torch.nn.Identity()).item() < 1e-12


def test_excess_is_the_divergence_from_the_truth():
    p = torch.rand(50, generator=seeded(), dtype=F64) * 0.2 + 0.01
    q = torch.rand(50, generator=seeded(1), dtype=F64) * 0.2 + 0.01
    rows = torch.cat((torch.arange(50)[:, None], torch.zeros(50, 1, dtype=torch.int64)), 1)
    excess = page_function("excess")
    expected = (p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()).mean().item()
    # What was trained on a tenth of the zeros has odds ten times too high.
    biased = excess(lambda ids: (q.logit() + math.log(10))[ids[:, 0]], rows, p)
    assert biased == pytest.approx(expected, abs=1e-9)
    exact = excess(lambda ids: p.logit()[ids[:, 0]], rows, p, share=1.0)
    assert abs(exact) < 1e-9


def test_what_is_left_by_how_often_an_item_was_shown():
    """The mean divergence of a group's cells that were not shown, cell by cell."""
    truth, logits = vectors(6, 5), vectors(6, 5, seed=1)
    rare = torch.rand(6, 5, generator=seeded()) < 0.5
    groups = torch.tensor([3, 0, 1, 0, 2])
    scope = {"softplus": torch.nn.functional.softplus, "truth": truth}
    found = page_function("by_group", rare=rare, groups=groups, **scope)(logits)
    p, q = truth.sigmoid(), logits.sigmoid()
    for k in range(4):
        cells = [(i, j) for i in range(6) for j in range(5) if groups[j] == k and not rare[i, j]]
        each = [
            p[c] * (p[c] / q[c]).log() + (1 - p[c]) * ((1 - p[c]) / (1 - q[c])).log() for c in cells
        ]
        assert found[k] == pytest.approx(sum(each).item() / len(each), rel=1e-9)


def test_centred_has_no_first_order_left():
    m = page_function("centred")(vectors(5, 7))
    assert m.mean(0).abs().max() < 1e-12 and m.mean(1).abs().max() < 1e-12
    torch.testing.assert_close(page_function("centred")(m), m)


def test_a_balanced_triple_is_invisible_to_pairs():
    """The triple is orthogonal to every pair's table, so a fit by all pairs explains none of it."""
    cells = torch.tensor(list(itertools.product((-1, 1), repeat=3)), dtype=F64)
    triple = cells.prod(1)
    for f, g in two(3):
        for left, right in itertools.product((-1, 1), repeat=2):
            both = ((cells[:, f] == left) & (cells[:, g] == right)).to(F64)
            assert (triple * both).sum() == 0
    # Poly2 spans all sums over pairs: its best logits for the triple's clicks are all the same.
    ids = ((cells + 1) / 2).long()
    model = filled(Poly2((2, 2, 2)), seed=5)
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=200, tolerance_grad=1e-12)

    def step():
        optimizer.zero_grad()
        loss = log_loss(model(ids), (2 * triple).sigmoid())
        loss.backward()
        return loss

    optimizer.step(step)
    assert model(ids).abs().max() < 1e-4
    # Where c leans on a, a part of the triple is b; where c isn't balanced, the pair of a and b.
    a, b, c = cells.T
    for weights, alone, pair in ((1 + a * c / 2, 0.5, 0.0), (1 + c / 2, 0.0, 0.5)):
        assert (weights / 8 * triple * b).sum() == alone
        assert (weights / 8 * triple * a * b).sum() == pair


def test_numbers_by_hand():
    """The page's example: pairs 2, 1, -1; sum (4, 2), squares 20; squares of entries 16."""
    v = torch.tensor([[[1.0, 2], [0, 1], [3, -1]]], dtype=F64)
    assert [inner(v[0, f], v[0, g]) for f, g in two(3)] == [2, 1, -1]
    assert v.sum(1).tolist() == [[4, 2]] and v.sum(1).square().sum() == 20
    assert v.square().sum() == 16
    assert page_function("pairs_at_once")(v).item() == 2


def test_rank_of_the_equality_table():
    """Exercise 2: without means, the identity of 20 categories has rank 19, all values equal."""
    table = page_function("centred")(torch.eye(20, dtype=F64))
    values = torch.linalg.svdvals(table)
    torch.testing.assert_close(values[:19], torch.ones(19, dtype=F64))
    assert values[19] < 1e-12


def test_answers_agree_with_the_helpers():
    model = filled(fm.FM(embedded(3)))
    ids = example(6, model.embedding.sizes)
    one_hot = torch.zeros(6, sum(model.embedding.sizes), dtype=F64)
    one_hot.scatter_(1, ids + model.embedding.offsets, 1.0)
    weights = model.linear.weights.weight[:, 0]
    found = answers.fm(one_hot, model.linear.bias, weights, model.embedding.weight)
    torch.testing.assert_close(found, model(ids))
    weighted = filled(fm.FwFM(embedded(3)))
    x = weighted.embedding(ids)
    found = answers.pruned(x, weighted.strength, 6)
    torch.testing.assert_close(found, weighted(ids) - weighted.linear(ids))
