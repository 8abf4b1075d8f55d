"""Planted mistakes for chapter 10's exercises: what readers write, and the sentence for each."""

from functools import partial as but

import torch

from helpers.exercises.exercise import Mistake


def _auc(clicked, other, won=lambda apart: (apart > 0) + 0.5 * (apart == 0),
         over=lambda p, m: p * m, last=lambda x: x):  # fmt: skip
    part = won(clicked[:, :, None] - other[:, None])
    return last(part.sum((1, 2)) / over(clicked.shape[1], other.shape[1]))


def _pooled(clicked, other):
    return _auc(clicked.reshape(1, -1), other.reshape(1, -1)).expand(len(clicked))


def _with_itself(clicked, other):
    return _auc(clicked, torch.cat((clicked, other), 1))


def _rank_sum(clicked, other, first=1.0, less=1.0):
    every = torch.cat((clicked, other), 1)
    n1 = clicked.shape[1]
    rank = (every[:, :, None] > every[:, None]).sum(2)
    rank = rank + ((every[:, :, None] == every[:, None]).sum(2) - 1) / 2 + first
    return (rank[:, :n1].sum(1) - less * n1 * (n1 + 1) / 2) / (n1 * other.shape[1])


AUC = (
    Mistake("A tie counts as won in yours; it is worth one half.",
            but(_auc, won=lambda apart: (apart >= 0).double())),
    Mistake("A tie counts as lost in yours; it is worth one half.",
            but(_auc, won=lambda apart: (apart > 0).double())),
    Mistake("You count the pairs in which the unclicked item wins.",
            but(_auc, won=lambda apart: (apart < 0) + 0.5 * (apart == 0))),
    Mistake("You divide by all pairs of items; only pairs of a clicked and an unclicked one count.",
            but(_auc, over=lambda p, m: (p + m) * (p + m - 1) / 2)),
    Mistake("You compare each clicked item with every item, the clicked ones included.",
            _with_itself),
    Mistake("One number for each request: you average over the batch.",
            but(_auc, last=lambda x: x.mean())),
    Mistake("You pool the requests: pairs must come from the same request.", _pooled),
    Mistake("This is the Gini coefficient, 2 AUC - 1.", but(_auc, last=lambda x: 2 * x - 1)),
    Mistake("You average differences of scores; only who is ahead counts, not by how much.",
            but(_auc, won=lambda apart: apart)),
    Mistake("From the sum of the ranks subtract P (P + 1) / 2, the pairs among the clicked "
            "items themselves.", but(_rank_sum, less=0.0)),
    Mistake("Your ranks start at 0, the correction P (P + 1) / 2 belongs to ranks that start "
            "at 1.", but(_rank_sum, first=0.0)),
)  # fmt: skip


def _pull(z, l1):
    return z.sign() * (z.abs() - l1).clamp_min(0)


def _rate(n, alpha, beta):
    return (beta + n.sqrt()) / alpha


def _step(z, n, g, alpha, beta, l1, pull=_pull, rate=_rate, more=lambda n, g: n + g**2,
          sigma=lambda n, m, g, alpha: (m.sqrt() - n.sqrt()) / alpha, keep=1.0,
          sign=-1.0):  # fmt: skip
    def weight(z, n):
        return sign * pull(z, l1) / rate(n, alpha, beta)

    m = more(n, g)
    new = z + g - keep * sigma(n, m, g, alpha) * weight(z, n)
    return new, m


def _step_with_new_n(z, n, g, alpha, beta, l1):
    m = n + g**2
    weight = -_pull(z, l1) / _rate(m, alpha, beta)
    return z + g - (m.sqrt() - n.sqrt()) / alpha * weight, m


STEP = (
    Mistake("You leave out the proximal term: z also loses sigma times the weight it had.",
            but(_step, keep=0.0)),
    Mistake("A sign is wrong: gradients that sum to something positive push a weight below 0, and "
            "z loses sigma times that weight.",
            but(_step, sign=1.0)),
    Mistake("There is no threshold: take l1 off the size of z, and 0 if nothing is left.",
            but(_step, pull=lambda z, l1: z)),
    Mistake("Your threshold is hard: a z beyond l1 should lose l1, not only survive.",
            but(_step, pull=lambda z, l1: z * (z.abs() > l1))),
    Mistake("n sums squared gradients; you add their size.",
            but(_step, more=lambda n, g: n + g.abs())),
    Mistake("The step's size needs the root of n.",
            but(_step, rate=lambda n, alpha, beta: (beta + n) / alpha)),
    Mistake("beta is missing: the first steps would be of any length.",
            but(_step, rate=lambda n, alpha, beta: n.sqrt() / alpha)),
    Mistake("sigma is a difference of roots over alpha; you leave out alpha.",
            but(_step, sigma=lambda n, m, g, alpha: m.sqrt() - n.sqrt())),
    Mistake("Roots do not add: sigma is sqrt(n + g^2) - sqrt(n) over alpha, not |g| / alpha.",
            but(_step, sigma=lambda n, m, g, alpha: g.abs() / alpha)),
    Mistake("z gains the gradient; yours loses it.",
            lambda z, n, g, alpha, beta, l1: _step(z, n, -g, alpha, beta, l1)),
    Mistake("The weight is the one that made the gradient: take it from the n before the row.",
            _step_with_new_n),
    Mistake("Between -l1 and l1 the weight is 0; yours goes on and changes its sign there.",
            but(_step, pull=lambda z, l1: z - z.sign() * l1)),
)  # fmt: skip


