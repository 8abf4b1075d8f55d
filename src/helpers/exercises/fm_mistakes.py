"""Planted mistakes for chapter 11's exercises: what readers write, and the sentence for each."""

from functools import partial as but

import torch

from .exercise import Mistake
from .fm_more_mistakes import CROSS, PRUNED


def _fm(x, bias, w, v, half=0.5, square=lambda x, v: x.square() @ v.square(), linear=1.0,
        constant=1.0, total=lambda x, v: (x @ v).square(), reduce=lambda p: p.sum(1)):  # fmt: skip
    return constant * bias + linear * (x @ w) + half * reduce(total(x, v) - square(x, v))


FM = (
    Mistake("Every pair is counted twice, once as (i, j) and once as (j, i): take half.",
            but(_fm, half=1.0)),
    Mistake("The square of the sum also holds each feature times itself: take those off.",
            but(_fm, square=lambda x, v: 0.0)),
    Mistake("The values of the features must be squared, too, in the sum of squares.",
            but(_fm, square=lambda x, v: x @ v.square())),
    Mistake("Weigh each feature's vector with its value, not only by whether it is there.",
            but(_fm, square=lambda x, v: (x != 0).to(v) @ v.square(),
                total=lambda x, v: ((x != 0).to(v) @ v).square())),
    Mistake("You square after summing over the vectors' coordinates; the identity holds for each "
            "coordinate by itself.",
            but(_fm, total=lambda x, v: (x @ v).sum(1, keepdim=True).square(),
                square=lambda x, v: (x.square() @ v.square()).sum(1, keepdim=True))),
    Mistake("The terms of first order, one weight a feature, are missing.", but(_fm, linear=0.0)),
    Mistake("The bias is missing.", but(_fm, constant=0.0)),
    Mistake("You average over the vectors' coordinates; an inner product sums them.",
            but(_fm, reduce=lambda p: p.mean(1))),
    Mistake("The half belongs to the whole difference, not only to the square of the sum.",
            but(_fm, half=1.0, total=lambda x, v: (x @ v).square() / 2)),
    Mistake("Halve the pairs only, not the bias and the first order.",
            lambda x, bias, w, v: _fm(x, bias, w, v) - (bias + x @ w) / 2),
    Mistake("The vectors must be squared, too, in the sum of squares.",
            but(_fm, square=lambda x, v: x.square() @ v)),
    Mistake("The difference is the wrong way round: squares are taken off the square of the sum.",
            but(_fm, half=-0.5)),
    Mistake("You add the squares; each feature times itself is to be taken off.",
            but(_fm, square=lambda x, v: -(x.square() @ v.square()))),
    Mistake("Take off each feature with itself, summed over the features; you take off the squares "
            "of the sums.",
            but(_fm, square=lambda x, v: (x @ v).square(),
                total=lambda x, v: (x @ v).sum(1, keepdim=True).square() / v.shape[1])),
    Mistake("The features' values are missing in the first order: each weight is multiplied by z.",
            lambda x, bias, w, v: _fm(x, bias, w, v) - x @ w + w.sum()),
    Mistake("The features have values, not only presence: use x, not x != 0.",
            lambda x, bias, w, v: _fm((x != 0).to(v), bias, w, v)),
    Mistake("x is squared before the sum is taken: squaring in place changes the x of the next "
            "line.", lambda x, bias, w, v: _fm(x.square(), bias, w, v.square(),
                                               square=lambda x, v: x @ v)),
    Mistake("Sum over all pairs, not over neighbours only.",
            lambda x, bias, w, v: bias + x @ w + (x[:, :-1] * x[:, 1:]) @ (v[:-1] * v[1:]).sum(1)),
    Mistake("Sum over the coordinates only: your pairs are summed over the batch, too.",
            but(_fm, reduce=lambda p: p.sum())),
    Mistake("These are the pairs alone; the bias and the first order belong to the logit.",
            but(_fm, linear=0.0, constant=0.0)),
    Mistake("You return probabilities; a click model returns logits.",
            lambda x, bias, w, v: _fm(x, bias, w, v).sigmoid()),
)  # fmt: skip


