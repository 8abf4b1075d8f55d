"""An interactive reliability diagram: a line through the log-odds, and what a bidder earns by it.

Shapes: N impressions. The reader moves a slope and an offset; everything else is computed from
the tensors, in the page.
"""

from __future__ import annotations

import itertools

import numpy as np
import torch
from torch import Tensor

from helpers.ctr.calibration import platt
from helpers.explorables.inline import Pack, checked, filled, page
from helpers.explorables.still import COLOURS, sheet

SLOPES = (0.2, 3.2, 0.02)  # low, high, step
OFFSETS = (-6.0, 6.0, 0.05)  # low, high, step
BINS = (2, 60)  # low, high


class Calibration:
    """Predicted against observed click rates, and the surplus of a bidder who believes them.

    Predictions are 1 / (1 + exp(-(a u + b))) with a and b on sliders. Bins hold about equally many
    impressions. The bidder values a click at 1, wins an impression where its prediction exceeds the
    rival's bid, and then gains the true probability less that bid.

    Parameters
    ----------
    logits : u, the model's log-odds (N,)
    labels : (N,), 0 or 1, both among them
    truth : true probabilities (N,), in (0, 1)
    rival : the rivals' bids (N,), > 0; some of them below the truth, or nothing can be earned
    caption : plain text under the figure; say what there is to find
    n_bins : of the diagram at first, 2 to 60

    Attributes
    ----------
    fitted : (slope, offset) of the least log loss, on the sliders' grid
    n_bytes : length of the HTML, at most ``helpers.explorables.inline.LIMIT``
    error : largest difference between a log-odds, or a logarithm of a bid, given and shown

    Raises
    ------
    ValueError
        Wrong shapes, NaN, values out of range, labels of one kind, or too many bytes.
    """

    def __init__(
        self,
        logits: Tensor,
        labels: Tensor,
        truth: Tensor,
        rival: Tensor,
        *,
        caption: str,
        n_bins: int = 12,
    ) -> None:
        filled(caption=caption.strip())
        if not BINS[0] <= n_bins <= BINS[1]:
            raise ValueError(f"n_bins must be {BINS[0]} to {BINS[1]}, got {n_bins}")
        u, y, p, bid = _arrays(logits, labels, truth, rival)
        order = np.argsort(u, kind="stable")
        pack = Pack()
        self.fitted = _fitted(u, y)
        meta = _packed(pack, order, u, y, p, bid) | {
            "slopes": SLOPES,
            "offsets": OFFSETS,
            "bins": BINS,
            "n_bins": n_bins,
            "fitted": self.fitted,
        }
        self._html = page(
            "calibration",
            meta,
            pack,
            still=_still(u[order], y[order], n_bins),
            alt="A reliability diagram: click rates against predictions, beside the diagonal.",
            caption=caption,
            also=("stage",),
        )
        self._said = f"{len(u)} impressions, {int(y.sum())} clicks"
        self.n_bytes = len(self._html.encode())
        self.error = pack.error()

    def _repr_html_(self) -> str:
        return self._html

    def __repr__(self) -> str:
        return f"Calibration: {self._said}; {self.n_bytes / 1000:.1f} KB"


def _arrays(logits: Tensor, labels: Tensor, truth: Tensor, rival: Tensor) -> list[np.ndarray]:
    """The same as arrays (N,), if they are what the figure can show."""
    u = checked("logits", logits, ("N",))
    p = checked("truth", truth, (len(u),))
    bid = checked("rival", rival, (len(u),))
    y = checked("labels", labels, (len(u),), at_least=0)
    if p.min() <= 0:
        raise ValueError(f"truth must be in (0, 1), got {p.min():g}")
    if p.max() >= 1:
        raise ValueError(f"truth must be in (0, 1), got {p.max():g}")
    if bid.min() <= 0:
        raise ValueError(f"rival must be positive, got {bid.min():g}")
    if not (p > bid).any():
        raise ValueError("rival must be somewhere below the truth, got no such bid")
    if set(np.unique(y)) != {0, 1}:
        raise ValueError(f"labels must be 0 and 1, both of them, got {np.unique(y)[:5]}")
    return [u, y, p, bid]


def _packed(
    pack: Pack,
    order: np.ndarray,
    u: np.ndarray,
    y: np.ndarray,
    p: np.ndarray,
    bid: np.ndarray,
) -> dict[str, int]:
    """Pack the arrays (N,) in this order; truth and bids on logarithmic scales."""
    return {
        "logits": pack.moving("logits", u[order], ("N",), "logits", (0,)),
        "truth": pack.moving("truth", np.log(p / (1 - p))[order], ("N",), "truth", ()),
        "rival": pack.moving("rival", np.log(bid)[order], ("N",), "rival", ()),
        "labels": pack.labels(y[order], len(u), [0, 1], "labels"),
    }


def _fitted(u: np.ndarray, y: np.ndarray) -> tuple[float, ...]:
    """(slope, offset) of the least log loss, on the sliders' grid."""
    a, b = platt(torch.as_tensor(u), torch.as_tensor(y), smooth=True)
    return tuple(
        min(max(low + step * round((x - low) / step), low), high)
        for x, (low, high, step) in ((a, SLOPES), (b, OFFSETS))
    )


def _still(u: np.ndarray, y: np.ndarray, n_bins: int) -> str:
    """The diagram of the model as it is, u rising, root axes from 0 to 1, as a small SVG."""
    side = 300
    x = 70
    top = 30
    cuts = np.linspace(0, len(u), n_bins + 1).astype(int)
    cuts = np.append(np.searchsorted(u, u[cuts[:-1]]), len(u))  # equal ones stay in one bin
    points = [
        (np.mean(1 / (1 + np.exp(-u[i:j]))), np.mean(y[i:j]))
        for i, j in itertools.pairwise(cuts)
        if j > i
    ]
    parts = [
        f"<rect x='{x}' y='{top}' width='{side}' height='{side}' stroke='#888'/>",
        f"<path d='M{x} {top + side}l{side} -{side}' stroke='#aaa'/>",
    ]
    for p, rate in points:
        at = x + side * np.sqrt(p), top + side * (1 - np.sqrt(rate))
        parts.append(f"<circle cx='{at[0]:.0f}' cy='{at[1]:.0f}' r='5' fill='{COLOURS[1]}'/>")
    for value in (0.01, 0.1, 0.25, 0.5, 1):
        at = side * np.sqrt(value)
        parts.append(f"<text x='{x + at:.0f}' y='{top + side + 20}'>{100 * value:g} %</text>")
        parts.append(f"<text x='{x - 26}' y='{top + side - at + 5:.0f}'>{100 * value:g} %</text>")
    parts.append(f"<text x='{x + side / 2}' y='{top + side + 42}'>predicted</text>")
    parts.append(f"<text x='{x + side / 2}' y='20'>clicked, against predicted</text>")
    return sheet(parts, side + x + 30, side + top + 55)
