"""Planted mistakes for chapter 3's exercises: what readers write, and the sentence for each."""

import math
from functools import partial as but

import torch

from helpers.exercises.exercise import Mistake


def _area(t, low, high):
    return low * t + (high - low) * t**2 / 2


NOISE = (
    Mistake("This is VP's noise, the square root of one minus the signal squared; sub-VP's is that "
            "without the root.", lambda t, a, b: (1 - torch.exp(-_area(t, a, b))).sqrt()),
    Mistake("This is the variance; a standard deviation was asked for.",
            lambda t, a, b: (1 - torch.exp(-_area(t, a, b))) ** 2),
    Mistake("The rising part of the area lacks its factor one half: you multiply beta(t) by t, and "
            "the area under a rising line is less.",
            lambda t, a, b: 1 - torch.exp(-(a * t + (b - a) * t**2))),
    Mistake("You take the rise of beta as high; from low to high it rises by their difference.",
            lambda t, a, b: 1 - torch.exp(-(a * t + b * t**2 / 2))),
    Mistake("You halve the area in the exponent: that is the signal's exponent, and the noise "
            "needs the signal squared.", lambda t, a, b: 1 - torch.exp(-_area(t, a, b) / 2)),
    Mistake("This is the signal squared: what is left of the data, not what was added.",
            lambda t, a, b: torch.exp(-_area(t, a, b))),
)  # fmt: skip


def _back(x, t, dt, beta, score, eps, shrink=1.0, share=1.0, kick=None, g2=None):
    b = beta(t)
    g2 = b if g2 is None else g2(b)
    kick = math.sqrt(b * dt) if kick is None else kick(b, dt)
    return x + dt * (shrink * b / 2 * x + share * g2 * score(x, t)) + kick * eps


REVERSE = (
    Mistake("You use half of the score together with all of the noise: half is the flow's, which "
            "has no noise to pay for.", but(_back, share=0.5)),
    Mistake("You step down the score, away from the data: going backwards both terms of the drift "
            "change sign.", but(_back, share=-1.0)),
    Mistake("The forward drift enters with its forward sign: going backwards, what shrank has to "
            "grow.", but(_back, shrink=-1.0)),
    Mistake("This is a step forward in time with the score added: both terms of the drift have the "
            "wrong sign.", but(_back, shrink=-1.0, share=-1.0)),
    Mistake("The noise is multiplied by dt; its size goes with the square root of dt, since "
            "variances add.", but(_back, kick=lambda b, dt: math.sqrt(b) * dt)),
    Mistake("The noise is multiplied by beta; that is the square of g, and the kick needs g.",
            but(_back, kick=lambda b, dt: b * math.sqrt(dt))),
    Mistake("The square root of dt is there, but g is missing from the kick.",
            but(_back, kick=lambda b, dt: math.sqrt(dt))),
    Mistake("The score is multiplied by g; the reverse drift needs g squared, which is beta.",
            but(_back, g2=lambda b: math.sqrt(b))),
    Mistake("The forward drift has one half of beta; yours has all of it.", but(_back, shrink=2.0)),
    Mistake("There is no noise in your step: this is neither the reverse SDE nor the flow, which "
            "has half the score.", but(_back, kick=lambda b, dt: 0.0)),
    Mistake("The score is multiplied by beta squared; the reverse drift needs g squared, which is "
            "beta.", but(_back, g2=lambda b: b**2)),
    Mistake("You subtract the kick: as good a draw, but not the one asked for. Going backwards "
            "turns the drift round and leaves the dice as they are: add eps.",
            but(_back, kick=lambda b, dt: -math.sqrt(b * dt))),
    Mistake("Beta is taken at the time of arrival, the score at that of departure: Euler and "
            "Maruyama take both at the start of the step.",
            lambda x, t, dt, beta, score, eps: _back(x, t, dt, lambda u: beta(u - dt), score, eps)),
    Mistake("Beta and the score are taken at the end of the step; Euler and Maruyama take them at "
            "its start.", lambda x, t, dt, *rest: _back(x, t - dt, dt, *rest)),
)  # fmt: skip


def _heun(x, t, dt, beta, score, share=0.5, sign=1.0, place=1.0, time=1.0, weights=(0.5, 0.5)):
    def slope(x, t):
        return sign * beta(t) * (x / 2 + share * score(x, t))

    first = slope(x, t)
    second = slope(x + place * dt * first, t - time * dt)
    return x + dt * (weights[0] * first + weights[1] * second)


