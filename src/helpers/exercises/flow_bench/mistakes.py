"""Planted mistakes for chapter 6's exercises: what readers write, and the sentence for each."""

from functools import partial as but

import torch

from helpers.exercises.exercise import Mistake


def _step(x, eps, signal, noise, signal_u, noise_u, eta, fresh, *, room=1.0, size=None, keep=None,
          over=True, draw=None, power=2, clean=True, straight=False):  # fmt: skip
    first = (1 - (signal / signal_u) ** power) ** 0.5
    s = (noise_u / noise * first) * (eta if size is None else size(eta))
    x0 = (x - noise * eps * clean) / (signal if over else 1)
    kept = ((noise_u if keep is None else noise) ** 2 - room * s**2) ** 0.5
    kept = noise_u - s if straight else kept
    return signal_u * x0 + kept * eps + (s if draw is None else first) * fresh


STEP = (
    Mistake("You add fresh noise without making room for it: take its variance from that of the "
            "predicted noise.", but(_step, room=0.0)),
    Mistake("The randomness is missing: this is the step with eta = 0.",
            but(_step, size=lambda eta: 0.0)),
    Mistake("You ignore eta: this is the step with eta = 1, DDPM's.",
            but(_step, size=lambda eta: 1.0)),
    Mistake("eta multiplies the standard deviation s, not the variance.",
            but(_step, size=lambda eta: eta**0.5)),
    Mistake("You scale s by the square of eta; eta multiplies it once.",
            but(_step, size=lambda eta: eta**2)),
    Mistake("The prediction of the data has to be divided by the signal at t.",
            but(_step, over=False)),
    Mistake("The new noise level is that at u; you keep the one at t.", but(_step, keep="t")),
    Mistake("The mean is right, but you draw more noise than it has room for: this is DDIM's "
            "sigma-hat.", but(_step, draw="hat")),
    Mistake("Variances add up, standard deviations do not: what is left of the predicted noise is "
            "the root of noise_u^2 - s^2, not noise_u - s.", but(_step, straight=True)),
    Mistake("The signals under the root of s are squared.", but(_step, power=1)),
    Mistake("Take the predicted noise off x before you divide by the signal.",
            but(_step, clean=False)),
)  # fmt: skip


def _shares(signal, noise, c, *, power=2, first=True, total=True, angle=None):
    theta = torch.atan2(noise, c * signal) if angle is None else angle(signal, noise, c)
    factors = torch.cos(theta.diff()) ** power
    factors = torch.cumprod(factors, 0) if total else factors
    return torch.cat([torch.ones_like(signal[:1]), factors])


def _from_start(signal, noise, c):
    theta = torch.atan2(noise, c * signal)
    return torch.cos(theta - theta[0]) ** 2


def _absolute(signal, noise, c):
    return _shares(signal, noise, c) * (signal**2 * c**2 + noise**2)


def _small_angles(signal, noise, c):
    theta = torch.atan2(noise, c * signal)
    return torch.cat([torch.ones_like(theta[:1]), torch.cumprod(1 - theta.diff() ** 2, 0)])


SHARES = (
    Mistake("This is the share of the standard deviation; a variance is its square.",
            but(_shares, power=1)),
    Mistake("You give each step's own factor; the steps multiply up.", but(_shares, total=False)),
    Mistake("The width c is missing from the angle: the data's part of the variance is (a c)^2.",
            but(_shares, angle=lambda a, s, c: torch.atan2(s, a))),
    Mistake("c enters the angle as a variance; it is a standard deviation and multiplies the "
            "signal once.", but(_shares, angle=lambda a, s, c: torch.atan2(s, c**2 * a))),
    Mistake("c multiplies the signal, not the noise.",
            but(_shares, angle=lambda a, s, c: torch.atan2(c * s, a))),
    Mistake("You go from the start to each stop in a single step; the stops in between cost "
            "something, too, but each less.", _from_start),
    Mistake("This is the variance itself: divide by the true one at the same stop.", _absolute),
    Mistake("You took the first terms of the cosine; the steps here are not small.",
            _small_angles),
)  # fmt: skip


