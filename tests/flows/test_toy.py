"""Toy targets: their exact densities against quadrature, a finer rule, and their own samples."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from helpers.flows.toy import GaussianMixture, TwoMoons, eight_gaussians, equal_volume_floor


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


MEANS = torch.tensor([[0.0, 1.0], [2.0, -1.0], [-1.5, 0.5]], dtype=torch.float64)
WEIGHTS = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)


def test_mixture_density():
    mixture = GaussianMixture(MEANS, 0.4, WEIGHTS)
    x = 2 * torch.randn(20, 2, generator=generator(), dtype=torch.float64)
    expected = sum(
        w.item() * stats.multivariate_normal(m.numpy(), 0.16).pdf(x.numpy())
        for m, w in zip(MEANS, WEIGHTS, strict=True)
    )
    torch.testing.assert_close(mixture.log_prob(x).exp(), torch.from_numpy(expected))


def test_mixture_samples():
    mixture = GaussianMixture(MEANS, 0.4, WEIGHTS)
    x = mixture.sample(40000, generator())
    torch.testing.assert_close(x.mean(0), WEIGHTS @ MEANS, atol=0.03, rtol=0)
    second = (WEIGHTS[:, None, None] * MEANS[:, :, None] * MEANS[:, None, :]).sum(0)
    expected = second + 0.16 * torch.eye(2) - torch.outer(WEIGHTS @ MEANS, WEIGHTS @ MEANS)
    torch.testing.assert_close(x.T.cov(correction=0), expected, atol=0.05, rtol=0)


def digits_sized(n=1797, dim=64):
    """As many components as there are digits: corners of a cube, some of them alike."""
    means = (torch.rand(n, dim, generator=generator(9), dtype=torch.float64) > 0.6).double() * 2 - 1
    means[1::50] = means[0]
    return means


def gradient(log_prob, x):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(log_prob(x).sum(), x)[0]


@pytest.mark.parametrize("target", ["mixture", "moons", "digits", "line"])
def test_score_is_the_gradient(target):
    """Autograd's, of log_prob; both ways to find the distances, and far from every component."""
    mixture = {
        "mixture": GaussianMixture(MEANS, 0.4, WEIGHTS),
        "moons": TwoMoons().mixture,
        "digits": GaussianMixture(digits_sized(200), 0.5),
        "line": GaussianMixture(MEANS[:, :1], 0.3, WEIGHTS),
    }[target]
    dim = mixture.means.shape[1]
    x = 2 * torch.randn(30, dim, generator=generator(), dtype=torch.float64)
    x[0] *= 100
    found = mixture.score(x)
    torch.testing.assert_close(found, gradient(mixture.log_prob, x), atol=1e-7, rtol=1e-9)


def test_score_of_one_gaussian_by_hand():
    mixture = GaussianMixture(torch.tensor([[1.0, -2.0]], dtype=torch.float64), 0.5)
    x = torch.tensor([[2.0, 0.0]], dtype=torch.float64)
    assert mixture.score(x).tolist() == [[-4.0, -8.0]]


@pytest.mark.parametrize(("signal", "noise"), [(0.8, 0.6), (1.0, 0.3), (0.3, 2.0), (0.0, 1.0)])
def test_noised_is_a_convolution(signal, noise):
    """p(x) = integral of p_0(y) N(x; signal y, noise^2) dy, by quadrature over the line."""
    mixture = GaussianMixture(MEANS[:, :1], 0.2, WEIGHTS)
    x = torch.linspace(-4, 4, 9, dtype=torch.float64)[:, None]
    y = torch.linspace(-4, 5, 20001, dtype=torch.float64).numpy()[:, None]
    clean = stats.norm(MEANS[:, 0].numpy(), 0.2).pdf(y) @ WEIGHTS.numpy()  # (Y,)
    expected = [clean @ stats.norm(signal * y[:, 0], noise).pdf(at) for at in x[:, 0].tolist()]
    expected = 9 / 20000 * torch.tensor(expected, dtype=torch.float64)
    found = mixture.noised(signal, noise).log_prob(x).exp()
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-8)


def test_noised_twice_is_noised_once():
    """Signals multiply; the first noise shrinks by the second signal, and variances add."""
    mixture = GaussianMixture(MEANS, 0.4, WEIGHTS)
    x = torch.randn(20, 2, generator=generator(), dtype=torch.float64)
    twice, once = (
        mixture.noised(0.9, 0.5).noised(0.7, 0.8),
        mixture.noised(0.63, math.hypot(0.35, 0.8)),
    )
    torch.testing.assert_close(twice.log_prob(x), once.log_prob(x))
    same = mixture.noised(1, 0)
    assert torch.equal(same.log_prob(x), mixture.log_prob(x))


