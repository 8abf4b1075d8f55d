"""An interactive figure of heat that spreads in the plane, of its velocity, and of what it carries.

Shapes: K components, every point is (x, y). The clock is that of `helpers.flows.heat`.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from helpers.explorables.inline import Pack, checked, filled, page
from helpers.explorables.still import raster, sheet
from helpers.plane import box

MOST = 16  # components
LABELS = {"heat": "variance added", "noise": "standard deviation added"}


class Field:
    """A mixture of Gaussians whose variance grows, its velocity, and particles that one drops.

    On the clock "heat", t is the variance added: dp/dt = 1/2 Laplace p and v = -1/2 grad log p. On
    the clock "noise", t is the standard deviation added, and v = -t grad log p. The figure computes
    everything itself, in double precision: density and velocity in closed form, a particle's way by
    Runge and Kutta's method in steps that are halved until two results agree.

    Parameters
    ----------
    means : (K, 2), at most 16 components
    std : standard deviation of each component before any is added, > 0, in units of x
    weights : (K,), positive, summing to 1; equal if None
    times : the clock's first and last time, 0 <= first < last
    caption : plain text under the figure; say what there is to find
    extent : (x_low, x_high, y_low, y_high), or r for a square
    kind : "heat" or "noise", what the clock shows
    drops : particles that are there at first, (x, y) dropped at the first time or (x, y, t) at the
        slider's nearest place
    clock : name of the clock
    n_cells : of the density along the first axis
    seconds : how long it plays from end to end

    Attributes
    ----------
    n_bytes : length of the HTML, at most ``helpers.explorables.inline.LIMIT``

    Raises
    ------
    ValueError
        Wrong shapes, numbers out of range, or an unknown kind.
    """

    def __init__(
        self,
        means: Tensor,
        std: float,
        weights: Tensor | None = None,
        *,
        times: tuple[float, float],
        caption: str,
        extent: float | Sequence[float],
        kind: str = "heat",
        drops: Sequence[Sequence[float]] = (),
        clock: str = "t",
        n_cells: int = 48,
        seconds: float | None = None,
    ) -> None:
        means = checked("means", means, ("K", 2))
        if len(means) > MOST:
            raise ValueError(f"means must be at most {MOST}, got {len(means)}")
        weights = _weights(weights, len(means))
        filled(caption=caption.strip(), clock=clock.strip())
        _check(std, times, kind, n_cells, seconds)
        first, last = map(float, times)
        area = box(extent)
        meta = {"means": means.tolist(), "weights": (weights / weights.sum()).tolist()}
        meta |= {"std": float(std), "kind": kind, "times": [first, last], "extent": area}
        meta |= {"drops": [_drop(given, area, first, last) for given in drops]}
        meta |= {"clock": clock, "label": LABELS[kind], "cells": n_cells, "seconds": seconds or 6}
        self._html = page(
            "field",
            meta,
            Pack(),
            still=_still(meta),
            alt="A density at three times; the caption says what to see.",
            caption=caption,
            also=("stage",),
        )
        self._said = f"{len(means)} components, {LABELS[kind]} {first:g} to {last:g}"
        self.n_bytes = len(self._html.encode())

    def _repr_html_(self) -> str:
        return self._html

    def __repr__(self) -> str:
        return f"Field: {self._said}; {self.n_bytes / 1000:.1f} KB"


def _weights(weights: Tensor | None, n: int) -> np.ndarray:
    """Weights (K,) of n components, equal where none are given."""
    array = checked("weights", np.full(n, 1 / n) if weights is None else weights, (n,))
    if array.min() <= 0:
        raise ValueError(f"weights must be positive and sum to 1, got a weight {array.min():g}")
    if abs(array.sum() - 1) > 1e-5:
        raise ValueError(f"weights must sum to 1, got {array.sum():g}")
    return array


def _check(
    std: float, times: tuple[float, float], kind: str, n_cells: int, seconds: float | None
) -> None:
    """Refuse numbers that are out of range, and an unknown kind."""
    if not 0 < float(std) < math.inf:
        raise ValueError(f"std must be positive and finite, got {std}")
    first, last = map(float, times)
    if not 0 <= first < last < math.inf:
        raise ValueError(f"times must be 0 <= first < last, got {times}")
    if kind not in LABELS:
        raise ValueError(f"kind must be one of {list(LABELS)}, got {kind!r}")
    if not isinstance(n_cells, int):
        raise ValueError(f"n_cells must be a whole number, got {n_cells}")
    if not 8 <= n_cells <= 96:
        raise ValueError(f"n_cells must be from 8 to 96, got {n_cells}")
    if seconds is not None and not seconds > 0:
        raise ValueError(f"seconds must be positive, got {seconds}")


def _drop(given: Sequence[float], area: Sequence[float], first: float, last: float) -> list[float]:
    """[x, y, t] of a particle, dropped at the first time if no other is given."""
    if len(given) not in (2, 3):
        raise ValueError(f"drops must be (x, y) or (x, y, t), to be seen, got {given}")
    x, y, t = (*map(float, given), first)[:3]
    x0, x1, y0, y1 = area
    if not (x0 <= x <= x1 and y0 <= y <= y1):
        raise ValueError(f"drops must be within the extent, to be seen, got {given}")
    if not first <= t <= last:
        raise ValueError(f"drops must be within the times, to be seen, got {given}")
    return [x, y, t]


def _still(meta: dict) -> str:
    """The density at three times as a small SVG."""
    x0, x1, y0, y1 = meta["extent"]
    size = (250, round(250 * (y1 - y0) / (x1 - x0)))
    means = np.array(meta["means"])
    root = meta["kind"] == "heat"
    parts = []
    first, last = (math.sqrt(t) if root else t for t in meta["times"])
    for i, share in enumerate((0, 0.5, 1)):
        rho = first + (last - first) * share
        variance = meta["std"] ** 2 + rho**2
        n = 48
        at = (np.arange(n) + 0.5) / n
        xs = x0 + (x1 - x0) * at
        ys = y0 + (y1 - y0) * at
        p = sum(
            w * np.exp(-((xs - a) ** 2 + (ys[:, None] - b) ** 2) / (2 * variance))
            for w, (a, b) in zip(meta["weights"], means, strict=True)
        )
        picture = raster(np.sqrt(p / p.max()), f"width='{size[0]}' height='{size[1]}'")
        name = html.escape(f"{meta['clock']} = {rho**2 if root else rho:.2g}")
        parts.append(
            f"<text x='{285 * i + 140}' y='22'>{name}</text>"
            f"<svg x='{285 * i + 15}' y='32' width='250' height='{size[1]}'>{picture}"
            f"<rect width='250' height='{size[1]}' stroke='#888' stroke-width='2'/></svg>"
        )
    return sheet(parts, 850, size[1] + 45)
