"""Diffusion in whole steps: DDPM (arXiv:2006.11239) and the samplers of DDIM (arXiv:2010.02502).

Step 0 is data, step T noise: x_k = signal_k x_0 + noise_k eps with eps standard normal. A network
``net(x, t)`` takes x (B, *S) and t = k / T, a scalar or (B,), and predicts eps (B, *S) unless
``predict`` says otherwise. Samplers are generators that yield their start first:
``*path, x = ddim(net, x_T, schedule)``. Chapter 2 derives each line.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from helpers.ode import finite

Net = Callable[[Tensor, Tensor], Tensor]
KINDS = ("noise", "data", "velocity")


class Schedule:
    """How much noise each step adds: ``beta`` (T,) in (0, 1), kept in float64 on the CPU.

    ``alpha_bar[k - 1]`` (T,), the product of 1 - beta up to step k, is the squared signal there.
    """

    def __init__(self, beta: Tensor) -> None:
        beta = torch.as_tensor(beta, dtype=torch.float64, device="cpu")
        if beta.ndim != 1 or len(beta) < 1 or not ((beta > 0) & (beta < 1)).all():
            raise ValueError(f"beta must be (T,) with values in (0, 1), got {beta}")
        self.beta, self.alpha_bar = beta, torch.cumprod(1 - beta, 0)

    @property
    def T(self) -> int:
        """Number of steps."""
        return len(self.beta)

    @property
    def signal(self) -> Tensor:
        """Factor of x_0 at steps 1 .. T, (T,)."""
        return self.alpha_bar.sqrt()

    @property
    def noise(self) -> Tensor:
        """Standard deviation of the noise at steps 1 .. T, (T,)."""
        return (1 - self.alpha_bar).sqrt()

    def at(self, k: int) -> float:
        """alpha_bar after k steps, as a float; 1 for k = 0, which is data."""
        if not 0 <= k <= self.T:
            raise ValueError(f"k must be 0 .. {self.T}, got {k}")
        return self.alpha_bar[k - 1].item() if k else 1.0


def linear(n_steps: int = 1000, beta_min: float = 1e-4, beta_max: float = 0.02) -> Schedule:
    """DDPM's schedule (section 4): beta rises evenly from beta_min to beta_max in n_steps."""
    if not (isinstance(n_steps, int) and n_steps >= 1 and 0 < beta_min <= beta_max < 1):
        raise ValueError(
            f"expected n_steps >= 1 and 0 < beta_min <= beta_max < 1, "
            f"got {n_steps}, {beta_min}, {beta_max}"
        )
    return Schedule(torch.linspace(beta_min, beta_max, n_steps, dtype=torch.float64))


def cosine(n_steps: int = 1000, offset: float = 0.008, beta_max: float = 0.999) -> Schedule:
    """Nichol and Dhariwal's schedule (arXiv:2102.09672): alpha_bar falls as a squared cosine.

    n_steps : T. offset : keeps the first betas from vanishing. beta_max : the last would reach 1.
    """
    if not (isinstance(n_steps, int) and n_steps >= 1 and offset >= 0 and 0 < beta_max < 1):
        raise ValueError(
            f"expected n_steps >= 1, offset >= 0 and 0 < beta_max < 1, "
            f"got {n_steps}, {offset}, {beta_max}"
        )
    clock = torch.arange(n_steps + 1, dtype=torch.float64) / n_steps
    squared = torch.cos((clock + offset) / (1 + offset) * math.pi / 2).square()
    return Schedule((1 - squared[1:] / squared[:-1]).clamp_max(beta_max))


def convert(
    value: Tensor, x: Tensor, alpha_bar: float | Tensor, given: str, wanted: str
) -> Tensor:
    """Turn one of a noised point's "noise", "data" or "velocity" into another.

    They are eps, x_0 and v = signal eps - noise x_0 (arXiv:2202.00512) in x = signal x_0 + noise
    eps, so that any one of them and x determine the others.

    Parameters
    ----------
    value, x : (B, *S). alpha_bar : signal^2, a number or (B,), in (0, 1).
    given, wanted : what value is, what to return.
    """
    for kind in (given, wanted):
        if kind not in KINDS:
            raise ValueError(f"expected one of {', '.join(KINDS)}, got {kind!r}")
    if value.shape != x.shape:
        raise ValueError(f"value must be shaped like x {tuple(x.shape)}, got {tuple(value.shape)}")
    bar = torch.as_tensor(alpha_bar, dtype=x.dtype, device=x.device)
    if bar.shape not in ((), x.shape[:1]) or not ((bar > 0) & (bar < 1)).all():
        raise ValueError(f"alpha_bar must be in (0, 1), a number or ({len(x)},), got {alpha_bar}")
    bar = bar.view(-1, *[1] * (x.ndim - 1)) if bar.ndim else bar
    signal, noise = bar**0.5, (1 - bar) ** 0.5
    if given == wanted:
        return value
    if given == "velocity":
        return signal * value + noise * x if wanted == "noise" else signal * x - noise * value
    if given == "noise":
        data, eps = (x - noise * value) / signal, value
    else:
        data, eps = value, (x - signal * value) / noise
    return {"data": data, "noise": eps, "velocity": signal * eps - noise * data}[wanted]


