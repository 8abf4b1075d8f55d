"""NICE against normflows on shared weights: the same latents, log-densities and gradients."""

import copy

import pytest
import torch
from torch.nn import functional as F

from helpers.flow import Gaussian, Logistic
from helpers.nice import AdditiveCoupling, Conv1x1, nice

pytestmark = pytest.mark.filterwarnings("ignore")  # normflows' own
nf = pytest.importorskip("normflows", reason="make test installs it")


class LogisticBase(nf.distributions.BaseDistribution):
    """normflows has no logistic base; only its density is needed here."""

    def log_prob(self, z):
        return (-F.softplus(z) - F.softplus(-z)).sum(1)


def twin(ours):
    """normflows' model with our weights. It lists layers from latent to data, and runs that way."""
    dim = ours.shape[0]
    steps = []
    for layer in copy.deepcopy(ours).layers:
        if isinstance(layer, AdditiveCoupling):
            mode = "checkerboard" if layer.flip else "checkerboard_inv"
            step = nf.flows.AffineCouplingBlock(layer.net, scale=False, split_mode=mode)
        else:
            step = nf.flows.AffineConstFlow((dim,), shift=False)
            step.s = torch.nn.Parameter(layer.log_scale.detach()[None].clone())
        steps.append(nf.flows.Reverse(step))
    gaussian = isinstance(ours.prior, Gaussian)
    base = nf.distributions.DiagGaussian(dim, trainable=False) if gaussian else LogisticBase()
    return nf.NormalizingFlow(base, steps[::-1])


def trained(dim, prior, dtype):
    generator = torch.Generator().manual_seed(0)
    ours = nice(dim, hidden=(32, 32), prior=prior, generator=generator)
    with torch.no_grad():
        for p in ours.parameters():
            p.add_(0.2 * torch.randn(p.shape, generator=generator))
    return ours.to(dtype), torch.randn(50, dim, generator=generator).to(dtype)


@pytest.mark.parametrize("dim", [2, 6, 64])
@pytest.mark.parametrize("prior", [Gaussian(), Logistic()], ids=["gaussian", "logistic"])
def test_same_latent_density_and_inverse(dim, prior):
    ours, x = trained(dim, prior, torch.float64)
    theirs = twin(ours).double()
    z, _ = ours(x)
    their_z = theirs.inverse(x)
    assert torch.equal(z, their_z)
    assert torch.equal(ours.inverse(z), theirs.forward(their_z))
    torch.testing.assert_close(ours.log_prob(x), theirs.log_prob(x), atol=1e-11, rtol=0)


def test_same_gradients():
    ours, x = trained(6, Logistic(), torch.float64)
    theirs = twin(ours).double()
    (-ours.log_prob(x).mean()).backward()
    # forward_kld would add up in float32, whatever the model's dtype.
    (-theirs.log_prob(x).mean()).backward()
    mine = [p.grad for layer in ours.layers for p in layer.parameters()]
    them = [p.grad for step in reversed(theirs.flows) for p in step.parameters()]
    assert len(mine) == len(them) == 4 * 6 + 1
    for a, b in zip(mine, them, strict=True):
        torch.testing.assert_close(a, b.view_as(a), atol=1e-11, rtol=0)


def test_same_1x1_convolution():
    ours, theirs = Conv1x1(4, torch.Generator().manual_seed(0)), nf.flows.Invertible1x1Conv(4)
    with torch.no_grad():
        ours.weight.mul_(1.7)
        theirs.W.copy_(ours.weight)
    x = torch.randn(3, 4, 5, 5, generator=torch.Generator().manual_seed(1))
    (y, log_det), (their_y, their_log_det) = ours(x), theirs.inverse(x)
    torch.testing.assert_close(y, their_y, atol=1e-6, rtol=0)
    torch.testing.assert_close(log_det, their_log_det.expand(3), atol=1e-4, rtol=0)
