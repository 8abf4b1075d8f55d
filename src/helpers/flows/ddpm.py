"""Diffusion in whole steps: DDPM (arXiv:2006.11239) and DDIM's samplers (arXiv:2010.02502).

Step 0 is data, step T noise: x_k = signal_k x_0 + noise_k eps with eps standard normal. A network
``net(x, t)`` takes x (B, *S) and t = k / T, a scalar or (B,), and predicts eps (B, *S) unless
``predict`` says "data", x_0, or "velocity", signal eps - noise x_0. Samplers are generators that
yield their start first: ``*path, x = ddim(net, x_T, schedule)``. Chapter 2 derives each line.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from helpers.checks import finite

Net = Callable[[Tensor, Tensor], Tensor]
KINDS = ("noise", "data", "velocity")


class Schedule:
    """How much noise each of T steps adds: ``beta`` (T,) in (0, 1), float64 on the CPU.

    ``alpha_bar``, ``signal`` and ``noise`` (T,) hold at [k - 1] the product of 1 - beta up to step
    k, its root, which multiplies x_0, and the noise's standard deviation.
    """

    def __init__(self, beta: Tensor) -> None:
        beta = torch.as_tensor(beta, dtype=torch.float64, device="cpu")
        if beta.ndim != 1:
            raise ValueError(f"beta must be (T,), got {tuple(beta.shape)}")
        if len(beta) < 1:
            raise ValueError("beta must hold one step or more, got none")
        if not ((beta > 0) & (beta < 1)).all():
            raise ValueError(f"beta must be in (0, 1), got {beta}")
        self.T = len(beta)
        self.beta = beta
        self.alpha_bar = torch.cumprod(1 - beta, 0)
        self.signal = self.alpha_bar.sqrt()
        self.noise = (1 - self.alpha_bar).sqrt()

    def at(self, k: int) -> float:
        """alpha_bar after k steps; 1 for k = 0, which is data."""
        if not 0 <= k <= self.T:
            raise ValueError(f"k must be 0 .. {self.T}, got {k}")
        return self.alpha_bar[k - 1].item() if k else 1.0


def linear(n_steps: int = 1000, beta_min: float = 1e-4, beta_max: float = 0.02) -> Schedule:
    """DDPM's schedule (section 4): beta rises evenly from beta_min to beta_max in n_steps."""
    if n_steps < 1:
        raise ValueError(f"n_steps must be at least 1, got {n_steps}")
    if beta_min > beta_max:
        raise ValueError(f"betas must rise from beta_min, got {beta_min} to {beta_max}")
    return Schedule(torch.linspace(beta_min, beta_max, n_steps, dtype=torch.float64))


def cosine(n_steps: int = 1000, offset: float = 0.008, beta_max: float = 0.999) -> Schedule:
    """Nichol and Dhariwal's schedule (arXiv:2102.09672): alpha_bar falls as a squared cosine.

    n_steps : T. offset : keeps the first betas from vanishing. beta_max : the last would reach 1.
    """
    if n_steps < 1:
        raise ValueError(f"n_steps must be at least 1, got {n_steps}")
    if not offset >= 0:
        raise ValueError(f"offset must be at least 0, got {offset}")
    clock = (torch.arange(n_steps + 1, dtype=torch.float64) / n_steps + offset) / (1 + offset)
    squared = torch.cos(clock * math.pi / 2).square()
    return Schedule((1 - squared[1:] / squared[:-1]).clamp_max(beta_max))


def convert(value: Tensor, x: Tensor, alpha_bar: float, given: str, wanted: str) -> Tensor:
    """Turn the ``given`` one of a noised x's KINDS into the ``wanted`` one (arXiv:2202.00512).

    value, x : (B, *S). alpha_bar : signal^2 in (0, 1), a number or a tensor that broadcasts.
    ValueError : a kind that is none, another shape than x's, alpha_bar outside of (0, 1).
    """
    _check_kind("given", given)
    _check_kind("wanted", wanted)
    if value.shape != x.shape:
        raise ValueError(f"value must be {tuple(x.shape)} like x, got {tuple(value.shape)}")
    inside = (alpha_bar > 0) & (alpha_bar < 1)
    if not torch.as_tensor(inside).all():
        raise ValueError(f"alpha_bar must be in (0, 1), got {alpha_bar}")
    signal = alpha_bar**0.5
    noise = (1 - alpha_bar) ** 0.5
    if given == wanted:
        return value
    if given == "velocity":
        return signal * value + noise * x if wanted == "noise" else signal * x - noise * value
    data = value if given == "data" else (x - noise * value) / signal
    eps = value if given == "noise" else (x - signal * value) / noise
    return {"data": data, "noise": eps, "velocity": signal * eps - noise * data}[wanted]


