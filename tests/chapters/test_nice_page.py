"""Equations of chapter 1 that only the page uses, with the page's own code."""

import math
import re
from pathlib import Path

import pytest
import torch
from scipy import integrate, stats

PAGE = (Path(__file__).parents[2] / "chapters/01_nice.md").read_text(encoding="utf-8")


def page_function(name):
    """The function as it stands on the page, with a fresh generator."""
    cells = re.findall(r"```\{code-cell\} ipython3\n(.*?)```", PAGE, re.DOTALL)
    cell = next(c for c in cells if f"def {name}(" in c)
    source = re.search(rf"def {name}\(.*?(?=\n\S|\Z)", cell, re.DOTALL).group()
    scope = {"math": math, "torch": torch, "generator": torch.Generator().manual_seed(0)}
    exec(source, scope)
    return scope[name]


def test_naive_integral():
    """(1.1): right in one dimension, by quadrature, and biased low in sixteen."""
    given = stats.norm(scale=0.1)
    for x in (-1.0, 0.3):
        total = integrate.quad(
            lambda z, x=x: given.pdf(x - z) * stats.norm.pdf(z), -9, 9, points=[x]
        )
        assert total[0] == pytest.approx(stats.norm(scale=math.sqrt(1.01)).pdf(x), rel=1e-8)
    error = page_function("naive_error")
    assert abs(error(1)) < 0.02
    assert error(16) > 100
