"""Planted mistakes for chapter 2's exercises: what readers write, and the sentence for each."""

import math
from functools import partial as but

import torch

from helpers.exercises.exercise import Mistake


def _posterior(x, x0, bar, bar_j, step=None, root=math.sqrt, swap=False, divide=True, spread=None):
    step = bar / bar_j if step is None else step(bar, bar_j)
    added = 1 - step
    if swap:
        x, x0 = x0, x
    mean = root(bar_j) * added * x0 + root(step) * (1 - bar_j) * x
    variance = (1 - bar_j) / (1 - bar) * added
    return mean / (1 - bar) if divide else mean, spread(variance, added) if spread else variance


def _by_precision(x, x0, bar, bar_j, step=None, own=None, power=0.5, divide=True):
    """The same by (2.5): the precision P, and b, which is P times the mean."""
    step = bar / bar_j if step is None else step(bar)
    own = step if own is None else own
    precision = own / (1 - step) + 1 / (1 - bar_j)
    b = step**power / (1 - step) * x + math.sqrt(bar_j) / (1 - bar_j) * x0
    return b / precision if divide else b, 1 / precision


POSTERIOR = (
    Mistake("The mean is right; the variance is that of the forward step alone: knowing x0 as well "
            "makes it smaller.", but(_posterior, spread=lambda variance, added: added)),
    Mistake("The mean is right; you return the standard deviation where the variance is asked for.",
            but(_posterior, spread=lambda variance, added: math.sqrt(variance))),
    Mistake("The mean is right; you return the precision: the variance is one over it.",
            but(_posterior, spread=lambda variance, added: 1 / variance)),
    Mistake("The variance is right; in the mean, x and x0 have changed places: the longer the "
            "step, the less x says.", but(_posterior, swap=True)),
    Mistake("You take bar for the square of the step's factor; bar counts from the data on, and "
            "the step from j to k multiplies by the root of bar / bar_j.",
            but(_posterior, step=lambda bar, bar_j: bar)),
    Mistake("The variance is right; in the mean the roots are missing: a signal is the root of an "
            "alpha-bar.", but(_posterior, root=lambda u: u)),
    Mistake("The variance is right; the mean is not divided by the noise's variance at step k.",
            but(_posterior, divide=False)),
    Mistake("The variance is right; what you return as the mean is b, still to be divided by the "
            "precision.", but(_by_precision, divide=False)),
    Mistake("The step multiplies x_j by a factor before it adds noise; in your precision that "
            "factor, squared, is missing.", but(_by_precision, own=1.0)),
    Mistake("The variance is right; in the mean, x is multiplied by the square of the step's "
            "factor instead of the factor.", but(_by_precision, power=1.0)),
    Mistake("You treat the step from j to k as if it began at the data: its factor is the root of "
            "bar / bar_j, and not of bar.", but(_by_precision, step=lambda bar: bar)),
)  # fmt: skip


def _step(x, eps, bar, bar_j, eta, z, data=None, s=None, room=None, signal=None, drawn=None):
    x0 = (x - math.sqrt(1 - bar) * eps) / math.sqrt(bar) if data is None else data(x, eps, bar)
    full = math.sqrt((1 - bar_j) / (1 - bar) * (1 - bar / bar_j))
    s = eta * full if s is None else s(eta, full, bar, bar_j)
    room = math.sqrt(1 - bar_j - s**2) if room is None else room(bar_j, s)
    signal = math.sqrt(bar_j) if signal is None else signal(bar, bar_j)
    return signal * x0 + room * eps + (s if drawn is None else drawn(s, bar, bar_j)) * z


STEP = (
    Mistake("You keep all of the old noise and add new noise to it: the old must make room, by "
            "variance.", but(_step, room=lambda bar_j, s: math.sqrt(1 - bar_j))),
    Mistake("You make room by subtracting standard deviations; variances subtract: the root comes "
            "last.", but(_step, room=lambda bar_j, s: math.sqrt(1 - bar_j) - s)),
    Mistake("eta multiplies the standard deviation; you multiply the variance by it.",
            but(_step, s=lambda eta, full, bar, bar_j: math.sqrt(eta) * full)),
    Mistake("eta is ignored: this is the step at eta = 1.",
            but(_step, s=lambda eta, full, bar, bar_j: full)),
    Mistake("No fresh noise at all: this is the step at eta = 0.",
            but(_step, s=lambda eta, full, bar, bar_j: 0.0)),
    Mistake("Room is made for s, but the noise is multiplied by the variance, s squared.",
            but(_step, drawn=lambda s, bar, bar_j: s**2)),
    Mistake("s lacks the factor with the two noise variances: you scale what the step added, "
            "1 - bar / bar_j, alone.",
            but(_step, s=lambda eta, full, bar, bar_j: eta * math.sqrt(1 - bar / bar_j),
                room=lambda bar_j, s: math.sqrt(max(1 - bar_j - s**2, 0)))),
    Mistake("The guess of x0 is not divided by the signal: taking the noise off leaves a shrunken "
            "picture.", but(_step, data=lambda x, eps, bar: x - math.sqrt(1 - bar) * eps)),
    Mistake("The guess of x0 takes off the noise's variance times eps: its standard deviation is "
            "wanted.", but(_step, data=lambda x, eps, bar: (x - (1 - bar) * eps) / bar**0.5)),
    Mistake("You put the picture back at the signal of the step you leave; it needs that of the "
            "step you reach.", but(_step, signal=lambda bar, bar_j: math.sqrt(bar))),
)  # fmt: skip


