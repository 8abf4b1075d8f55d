"""The shop's oracles against brute force: click probabilities, values, best lists, Bayes scores."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss, roc_auc_score
from small_shop import generator, reviews, small

from helpers import counting, shop
from helpers.shop import score as shop_score

F64 = torch.float64


def tiny(**options):
    """Four candidates and three slots: every list can be written down."""
    sizes = {"n_users": 6, "n_queries": 5, "n_brands": 3, "n_candidates": 4, "n_positions": 3}
    return shop.Shop(reviews(), **sizes | {"rate": 0.1, "cold": 0.0} | options)


def p_by_hand(world, user, query, items, day):
    """Click probabilities of one list, in plain Python."""
    brand, band = world.items.brand.tolist(), world.items.price_band.tolist()
    price, found = world.items.price.tolist(), []
    for k, i in enumerate(items):
        logit = world.logit(user, query, i, day).item()
        above = items[:k]
        if above:
            bargain = sum(math.log(price[j]) for j in above) / k - math.log(price[i])
            same = sum((brand[j] == brand[i]) / 2 + (band[j] == band[i]) / 4 for j in above)
            logit += world.options["context"] * (max(-1, min(1, bargain)) / 2 - same)
        attraction = 1 / (1 + math.exp(-logit))
        trust = world.options["trust"] / (k + 1)
        found.append((k + 1) ** -0.6 * (attraction + trust * (1 - attraction)))
    return found


@pytest.mark.parametrize(
    "options", [{}, {"trust": 0.3}, {"context": 1.5}, {"context": 0.7, "trust": 0.1}]
)
def test_click_probability_one_by_one(options):
    world = tiny(**options)
    for q in range(5):
        for items in itertools.permutations(world.candidates[q].tolist(), 3):
            expected = p_by_hand(world, 3, q, items, 4)
            lists = torch.tensor([items])
            found = world.p_list(torch.tensor([3]), torch.tensor([q]), lists, 4)
            assert found[0].tolist() == pytest.approx(expected, rel=1e-12)
            above = torch.tensor([items[0], -1]) if options.get("context") else None
            one = world.p_click(3, q, torch.tensor(items[1]), 1, 4, above)
            assert one.item() == pytest.approx(expected[1], rel=1e-12)


def test_examination_and_trust():
    world = tiny(trust=0.3)
    assert world.examination.tolist() == pytest.approx([1, 2**-0.6, 3**-0.6])
    assert world.trust.tolist() == pytest.approx([0.3, 0.15, 0.1])
    assert tiny().trust.tolist() == [0, 0, 0]


@pytest.mark.parametrize("context", [0.0, 2.0])
def test_value_of_lists_by_hand(context):
    world = tiny(context=context)
    for q in range(5):
        lists = torch.tensor(list(itertools.permutations(world.candidates[q].tolist(), 3)))
        n = len(lists)
        value = world.value(lists, torch.full((n,), 2), torch.full((n,), q), torch.full((n,), 3))
        for row, items in enumerate(lists.tolist()):
            clicks = p_by_hand(world, 2, q, items, 3)
            buys = [p * world.p_purchase(q, i).item() for p, i in zip(clicks, items, strict=True)]
            money = [b * world.items.price[i].item() for b, i in zip(buys, items, strict=True)]
            assert value.clicks[row].item() == pytest.approx(sum(clicks))
            assert value.purchases[row].item() == pytest.approx(sum(buys))
            assert value.revenue[row].item() == pytest.approx(sum(money))


def test_best_list_is_the_best_of_all():
    world = tiny()
    for u, q in itertools.product(range(6), range(5)):
        lists = torch.tensor(list(itertools.permutations(world.candidates[q].tolist(), 3)))
        n = len(lists)
        value = world.value(lists, torch.full((n,), u), torch.full((n,), q)).clicks
        best = world.best(torch.tensor([u]), torch.tensor([q]))
        assert best.tolist()[0] == lists[value.argmax()].tolist()
    assert world.best(torch.tensor([0]), torch.tensor([0]), k=2).shape == (1, 2)


def test_best_list_shows_nothing_that_is_not_there_yet():
    world = small(cold=0.4)
    user, query = torch.arange(24), torch.arange(24)
    for day in (0, 10):
        assert (world.items.launch[world.best(user, query, day)] <= day).all()


def test_purchase_probability():
    world = tiny()
    for q, i in itertools.product(range(5), range(48)):
        quality, band = world.items.quality[i].item(), world.items.price_band[i].item()
        logit = -2.6 + 0.4 * world.relevance(q, i).item() + 0.5 * quality - 0.2 * band
        assert world.p_purchase(q, i).item() == pytest.approx(1 / (1 + math.exp(-logit)))


@pytest.mark.parametrize("policy", ["production", "uniform", "mine"])
def test_policy_value_by_enumeration(policy):
    """All users, first queries and lists, each with its probability, in plain Python."""
    world = tiny(context=1.0)

    def mine(user, query, items):
        return ((user[:, None] * 7 + query[:, None] * 3 + items) % 5).double()

    share = [0.0] * len(world.items.category_names)
    frequency, category = world.queries.frequency.tolist(), world.queries.category.tolist()
    for f, c in zip(frequency, category, strict=True):
        share[c] += f
    expected = {"clicks": 0.0, "purchases": 0.0, "revenue": 0.0}
    for u, q in itertools.product(range(6), range(5)):
        favourite = world.users.favourite[u].item()
        within = frequency[q] / share[favourite] if category[q] == favourite else 0.0
        asked = world.users.activity[u].item() * (frequency[q] + within) / 2
        candidates = world.candidates[q]
        scores = {
            "production": world.production[q],
            "uniform": torch.zeros(4),
            "mine": mine(torch.tensor([u]), torch.tensor([q]), candidates[None])[0],
        }[policy].tolist()
        for order in itertools.permutations(range(4), 3):
            left, shown = [math.exp(s) for s in scores], 1.0
            for j in order:
                shown *= left[j] / sum(left)
                left[j] = 0.0
            items = [candidates[j].item() for j in order]
            clicks = p_by_hand(world, u, q, items, 0)
            buys = [p * world.p_purchase(q, i).item() for p, i in zip(clicks, items, strict=True)]
            expected["clicks"] += asked * shown * sum(clicks)
            expected["purchases"] += asked * shown * sum(buys)
            money = [b * world.items.price[i].item() for b, i in zip(buys, items, strict=True)]
            expected["revenue"] += asked * shown * sum(money)
    given = mine if policy == "mine" else policy
    found = world.policy_value(given, 40_000, generator=generator(1))
    for name, (mean, error) in found.items():
        assert abs(mean - expected[name]) < 5 * error, name
        assert 0 < error < 0.02 * mean


def test_rate_is_the_production_policy_s_mean():
    for options in ({}, {"context": 2.0}, {"trust": 0.02}, {"pairwise": 0.0, "triple": 0.0}):
        world = small(rate=0.03, **options)
        mean, error = world.policy_value("production", 40_000, generator=generator(2))["clicks"]
        # The intercept was fitted on 4,000 requests, whose own error comes on top.
        assert abs(mean / 4 - 0.03) < 5 * error / 4 * math.sqrt(1 + 10), options


def test_context_switched_off_changes_nothing():
    world = tiny()
    item = world.candidates[0][:3]
    alone = world.p_click(1, 0, item, torch.arange(3))
    in_list = world.p_list(torch.tensor([1]), torch.tensor([0]), item[None])[0]
    torch.testing.assert_close(alone, in_list)


def test_true_probabilities_of_a_log():
    """With context, what stood above is read from the log's own rows."""
    world = small(context=1.5)
    log = world.log(50, generator=generator(3), days=9)
    found = world.p_log(log).view(-1, 4)
    for r in range(50):
        row = slice(4 * r, 4 * r + 4)
        expected = p_by_hand(
            world, log.user[4 * r], log.query[4 * r], log.item[row].tolist(), log.day[4 * r]
        )
        assert found[r].tolist() == pytest.approx(expected, rel=1e-12)
    with pytest.raises(ValueError, match="whole requests"):
        world.p_log(log.rows(log.position > 0))
    with pytest.raises(ValueError, match="top slot first"):
        world.p_log(log.rows(torch.arange(len(log)).flip(0)))


