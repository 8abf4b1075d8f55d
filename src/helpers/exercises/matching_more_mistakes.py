"""Planted mistakes for exercises 5 and 6 of chapter 7; the others are in matching_mistakes.py."""

from functools import partial as but

import torch

from .exercise import Mistake


def _ndcg(shown, grades, k, gain=lambda g: 2**g - 1, discount=lambda p: (1 + p).log2(),
          ideal=lambda grades, shown, k: grades.sort(1, descending=True).values[:, :k],
          cut=lambda got, k: got[:, :k], axis=1):  # fmt: skip
    def dcg(some):
        place = torch.arange(1, some.shape[1] + 1, dtype=torch.float64)
        return (gain(some) / discount(place)).sum(axis)

    return dcg(cut(shown, k)) / dcg(ideal(grades, shown, k))


def _dcg_alone(shown, grades, k):
    place = torch.arange(2, k + 2, dtype=torch.float64)
    return (2 ** shown[:, :k] - 1) @ (1 / place.log2())


NDCG = (
    Mistake("Your ideal sorts what was shown; it is over all items, or missing the best one costs "
            "nothing.", but(_ndcg, ideal=lambda grades, shown, k:
                            shown[:, :k].sort(1, descending=True).values)),
    Mistake("Your ideal is not cut at k: it has more places than the list may use.",
            but(_ndcg, ideal=lambda grades, shown, k: grades.sort(1, descending=True).values)),
    Mistake("The list shown is not cut at k.", but(_ndcg, cut=lambda got, k: got)),
    Mistake("Your ideal takes the grades as they stand; sort them, best first.",
            but(_ndcg, ideal=lambda grades, shown, k: grades[:, :k])),
    Mistake("Your ideal is sorted the wrong way round: the best comes first.",
            but(_ndcg, ideal=lambda grades, shown, k: grades.sort(1).values[:, :k])),
    Mistake("You use the grades as gains; a gain is two to the grade, minus one.",
            but(_ndcg, gain=lambda g: g)),
    Mistake("You forgot the minus one: an item of grade zero must gain nothing.",
            but(_ndcg, gain=lambda g: 2**g)),
    Mistake("The discount of place p is the binary logarithm of p plus one; yours is that of p.",
            but(_ndcg, discount=lambda p: p.log2().clamp(min=1))),
    Mistake("Your places start at zero or at two: the first place has discount one.",
            but(_ndcg, discount=lambda p: (2 + p).log2())),
    Mistake("You divide by the place itself; the discount is its logarithm.",
            but(_ndcg, discount=lambda p: p)),
    Mistake("Your ideal sorts the whole list shown; it is over all items, shown or not.",
            but(_ndcg, ideal=lambda grades, shown, k:
                shown.sort(1, descending=True).values[:, :k])),
    Mistake("You go beyond place k: cut both lists, shown and ideal, at k.",
            lambda shown, grades, k: _ndcg(shown, grades, k + 1)),
    Mistake("Neither list is cut at k.",
            but(_ndcg, cut=lambda got, k: got,
                ideal=lambda grades, shown, k: grades.sort(1, descending=True).values)),
    Mistake("You stop at place k - 1: range(1, k) leaves out its end.",
            lambda shown, grades, k: _ndcg(shown, grades, k - 1)),
    Mistake("Sort all the grades first, and cut at k afterwards.",
            but(_ndcg, ideal=lambda grades, shown, k:
                grades[:, :k].sort(1, descending=True).values)),
    Mistake("You sort what was shown, too: its order is what nDCG judges.",
            but(_ndcg, cut=lambda got, k: got.sort(1, descending=True).values[:, :k])),
    Mistake("Your ideal is made of the items' numbers: argsort gives those, sort gives the grades.",
            but(_ndcg, ideal=lambda grades, shown, k:
                grades.argsort(1, descending=True).double()[:, :k])),
    Mistake("You sort down the columns, across queries; each query sorts its own row.",
            but(_ndcg, ideal=lambda grades, shown, k:
                grades.sort(0, descending=True).values[:, :k])),
    Mistake("You multiply by the logarithm; a gain is divided by it.",
            but(_ndcg, discount=lambda p: 1 / (1 + p).log2())),
    Mistake("The one belongs inside the logarithm: of one plus p, not one plus the logarithm of p.",
            but(_ndcg, discount=lambda p: 1 + p.log2())),
    Mistake("You forgot the logarithm of the discount: a gain is divided by log2(1 + p).",
            but(_ndcg, discount=lambda p: 1 + p)),
    Mistake("The gain is a power of two, not of e.", but(_ndcg, gain=lambda g: g.exp() - 1)),
    Mistake("The gain is two to the grade, not the grade squared.",
            but(_ndcg, gain=lambda g: g**2 - 1)),
    Mistake("This is DCG; divide it by that of the ideal list.", _dcg_alone),
    Mistake("You do not discount: order must count.",
            but(_ndcg, discount=lambda p: torch.ones_like(p))),
)  # fmt: skip


