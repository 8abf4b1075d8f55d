"""The contract of a flow, against closed forms, quadrature, scipy and autograd."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch import nn

from helpers.flows.likelihood import Flow, Gaussian, Logistic, bits_per_dim, dequantize
from helpers.flows.nice import Scaling, nice

PRIORS = [(Gaussian(), stats.norm), (Logistic(), stats.logistic)]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


class Bend(nn.Module):
    """z = sign * (x + a sinh x): a strictly monotone map of the line with known slope."""

    def __init__(self, a=0.3, sign=1.0):
        super().__init__()
        self.a, self.sign = a, sign

    def forward(self, x):
        slope = 1 + self.a * x.cosh()
        return self.sign * (x + self.a * x.sinh()), slope.log().sum(1)


def random_flow(seed=0, dim=6, prior=None, spread=0.5, **kwargs):
    """A flow in float64 with weights far from the identity it starts as.

    At spread .5 an affine flow's Jacobian is so ill conditioned that slogdet itself loses digits.
    """
    flow = nice(dim, hidden=(16,), prior=prior, generator=generator(seed), **kwargs).double()
    noise = generator(seed + 1)
    with torch.no_grad():
        for p in flow.parameters():
            p.add_(spread * torch.randn(p.shape, generator=noise, dtype=p.dtype))
    return flow


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize(("prior", "law"), PRIORS)
def test_one_dimension(prior, law, sign):
    """Mass of [a, b] under p_X is the mass of its image under p_Z, rising or falling."""
    flow = Flow([Bend(sign=sign)], prior, (1,)).double()

    def density(x):
        return flow.log_prob(torch.tensor([[x]], dtype=torch.float64)).exp().item()

    for a, b in [(-1.0, 0.5), (0.0, 2.0), (-3.0, 3.0)]:
        image = [flow(torch.tensor([[x]], dtype=torch.float64))[0].item() for x in (a, b)]
        mass = abs(law.cdf(image[1]) - law.cdf(image[0]))
        assert integrate.quad(density, a, b)[0] == pytest.approx(mass, abs=1e-10)


@pytest.mark.parametrize("affine", [False, True])
def test_change_of_variables(affine):
    """log_prob = log prior(z) + log|det J| with z and J from elsewhere: float64, per sample."""
    flow = random_flow(affine=affine, spread=0.25)
    x = torch.randn(5, 6, generator=generator(), dtype=torch.float64)
    for row in x:
        jacobian = torch.autograd.functional.jacobian(lambda v: flow(v[None])[0][0], row)
        z = flow(row[None])[0][0].detach().numpy()
        expected = stats.logistic.logpdf(z).sum() + np.linalg.slogdet(jacobian.numpy())[1]
        assert flow.log_prob(row[None]).item() == pytest.approx(expected, abs=1e-10)


def test_log_dets_add():
    """The log-det of a composition is the sum of its layers', each at its own input."""
    flow = random_flow(affine=True)
    x = torch.randn(4, 6, generator=generator(), dtype=torch.float64)
    h, total = x, torch.zeros(4, dtype=torch.float64)
    for layer, (seen, so_far) in zip([*flow.layers, None], flow.path(x), strict=True):
        torch.testing.assert_close(seen, h)
        torch.testing.assert_close(so_far, total)
        if layer is not None:
            jacobian = torch.autograd.functional.jacobian(lambda v, f=layer: f(v)[0].sum(0), h)
            total = total + torch.linalg.slogdet(jacobian.transpose(0, 1)).logabsdet
            h = layer(h)[0]


@pytest.mark.parametrize("affine", [False, True])
def test_density_integrates_to_one(affine):
    flow = random_flow(dim=2, affine=affine, prior=Gaussian(), spread=0.25)
    # Integrate over the image of a wide box, by quadrature in x on a grid that covers it.
    z = 9 * (2 * torch.rand(20000, 2, generator=generator(), dtype=torch.float64) - 1)
    x = flow.inverse(z)
    low, high = x.min(0).values - 1, x.max(0).values + 1
    axes = [torch.linspace(a, b, 1201, dtype=torch.float64) for a, b in zip(low, high, strict=True)]
    with torch.no_grad():
        density = flow.log_prob(torch.cartesian_prod(*axes)).exp()
    area = math.prod((a[1] - a[0]).item() for a in axes)
    assert (density.sum() * area).item() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(("prior", "law"), PRIORS)
def test_priors(prior, law):
    z = torch.linspace(-40, 40, 801, dtype=torch.float64)
    torch.testing.assert_close(prior.log_prob(z), torch.from_numpy(law.logpdf(z.numpy())))
    assert prior.std == pytest.approx(law.std())
    draws = prior.sample(torch.zeros(20000), generator(3))
    assert stats.kstest(draws.numpy(), law.cdf).pvalue > 0.01
    assert draws.isfinite().all()


