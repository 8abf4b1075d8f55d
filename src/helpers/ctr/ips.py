"""Inverse propensities: what a log that chose its rows says about the rows it did not choose.

B logged rows, each with a reward and a weight: how much more often the world of interest has such
a row than the log. Chapter 10 derives each line.
"""

import math

import torch
from torch import Tensor


def importance(target: Tensor, logged: Tensor, *, clip: float = math.inf) -> Tensor:
    """Weights (B,): probability of what was done under the target policy over the logging policy.

    Parameters
    ----------
    target, logged : probabilities (B,); logged > 0, for a row that could not be logged was not.
    clip : largest weight kept. It lowers the variance and adds a bias that never shrinks.

    Raises
    ------
    ValueError : shapes that differ, nothing in them, probabilities out of range, clip <= 0.
    """
    if target.ndim != 1:
        raise ValueError(f"target must be (B,), got {tuple(target.shape)}")
    if target.shape != logged.shape:
        wanted = tuple(target.shape)
        raise ValueError(f"logged must be as target, {wanted}, got {tuple(logged.shape)}")
    if not len(target):
        raise ValueError("target must be (B,), not empty, got (0,)")
    if not ((target >= 0) & (target <= 1)).all():
        raise ValueError("target must be probabilities in [0, 1]")
    if not ((logged > 0) & (logged <= 1)).all():
        raise ValueError(f"logged must be in (0, 1], got {logged.min():g} to {logged.max():g}")
    if not clip > 0:
        raise ValueError(f"clip must be positive, got {clip}")
    return (target / logged).clamp_max(clip)


def ips(rewards: Tensor, weights: Tensor) -> tuple[float, float]:
    """Mean of weight x reward, and the standard error of that mean: unbiased for exact weights.

    rewards : (B,), B >= 2. weights : (B,), >= 0.
    """
    rewards, weights = _check(rewards, weights)
    part = weights * rewards
    return part.mean().item(), (part.std() / len(part) ** 0.5).item()


def self_normalised(rewards: Tensor, weights: Tensor) -> tuple[float, float]:
    """Sum of weight x reward over sum of weights, and its standard error to first order.

    Never outside the rewards' range, and indifferent to a constant factor in the weights; biased
    by about 1 / B. rewards : (B,), B >= 2. weights : (B,), >= 0, not all 0.
    """
    rewards, weights = _check(rewards, weights)
    total = weights.sum()
    value = (weights * rewards).sum() / total
    spread = (weights * (rewards - value)).square().sum().sqrt() / total
    return value.item(), spread.item()


def effective_size(weights: Tensor) -> float:
    """How many equally weighted rows are worth these: (sum w)^2 / sum w^2, from 1 to B.

    weights : (B,), >= 0, not all 0. Kish's effective sample size.
    """
    _, weights = _check(torch.zeros_like(weights), weights)
    return (weights.sum().square() / weights.square().sum()).item()


def by_item(
    clicks: Tensor, items: Tensor, n_items: int, propensity: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Click rate of each item with every click divided by its propensity, and standard errors.

    With the probability that the position was looked at as propensity this estimates the chance of
    a click by somebody who looks; without it, the naive rate. NaN for items shown fewer than twice.

    Parameters
    ----------
    clicks : (B,), 0 or 1. items : what was shown, (B,), 0 .. n_items - 1. n_items : N.
    propensity : probability (B,) in (0, 1] that a click could be seen; 1 by default.

    Returns
    -------
    rates, errors : (N,) each, float64.
    """
    weights = torch.ones_like(clicks) if propensity is None else propensity
    if propensity is not None and not ((weights > 0) & (weights <= 1)).all():
        raise ValueError("propensity must be in (0, 1]")
    clicks, weights = _check(clicks, weights)
    if items.shape != clicks.shape:
        wanted = tuple(clicks.shape)
        raise ValueError(f"items must be as clicks, {wanted}, got {tuple(items.shape)}")
    if items.min() < 0:
        raise ValueError(f"items must be 0 to {n_items - 1}, got {items.min()}")
    if items.max() >= n_items:
        raise ValueError(f"items must be 0 to {n_items - 1}, got {items.max()}")
    part = clicks / weights
    zero = part.new_zeros(n_items)
    count = zero.index_add(0, items, torch.ones_like(part))
    rates = zero.index_add(0, items, part) / count
    square = zero.index_add(0, items, (part - rates[items]).square())
    many = torch.where(count > 1, 1.0, torch.nan)
    return rates * many, (square / (count - 1) / count).sqrt() * many


def _check(rewards: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    if rewards.ndim != 1:
        raise ValueError(f"rewards must be (B,), got {tuple(rewards.shape)}")
    if rewards.shape != weights.shape:
        wanted = tuple(rewards.shape)
        raise ValueError(f"weights must be as rewards, {wanted}, got {tuple(weights.shape)}")
    if len(rewards) < 2:
        raise ValueError(f"rewards must be (B,) with B >= 2, got {len(rewards)}")
    if not rewards.isfinite().all():
        raise ValueError("rewards must be finite, got NaN or infinity")
    if not weights.isfinite().all():
        raise ValueError("weights must be finite, got NaN or infinity")
    if (weights < 0).any():
        raise ValueError(f"weights must be at least 0, got {weights.min():g}")
    if not (weights > 0).any():
        raise ValueError("weights must be not all 0, got zeros")
    return rewards.double(), weights.double()
