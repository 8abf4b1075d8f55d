"""What the planted errors in tests/mutants showed to be untested in chapter 1's helpers."""

import math

import pytest
import torch
from torch import nn

from helpers.exercises.check import check
from helpers.exercises.exercise import answers, exercises
from helpers.flows.likelihood import Logistic, dequantize
from helpers.flows.nice import AffineCoupling, Conv1x1, Scaling, nice
from helpers.flows.toy import GaussianMixture, TwoMoons
from helpers.train import fit


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_scaling_comes_last():
    """z = e^s h with h from the couplings, so that s ranks the latent's dimensions."""
    flow = nice(6, hidden=(8,), generator=generator()).double()
    with torch.no_grad():
        for p in flow.parameters():
            p.add_(torch.randn(p.shape, generator=generator(1), dtype=p.dtype))
        x = torch.randn(5, 6, generator=generator(2), dtype=torch.float64)
        (scaling,) = [layer for layer in flow.layers if hasattr(layer, "log_scale")]
        s = scaling.log_scale.clone()
        z = flow(x)[0]
        scaling.log_scale.zero_()
        torch.testing.assert_close(z, s.exp() * flow(x)[0])


def test_defaults_are_those_of_the_page():
    """Four couplings of two hidden layers of 256, the even half kept first, |s| < 2, std 1."""
    flow = nice(6, generator=generator())
    assert len(flow.layers) == 5
    assert [m.out_features for m in flow.layers[0].net if isinstance(m, nn.Linear)] == [256, 256, 3]
    x = torch.ones(3, 2, dtype=torch.float64)
    layer = AffineCoupling(lambda kept: torch.cat([0 * kept, 1e3 * kept], 1))
    y, log_det = layer(x)
    assert torch.equal(y[:, 0], x[:, 0]) and torch.equal(log_det, 2 * x[:, 0])
    x = 5 * torch.randn(1000, 2, generator=generator(), dtype=torch.float64)
    assert TwoMoons().std == 0.1
    scaling = Scaling(2).double()
    scaling.fit(x)
    torch.testing.assert_close(scaling(x)[0].std(0), torch.ones(2, dtype=torch.float64))


def test_dequantisation_noise_comes_from_the_generator():
    x, before = torch.arange(17).repeat(5, 1), torch.get_rng_state()
    first, again = (dequantize(x, 17, generator(3)) for _ in range(2))
    assert torch.equal(first, again) and not torch.equal(first, dequantize(x, 17, generator(4)))
    assert torch.equal(before, torch.get_rng_state())


def test_logistic_samples_stay_finite(monkeypatch):
    """Uniform draws include 0, whose logarithm must not get through."""
    monkeypatch.setattr(torch.Tensor, "uniform_", lambda self, *args, **kwargs: self.zero_())
    for dtype in (torch.float32, torch.float64):
        assert Logistic().sample(torch.ones(3, dtype=dtype)).isfinite().all()


def test_toy_samples_come_from_the_generator():
    mixture = GaussianMixture(torch.tensor([[0.0, 1.0], [5.0, 2.0]]), 0.3)
    before = torch.get_rng_state()
    for target in (mixture, TwoMoons()):
        first, again = (target.sample(20, generator(3)) for _ in range(2))
        assert torch.equal(first, again) and not torch.equal(first, target.sample(20, generator(4)))
    assert torch.equal(before, torch.get_rng_state())


def test_moons_samples_have_the_moments_of_half_circles():
    """With a uniform in [0, pi]: E sin a = 2/pi, E sin^2 a = 1/2, E cos a = E sin a cos a = 0."""
    std, n = 0.3, 200_000
    x = TwoMoons(std).sample(n, generator()).double()
    assert x.mean(0).abs().max() < 5 * 0.9 / math.sqrt(n)
    across = 1 / 2 + 1 / 4 + std**2  # (cos a - 1/2)^2
    up = 1 / 2 - 1 / math.pi + 1 / 16 + std**2  # (sin a - 1/4)^2
    both = 1 / 8 - 1 / math.pi  # (cos a - 1/2)(sin a - 1/4)
    expected = torch.tensor([[across, both], [both, up]], dtype=torch.float64)
    torch.testing.assert_close(x.T @ x / n, expected, atol=0.01, rtol=0)


