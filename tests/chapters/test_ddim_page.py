"""Chapter 2's own code, as it stands on the page, against hand computation and the helper."""

import itertools
import math
import re
from fractions import Fraction
from pathlib import Path

import pytest
import torch

from helpers.flows import ddpm
from helpers.flows.toy import GaussianMixture

PAGE = (Path(__file__).parents[2] / "chapters/02_ddim.md").read_text(encoding="utf-8")
CELLS = re.findall(r"```\{code-cell\} ipython3\n(.*?)```", PAGE, re.DOTALL)
ALPHA_BAR = torch.cat([torch.ones(1), ddpm.linear().alpha_bar])


def page_function(name, **names):
    """The function as it stands on the page, with ``names`` and what the page defines before."""
    cell = next(c for c in CELLS if f"def {name}(" in c)
    source = re.search(rf"def {name}\(.*?(?=\n\S|\Z)", cell, re.DOTALL).group()
    scope = {"math": math, "torch": torch, "itertools": itertools, "alpha_bar": ALPHA_BAR}
    exec(source, scope | names, scope := scope | names)
    return scope[name]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def test_schedule_on_the_page():
    cell = next(c for c in CELLS if c.startswith("beta = "))
    scope = {"torch": torch}
    exec(cell, scope)
    expected = 1.0
    for k in range(1001):
        expected *= 1 - (1e-4 + (0.02 - 1e-4) * (k - 1) / 999) if k else 1.0
        assert scope["alpha_bar"][k].item() == pytest.approx(expected, rel=1e-11)
    assert len(scope["alpha_bar"]) == 1001


def test_step_back_by_hand():
    """beta = 9/25, 7/16: from x_2 = 2 with eps = 7/4 to x_1 = 37/20; at eta = 1 to 89/64 + s z."""
    bars = [1 - Fraction(9, 25), (1 - Fraction(9, 25)) * (1 - Fraction(7, 16))]
    assert bars == [Fraction(16, 25), Fraction(9, 25)]
    bar = torch.tensor([1, *map(float, bars)], dtype=torch.float64)
    step = page_function("step_back", alpha_bar=bar)
    x, eps = torch.tensor(2.0, dtype=torch.float64), torch.tensor(7 / 4, dtype=torch.float64)
    assert step(x, eps, 2, 1, 0.0, 5.0).item() == pytest.approx(37 / 20)
    assert step(x, eps, 2, 1, 1.0, 0.0).item() == pytest.approx(89 / 64)
    assert (step(x, eps, 2, 1, 1.0, 1.0) - 89 / 64).item() == pytest.approx(math.sqrt(63 / 256))
    assert step(x, eps, 1, 0, 1.0, 5.0).item() == pytest.approx((2 - 3 / 5 * 7 / 4) / (4 / 5))


def test_simple_loss_on_the_page():
    """The mean over batch and coordinates of the squared error, at steps 1 to 1000."""
    seen = []

    def net(x, t):
        seen.append((x, t))
        return x * t[:, None]

    x0 = normal(3000, 2)
    found = page_function("simple_loss")(net, x0, generator(1))
    x, t = seen[0]
    k = (t * 1000).round().long()
    assert (
        k.min() >= 1
        and k.max() <= 1000
        and (k <= 500).double().mean() == pytest.approx(0.5, abs=0.05)
    )
    a, s = ALPHA_BAR[k, None].sqrt(), (1 - ALPHA_BAR[k, None]).sqrt()
    eps = (x - a * x0) / s
    assert eps.mean().abs() < 0.05 and eps.std().item() == pytest.approx(1, abs=0.03)
    total = sum(((x[b] * t[b] - eps[b]) ** 2).sum().item() for b in range(3000))
    assert found.item() == pytest.approx(total / 6000, rel=1e-9)


def test_exact_net_is_the_conditional_mean():
    """Three components in one dimension; the mean of eps by a sum over them, term by term."""
    means, std, weights = [-1.0, 0.2, 2.0], 0.3, [0.2, 0.5, 0.3]
    mixture = GaussianMixture(
        torch.tensor(means, dtype=torch.float64)[:, None],
        std,
        torch.tensor(weights, dtype=torch.float64),
    )
    net = page_function("exact", schedule=ddpm.linear())(mixture)
    for k, x in ((1, 0.3), (200, 0.1), (900, -1.5)):
        a, s = ALPHA_BAR[k].sqrt().item(), (1 - ALPHA_BAR[k]).sqrt().item()
        variance = a**2 * std**2 + s**2
        parts = [
            w * math.exp(-((x - a * m) ** 2) / (2 * variance))
            for w, m in zip(weights, means, strict=True)
        ]
        inner = [s * (x - a * m) / variance for m in means]
        expected = sum(p * e for p, e in zip(parts, inner, strict=True)) / sum(parts)
        found = net(torch.full((1, 1), x, dtype=torch.float64), k / 1000).item()
        assert found == pytest.approx(expected, rel=1e-9)


def test_arc_keeps_the_noise_normal():
    """(2.23) as drawn on the page: variance 1 and no correlation at every angle; ends are ends."""
    lines = [
        line
        for cell in CELLS
        for line in cell.splitlines()
        if line.startswith(("angle = ", "arc = "))
    ]
    scope = {"torch": torch, "math": math, "u": normal(40_000, 2), "w": normal(40_000, 2, seed=1)}
    exec("\n".join(lines), scope)
    arc = scope["arc"]
    torch.testing.assert_close(arc[0], scope["u"])
    torch.testing.assert_close(arc[-1], scope["w"], atol=1e-6, rtol=0)  # angles are float32
    for point in arc:
        torch.testing.assert_close(point.T.cov(), torch.eye(2).double(), atol=0.03, rtol=0)


def test_careless_indexing_loses_the_data():
    """What breaks: with entry -1 the data's mean is gone; the page's own sampler keeps it."""
    centre = torch.tensor([[0.5, -0.5]], dtype=torch.float64)
    mixture = GaussianMixture(centre, 0.05)
    net = page_function("exact", schedule=ddpm.linear())(mixture)
    careless = page_function("careless")
    sample = page_function("sample", step_back=page_function("step_back"))
    steps = ddpm.spaced(ddpm.linear(), 50)
    right = sample(net, normal(500, 2), steps, 0.0, generator())
    wrong = careless(net, normal(500, 2), steps)
    torch.testing.assert_close(right.mean(0), centre[0], atol=0.02, rtol=0)
    assert right.std(0).max() < 0.1 < wrong.std(0).min() and wrong.mean(0).abs().max() < 0.05


def test_float32_cancellation():
    worst = page_function("worst_variance", beta=ddpm.linear().beta)
    assert worst(torch.float64) < 5e-12 and 1e-4 < worst(torch.float32) < 2e-3
