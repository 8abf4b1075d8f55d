"""The references of chapter 2's exercises, against oracles that share no formula with them."""

import math

import torch

from helpers.exercises.exercise import answers, draws, exercises, find
from helpers.flows import ddpm

REFERENCE = {id: answers(find(id)).reference for id in exercises() if id.startswith("ddim-")}


def test_chapter_two_has_its_exercises():
    assert set(REFERENCE) == {"ddim-3", "ddim-4", "ddim-5", "ddim-6"}


def test_posterior_by_conditioning_a_joint_gaussian():
    """Simulate nothing: condition (x_j, x_k) given x_0, whose covariance the steps fix."""
    for x, x0, bar, bar_j in draws(find("ddim-3"), "oracle"):
        factor = math.sqrt(bar / bar_j)
        covariance = torch.tensor(
            [[1 - bar_j, factor * (1 - bar_j)], [factor * (1 - bar_j), 1 - bar]]
        )
        mean = torch.tensor([math.sqrt(bar_j), math.sqrt(bar)]).double()[:, None, None] * x0
        gain = covariance[0, 1] / covariance[1, 1]
        found, variance = REFERENCE["ddim-3"](x, x0, bar, bar_j)
        torch.testing.assert_close(found, mean[0] + gain * (x - mean[1]), atol=1e-6, rtol=1e-6)
        left = torch.linalg.det(covariance) / covariance[1, 1]
        assert abs(variance - left.item()) < 1e-6


def test_step_keeps_the_marginal_when_the_noise_is_true():
    """With x = a x0 + sigma eps and independent z, the result has signal and noise of step j."""
    for _, _, bar, bar_j, eta, _ in draws(find("ddim-4"), "oracle"):
        x0, eps, z = torch.randn(3, 100_000, 1, generator=torch.Generator().manual_seed(0)).double()
        x = math.sqrt(bar) * x0 + math.sqrt(1 - bar) * eps
        found = REFERENCE["ddim-4"](x, eps, bar, bar_j, eta, z) - math.sqrt(bar_j) * x0
        assert abs(found.std().item() - math.sqrt(1 - bar_j)) < 0.01
        assert abs((found * x0).mean().item()) < 0.02


def test_velocity_step_follows_true_noise():
    for x0, eps, bar, bar_j in draws(find("ddim-5"), "oracle"):
        a, sigma = math.sqrt(bar), math.sqrt(1 - bar)
        found = REFERENCE["ddim-5"](a * x0 + sigma * eps, a * eps - sigma * x0, bar, bar_j)
        torch.testing.assert_close(found, math.sqrt(bar_j) * x0 + math.sqrt(1 - bar_j) * eps)


def test_best_noise_beats_every_other_guess():
    """Its squared error on simulated noise is below that of shifted and scaled versions."""
    _, points, bar = draws(find("ddim-6"), "oracle")[2]
    generator = torch.Generator().manual_seed(0)
    which = torch.randint(len(points), (50_000,), generator=generator)
    eps = torch.randn(50_000, 2, generator=generator, dtype=torch.float64)
    guess = REFERENCE["ddim-6"](bar**0.5 * points[which] + (1 - bar) ** 0.5 * eps, points, bar)
    least = (guess - eps).square().mean()
    for other in (1.05 * guess, 0.95 * guess, guess + 0.05, guess - 0.05):
        assert (other - eps).square().mean() > least


def test_references_agree_with_the_helper():
    schedule = ddpm.linear(50)
    x, x0 = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0)).double()
    mean, variance = ddpm.posterior(x, x0, schedule, 40, 13)
    found = REFERENCE["ddim-3"](x, x0, schedule.at(40), schedule.at(13))
    torch.testing.assert_close(found[0], mean)
    assert abs(found[1] - variance) < 1e-12