def _ffm(v, other=lambda v: v.transpose(1, 2), keep=lambda m: m.triu(1), factor=1.0):
    return factor * keep((v * other(v)).sum(3)).sum((1, 2))


FFM = (
    Mistake("You multiply v[f, g] by itself: the partner of what f uses against g is what g uses "
            "against f.", but(_ffm, other=lambda v: v)),
    Mistake("You count every pair twice: (f, g) and (g, f) are the same pair.",
            but(_ffm, keep=lambda m: m - torch.diag_embed(m.diagonal(dim1=1, dim2=2)))),
    Mistake("The diagonal got in: a field is not paired with itself.",
            but(_ffm, keep=lambda m: m.triu(0))),
    Mistake("You use each field's vector for itself, v[f, f], as plain FM does.",
            lambda v: _own(v.diagonal(dim1=1, dim2=2))),
    Mistake("Sum over all pairs, not over neighbours only.",
            lambda v: sum((v[:, f, f + 1] * v[:, f + 1, f]).sum(1)
                          for f in range(v.shape[1] - 1))),
    Mistake("You average over the pairs; the score sums them.",
            lambda v: _ffm(v) / (v.shape[1] * (v.shape[1] - 1) / 2)),
    Mistake("You average over the vectors' coordinates; an inner product sums them.",
            lambda v: _ffm(v) / v.shape[3]),
    Mistake("You count every pair twice, and the diagonal got in: only f < g.",
            but(_ffm, keep=lambda m: m)),
    Mistake("Half of everything still holds half of the diagonal: a field is not paired with "
            "itself.", but(_ffm, keep=lambda m: m / 2)),
    Mistake("You cut the triangle along the vectors' coordinates: sum these first, then triu works "
            "on the two fields.",
            lambda v: (v * v.transpose(1, 2)).triu(1).sum((1, 2, 3))),
    Mistake("All scores are zero: cutting v before the product loses the partners v[g, f].",
            lambda v: 0 * _ffm(v)),
    Mistake("The last field is left out: the second field runs up to F - 1 included.",
            lambda v: _ffm(v[:, :-1, :-1])),
    Mistake("The partner of v[f, g] is v[g, f], what g uses against f; you use v[f, f].",
            lambda v: _with_own(v, 0)),
    Mistake("The partner of v[f, g] is v[g, f], what g uses against f; you use v[g, g].",
            lambda v: _with_own(v, 1)),
    Mistake("You let both fields use what they keep for the same third field; f uses what it keeps "
            "for g, and g what it keeps for f.", lambda v: _own(v.flatten(2).transpose(1, 2))),
    Mistake("You multiply sums of coordinates; an inner product sums the products.",
            lambda v: _ffm(v.sum(3, keepdim=True))),
    Mistake("You return probabilities; a score is a logit.", lambda v: _ffm(v).sigmoid()),
    Mistake("You add up each field's vectors before multiplying, which makes it plain FM again.",
            lambda v: _own(v.sum(2).transpose(1, 2))),
    Mistake("Half is right where every pair was counted twice; you counted each once.",
            but(_ffm, factor=0.5)),
    Mistake("Keep one score per example: you sum over the batch.", lambda v: _ffm(v).sum()),
)  # fmt: skip


def _own(v):
    return (v.transpose(1, 2) @ v).triu(1).sum((1, 2))  # v (B, k, F)


def _with_own(v, second):
    f, g = torch.triu_indices(v.shape[1], v.shape[1], 1)
    own = g if second else f
    return (v[:, f, g] * v[:, own, own]).sum((1, 2))


MISTAKES = {"fm-3": FM, "fm-4": FFM, "fm-5": CROSS, "fm-6": PRUNED}
