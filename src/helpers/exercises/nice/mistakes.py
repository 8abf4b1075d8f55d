"""Planted mistakes for chapter 1's exercises: what readers write, and the sentence for each."""

import math
from functools import partial as but

import torch
import torch.nn.functional as F

from helpers.exercises.exercise import Mistake


def _logistic(z: torch.Tensor) -> torch.Tensor:
    return -z - 2 * F.softplus(-z)


def _gaussian(z: torch.Tensor) -> torch.Tensor:
    return -0.5 * (z**2 + math.log(2 * math.pi))


def _couple(x, m, sign=1.0):
    return torch.stack([x[:, ::2], x[:, 1::2] + sign * m(x[:, ::2])], dim=2).flatten(1)


def _couple_evens(x, m):
    return torch.stack([x[:, ::2] + m(x[:, 1::2]), x[:, 1::2]], dim=2).flatten(1)


def _couple_blocks(x, m):
    first, second = x.chunk(2, dim=1)
    return torch.cat([first, second + m(first)], dim=1)


def _log_prob(x, m, log_scale, couple=_couple, prior=_logistic, log_det=torch.sum, power=1.0):
    return prior(torch.exp(power * log_scale) * couple(x, m)).sum(1) + log_det(log_scale)


def _scale_first(x, m, log_scale):
    return _logistic(_couple(torch.exp(log_scale) * x, m)).sum(1) + log_scale.sum()


LOG_PROB = (
    Mistake("The log-determinant enters with the wrong sign: where the map stretches space, the "
            "density of x is the larger for it.", but(_log_prob, log_det=lambda s: -s.sum())),
    Mistake("The change of variables has a second term, the log-determinant; the coupling's is "
            "zero, but the scaling's is not.", but(_log_prob, log_det=lambda s: 0 * s.sum())),
    Mistake("The prior is a product over dimensions, so its logarithms are summed over them; you "
            "average.", lambda x, m, s: _log_prob(x, m, s, log_det=lambda s: 0) / len(s) + s.sum()),
    Mistake("You average over dimensions, log-determinant included: this is a log-density per "
            "dimension.", lambda x, m, s: _log_prob(x, m, s) / len(s)),
    Mistake("This is the likelihood under a Gaussian prior; the exercise asks for the standard "
            "logistic one.", but(_log_prob, prior=_gaussian)),
    Mistake("You change the even coordinates by a function of the odd ones; here the even ones "
            "pass unchanged and the odd ones are shifted.", but(_log_prob, couple=_couple_evens)),
    Mistake("You split x into a first and a second half; the split here is interleaved, "
            "coordinates 0, 2, 4, ... and 1, 3, 5, ...", but(_log_prob, couple=_couple_blocks)),
    Mistake("You subtract m, which is the inverse of the coupling: a log-density needs the "
            "direction from data to latent.", but(_log_prob, couple=but(_couple, sign=-1.0))),
    Mistake("You scale before the coupling, so m sees scaled coordinates: the coupling comes "
            "first, the scaling after it.", _scale_first),
    Mistake("You divide by exp(log_scale); from data to latent the scaling multiplies.",
            but(_log_prob, power=-1.0)),
    Mistake("The log-determinant of a diagonal map sums the logarithms of its entries; you sum "
            "the entries themselves.", but(_log_prob, log_det=lambda s: s.exp().sum())),
)  # fmt: skip


def _undo(y, m1, m2, sign=-1.0, first=1.0, second=1.0, fresh=True):
    x = y.clone()
    x[:, ::2] += second * sign * m2(y[:, 1::2])
    x[:, 1::2] += first * sign * m1(x[:, ::2] if fresh else y[:, ::2])
    return x


def _in_forward_order(y, m1, m2, sign):
    x = y.clone()
    x[:, 1::2] += sign * m1(y[:, ::2])
    x[:, ::2] += sign * m2(x[:, 1::2])
    return x


def _undo_blocks(y, m1, m2):
    x = _undo(y, m1, m2)
    return torch.cat([x[:, ::2], x[:, 1::2]], dim=1)


INVERSE = (
    Mistake("You undo the first coupling first; as with socks and shoes, the last one put on "
            "comes off first.", but(_in_forward_order, sign=-1.0)),
    Mistake("The order is right, but you add the shifts again: undoing takes them away.",
            but(_undo, sign=1.0)),
    Mistake("You compute both shifts from y; by the time m1 is needed, its input, the even "
            "coordinates, has to be restored already.", but(_undo, fresh=False)),
    Mistake("Only the second coupling is undone: the odd coordinates still carry the shift by m1.",
            but(_undo, first=0.0)),
    Mistake("Only the first coupling is undone, and from even coordinates which the second had "
            "changed meanwhile.", but(_undo, second=0.0)),
    Mistake("m1 and m2 have changed places: the second coupling, which shifted the even "
            "coordinates, used m2.", lambda y, m1, m2: _undo(y, m2, m1)),
    Mistake("This is the forward map, applied to y once more.", but(_in_forward_order, sign=1.0)),
    Mistake("Every value is right, but the halves stand one after the other: put them back into "
            "the even and the odd places.", _undo_blocks),
)  # fmt: skip


def _affine(x, s, t, sign=1.0, inside=False, log_det=None):
    scale = torch.exp(sign * s(x[:, ::2]))
    shift = t(x[:, ::2])
    odd = scale * (x[:, 1::2] + shift) if inside else scale * x[:, 1::2] + shift
    y = torch.stack([x[:, ::2], odd], dim=2).flatten(1)
    return y, (log_det or (lambda s: sign * s.sum(1)))(s(x[:, ::2]))


