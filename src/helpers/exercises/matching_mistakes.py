"""Planted mistakes for chapter 7's exercises: what readers write, and the sentence for each."""

import math
from functools import partial as but

import torch

from .exercise import Mistake
from .matching_more_mistakes import NDCG, SPLIT


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
