"""ODE solvers against torchdiffeq and scipy at equal tolerance: evaluations, error, time."""

from collections.abc import Callable, Iterator

import torch
from scipy.integrate import solve_ivp
from torch import Tensor
from torchdiffeq import odeint

from benchmarks.samplers import last, network
from benchmarks.timing import compare, row
from helpers.flows import ode
from helpers.flows.ode import Counted, Velocity
from helpers.flows.toy import eight_gaussians

TOLERANCE = 1e-5


def rk45(velocity: Velocity, x: Tensor, times: Tensor, tolerance: float = TOLERANCE) -> Tensor:
    """Ours."""
    return last(ode.adaptive(velocity, x, times, rtol=tolerance, atol=tolerance))


@torch.no_grad()
def torchdiffeqs(velocity: Velocity, x: Tensor, times: Tensor, method: str = "dopri5") -> Tensor:
    """torchdiffeq's answer; its velocity takes the time first."""
    return odeint(
        lambda t, x: velocity(x, t), x, times, rtol=TOLERANCE, atol=TOLERANCE, method=method
    )[-1]


@torch.no_grad()
def scipys(velocity: Velocity, x: Tensor, times: Tensor) -> Tensor:
    """scipy's answer; its velocity takes a flat array."""

    def flat(t, y):
        return velocity(torch.from_numpy(y).view_as(x), x.new_tensor(t)).numpy().ravel()

    found = solve_ivp(flat, times.tolist(), x.numpy().ravel(), rtol=TOLERANCE, atol=TOLERANCE)
    return torch.from_numpy(found.y[:, -1]).view_as(x)


def problems() -> Iterator[tuple[str, Velocity, Tensor, Tensor]]:
    """Name, velocity, start (B, D), first and last time: all float64, which scipy asks for."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(256, 2, generator=generator, dtype=torch.float64)
    span = torch.tensor([1.0, 0.0], dtype=torch.float64)
    yield "a network of 3 x 128, batch 256", network().double(), x, span
    ring = eight_gaussians()
    # Rising, because torchdiffeq walks past the end and interpolates back.
    yield (
        "the exact flow of eight Gaussians, batch 256",
        lambda x, t: -t * ring.noised(1, t).score(x),
        ring.sample(256, generator),
        torch.tensor([0.05, 3.0], dtype=torch.float64),
    )


def measure() -> Iterator[dict]:
    """One record a comparison."""
    chapter = "4. ODE"
    solvers = (("torchdiffeq", torchdiffeqs), ("scipy", scipys))
    for name, velocity, x, times in problems():
        with torch.no_grad():
            truth = rk45(velocity, x, times, 1e-10)
        found: dict[str, tuple[int, float]] = {}
        for who, solver in (("ours", rk45), *solvers):
            counted = Counted(velocity)
            error = (solver(counted, x, times) - truth).square().mean().sqrt().item()
            found[who] = counted.n_calls, error
        for who, solver in solvers:
            about = f"RK45 at a tolerance of 1e-5, {name}"
            calls, error = (a / b for a, b in zip(found["ours"], found[who], strict=True))
            yield row(chapter, f"evaluations, {about}", f"{who}'s", calls)
            yield row(chapter, f"root mean square error, {about}", f"{who}'s", error)
            yield compare(
                chapter,
                f"time, {about}",
                f"{who}'s",
                lambda v=velocity, x=x, t=times: rk45(v, x, t),
                lambda s=solver, v=velocity, x=x, t=times: s(v, x, t),
                n_calls=1,
            )
    yield from fixed()


def fixed() -> Iterator[dict]:
    """Along given times, where both sides take the very same steps."""
    net = network()
    x = torch.randn(256, 2, generator=torch.Generator().manual_seed(0))
    times = torch.linspace(1, 0, 51)
    pairs: tuple[tuple[str, Callable, str], ...] = (
        ("Euler", ode.euler, "euler"),
        ("Heun", ode.heun, "heun2"),
    )
    for name, solver, method in pairs:
        yield compare(
            "4. ODE",
            f"time, {name}, 50 steps, a network of 3 x 128, batch 256",
            "torchdiffeq's",
            lambda s=solver: last(s(net, x, times)),
            lambda m=method: torchdiffeqs(net, x, times, m),
            n_calls=3,
        )