def _floor(cov, n, *, means=2.0, equal=1.0, pairs=1.0, spectrum=torch.linalg.eigvalsh):
    s = spectrum(cov)
    table = s[:, :, None] * s[:, None] / (s[:, :, None] + s[:, None])
    same = table.diagonal(dim1=1, dim2=2).sum(1)
    return (means * s.sum(1) + pairs * table.sum((1, 2)) + equal * same) / n


FLOOR = (
    Mistake("The means are missing: they fluctuate, too.", but(_floor, means=0.0)),
    Mistake("Both sets' means fluctuate, so the trace counts twice.", but(_floor, means=1.0)),
    Mistake("This is the means' part alone; the covariances fluctuate as well.",
            but(_floor, pairs=0.0, equal=0.0)),
    Mistake("The pairs i = j count twice: a variance fluctuates more than a covariance does.",
            but(_floor, equal=0.0)),
    Mistake("You use the diagonal of the covariance; the formula holds in the axes in which it is "
            "diagonal, so take its eigenvalues.",
            but(_floor, spectrum=lambda c: c.diagonal(dim1=1, dim2=2))),
    Mistake("Only the equal pairs count twice; you double all of them.",
            but(_floor, pairs=2.0, equal=0.0)),
    Mistake("The sum goes over all pairs, (i, j) and (j, i); you count each once.",
            but(_floor, pairs=0.5, equal=1.5)),
    Mistake("Only equal pairs are counted; different axes fluctuate together, too.",
            but(_floor, pairs=0.0, equal=2.0)),
    Mistake("You need the eigenvalues of the covariance, which are variances; you take their "
            "roots.", but(_floor, spectrum=lambda c: torch.linalg.eigvalsh(c).sqrt())),
    Mistake("Divide by n, not by its square root: Frechet distance is a squared distance.",
            lambda cov, n: _floor(cov, n) * n**0.5),
)  # fmt: skip


def _heun(x, predict, signal, noise, signal_u, noise_u, *, first=0.5, second=0.5, back=True,
          scaled=True, moved=True, later=True, half=1.0):  # fmt: skip
    h = noise_u / signal_u - noise / signal
    slope = predict(x, signal, noise)
    trial = x / signal + half * h * slope if moved else x / signal
    at = (signal_u, noise_u) if later else (signal, noise)
    other = predict(signal_u * trial if scaled else trial, *at)
    return (signal_u if back else 1.0) * (x / signal + h * (first * slope + second * other))


def _from_trial(x, predict, signal, noise, signal_u, noise_u):
    h = noise_u / signal_u - noise / signal
    slope = predict(x, signal, noise)
    trial = x / signal + h * slope
    return signal_u * (trial + h * (slope + predict(signal_u * trial, signal_u, noise_u)) / 2)


def _plain_clock(x, predict, signal, noise, signal_u, noise_u):
    slope = predict(x, signal, noise)
    trial = x + (noise_u - noise) * slope
    return x + (noise_u - noise) * (slope + predict(trial, signal_u, noise_u)) / 2


HEUN = (
    Mistake("This is one step of DDIM: the second look at the network is missing.",
            but(_heun, first=1.0, second=0.0)),
    Mistake("You step with the second slope alone; Heun takes the mean of both.",
            but(_heun, first=0.0, second=1.0)),
    Mistake("You add the two slopes; take their mean.", but(_heun, first=1.0, second=1.0)),
    Mistake("The clock moves x / signal; multiply by the new signal at the end.",
            but(_heun, back=False)),
    Mistake("The network expects x, not x / signal: scale the trial point before you ask.",
            but(_heun, scaled=False)),
    Mistake("The second look has to be at the trial point; you ask at the old one.",
            but(_heun, moved=False)),
    Mistake("The second look has to use the new signal and noise.", but(_heun, later=False)),
    Mistake("You go half a step for the trial: that is another second-order method, and it would "
            "use the second slope alone, at half-time.", but(_heun, half=0.5)),
    Mistake("The trial step is only for looking: take the step with the mean slope from the start, "
            "not from the trial point.", _from_trial),
    Mistake("You use the noise as the clock; the velocity of x / signal is the prediction on the "
            "clock noise / signal.", _plain_clock),
)  # fmt: skip

MISTAKES = {
    "flow-bench-3": STEP,
    "flow-bench-4": SHARES,
    "flow-bench-5": FLOOR,
    "flow-bench-6": HEUN,
}
