"""Planted mistakes for chapter 4's exercises: what readers write, and the sentence for each."""

import math
from functools import partial as but

import torch

from helpers.exercises.exercise import Mistake


def _waves(density, spacing, tau, turns=2 * math.pi, damp=lambda w, tau: -tau * w**2 / 2, dim=1):
    omega = turns * torch.fft.fftfreq(density.shape[1], spacing, dtype=density.dtype)
    waves = torch.exp(damp(omega, tau)) * torch.fft.fft(density, dim=dim)
    return torch.fft.ifft(waves, dim=dim).real


def _one_step(density, spacing, tau):
    bend = density.roll(1, 1) + density.roll(-1, 1) - 2 * density
    return density + tau / 2 * bend / spacing**2


def _shares(density, spacing, tau):
    found = _waves(density, spacing, tau)
    return found / found.sum(1, keepdim=True)


SPREAD = (
    Mistake("fftfreq counts cycles per unit of length; the equation wants radians, which are 2 pi "
            "times as many.", but(_waves, turns=1.0)),
    Mistake("You shrink waves by exp(-tau w^2); the equation has half of the Laplacian, and tau is "
            "the variance that is added.", but(_waves, damp=lambda w, tau: -tau * w**2)),
    Mistake("The frequency must be squared, for the Laplacian is a second derivative; with |w| "
            "itself you would be blurring by another kernel.",
            but(_waves, damp=lambda w, tau: -tau * w.abs() / 2)),
    Mistake("Your waves grow: that is the heat equation run backwards. Heat makes every wave "
            "smaller.", but(_waves, damp=lambda w, tau: tau * w**2 / 2)),
    Mistake("You square tau: it is a variance already.",
            but(_waves, damp=lambda w, tau: -(tau * w) ** 2 / 2)),
    Mistake("The frequencies ignore the spacing of the grid: fftfreq takes it as its second "
            "argument.", lambda p, spacing, tau: _waves(p, 1.0, tau)),
    Mistake("The transform runs across the batch; each row is a density of its own, so transform "
            "along the last axis.", but(_waves, dim=0)),
    Mistake("This is one Euler step in time with second differences; the waves have an exact "
            "solution, whatever tau is.", _one_step),
    Mistake("You divide by the sum. The heat equation keeps the integral by itself, and a density "
            "sums to one over the spacing.", _shares),
)  # fmt: skip


def _soft(logits):
    return logits.softmax(1)


def _widened(std, tau):
    return std**2 + tau


def _mixture(x, tau, means, std, weights, *, var=_widened, half=0.5, power=0.5, log=torch.log,
             choose=_soft, below=None):  # fmt: skip
    v = var(std, tau)
    square = (x[:, None] - means).square().sum(2)
    share = choose(log(weights) - power * square / v)
    return half * (x - share @ means) / (v if below is None else below(tau))


def _nearest(logits):
    return torch.nn.functional.one_hot(logits.argmax(1), logits.shape[1]).to(logits)


def _noise_clock(x, tau, *rest):
    return 2 * tau**0.5 * _mixture(x, tau, *rest)


def _prior(x, tau, means, std, weights):
    return (x - weights @ means) / (2 * (std**2 + tau))


VELOCITY = (
    Mistake("This is minus the score; the velocity is half of that.", but(_mixture, half=1.0)),
    Mistake("This is the score itself; the velocity is minus one half of it.",
            but(_mixture, half=-1.0)),
    Mistake("This is the velocity on the clock of the noise level, the root of tau; asked for is "
            "the one on the clock of tau.", _noise_clock),
    Mistake("You count tau twice in the variance: after the heat time tau each component has "
            "std^2 + tau, for the half is in the equation already.",
            but(_mixture, var=lambda std, tau: std**2 + 2 * tau)),
    Mistake("The posterior weights of a point must sum to one over the components: divide by their "
            "sum, or use a softmax.", but(_mixture, choose=torch.exp)),
    Mistake("Your softmax runs across the batch; the weights of each point must sum to one over "
            "the components.", but(_mixture, choose=lambda logits: logits.softmax(0))),
    Mistake("The sign is wrong: with rising tau particles move down the log-density, away from the "
            "data.", but(_mixture, half=-0.5)),
    Mistake("You leave out the mixture's weights, which belong into Bayes' rule.",
            but(_mixture, log=torch.zeros_like)),
    Mistake("The weights enter the softmax as they are; their logarithms belong there.",
            but(_mixture, log=lambda w: w)),
    Mistake("You use the data's own score: after tau each component has the variance std^2 + tau.",
            but(_mixture, var=lambda std, tau: std**2)),
    Mistake("The variance is only tau; the components were not points, so std^2 must be added.",
            but(_mixture, var=lambda std, tau: tau)),
    Mistake("Variances add, not standard deviations: std must be squared before tau is added.",
            but(_mixture, var=lambda std, tau: std + tau)),
    Mistake("tau is a variance; you square it as if it were a standard deviation.",
            but(_mixture, var=lambda std, tau: std**2 + tau**2)),
    Mistake("In the exponent of a Gaussian stands the squared distance over twice the variance; "
            "the two is missing in your posterior.", but(_mixture, power=1.0)),
    Mistake("You move away from the likeliest component only; all of them pull, by their posterior "
            "probabilities.", but(_mixture, choose=_nearest)),
    Mistake("You average the means with the prior weights; a point near one component is more "
            "likely to come from it.", _prior),
    Mistake("The posterior mean of the component's centre is not that of x_0, so dividing by "
            "2 tau is wrong: divide by 2 (std^2 + tau).", but(_mixture, below=lambda tau: tau)),
)  # fmt: skip


