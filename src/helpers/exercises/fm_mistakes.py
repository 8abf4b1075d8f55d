"""Planted mistakes for chapter 11's exercises: what readers write, and the sentence for each."""

from functools import partial as but

import torch

from .exercise import Mistake


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
    Mistake("Half is right where every pair was counted twice; you counted each once.",
            but(_ffm, factor=0.5)),
    Mistake("Keep one score per example: you sum over the batch.", lambda v: _ffm(v).sum()),
)  # fmt: skip


def _own(v):
    return (v.transpose(1, 2) @ v).triu(1).sum((1, 2))  # v (B, k, F)


def _cross(x0, weights, biases, by=lambda x0, x: x0, inside=True, keep=lambda x0, x: x,
           matrix=lambda w: w.T, start=lambda x0: x0):  # fmt: skip
    x = start(x0)
    for weight, bias in zip(weights, biases, strict=True):
        step = x @ matrix(weight)
        if inside:
            x = by(x0, x) * (step + bias) + keep(x0, x)
        else:
            x = by(x0, x) * step + bias + keep(x0, x)
    return x


CROSS = (
    Mistake("You multiply by x, but every layer multiplies by x0 again: else the degree doubles "
            "from layer to layer.", but(_cross, by=lambda x0, x: x)),
    Mistake("Without adding x the lower degrees are lost.", but(_cross, keep=lambda x0, x: 0.0)),
    Mistake("You add x0; add what came into the layer.", but(_cross, keep=lambda x0, x: x0)),
    Mistake("The bias stands inside the product in version 2; outside it does in version 1.",
            but(_cross, inside=False)),
    Mistake("The matrix is the wrong way round: with rows as examples, W x is x @ W.T.",
            but(_cross, matrix=lambda w: w)),
    Mistake("This is version 1's product: every coordinate gets a weight of its own in version 2.",
            lambda x0, weights, biases: _cross(x0, weights.mean(1, keepdim=True)
                                               .expand_as(weights), biases)),
    Mistake("The matrix product must see x, the layer's input, not x0: the degree stays 2.",
            lambda x0, weights, biases: x0 + sum(x0 * (x0 @ w.T + b)
                                                 for w, b in zip(weights, biases, strict=True))),
    Mistake("There is no ReLU in a cross network: it is a polynomial.",
            lambda x0, weights, biases: _relu(x0, weights, biases)),
    Mistake("You use the first layer's matrix in all layers.",
            lambda x0, weights, biases: _cross(x0, weights[:1].expand_as(weights), biases)),
)  # fmt: skip


def _relu(x0, weights, biases):
    x = x0
    for weight, bias in zip(weights, biases, strict=True):
        x = (x0 * (x @ weight.T + bias) + x).relu()
    return x


def _pruned(x, strength, n_kept, size=lambda r: r.abs(), largest=True, weight=lambda r: r,
            count=lambda n, all: n):  # fmt: skip
    f, g = torch.triu_indices(x.shape[1], x.shape[1], 1)
    kept = size(strength).topk(count(n_kept, len(strength)), largest=largest).indices
    return (x[:, f[kept]] * x[:, g[kept]]).sum(2) @ weight(strength[kept])


PRUNED = (
    Mistake("A strongly negative pair matters as much as a positive one: rank by absolute value.",
            but(_pruned, size=lambda r: r)),
    Mistake("You kept the weakest pairs.", but(_pruned, largest=False)),
    Mistake("The pairs that are kept keep their strength, sign and all.",
            but(_pruned, weight=lambda r: r.abs())),
    Mistake("The pairs that are kept still have to be weighed.",
            but(_pruned, weight=torch.ones_like)),
    Mistake("You dropped n_kept pairs; keep that many.",
            but(_pruned, count=lambda n, all: all - n)),
    Mistake("You kept all pairs.", but(_pruned, count=lambda n, all: all)),
    Mistake("Prune by the strength of the fields, not example by example: which pairs are kept "
            "must not depend on x.", lambda x, strength, n_kept: _by_example(x, strength, n_kept)),
    Mistake("You average over the pairs that are kept; the score sums them.",
            lambda x, strength, n_kept: _pruned(x, strength, n_kept) / n_kept),
    Mistake("Keep one score per example: you sum over the batch.",
            lambda x, strength, n_kept: _pruned(x, strength, n_kept).sum()),
)  # fmt: skip


def _by_example(x, strength, n_kept):
    f, g = torch.triu_indices(x.shape[1], x.shape[1], 1)
    scores = (x[:, f] * x[:, g]).sum(2) * strength
    return scores.gather(1, scores.abs().topk(n_kept).indices).sum(1)


MISTAKES = {"fm-3": FM, "fm-4": FFM, "fm-5": CROSS, "fm-6": PRUNED}
