"""Planted mistakes for chapter 5's exercises: what readers write, and the sentence for each."""

from functools import partial as but

import torch

from helpers.exercises.exercise import Mistake


def _step(x, t, s, denoise, over=lambda t: t, by=lambda t, s: s - t, at=lambda t, s: t):
    return x + by(t, s) * (x - denoise(x, at(t, s))) / over(t)


STEP = (
    Mistake("You walk away from the data: sampling runs the clock backwards, from t down to s, so "
            "the step is s - t, which is negative.", but(_step, by=lambda t, s: t - s)),
    Mistake("x minus the denoised point is what is covered in the time t; for a velocity, divide "
            "by t.", but(_step, over=lambda t: 1.0)),
    Mistake("You divide by 1 - t; that belongs to the other form of the velocity, the one with "
            "the mean of the noise.", but(_step, over=lambda t: 1 - t)),
    Mistake("You ask the denoiser about time s, but x is still at time t.",
            but(_step, at=lambda t, s: s)),
    Mistake("This is the velocity; a step adds the velocity times its duration to x.",
            lambda x, t, s, denoise: (x - denoise(x, t)) / t),
    Mistake("You go all the way to the denoised point; at time s there should be some noise left.",
            lambda x, t, s, denoise: denoise(x, t)),
    Mistake("You step by s, as if s were a duration; it is the time to arrive at.",
            but(_step, by=lambda t, s: -s)),
    Mistake("You put the denoised point and x itself on a line, but x is no pure noise: solve for "
            "the noise first.", lambda x, t, s, denoise: (1 - s) * denoise(x, t) + s * x),
)  # fmt: skip


def _point(x0, x1, t):
    return (1 - t[:, None]) * x0 + t[:, None] * x1


def _loss(x0, x1, t, net, point=_point, target=lambda x0, x1, x: x1 - x0, time=lambda t: t,
          reduce=lambda miss: miss.square().sum(1)):  # fmt: skip
    x = point(x0, x1, t)
    return reduce(net(x, time(t)) - target(x0, x1, x))


def _turned(x0, x1, t):
    return _point(x1, x0, t)


LOSS = (
    Mistake("Your points run from noise at t = 0 to data at t = 1: that is the paper's clock, and "
            "here data is at 0.", but(_loss, point=_turned)),
    Mistake("Your target points from noise to data; with this clock the velocity of a line is "
            "x1 - x0.", but(_loss, target=lambda x0, x1, x: x0 - x1)),
    Mistake("Both the points and the target follow the paper's clock, noise at 0: consistent, but "
            "the other way round.",
            but(_loss, point=_turned, target=lambda x0, x1, x: x0 - x1)),
    Mistake("You average over coordinates; a squared length sums them.",
            but(_loss, reduce=lambda miss: miss.square().mean(1))),
    Mistake("You return the length of the miss; square it.",
            but(_loss, reduce=lambda miss: miss.norm(dim=1))),
    Mistake("Keep one value per line: you average over the batch.",
            but(_loss, reduce=lambda miss: miss.square().sum(1).mean())),
    Mistake("You regress on what is left of the way, x1 - x_t; the velocity of a line is that of "
            "the whole way.", but(_loss, target=lambda x0, x1, x: x1 - x)),
    Mistake("The net sees the data point; it should see the point of the line at its time.",
            but(_loss, point=lambda x0, x1, t: x0)),
    Mistake("The net sees the noise; it should see the point of the line at its time.",
            but(_loss, point=lambda x0, x1, t: x1)),
    Mistake("The points are right, but you tell the net the time 1 - t.",
            but(_loss, time=lambda t: 1 - t)),
    Mistake("This net would be a denoiser: you regress on x0.",
            but(_loss, target=lambda x0, x1, x: x0)),
)  # fmt: skip


def _straight(path, times, chord=lambda path, whole: (path[:, -1:] - path[:, :1]) / whole,
              slope=lambda move, step: move / step, share=lambda step, whole: step / whole,
              reduce=lambda bend: bend.square().sum(2)):  # fmt: skip
    steps = times.diff()[:, None]
    whole = times[-1] - times[0]
    bend = slope(path.diff(dim=1), steps) - chord(path, whole)
    return reduce(bend) @ share(steps, whole)[:, 0]


def _mean_slope(path, times):
    slope = path.diff(dim=1) / times.diff()[:, None]
    return _straight(path, times, chord=lambda path, whole: slope.mean(1, keepdim=True))