def loss(
    net: Net,
    x0: Tensor,
    schedule: Schedule,
    *,
    predict: str = "noise",
    generator: torch.Generator | None = None,
) -> Tensor:
    """Mean squared error of the prediction at random steps of data x0 (B, *S): a scalar.

    DDPM's simple loss, equation (14) there. net : sees (x (B, *S), t (B,)). schedule : of T steps.
    predict : what net is to give.
    """
    if x0.ndim < 2 or not x0.is_floating_point():
        raise ValueError(f"x0 must be floats (B, *S), got {x0.dtype} {tuple(x0.shape)}")
    k = torch.randint(1, schedule.T + 1, x0.shape[:1], generator=generator, device=x0.device)
    eps = torch.empty_like(x0).normal_(generator=generator)
    bar = schedule.alpha_bar.to(x0.device)[k - 1].to(x0.dtype)
    wide = bar.view(-1, *[1] * (x0.ndim - 1))
    x = wide**0.5 * x0 + (1 - wide) ** 0.5 * eps
    target = convert(eps, x, bar, "noise", predict) if predict != "data" else x0
    return (_call(net, x, k.to(x0.dtype) / schedule.T) - target).square().mean()


def posterior(
    x: Tensor, x0: Tensor, schedule: Schedule, k: int, j: int | None = None
) -> tuple[Tensor, float]:
    """Mean (B, *S) and variance of x_j given x_k = x (B, *S) and x_0 = x0 (B, *S), for j < k.

    DDPM's equations (6) and (7) for j = k - 1, the default; Bayes' rule for any other.
    schedule : says how much signal and noise there is at the steps k and j.
    """
    j = k - 1 if j is None else j
    if not 0 <= j < k <= schedule.T or x.shape != x0.shape:
        raise ValueError(
            f"expected 0 <= j < k <= {schedule.T} and x, x0 alike, "
            f"got {j}, {k}, {tuple(x.shape)}, {tuple(x0.shape)}"
        )
    bar, bar_j = schedule.at(k), schedule.at(j)
    added = 1 - bar / bar_j  # beta_k when j = k - 1
    to_x0 = math.sqrt(bar_j) * added / (1 - bar)
    to_x = math.sqrt(bar / bar_j) * (1 - bar_j) / (1 - bar)
    return to_x0 * x0 + to_x * x, (1 - bar_j) / (1 - bar) * added


def random_part(schedule: Schedule, k: int, j: int, eta: float | str) -> tuple[float, float]:
    """(s kept free of noise for, s drawn) when going from step k to j: DDIM's equation (16).

    They differ for eta = "sigma-hat" only: there more is drawn than room was made for. schedule :
    of T steps. eta : from 0, nothing random, to 1, as much as in DDPM; or "sigma-hat".
    """
    hat = eta == "sigma-hat"
    if not hat and (isinstance(eta, str) or not 0 <= eta <= 1):
        raise ValueError(f'eta must be in 0 .. 1 or "sigma-hat", got {eta!r}')
    bar, bar_j = schedule.at(k), schedule.at(j)
    s = (1.0 if hat else eta) * ((1 - bar_j) / (1 - bar) * (1 - bar / bar_j)) ** 0.5
    return s, (1 - bar / bar_j) ** 0.5 if hat and j else s


