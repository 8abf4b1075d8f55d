"""Interactive figures that need no kernel: data computed by torch, drawn by a script inline.

Shapes: K frames, N particles, L lines of P points, (H, W) cells; everything lies in the plane.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex
from torch import Tensor

from helpers.explorables.inline import Pack, filled, page
from helpers.explorables.still import still
from helpers.plane import box

RAMP = "".join(to_hex(colour)[1:] for colour in colormaps["cividis"](np.linspace(0, 1, 17)))


class Particles:
    """Particles and a grid that move through frames, with the density of each frame beside them.

    Between two frames everything moves on straight lines (exact for additive couplings and for
    Euler steps). Frames are evenly spaced on the clock; a run, a grid and a density may each have
    their own number of them.

    Parameters
    ----------
    runs : name -> positions (K, N, 2), or name -> {level -> positions (K, N, 2)}
        What the reader chooses between: a run by a button, a level of it (a temperature, a number
        of steps) by a slider. At first: the first run, and of every run the last level.
    caption : plain text under the figure; say what there is to find
    clock : (name, first, last), such as ("t", 0.0, 1.0); by default ("frame", 0, K - 1)
    labels : a name for every frame; makes play dwell on each, as on the layers of a flow
    knob : what the levels are, such as "temperature"
    groups : run -> (numbers (N,), names); particles of one name share a colour
    grid : ``helpers.plane.lattice`` pushed through the frames, (K, 2, L, P, 2), or run -> such
    heat : densities at the frames on cells that fill ``extent``, (K, H, W), in the order of
        ``helpers.plane.mesh``; or run -> such, or run -> {level -> such}. Each array has its own
        colour scale. Means over cells look better than values at their centres.
    moves : how far such cells' centres go until the next frame, (K - 1, h, w, 2): then the density
        moves with them, which is exact for shears, instead of being cross-faded
    extent : (x_low, x_high, y_low, y_high), or r for a square; by default all particles are seen
    backwards : names of the runs that begin at the last frame
    titles : above the particles, above the density
    follow : number of the particle of the first run that is followed at first
    trails : whether the ways of all particles are drawn at first
    seconds : how long it plays from end to end

    Attributes
    ----------
    n_bytes : length of the HTML, at most ``helpers.explorables.inline.LIMIT``
    error : largest difference between a coordinate given and the one shown

    Raises
    ------
    ValueError
        Wrong shapes, NaN, nothing to show, unknown names, or too many bytes (says of what).
    """

    def __init__(
        self,
        runs: Mapping[str, Tensor | Mapping[object, Tensor]],
        *,
        caption: str,
        clock: tuple[str, float, float] | None = None,
        labels: Sequence[str] = (),
        knob: str = "",
        groups: Mapping[str, tuple[Tensor, Sequence[str]]] | None = None,
        grid: Tensor | Mapping[str, Tensor] | None = None,
        heat: Tensor | Mapping[str, Tensor | Mapping[object, Tensor]] | None = None,
        moves: Tensor | None = None,
        extent: float | Sequence[float] | None = None,
        backwards: Sequence[str] = (),
        titles: tuple[str, str] = ("particles", "density"),
        follow: int | None = None,
        trails: bool = False,
        seconds: float | None = None,
    ) -> None:
        filled(runs=runs, caption=caption.strip())
        if heat is not None and extent is None:
            raise ValueError("heat needs the extent of the mesh it was computed on, got None")
        _check(clock, seconds)
        given = {"groups": groups, "grid": grid, "heat": heat}
        pack = Pack()
        listed, names = _runs(pack, runs, backwards, given)
        n = _steps(pack, listed, labels, follow)
        area = box(_reach(pack, listed) if extent is None else extent)
        meta = {"extent": area, "clock": list(clock or ("frame", 0, n)), "steps": n}
        meta |= {"labels": list(labels), "knob": knob, "titles": list(titles), "names": names}
        meta |= {"follow": follow, "seconds": seconds or (0.8 * n if labels else 5)}
        meta |= {"show": _shown(listed, trails), "ramp": RAMP}
        meta |= {"moves": _moves(pack, moves, listed), "runs": listed}
        alt = f"{titles[0]} of {listed[0]['name']} at three frames; the caption says what to see."
        picture = still(pack, listed[0], meta)
        self._html = page("particles", meta, pack, still=picture, alt=alt, caption=caption)
        self._said = "; ".join(" ".join([r["name"], *_each(r, "name")]).strip() for r in listed)
        self.n_bytes = len(self._html.encode())
        self.error = max(pack.specs[i]["step"] / 2 for r in listed for i in _each(r, "points"))

    def _repr_html_(self) -> str:
        return self._html

    def __repr__(self) -> str:
        return f"Particles: {self._said}; {self.n_bytes / 1000:.1f} KB"


def _of(given, key):
    """What is given for ``key``, where one thing may be given for all."""
    return given.get(key) if isinstance(given, Mapping) else given


def _known(what: str, given, names: Mapping) -> None:
    if isinstance(given, Mapping) and set(given) - set(names):
        raise ValueError(f"{what} must be for some of {list(names)}, got {list(given)}")


def _each(run: dict, what: str) -> list:
    """One thing of every level of a run."""
    return [level[what] for level in run["levels"]]


def _check(clock: tuple[str, float, float] | None, seconds: float | None) -> None:
    """Refuse times that do not go on."""
    if clock is not None and not clock[1] < clock[2]:
        raise ValueError(f"clock must be (name, first < last), got {clock}")
    if seconds is not None and not seconds > 0:
        raise ValueError(f"seconds must be positive, got {seconds}")


def _runs(
    pack: Pack, runs: Mapping, backwards: Sequence[str], given: Mapping
) -> tuple[list[dict], list[str]]:
    """Pack every run with its group, grid and heat; and the names of all groups."""
    for what, value in given.items():
        _known(what, value, runs)
    _known("backwards", dict.fromkeys(backwards), runs)
    names = []
    listed = []
    for name, run in runs.items():
        group = _of(given["groups"] or {}, name)
        packed = _run(
            pack, names, name, run, group, _of(given["grid"], name), _of(given["heat"], name)
        )
        listed.append({"name": name, "back": name in backwards} | packed)
    return listed, names


def _steps(pack: Pack, listed: list[dict], labels: Sequence[str], follow: int | None) -> int:
    """Steps between the frames that are shown at first, if labels and follow go with them."""
    shown = pack.arrays[listed[0]["levels"][-1]["points"]]
    lengths = {len(pack.arrays[i]) for run in listed for i in _each(run, "points")}
    if min(lengths) < 2:
        raise ValueError("runs must have at least 2 frames, got 1")
    if labels and lengths != {len(labels)}:
        raise ValueError(f"labels must name each of {len(shown)} frames, got {len(labels)}")
    if follow is not None and not 0 <= follow < shown.shape[1]:
        raise ValueError(f"follow must be a particle 0..{shown.shape[1] - 1}, got {follow}")
    return len(shown) - 1


def _reach(pack: Pack, listed: list[dict]) -> float:
    """Half the side of a square in which all particles are seen."""
    paths = [pack.arrays[i] for run in listed for i in _each(run, "points")]
    return max(1.05 * np.abs(path).max() for path in paths) or 1.0


def _moves(pack: Pack, moves: Tensor | None, listed: list[dict]) -> int | None:
    """Pack how far cells go (K - 1, h, w, 2), if that is between the frames of the heat."""
    field = pack.moving("moves", moves, ("K - 1", "h", "w", 2), "moves", (2, 3))
    heats = {i for run in listed for i in _each(run, "heat")} - {None}
    n_heats = {len(pack.arrays[i]) for i in heats}
    if moves is not None and n_heats != {len(moves) + 1}:
        raise ValueError(f"moves must go between heat's {n_heats} frames, got {len(moves)}")
    return field


def _shown(listed: list[dict], trails: bool) -> dict[str, bool]:
    """What can be shown, and whether it is at first."""
    has_grid = any(run["grid"] is not None for run in listed)
    return ({"grid": True} if has_grid else {}) | {"particles": True, "trails": trails}


def _run(pack: Pack, names: list[str], name: str, run, group, grid, heat) -> dict:
    """Pack one run; ``names``, of all groups of the figure, grows."""
    levels = run if isinstance(run, Mapping) else {"": run}
    _known(f"heat[{name!r}]", heat, levels)
    listed = [
        {
            "name": str(level),
            "points": pack.moving("particles", p, ("K", "N", 2), f"runs[{name!r}]", (1,)),
            "heat": pack.density(_of(heat, level), f"heat of {name!r}"),
        }
        for level, p in levels.items()
    ]
    counts = {pack.arrays[level["points"]].shape[1] for level in listed}
    if len(counts) != 1:
        raise ValueError(f"runs[{name!r}] must be levels of equal size, got sizes {counts or {}}")
    lines = pack.moving("grid", grid, ("K", 2, "L", "P", 2), f"grid of {name!r}", (1, 4, 4))
    if lines is not None:
        _check_lattice(pack.arrays[lines])
    if group is not None:
        numbers, called = group
        names += [c for c in called if c not in names]
        own = [names.index(c) for c in called]
        group = pack.labels(numbers, counts.pop(), own, f"groups[{name!r}]")
    return {"levels": listed, "grid": lines, "group": group}


def _check_lattice(lines: np.ndarray) -> None:
    """Refuse lines (K, 2, L, P, 2) that do not meet in points of each other."""
    n_lines, n_points = lines.shape[2:4]
    if len(lines) < 2:
        raise ValueError(f"grid must have at least 2 frames, got {len(lines)}")
    if n_lines < 2:
        raise ValueError(f"grid must have at least 2 lines each way, got {n_lines}")
    if n_points < n_lines:
        raise ValueError(f"grid must have a point for each of {n_lines} lines, got {n_points}")
    if (n_points - 1) % (n_lines - 1):
        raise ValueError(f"grid must be a lattice, got {n_lines} lines of {n_points} points")