def loss(net: Net, x0: Tensor, schedule: Schedule, *, predict: str = "noise",
         generator: torch.Generator | None = None) -> Tensor:  # fmt: skip
    """Mean squared error of ``predict`` at random steps of data x0 (B, *S), a scalar.

    For the noise, DDPM's equation (14). net : sees t (B,). schedule : of T steps, equally likely.
    generator : draws the steps (B,), then the noise (B, *S); the global one if None.
    """
    _check_kind("predict", predict)
    if x0.ndim < 2:
        raise ValueError(f"x0 must be (B, *S), got {tuple(x0.shape)}")
    if not x0.is_floating_point():
        raise ValueError(f"x0 must be floats, got {x0.dtype}")
    k = torch.randint(1, schedule.T + 1, x0.shape[:1], generator=generator, device=x0.device)
    eps = torch.empty_like(x0).normal_(generator=generator)
    at = k.view(-1, *[1] * (x0.ndim - 1)) - 1
    signal = schedule.signal.to(x0)[at]
    noise = schedule.noise.to(x0)[at]
    target = {"noise": eps, "data": x0, "velocity": signal * eps - noise * x0}[predict]
    predicted = _call(net, signal * x0 + noise * eps, k.to(x0) / schedule.T)
    return (predicted - target).square().mean()


def posterior(x: Tensor, x0: Tensor, schedule: Schedule, k: int,
              j: int | None = None) -> tuple[Tensor, float]:  # fmt: skip
    """Mean (B, *S) and variance of x_j given x_k = x (B, *S) and x_0 = x0 (B, *S), for j < k.

    DDPM's equation (7) for j = k - 1, the default; Bayes' rule for any other j. schedule : of x.
    """
    j = k - 1 if j is None else j
    if x0.shape != x.shape:
        raise ValueError(f"x0 must be {tuple(x.shape)} like x, got {tuple(x0.shape)}")
    bar, bar_j = _bars(schedule, k, j)
    added = 1 - bar / bar_j  # beta_k if j = k - 1
    mean = bar_j**0.5 * added * x0 + (bar / bar_j) ** 0.5 * (1 - bar_j) * x
    return mean / (1 - bar), (1 - bar_j) / (1 - bar) * added


def random_part(schedule: Schedule, k: int, j: int, eta: float | str) -> tuple[float, float]:
    """Standard deviation s in DDIM's equation (12) from step k to j, and that of what is drawn.

    They differ for eta = "sigma-hat" only: more is drawn than room is made for. schedule : of the
    steps, 0 <= j < k. eta : from 0, nothing random, to 1, as much as in DDPM: DDIM's equation (16).
    """
    hat = eta == "sigma-hat"
    if isinstance(eta, str) and not hat:
        raise ValueError(f'eta must be "sigma-hat" if it is no number, got {eta!r}')
    share = 1.0 if hat else eta
    if not 0 <= share <= 1:
        raise ValueError(f"eta must be in 0 .. 1, got {eta}")
    bar, bar_j = _bars(schedule, k, j)
    s = share * ((1 - bar_j) / (1 - bar) * (1 - bar / bar_j)) ** 0.5
    drawn = (1 - bar / bar_j) ** 0.5 if hat and j else s
    return s, drawn


