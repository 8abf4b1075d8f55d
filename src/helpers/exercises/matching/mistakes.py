"""Planted mistakes for chapter 7's exercises: what readers write, and the sentence for each."""

import math
from functools import partial as but

import torch

from helpers.exercises.exercise import Mistake


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


def _weight(total, n):
    return math.log(1 + (total - n + 0.5) / (n + 0.5))


def _room(lengths, b):
    return 1 - b + b * lengths / lengths.mean()


def _contribution(counts, lengths, n, k1, b, weight=_weight, room=_room,
                  curve=lambda c, k1, room: c / (c + k1 * room)):  # fmt: skip
    return weight(len(counts), n) * curve(counts, k1, room(lengths, b))


CONTRIBUTION = (
    Mistake("You leave out the one inside the logarithm: a word in more than half of the documents "
            "would count against them.",
            but(_contribution, weight=lambda t, n: math.log((t - n + 0.5) / (n + 0.5)))),
    Mistake("This is the plain logarithm of N / n; the odds compare those without the word to "
            "those with it, and add halves.",
            but(_contribution, weight=lambda t, n: math.log(t / n))),
    Mistake("You forgot how rare the word is: multiply by its weight.",
            but(_contribution, weight=lambda t, n: 1.0)),
    Mistake("You multiply by k1 + 1; here the limit is one.",
            but(_contribution, curve=lambda c, k1, room: (k1 + 1) * c / (c + k1 * room))),
    Mistake("b and 1 - b have changed places: without b, length must not count.",
            but(_contribution, room=lambda x, b: b + (1 - b) * x / x.mean())),
    Mistake("Length is upside down: a long document must need more repetitions, not fewer.",
            but(_contribution, room=lambda x, b: 1 - b + b * x.mean() / x)),
    Mistake("You divide by the total length; compare with the mean.",
            but(_contribution, room=lambda x, b: 1 - b + b * x / x.sum())),
    Mistake("The count should saturate: divide it by itself plus k1 K, not by k1 K.",
            but(_contribution, curve=lambda c, k1, room: c / (k1 * room))),
    Mistake("K multiplies k1; you add it.",
            but(_contribution, curve=lambda c, k1, room: c / (c + k1 + room))),
    Mistake("You left length out: K multiplies k1.",
            but(_contribution, room=lambda x, b: 1.0)),
    Mistake("The mean length is over all documents, also those without the word.",
            lambda counts, lengths, n, k1, b: _contribution(
                counts, lengths, n, k1, b,
                room=lambda x, b: 1 - b + b * x / x[counts > 0].mean())),
    Mistake("Divide each length by the mean length: K compares them.",
            but(_contribution, room=lambda x, b: 1 - b + b * x)),
    Mistake("K is 1 - b + b L / mean length: you forgot 1 - b.",
            but(_contribution, room=lambda x, b: b * x / x.mean())),
    Mistake("K is 1 - b + b L / mean length: you forgot to take b off the 1.",
            but(_contribution, room=lambda x, b: 1 + b * x / x.mean())),
    Mistake("The count stays a count; you divide it by the document's length.",
            lambda counts, lengths, n, k1, b: _contribution(counts / lengths, lengths, n, k1, b)),
    Mistake("Length counts twice: dividing the count by K and multiplying k1 by K are the same "
            "thing, so do one of them.",
            but(_contribution, curve=lambda c, k1, room: c / (c + k1 * room**2))),
    Mistake("You left k1 out: it multiplies K.",
            but(_contribution, curve=lambda c, k1, room: c / (c + room))),
    Mistake("k1 and b have changed places.",
            lambda counts, lengths, n, k1, b: _contribution(counts, lengths, n, b, k1)),
    Mistake("The logarithm is the natural one, not that of base 2.",
            but(_contribution, weight=lambda t, n: _weight(t, n) / math.log(2))),
    Mistake("The logarithm is the natural one, not that of base 10.",
            but(_contribution, weight=lambda t, n: _weight(t, n) / math.log(10))),
    Mistake("N is how many documents there are, not the sum of the counts.",
            lambda counts, lengths, n, k1, b: _contribution(
                counts, lengths, n, k1, b, weight=lambda t, n: _weight(counts.sum(), n))),
    Mistake("The odds are upside down: the rare word weighs more.",
            but(_contribution, weight=lambda t, n: math.log(1 + (n + 0.5) / (t - n + 0.5)))),
    Mistake("You take the logarithm of the count; here it saturates as c / (c + k1 K).",
            but(_contribution, curve=lambda c, k1, room: torch.log1p(c))),
)  # fmt: skip