@pytest.mark.parametrize(("signal", "noise"), [(0.8, 0.6), (1.0, 0.3), (0.3, 2.0), (0.0, 1.0)])
def test_denoise_is_the_posterior_mean(signal, noise):
    """E[x_0 | x] by quadrature over x_0 on the line."""
    mixture = GaussianMixture(MEANS[:, :1], 0.2, WEIGHTS)
    x = torch.linspace(-3, 3, 7, dtype=torch.float64)[:, None]
    y = torch.linspace(-4, 5, 20001, dtype=torch.float64)[:, None]
    log_joint = mixture.log_prob(y) - (x - signal * y.T).square() / (2 * noise**2)  # (B, Y)
    expected = log_joint.softmax(1) @ y
    torch.testing.assert_close(mixture.denoise(x, signal, noise), expected, atol=1e-8, rtol=0)


@pytest.mark.parametrize("name", ["mixture", "digits"])
def test_denoise_obeys_tweedie(name):
    """signal E[x_0 | x] = x + noise^2 score(x) with the score of the noised density."""
    mixture = {
        "mixture": GaussianMixture(MEANS, 0.4, WEIGHTS),
        "digits": GaussianMixture(digits_sized(300), 0.1),
    }[name]
    for signal, noise in ((1.0, 1e-3), (0.8, 0.6), (0.05, 0.999), (1.0, 50.0), (0.6, 0.0)):
        x = mixture.noised(signal, noise).sample(20, generator())
        expected = (x + noise**2 * gradient(mixture.noised(signal, noise).log_prob, x)) / signal
        found = mixture.denoise(x, signal, noise)
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)


def test_denoise_predicts_best():
    """No other function of x has a smaller mean square error: E[(x_0 - m(x)) h(x)] = 0."""
    mixture, n = GaussianMixture(MEANS, 0.4, WEIGHTS), 200_000
    clean = mixture.sample(n, generator())
    x = 0.8 * clean + 0.6 * torch.randn(n, 2, generator=generator(1), dtype=torch.float64)
    error = clean - mixture.denoise(x, 0.8, 0.6)
    for h in (torch.ones_like(x), x, x**2, x.sin(), x.flip(1)):
        product = error * h
        assert (product.mean(0).abs() < 5 * product.std(0) / math.sqrt(n)).all()


def test_eight_gaussians():
    """Unlike mixtures are told apart: 8 equal components, all at one radius, 45 degrees apart."""
    target = eight_gaussians()
    means = target.means
    assert means.shape == (8, 2) and means.dtype == torch.float64 and target.std == 0.15
    torch.testing.assert_close(target.weights, torch.full((8,), 1 / 8, dtype=torch.float64))
    assert means.norm(dim=1).tolist() == pytest.approx([2.0] * 8)
    gaps = torch.cdist(means, means).sort(1).values[:, 1:3]
    assert gaps.flatten().tolist() == pytest.approx([4 * math.sin(math.pi / 8)] * 16)
    x = eight_gaussians(radius=3.0, std=0.4).sample(50_000, generator())
    assert x.mean(0).abs().max() < 0.05  # the ring is centred, with half of r^2 on each axis
    expected = (9 / 2 + 0.16) * torch.eye(2, dtype=torch.float64)
    torch.testing.assert_close(x.T.cov(), expected, atol=0.08, rtol=0)


def test_digits_sized_mixture_is_exact():
    """1,797 components in 64 dimensions: log density, score and denoiser from the definition."""
    means, std = digits_sized(), 0.1
    mixture = GaussianMixture(means, std)
    for signal, noise in ((1.0, 0.0), (0.9, 0.4), (0.1, 0.99), (1.0, 50.0)):
        noised = mixture.noised(signal, noise)
        x, width = noised.sample(8, generator()), math.hypot(signal * std, noise)
        gap = x[:, None] - signal * means
        log_p = -gap.square().sum(2) / (2 * width**2) - 64 * math.log(
            width * math.sqrt(2 * math.pi)
        )
        expected = log_p.logsumexp(1) - math.log(1797)
        torch.testing.assert_close(noised.log_prob(x), expected, atol=1e-8, rtol=1e-10)
        score = torch.einsum("bk,bkd->bd", log_p.softmax(1), -gap / width**2)
        torch.testing.assert_close(noised.score(x), score, atol=1e-7, rtol=1e-9)


