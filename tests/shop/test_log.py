"""Logs of the shop: their frequencies against the oracles, sessions, delays, bytes."""

import functools
import hashlib
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_shop import generator, reviews, small, z_score

ROOT = Path(__file__).resolve().parents[2]
K = 4
WORLDS = {
    "plain": {"rate": 0.1, "cold": 0.3},
    "context": {"rate": 0.1, "context": 2.0},
    "trust": {"rate": 0.1, "trust": 0.2, "drift": 3.0},
}


@functools.cache
def logged(kind="plain", policy="production", n=30_000):
    world = small(**WORLDS[kind])
    return world, world.log(n, generator=generator(7), days=20, policy=policy)


def lists(column):
    return column.view(-1, K)


# Shape --------------------------------------------------------------------------------------------


def test_rows_of_a_request_stand_together():
    world, log = logged()
    assert len(log) == 30_000 * K
    for name, column in log.columns().items():
        assert column.shape == (len(log),)
        assert column.dtype == (
            torch.float32 if name in ("propensity", "click", "purchase", "delay") else torch.int32
        )
    assert torch.equal(lists(log.position), torch.arange(K).int().expand(30_000, K))
    assert torch.equal(log.request, torch.arange(30_000).int().repeat_interleave(K))
    for name in ("session", "day", "user", "query", "typo"):
        assert (lists(getattr(log, name)) == lists(getattr(log, name))[:, :1]).all()
    assert (lists(log.item).sort(1).values.diff(dim=1) > 0).all()  # nothing is shown twice
    shown = (world.candidates[lists(log.query)[:, 0]][:, None] == lists(log.item)[..., None]).any(2)
    assert shown.all()
    assert log.n_bytes == len(log) * 48


def test_some_rows():
    _, log = logged()
    some = log.rows(log.click == 1)
    assert len(some) == log.click.sum() and (some.click == 1).all()
    first = log.rows(torch.tensor([5, 2]))
    assert first.item.tolist() == [log.item[5].item(), log.item[2].item()]
    assert torch.equal(log.to("cpu").item, log.item)


# What happens is as likely as the oracle says -----------------------------------------------------


@pytest.mark.parametrize("kind", WORLDS)
def test_clicks_come_as_often_as_p_click_says(kind):
    """Overall, and for every position, item, age and day: sums within five sigma."""
    world, log = logged(kind)
    p = world.p_log(log)
    ids = world.ids(log.user, log.query, log.item)
    groups = {"all": torch.zeros(len(log)), "position": log.position, "item": log.item}
    groups |= {"day": log.day, "age": ids[:, 1], "query": log.query}
    for name, group in groups.items():
        for g in group.unique():
            mine = group == g
            assert abs(z_score(log.click[mine].sum(), p[mine])) < 5, (name, g)
    # And it is not so that everything is: the highest tenth by p is clicked more than the lowest.
    order = p.argsort()
    n = len(p) // 10
    assert log.click[order[-n:]].mean() > 3 * log.click[order[:n]].mean()


def test_purchases_follow_clicks_as_often_as_p_purchase_says():
    world, log = logged()
    assert (log.purchase <= log.click).all()
    bought = log.rows(log.click == 1)
    p = world.p_purchase(bought.query, bought.item)
    assert abs(z_score(bought.purchase.sum(), p)) < 5
    for band in range(4):
        mine = world.items.price_band[bought.item] == band
        assert abs(z_score(bought.purchase[mine].sum(), p[mine])) < 5


def test_purchases_are_reported_after_an_exponential_wait():
    """With a mean of one day more for each price band."""
    world, log = logged()
    bought = log.purchase == 1
    assert (log.delay[~bought] == torch.inf).all() and (log.delay[bought] >= 0).all()
    mean = 1.0 + world.items.price_band[log.item[bought]]
    scaled = (log.delay[bought] / mean).double()  # standard exponential
    n = len(scaled)
    assert abs(scaled.mean() - 1) < 5 / math.sqrt(n)
    for t in (0.1, 0.5, 1.0, 2.0):
        p = math.exp(-t)
        assert abs((scaled > t).double().mean() - p) < 5 * math.sqrt(p * (1 - p) / n)