def _data(x, eps, signal, noise):
    return (x - noise * eps) / signal


STEP = (
    Mistake("You stay in the coordinates u = x / signal: multiply by new_signal to come back.",
            lambda x, e, a, s, b, r: x / a + (r / b - s / a) * e),
    Mistake("The step has the wrong sign: the change is the new ratio minus the old one.",
            lambda x, e, a, s, b, r: b * (x / a + (s / a - r / b) * e)),
    Mistake("You step in the noise itself; the step is in the ratio of noise to signal, for "
            "x / signal.", lambda x, e, a, s, b, r: x + (r - s) * e),
    Mistake("You forget to divide x by signal before the step.",
            lambda x, e, a, s, b, r: b * (x + (r / b - s / a) * e)),
    Mistake("x is only rescaled: the step in the noise is missing.",
            lambda x, e, a, s, b, r: b * x / a),
    Mistake("This is the predicted data, the end of the line; the step stops on the way, at "
            "new_noise.", lambda x, e, a, s, b, r: _data(x, e, a, s)),
    Mistake("The predicted data come out right, but the noise of the new level is not added.",
            lambda x, e, a, s, b, r: b * _data(x, e, a, s)),
    Mistake("You add the new noise to the predicted data without scaling those by new_signal.",
            lambda x, e, a, s, b, r: _data(x, e, a, s) + r * e),
    Mistake("You take new_noise for the root of 1 - new_signal^2; that holds for one family of "
            "paths only, and the number is given.",
            lambda x, e, a, s, b, r: b * _data(x, e, a, s) + math.sqrt(1 - b * b) * e),
    Mistake("You come back with the old signal; the new point is scaled by new_signal.",
            lambda x, e, a, s, b, r: a * (x / a + (r / b - s / a) * e)),
)  # fmt: skip


def _line(x, z, points, power=lambda n: (n + 1) / 2, lift=1.0, sign=1.0, by=True):
    square = (x[:, None] - points).square().sum(2) + lift * z**2
    share = (-power(x.shape[1]) * square.log()).softmax(1)
    return sign * (x - share @ points) / (z if by else 1.0)


def _gaussian(x, z, points):
    square = (x[:, None] - points).square().sum(2)
    return (x - (-square / (2 * z**2)).softmax(1) @ points) / z


def _closest(x, z, points):
    return (x - points[(x[:, None] - points).square().sum(2).argmin(1)]) / z


def _along_arc(x, z, points):
    slope = _line(x, z, points)
    return slope / (1 + slope.square().sum(1, keepdim=True)).sqrt()


def _across(x, z, points):
    away = x[:, None] - points
    strength = (away.square().sum(2, keepdim=True) + z**2) ** (-(x.shape[1] + 1) / 2)
    return (strength * away).mean(1)


LINE = (
    Mistake("The exponent is that of N dimensions; the field lives in N + 1, so its denominator "
            "is the distance to the power N + 1.", but(_line, power=lambda n: n / 2)),
    Mistake("You raise the squared distance to the power N + 1; that is twice too much.",
            but(_line, power=lambda n: n + 1)),
    Mistake("These are the potential's weights; the field, its gradient, falls faster by two "
            "powers of the distance.", but(_line, power=lambda n: (n - 1) / 2)),
    Mistake("The distance to a charge has the height in it: add z^2 to the squared distance.",
            but(_line, lift=0.0)),
    Mistake("You weigh the charges by a Gaussian: that is the heat flow's velocity; charges have "
            "a heavier tail.", _gaussian),
    Mistake("All charges count the same here; near ones push harder.",
            but(_line, power=lambda n: 0.0)),
    Mistake("Only the nearest charge pushes in yours; all of them do.", _closest),
    Mistake("The sign is wrong: field lines lead away from charges as z rises.",
            but(_line, sign=-1.0)),
    Mistake("This is dx/dlog z: divide by z.", but(_line, by=False)),
    Mistake("You divide by the length of the whole field: that is dx over the length of the line; "
            "for dx/dz divide by the field's upward part.", _along_arc),
    Mistake("This is the upward part over the part along the plane; dx/dz is the other way round.",
            lambda x, z, points: 1 / _line(x, z, points)),
    Mistake("This is the field's part along the plane; dx/dz is its ratio to the upward part.",
            _across),
)  # fmt: skip

MISTAKES = {"ode-3": SPREAD, "ode-4": VELOCITY, "ode-5": STEP, "ode-6": LINE}