# Bayes --------------------------------------------------------------------------------------------


def pairs_in_order(score, positive, negative):
    """Share of pairs in the right order, pair by pair."""
    right = total = 0.0
    for i, j in itertools.permutations(range(len(score)), 2):
        weight = positive[i] * negative[j]
        total += weight
        right += weight * (1.0 if score[i] > score[j] else 0.5 if score[i] == score[j] else 0.0)
    return right / total


@given(st.lists(st.sampled_from([0.1, 0.2, 0.25, 0.6, 0.9]), min_size=2, max_size=12))
def test_expected_auc_pair_by_pair(p):
    found = shop_score.bayes(torch.tensor(p, dtype=F64), torch.zeros(len(p)))
    assert found.auc == pytest.approx(pairs_in_order(p, p, [1 - x for x in p]))
    entropy = [-x * math.log(x) - (1 - x) * math.log(1 - x) for x in p]
    assert found.log_loss == pytest.approx(sum(entropy) / len(p))
    assert found.mean == pytest.approx(sum(p) / len(p))
    assert math.isnan(found.drawn_auc)  # no click came


def test_scores_of_the_drawn_labels_are_sklearn_s():
    world = small(rate=0.1)
    log = world.log(2_000, generator=generator(4))
    p, found = world.p_log(log), world.bayes(log)
    assert found.drawn_auc == pytest.approx(roc_auc_score(log.click.numpy(), p.numpy()))
    assert found.drawn_log_loss == pytest.approx(log_loss(log.click.numpy(), p.numpy()))
    assert found.mean == pytest.approx(p.mean().item())


