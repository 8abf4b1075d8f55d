"""Clicks whose truth is known, and the explorable of their calibration, for its tests."""

from __future__ import annotations

import torch
from torch import Tensor

from helpers.explorables.calibration import Calibration

N = 900


def parts() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Logits with ties and a distortion, labels, true probabilities, rivals' bids, (N,) each."""
    g = torch.Generator().manual_seed(5)
    u = 1.4 * torch.randn(N, generator=g, dtype=torch.float64) - 2
    labels = (torch.rand(N, generator=g, dtype=torch.float64) < u.sigmoid()).long()
    rival = u.sigmoid()[torch.randperm(N, generator=g)]
    logits = ((u + 0.5 * torch.randn(N, generator=g, dtype=torch.float64)) / 0.6 + 0.8).round(
        decimals=1
    )
    return logits, labels, u.sigmoid(), rival


def figure(**changes) -> Calibration:
    """The explorable of all that, with some arguments changed."""
    named = dict(zip(("logits", "labels", "truth", "rival"), parts(), strict=True))
    return Calibration(**named | {"caption": "Move the line."} | changes)
