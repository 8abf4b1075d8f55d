"""Auctions against enumeration: what a place costs, why truth pays, what an error costs."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.ctr import auction

F64 = torch.float64


def later(x, value):
    """x with this value in its last row only."""
    changed = x.clone()
    changed[-1, -1] = value
    return changed


def draw(*shape, low=0.1, high=1.0, seed=0):
    u = torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)
    return low + (high - low) * u


def test_gsp_number_by_number():
    """Bids 4, 3, 2 with p .1, .2, .1: scores .4, .6, .2; places cost .4/.2 = 2 and .2/.1 = 2."""
    winners, prices = auction.gsp(
        torch.tensor([[4.0, 3.0, 2.0]], dtype=F64), torch.tensor([[0.1, 0.2, 0.1]], dtype=F64), 2
    )
    assert winners.tolist() == [[1, 0]]
    torch.testing.assert_close(prices, torch.tensor([[2.0, 2.0]], dtype=F64))


def test_price_is_the_least_bid_that_keeps_the_place():
    """With a bid just above the price the winner keeps the place; just below, it does not."""
    bids, p = draw(50, 5), draw(50, 5, low=0.01, high=0.3, seed=1)
    winners, prices = auction.gsp(bids, p, 3)
    for slot in range(3):
        for factor, keeps in ((1 + 1e-9, True), (1 - 1e-9, False)):
            lower = bids.clone()
            mine = winners[:, slot : slot + 1]
            lower.scatter_(1, mine, factor * prices[:, slot : slot + 1])
            again, _ = auction.gsp(lower, p, 3)
            assert ((again[:, slot : slot + 1] == mine) == keeps).all()


def test_the_last_place_costs_nothing_and_a_reserve_is_a_floor():
    bids, p = torch.tensor([[1.0, 2.0]], dtype=F64), torch.full((1, 2), 0.5, dtype=F64)
    winners, prices = auction.gsp(bids, p, 2)
    assert winners.tolist() == [[1, 0]] and prices.tolist() == [[1.0, 0.0]]
    winners, prices = auction.gsp(bids, p, 2, reserve=0.6)
    assert winners.tolist() == [[1, -1]] and prices.tolist() == [[1.2, 0.0]]


def test_truth_is_the_best_bid_for_one_slot():
    """Over a grid of bids and many rivals, none gains more than the value itself."""
    value, p = 2.0, 0.3
    others, their_p = draw(400, 3, high=3.0), draw(400, 3, low=0.05, high=0.6, seed=1)

    def gain(bid):
        bids = torch.cat((torch.full((400, 1), bid, dtype=F64), others), 1)
        every = torch.cat((torch.full((400, 1), p, dtype=F64), their_p), 1)
        winners, prices = auction.gsp(bids, every, 1)
        return ((winners == 0) * p * (value - prices)).sum(1)

    best = gain(value)
    rival = (others * their_p).amax(1)
    torch.testing.assert_close(
        best, auction.surplus(*(torch.tensor(v, dtype=F64) for v in (value, p, p)), rival)
    )
    for bid in torch.linspace(0.0, 5.0, 51).tolist():
        assert (gain(bid) <= best + 1e-12).all()


def test_two_slots_reward_a_lie():
    """Values 10, 9, 6 and examination 1, 0.9: the first does better in the second place."""
    bids = torch.tensor([[10.0, 9.0, 6.0], [8.0, 9.0, 6.0]], dtype=F64)
    winners, prices = auction.gsp(bids, torch.full((2, 3), 0.5, dtype=F64), 2)
    gain = (10 - prices) * torch.tensor([1.0, 0.9], dtype=F64) * 0.5 * (winners == 0)
    assert gain.sum(1)[1] > gain.sum(1)[0] + 1


@settings(max_examples=25, deadline=None)
@given(p=st.floats(0.02, 0.98), believed=st.floats(0.02, 0.98), value=st.floats(0.5, 4))
def test_loss_is_quadratic_for_uniform_rivals(p, believed, value):
    """Rivals uniform on [0, M]: what a wrong probability loses is value^2 (believed - p)^2 / 2M."""
    n, top = 50_000, 5.0
    rival = (torch.arange(n, dtype=F64) + 0.5) * top / n
    v, q, wrong = (torch.tensor(x, dtype=F64) for x in (value, p, believed))
    lost = auction.surplus(v, q, q, rival) - auction.surplus(v, q, wrong, rival)
    assert (lost >= -1e-12).all()
    exact = value**2 * (believed - p) ** 2 / (2 * top)
    assert lost.mean().item() == pytest.approx(exact, abs=1e-4)


@settings(max_examples=25, deadline=None)
@given(p=st.floats(0.02, 0.98), believed=st.floats(0.02, 0.98))
def test_log_loss_is_the_loss_against_log_odds_uniform_rivals(p, believed):
    """Rivals of density 1 / (c (1 - c)), uniform in log-odds: the loss is KL(p, believed)."""
    n = 100_000
    u = (torch.arange(n, dtype=F64) + 0.5) / n * 24 - 12
    v, q, wrong = (torch.tensor(x, dtype=F64) for x in (1.0, p, believed))
    lost = auction.surplus(v, q, q, u.sigmoid()) - auction.surplus(v, q, wrong, u.sigmoid())
    kl = p * math.log(p / believed) + (1 - p) * math.log((1 - p) / (1 - believed))
    assert (lost.mean() * 24).item() == pytest.approx(kl, abs=3e-4)


def test_a_common_factor_cancels_in_the_auction_and_costs_a_bidder():
    """All p halved: same winners, same prices. One bidder's p halved: it loses."""
    bids, p = draw(200, 4, high=3.0), draw(200, 4, low=0.02, high=0.2, seed=1)
    for one, other in zip(auction.gsp(bids, p, 3), auction.gsp(bids, p / 2, 3), strict=True):
        torch.testing.assert_close(one, other)
    v, q = torch.tensor(2.0, dtype=F64), torch.tensor(0.2, dtype=F64)
    rival = (bids * p).amax(1)
    assert auction.surplus(v, q, q / 2, rival).sum() < auction.surplus(v, q, q, rival).sum()