@pytest.mark.parametrize("policy", ["production", "uniform"])
def test_first_slot_is_filled_as_its_propensity_says(policy):
    """For each query and candidate, how often it came first: within five sigma."""
    world, log = logged(policy=policy)
    top = log.rows(log.position == 0)
    warm = top.rows(top.day >= 0)
    for q in range(4):  # the most frequent queries
        mine = warm.rows(warm.query == q)
        for c in world.candidates[q].tolist():
            if world.items.launch[c] > 0:
                continue
            there = world.items.launch[world.candidates[q]] <= mine.day[:, None]
            scores = world.production[q].expand(len(mine), -1)
            scores = scores if policy == "production" else torch.zeros_like(scores)
            p = scores.masked_fill(~there, -torch.inf).softmax(1)
            p = p[:, (world.candidates[q] == c).nonzero().item()]
            came = mine.item == c
            assert abs(z_score(came.sum(), p)) < 5
            assert mine.propensity[came].tolist() == pytest.approx(p[came].tolist(), rel=1e-5)


def test_propensities_are_those_of_the_policy_s_scores():
    """Row by row, from the scores of what was there that day."""
    world, log = logged()
    query, day, item = (
        lists(x)[:, 0] if x is not log.item else lists(x) for x in (log.query, log.day, log.item)
    )
    scores = world.production[query].masked_fill(
        world.items.launch[world.candidates[query]] > day[:, None], -torch.inf
    )
    choice = (world.candidates[query][:, None] == item[..., None]).long().argmax(2)
    for k in range(K):  # the softmax of what is left, slot by slot
        p = scores.softmax(1).gather(1, choice[:, k : k + 1])[:, 0]
        torch.testing.assert_close(lists(log.propensity)[:, k], p.float())
        scores = scores.scatter(1, choice[:, k : k + 1], -torch.inf)


def test_a_policy_of_one_s_own():
    """Scores of what is cheap, as a function of user, query and items; its lists are cheaper."""
    world = small()
    asked = []

    def cheap(user, query, items):
        asked.append((user.shape, query.shape, items.shape))
        return -5 * world.items.price[items].log()

    log = world.log(500, generator=generator(1), policy=cheap)
    uniform = world.log(500, generator=generator(1), policy="uniform")
    assert world.items.price[log.item].mean() < 0.8 * world.items.price[uniform.item].mean()
    n = asked[0][0][0]
    assert asked[0] == ((n,), (n,), (n, 12))


def test_an_item_is_not_shown_before_its_day():
    world, log = logged()
    assert (world.items.launch[log.item] <= log.day).all()
    late = small(cold=0.3).log(3000, generator=generator(2), days=28)
    launch = small(cold=0.3).items.launch
    assert (launch[late.item] <= late.day).all() and (launch[late.item] > 0).any()
    assert small(cold=0.0).items.launch.max() == 0


# Who asks, and again ------------------------------------------------------------------------------


def test_first_queries_and_users_come_as_often_as_stated():
    world, log = logged()
    top = log.rows(log.position == 0)
    first = top.rows(top.session.diff(prepend=torch.tensor([-1])) != 0)
    n = len(first)
    mass, fans = torch.zeros(2, 4, dtype=torch.float64)
    mass.index_add_(0, world.queries.category, world.queries.frequency)
    fans.index_add_(0, world.users.favourite, world.users.activity)
    asked = world.queries.frequency * (1 + (fans / mass)[world.queries.category]) / 2
    assert asked.sum().item() == pytest.approx(1)
    for ids, share in ((first.query, asked), (first.user, world.users.activity)):
        counts = ids.bincount(minlength=len(share))
        assert ((counts - n * share) / (n * share * (1 - share)).sqrt()).abs().max() < 5
    liked = world.queries.category[first.query] == world.users.favourite[first.user]
    p = 0.5 + 0.5 * mass[world.users.favourite[first.user]]
    assert abs(z_score(liked.sum(), p)) < 5


def test_who_clicks_nothing_may_ask_again():
    """A session goes on with probability .4 after a request without a click, four times at most."""
    world, log = logged()
    top = log.rows(log.position == 0)
    clicked = lists(log.click).sum(1) > 0
    more = torch.cat([top.session[1:] == top.session[:-1], torch.tensor([False])])
    assert not (more & clicked).any()
    step = torch.zeros(len(top), dtype=torch.long)
    for _ in range(4):
        step[1:] = torch.where(top.session[1:] == top.session[:-1], step[:-1] + 1, 0)
    assert step.max() == 3
    could = ~clicked & (step < 3)
    p = torch.full((int(could.sum()),), 0.4, dtype=torch.float64)
    assert abs(z_score(more[could].sum(), p)) < 5
    before, after = top.query[:-1][more[:-1]], top.query[1:][more[:-1]]
    choices = world.queries.related[before]
    assert (choices == after[:, None]).any(1).all()
    place = (choices == after[:, None]).long().argmax(1).bincount(minlength=6)
    p = len(after) / 6
    assert (place - p).abs().max() < 5 * math.sqrt(p * 5 / 6)
    for name in ("user", "day"):
        column = getattr(top, name)
        assert (column[1:] == column[:-1])[more[:-1]].all()