def _price(bids, p, reserve, rank=lambda bids, p: bids * p, own=0, over="winner",
           least=lambda below, reserve: below.clamp_min(reserve), descending=True):  # fmt: skip
    order = rank(bids, p).argsort(1, descending=descending)
    bids, p = bids.gather(1, order), p.gather(1, order)
    score = bids * p
    after = torch.cat((score[:, 1:], torch.zeros_like(score[:, :1])), 1)
    below = least(score if own else after, reserve)
    if over == "winner":
        cost = below / p
    elif over == "next":
        cost = below / torch.cat((p[:, 1:], p[:, -1:]), 1)
    else:
        cost = below
    return cost


def _price_by_candidate(bids, p, reserve):
    slot = (bids * p).argsort(1, descending=True).argsort(1)
    return _price(bids, p, reserve).gather(1, slot)


PRICE = (
    Mistake("The winner pays its own bid in yours; charge what the next score makes necessary.",
            but(_price, own=1)),
    Mistake("You charge the next candidate's bid; a winner with a high p needs less to keep its "
            "place: divide the next score by the winner's p.", but(_price, over="next")),
    Mistake("This is money per impression; per click, divide by the winner's p.",
            but(_price, over="")),
    Mistake("You rank by bids; an impression is worth the bid times p.",
            but(_price, rank=lambda bids, p: bids)),
    Mistake("You rank by p; an impression is worth the bid times p.",
            but(_price, rank=lambda bids, p: p)),
    Mistake("Your slots run from the lowest score to the highest.", but(_price, descending=False)),
    Mistake("Below the last candidate there is still the reserve: take the larger of it and the "
            "next score.", but(_price, least=lambda below, reserve: below)),
    Mistake("The reserve is a floor under the next score, not an addition to it.",
            but(_price, least=lambda below, reserve: below + reserve)),
    Mistake("The scores are in the order of the slots, your divisor is not: gather p, too.",
            lambda bids, p, reserve: _price(bids, p, reserve, over="") / p),
    Mistake("Your prices stand in the candidates' order; asked are the slots', the top one first.",
            _price_by_candidate),
)  # fmt: skip


def _attraction(clicks, shown, theta, trust, extra=lambda s, t, e: s * t * e,
                scale=lambda t, e: t * (1 - e), last=lambda x: x):  # fmt: skip
    return last(((clicks - extra(shown, theta, trust)) / scale(theta, trust)).sum(1) / shown.sum(1))


def _by_sums(clicks, shown, theta, trust):
    top = (clicks - shown * theta * trust).sum(1)
    return top / (shown * theta * (1 - trust)).sum(1)


ATTRACTION = (
    Mistake("This is plain inverse propensity: the clicks that trust brings must be taken off.",
            but(_attraction, extra=lambda s, t, e: 0 * s, scale=lambda t, e: t)),
    Mistake("Trusted clicks also need a look: of those shown, theta times trust.",
            but(_attraction, extra=lambda s, t, e: s * e)),
    Mistake("What is left is theta (1 - trust) times the attraction; you divide by theta only.",
            but(_attraction, scale=lambda t, e: t)),
    Mistake("You divide by 1 - trust and forget the looks, theta.",
            but(_attraction, scale=lambda t, e: 1 - e)),
    Mistake("You take the trusted clicks off and then do not scale up what is left.",
            but(_attraction, scale=lambda t, e: torch.ones_like(t))),
    Mistake("Trusted clicks come to every impression, not to every click: multiply by shown.",
            lambda c, s, t, e: ((c - c * t * e) / (t * (1 - e))).sum(1) / s.sum(1)),
    Mistake("This is the click rate as counted.",
            but(_attraction, extra=lambda s, t, e: 0 * s, scale=lambda t, e: torch.ones_like(t))),
    Mistake("You divide a sum by a sum. That is unbiased, too, with less variance where the "
            "attraction is the same everywhere; asked is the mean over impressions.", _by_sums),
    Mistake("You average over positions as if an item had been shown equally often in each.",
            lambda c, s, t, e: ((c / s - t * e) / (t * (1 - e))).mean(1)),
    Mistake("An estimate may be negative: cutting it off at 0 biases it.",
            lambda c, s, t, e: ((c - s * t * e).clamp_min(0) / (t * (1 - e))).sum(1) / s.sum(1)),
    Mistake("One number for each item: you average over the batch.",
            but(_attraction, last=lambda x: x.mean())),
)  # fmt: skip

MISTAKES = {
    "ctr-3": AUC,
    "ctr-4": STEP,
    "ctr-5": PRICE,
    "ctr-6": ATTRACTION,
}
