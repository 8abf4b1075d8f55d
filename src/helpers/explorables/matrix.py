"""An interactive figure of a matrix and of what models made of it, side by side.

Shapes: R rows, C columns.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from helpers.explorables.inline import Pack, checked, filled, page
from helpers.explorables.still import sheet

MOST = 60  # rows or columns


class Matrix:
    """A planted matrix beside a learned one, chosen by a slider and, where there are several, by a
    button; with the entries that training saw told apart from those it did not.

    The figure computes correlation and root mean square error itself, over seen and over unseen
    entries. A tap chooses an entry, and its numbers are shown.

    Parameters
    ----------
    planted : (R, C), at most 60 x 60
    learned : name -> {level -> (R, C)}; all names have the same levels, such as ranks
    seen : (R, C), 0 or 1, both among them: which entries training saw
    caption : plain text under the figure; say what there is to find
    sides : what rows and columns are, such as ("city", "brand")
    knob : what the levels are; a slider moves through them
    kinds : what the names are, for the group of buttons
    level : number of the level at first
    titles : of the two panels

    Attributes
    ----------
    n_bytes : length of the HTML, at most ``helpers.explorables.inline.LIMIT``
    error : largest difference between an entry given and the one shown

    Raises
    ------
    ValueError
        Wrong shapes, NaN, nothing to show, different levels, or too many bytes (says of what).
    """

    def __init__(
        self,
        planted: Tensor,
        learned: Mapping[str, Mapping[object, Tensor]],
        seen: Tensor,
        *,
        caption: str,
        sides: tuple[str, str] = ("row", "column"),
        knob: str = "rank",
        kinds: str = "model",
        level: int = 0,
        titles: Sequence[str] = ("planted", "learned"),
    ) -> None:
        truth = checked("planted", planted, ("R", "C"))
        if max(truth.shape) > MOST:
            raise ValueError(f"planted must be at most {MOST} x {MOST}, got {truth.shape}")
        filled(learned=learned, caption=caption.strip(), knob=knob, kinds=kinds)
        filled(sides=all(sides), titles=all(titles))
        names = _levels(learned, level)
        pack = Pack()
        meta = _packed(pack, truth, planted, learned, seen)
        meta |= {"names": list(map(str, learned)), "levels": names, "sides": list(sides)}
        meta |= {"knob": knob, "kinds": kinds, "level": level, "titles": list(titles)}
        meta |= {"most": float(f"{max(np.abs(truth).max(), 1e-9):.6g}")}
        # Not `size`, which is base.js's name for the length of the stream.
        meta |= {"rows": truth.shape[0], "columns": truth.shape[1]}
        shown = pack.arrays[meta["runs"][0][level]]
        words = f"{titles[1]}, {knob} {names[level]}"
        self._html = page(
            "matrix",
            meta,
            pack,
            still=_still([(titles[0], truth), (words, shown)], meta["most"]),
            alt=f"Two matrices, {titles[0]} and {titles[1]}; the caption says what to see.",
            caption=caption,
            also=("stage",),
        )
        self._said = f"{len(truth)} x {truth.shape[1]}, {knob} {', '.join(names)}"
        self.n_bytes = len(self._html.encode())
        self.error = pack.error()

    def _repr_html_(self) -> str:
        return self._html

    def __repr__(self) -> str:
        return f"Matrix: {self._said}; {self.n_bytes / 1000:.1f} KB"


def _levels(learned: Mapping[str, Mapping[object, Tensor]], level: int) -> list[str]:
    """The names of the levels, which all that was learned must share."""
    named = [list(map(str, levels)) for levels in learned.values()]
    first = named[0]
    if any(names != first for names in named):
        raise ValueError(f"learned must have the same levels, got {named}")
    if len(first) < 2:
        raise ValueError(f"learned must have levels, two or more, got {named}")
    if not 0 <= level < len(first):
        raise ValueError(f"level must be 0 to {len(first) - 1}, got {level}")
    return first


def _packed(
    pack: Pack,
    truth: np.ndarray,
    planted: Tensor,
    learned: Mapping[str, Mapping[object, Tensor]],
    seen: Tensor,
) -> dict:
    """Pack all matrices (R, C), ``planted`` as the one that ``truth`` was read from."""
    marks = checked("seen", seen, truth.shape, at_least=0)
    if not np.isin(marks, (0, 1)).all():
        raise ValueError("seen must hold 0 and 1, got other numbers")
    if marks.min() == marks.max():
        raise ValueError(f"seen must hold 0 and 1, both of them, got only {marks.max():g}")
    place = pack.moving("planted", planted, truth.shape, "planted", ())
    runs = [
        [
            pack.moving("learned", m, truth.shape, f"learned[{name!r}][{at!r}]", ())
            for at, m in levels.items()
        ]
        for name, levels in learned.items()
    ]
    number = pack.labels(marks.reshape(-1), truth.size, [0, 1], "seen")
    return {"planted": place, "runs": runs, "seen": number}


def _still(panels: Sequence[tuple[str, np.ndarray]], most: float) -> str:
    """The matrices side by side as a small SVG, blue below 0 and orange above."""
    n_rows, n_columns = panels[0][1].shape
    wide = 390
    cell = wide / n_columns
    parts = []
    for i, (name, array) in enumerate(panels):
        x = 15 + (wide + 25) * i
        inside: dict[str, str] = {}  # one path a shade
        for (r, c), value in np.ndenumerate(np.clip(array / most, -1, 1)):
            step = round(8 * abs(value)) / 8 * 0.85
            ink = np.array((213, 94, 0) if value > 0 else (0, 114, 178))
            shade = "#{:02x}{:02x}{:02x}".format(*np.rint(255 + step * (ink - 255)).astype(int))
            inside[shade] = inside.get(shade, "") + f"M{c} {r}h1v1h-1z"
        inside.pop("#ffffff", None)
        paths = "".join(f"<path fill='{shade}' d='{d}'/>" for shade, d in inside.items())
        parts.append(
            f"<text x='{x + wide / 2:g}' y='22'>{html.escape(name)}</text>"
            f"<g transform='translate({x} 32) scale({cell:.4g})'>{paths}</g>"
            f"<rect x='{x}' y='32' width='{wide}' height='{cell * n_rows:.4g}' stroke='#888' "
            "stroke-width='2'/>"
        )
    return sheet(parts, 2 * wide + 55, round(cell * n_rows) + 45)