def test_digits_sized_mixture_in_float32():
    """The denoiser of float32 points is within 1e-4 of the one in float64, wherever it is used."""
    mixture = GaussianMixture(digits_sized(), 0.1)
    for signal, noise in ((0.999, 0.04), (0.8, 0.6), (0.05, 0.999), (1.0, 50.0)):
        x = mixture.noised(signal, noise).sample(32, generator())
        found = mixture.denoise(x.float(), signal, noise)
        assert found.dtype == torch.float32
        torch.testing.assert_close(
            found.double(), mixture.denoise(x, signal, noise), atol=1e-4, rtol=0
        )


def test_samples_of_a_noised_mixture():
    """noised(...).sample has the distribution of signal * sample + noise * eps."""
    mixture, n = GaussianMixture(MEANS, 0.4, WEIGHTS), 20_000
    direct = mixture.noised(0.6, 0.8).sample(n, generator())
    x = mixture.sample(n, generator(1))
    stepwise = 0.6 * x + 0.8 * torch.randn(n, 2, generator=generator(2), dtype=torch.float64)
    for a, b in zip(direct.T, stepwise.T, strict=True):
        assert stats.ks_2samp(a.numpy(), b.numpy()).pvalue > 1e-3


@pytest.mark.parametrize("std", [0.08, 0.1, 0.3])
def test_moons_density_is_exact(std):
    """Against adaptive quadrature over the angle, one arc after the other, from the definition."""
    moons = TwoMoons(std)
    x = moons.sample(12, generator()).double()

    def integrand(angle, point, which):
        sign = 1 if which == 0 else -1
        at = (sign * (math.cos(angle) - 0.5), sign * (math.sin(angle) - 0.25))
        square = (point[0] - at[0]) ** 2 + (point[1] - at[1]) ** 2
        return math.exp(-square / (2 * std**2)) / (2 * math.pi * std**2)

    for point, found in zip(x.tolist(), moons.log_prob(x).exp().tolist(), strict=True):
        arcs = [
            integrate.quad(integrand, 0, math.pi, args=(point, w), limit=200, epsabs=1e-12)[0]
            for w in (0, 1)
        ]
        assert found == pytest.approx(sum(arcs) / (2 * math.pi), rel=1e-9)


def test_moons_quadrature_error():
    x = 1.3 * TwoMoons().sample(4000, generator()).double()
    coarse, fine = TwoMoons(0.08).log_prob(x), TwoMoons(0.08, n_nodes=500).log_prob(x)
    assert (coarse - fine).abs().max() < 1e-10


def test_moons_integrate_to_one():
    axis = torch.linspace(-3, 3, 301, dtype=torch.float64)
    density = TwoMoons().log_prob(torch.cartesian_prod(axis, axis)).exp()
    assert density.sum().item() * 0.02**2 == pytest.approx(1, abs=1e-6)


def test_moons_samples_follow_the_density():
    """Chi-square of 40,000 samples against the density integrated over a coarse grid."""
    moons, n, m = TwoMoons(), 40000, 16
    x = moons.sample(n, generator(1))
    edges = torch.linspace(-2.4, 2.4, m + 1)
    counts = torch.histogramdd(x, [edges, edges]).hist
    fine = torch.linspace(-2.4, 2.4, 24 * m + 1, dtype=torch.float64)
    centre = (fine[1:] + fine[:-1]) / 2
    mass = moons.log_prob(torch.cartesian_prod(centre, centre)).exp() * (fine[1] - fine[0]) ** 2
    mass = mass.view(m, 24, m, 24).sum((1, 3))
    common = mass * n > 10
    chi2 = ((counts - n * mass) ** 2 / (n * mass))[common].sum().item()
    assert stats.chi2(common.sum().item() - 1).sf(chi2) > 0.01


def cells(extent, n):
    axis = (torch.arange(n, dtype=torch.float64) + 0.5) * (2 * extent / n) - extent
    return torch.cartesian_prod(axis, axis), (2 * extent / n) ** 2


