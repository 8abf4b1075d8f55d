"""Training steps: each loss and Adam, against a library's loss and against the network alone."""

import copy
from collections.abc import Callable, Iterator

import torch
from diffusers import DDPMScheduler
from torch import Tensor, nn
from torch.nn import functional as F
from torchcfm import ConditionalFlowMatcher

from benchmarks.nice import step
from benchmarks.samplers import SCHEDULE, network
from benchmarks.timing import compare
from helpers.flows import ddpm, rectified_flow, sde

Loss = Callable[[nn.Module, Tensor], Tensor]


def noise_prediction(net: nn.Module, x0: Tensor, scheduler: DDPMScheduler) -> Tensor:
    """The loss as diffusers' training examples write it."""
    k = torch.randint(0, 1000, (len(x0),))
    eps = torch.randn_like(x0)
    return F.mse_loss(net(scheduler.add_noise(x0, eps, k), (k + 1) / 1000), eps)


def flow_matching(net: nn.Module, x0: Tensor, matcher: ConditionalFlowMatcher) -> Tensor:
    """The loss as torchcfm's examples write it, with data at time 0."""
    t, x, v = matcher.sample_location_and_conditional_flow(x0, torch.randn_like(x0))
    return F.mse_loss(net(x, t), v)


def bare(net: nn.Module, x0: Tensor, t: Tensor) -> Tensor:
    """The network's own part: no time drawn, no noise, no schedule."""
    return net(x0, t).square().mean()


def pairs() -> Iterator[tuple[str, str, str, Loss, Loss]]:
    """Chapter, name, against whom, our loss, theirs."""
    scheduler = DDPMScheduler(beta_schedule="linear")
    matcher = ConditionalFlowMatcher(sigma=0.0)
    vp = sde.VP()
    t = torch.rand(256)
    alone = "the time of the network's step alone"

    def noise(net: nn.Module, x: Tensor) -> Tensor:
        return ddpm.loss(net, x, SCHEDULE)

    def score(net: nn.Module, x: Tensor) -> Tensor:
        return sde.loss(net, x, vp)

    def network_alone(net: nn.Module, x: Tensor) -> Tensor:
        return bare(net, x, t)

    yield (
        "2. DDIM",
        "noise prediction",
        "diffusers' time",
        noise,
        lambda net, x: noise_prediction(net, x, scheduler),
    )
    yield "2. DDIM", "noise prediction", alone, noise, network_alone
    yield "3. SDE", "denoising score matching", alone, score, network_alone
    flow = rectified_flow.loss
    yield (
        "5. Rectified flow",
        "rectified flow",
        "torchcfm's time",
        flow,
        lambda net, x: flow_matching(net, x, matcher),
    )
    yield "5. Rectified flow", "rectified flow", alone, flow, network_alone


def measure() -> Iterator[dict]:
    """One record a comparison."""
    x = torch.randn(256, 2, generator=torch.Generator().manual_seed(0))
    for chapter, name, against, ours, theirs in pairs():
        mine = network().requires_grad_()
        their = copy.deepcopy(mine)
        yield compare(
            chapter,
            f"training step, {name}, 3 x 128, D = 2, batch 256",
            against,
            step(mine, lambda v, f=ours, m=mine: f(m, v), x),
            step(their, lambda v, f=theirs, m=their: f(m, v), x),
        )