AFFINE = (
    Mistake("You shift before scaling, exp(s) (x + t): the exercise scales first and shifts after "
            "it.", but(_affine, inside=True)),
    Mistake("y is right; log_det has still one number per coordinate, and a determinant is one "
            "number per sample.", but(_affine, log_det=lambda s: s)),
    Mistake("y is right; log_det averages over coordinates where it should sum: a determinant is "
            "a product.", but(_affine, log_det=lambda s: s.mean(1))),
    Mistake("y is right; log_det is summed over the batch too, but each sample has a Jacobian of "
            "its own.", but(_affine, log_det=lambda s: s.sum())),
    Mistake("y is right; log_det counts both halves, but the half that passes unchanged has ones "
            "on the diagonal, whose logarithm is zero.",
            but(_affine, log_det=lambda s: 2 * s.sum(1))),
    Mistake("You scale by exp(-s), which is what the inverse does.", but(_affine, sign=-1.0)),
    Mistake("log_det is right, but y is scaled by exp(-s): the two disagree.",
            but(_affine, sign=-1.0, log_det=lambda s: s.sum(1))),
    Mistake("y is right; log_det adds up the scales exp(s), where it should add up their "
            "logarithms.", but(_affine, log_det=lambda s: s.exp().sum(1))),
    Mistake("y is right; log_det has the inverse's sign: exp(s) > 1 stretches, which makes log "
            "|det J| positive.", but(_affine, log_det=lambda s: -s.sum(1))),
    Mistake("y is right; log_det is zero as in the additive coupling, but this one changes "
            "volumes.", but(_affine, log_det=lambda s: 0 * s.sum(1))),
)  # fmt: skip


def _bits(log_prob, dim, n_levels, base=2.0, sign=-1.0, levels=1.0):
    return (sign * log_prob / dim + levels * math.log(n_levels)) / math.log(base)


BITS = (
    Mistake("These are nats per dimension: change the base of the logarithm.",
            but(_bits, base=math.e)),
    Mistake("The term for the number of levels has the wrong sign: squeezing the data into [0, 1) "
            "raised its density, and that gain has to be given back.", but(_bits, levels=-1.0)),
    Mistake("You measure the density of the rescaled data; one level is only 1 / n_levels wide "
            "there, and that width is missing.", but(_bits, levels=0.0)),
    Mistake("You divide by n_levels - 1; the data were divided by n_levels.",
            lambda p, dim, n: _bits(p, dim, n - 1)),
    Mistake("These are bits for the whole sample: divide by its dimension.",
            lambda p, dim, n: dim * _bits(p, dim, n)),
    Mistake("A likelier sample should cost fewer bits; yours costs more.", but(_bits, sign=1.0)),
    Mistake("Right up to the sign: bits are a cost, the negative of a log-probability.",
            but(_bits, sign=1.0, levels=-1.0)),
    Mistake("log_prob belongs to the whole sample; divide it by dim, too.",
            lambda p, dim, n: _bits(dim * p, dim, n)),
    Mistake("You count the levels once for the sample; each of its coordinates was rescaled.",
            lambda p, dim, n: (math.log2(n) - p / math.log(2)) / dim),
    Mistake("Keep one value per sample: you average over the batch.",
            lambda p, dim, n: _bits(p, dim, n).mean()),
)  # fmt: skip


def _tempered(x, flow, tau, power=-1.0, volume=-1.0, det=1.0):
    z, log_det = flow(x)
    return _logistic(z * tau**power).sum(1) + volume * x.shape[1] * math.log(tau) + det * log_det


TEMPERED = (
    Mistake("You multiply z by tau; to score a sample that was scaled by tau, the scaling has to "
            "be undone first.", but(_tempered, power=1.0)),
    Mistake("Scaling the latent changes volumes too: this is not yet a density that integrates to "
            "one.", but(_tempered, volume=0.0)),
    Mistake("The volume term has the wrong sign: a lower temperature packs the same probability "
            "into less space, so the density there rises.", but(_tempered, volume=1.0)),
    Mistake("You count the change of volume for one coordinate; tau scales every one.",
            lambda x, flow, tau: _tempered(x, flow, tau, volume=-1 / x.shape[1])),
    Mistake("You divide log_det by tau as well; the flow itself is unchanged by the temperature, "
            "and so is its log-determinant.",
            lambda x, flow, tau: _tempered(x, flow, tau, det=1 / tau)),
    Mistake("The flow's log-determinant enters with the wrong sign.", but(_tempered, det=-1.0)),
    Mistake("You divide the prior's log-density by tau, which is another family of temperatures "
            "and needs a normaliser; here the latent is scaled.",
            lambda x, flow, tau: _logistic(flow(x)[0]).sum(1) / tau + flow(x)[1]),
    Mistake("This is the model's log-density over tau squared: a power of a density needs a "
            "normaliser, and only for a Gaussian prior is it what you sample.",
            lambda x, flow, tau: _tempered(x, flow, 1.0) / tau**2),
    Mistake("You scale x; the temperature acts on the latent, behind the flow.",
            lambda x, flow, tau: _tempered(x / tau, flow, tau, power=0.0)),
    Mistake("This is the model's density at temperature one.",
            but(_tempered, power=0.0, volume=0.0)),
)  # fmt: skip

MISTAKES = {
    "nice-3": LOG_PROB,
    "nice-4": INVERSE,
    "nice-5": AFFINE,
    "nice-6": BITS,
    "nice-7": TEMPERED,
}