def test_likelihood_is_maximal_at_the_truth():
    """E[log p_model] = -entropy - KL: no scale but the true one reaches the entropy."""
    x = 2.0 * torch.randn(20000, 2, generator=generator(), dtype=torch.float64)
    flow = nice(2, n_couplings=1, hidden=(4,), prior=Gaussian()).double()
    mean = {}
    for log_scale in (-0.9, -math.log(2), -0.5):
        nn.init.constant_(flow.layers[-1].log_scale, log_scale)
        mean[log_scale] = flow.log_prob(x).mean().item()
    entropy = stats.norm(scale=2).entropy() * 2
    assert mean[-math.log(2)] == pytest.approx(-entropy, abs=0.03)
    for log_scale, found in mean.items():
        sigma = math.exp(-log_scale)
        kl = 2 * (math.log(sigma / 2) + 4 / (2 * sigma**2) - 0.5)
        assert found == pytest.approx(-entropy - kl, abs=0.06)


def test_dequantize_stays_in_its_bin():
    x = torch.arange(17).repeat(4000, 1)
    y = dequantize(x, 17, generator())
    assert torch.equal((y * 17).floor().long(), x)
    assert 0 <= y.min() and y.max() < 1
    assert stats.kstest((y * 17 - x)[:, 5].numpy(), "uniform").pvalue > 0.01


def test_dequantize_survives_rounding():
    """u just below 1 must not round up into the next bin."""

    class AlmostOne:
        @staticmethod
        def rand(*args, **kwargs):
            return torch.tensor([1 - 2**-24] * 17)

    x = torch.arange(17)
    naive = (x + AlmostOne.rand()).floor().long()
    assert not torch.equal(naive, x)  # the trap is real
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "rand", AlmostOne.rand)
        y = dequantize(x, 17)
    assert torch.equal((y * 17).floor().long(), x) and y.max() < 1


def test_dequantised_likelihood_is_a_lower_bound():
    """Mean of log p over the noise <= log of the bin's probability, which a spike would pass."""
    flow, n = Flow([Scaling(2)], Gaussian(), (2,)), 4
    nn.init.constant_(flow.layers[0].log_scale, math.log(10))  # N(0, .1^2), peak at a bin's corner
    for v in (0, 1, 2):
        log_mass = 2 * math.log(stats.norm.cdf(10 * (v + 1) / n) - stats.norm.cdf(10 * v / n))
        x = dequantize(torch.full((20000, 2), v), n, generator(v))
        bound = flow.log_prob(x).mean().item() - 2 * math.log(n)
        # Jensen's gap, by quadrature: the bound is below the mass, and by this much.
        inside = torch.linspace(v / n, (v + 1) / n, 2001, dtype=torch.float64)[:, None].expand(
            -1, 2
        )
        exact = flow.double().log_prob(inside).mean().item() - 2 * math.log(n)
        flow.float()
        assert exact < log_mass
        assert bound == pytest.approx(exact, abs=0.15)
    assert flow.log_prob(torch.zeros(1, 2)).item() - 2 * math.log(n) > math.log(0.25)


def test_no_dequantised_model_beats_the_ceiling():
    """Mean log p over a bin of width 1/n cannot pass D log n, however sharp the density."""
    flow, n = random_flow(dim=2, prior=Gaussian()), 4
    u = torch.cartesian_prod(*2 * [(torch.arange(400, dtype=torch.float64) + 0.5) / 400])
    ceiling = 2 * math.log(n)
    for sharpness in (0.0, 2.0, 4.0):  # log_scale: each step squeezes the mass of the model
        nn.init.constant_(flow.layers[-1].log_scale, sharpness)
        centre = flow.inverse(torch.zeros(1, 2, dtype=torch.float64)).detach()
        corner = centre - 0.5 / n  # the bin that suits the model best
        assert flow.log_prob(corner + u / n).mean() < ceiling
    assert flow.log_prob(centre) > ceiling  # a single point passes it with ease


def test_bits_per_dim():
    # A uniform density on [0, 1)^D says nothing: log2(levels) bits for each number.
    assert bits_per_dim(torch.tensor(0.0), 64, 17).item() == pytest.approx(math.log2(17))
    # A flat density inside each bin: bits are exactly -log2 of the bin's probability.
    probability = torch.tensor([0.5, 0.25, 0.125, 0.125], dtype=torch.float64)
    log_density = (probability * 4).log()
    torch.testing.assert_close(bits_per_dim(log_density, 1, 4), -probability.log2())
    # The paper's 1980.50 nats on 28 x 28 pixels of 256 levels, worked out by hand.
    assert bits_per_dim(torch.tensor(1980.50), 784, 256).item() == pytest.approx(4.36, abs=0.005)


