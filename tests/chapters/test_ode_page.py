"""Equations of chapter 4 that the page's own code uses, against brute force."""

import itertools
import math
import re
from pathlib import Path

import pytest
import torch

from helpers.exercises.exercise import answers, draws, find
from helpers.flows import heat, poisson
from helpers.flows.toy import GaussianMixture

PAGE = (Path(__file__).parents[2] / "chapters/04_ode.md").read_text(encoding="utf-8")


def page_functions(*names):
    """Functions as they stand on the page, in one scope."""
    cells = re.findall(r"```\{code-cell\} ipython3\n(.*?)```", PAGE, re.DOTALL)
    scope = {"math": math, "torch": torch}
    for name in names:
        cell = next(c for c in cells if f"def {name}(" in c)
        exec(re.search(rf"def {name}\(.*?(?=\n\S|\Z)", cell, re.DOTALL).group(), scope)
    return [scope[name] for name in names]


def normal(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def determinant(matrix):
    """The sum over permutations, with signs from counting inversions."""
    total = 0.0
    for order in itertools.permutations(range(len(matrix))):
        inversions = sum(a > b for a, b in itertools.combinations(order, 2))
        total += (-1) ** inversions * math.prod(matrix[i, j].item() for i, j in enumerate(order))
    return total


@pytest.mark.parametrize("dim", [1, 2, 3, 5])
def test_determinant_to_first_order(dim):
    """The error against the sum over permutations falls with the square of eps."""
    (first_order,) = page_functions("first_order")
    J = normal(dim, dim)
    eye = torch.eye(dim, dtype=torch.float64)
    errors = [
        abs(determinant(eye + eps * J) - first_order(J, eps).item()) for eps in (1e-2, 1e-3, 1e-4)
    ]
    assert errors[0] < 1e-2
    for before, after in itertools.pairwise(errors):
        assert after < before / 50 + 1e-14


def test_two_by_two():
    """What is left out is eps^2 det J, exactly."""
    _, left_out = page_functions("first_order", "left_out")
    for seed in range(3):
        J = normal(2, 2, seed=seed)
        det = J[0, 0] * J[1, 1] - J[0, 1] * J[1, 0]
        assert left_out(J, 0.3).item() == pytest.approx(0.09 * det.item(), abs=1e-12)


def test_page_blur():
    (blur,) = page_functions("blur")
    line = (torch.arange(256, dtype=torch.float64) - 128) / 8
    bell = torch.exp(-(line**2) / 2) / math.sqrt(2 * math.pi)
    wide = torch.exp(-(line**2) / 5) / math.sqrt(5 * math.pi)
    assert torch.allclose(blur(bell, 1 / 8, 1.5), wide, atol=1e-12)


@pytest.mark.parametrize("kernel", ["gauss", "cauchy"])
@pytest.mark.parametrize("dim", [2, 5])
def test_recipe_with_any_kernel(kernel, dim):
    """Posterior means by loops, with the densities from torch.distributions and by hand."""
    recipe, gauss, cauchy = page_functions("recipe", "gauss", "cauchy")
    points, x, rho = normal(6, dim), 2 * normal(4, dim, seed=1), 0.8
    found = recipe(x, rho, points, gauss if kernel == "gauss" else cauchy(dim))
    for b in range(4):
        weights = []
        for y in points:
            if kernel == "gauss":
                law = torch.distributions.MultivariateNormal(y, rho**2 * torch.eye(dim).double())
                weights.append(law.log_prob(x[b]).exp())
            else:
                square = sum((p - q).item() ** 2 for p, q in zip(x[b], y, strict=True))
                weights.append((square + rho**2) ** (-(dim + 1) / 2))
        mean = sum(w * y for w, y in zip(weights, points, strict=True)) / sum(weights)
        assert torch.allclose(found[b], (x[b] - mean) / rho, atol=1e-10)


def test_page_sampler_is_exact_for_one_point():
    """(4.21) with a single point is a straight line: one Euler step lands on it."""
    recipe, gauss, sample = page_functions("recipe", "gauss", "sample")
    point = normal(1, 3)
    levels = torch.tensor([5.0, 0.0], dtype=torch.float64)
    end = sample(lambda x, rho: recipe(x, rho, point, gauss), normal(4, 3, seed=2), levels)
    assert torch.allclose(end, point.expand(4, 3), atol=1e-12)


@pytest.mark.parametrize("id", ["ode-3", "ode-4", "ode-5", "ode-6"])
def test_exercises_ask_for_what_the_helpers_do(id):
    """The reference answers against the helpers, which other tests hold to oracles."""
    for arguments in draws(find(id), "oracle"):
        found = answers(find(id)).reference(*arguments)
        if id == "ode-3":
            density, spacing, tau = arguments
            wanted = torch.stack([heat.spread(row, spacing, tau) for row in density])
        elif id == "ode-4":
            x, tau, means, std, weights = arguments
            mixture = GaussianMixture(means, std, weights)
            wanted = heat.velocity(lambda x, t, m=mixture: m.noised(1, t.sqrt()).score(x))(
                x, torch.tensor(tau, dtype=torch.float64)
            )
        elif id == "ode-5":
            x, eps, a, sigma, new_a, new_sigma = arguments
            wanted = new_a * (x - sigma * eps) / a + new_sigma * eps
        else:
            x, z, points = arguments
            wanted = poisson.velocity(points)(x, torch.tensor(z, dtype=torch.float64))
        assert torch.allclose(found, wanted, atol=1e-10)
