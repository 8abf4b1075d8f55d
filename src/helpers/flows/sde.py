"""Diffusion as a stochastic differential equation (Song et al., arXiv:2011.13456).

dx = drift(x, t) dt + diffusion(t) dw from data at t = 0 to noise at t = 1, the paper's own clock.
Shapes: points (B, *S), times (T,), t a scalar or (B,). ``process`` is a :class:`Process`. A score
is a function (x, t) -> (B, *S), the gradient of log p_t. A sampler yields T tensors (B, *S), the
start first. Chapter 3 derives it all.
"""

import itertools
import math
from collections.abc import Iterator

import torch
from torch import Tensor

from helpers.checks import finite
from helpers.flows.ode import Velocity, check_times

Score = Velocity  # the same signature: (x, t) -> like x
Rng = torch.Generator | None


class Process:
    """An SDE with drift rate(t) x: x_t = signal(t) x_0 + noise(t) eps, eps standard normal.

    N(0, prior_std^2 I) stands for p_1. A subclass has ``_at(t)``: rate, g^2, signal, noise^2.
    """

    prior_std = 1.0

    def rate(self, t: Tensor) -> Tensor:
        """The drift's factor: signal' = rate signal. Shape of t."""
        return self._at(_time(t))[0]

    def diffusion(self, t: Tensor) -> Tensor:
        """The noise's strength g >= 0: (noise^2)' = 2 rate noise^2 + g^2. Shape of t."""
        return self._at(_time(t))[1].sqrt()

    def signal(self, t: Tensor) -> Tensor:
        """What is left of x_0, from 1 downwards. Shape of t."""
        return self._at(_time(t))[2]

    def noise(self, t: Tensor) -> Tensor:
        """Standard deviation of x_t given x_0, from 0 upwards. Shape of t."""
        return self._at(_time(t))[3].sqrt()

    def drift(self, x: Tensor, t: Tensor) -> Tensor:
        """rate(t) x, (B, *S)."""
        return _beside(self.rate(t), x) * x

    def jump(self, x: Tensor, t: Tensor, eps: Tensor) -> Tensor:
        """From x (B, *S) at time 0 to t, scalar or (B,), at once; eps (B, *S) standard normal."""
        if eps.shape != x.shape:
            raise ValueError(f"eps must be shaped like x, {tuple(x.shape)}, got {tuple(eps.shape)}")
        return _beside(self.signal(t), x) * x + _beside(self.noise(t), x) * eps

    def log_prior(self, x: Tensor) -> Tensor:
        """Log density of N(0, prior_std^2 I) at x (B, *S), (B,) nats."""
        z = x.reshape(len(x), -1) / self.prior_std
        return -0.5 * z.square().sum(1) - z.shape[1] * math.log(self.prior_std * math.tau**0.5)


