"""Chapter 5's own functions, as they stand on the page, against helpers and brute force."""

import math
import re
from pathlib import Path

import torch

from helpers.exercises.rectified_flow import answers
from helpers.flows import distances, ode, toy
from helpers.flows import rectified_flow as rf

PAGE = (Path(__file__).parents[2] / "chapters/05_rectified_flow.md").read_text(encoding="utf-8")
F64 = torch.float64


def page_function(name, **scope):
    """The function as it stands on the page."""
    cells = re.findall(r"```\{code-cell\} ipython3\n(.*?)```", PAGE, re.DOTALL)
    cell = next(c for c in cells if f"def {name}(" in c)
    source = re.search(rf"def {name}\(.*?(?=\n\S|\Z)", cell, re.DOTALL).group()
    scope = {"torch": torch, "ode": ode, "distances": distances, "rf": rf, "SEED": 0} | scope
    exec(source, scope)
    return scope[name]


def points(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


def test_loss_on_the_page():
    x0, x1, t = points(6, 2), points(6, 2, seed=1), torch.rand(6, 1, dtype=F64)
    found = page_function("line_loss")(lambda x, t: x * t[:, None], x0, x1, t)
    miss = [(t[b] * (t[b] * x1[b] + (1 - t[b]) * x0[b]) - x1[b] + x0[b]) for b in range(6)]
    torch.testing.assert_close(found, torch.stack(miss).square().mean())


def test_straightness_on_the_page():
    path, times = points(9, 5, 2), torch.linspace(1, 0, 9, dtype=F64)
    found = page_function("bend")(path)
    assert abs(found.item() - rf.straightness(path, times)) < 1e-10
    line = points(5, 2) * times.view(9, 1, 1)
    assert page_function("bend")(line) < 1e-20


def test_velocity_on_the_page():
    target, x = toy.eight_gaussians(), points(20, 2)
    for t in (0.01, 0.4, 1.0):
        found = page_function("true_velocity")(x, t, target.means, target.std)
        torch.testing.assert_close(found, rf.exact(target)(x, t), atol=1e-10, rtol=1e-10)


def test_walk_and_error_on_the_page():
    """Euler from noise to data; the error of equal samples is zero, of shifted ones the shift's."""
    walk = page_function("walk")
    path = walk(lambda x, t: x, points(4, 2), 2)
    torch.testing.assert_close(path, points(4, 2) * torch.tensor([1, 0.5, 0.25]).view(3, 1, 1))
    real = points(50, 2)
    error = page_function("error", real=real)
    assert error(real) == 0.0
    # Every direction sees |shift . direction|; its mean square is |shift|^2 / 2 in the plane.
    assert abs(error(real + torch.tensor([3.0, 4.0])) / (5 / 2**0.5) - 1) < 0.15


def test_answers_to_the_exercises_agree_with_the_helper():
    target, x, x1, t = toy.eight_gaussians(), points(6, 2), points(6, 2, seed=1), 0.7
    velocity = rf.exact(target)
    found = answers.step(x, t, 0.2, lambda x, t: target.denoise(x, 1 - t, t))
    *_, expected = ode.euler(velocity, x, torch.tensor([0.7, 0.2], dtype=F64))
    torch.testing.assert_close(found, expected)
    times = torch.full((6,), t, dtype=F64)
    found = answers.loss(x, x1, times, lambda x, t: velocity(x, float(t[0])))
    miss = velocity(rf.between(x, x1, t), t) - rf.target(x, x1)
    torch.testing.assert_close(found, (miss**2).sum(1))
    path, clock = points(5, 6, 2), torch.tensor([0.9, 0.8, 0.5, 0.4, 0.1], dtype=F64)
    found = answers.straightness(path.transpose(0, 1), clock)
    assert abs(found.mean().item() - rf.straightness(path, clock)) < 1e-10
    # On the circle a = cos, sigma = sin of the time, the velocity is -sigma E[x0] + a E[x1].
    a, sigma = math.cos(t), math.sin(t)
    data = target.denoise(x, a, sigma)
    expected = -sigma * data + a * (x - a * data) / sigma
    torch.testing.assert_close(answers.disguise(x, velocity, a, sigma, -sigma, a), expected)
