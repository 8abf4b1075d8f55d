"""A small flow in closed form, and the explorable of it, for the tests of explorables.

Seven shears, of one coordinate by a sine of the other, then a scaling: what NICE learns looks so,
and here nothing needs to be trained.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from helpers.explorables.particles import Particles
from helpers.plane import lattice, mesh

K = 8  # steps; K + 1 frames
EXTENT = 3.0
TAUS = (0.25, 0.5, 0.75, 1.0)
NAMES = ("upper moon", "lower moon")
FORTH, BACK = "data → latent", "latent → data"
SCALES = torch.tensor([1.2, 1.5])


def step(x: Tensor, k: int) -> Tensor:
    """Step k (0..K-1) of the flow, (B, 2) -> (B, 2)."""
    if k == K - 1:
        return x * SCALES
    moved = k % 2
    y = x.clone()
    y[:, moved] += 0.7 * torch.sin((1.1 + 0.15 * k) * x[:, 1 - moved] + 0.8 * k)
    return y


def unstep(y: Tensor, k: int) -> Tensor:
    """The inverse of step k: a shear moves by what it leaves alone."""
    return y / SCALES if k == K - 1 else y - (step(y, k) - y)


def forth(x: Tensor) -> Tensor:
    """All frames, data first, (K + 1, B, 2)."""
    frames = [x]
    for k in range(K):
        frames.append(step(frames[-1], k))
    return torch.stack(frames)


def back(z: Tensor) -> Tensor:
    """All frames, data first, of points that end at z."""
    frames = [z]
    for k in reversed(range(K)):
        frames.append(unstep(frames[-1], k))
    return torch.stack(frames[::-1])


def density(k: int, tau: float, n: int) -> Tensor:
    """Density (n, n) at frame k if z has standard deviation tau; means over cells."""
    points = mesh(EXTENT, 3 * n).reshape(-1, 2)
    for j in range(k, K):
        points = step(points, j)
    log = -0.5 * (points / tau).square().sum(1) - math.log(2 * math.pi * tau**2)
    volume = SCALES.prod() if k < K else 1.0
    return avg_pool2d((log.exp() * volume).reshape(1, 3 * n, 3 * n), 3)[0]


def parts(n_data: int = 300, n_samples: int = 200, n_cells: int = 40) -> dict:
    """Everything that `figure` shows, as tensors."""
    generator = torch.Generator().manual_seed(0)
    latent = torch.randn(n_samples, 2, generator=generator)
    x = back(torch.randn(n_data, 2, generator=generator))[0]
    grid, cells = lattice(2.4, 13, 3), mesh(EXTENT, n_cells).reshape(-1, 2)
    full = torch.stack([density(k, 1.0, n_cells) for k in range(K + 1)])
    cooled = {
        tau: torch.stack([density(k, tau, n_cells * 4 // 5) for k in range(K + 1)])
        for tau in TAUS[:-1]
    }
    sampled = {tau: back(latent * tau) for tau in TAUS}
    return {
        "runs": {FORTH: forth(x), BACK: sampled},
        "groups": {
            FORTH: ((x[:, 1] < 0).long(), NAMES),
            BACK: ((sampled[1.0][0, :, 1] < 0).long(), NAMES),
        },
        "grid": forth(grid.reshape(-1, 2)).reshape(K + 1, *grid.shape),
        "heat": {FORTH: full, BACK: cooled | {1.0: full}},
        "moves": torch.stack([step(cells, k) - cells for k in range(K)]).reshape(
            K, n_cells, n_cells, 2
        ),
    }


def figure(**changes) -> Particles:
    """The explorable of `parts`, with some arguments changed."""
    given = parts() if "runs" not in changes else {}
    settings = {
        "caption": "Seven shears and a scaling: squares keep their area until the last step.",
        "clock": ("layer", 0, K),
        "labels": ["data x", *(f"after coupling {k}" for k in range(1, K)), "latent z"],
        "knob": "temperature τ",
        "extent": EXTENT,
        "backwards": [BACK],
        "titles": ("particles and grid", "density of the model"),
        "follow": 8,
        "seconds": 1.6,
    }
    if "runs" in changes:
        settings = {"caption": "A caption."}
    settings = {**settings, **given, **changes}
    return Particles(settings.pop("runs"), **settings)