@pytest.mark.parametrize(("prior", "law"), PRIORS)
def test_temperature_scales_the_latent(prior, law):
    flow = random_flow(prior=prior)
    cold = flow.sample(4000, temperature=0.5, generator=generator(7))
    warm = flow.sample(4000, temperature=1.0, generator=generator(7))
    z_cold, log_det_cold = flow(cold)
    z_warm, log_det_warm = flow(warm)
    torch.testing.assert_close(z_cold, 0.5 * z_warm)
    torch.testing.assert_close(log_det_cold, log_det_warm)  # additive: the same everywhere
    assert z_cold.std().item() == pytest.approx(0.5 * law.std(), rel=0.02)
    assert torch.equal(*flow.sample(2, temperature=0.0))


def test_gaussian_temperature_is_a_power_of_the_density():
    """With a Gaussian prior and constant log-det, p_tau(x) is proportional to p(x)^(1/tau^2)."""
    flow, tau = random_flow(prior=Gaussian()), 0.6
    x = torch.randn(50, 6, generator=generator(), dtype=torch.float64)
    z, log_det = flow(x)
    log_p_tau = torch.from_numpy(stats.norm(scale=tau).logpdf(z.detach().numpy())).sum(1) + log_det
    difference = log_p_tau - flow.log_prob(x) / tau**2
    assert difference.std() < 1e-10


def test_sample_then_log_prob_agree_on_the_entropy():
    """-mean log p over the flow's own samples is its entropy: prior's entropy - log-det."""
    flow = random_flow(prior=Gaussian(), dim=4)
    x = flow.sample(20000, generator=generator(5))
    entropy = 4 * stats.norm.entropy() - flow.layers[-1].log_scale.sum().item()
    assert -flow.log_prob(x).mean().item() == pytest.approx(entropy, abs=0.05)


BAD = {
    "wrong width": (torch.zeros(3, 5), r"\(B, \*\(6,\)\), got \(3, 5\)"),
    "one sample without a batch": (torch.zeros(6), "a batch"),
    "dtype": (torch.zeros(3, 6, dtype=torch.float16), "float64, got torch.float16"),
    "NaN": (torch.full((3, 6), math.nan, dtype=torch.float64), "NaN"),
    "infinite": (torch.full((3, 6), math.inf, dtype=torch.float64), "infinity"),
}


@pytest.mark.parametrize("method", ["forward", "inverse", "log_prob"])
@pytest.mark.parametrize("case", BAD)
def test_bad_batches(method, case):
    x, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        getattr(random_flow(), method)(x)


def test_bad_arguments():
    flow = random_flow()
    for kwargs in ({"n": 0}, {"n": 2, "temperature": -1.0}, {"n": 2, "temperature": math.nan}):
        with pytest.raises(ValueError, match=r"got -?(\d|nan)"):
            flow.sample(**kwargs)
    with pytest.raises(ValueError, match="temperature must be finite, got inf"):
        flow.sample(2, temperature=math.inf)
    for x in (torch.tensor([0.5]), torch.tensor([17]), torch.tensor([-1]), torch.tensor([]).long()):
        with pytest.raises(ValueError, match="got"):
            dequantize(x, 17)
    with pytest.raises(ValueError, match="got 0 and 17"):
        bits_per_dim(torch.zeros(3), 0, 17)


@pytest.mark.parametrize(
    ("x", "n_levels", "message"),
    [
        (torch.tensor([[1.0]]), 17, "integer dtype, got torch.float32"),
        (torch.tensor([[1j]]), 17, "integer dtype, got torch.complex64"),
        (torch.tensor([[0]]), 0, "n_levels must be at least 1, got 0"),
        (torch.zeros(0, 2).long(), 17, r"got an empty tensor \(0, 2\)"),
        (torch.tensor([[0, 1], [2, -1]]), 17, "x must not be negative, got -1"),
        (torch.tensor([[0, 1], [2, 17]]), 17, "at most n_levels - 1 = 16, got 17"),
    ],
)
def test_what_cannot_be_spread_over_bins(x, n_levels, message):
    with pytest.raises(ValueError, match=message):
        dequantize(x, n_levels)


def test_no_levels_make_no_bits():
    with pytest.raises(ValueError, match="n_levels must be at least 1, got 0"):
        bits_per_dim(torch.zeros(3), 4, 0)
    assert bits_per_dim(torch.zeros(3), 1, 1).tolist() == [0, 0, 0]


def test_one_bad_number_in_the_last_row_is_noticed():
    for bad in (math.nan, -math.inf):
        x = torch.zeros(3, 6, dtype=torch.float64)
        x[2, 5] = bad
        with pytest.raises(ValueError, match="x must be finite"):
            random_flow().log_prob(x)


def test_samples_are_at_temperature_one_unless_told():
    flow = random_flow()
    expected = flow.sample(5, temperature=1.0, generator=generator(2))
    assert torch.equal(flow.sample(5, generator=generator(2)), expected)
    assert flow.sample(1).shape == (1, 6)
