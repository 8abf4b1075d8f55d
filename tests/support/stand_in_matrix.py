"""A small Matrix for tests: two models, three ranks, entries seen and unseen."""

import torch

from helpers.explorables.matrix import Matrix

ROWS, COLUMNS, LEVELS, NAMES = 7, 9, (0, 2, 5), ("plain", "decayed")


def planted() -> torch.Tensor:
    """(R, C), a rank of three."""
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randn(n, 3, generator=generator) for n in (ROWS, COLUMNS))
    return left @ right.T


def learned(name: str, level: int) -> torch.Tensor:
    """What a model learned: nothing at level 0, else the truth with errors of its own."""
    generator = torch.Generator().manual_seed(10 * NAMES.index(name) + level)
    noise = torch.randn(ROWS, COLUMNS, generator=generator)
    scale = 0.4 if name == "plain" else 0.2
    return (0.9 * planted() + scale * noise) * (level > 0)


def seen() -> torch.Tensor:
    """(R, C), about half of them."""
    return torch.rand(ROWS, COLUMNS, generator=torch.Generator().manual_seed(1)) < 0.5


def figure(**changes) -> Matrix:
    """The stand-in, with some arguments changed."""
    runs = {name: {level: learned(name, level) for level in LEVELS} for name in NAMES}
    settings = {"planted": planted(), "learned": runs, "seen": seen(), "caption": "Two matrices."}
    settings |= {"sides": ("city", "brand"), "knob": "rank k", "kinds": "decay", "level": 1}
    return Matrix(**settings | changes)
