"""Samplers: DDIM against diffusers, and each sampler against its network evaluations alone."""

from collections.abc import Callable, Iterator

import torch
from diffusers import DDIMScheduler
from torch import Tensor

from benchmarks.timing import compare
from helpers.flows import ddpm, ode, sde
from helpers.nets import TimeMLP

Net = Callable[[Tensor, Tensor], Tensor]
SCHEDULE = ddpm.linear()


def network(dim: int = 2, hidden: tuple[int, ...] = (128, 128, 128)) -> TimeMLP:
    """A network as a chapter trains it, but with random weights: smooth, and not zero."""
    generator = torch.Generator().manual_seed(0)
    net = TimeMLP(dim, hidden, generator=generator).requires_grad_(False)
    for p in net.parameters():
        p.add_(0.5 * p.std() * torch.randn(p.shape, generator=generator))
    for p in net.body[-1].parameters():
        p.copy_(torch.randn(p.shape, generator=generator) / p.shape[-1] ** 0.5)
    return net


def last(path: Iterator[Tensor]) -> Tensor:
    """Where a sampler ends."""
    *_, x = path
    return x


def diffusers_loop(net: Net, x: Tensor, n_steps: int, eta: float) -> Callable[[], Tensor]:
    """diffusers' DDIM, set to what :func:`helpers.flows.ddpm.ddim` does by default."""
    scheduler = DDIMScheduler(beta_schedule="linear", clip_sample=False, timestep_spacing="leading")
    scheduler.set_timesteps(n_steps)
    clock = [((k + 1) / 1000).to(x) for k in scheduler.timesteps]

    @torch.no_grad()
    def run() -> Tensor:
        sample = x
        generator = torch.Generator().manual_seed(1)
        for k, t in zip(scheduler.timesteps, clock, strict=True):
            eps = net(sample, t)
            sample = scheduler.step(eps, k, sample, eta=eta, generator=generator).prev_sample
        return sample

    return run


def evaluations(net: Net, x: Tensor, n_calls: int) -> Callable[[], None]:
    """As many evaluations of the network as a sampler makes, and nothing else."""
    t = torch.tensor(0.5)

    @torch.no_grad()
    def run() -> None:
        for _ in range(n_calls):
            net(x, t)

    return run


def samplers(x: Tensor) -> Iterator[tuple[str, str, Callable[[Net], Iterator[Tensor]]]]:
    """Chapter, name, and a function that lets a network walk from x."""
    times = torch.linspace(1, 0, 51)
    late = torch.linspace(1, 0.01, 51)
    vp = sde.VP()

    def fresh() -> torch.Generator:
        return torch.Generator().manual_seed(1)

    for eta in (0.0, 1.0):
        yield (
            "2. DDIM",
            f"DDIM, eta = {eta:g}",
            lambda net, e=eta: ddpm.ddim(net, x, SCHEDULE, 50, e, generator=fresh()),
        )
    few = ddpm.linear(50)
    yield "2. DDIM", "DDPM of 50 steps", lambda net: ddpm.ddpm(net, x, few, generator=fresh())
    yield (
        "3. SDE",
        "Euler-Maruyama, 50 steps",
        lambda net: sde.reverse(vp, sde.score_of(vp, net), x, late, fresh()),
    )
    yield (
        "3. SDE",
        "predictor and corrector, 50 steps",
        lambda net: sde.predictor_corrector(vp, sde.score_of(vp, net), x, late, fresh()),
    )
    yield (
        "4. ODE",
        "RK45 of the probability flow",
        lambda net: ode.adaptive(sde.probability_flow(vp, sde.score_of(vp, net)), x, late[[0, -1]]),
    )
    yield "5. Rectified flow", "Euler, 50 steps", lambda net: ode.euler(net, x, times)
    yield "5. Rectified flow", "Heun, 50 steps", lambda net: ode.heun(net, x, times)


def measure() -> Iterator[dict]:
    """One record a comparison."""
    generator = torch.Generator().manual_seed(0)
    for dim, hidden, batch in ((2, (128, 128, 128), 256), (64, (256, 256, 256), 128)):
        net = network(dim, hidden)
        x = torch.randn(batch, dim, generator=generator)
        size = f"D = {dim}, batch {batch}"
        still = 0.1 * torch.randn(batch, dim, generator=generator)
        for eta in (0.0, 1.0):
            for name, f in (
                ("without the network", lambda x, t, eps=still: eps),
                (f"of a network of 3 x {hidden[0]}", net),
            ):
                yield compare(
                    "2. DDIM",
                    f"50 DDIM steps {name}, eta = {eta:g}, {size}",
                    "diffusers' time",
                    lambda f=f, x=x, eta=eta: last(
                        ddpm.ddim(
                            f, x, SCHEDULE, 50, eta, generator=torch.Generator().manual_seed(1)
                        )
                    ),
                    diffusers_loop(f, x, 50, eta),
                    n_calls=3,
                )
    net = network()
    x = torch.randn(256, 2, generator=generator)
    for chapter, name, sampler in samplers(x):
        counted = ode.Counted(net)
        last(sampler(counted))
        yield compare(
            chapter,
            f"{name}: {counted.n_calls} evaluations of a network of 3 x 128, D = 2, batch 256",
            "the time of the evaluations alone",
            lambda sampler=sampler: last(sampler(net)),
            evaluations(net, x, counted.n_calls),
            n_calls=3,
        )
