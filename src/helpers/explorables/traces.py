"""An interactive figure of particles on a line: their ways over time, in panels side by side.

Shapes: T rows of time, N particles, (T', H) cells. Every position is a number.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from helpers.explorables.inline import Pack, checked, filled, page
from helpers.explorables.still import COLOURS, raster, sheet


class Traces:
    """Particles on a line that move from data at t = 0 to noise at t = 1, or the other way.

    Time runs to the right in every panel, and one slider moves it in all of them. Between two rows
    a particle moves on a straight line. Beside each panel stand a histogram of its particles at the
    slider's time and the density of that time.

    Parameters
    ----------
    panels : name -> positions (T, N), or name -> {level -> positions (T, N)}; row k is at times[k]
        also where a run went from t = 1 to t = 0. All panels that have levels have the same.
    times : rising (T,) in [0, 1]; or several of them, of different lengths: then positions belong
        to the one that is as long as they are
    caption : plain text under the figure; say what there is to find
    extent : (low, high) of what is seen of the line
    density : (T', H), the density at T' evenly spaced times from 0 to 1 on H cells that fill
        ``extent``, lowest first; or name -> such
    knob : what the levels are, such as "steps"; a slider moves through them, the last at first
    backwards : names of the panels that run from t = 1 to t = 0: what lies behind is on the right
    follow : number of the particle that is followed at first, in every panel
    seconds : how long it plays from end to end

    Attributes
    ----------
    n_bytes : length of the HTML, at most ``helpers.explorables.inline.LIMIT``
    error : largest difference between a position given and the one shown

    Raises
    ------
    ValueError
        Wrong shapes, NaN, nothing to show, unknown names, or too many bytes (says of what).
    """

    def __init__(
        self,
        panels: Mapping[str, Tensor | Mapping[object, Tensor]],
        times: Tensor | Sequence[Tensor],
        *,
        caption: str,
        extent: tuple[float, float],
        density: Tensor | Mapping[str, Tensor] | None = None,
        knob: str = "",
        backwards: Sequence[str] = (),
        follow: int | None = None,
        seconds: float | None = None,
    ) -> None:
        filled(panels=panels, caption=caption.strip())
        _check(extent, seconds)
        _known("backwards", dict.fromkeys(backwards), panels)
        _known("density", density, panels)
        clocks = _clocks(times)
        pack = Pack()
        listed = _packed(pack, panels, clocks, density, backwards)
        meta = {
            "extent": list(map(float, extent)),
            "times": [[float(f"{t:.9g}") for t in clock] for clock in clocks.values()],
            "levels": _levels(panels),
        }
        _check_particles(pack, listed, follow)
        meta |= {"knob": knob, "follow": follow, "seconds": seconds or 6, "panels": listed}
        self._html = page(
            "traces",
            meta,
            pack,
            still=_still(pack, meta),
            alt=f"Ways of particles over time: {', '.join(panels)}; the caption says what to see.",
            caption=caption,
            also=("stage",),
        )
        self._said = ", ".join([*panels, *meta["levels"]])
        self.n_bytes = len(self._html.encode())
        self.error = pack.error()

    def _repr_html_(self) -> str:
        return self._html

    def __repr__(self) -> str:
        return f"Traces: {self._said}; {self.n_bytes / 1000:.1f} KB"


def _check(extent: tuple[float, float], seconds: float | None) -> None:
    """Refuse an extent and a time that hold nothing."""
    low, high = map(float, extent)
    if not -np.inf < low < high < np.inf:
        raise ValueError(f"extent must be (low < high), got {extent}")
    if seconds is not None and not seconds > 0:
        raise ValueError(f"seconds must be positive, got {seconds}")


def _known(what: str, given: object, panels: Mapping) -> None:
    """Refuse names that are no panel's."""
    if isinstance(given, Mapping) and set(given) - set(panels):
        raise ValueError(f"{what} must be for some of {list(panels)}, got {list(given)}")


def _packed(
    pack: Pack,
    panels: Mapping[str, Tensor | Mapping[object, Tensor]],
    clocks: Mapping[int, np.ndarray],
    density: Tensor | Mapping[str, Tensor] | None,
    backwards: Sequence[str],
) -> list[dict]:
    """Pack every panel; a density that several of them share is stored once."""
    heats = {}
    listed = []
    for name, panel in panels.items():
        levels = panel if isinstance(panel, Mapping) else {"": panel}
        given = density.get(name) if isinstance(density, Mapping) else density
        if given is not None and id(given) not in heats:
            heats[id(given)] = _density(pack, given)
        listed.append(
            {
                "name": name,
                "back": name in backwards,
                "heat": heats.get(id(given)),
                "levels": [_level(pack, p, clocks, f"panels[{name!r}]") for p in levels.values()],
            }
        )
    return listed


def _density(pack: Pack, given: Tensor) -> int:
    """Pack a density (T', H)."""
    cells = checked("density", given, ("T'", "H"), at_least=0)
    if min(cells.shape) < 2:
        raise ValueError(f"density must have 2 times and cells, got {cells.shape}")
    return pack.density(cells[None])


def _levels(panels: Mapping[str, Tensor | Mapping[object, Tensor]]) -> list[str]:
    """The names of the levels, which all panels that have levels must share."""
    named = [list(map(str, panel)) for panel in panels.values() if isinstance(panel, Mapping)]
    if [] in named:
        raise ValueError(f"panels must have some of the same levels, got {named}")
    if any(names != named[0] for names in named):
        raise ValueError(f"panels must have the same levels, got {named}")
    return named[0] if named else []


def _check_particles(pack: Pack, listed: list[dict], follow: int | None) -> None:
    """Refuse levels of different sizes, and to follow a particle that no panel has."""
    sizes = [{pack.arrays[x["points"]].shape[1] for x in panel["levels"]} for panel in listed]
    if max(map(len, sizes)) > 1:
        raise ValueError(f"panels must have as many particles in every level, got {sizes}")
    n_most = max(max(size) for size in sizes)
    if follow is not None and not 0 <= follow < n_most:
        raise ValueError(f"follow must be a particle 0..{n_most - 1}, got {follow}")


def _clocks(times: Tensor | Sequence[Tensor]) -> dict[int, np.ndarray]:
    """Length -> times (T,) of that length."""
    several = isinstance(times, Sequence) and len(times) and np.ndim(times[0]) == 1
    clocks = {}
    for given in times if several else [times]:
        clock = checked("times", given, ("T",))
        if len(clock) < 2:
            raise ValueError(f"times must be two or more, got {clock}")
        if (np.diff(clock) <= 0).any():
            raise ValueError(f"times must rise, got {clock}")
        if clock[0] < 0:
            raise ValueError(f"times must rise from 0 or later, got {clock}")
        if clock[-1] > 1:
            raise ValueError(f"times must rise to 1 at most, got {clock}")
        if len(clock) in clocks:
            raise ValueError(f"times must differ in length, got {len(clock)} twice")
        clocks[len(clock)] = clock
    return clocks


def _level(pack: Pack, given: Tensor, clocks: Mapping[int, np.ndarray], name: str) -> dict:
    """Pack the positions (T, N) of one level; says which times are theirs."""
    points = pack.moving("particles", given, ("T", "N"), name, (1,))
    rows = pack.arrays[points].shape[0]
    if rows not in clocks:
        raise ValueError(f"{name} must have a row for each of {list(clocks)} times, got {rows}")
    return {"points": points, "clock": list(clocks).index(rows)}


def _still(pack: Pack, meta: Mapping) -> str:
    """The ways of up to 16 particles in every panel, on the density, as a small SVG."""
    low, high = meta["extent"]
    panels = meta["panels"]
    across = min(len(panels), 3)
    parts = []
    for i, panel in enumerate(panels):
        x = 283 * (i % across) + 15
        y = 250 * (i // across) + 32
        inside = ""
        if panel["heat"] is not None:
            cells = pack.arrays[panel["heat"]][0]
            share = np.sqrt(cells / max(cells.max(), 1e-30)).T
            inside = raster(share, "width='255' height='190'")
        level = panel["levels"][-1]
        points = pack.arrays[level["points"]]
        times = np.array(meta["times"][level["clock"]])
        rows = np.unique(np.linspace(0, len(times) - 1, 40).round().astype(int))
        followed = meta["follow"] if (meta["follow"] or 0) < points.shape[1] else None
        for j in [*range(min(16, points.shape[1])), *([] if followed is None else [followed])]:
            way = np.stack([255 * times[rows], 190 * (high - points[rows, j]) / (high - low)], 1)
            steps = np.diff(np.rint(way).astype(int), axis=0, prepend=0)
            d = "M" + "l".join(f"{a} {b}" for a, b in steps)
            style = (
                f"stroke='{COLOURS[2]}' stroke-width='2.5'" if j == followed else "stroke='#444'"
            )
            inside += f"<path d='{d.replace(' -', '-')}' {style}/>"
        parts.append(
            f"<text x='{x + 127}' y='{y - 10}'>{html.escape(panel['name'])}</text>"
            f"<svg x='{x}' y='{y}' width='255' height='190'>{inside}"
            "<rect width='255' height='190' stroke='#888' stroke-width='2'/></svg>"
            f"<text x='{x + 127}' y='{y + 208}'>time t, from 0 to 1</text>"
        )
    return sheet(parts, 283 * across + 5, 250 * -(-len(panels) // across))
