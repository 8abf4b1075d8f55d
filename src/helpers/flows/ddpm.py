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

from helpers.flows.ode import finite

Net = Callable[[Tensor, Tensor], Tensor]
KINDS = ("noise", "data", "velocity")


class Schedule:
    """How much noise each of T steps adds: ``beta`` (T,) in (0, 1), float64 on the CPU.

    ``alpha_bar``, ``signal`` and ``noise`` (T,) hold at [k - 1] the product of 1 - beta up to step
    k, its root, which multiplies x_0, and the noise's standard deviation.
    """

    def __init__(self, beta: Tensor) -> None:
        beta = torch.as_tensor(beta, dtype=torch.float64, device="cpu")
        if beta.ndim != 1 or len(beta) < 1 or not ((beta > 0) & (beta < 1)).all():
            raise ValueError(f"beta must be (T,) with values in (0, 1), got {beta}")
        self.T, self.beta, self.alpha_bar = len(beta), beta, torch.cumprod(1 - beta, 0)
        self.signal, self.noise = self.alpha_bar.sqrt(), (1 - self.alpha_bar).sqrt()

    def at(self, k: int) -> float:
        """alpha_bar after k steps; 1 for k = 0, which is data."""
        if not 0 <= k <= self.T:
            raise ValueError(f"k must be 0 .. {self.T}, got {k}")
        return self.alpha_bar[k - 1].item() if k else 1.0


def linear(n_steps: int = 1000, beta_min: float = 1e-4, beta_max: float = 0.02) -> Schedule:
    """DDPM's schedule (section 4): beta rises evenly from beta_min to beta_max in n_steps."""
    if n_steps < 1 or beta_min > beta_max:
        raise ValueError(f"expected n_steps >= 1, rising betas; got {n_steps, beta_min, beta_max}")
    return Schedule(torch.linspace(beta_min, beta_max, n_steps, dtype=torch.float64))


def cosine(n_steps: int = 1000, offset: float = 0.008, beta_max: float = 0.999) -> Schedule:
    """Nichol and Dhariwal's schedule (arXiv:2102.09672): alpha_bar falls as a squared cosine.

    n_steps : T. offset : keeps the first betas from vanishing. beta_max : the last would reach 1.
    """
    if n_steps < 1 or not offset >= 0:
        raise ValueError(f"expected n_steps >= 1 and offset >= 0, got {n_steps} and {offset}")
    clock = (torch.arange(n_steps + 1, dtype=torch.float64) / n_steps + offset) / (1 + offset)
    squared = torch.cos(clock * math.pi / 2).square()
    return Schedule((1 - squared[1:] / squared[:-1]).clamp_max(beta_max))