HEUN = (
    Mistake("This is Euler's step: one slope, at the start.", but(_heun, weights=(1.0, 0.0))),
    Mistake("You use the slope at the far end alone; Heun averages it with the one at the start.",
            but(_heun, weights=(0.0, 1.0))),
    Mistake("You add both slopes where their average is due: the step becomes twice as long.",
            but(_heun, weights=(1.0, 1.0))),
    Mistake("The second slope is taken at the right place and at the old time: beta and the score "
            "have moved on by dt.", but(_heun, time=0.0)),
    Mistake("The second slope is taken at the new time and at the old place: go where Euler would "
            "arrive first.", but(_heun, place=0.0)),
    Mistake("You kept the whole score: without the dice, half of it is enough.",
            but(_heun, share=1.0)),
    Mistake("You step forward in time: x should go against the velocity, since t falls.",
            but(_heun, sign=-1.0)),
    Mistake("The time of the second slope went the wrong way: t falls.", but(_heun, time=-1.0)),
    Mistake("The score enters the velocity with the wrong sign: the flow runs up the score when "
            "time falls.", but(_heun, share=-0.5)),
    Mistake("The second slope is taken half-way, which is the midpoint rule's place; and still you "
            "average it with the first.", but(_heun, place=0.5, time=0.5)),
)  # fmt: skip


def _loss(x0, eps, signal, noise, net, sign=1.0, power=1, square_root=False, scale=1.0):
    a = signal[:, None]
    s = noise[:, None]
    if square_root:
        a, s = a.sqrt(), s.sqrt()
    return (scale * (s**power * net(a * x0 + s * eps) + sign * s ** (power - 1) * eps) ** 2).sum(1)


LOSS = (
    Mistake("The target has the wrong sign: the score points back from the noise to the data.",
            but(_loss, sign=-1.0)),
    Mistake("Your target is eps itself: a score is the noise divided by its size, turned round.",
            lambda x0, eps, a, s, net: (
                s[:, None] * (net(a[:, None] * x0 + s[:, None] * eps) - eps)).square().sum(1)),
    Mistake("The loss is not weighted by the noise squared: small noise dominates it.",
            but(_loss, power=0)),
    Mistake("It is weighted by the noise to the fourth power: the square is taken after weighting, "
            "so weight the difference by the noise once.", but(_loss, power=2)),
    Mistake("You average over the coordinates of an example; here they are summed.",
            lambda x0, eps, a, s, net: _loss(x0, eps, a, s, net) / x0.shape[1]),
    Mistake("The network is shown the clean data; it has to see the noised ones.",
            lambda x0, eps, a, s, net: (s[:, None] * net(x0) + eps).square().sum(1)),
    Mistake("The signal is missing: the data shrink before the noise is added.",
            lambda x0, eps, a, s, net: _loss(x0, eps, torch.ones_like(a), s, net)),
    Mistake("You take square roots of signal and noise; they are given as factors already.",
            but(_loss, square_root=True)),
    Mistake("The noise is added in full; multiply it by its standard deviation first.",
            lambda x0, eps, a, s, net: (
                s[:, None] * net(a[:, None] * x0 + eps) + eps).square().sum(1)),
)  # fmt: skip


def _family(x, t, dt, beta, score, eps, amount, share=None, kick=None):
    share = (1 + amount**2) / 2 if share is None else share(amount)
    kick = amount if kick is None else kick(amount)
    b = beta(t)
    return x + dt * b * (x / 2 + share * score(x, t)) + kick * math.sqrt(b * dt) * eps


FAMILY = (
    Mistake("The noise changes and the score does not: with less noise, less of the score has to "
            "pay for it.", but(_family, share=lambda a: 1.0)),
    Mistake("You scale the score by lambda like the noise; without noise half of the score must "
            "remain.", but(_family, share=lambda a: a)),
    Mistake("You scale the score by lambda squared: right for what pays for the noise, but the "
            "flow's half is missing.", but(_family, share=lambda a: a**2)),
    Mistake("The share of the score has lambda where its square is due: noise counts by its "
            "variance.", but(_family, share=lambda a: (1 + a) / 2)),
    Mistake("The flow's half of the score is there, and nothing pays for the noise.",
            but(_family, share=lambda a: 0.5)),
    Mistake("The score is right, but the kick is not scaled by lambda.",
            but(_family, kick=lambda a: 1.0)),
    Mistake("The score is right, but the kick is scaled by lambda squared: that is its variance.",
            but(_family, kick=lambda a: a**2)),
    Mistake("The part of the score that pays for the noise has the wrong sign: more noise needs "
            "more score.", but(_family, share=lambda a: (1 - a**2) / 2)),
    Mistake("You pay for the noise twice: to the flow's half of the score, one half of lambda "
            "squared is added.", but(_family, share=lambda a: 0.5 + a**2)),
    Mistake("You count the flow's half twice: one half, plus one half of lambda squared, is due.",
            but(_family, share=lambda a: 1 + a**2 / 2)),
)  # fmt: skip

MISTAKES = {"sde-3": NOISE, "sde-4": REVERSE, "sde-5": HEUN, "sde-6": LOSS, "sde-7": FAMILY}
