"""Rectified flow against torchcfm's target and diffusers' sampler, on shared numbers."""

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from torchcfm.conditional_flow_matching import ConditionalFlowMatcher

from helpers import nets
from helpers.flows import ode
from helpers.flows import rectified_flow as rf

pytestmark = pytest.mark.filterwarnings("ignore")  # the libraries' own


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("shape", [(64, 2), (16, 1, 8, 8)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_same_point_and_target_as_torchcfm(shape, dtype):
    """The same x0, x1, t: both differ by exactly nothing."""
    x0, x1 = torch.randn(2, *shape, generator=generator(), dtype=dtype)
    t = torch.rand(len(x0), generator=generator(1), dtype=dtype)
    matcher = ConditionalFlowMatcher(sigma=0)
    same_t, x, target = matcher.sample_location_and_conditional_flow(x0, x1, t=t)
    assert torch.equal(same_t, t)
    assert torch.equal(rf.between(x0, x1, t), x)
    assert torch.equal(rf.target(x0, x1), target)


def test_same_loss_as_torchcfm():
    x0, x1 = torch.randn(2, 64, 2, generator=generator())
    net = nets.TimeMLP(2, (16,), generator=generator())
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.1)
    t = x0.new_empty(64).uniform_(generator=generator(2))
    _, x, target = ConditionalFlowMatcher(sigma=0).sample_location_and_conditional_flow(x0, x1, t)
    theirs = (net(x, t) - target).square().mean()
    assert torch.equal(rf.loss(net, x0, x1, generator=generator(2)), theirs)


@pytest.mark.parametrize("n_steps", [1, 4, 50])
def test_same_samples_as_diffusers(n_steps):
    """Uniform sigmas given: its defaults end at .001 and would make the last step tiny."""
    x = torch.randn(32, 2, generator=generator())
    net = nets.TimeMLP(2, (32, 32), generator=generator())
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.05 * torch.randn(p.shape, generator=generator(3)))
    scheduler = FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=1.0)
    scheduler.set_timesteps(sigmas=torch.linspace(1, 1 / n_steps, n_steps).tolist())
    theirs = x
    with torch.no_grad():
        for time in scheduler.timesteps:
            theirs = scheduler.step(net(theirs, time / 1000), time, theirs).prev_sample
    times = torch.linspace(1, 0, n_steps + 1)
    *_, ours = ode.euler(net, x, times)
    assert (ours - x).abs().max() > 0.01
    torch.testing.assert_close(ours, theirs, atol=2e-6, rtol=0)