class VP(Process):
    """Variance preserving, DDPM's limit: rate -beta/2, g^2 = beta, from beta_min to beta_max."""

    def __init__(self, beta_min: float = 0.1, beta_max: float = 20.0) -> None:
        if not beta_min >= 0:
            raise ValueError(f"beta_min must be at least 0, got {beta_min}")
        if not beta_max >= beta_min:
            raise ValueError(f"beta_max must be at least beta_min, {beta_min}, got {beta_max}")
        if not 0 < beta_max < math.inf:
            raise ValueError(f"beta_max must be positive and finite, got {beta_max}")
        self.beta_min = beta_min
        self.beta_max = beta_max

    def _at(self, t: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        beta = self.beta_min + t * (self.beta_max - self.beta_min)
        area = t * (self.beta_min + beta) / 2  # under beta, from 0 to t
        return -beta / 2, beta, (-area / 2).exp(), -torch.expm1(-area)


class SubVP(VP):
    """VP's drift with less noise: g^2 = beta (1 - signal^4), so that noise = 1 - signal^2."""

    def _at(self, t: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        rate, beta, signal, less = super()._at(t)  # less = 1 - signal^2
        return rate, beta * less * (2 - less), signal, less.square()


class VE(Process):
    """Variance exploding: no drift, noise^2 = sigma_min^2 ((sigma_max / sigma_min)^2t - 1)."""

    def __init__(self, sigma_min: float = 0.01, sigma_max: float = 50.0) -> None:
        if not sigma_min > 0:
            raise ValueError(f"sigma_min must be positive, got {sigma_min}")
        if not sigma_max > sigma_min:
            raise ValueError(f"sigma_max must be above sigma_min, {sigma_min}, got {sigma_max}")
        if sigma_max == math.inf:
            raise ValueError(f"sigma_max must be finite, got {sigma_max}")
        self.sigma_min = sigma_min
        self.sigma_max = sigma_max
        self.prior_std = math.sqrt(sigma_max**2 - sigma_min**2)

    def _at(self, t: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        growth = 2 * math.log(self.sigma_max / self.sigma_min)
        noise2 = self.sigma_min**2 * torch.expm1(growth * t)
        return 0 * t, growth * (noise2 + self.sigma_min**2), torch.ones_like(t), noise2


def probability_flow(process: Process, score: Score) -> Velocity:
    """drift - g^2/2 score, (B, *S): the velocity whose x has the SDE's density at every t."""
    return _less_score(process, score, 0.5)


def forward(process: Process, x: Tensor, times: Tensor, generator: Rng = None) -> Iterator[Tensor]:
    """Data to noise by Euler and Maruyama; x (B, *S), times (T,) rising in [0, 1].

    generator : draws the noise (B, *S) of each step; the global one if None.
    """
    return _euler_maruyama(process, process.drift, x, _clock(x, times, 1), generator)


def reverse(
    process: Process, score: Score, x: Tensor, times: Tensor, generator: Rng = None
) -> Iterator[Tensor]:
    """Noise to data by Euler and Maruyama: drift - g^2 score, the same g, T - 1 scores.

    x (B, *S) at times[0]; times (T,) falling in [0, 1]. generator : as for :func:`forward`.
    ValueError: bad x, times or score.
    """
    times = _clock(x, times, -1)
    drift = _less_score(process, score, 1.0)
    return _euler_maruyama(process, drift, x, times, generator)


def predictor_corrector(
    process: Process,
    score: Score,
    x: Tensor,
    times: Tensor,
    generator: Rng = None,
    *,
    n_corrections: int = 1,
    snr: float = 0.16,
) -> Iterator[Tensor]:
    """:func:`reverse`, and at every new time Langevin steps x + h score + sqrt(2 h) eps.

    h = 2 (snr noise(t))^2, the paper's where the score is as long as pure noise makes it.
    (1 + n_corrections) (T - 1) scores. x (B, *S) and times (T,) as for reverse, the last above 0.
    """
    times = _clock(x, times, -1)
    drift = _less_score(process, score, 1.0)
    if n_corrections < 1:
        raise ValueError(f"n_corrections must be at least 1, got {n_corrections}")
    if not 0 < snr < math.inf:
        raise ValueError(f"snr must be positive and finite, got {snr}")
    if times[-1] <= 0:
        raise ValueError(f"times must end above 0, where there is noise, got {times[-1]:g}")

    def correct(x: Tensor, t: Tensor) -> Tensor:
        step = 2 * (snr * process.noise(t)) ** 2
        for _ in range(n_corrections):
            eps = torch.empty_like(x).normal_(generator=generator)
            x = x + step * score(x, t) + (2 * step).sqrt() * eps
        return x

    return _euler_maruyama(process, drift, x, times, generator, correct)


def score_of(process: Process, net: Velocity) -> Score:
    """The score (B, *S) of a net that predicts eps from (x, t): -net(x, t) / noise(t)."""
    return lambda x, t: -net(x, t) / _beside(process.noise(t), x)


def loss(
    net: Velocity, x0: Tensor, process: Process, *, t_min: float = 1e-3, generator: Rng = None
) -> Tensor:
    """Denoising score matching times noise^2: the mean of (net(x_t, t) - eps)^2, a scalar.

    x0 floats (B, *S); t (B,) uniform on [t_min, 1]; net predicts eps, see :func:`score_of`.
    generator : draws t (B,), then the noise (B, *S); the global one if None.
    """
    if x0.ndim < 1:
        raise ValueError(f"x0 must be (B, *S), got {tuple(x0.shape)}")
    if not x0.is_floating_point():
        raise ValueError(f"x0 must be floats, got {x0.dtype}")
    if not 0 < t_min < 1:
        raise ValueError(f"t_min must be in (0, 1), got {t_min}")
    t = x0.new_empty(len(x0)).uniform_(t_min, 1, generator=generator)
    eps = torch.empty_like(x0).normal_(generator=generator)
    predicted = net(process.jump(x0, t, eps), t)
    if predicted.shape != x0.shape:
        raise ValueError(f"net must give {tuple(x0.shape)}, got {tuple(predicted.shape)}")
    return (predicted - eps).square().mean()


@torch.no_grad()
def _euler_maruyama(process, drift, x, times, generator, correct=lambda x, t: x):
    """The path (B, *S) of drift and the process's noise along times; ``correct`` ends each step."""
    for t, after in itertools.pairwise(times):
        yield x
        dw = (after - t).abs().sqrt() * torch.empty_like(x).normal_(generator=generator)
        x = correct(x + (after - t) * drift(x, t) + process.diffusion(t) * dw, after)
    yield finite(x, "score(x, t)")


def _less_score(process: Process, score: Score, share: float) -> Velocity:
    """drift - share g^2 score, (B, *S)."""

    def velocity(x, t):
        s = score(x, t)
        if s.shape != x.shape:
            raise ValueError(f"score must map {tuple(x.shape)} to itself, got {tuple(s.shape)}")
        return process.drift(x, t) - share * _beside(process.diffusion(t), x).square() * s

    return velocity


def _clock(x: Tensor, times: Tensor, sign: int) -> Tensor:
    """``times`` (T,) for x (B, *S), checked: in [0, 1], rising for sign = 1, falling for -1."""
    times = check_times(x, times)
    if times.min() < 0:
        raise ValueError(f"times must be at least 0, got {times.min():g}")
    if times.max() > 1:
        raise ValueError(f"times must be at most 1, got {times.max():g}")
    if sign * (times[-1] - times[0]) < 0:
        way = "rise" if sign > 0 else "fall"
        raise ValueError(f"times must {way}, got {times.tolist()}")
    return times


def _time(t: Tensor) -> Tensor:
    return t if isinstance(t, Tensor) else torch.tensor(t, dtype=torch.float64)


def _beside(factor: Tensor, x: Tensor) -> Tensor:
    """``factor``, of a time that is a scalar or (B,), shaped so that it multiplies x (B, *S)."""
    if factor.ndim == 0:
        return factor.to(x)
    if factor.shape != x.shape[:1]:
        raise ValueError(f"t must be a scalar or ({len(x)},), got {tuple(factor.shape)}")
    return factor.to(x).view(-1, *[1] * (x.ndim - 1))