def test_sessions_are_in_the_order_of_days():
    _, log = logged()
    assert (log.day.diff() >= 0).all()
    steps = log.session.diff()
    assert log.session[0] == 0 and set(steps.tolist()) == {0, 1}
    assert log.day.unique().tolist() == list(range(20))
    later = small().log(50, generator=generator(), days=2, first_day=30)
    assert later.day.unique().tolist() == [30, 31]


def test_typing_errors_come_as_often_as_stated():
    world, log = logged()
    top = log.rows(log.position == 0)
    assert abs(z_score((top.typo > 0).sum(), torch.full((len(top),), 0.08).double())) < 5
    for kind in (1, 2, 3):
        mine = top.typo[top.typo > 0] & 3
        p = torch.full((len(mine),), 1 / 3).double()
        assert abs(z_score((mine == kind).sum(), p)) < 5
    typed = log.typed
    assert len(typed) == len(top)
    meant = [world.queries.text[q] for q in top.query.tolist()]
    wrong = [a != b for a, b in zip(typed, meant, strict=True)]
    error = 5 * math.sqrt(0.08 * 0.92 / len(wrong))
    assert 0.06 < sum(wrong) / len(wrong) < 0.08 + error  # some words are too short
    assert not any(w for w, t in zip(wrong, top.typo.tolist(), strict=True) if t == 0)


# What is known when -------------------------------------------------------------------------------


def test_observed_by_hand():
    _, log = logged(n=2_000)
    for day in (0, 5, 19):
        seen = log.observed(day)
        expected = [
            (i, float(p and d + w <= day))
            for i, (d, p, w) in enumerate(
                zip(log.day.tolist(), log.purchase.tolist(), log.delay.tolist(), strict=True)
            )
            if d <= day
        ]
        assert seen.purchase.tolist() == [label for _, label in expected]
        assert seen.click.tolist() == [log.click[i].item() for i, _ in expected]
        assert (seen.delay.isfinite() == (seen.purchase == 1)).all()
    assert log.observed(19).purchase.sum() < log.purchase.sum()
    assert torch.equal(log.observed(1000).purchase, log.purchase)


# Reproducible to the byte -------------------------------------------------------------------------


def digest(log):
    found = hashlib.sha256()
    for column in log.columns().values():
        found.update(column.numpy().tobytes())
    return found.hexdigest()


def test_the_same_bytes_again_and_others_from_another_seed():
    world = small()
    torch.manual_seed(3)
    before = torch.get_rng_state()
    same = {digest(world.log(300, generator=generator(5))) for _ in range(3)}
    assert len(same) == 1
    assert digest(world.log(300, generator=generator(6))) not in same
    assert torch.equal(torch.get_rng_state(), before)
    assert digest(world.log(300)) == digest(world.log(300, generator=generator(0)))


def test_the_same_bytes_in_another_process():
    here = digest(small().log(200, generator=generator(5)))
    script = "import test_log as t; print(t.digest(t.small().log(200, generator=t.generator(5))))"
    path = [
        str(ROOT / "src"),
        str(ROOT / "tests" / "shop"),
        str(ROOT / "tests" / "support"),
        *sys.path,
    ]
    lines = f"import sys; sys.path[:0] = {path!r}; {script}"
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == here


# Bad input ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"n_requests": 0}, "n_requests must be a whole number of at least 1, got 0"),
        ({"n_requests": 1.5}, "n_requests must be a whole"),
        ({"n_requests": 5, "days": 0}, "days must be"),
        ({"n_requests": 5, "first_day": -1}, "first_day must be"),
        ({"n_requests": 5, "policy": "best"}, "policy must be 'production'"),
        (
            {"n_requests": 5, "policy": lambda u, q, i: i[:, :3]},
            r"policy must give scores \(\d+, 12",
        ),
        ({"n_requests": 5, "policy": lambda u, q, i: None}, "got NoneType"),
        ({"n_requests": 5, "policy": lambda u, q, i: i / 0.0}, "finite scores"),
    ],
)
def test_bad_logs(given, said):
    with pytest.raises(ValueError, match=said):
        small().log(**given)


@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 9))
def test_any_size_of_log(n, days, first_day):
    log = small().log(n, generator=generator(n), days=days, first_day=first_day)
    assert len(log) == n * K
    assert log.day.min() >= first_day and log.day.max() < first_day + days
    assert reviews().item.numel() > 0