def _split(counts, lengths, share, smoothing, keep=lambda s: 1 - s, mix=lambda s: s,
           divide=lambda c, x: c / x, by=lambda p: p, log=torch.log1p,
           every=torch.log):  # fmt: skip
    ratio = keep(smoothing) * divide(counts, lengths) / (mix(smoothing) * by(share))
    return log(ratio), every(smoothing)


def _whole(counts, lengths, share, smoothing):
    mixed = (1 - smoothing) * counts / lengths + smoothing * share
    return mixed.log() - share.log(), smoothing.log()


def _with_share(counts, lengths, share, smoothing):
    held, _ = _split(counts, lengths, share, smoothing)
    return held, (smoothing * share).log()


def _two_logs(counts, lengths, share, smoothing):
    return ((1 - smoothing) * counts / lengths).log(), (smoothing * share).log()


SPLIT = (
    Mistake("What every document gets is counted twice: take log of the smoothing off the posting.",
            _whole),
    Mistake("The smoothing and what is left of it have changed places: it is the weight of all "
            "text.", but(_split, keep=lambda s: s, mix=lambda s: 1 - s,
                         every=lambda s: (1 - s).log())),
    Mistake("You forgot the length: a document's own share of the word is c / L.",
            but(_split, divide=lambda c, x: c)),
    Mistake("You forgot to divide by the word's share of all text.",
            but(_split, by=torch.ones_like)),
    Mistake("The posting holds the log of one plus the ratio; without a count it must be zero.",
            but(_split, log=torch.log)),
    Mistake("What every document gets is log of the smoothing, not of what is left of it.",
            but(_split, every=lambda s: (1 - s).log())),
    Mistake("Every document gets something: log P(t|d) - log p is not zero where the word is "
            "missing.", but(_split, every=torch.zeros_like)),
    Mistake("The document's own share is weighted by what the smoothing leaves.",
            but(_split, keep=torch.ones_like)),
    Mistake("The smoothing is missing below the fraction: it multiplies the word's share.",
            but(_split, mix=torch.ones_like)),
    Mistake("Every document gets the logarithm of the smoothing, not the smoothing itself.",
            but(_split, every=lambda s: s)),
    Mistake("A logarithm of a sum is not the sum of two logarithms: take the second term out of "
            "the sum as a factor.", _two_logs),
    Mistake("The posting must hold zero where the count is zero; yours holds all there is, and "
            "nothing is left for every document.",
            lambda *given: (sum(_split(*given)), 0 * given[3])),
    Mistake("The two parts have changed places: first what the posting holds.",
            lambda *given: _split(*given)[::-1]),
    Mistake("This is the split for Dirichlet smoothing, where length decides how much; here it "
            "is linear.",
            lambda c, x, p, s: (torch.log1p(c / (s * p)), (s / (x + s)).log())),
    Mistake("The posting holds the logarithm of the ratio, not the ratio.",
            but(_split, log=lambda ratio: 1 + ratio)),
    Mistake("Neither part has its logarithm: it turns the product into a sum.",
            but(_split, log=lambda ratio: ratio, every=lambda s: s)),
    Mistake("The logarithms are natural ones, not of base 2.",
            but(_split, log=lambda ratio: (1 + ratio).log2(), every=torch.log2)),
    Mistake("Every document has a smoothing of its own; you take the mean.",
            lambda c, x, p, s: _split(c, x, p, s.mean().expand_as(s))),
    Mistake("The length, too, stands below the fraction with the smoothing and the share: mind the "
            "brackets.", lambda c, x, p, s: (torch.log1p((1 - s) * c / s * x * p), s.log())),
    Mistake("The second part must not hold the word's share: it was to be taken off.", _with_share),
)  # fmt: skip