def test_bad_input():
    b, p = draw(3, 4), draw(3, 4)
    for call, match in (
        (lambda: auction.gsp(b, p[:, :2]), "must be"),
        (lambda: auction.gsp(b[0], p[0]), r"must be \(B, N\)"),
        (lambda: auction.gsp(b[:0], p[:0]), "not empty"),
        (lambda: auction.gsp(-b, p), "at least 0"),
        (lambda: auction.gsp(b * math.nan, p), "finite"),
        (lambda: auction.gsp(b, 2 * p + 1), r"p must be in \(0, 1\]"),
        (lambda: auction.gsp(b, 0 * p), r"p must be in \(0, 1\]"),
        (lambda: auction.gsp(b, p, 0), "1 to N = 4, got 0"),
        (lambda: auction.gsp(b * torch.tensor([1.0, 1, 1, -1]), p), "bids must be at least 0"),
        (lambda: auction.gsp(b * math.inf, p), "bids must be finite"),
        (lambda: auction.gsp(later(b, math.nan), p), "bids must be finite"),
        (lambda: auction.gsp(b, later(p, math.nan)), r"p must be in \(0, 1\]"),
        (lambda: auction.gsp(b, later(p, 1.01)), r"p must be in \(0, 1\]"),
        (lambda: auction.gsp(b, p, reserve=math.inf), "reserve"),
        (
            lambda: auction.surplus(b, later(p, -0.1), p, p),
            "p must be finite and at least 0, got -",
        ),
        (lambda: auction.surplus(b, p, p, later(p, math.inf)), "rival must be finite"),
        (lambda: auction.gsp(b, p, 5), "1 to N = 4, got 5"),
        (lambda: auction.gsp(b, p, 1, reserve=-1.0), "reserve"),
        (lambda: auction.gsp(b, p, 1, reserve=math.nan), "reserve"),
        (lambda: auction.surplus(b, p, p * math.nan, p), "believed must be finite"),
        (lambda: auction.surplus(-b, p, p, p), "value must be finite and at least 0"),
    ):
        with pytest.raises(ValueError, match=match):
            call()


@pytest.mark.parametrize(("rival", "gain"), [(0.99, 0.81), (1.0, 0.0), (1.01, 0.0)])
def test_a_bid_must_beat_the_rival(rival, gain):
    """Bid .5 x 2 = 1, worth .9 x 2 = 1.8: a tie is lost, so that its gain of .8 is not made."""
    v, p, q, r = (torch.tensor(x, dtype=F64) for x in (2.0, 0.9, 0.5, rival))
    assert auction.surplus(v, p, q, r).item() == pytest.approx(gain)


def test_a_score_at_the_reserve_is_shown_and_equal_scores_keep_their_order():
    bids, p = torch.tensor([[1.0, 2.0, 2.0]], dtype=F64), torch.full((1, 3), 0.5, dtype=F64)
    winners, prices = auction.gsp(bids, p, 3, reserve=0.5)
    assert winners.tolist() == [[1, 2, 0]] and prices.tolist() == [[2.0, 1.0, 1.0]]


def test_one_slot_and_no_reserve_unless_asked():
    winners, prices = auction.gsp(torch.tensor([[0.0, 0.0]]), torch.ones(1, 2))
    assert winners.tolist() == [[0]] and prices.tolist() == [[0.0]]
