"""Probabilities that mean what they say: reliability, its floor, Platt, isotonic, downsampling.

B impressions, K bins or knots. Chapter 10 derives each line.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def reliability(p: Tensor, labels: Tensor, n_bins: int = 20) -> tuple[Tensor, Tensor, Tensor]:
    """Mean prediction, mean label and number of impressions in each bin, (K,) each, K <= n_bins.

    Bins are cut at quantiles of p, so that they hold about equally many; equal predictions stay in
    one bin, so that the result does not depend on the order of the rows.

    Parameters
    ----------
    p : probabilities (B,). labels : (B,), 0 or 1. n_bins : at least 1.

    Raises
    ------
    ValueError : shapes that differ, nothing in them, p outside [0, 1], labels other than 0 and 1.
    """
    which = _bins(p, n_bins)
    y = _labels(p, labels)
    count = torch.bincount(which)
    return _means(p.double(), which, count), _means(y, which, count), count


def ece(p: Tensor, labels: Tensor, n_bins: int = 20) -> float:
    """Expected calibration error: mean over impressions of their bin's |mean label - mean p|.

    p, labels (B,), n_bins : as for :func:`reliability`. A perfect model's is not 0: ``ece_floor``.
    """
    mean_p, mean_y, count = reliability(p, labels, n_bins)
    return ((mean_y - mean_p).abs() * count).sum().item() / len(p)


def ece_floor(p: Tensor, n_bins: int = 20) -> float:
    """What ``ece`` of a perfect model comes to on average: labels drawn with these p (B,).

    A bin's gap is then a mean of independent errors with variance p (1 - p), about Gaussian, and
    E|N(0, s^2)| = s sqrt(2 / pi). n_bins : as for :func:`reliability`.
    """
    which = _bins(p, n_bins)
    p = p.double()
    count = torch.bincount(which)
    variance = _means(p * (1 - p), which, count) * count
    return (variance.sqrt().sum() * math.sqrt(2 / math.pi) / len(p)).item()


def platt(logits: Tensor, labels: Tensor, *, smooth: bool = False) -> tuple[float, float]:
    """Slope a and offset b of the likeliest logit a u + b, by Newton's method in float64.

    Parameters
    ----------
    logits : u, (B,). labels : (B,), 0 or 1, both among them.
    smooth : aim at (n1 + 1) / (n1 + 2) and 1 / (n0 + 2) instead of 1 and 0, as Platt (1999) did,
        which also keeps a finite where the classes can be separated.

    Raises
    ------
    ValueError : bad input, or no maximum: one class only, or all of one class above the other.
    """
    y = _labels(logits, labels)
    u = logits.double()
    n_pos = y.sum()
    n_neg = (1 - y).sum()
    if min(n_pos, n_neg) == 0:
        raise ValueError("labels must hold a 0 and a 1, got one of them only")
    if smooth:
        y = torch.where(y == 1, (n_pos + 1) / (n_pos + 2), 1 / (n_neg + 2))
    centre = u.mean()
    scale = u.std().clamp_min(1e-12)
    x = torch.stack([(u - centre) / scale, torch.ones_like(u)], 1)
    w = _newton(x, y, torch.stack([u.new_zeros(()), (n_pos / n_neg).log()]))
    a = w[0] / scale
    return a.item(), (w[1] - a * centre).item()


def pool(values: Tensor, weights: Tensor | None = None) -> Tensor:
    """The non-decreasing sequence nearest to values (B,) in weighted squares: PAV, (B,) float64.

    Pools adjacent violators: where block means fall, a whole falling run becomes one block, all
    runs at once, until none falls. weights : positive (B,), by default 1.
    """
    if values.ndim != 1:
        raise ValueError(f"values must be (B,), got {tuple(values.shape)}")
    if not len(values):
        raise ValueError("values must be (B,), not empty, got (0,)")
    if not values.isfinite().all():
        raise ValueError("values must be finite, got NaN or infinity")
    weights = torch.ones_like(values) if weights is None else weights
    if weights.shape != values.shape:
        wanted = tuple(values.shape)
        raise ValueError(f"weights must be {wanted}, one a value, got {tuple(weights.shape)}")
    if not (weights > 0).all():
        raise ValueError(f"weights must be positive, got {weights.min():g}")
    if not weights.isfinite().all():
        raise ValueError("weights must be finite, got infinity")
    weight = weights.double()
    total = weights.double() * values.double()
    block = torch.arange(len(values), device=values.device)
    while True:
        rises = (total / weight).diff() > 0
        if rises.all():
            return (total / weight)[block]
        new = F.pad(rises.long().cumsum(0), (1, 0))
        n_new = int(new[-1]) + 1
        weight = weight.new_zeros(n_new).index_add_(0, new, weight)
        total = total.new_zeros(n_new).index_add_(0, new, total)
        block = new[block]


def isotonic(scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Knots (x, p), (K,) each in float64, of the non-decreasing curve likeliest for labels.

    Equal scores share a value. :func:`interpolate` reads the curve; it is flat outside the knots.

    Parameters
    ----------
    scores : (B,), any order and any scale. labels : (B,), 0 or 1.
    """
    y = _labels(scores, labels)
    x, place, count = scores.double().unique(return_inverse=True, return_counts=True)
    p = pool(_means(y, place, count), count)
    ends = torch.ones_like(p, dtype=torch.bool)  # the inside of a flat piece is not needed
    ends[1:-1] = (p[1:-1] != p[:-2]) | (p[1:-1] != p[2:])
    return x[ends], p[ends]