def spaced(schedule: Schedule, n_steps: int | Sequence[int]) -> list[int]:
    """n_steps of the steps 1 .. T of a schedule, falling evenly to 1, then 0; or n_steps checked.

    DDIM's linear choice: the largest is about T - T / n_steps. n_steps : also a list, falling to 0.
    """
    if isinstance(n_steps, int):
        if not 1 <= n_steps <= schedule.T:
            raise ValueError(f"n_steps must be 1 .. {schedule.T}, got {n_steps}")
        return [*(1 + i * schedule.T // n_steps for i in reversed(range(n_steps))), 0]
    steps = list(n_steps)
    if len(steps) < 2:
        raise ValueError(f"n_steps must list two steps or more, got {steps}")
    if not all(isinstance(k, int) for k in steps):
        raise ValueError(f"n_steps must list whole numbers, got {steps}")
    if not all(k > j for k, j in itertools.pairwise(steps)):
        raise ValueError(f"n_steps must fall, got {steps}")
    if steps[-1] != 0:
        raise ValueError(f"n_steps must fall to 0, got {steps}")
    if steps[0] > schedule.T:
        raise ValueError(f"n_steps must begin at {schedule.T} or below, got {steps}")
    return steps


@torch.no_grad()
def ddim(net: Net, noise: Tensor, schedule: Schedule, n_steps: int | Sequence[int] = 50,
         eta: float | str = 0.0, *, predict: str = "noise",
         generator: torch.Generator | None = None) -> Iterator[Tensor]:  # fmt: skip
    """From noise (B, *S) to data in n_steps (see `spaced`), DDIM's equation (12); yields them all.

    net, schedule, predict : as trained. eta : see `random_part`; 0 draws nothing. generator : draws
    the noise (B, *S) of each step; the global one if None.
    """
    steps = spaced(schedule, n_steps)
    random_part(schedule, steps[0], 0, eta)  # refuses a bad eta
    x = finite(noise, "noise")
    yield x
    for k, j in itertools.pairwise(steps):
        eps, data = _predict(net, x, schedule, k, predict)
        bar_j = schedule.at(j)
        s, drawn = random_part(schedule, k, j, eta)
        x = bar_j**0.5 * data + (1 - bar_j - s**2) ** 0.5 * eps
        if drawn > 0:
            x = x + drawn * torch.empty_like(x).normal_(generator=generator)
        yield x if j else finite(x, "net(x, t)")


@torch.no_grad()
def ddpm(net: Net, noise: Tensor, schedule: Schedule, *, predict: str = "noise",
         generator: torch.Generator | None = None) -> Iterator[Tensor]:  # fmt: skip
    """DDPM's algorithm 2: all T steps of schedule from noise (B, *S), with `posterior`'s variance.

    net, predict, generator : as in `ddim`, where eta = 1 gives the same by another formula.
    """
    x = finite(noise, "noise")
    yield x
    for k in range(schedule.T, 0, -1):
        _eps, data = _predict(net, x, schedule, k, predict)
        x, variance = posterior(x, data, schedule, k)
        if variance > 0:
            x = x + variance**0.5 * torch.empty_like(x).normal_(generator=generator)
        yield x if k > 1 else finite(x, "net(x, t)")


@torch.no_grad()
def invert(net: Net, x0: Tensor, schedule: Schedule, n_steps: int | Sequence[int] = 50, *,
           n_iterations: int = 1, predict: str = "noise") -> Iterator[Tensor]:  # fmt: skip
    """The noise that `ddim` with eta = 0 turns into x0 (B, *S), and the way there from x0.

    Going up to step k needs net at x_k, which is what we want. Iteration 1 asks at the x before,
    the next at what that found: n_iterations calls in each of n_steps. The rest is as in `ddim`.
    """
    if n_iterations < 1:
        raise ValueError(f"n_iterations must be at least 1, got {n_iterations}")
    steps = spaced(schedule, n_steps)[::-1]
    x = finite(x0, "x0")
    yield x
    for j, k in itertools.pairwise(steps):
        bar, bar_j = _bars(schedule, k, j)
        before = x
        for _ in range(n_iterations):
            eps, _data = _predict(net, x, schedule, k, predict)
            x = (bar / bar_j) ** 0.5 * (before - (1 - bar_j) ** 0.5 * eps) + (1 - bar) ** 0.5 * eps
        yield x if k != steps[-1] else finite(x, "net(x, t)")


def _check_kind(name: str, kind: str) -> None:
    if kind not in KINDS:
        raise ValueError(f"{name} must be one of {KINDS}, got {kind!r}")


def _bars(schedule: Schedule, k: int, j: int) -> tuple[float, float]:
    """alpha_bar at step k and at an earlier step j."""
    if not 0 <= j < k:
        raise ValueError(f"expected 0 <= j < k, got j = {j} and k = {k}")
    return schedule.at(k), schedule.at(j)


def _call(net: Net, x: Tensor, t: Tensor) -> Tensor:
    value = net(x, t)
    if value.shape != x.shape:
        raise ValueError(f"net must map {tuple(x.shape)} to itself, got {tuple(value.shape)}")
    return value


def _predict(net: Net, x: Tensor, schedule: Schedule, k: int, predict: str) -> list[Tensor]:
    """Noise and data (B, *S) as the net sees them in x (B, *S) at step k."""
    value = _call(net, x, torch.as_tensor(k / schedule.T, dtype=x.dtype, device=x.device))
    return [convert(value, x, schedule.at(k), predict, kind) for kind in ("noise", "data")]
