"""Runs on a line in closed form, and the explorable of them, for the tests of Traces.

Data is two narrow bells, x_t = sqrt(1 - t^2) x_0 + t eps. The forward panel takes eps as a random
walk that has variance t^2, the others move smoothly; nothing is integrated.
"""

from __future__ import annotations

import torch
from torch import Tensor

from helpers.explorables.traces import Traces
from helpers.flows.toy import GaussianMixture

PANELS = {"forward": False, "reverse": True, "smooth": True}  # name -> runs backwards
LEVELS = (5, 20, 80)
TIMES = {n: torch.linspace(0, 1, n + 1, dtype=torch.float64) ** 1.5 for n in LEVELS}
EXTENT = (-3.0, 3.0)
N = 40
MIXTURE = GaussianMixture(torch.tensor([[-1.5], [1.0]]).double(), 0.2)


def positions(panel: str, level: int | None = None) -> Tensor:
    """Positions (T, N) of a panel at a level; the panel "forward" has none."""
    generator = torch.Generator().manual_seed(sum(map(ord, panel)))
    times = TIMES[level or max(LEVELS)]
    x = MIXTURE.sample(N, generator)[:, 0]
    eps = torch.randn(N, generator=generator, dtype=torch.float64)
    noise = times[:, None] * eps
    if panel != "smooth":
        steps = torch.randn(len(times) - 1, N, generator=generator, dtype=torch.float64)
        walk = (times.square().diff()[:, None].sqrt() * steps).cumsum(0)
        noise = torch.cat([torch.zeros(1, N, dtype=torch.float64), walk])
    return (1 - times.square()).sqrt()[:, None] * x + noise


def density(n_times: int = 31, n_cells: int = 40) -> Tensor:
    """The density (T', H) at evenly spaced times on cells that fill EXTENT."""
    low, high = EXTENT
    x = low + (high - low) * (torch.arange(n_cells, dtype=torch.float64) + 0.5) / n_cells
    times = torch.linspace(0, 1, n_times, dtype=torch.float64).tolist()
    return torch.stack(
        [MIXTURE.noised((1 - t * t) ** 0.5, t).log_prob(x[:, None]).exp() for t in times]
    )


def figure(**changes) -> Traces:
    """The explorable of all that, with some arguments changed."""
    panels = {
        name: {n: positions(name, n) for n in LEVELS} if back else positions(name)
        for name, back in PANELS.items()
    }
    settings = {
        "caption": "Two bells become one, and come back.",
        "extent": EXTENT,
        "density": density(),
        "knob": "number of steps",
        "backwards": [name for name, back in PANELS.items() if back],
        "follow": 3,
        "seconds": 1.5,
    }
    return Traces(panels, list(TIMES.values()), **settings | changes)
