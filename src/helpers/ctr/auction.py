"""Auctions for slots on a page: rank by bid x click probability, pay what keeps the place.

B auctions, N candidates, S slots. Bids, values and prices are money per click, scores money per
impression (a thousand of them is the eCPM). Chapter 10 derives each line.
"""

import torch
from torch import Tensor


def gsp(
    bids: Tensor, p: Tensor, n_slots: int = 1, *, reserve: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Who wins each slot and what a click costs there: generalised second price.

    The slots go to the highest scores bid x p in their order. A click in a slot costs the smallest
    bid that would have kept the place: the next lower score, or the reserve, over the winner's p.

    Parameters
    ----------
    bids : (B, N), >= 0. p : what the auctioneer believes, (B, N), in (0, 1].
    n_slots : S, at most N. reserve : the smallest score that is shown, >= 0.

    Returns
    -------
    winners : (B, S) int64, -1 where no candidate reaches the reserve. prices : (B, S), 0 there.

    Raises
    ------
    ValueError : shapes that differ, probabilities or bids out of range, S > N.
    """
    _check(bids, p)
    if not 1 <= n_slots <= bids.shape[1]:
        raise ValueError(f"n_slots must be 1 to N = {bids.shape[1]}, got {n_slots}")
    if not 0 <= reserve < float("inf"):
        raise ValueError(f"reserve must be at least 0, got {reserve}")
    scores, order = (bids * p).sort(dim=1, descending=True, stable=True)
    below = torch.nn.functional.pad(scores[:, 1:], (0, 1))[:, :n_slots].clamp_min(reserve)
    scores = scores[:, :n_slots]
    winners = order[:, :n_slots]
    shown = scores >= reserve
    prices = below / p.gather(1, winners)
    return torch.where(shown, winners, -1), torch.where(shown, prices, 0.0)


def surplus(value: Tensor, p: Tensor, believed: Tensor, rival: Tensor) -> Tensor:
    """What a truthful bidder gains from an impression in a second-price auction, (B,), on average.

    It bids believed x value for the impression. If that beats the rival, it pays the rival's score
    and receives p x value; else nothing.

    Parameters
    ----------
    value : of a click, > 0. p : true probability of one. believed : the bidder's estimate.
    rival : the highest other score. All (B,), or shapes that broadcast.
    """
    for name, given in (("value", value), ("p", p), ("believed", believed), ("rival", rival)):
        if not given.isfinite().all():
            raise ValueError(f"{name} must be finite and at least 0, got NaN or infinity")
        if (given < 0).any():
            raise ValueError(f"{name} must be finite and at least 0, got {given.min():g}")
    return torch.where(believed * value > rival, p * value - rival, 0.0)


def _check(bids: Tensor, p: Tensor) -> None:
    if bids.ndim != 2:
        raise ValueError(f"bids must be (B, N), got {tuple(bids.shape)}")
    if bids.shape != p.shape:
        raise ValueError(f"p must be (B, N) as bids {tuple(bids.shape)}, got {tuple(p.shape)}")
    if not bids.numel():
        raise ValueError(f"bids must be (B, N), not empty, got {tuple(bids.shape)}")
    if not bids.isfinite().all():
        raise ValueError("bids must be finite, got NaN or infinity")
    if (bids < 0).any():
        raise ValueError(f"bids must be at least 0, got {bids.min():g}")
    if not ((p > 0) & (p <= 1)).all():
        raise ValueError(f"p must be in (0, 1], got {p.min():g} to {p.max():g}")
