"""An interactive figure of a search on a layered graph in the plane, hop by hop.

The page itself runs the search, for any query that the reader taps and any width of the beam.
Shapes: N vectors in the plane; a layer has n of them, with up to L links each.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from helpers.explorables.inline import Pack, checked, filled, page
from helpers.explorables.still import COLOURS, sheet
from helpers.plane import box

MOST = 250  # vectors: an id is stored as one byte


class Graph:
    """A search from the top layer to the lowest: greedy above, a beam of ``ef`` at the bottom.

    The slider goes from hop to hop. Every layer is a panel of its own; what was compared, what was
    opened and the path are drawn, and the text says how many of the k nearest were found.

    Parameters
    ----------
    points : (N, 2), N at most 250
    layers : (ids (n,), links (n, L)) for every layer, the lowest, which holds all, first; links are
        ids, -1 where there are fewer
    entry : id where every search begins; it is in the top layer
    caption : plain text under the figure; say what there is to find
    query : (x, y), where the query is at first
    efs : widths of the beam that the slider offers, rising
    ef : the width at first
    k : how many nearest are looked for

    Attributes
    ----------
    n_bytes : length of the HTML, at most ``helpers.explorables.inline.LIMIT``
    error : largest difference between a coordinate given and the one used

    Raises
    ------
    ValueError
        Wrong shapes, NaN, links out of their layer, too many vectors or bytes.
    """

    def __init__(
        self,
        points: Tensor,
        layers: Sequence[tuple[Tensor, Tensor]],
        entry: int,
        *,
        caption: str,
        query: tuple[float, float] = (0.0, 0.0),
        efs: Sequence[int] = (1, 2, 4, 8, 16, 32),
        ef: int = 1,
        k: int = 10,
    ) -> None:
        xy = checked("points", points, ("N", 2))
        n = len(xy)
        filled(caption=caption.strip(), layers=layers)
        _check(n, k, efs, ef)
        widths = [int(width) for width in efs]
        start = checked("query", query, (2,))
        pack = Pack()
        place = pack.moving("points", xy[None], ("K", "N", 2), "points", ())
        listed = _packed(pack, layers, n, entry)
        reach = 1.08 * np.abs(xy).max() or 1.0
        meta = {"extent": box(float(f"{reach:.6g}")), "points": place, "layers": listed}
        meta |= {"entry": int(entry), "query": [float(f"{v:.6g}") for v in start]}
        meta |= {"efs": widths, "ef": widths.index(ef), "k": k}
        self._html = page(
            "graph",
            meta,
            pack,
            still=_still(xy, layers, start, reach),
            alt="Points joined by links, one panel for each layer of a graph; the star is a query.",
            caption=caption,
            also=("stage",),
        )
        self._said = f"{n} points in {len(layers)} layers"
        self.n_bytes = len(self._html.encode())
        self.error = pack.error()

    def _repr_html_(self) -> str:
        return self._html

    def __repr__(self) -> str:
        return f"Graph: {self._said}; {self.n_bytes / 1000:.1f} KB"


def _check(n: int, k: int, efs: Sequence[int], ef: int) -> None:
    """Refuse what does not go with n points, and widths that do not rise."""
    if n > MOST:
        raise ValueError(f"points must be 1 to {MOST}, got {n}")
    if not 1 <= k <= n:
        raise ValueError(f"points must be k or more, and k 1 or more, got {n} and k = {k}")
    widths = [int(width) for width in efs]
    filled(efs=widths)
    if widths[0] < 1:
        raise ValueError(f"efs must rise from 1 or more, got {list(efs)}")
    if sorted(set(widths)) != widths:
        raise ValueError(f"efs must rise, got {list(efs)}")
    if ef not in widths:
        raise ValueError(f"efs must hold ef = {ef}, got {list(efs)}")


def _packed(pack: Pack, layers: Sequence[tuple[Tensor, Tensor]], n: int, entry: int) -> list[dict]:
    """Pack every layer of a graph of n points: each holds some of the layer below it."""
    inside = set(range(n))
    listed = []
    own = list(range(n + 1))
    for level, (ids, links) in enumerate(layers):
        here = checked(f"ids of layer {level}", ids, ("n",)).astype(int).tolist()
        table = checked(f"links of layer {level}", links, (len(here), "L")).astype(int)
        _check_layer(level, here, table, inside)
        inside = set(here)
        flat = np.where(table < 0, n, table).ravel()
        listed.append(
            {
                "ids": pack.labels(here, len(here), own, "ids"),
                "links": pack.labels(flat, flat.size, own, "links"),
                "width": table.shape[1],
            }
        )
    if len(layers[0][0]) != n:
        raise ValueError(f"layer 0 must hold all {n}, got {len(layers[0][0])}")
    if entry not in inside:
        raise ValueError(f"entry must be in the top layer, got outside the top layer entry {entry}")
    return listed


def _check_layer(level: int, here: list[int], table: np.ndarray, below: set[int]) -> None:
    """Refuse ids that repeat or are not in the layer below, and links (n, L) that leave."""
    if len(set(here)) != len(here):
        raise ValueError(f"layer {level} must hold its points each once, got some again")
    if not set(here) <= below:
        raise ValueError(f"layer {level} must hold some of the layer below it, got others")
    if not set(np.unique(table).tolist()) <= set(here) | {-1}:
        raise ValueError(f"links of layer {level} must stay in it")


def _still(xy: np.ndarray, layers: Sequence, query: np.ndarray, reach: float) -> str:
    """Every layer with its links, the top one first, and the query, as a small SVG."""

    def spot(p: np.ndarray) -> tuple[int, int]:
        return round(125 * (1 + p[0] / reach)), round(125 * (1 - p[1] / reach))

    parts = []
    for i, (ids, links) in enumerate(reversed(layers)):
        lines = ""
        dots = ""
        for one, row in zip(np.asarray(ids).tolist(), np.asarray(links).tolist(), strict=True):
            x, y = spot(xy[one])
            dots += f"M{x} {y}h0"
            for other in row:
                if other > one or (other >= 0 and len(ids) < 40):
                    a, b = spot(xy[other])
                    lines += f"M{x} {y}L{a} {b}"
        x, y = spot(query)
        left = 270 * (i % 3) + 10
        top = 285 * (i // 3) + 30
        parts.append(
            f"<text x='{left + 125}' y='{top - 8}'>layer {len(layers) - 1 - i}</text>"
            f"<svg x='{left}' y='{top}' width='250' height='250'>"
            f"<path d='{lines}' stroke='#ccc'/><path d='{dots}' stroke='#444' stroke-width='5'/>"
            f"<path d='M{x} {y}h0' stroke='{COLOURS[2]}' stroke-width='11'/>"
            "<rect width='250' height='250' stroke='#888' stroke-width='2'/></svg>"
        )
    return sheet(parts, 270 * min(3, len(layers)), 285 * -(-len(layers) // 3))
