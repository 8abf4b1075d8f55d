"""The pictures that are seen where scripts do not run."""

from __future__ import annotations

import base64
import html
import io

import numpy as np
from matplotlib.image import imsave

from helpers.explorables.inline import Pack

COLOURS = ("#222222", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#767676")


def still(pack: Pack, run: dict, meta: dict) -> str:
    """The first, middle and last frame of a run as a small SVG on opaque white."""
    frames = pack.arrays[run["levels"][-1]["points"]][:, :90]
    group = np.full(frames.shape[1], -1)
    if run["group"] is not None:
        group = pack.arrays[run["group"]][: frames.shape[1]]
    extent = meta["extent"]
    x0, x1, y0, y1 = extent
    word, first, last = meta["clock"]
    height = round(250 * (y1 - y0) / (x1 - x0))
    parts = []
    for i, share in enumerate((0, 0.5, 1)):
        k = round(share * (len(frames) - 1))
        inside = ""
        if run["grid"] is not None:
            lines = pack.arrays[run["grid"]]
            lines = lines[round(share * (len(lines) - 1))]
            thin = lines[:, :: 1 + lines.shape[1] // 6, :: 1 + lines.shape[2] // 33]
            inside = _path(thin.reshape(-1, thin.shape[2], 2), extent, "stroke='#ccc'")
        for g in np.unique(group):
            colour = COLOURS[0 if g < 0 else 1 + int(g) % 5]
            dots = frames[None, k, group == g]
            inside += _path(dots, extent, f"stroke='{colour}' stroke-width='5'", dots=True)
        name = f"{word} {first + (last - first) * k / (len(frames) - 1):g}"
        if meta["labels"]:
            name += f": {meta['labels'][k]}"
        parts.append(
            f"<text x='{285 * i + 140}' y='22'>{html.escape(name)}</text>"
            f"<svg x='{285 * i + 15}' y='32' width='250' height='{height}'>{inside}"
            f"<rect width='250' height='{height}' stroke='#888' stroke-width='2'/></svg>"
        )
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 850 {height + 45}' fill='none' "
        "stroke-linecap='round' font-size='15' font-family='sans-serif' text-anchor='middle'>"
        f"<path fill='#fff' d='M0 0h850v{height + 45}H0z'/>{''.join(parts)}</svg>"
    ).replace("<text", "<text fill='#222'")


def _path(points: np.ndarray, extent: list[float], style: str, *, dots: bool = False) -> str:
    """Lines (M, P, 2); or dots, which are lines of no length between moves."""
    x0, x1, y0, y1 = extent
    size = np.array([250, round(250 * (y1 - y0) / (x1 - x0))])
    at = np.rint((points - (x0, y1)) / (x1 - x0, y0 - y1) * size).astype(int)
    seen = ((at > -40) & (at < size + 40)).all(-1)
    d = ""
    for line, keep in zip(at, seen, strict=True):
        pieces = np.split(line, np.flatnonzero(np.diff(keep)) + 1)
        for piece in pieces[0 if keep[0] else 1 :: 2]:
            steps = [f"{x} {y}" for x, y in np.diff(piece, axis=0, prepend=0)]
            d += "M" + ("h0m".join(steps) + "h0" if dots else "l".join(steps))
    return f"<path d='{d.replace(' -', '-')}' {style}/>"


def raster(share: np.ndarray, place: str) -> str:
    """Cells (H, W) of 0..1, the first row lowest, from white to blue; ``place`` is SVG's x, y..."""
    part = np.rint(24 * share[::-1, :, None]) / 24 * 0.62
    colours = (1 - part) * 255 + part * np.array([0, 114, 178])
    file = io.BytesIO()
    imsave(file, colours.astype(np.uint8), format="png", metadata={"Software": None})
    data = base64.b64encode(file.getvalue()).decode()
    return f"<image {place} preserveAspectRatio='none' href='data:image/png;base64,{data}'/>"


def sheet(parts: list[str], width: int, height: int) -> str:
    """An SVG document of this size on opaque white; text is centred, what is drawn has no fill."""
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' fill='none' "
        "stroke-linecap='round' stroke-linejoin='round' font-size='15' font-family='sans-serif' "
        f"text-anchor='middle'><path fill='#fff' d='M0 0h{width}v{height}H0z'/>{''.join(parts)}"
        "</svg>"
    ).replace("<text", "<text fill='#222'")
