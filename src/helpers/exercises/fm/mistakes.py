"""Planted mistakes for chapter 11's exercises: what readers write, and the sentence for each."""

from functools import partial as but

import torch

from helpers.exercises.exercise import Mistake


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


def _step(x0, weights, biases, step):
    x = x0
    for weight, bias in zip(weights, biases, strict=True):
        x = step(x0, x, weight, bias)
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
    Mistake("The bias is missing.", lambda x0, weights, biases: _cross(x0, weights, 0 * biases)),
    Mistake("There is no ReLU in a cross network, not on the matrix product either.",
            but(_step, step=lambda x0, x, w, b: x0 * (x @ w.T + b).relu() + x)),
    Mistake("There is no tanh in a cross network: it is a polynomial.",
            but(_step, step=lambda x0, x, w, b: x0 * (x @ w.T + b).tanh() + x)),
    Mistake("The bias is added after the matrix product, not before it.",
            but(_step, step=lambda x0, x, w, b: x0 * ((x + b) @ w.T) + x)),
    Mistake("You add x0 where it multiplies: without a product the degree stays 1.",
            but(_step, step=lambda x0, x, w, b: x0 + x @ w.T + b + x)),
    Mistake("x is added outside the bracket: x0 does not multiply it.",
            but(_step, step=lambda x0, x, w, b: x0 * (x @ w.T + b + x))),
    Mistake("The matrix comes first, the product with x0 afterwards.",
            but(_step, step=lambda x0, x, w, b: (x0 * x) @ w.T + b + x)),
    Mistake("The product with x0 is entry by entry; yours is an inner product, one number a row.",
            but(_step, step=lambda x0, x, w, b: (x0 * (x @ w.T + b)).sum(1, keepdim=True) + x)),
    Mistake("The matrix is the wrong way round, and the bias stands outside the product: "
            "x0 * (x @ W.T + b) + x.", but(_cross, matrix=lambda w: w, inside=False)),
    Mistake("x0 and x have changed places: the matrix sees x, and x0 multiplies.",
            but(_step, step=lambda x0, x, w, b: x * (x0 @ w.T + b) + x)),
    Mistake("The bias stands inside the product, and x is added to it.",
            but(_step, step=lambda x0, x, w, b: x0 * (x @ w.T) + b)),
    Mistake("Layers are numbered from the first: you go through them backwards.",
            lambda x0, weights, biases: _cross(x0, weights.flip(0), biases.flip(0))),
    Mistake("You stop one layer short.",
            lambda x0, weights, biases: _cross(x0, weights[:-1], biases[:-1])),
    Mistake("You stop after the first layer; the return may stand inside the loop.",
            lambda x0, weights, biases: _cross(x0, weights[:1], biases[:1])),
    Mistake("You use the first layer's bias in all layers.",
            lambda x0, weights, biases: _cross(x0, weights, biases[:1].expand_as(biases))),
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
    Mistake("Which pairs are kept must not depend on x, not even on its mean over the batch.",
            lambda x, strength, n_kept: _by_batch(x, strength, n_kept)),
    Mistake("You keep the first pairs of the list, as if it were sorted by strength.",
            lambda x, strength, n_kept: _listed(x, strength, range(n_kept), range(n_kept))),
    Mistake("The strengths are sorted and the pairs are not: pick both by the same indices.",
            lambda x, strength, n_kept: _listed(
                x, strength, range(n_kept), strength.abs().topk(n_kept).indices)),
    Mistake("The pairs are sorted and the strengths are not: pick both by the same indices.",
            lambda x, strength, n_kept: _listed(
                x, strength, strength.abs().topk(n_kept).indices, range(n_kept))),
    Mistake("You keep one pair too few: those as strong as the n_kept-th stay, too.",
            lambda x, strength, n_kept: _pruned(x, strength, n_kept - 1)),
    Mistake("You keep one pair too many.",
            but(_pruned, count=lambda n, all: min(n + 1, all))),
    Mistake("You keep the most negative pairs: rank by absolute value, the largest first.",
            but(_pruned, size=lambda r: -r)),
    Mistake("You take each pair twice, as (f, g) and as (g, f).",
            but(_pruned, weight=lambda r: 2 * r)),
    Mistake("The strengths of the pairs kept stay as they are; nothing makes them sum to one.",
            but(_pruned, weight=lambda r: r / r.abs().sum())),
    Mistake("Strengths are weights as they stand; a softmax loses their sign.",
            but(_pruned, weight=lambda r: r.softmax(0))),
    Mistake("The pairs are listed as (0, 1), (0, 2), ..., first field first; yours run (0, 1), "
            "(0, 2), (1, 2), ..., as tril_indices does.",
            lambda x, strength, n_kept: _other_order(x, strength, n_kept)),
    Mistake("You multiply sums of coordinates; an inner product sums the products.",
            lambda x, strength, n_kept: _pruned(x.sum(2, keepdim=True), strength, n_kept)),
    Mistake("You average over the pairs that are kept; the score sums them.",
            lambda x, strength, n_kept: _pruned(x, strength, n_kept) / n_kept),
    Mistake("Keep one score per example: you sum over the batch.",
            lambda x, strength, n_kept: _pruned(x, strength, n_kept).sum()),
)  # fmt: skip


def _by_example(x, strength, n_kept):
    f, g = torch.triu_indices(x.shape[1], x.shape[1], 1)
    scores = (x[:, f] * x[:, g]).sum(2) * strength
    return scores.gather(1, scores.abs().topk(n_kept).indices).sum(1)


def _by_batch(x, strength, n_kept):
    f, g = torch.triu_indices(x.shape[1], x.shape[1], 1)
    scores = (x[:, f] * x[:, g]).sum(2) * strength
    return scores[:, scores.abs().mean(0).topk(n_kept).indices].sum(1)


def _listed(x, strength, pairs, weights):
    f, g = torch.triu_indices(x.shape[1], x.shape[1], 1)
    return (x[:, f] * x[:, g]).sum(2)[:, torch.as_tensor(pairs)] @ strength[
        torch.as_tensor(weights)
    ]


def _other_order(x, strength, n_kept):
    g, f = torch.tril_indices(x.shape[1], x.shape[1], -1)
    kept = strength.abs().topk(n_kept).indices
    return (x[:, f[kept]] * x[:, g[kept]]).sum(2) @ strength[kept]


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