def test_labels_left_open_and_drawn_agree():
    """The drawn scores, many times over, scatter about the expected ones."""
    world = small(rate=0.1)
    log = world.log(1_000, generator=generator(4))
    p, found = world.p_log(log), world.bayes(log)
    drawn = torch.rand(400, len(p), generator=generator(5), dtype=F64) < p
    each = [shop_score.bayes(p, d) for d in drawn]
    for name in ("auc", "log_loss"):
        values = torch.tensor([getattr(b, f"drawn_{name}") for b in each], dtype=F64)
        error = values.std() / math.sqrt(len(values))
        assert abs(values.mean() - getattr(found, name)) < 5 * error + 2e-4


def test_nothing_scores_better_than_the_truth():
    """In expectation over the labels; the weights p and 1 - p are the labels' own."""
    world = small(rate=0.1)
    log = world.log(1_000, generator=generator(4))
    p, found = world.p_log(log), world.bayes(log)
    noise = torch.randn(len(p), generator=generator(6), dtype=F64)
    for score in (p.sqrt(), *((p.logit() + s * noise).sigmoid() for s in (0.1, 0.5, 2.0))):
        auc = counting.auc(score, p, 1 - p)
        loss = torch.nn.functional.binary_cross_entropy(score, p).item()
        assert auc <= found.auc + 1e-12 and loss > found.log_loss
    assert counting.auc(p.sqrt(), p, 1 - p) == pytest.approx(found.auc)


# Bad input ----------------------------------------------------------------------------------------


def test_bad_lists():
    world = small()
    user, query = torch.zeros(2).long(), torch.zeros(2).long()
    good = world.candidates[:2, :4]
    for lists, said in (
        (good[0], r"lists must be \(B, L\)"),
        (world.candidates[:2, :5], "1 <= L <= 4"),
        (good[:, :0], "1 <= L"),
        (good[:, [0, 0]], "at most once"),
        (good.double(), "item must be whole"),
        (good + 100, "item must be in 0 .. 47"),
    ):
        with pytest.raises(ValueError, match=said):
            world.value(lists, user, query)


def test_bad_context():
    world = small(context=1.0)
    item = world.candidates[0, :2]
    position = torch.tensor([0, 1])
    for above, said in (
        (None, r"above must be \(\*B, L\), got None"),
        (torch.tensor([[-1.0], [3.0]]), "whole numbers"),
        (torch.tensor([-1, 3]), r"\(2, 'L'\)"),
        (torch.tensor([[-1], [-1]]), "as many items"),
        (torch.tensor([[-1], [48]]), "of the catalogue"),
        (torch.tensor([[3], [3]]), "as many items"),
    ):
        with pytest.raises(ValueError, match=said):
            world.p_click(0, 0, item, position, 0, above)


@given(st.integers(4, 50) | st.integers(-5, -1))
def test_bad_position(position):
    with pytest.raises(ValueError, match=r"position must be in 0 .. 3"):
        small().p_click(0, 0, 0, position)


def test_bad_policy_value():
    with pytest.raises(ValueError, match="n_requests must be a whole number of at least 2"):
        small().policy_value("uniform", 1, generator=generator())