STRAIGHTNESS = (
    Mistake("You count every step alike, but an average over time weights each by its duration.",
            but(_straight, share=lambda step, whole: torch.ones_like(step) / len(step))),
    Mistake("The chord must be a velocity, too: divide it by the duration of the whole way.",
            but(_straight, chord=lambda path, whole: path[:, -1:] - path[:, :1])),
    Mistake("You compare displacements: divide each step's by its duration.",
            but(_straight, slope=lambda move, step: move)),
    Mistake("The chord has the wrong sign: it and the slopes must be taken along the same clock.",
            but(_straight, chord=lambda path, whole: (path[:, :1] - path[:, -1:]) / whole)),
    Mistake("You integrate over the times given; divide by their whole duration to average.",
            but(_straight, share=lambda step, whole: step.abs())),
    Mistake("The durations that weigh your steps are negative where times fall, and are not "
            "divided by the whole duration: a share is a step's part of the whole, and positive.",
            but(_straight, share=lambda step, whole: step)),
    Mistake("Your slopes take the duration of a step without its sign, the chord takes it with: "
            "where times fall they run on different clocks.",
            but(_straight, slope=lambda move, step: move / step.abs())),
    Mistake("Your chord is the plain mean of the slopes; steps are uneven, so take the whole "
            "displacement over the whole duration.", _mean_slope),
    Mistake("You average over coordinates; a squared length sums them.",
            but(_straight, reduce=lambda bend: bend.square().mean(2))),
    Mistake("You average the length of the difference; it should be squared first.",
            but(_straight, reduce=lambda bend: bend.norm(dim=2))),
    Mistake("Keep one value per path: you average over the batch.",
            lambda path, times: _straight(path, times).mean()),
    Mistake("This is the mean squared speed; take the chord off each slope.",
            but(_straight, chord=lambda path, whole: 0.0)),
)  # fmt: skip


def _disguise(x, v, a, sigma, da, dsigma, stretch=1.0, before=None, inside=None, time=None,
              rate=None):  # fmt: skip
    c = a + sigma
    dr = (dsigma * a - sigma * da) / c**2 if rate is None else rate(a, sigma, da, dsigma)
    y = x / c if inside is None else inside(x)
    r = sigma / c if time is None else time(a, sigma)
    return stretch * (da + dsigma) / c * x + (c if before is None else before) * dr * v(y, r)


def _euclid(x, v, a, sigma, da, dsigma):
    c = (a**2 + sigma**2) ** 0.5
    dc = (a * da + sigma * dsigma) / c
    r = sigma / (a + sigma)
    return dc / c * x + c * (dsigma * a - sigma * da) / (a + sigma) ** 2 * v(x / c, r)


def _naive(x, v, a, sigma, da, dsigma):
    return da * x + dsigma * v(x / (a + sigma), sigma / (a + sigma))


DISGUISE = (
    Mistake("The scale c changes in time, too, and carries x along: the term with c' is missing.",
            but(_disguise, stretch=0.0)),
    Mistake("The first term is c' / c times x, for x / c is the straight flow's point: you leave "
            "out the division.",
            lambda x, v, a, s, da, ds: _disguise(x, v, a, s, da, ds, stretch=a + s)),
    Mistake("a' and sigma' belong to the means of x_0 and x_1 given x; x itself and v are neither.",
            _naive),
    Mistake("The straight velocity is in the straight flow's units: multiply it by c.",
            but(_disguise, before=1.0)),
    Mistake("You ask v about x; the straight flow lives in other units, at x / c.",
            but(_disguise, inside=lambda x: x)),
    Mistake("You ask v about the time sigma; its clock is r = sigma / (a + sigma).",
            but(_disguise, time=lambda a, sigma: sigma)),
    Mistake("You ask v about the ratio sigma / a; the share of the noise is sigma / (a + sigma).",
            but(_disguise, time=lambda a, sigma: sigma / a)),
    Mistake("You ask v about the share of the data; its clock is the share of the noise, "
            "r = sigma / (a + sigma).", but(_disguise, time=lambda a, sigma: a / (a + sigma))),
    Mistake("By the quotient rule r' has the square of c below.",
            but(_disguise, rate=lambda a, s, da, ds: (ds * a - s * da) / (a + s))),
    Mistake("You leave out r', the speed at which the straight clock runs.",
            but(_disguise, rate=lambda a, sigma, da, dsigma: 1.0)),
    Mistake("r' has the wrong sign: noise gains, so r grows.",
            but(_disguise, rate=lambda a, s, da, ds: (s * da - ds * a) / (a + s) ** 2)),
    Mistake("r' = sigma' / c holds only while c stands still; use the quotient rule.",
            but(_disguise, rate=lambda a, s, da, ds: ds / (a + s))),
    Mistake("You take the root of the sum of squares for c; on a straight line it is the weights' "
            "sum that is one.", _euclid),
)  # fmt: skip

MISTAKES = {
    "rectified-flow-3": STEP,
    "rectified-flow-4": LOSS,
    "rectified-flow-5": STRAIGHTNESS,
    "rectified-flow-6": DISGUISE,
}
