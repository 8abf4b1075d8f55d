"""DDIM, DDPM and inversion against diffusers' schedulers: the same steps on the same noise."""

import pytest
import torch
from diffusers import DDIMInverseScheduler, DDIMScheduler, DDPMScheduler

from helpers.flows import ddpm

SCHEDULE = ddpm.linear()
MATRIX = torch.randn(5, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
DTYPES = (torch.float32, torch.float64)


def net(x, t):
    return torch.tanh(x @ MATRIX.to(x) + float(t))


def start(dtype):
    return torch.randn(7, 5, generator=torch.Generator().manual_seed(0), dtype=dtype)


def double(scheduler, n_steps):
    """Their alpha_bar is float32; ours is put in its place, so that only the steps differ."""
    scheduler.alphas_cumprod = SCHEDULE.alpha_bar
    scheduler.betas, scheduler.alphas = SCHEDULE.beta, 1 - SCHEDULE.beta
    for name in ("one", "final_alpha_cumprod", "initial_alpha_cumprod"):
        if hasattr(scheduler, name):
            setattr(scheduler, name, torch.tensor(1.0, dtype=torch.float64))
    scheduler.set_timesteps(n_steps)
    return scheduler


def theirs(dtype, n_steps, eta, kind="epsilon", predict=net):
    scheduler = double(
        DDIMScheduler(
            beta_schedule="linear",
            clip_sample=False,
            set_alpha_to_one=True,
            timestep_spacing="leading",
            prediction_type=kind,
        ),
        n_steps,
    )
    x, generator = start(dtype), torch.Generator().manual_seed(3)
    for k in scheduler.timesteps.tolist():
        z = torch.empty_like(x).normal_(generator=generator)
        x = scheduler.step(predict(x, (k + 1) / 1000), k, x, eta=eta, variance_noise=z).prev_sample
    return x


def close(ours, other):
    """Bitwise in float32; in float64 to 1e-12 of the size."""
    if ours.dtype == torch.float32:
        assert torch.equal(ours, other)
    assert ((ours - other).abs() / (1 + other.abs())).max() < 1e-12


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("n_steps", [10, 50, 1000])
def test_ddim_is_theirs(n_steps, eta, dtype):
    fresh = torch.Generator().manual_seed(3)
    *_, ours = ddpm.ddim(net, start(dtype), SCHEDULE, n_steps, eta, generator=fresh)
    close(ours, theirs(dtype, n_steps, eta))


def test_ddim_with_their_own_float32_schedule():
    """Untouched, theirs differs by what float32 loses in alpha_bar."""
    scheduler = DDIMScheduler(beta_schedule="linear", clip_sample=False)
    scheduler.set_timesteps(50)
    x = start(torch.float32)
    for k in scheduler.timesteps.tolist():
        x = scheduler.step(net(x, (k + 1) / 1000), k, x).prev_sample
    *_, ours = ddpm.ddim(net, start(torch.float32), SCHEDULE, 50)
    assert 0 < ((ours - x).abs() / (1 + x.abs())).max() < 1e-3
    found = SCHEDULE.alpha_bar.float()
    torch.testing.assert_close(found, scheduler.alphas_cumprod, rtol=3e-5, atol=0)


@pytest.mark.parametrize(
    "kind, predict", [("sample", "data"), ("v_prediction", "velocity"), ("epsilon", "noise")]
)
def test_every_parametrisation_is_theirs(kind, predict):
    x = start(torch.float64)
    *_, ours = ddpm.ddim(net, x, SCHEDULE, 50, predict=predict)
    other = theirs(torch.float64, 50, 0.0, kind)
    assert ((ours - other).abs() / (1 + other.abs())).max() < 1e-10


def test_inversion_is_theirs():
    scheduler = double(
        DDIMInverseScheduler(beta_schedule="linear", clip_sample=False, set_alpha_to_one=True), 50
    )
    x = 0.1 * start(torch.float64)
    *_, ours = ddpm.invert(net, x, SCHEDULE, 50)
    for k in scheduler.timesteps.tolist():
        x = scheduler.step(net(x, (k + 1) / 1000), k, x).prev_sample
    assert ((ours - x).abs() / (1 + x.abs())).max() < 1e-12


def test_posterior_is_their_ddpm_step():
    scheduler = double(
        DDPMScheduler(beta_schedule="linear", clip_sample=False, prediction_type="sample"), 1000
    )
    x, x0 = start(torch.float64), start(torch.float64).roll(1, 0)
    for k in (1000, 500, 2):
        mean, variance = ddpm.posterior(x, x0, SCHEDULE, k)
        for seed in range(2):
            fresh, again = (torch.Generator().manual_seed(seed) for _ in range(2))
            z = torch.randn(x.shape, generator=fresh, dtype=x.dtype)
            found = scheduler.step(x0, k - 1, x, generator=again).prev_sample
            torch.testing.assert_close(found, mean + variance**0.5 * z, rtol=1e-9, atol=1e-9)


def test_cosine_schedule_is_theirs():
    scheduler = DDIMScheduler(beta_schedule="squaredcos_cap_v2")
    torch.testing.assert_close(ddpm.cosine().beta.float(), scheduler.betas, rtol=1e-5, atol=1e-9)