def spaced(schedule: Schedule, n_steps: int) -> list[int]:
    """n_steps of the steps 1 .. T of a schedule, evenly, falling, and 0 after them.

    DDIM's linear choice (its appendix D.2): the smallest is 1 and the largest about T - T / n_steps.
    """
    if not (isinstance(n_steps, int) and 1 <= n_steps <= schedule.T):
        raise ValueError(f"n_steps must be 1 .. {schedule.T}, got {n_steps}")
    return [1 + i * schedule.T // n_steps for i in reversed(range(n_steps))] + [0]


@torch.no_grad()
def ddim(
    net: Net,
    noise: Tensor,
    schedule: Schedule,
    n_steps: int = 50,
    eta: float | str = 0.0,
    *,
    steps: Sequence[int] | None = None,
    predict: str = "noise",
    generator: torch.Generator | None = None,
) -> Iterator[Tensor]:
    """From noise (B, *S) to data in few steps: DDIM's equation (12). Yields n_steps + 1 tensors.

    Parameters
    ----------
    net, predict : the network and what it gives. schedule : what it was trained on.
    noise : x at the first step. n_steps : spaced by :func:`spaced`, unless steps are given.
    eta : 0 deterministic, 1 as DDPM's posterior, "sigma-hat" see :func:`random_part`.
    steps : those to visit, falling strictly, 0 last. generator : of the noise drawn if eta > 0.

    Raises
    ------
    ValueError : bad eta, n_steps or steps; a prediction of another shape or not finite.
    """
    steps = _steps(schedule, n_steps, steps, falling=True)
    random_part(schedule, steps[0], 0, eta)
    x = finite(noise, "noise")
    yield x
    for k, j in itertools.pairwise(steps):
        eps, data = _predict(net, x, schedule, k, k, predict)
        s, drawn = random_part(schedule, k, j, eta)
        bar_j = schedule.at(j)
        x = bar_j**0.5 * data + (1 - bar_j - s**2) ** 0.5 * eps
        if drawn > 0:
            x = x + drawn * torch.empty_like(x).normal_(generator=generator)
        yield x if j else finite(x, "net(x, t)")


def ddpm(
    net: Net,
    noise: Tensor,
    schedule: Schedule,
    *,
    predict: str = "noise",
    generator: torch.Generator | None = None,
) -> Iterator[Tensor]:
    """DDPM's own sampler, all T steps of schedule from noise (B, *S): algorithm 2, s^2 = beta-tilde.

    Each step draws from :func:`posterior` with the predicted x_0 in place of x_0. net, predict : as
    in :func:`ddim`, whose eta = 1 gives the same numbers by another way.
    """
    with torch.no_grad():
        x = finite(noise, "noise")
    yield x
    for k in range(schedule.T, 0, -1):
        with torch.no_grad():
            x, variance = posterior(
                x, _predict(net, x, schedule, k, k, predict)[1], schedule, k
            )
            if variance > 0:
                x = x + variance**0.5 * torch.empty_like(x).normal_(generator=generator)
        yield x if k > 1 else finite(x, "net(x, t)")


@torch.no_grad()
def invert(
    net: Net,
    x0: Tensor,
    schedule: Schedule,
    n_steps: int = 50,
    *,
    steps: Sequence[int] | None = None,
    n_iterations: int = 1,
    predict: str = "noise",
) -> Iterator[Tensor]:
    """The noise that :func:`ddim` with eta = 0 turns into x0 (B, *S): its steps, backwards.

    A step from j up to k needs net at x_k, which is what we want. Iteration 1 asks it at x_j
    instead, iteration 2 at what iteration 1 found, ...: with enough of them the step is exact.

    Parameters
    ----------
    net, schedule, n_steps, predict : as in :func:`ddim`. steps : rising strictly from 0.
    n_iterations : of each step; every one calls net once.
    """
    if not (isinstance(n_iterations, int) and n_iterations >= 1):
        raise ValueError(f"n_iterations must be at least 1, got {n_iterations}")
    steps = _steps(schedule, n_steps, steps, falling=False)
    x = finite(x0, "x0")
    yield x
    for j, k in itertools.pairwise(steps):
        bar, bar_j, guess = schedule.at(k), schedule.at(j), x
        for _ in range(n_iterations):
            eps, _data = _predict(net, guess, schedule, k, k, predict)
            guess = bar**0.5 * (x - (1 - bar_j) ** 0.5 * eps) / bar_j**0.5 + (1 - bar) ** 0.5 * eps
        x = guess
        yield x if k != steps[-1] else finite(x, "net(x, t)")


def _steps(schedule: Schedule, n_steps: int, steps: Sequence[int] | None, falling: bool) -> list:
    if steps is None:
        found = spaced(schedule, n_steps)
        return found if falling else found[::-1]
    found = [int(k) for k in steps]
    down = found if falling else found[::-1]
    if len(down) < 2 or down[-1] != 0 or down[0] > schedule.T or found != list(steps):
        raise ValueError(f"steps must be whole, 0 .. {schedule.T}, with data's 0, got {steps}")
    if any(k <= j for k, j in itertools.pairwise(down)):
        way = "fall" if falling else "rise"
        raise ValueError(f"steps must {way} strictly, got {found}")
    return found


def _call(net: Net, x: Tensor, t: Tensor) -> Tensor:
    value = net(x, t)
    if value.shape != x.shape:
        raise ValueError(f"net must map {tuple(x.shape)} to itself, got {tuple(value.shape)}")
    return value


def _predict(net: Net, x: Tensor, schedule: Schedule, k: int, at: int, predict: str):
    t = torch.as_tensor(at / schedule.T, dtype=x.dtype, device=x.device)
    value, bar = _call(net, x, t), schedule.at(k)
    return tuple(convert(value, x, bar, predict, kind) for kind in ("noise", "data"))