def test_the_step_size_falls_along_half_a_cosine():
    """Under a constant slope Adam moves by the step size, whose sum over n steps is known."""
    for n_steps, expected in ((None, 1e-3 * 40), (40, 1e-3 * 41 / 2)):
        weight = torch.zeros(1, requires_grad=True)
        fit(lambda b, w=weight: w.sum(), [weight], [torch.zeros(1)] * 40, n_steps=n_steps)
        assert -weight.item() == pytest.approx(expected, rel=1e-4)


def test_clipping_takes_the_size_from_a_gradient():
    """One slope a thousand times the others changes nothing once it is clipped to theirs."""
    slopes = [torch.ones(1)] * 20 + [torch.full((1,), 1000.0)] + [torch.ones(1)] * 20
    weight = torch.zeros(1, requires_grad=True)
    fit(lambda slope: (slope * weight).sum(), [weight], slopes, clip=1.0)
    assert -weight.item() == pytest.approx(1e-3 * 41, rel=1e-4)


@pytest.mark.parametrize("error", [0.01, -0.01])
@pytest.mark.parametrize("id", sorted(exercises()))
def test_one_wrong_number_is_enough_to_reject(id, error, capsys):
    """One entry of each output a hundredth too high or too low, all others exact."""
    reference = answers(exercises()[id]).reference

    def nearly(*arguments):
        result = reference(*arguments)
        outputs = [torch.as_tensor(r).clone() for r in _tuple(result)]
        for output in outputs:
            output.view(-1)[-1] += error * (1 + output.view(-1)[-1].abs())
        return tuple(outputs) if isinstance(result, tuple) else outputs[0]

    assert check(id, reference)
    assert not check(id, nearly)


def _tuple(result):
    return result if isinstance(result, tuple) else (result,)


@pytest.mark.parametrize(
    ("x", "std", "message"),
    [
        (torch.ones(2), 1.0, r"a batch \(B, D\), got shape \(2,\)"),
        (torch.ones(3, 1), 1.0, r"\(B, 2\), got \(3, 1\)"),
        (torch.tensor([[0.0, 1.0], [1.0, math.nan]]), 1.0, "finite, got NaN"),
        (torch.tensor([[0.0, 1.0], [1.0, 1.0]]), 1.0, "every coordinate must vary"),
        (torch.eye(2), 0.0, "std must be positive and finite, got 0.0"),
        (torch.eye(2), math.inf, "std must be positive and finite, got inf"),
    ],
)
def test_what_no_scale_can_be_fitted_to(x, std, message):
    with pytest.raises(ValueError, match=message):
        Scaling(2).fit(x, std)


def test_every_coupling_has_its_own_start():
    """Two couplings drawn in turn from one generator are not alike, nor are a layer's rows."""
    first, second = (
        c.net[0].weight for c in nice(6, n_couplings=2, generator=generator()).layers[:2]
    )
    assert not torch.equal(first, second)
    assert len(first.unique(dim=0)) == len(first) == 256


def test_the_rotation_comes_from_the_generator():
    first, again, other = (Conv1x1(4, generator(s)).weight for s in (3, 3, 4))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert len(first.unique(dim=0)) == 4 and first.dtype == torch.get_default_dtype()


def test_a_bound_is_finite():
    with pytest.raises(ValueError, match="bound must be finite, got inf"):
        AffineCoupling(nn.Identity(), bound=math.inf)


def test_defaults_of_activation_and_couplings():
    flow = nice(4, generator=generator())
    assert isinstance(flow.layers[0].net[1], nn.ReLU)
    assert type(flow.layers[0]).__name__ == "AdditiveCoupling"
    assert type(nice(4, affine=True).layers[0]).__name__ == "AffineCoupling"
    tanh = nice(4, activation=nn.Tanh, generator=generator())
    assert isinstance(tanh.layers[0].net[1], nn.Tanh)


def test_the_step_size_is_a_thousandth_unless_told():
    weight = torch.zeros(1, requires_grad=True)
    fit(lambda b: weight.sum(), [weight], [torch.zeros(1)])
    assert weight.item() == pytest.approx(-1e-3)