def test_equal_volume_floor_in_closed_form():
    """0 for a Gaussian of any shape; 1 - log 2 for a uniform density of any shape."""
    points, area = cells(8.0, 1000)
    for cov in ([[1.0, 0.0], [0.0, 1.0]], [[2.0, 0.6], [0.6, 0.3]]):
        log_p = torch.from_numpy(stats.multivariate_normal(cov=cov).logpdf(points.numpy()))
        assert equal_volume_floor(log_p, area) == pytest.approx(0, abs=1e-4)
    inside = (points.abs() < torch.tensor([3.0, 0.5])).all(1) | ((points - 4).norm(dim=1) < 1)
    log_p = torch.where(inside, -math.log(inside.sum() * area), -math.inf)
    assert equal_volume_floor(log_p, area) == pytest.approx(1 - math.log(2), abs=1e-4)


def test_equal_volume_floor_is_the_best_rearrangement():
    """By brute force: every way to lay the levels of a scaled Gaussian on 6 cells, every scale."""
    mass = torch.tensor([0.05, 0.3, 0.1, 0.25, 0.2, 0.1], dtype=torch.float64)
    area = 1.0
    enclosed = torch.arange(6, dtype=torch.float64) + 0.5
    best = math.inf
    for scale in torch.linspace(0.05, 2, 300, dtype=torch.float64):
        levels = scale.log() - scale * enclosed
        for order in itertools.permutations(range(6)):
            best = min(best, (mass * (mass.log() - levels[list(order)])).sum().item())
    assert equal_volume_floor(mass.log(), area) == pytest.approx(best, abs=1e-4)


def test_bad_input():
    for call in (
        lambda: equal_volume_floor(torch.zeros(3, 3), 1.0),
        lambda: equal_volume_floor(torch.full((3,), math.nan), 1.0),
        lambda: equal_volume_floor(torch.zeros(3), 0.0),
        lambda: equal_volume_floor(torch.zeros(3), 1.0),
    ):
        with pytest.raises(ValueError, match="got"):
            call()
    for call in (
        lambda: TwoMoons(0.0),
        lambda: TwoMoons().sample(0),
        lambda: GaussianMixture(MEANS, -1.0),
        lambda: GaussianMixture(MEANS[0], 1.0),
        lambda: GaussianMixture(MEANS, 1.0, torch.ones(3)),
        lambda: GaussianMixture(MEANS * math.nan, 1.0),
    ):
        with pytest.raises(ValueError, match="got"):
            call()


NUMBERS = st.floats()


@given(NUMBERS, NUMBERS)
@settings(max_examples=150)
def test_any_path_is_followed_or_named(signal, noise):
    mixture = GaussianMixture(MEANS, 0.4, WEIGHTS)
    x = torch.zeros(1, 2, dtype=torch.float64)
    fits = all(math.isfinite(v) and v >= 0 for v in (signal, noise)) and signal + noise > 0
    for call in (mixture.noised, lambda a, s: mixture.denoise(x, a, s)):
        if not fits:
            with pytest.raises(ValueError, match="signal and noise must"):
                call(signal, noise)
        elif 1e-3 < max(signal, noise) < 1e3:
            call(signal, noise)
    if fits and 1e-3 < max(signal, noise) < 1e3:
        assert mixture.noised(signal, noise).log_prob(x).isfinite().all()
        assert mixture.denoise(x, signal, noise).isfinite().all()


@given(st.lists(st.floats(-1, 2), min_size=3, max_size=3), NUMBERS)
@settings(max_examples=150)
def test_any_weights_are_taken_or_named(weights, std):
    given_weights = torch.tensor(weights, dtype=torch.float64)
    if min(weights) >= 0 and abs(sum(weights) - 1) < 1e-6 and 0 < std < math.inf:
        assert GaussianMixture(MEANS, std, given_weights).std == std
    elif not (0 < std < math.inf and abs(sum(weights) - 1) < 1e-4):
        with pytest.raises(ValueError, match=r"(std|weights) must be .* got"):
            GaussianMixture(MEANS, std, given_weights)


