"""Forward and reverse SDEs against torchsde: equal on the same Brownian increments."""

import pytest
import torch

from helpers.flows import sde, toy

torchsde = pytest.importorskip("torchsde")

PROCESSES = [sde.VP(), sde.SubVP(), sde.VE()]
IDS = [type(process).__name__ for process in PROCESSES]


class Increments(torchsde.BaseBrownian):
    """The increments that a generator's draws make over given times, as a Brownian motion."""

    dtype, device, levy_area_approximation = torch.float64, torch.device("cpu"), "none"
    shape = (16, 2)

    def __init__(self, times, seed):
        self.times = times
        dice = torch.Generator().manual_seed(seed)
        draws = [torch.randn(self.shape, generator=dice, dtype=self.dtype) for _ in times[1:]]
        self.steps = [d.abs().sqrt() * e for d, e in zip(times.diff(), draws, strict=True)]

    def __call__(self, ta, tb=None, return_U=False, return_A=False):
        k = int((self.times - float(ta)).abs().argmin())
        assert abs(float(tb) - self.times[k + 1].item()) < 1e-9
        return self.steps[k]

    def __repr__(self):
        return "Increments"


class Problem:
    """torchsde's view of an SDE: f and g of (t, y), time rising."""

    noise_type, sde_type = "diagonal", "ito"

    def __init__(self, drift, diffusion):
        self.drift, self.diffusion = drift, diffusion

    def f(self, t, y):
        return self.drift(y, t)

    def g(self, t, y):
        return self.diffusion(t).expand_as(y)


def target():
    return toy.eight_gaussians()


def score_of(process):
    return lambda x, t: target().noised(process.signal(t), process.noise(t)).score(x)


@pytest.mark.parametrize("process", PROCESSES, ids=IDS)
def test_forward_is_torchsdes_euler(process):
    x, times = (
        target().sample(16, torch.Generator().manual_seed(0)),
        torch.linspace(0, 1, 65).double(),
    )
    ours = torch.stack(list(sde.forward(process, x, times, torch.Generator().manual_seed(7))))
    problem = Problem(process.drift, process.diffusion)
    brownian = Increments(times, 7)
    theirs = torchsde.sdeint(problem, x, times, bm=brownian, method="euler", dt=1 / 64)
    torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("process", PROCESSES, ids=IDS)
def test_reverse_is_torchsdes_euler_in_falling_time(process):
    """torchsde's time rises, so it is given t = 1 - u: drift and its sign turn with it."""
    score, u = score_of(process), torch.linspace(0, 1, 65).double()
    x = process.prior_std * torch.randn(16, 2, generator=torch.Generator().manual_seed(1)).double()
    dice = torch.Generator().manual_seed(7)
    ours = torch.stack(list(sde.reverse(process, score, x, 1 - u, dice)))

    def drift(y, u):
        t = 1 - u
        return process.diffusion(t) ** 2 * score(y, t) - process.rate(t) * y

    problem = Problem(drift, lambda u: process.diffusion(1 - u))
    theirs = torchsde.sdeint(problem, x, u, bm=Increments(u, 7), method="euler", dt=1 / 64)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_torchsdes_own_dice_give_the_same_law():
    """VP from one point by torchsde's Brownian tree: the closed-form mean and spread."""
    vp, times = sde.VP(), torch.tensor([0.0, 0.5], dtype=torch.float64)
    x = torch.full((8000, 1), 2.0, dtype=torch.float64)
    brownian = torchsde.BrownianInterval(0.0, 0.5, size=(8000, 1), dtype=torch.float64, entropy=3)
    problem = Problem(vp.drift, vp.diffusion)
    end = torchsde.sdeint(problem, x, times, bm=brownian, method="euler", dt=1 / 256)[-1]
    assert end.mean().item() == pytest.approx(2 * vp.signal(0.5).item(), abs=0.05)
    assert end.std().item() == pytest.approx(vp.noise(0.5).item(), rel=0.04)