def _losses(f, g, log_q, correct=lambda s, q: s - q, axis=1, reduce=lambda rows: rows):
    s = correct(f @ g.T, log_q)
    return reduce(s.logsumexp(axis) - s.diagonal())


def _off_diagonal(f, g, log_q, least=-math.inf):
    s = f @ g.T - log_q
    return s.masked_fill(torch.eye(len(s), dtype=bool), least).logsumexp(1) - s.diagonal()


def _negatives_only(f, g, log_q):
    return _losses(f, g, log_q, correct=lambda s, q: s - q * (1 - torch.eye(len(s)).to(s)))


LOSSES = (
    Mistake("The sign: log q is subtracted, so that a popular item's score need not be low.",
            but(_losses, correct=lambda s, q: s + q)),
    Mistake("The correction is missing, or it is taken along rows, where a constant of the user "
            "changes nothing: a column is an item.",
            but(_losses, correct=lambda s, q: s - q[:, None])),
    Mistake("You subtract q itself; the logarithm of it was given, subtract that.",
            but(_losses, correct=lambda s, q: s - q.exp())),
    Mistake("You normalise over the users of a column; each user chooses among the items of a row.",
            but(_losses, axis=0)),
    Mistake("Keep one value for each row: you average over the batch.",
            but(_losses, reduce=lambda rows: rows.mean())),
    Mistake("This is the log-probability; a loss is its negative.",
            but(_losses, reduce=lambda rows: -rows)),
    Mistake("The user's own item belongs into the sum, too: it is one of the choices.",
            _off_diagonal),
    Mistake("You push the user's own item out of the sum with a very low score; it is one of the "
            "choices, leave it in.", but(_off_diagonal, least=-1e9)),
    Mistake("You correct the negatives only; the user's own item came by the same way.",
            _negatives_only),
    Mistake("You correct in the sum only; the own item's score in the numerator loses its log q, "
            "too.", lambda f, g, log_q: _losses(f, g, log_q) - log_q),
    Mistake("You correct the own item only; every item of the softmax loses its log q.",
            lambda f, g, log_q: _losses(f, g, 0 * log_q) + log_q),
    Mistake("The rows are askers and the columns items: f @ g.T, not g @ f.T.",
            lambda f, g, log_q: _losses(g, f, log_q)),
    Mistake("You apply a softmax twice: cross_entropy takes scores, not probabilities.",
            but(_losses, correct=lambda s, q: (s - q).softmax(1))),
    Mistake("The score is the inner product; you scale the vectors to length one.",
            lambda f, g, log_q: _losses(f / f.norm(dim=1, keepdim=True),
                                        g / g.norm(dim=1, keepdim=True), log_q)),
    Mistake("The score is the inner product itself; nothing divides it by the root of D.",
            lambda f, g, log_q: _losses(f / f.shape[1] ** 0.5, g, log_q)),
    Mistake("The loss has one side: do not average it with that of items choosing among askers.",
            lambda f, g, log_q: (_losses(f, g, log_q) + _losses(f, g, log_q, axis=0)) / 2),
    Mistake("You compare the pairs with each other; an asker's choices are all items of the batch, "
            "each scored with this asker.",
            lambda f, g, log_q: ((f * g).sum(1) - log_q).logsumexp(0) - (f * g).sum(1) + log_q),
    Mistake("You return the probability of the own item; take its negative logarithm.",
            but(_losses, reduce=lambda rows: (-rows).exp())),
)  # fmt: skip


MISTAKES = {
    "matching-3": CONTRIBUTION,
    "matching-4": LOSSES,
    "matching-5": NDCG,
    "matching-6": SPLIT,
}