def _velocity(x, v, bar, bar_j, data=None, noise=None, weights=None):
    a = math.sqrt(bar)
    sigma = math.sqrt(1 - bar)
    x0 = a * x - sigma * v if data is None else data(x, v, a, sigma)
    eps = sigma * x + a * v if noise is None else noise(x, v, a, sigma)
    a_j, sigma_j = (weights or (lambda b: (math.sqrt(b), math.sqrt(1 - b))))(bar_j)
    return a_j * x0 + sigma_j * eps


VELOCITY = (
    Mistake("Your v points from noise to data; here it is a eps - sigma x0: turn its sign.",
            but(_velocity, data=lambda x, v, a, s: a * x + s * v,
                noise=lambda x, v, a, s: s * x - a * v)),
    Mistake("You treat v as if it were the noise: this is the step you started from.",
            but(_velocity, data=lambda x, v, a, s: (x - s * v) / a,
                noise=lambda x, v, a, s: v)),
    Mistake("You treat v as if it were the data.",
            but(_velocity, data=lambda x, v, a, s: v, noise=lambda x, v, a, s: (x - a * v) / s)),
    Mistake("x0 is right, but you use v itself for the noise: that, too, has to be turned back.",
            but(_velocity, noise=lambda x, v, a, s: v)),
    Mistake("The noise is right, but you use v itself for the data: that, too, has to be turned "
            "back.", but(_velocity, data=lambda x, v, a, s: v)),
    Mistake("Signal and noise of the new step have changed places.",
            but(_velocity, weights=lambda b: (math.sqrt(1 - b), math.sqrt(b)))),
    Mistake("x0 and the noise are put together with alpha-bar and 1 - alpha-bar; their roots are "
            "wanted.", but(_velocity, weights=lambda b: (b, 1 - b))),
)  # fmt: skip


def _weights(x, points, bar, scale=2.0, signal=True, axis=1, power=1.0, root=False, total=True):
    centres = math.sqrt(bar) * points if signal else points
    square = (x[:, None] - centres).square().sum(2)
    exponent = -(square.sqrt() if root else square) / (scale * (1 - bar) ** power)
    return torch.softmax(exponent, dim=axis) if total else exponent.exp()


def _best(x, points, bar, weights=_weights, back=None):
    x0 = weights(x, points, bar) @ points
    a = math.sqrt(bar)
    sigma = math.sqrt(1 - bar)
    return (x - a * x0) / sigma if back is None else back(x, x0, a, sigma)


def _nearest(x, points, bar):
    return torch.eye(len(points), dtype=x.dtype)[_weights(x, points, bar).argmax(1)]


BEST = (
    Mistake("The exponent of a Gaussian has a 2 in its denominator: your weights are too sharp.",
            but(_best, weights=but(_weights, scale=1.0))),
    Mistake("In the exponent you divide by the standard deviation; a Gaussian's has the variance.",
            but(_best, weights=but(_weights, power=0.5))),
    Mistake("You compare x with the points themselves; after shrinking, a point is expected at "
            "the signal times itself.", but(_best, weights=but(_weights, signal=False))),
    Mistake("Your weights favour the points that are farthest from x: the exponent is minus the "
            "squared distance.", but(_best, weights=but(_weights, scale=-2.0))),
    Mistake("The distance stands in your exponent; a Gaussian's has its square.",
            but(_best, weights=but(_weights, root=True))),
    Mistake("Your weights do not add up to one: divide them by their sum over the points.",
            but(_best, weights=but(_weights, total=False))),
    Mistake("Your softmax runs over the batch; the weights of the data points for one x add up "
            "to one.", but(_best, weights=but(_weights, axis=0))),
    Mistake("You take the nearest point for certain; the mean weighs every point by how likely "
            "it is.", but(_best, weights=_nearest)),
    Mistake("All points have the same weight in your mean, whatever x is.",
            but(_best, weights=lambda x, p, bar: x.new_full((len(x), len(p)), 1 / len(p)))),
    Mistake("This is the mean of the data; the exercise asks for the mean of the noise.",
            but(_best, back=lambda x, x0, a, sigma: x0)),
    Mistake("You take off the data without shrinking them by the signal.",
            but(_best, back=lambda x, x0, a, sigma: (x - x0) / sigma)),
    Mistake("What is left after taking off the data is the noise times its standard deviation: "
            "divide.", but(_best, back=lambda x, x0, a, sigma: x - a * x0)),
)  # fmt: skip

MISTAKES = {"ddim-3": POSTERIOR, "ddim-4": STEP, "ddim-5": VELOCITY, "ddim-6": BEST}
