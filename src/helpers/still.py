"""The picture of moving particles that is seen where scripts do not run."""

from __future__ import annotations

import html

import numpy as np

from helpers.inline import Pack

COLOURS = ("#222222", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#767676")


def still(pack: Pack, run: dict, meta: dict) -> str:
    """The first, middle and last frame of a run as a small SVG on opaque white."""
    frames = pack.arrays[run["levels"][-1]["points"]][:, :150]
    group = np.full(frames.shape[1], -1)
    if run["group"] is not None:
        group = pack.arrays[run["group"]][: frames.shape[1]]
    x0, x1, y0, y1 = meta["extent"]
    word, first, last = meta["clock"]
    size = np.array([400, round(400 * (y1 - y0) / (x1 - x0))])

    def path(join: str, points: np.ndarray, style: str) -> str:
        at = np.rint((points - (x0, y1)) / (x1 - x0, y0 - y1) * size).clip(-400, 800).astype(int)
        d = "".join("M" + join.join(f"{x} {y}" for x, y in line) for line in at)
        return f"<path d='{d}{'h0' if join == 'h0M' else ''}' {style}/>"

    parts = []
    for i, share in enumerate((0, 0.5, 1)):
        k = round(share * (len(frames) - 1))
        inside = ""
        if run["grid"] is not None:
            lines = pack.arrays[run["grid"]]
            lines = lines[round(share * (len(lines) - 1))]
            thin = lines[:, :: 1 + (lines.shape[1] > 9), :: 1 + lines.shape[2] // 26]
            inside = path("L", thin.reshape(-1, thin.shape[2], 2), "stroke='#bbb'")
        for g in np.unique(group):
            colour = COLOURS[0 if g < 0 else 1 + int(g) % 5]
            dots = frames[None, k, group == g]
            inside += path("h0M", dots, f"stroke='{colour}' stroke-width='8'")
        name = f"{word} {first + (last - first) * k / (len(frames) - 1):g}"
        if meta["labels"]:
            name += f": {meta['labels'][k]}"
        parts.append(
            f"<text x='{450 * i + 215}' y='34'>{html.escape(name)}</text>"
            f"<svg x='{450 * i + 15}' y='50' width='400' height='{size[1]}'>{inside}"
            f"<rect width='400' height='{size[1]}' stroke='#888' stroke-width='3'/></svg>"
        )
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 1330 {size[1] + 65}' "
        "fill='none' stroke-linecap='round' stroke-width='2' font-size='24' "
        "font-family='sans-serif' text-anchor='middle'>"
        f"<path fill='#fff' d='M0 0h1330v{size[1] + 65}H0z'/><g fill='#222'>"
        + "".join(parts)
        + "</g></svg>"
    )