def test_bad_mixtures():
    for means in (torch.zeros(0, 2), torch.zeros(2, 0), torch.zeros(2), torch.ones(2, 2).long()):
        with pytest.raises(ValueError, match=r"means must be .* got"):
            GaussianMixture(means, 1.0)
    for weights in (torch.tensor([0.5, 0.5]), torch.tensor([math.nan, 0.5, 0.5])):
        with pytest.raises(ValueError, match=r"weights must be .* got"):
            GaussianMixture(MEANS, 1.0, weights)
    mixture = GaussianMixture(MEANS, 0.4)
    for call in (
        mixture.log_prob,
        mixture.score,
        lambda x: mixture.denoise(x, 1.0, 1.0),
        lambda x: mixture.denoise(x, 1.0, 0.0),
    ):
        for shape in ((2,), (5, 3), (5, 1), (2, 2, 2)):
            with pytest.raises(ValueError, match=r"x must be \(B, 2\), got"):
                call(torch.zeros(shape, dtype=torch.float64))
    for n in (0, -1):
        with pytest.raises(ValueError, match=f"n must be at least 1, got {n}"):
            mixture.sample(n)
    for signal, noise in ((torch.ones(3), 1.0), (1.0, torch.ones(3))):
        with pytest.raises(ValueError, match="must be one number for all points, got"):
            mixture.noised(signal, noise)
    for options in ({"std": 0.0}, {"radius": math.nan}):
        with pytest.raises(ValueError, match="got"):
            eight_gaussians(**options)


@pytest.mark.parametrize("dim", [2, 64])
@pytest.mark.parametrize("radius", [10.0, 1e3, 1e4])
def test_density_in_float32_is_right_to_its_last_digits(dim, radius):
    """Far out a log density is large: one part in two million, whichever way it is computed."""
    mixture = GaussianMixture(digits_sized(50, dim), 1.0)
    x = torch.randn(100, dim, generator=generator(3))
    x = radius * x / x.norm(dim=1, keepdim=True)
    exact = mixture.log_prob(x.double())
    torch.testing.assert_close(mixture.log_prob(x).double(), exact, rtol=5e-7, atol=0)


INDEFINITE = torch.tensor([[0.0, 1.0], [2.0, math.inf]], dtype=torch.float64)


@pytest.mark.parametrize(
    ("means", "std", "weights", "message"),
    [
        (MEANS[0], 1.0, None, r"\(K, D\), got \(2,\)"),
        (torch.zeros(0, 2), 1.0, None, "at least one number"),
        (MEANS.long(), 1.0, None, "floats, got torch.int64"),
        (INDEFINITE, 1.0, None, "means must be finite"),
        (MEANS, 0.0, None, "std must be positive"),
        (MEANS, math.inf, None, "std must be positive and finite, got inf"),
        (MEANS, 1.0, WEIGHTS[:, None], r"weights must be \(3,\), got \(3, 1\)"),
        (MEANS, 1.0, torch.tensor([0.6, 0.6, -0.2]), "weights must be >= 0, got"),
        (MEANS, 1.0, torch.tensor([0.5, 0.5, math.nan]), "weights must be >= 0, got"),
        (MEANS, 1.0, torch.tensor([0.5, 0.5, 0.1]), "sum to 1"),
        (MEANS, 1.0, torch.tensor([0.5, 0.3, 0.1]), "sum to 1"),
    ],
)
def test_one_wrong_part_of_a_mixture_at_a_time(means, std, weights, message):
    with pytest.raises(ValueError, match=message):
        GaussianMixture(means, std, weights)


@pytest.mark.parametrize(
    ("signal", "noise", "message"),
    [
        (math.inf, 1.0, "finite, got inf and 1"),
        (1.0, math.nan, "finite, got 1.0 and nan"),
        (-0.1, 1.0, ">= 0, got -0.1"),
        (1.0, -0.1, ">= 0, got 1.0 and -0.1"),
        (0.0, 0.0, "both be 0"),
    ],
)
def test_one_wrong_number_of_a_path_at_a_time(signal, noise, message):
    mixture = GaussianMixture(MEANS, 0.4, WEIGHTS)
    for call in (mixture.noised, lambda a, s: mixture.denoise(MEANS, a, s)):
        with pytest.raises(ValueError, match=message):
            call(signal, noise)


@pytest.mark.parametrize(
    ("log_density", "area", "message"),
    [
        (torch.zeros(1, 1), 1.0, r"\(N,\), got \(1, 1\)"),
        (torch.tensor([0.0, math.nan]), 1.0, "got NaN"),
        (torch.zeros(1), 0.0, "area must be positive, got 0.0"),
        (torch.zeros(1), math.nan, "area must be positive, got nan"),
        (torch.zeros(1), 1.02, "mass of 1, got 1.020"),
        (torch.zeros(1), 0.98, "mass of 1, got 0.980"),
    ],
)
def test_one_wrong_thing_of_a_floor_at_a_time(log_density, area, message):
    with pytest.raises(ValueError, match=message):
        equal_volume_floor(log_density, area)