def interpolate(scores: Tensor, x: Tensor, p: Tensor) -> Tensor:
    """Probabilities (B,) at scores (B,): the line through knots x, p (K,), held at both ends."""
    if x.ndim != 1:
        raise ValueError(f"x must be (K,), got {tuple(x.shape)}")
    if x.shape != p.shape:
        raise ValueError(f"p must match x, {tuple(x.shape)}, got {tuple(p.shape)}")
    if not len(x):
        raise ValueError("x must hold a knot, got none")
    if not (x.diff() > 0).all():
        raise ValueError(f"x must rise, got a least step of {x.diff().min():g}")
    at = scores.to(x).clamp(x[0], x[-1])
    right = torch.searchsorted(x, at).clamp(1, max(len(x) - 1, 1))
    if len(x) == 1:
        return p.expand_as(at)
    share = (at - x[right - 1]) / (x[right] - x[right - 1])
    return torch.lerp(p[right - 1], p[right], share)


def downsample(labels: Tensor, rate: float, *, generator: torch.Generator | None = None) -> Tensor:
    """Row numbers, rising, of all clicks and of each other row with probability rate, (n,) int64.

    labels : (B,), 0 or 1. rate : in (0, 1].
    """
    _rate(rate)
    y = _labels(labels.float(), labels)
    drawn = torch.rand(len(y), generator=generator, device=labels.device)
    return ((y == 1) | (drawn < rate)).nonzero()[:, 0]


def restore(logits: Tensor, rate: float) -> Tensor:
    """Undo downsampling: logits (B,) of a model trained on it, moved by log(rate), (B,).

    rate : in (0, 1], the share of unclicked rows that were kept.
    """
    return logits + math.log(_rate(rate))


def _rate(rate: float) -> float:
    if not 0 < rate <= 1:
        raise ValueError(f"rate must be in (0, 1], got {rate}")
    return rate


def _bins(p: Tensor, n_bins: int) -> Tensor:
    """The bin of each p, (B,), counted without gaps."""
    if n_bins < 1:
        raise ValueError(f"n_bins must be at least 1, got {n_bins}")
    if p.ndim != 1:
        raise ValueError(f"p must be probabilities (B,), got {tuple(p.shape)}")
    if not len(p):
        raise ValueError("p must be probabilities (B,), not empty, got (0,)")
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"p must be probabilities in [0, 1], got {p.min():g} to {p.max():g}")
    cuts = torch.arange(1, n_bins, device=p.device) * len(p) // n_bins
    edges = p.sort().values[cuts]
    return torch.bucketize(p, edges, right=True).unique(return_inverse=True)[1]


def _labels(like: Tensor, labels: Tensor) -> Tensor:
    """Labels (B,) of 0 and 1 as float64, checked against what they belong to."""
    if like.ndim != 1:
        raise ValueError(f"expected numbers (B,), got {tuple(like.shape)}")
    if like.shape != labels.shape:
        raise ValueError(
            f"expected labels (B,) as the numbers {tuple(like.shape)}, got {tuple(labels.shape)}"
        )
    if not len(like):
        raise ValueError("expected numbers (B,), not empty, got (0,)")
    if not like.isfinite().all():
        raise ValueError("expected finite numbers, got NaN or infinity")
    if not ((labels == 0) | (labels == 1)).all():
        raise ValueError("labels must be 0 or 1, got other values")
    return labels.double()


def _loss(x: Tensor, y: Tensor, w: Tensor) -> Tensor:
    """Sum of the log losses of the logits x w, a scalar in nats."""
    return (F.softplus(x @ w) - y * (x @ w)).sum()


def _newton(x: Tensor, y: Tensor, w: Tensor) -> Tensor:
    """The weights (2,) of least loss for x (B, 2) and y (B,), from w; steps halve till it falls."""
    value = _loss(x, y, w)
    for _ in range(100):
        p = (x @ w).sigmoid()
        slope = x.T @ (p - y)
        curve = x.T @ (x * (p * (1 - p))[:, None]) + 1e-12 * torch.eye(2).to(x)
        step = torch.linalg.solve(curve, slope)
        new = _loss(x, y, w - step)
        while new > value + 1e-9:
            step = step / 2
            new = _loss(x, y, w - step)
        w = w - step
        value = new
        if step.abs().max() < 1e-10:
            return w
    raise ValueError("no likeliest line: the logits separate the labels; try smooth=True")


def _means(values: Tensor, which: Tensor, count: Tensor) -> Tensor:
    return values.new_zeros(len(count)).index_add_(0, which, values) / count