def convert(value: Tensor, x: Tensor, alpha_bar: float, given: str, wanted: str) -> Tensor:
    """Turn the ``given`` one of a noised x's KINDS into the ``wanted`` one (arXiv:2202.00512).

    value, x : (B, *S). alpha_bar : signal^2 in (0, 1), a number or a tensor that broadcasts.
    """
    inside = torch.as_tensor((alpha_bar > 0) & (alpha_bar < 1)).all()
    if not {given, wanted} <= {*KINDS} or value.shape != x.shape or not inside:
        raise ValueError(f"expected {KINDS}, x's shape, 0 < alpha_bar < 1; got {given, wanted}")
    signal, noise = alpha_bar**0.5, (1 - alpha_bar) ** 0.5
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
    """
    if x0.ndim < 2 or not x0.is_floating_point() or predict not in KINDS:
        raise ValueError(f"expected floats (B, *S), {KINDS}; got {x0.dtype, x0.shape, predict}")
    k = torch.randint(1, schedule.T + 1, x0.shape[:1], generator=generator, device=x0.device)
    eps = torch.empty_like(x0).normal_(generator=generator)
    at = k.view(-1, *[1] * (x0.ndim - 1)) - 1
    signal, noise = schedule.signal.to(x0)[at], schedule.noise.to(x0)[at]
    target = {"noise": eps, "data": x0, "velocity": signal * eps - noise * x0}[predict]
    return (_call(net, signal * x0 + noise * eps, k.to(x0) / schedule.T) - target).square().mean()


def posterior(x: Tensor, x0: Tensor, schedule: Schedule, k: int,
              j: int | None = None) -> tuple[Tensor, float]:  # fmt: skip
    """Mean (B, *S) and variance of x_j given x_k = x (B, *S) and x_0 = x0 (B, *S), for j < k.

    DDPM's equation (7) for j = k - 1, the default; Bayes' rule for any other j. schedule : of x.
    """
    if not 0 <= (j := k - 1 if j is None else j) < k <= schedule.T or x.shape != x0.shape:
        raise ValueError(f"expected 0 <= j < k <= {schedule.T}, x0 like x; got {j, k, x0.shape}")
    bar, bar_j = schedule.at(k), schedule.at(j)
    added = 1 - bar / bar_j  # beta_k if j = k - 1
    mean = bar_j**0.5 * added * x0 + (bar / bar_j) ** 0.5 * (1 - bar_j) * x
    return mean / (1 - bar), (1 - bar_j) / (1 - bar) * added


def random_part(schedule: Schedule, k: int, j: int, eta: float | str) -> tuple[float, float]:
    """Standard deviation s in DDIM's equation (12) from step k to j, and that of what is drawn.

    They differ for eta = "sigma-hat" only: more is drawn than room is made for. schedule : of the
    steps. eta : from 0, nothing random, to 1, as much as in DDPM: DDIM's equation (16).
    """
    if not (hat := eta == "sigma-hat") and (isinstance(eta, str) or not 0 <= eta <= 1):
        raise ValueError(f'eta must be in 0 .. 1 or "sigma-hat", got {eta!r}')
    bar, bar_j = schedule.at(k), schedule.at(j)
    s = (1.0 if hat else eta) * ((1 - bar_j) / (1 - bar) * (1 - bar / bar_j)) ** 0.5
    return s, (1 - bar / bar_j) ** 0.5 if hat and j else s


def spaced(schedule: Schedule, n_steps: int | Sequence[int]) -> list[int]:
    """n_steps of the steps 1 .. T of a schedule, falling evenly to 1, then 0; or n_steps checked.

    DDIM's linear choice: the largest is about T - T / n_steps. n_steps : also a list, falling to 0.
    """
    steps = n_steps
    if isinstance(n_steps, int):
        steps = [*(1 + i * schedule.T // n_steps for i in reversed(range(n_steps))), 0]
    falls = all(k > j and isinstance(k, int) for k, j in itertools.pairwise(steps))
    if len(steps) < 2 or not falls or steps[-1] != 0 or steps[0] > schedule.T:
        raise ValueError(f"n_steps must be 1 .. {schedule.T} or fall to 0, got {n_steps}")
    return list(steps)


@torch.no_grad()
def ddim(net: Net, noise: Tensor, schedule: Schedule, n_steps: int | Sequence[int] = 50,
         eta: float | str = 0.0, *, predict: str = "noise",
         generator: torch.Generator | None = None) -> Iterator[Tensor]:  # fmt: skip
    """From noise (B, *S) to data in n_steps (see `spaced`), DDIM's equation (12); yields them all.

    net, schedule, predict : as trained. eta : see `random_part`; 0 draws nothing.
    """
    random_part(schedule, (steps := spaced(schedule, n_steps))[0], 0, eta)  # refuses a bad eta
    yield (x := finite(noise, "noise"))
    for k, j in itertools.pairwise(steps):
        eps, data = _predict(net, x, schedule, k, predict)
        bar_j, (s, drawn) = schedule.at(j), random_part(schedule, k, j, eta)
        x = bar_j**0.5 * data + (1 - bar_j - s**2) ** 0.5 * eps
        if drawn > 0:
            x = x + drawn * torch.empty_like(x).normal_(generator=generator)
        yield x if j else finite(x, "net(x, t)")


@torch.no_grad()
def ddpm(net: Net, noise: Tensor, schedule: Schedule, *, predict: str = "noise",
         generator: torch.Generator | None = None) -> Iterator[Tensor]:  # fmt: skip
    """DDPM's algorithm 2: all T steps of schedule from noise (B, *S), with `posterior`'s variance.

    net, predict : as in `ddim`, where eta = 1 gives the same by another formula.
    """
    yield (x := finite(noise, "noise"))
    for k in range(schedule.T, 0, -1):
        x, variance = posterior(x, _predict(net, x, schedule, k, predict)[1], schedule, k)
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
    yield (x := finite(x0, "x0"))
    for j, k in itertools.pairwise(steps):
        (bar_j, bar), before = (schedule.at(j), schedule.at(k)), x
        for _ in range(n_iterations):
            eps, _data = _predict(net, x, schedule, k, predict)
            x = (bar / bar_j) ** 0.5 * (before - (1 - bar_j) ** 0.5 * eps) + (1 - bar) ** 0.5 * eps
        yield x if k != steps[-1] else finite(x, "net(x, t)")


def _call(net: Net, x: Tensor, t: Tensor) -> Tensor:
    if (value := net(x, t)).shape != x.shape:
        raise ValueError(f"net must map {x.shape} to itself, got {value.shape}")
    return value


def _predict(net: Net, x: Tensor, schedule: Schedule, k: int, predict: str) -> list[Tensor]:
    value = _call(net, x, torch.as_tensor(k / schedule.T, dtype=x.dtype, device=x.device))
    return [convert(value, x, schedule.at(k), predict, kind) for kind in ("noise", "data")]
