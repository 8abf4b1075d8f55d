"""NICE against normflows on shared weights: the same latents, log-densities and gradients."""

import normflows as nf
import pytest
import torch

from benchmarks.twin import twin
from helpers.flows.likelihood import Gaussian, Logistic
from helpers.flows.nice import Conv1x1, nice

pytestmark = pytest.mark.filterwarnings("ignore")  # normflows' own


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
