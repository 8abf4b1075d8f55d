"""The book's figures: one style, direct labels, alternative text, opaque white background."""

import base64
import html
import io
from collections.abc import Sequence
from importlib import resources
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from torch import Tensor

DATA = "#222222"
MODEL = "#0072B2"
OTHER = "#D55E00"
NOISE = "#767676"
GREEN = "#009E73"
PINK = "#CC79A7"
STRIP = (8.0, 2.2)
_STYLE = str(resources.files("helpers") / "book.mplstyle")


class Picture:
    """A finished figure: an image with alternative text and a caption, in any notebook viewer."""

    def __init__(self, data: bytes, kind: str, alt: str, caption: str) -> None:
        self.data = data
        self.kind = kind
        self.alt = alt
        self.caption = caption

    def __repr__(self) -> str:
        return f"figure: {self.caption}"

    def _repr_html_(self) -> str:
        data = base64.b64encode(self.data).decode()
        image = f'<img src="data:{self.kind};base64,{data}" alt="{html.escape(self.alt)}">'
        caption = f"<figcaption>{html.escape(self.caption)}</figcaption>"
        return f'<figure class="fr-figure">{image}{caption}</figure>'


def axes(
    n_rows: int = 1, n_cols: int = 1, *, size: Sequence[float] | None = None, **kwargs: Any
) -> Any:
    """Axes in the book's style; 6.4 x 3.2 in for one panel and a strip of 8 x 2.2 for more.

    Returns one Axes or an array of them, as ``matplotlib.pyplot.subplots`` does.
    """
    plt.style.use(_STYLE)
    default = (6.4, 3.2) if n_rows * n_cols == 1 else (STRIP[0], STRIP[1] * n_rows)
    return plt.subplots(n_rows, n_cols, figsize=size or default, **kwargs)[1]


def show(alt: str, caption: str, *, png: bool = False) -> Picture:
    """Close the current figure and return it for display.

    Parameters
    ----------
    alt : what a reader who can't see the picture needs. caption : what it found, in a sentence.
    png : for pictures of more than about 2,000 points; otherwise SVG.
    """
    if not alt.strip() or not caption.strip():
        raise ValueError(f"alt and caption must both say something, got {alt!r} and {caption!r}")
    if not plt.get_fignums():
        raise ValueError("there must be a figure to show, got none: call axes() and draw first")
    buffer = io.BytesIO()
    figure = plt.gcf()
    if png:
        figure.savefig(buffer, format="png", metadata={"Software": None})
    else:  # no date and no version, so that the same figure is the same bytes
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    return Picture(buffer.getvalue(), "image/png" if png else "image/svg+xml", alt, caption)


def array(x: Tensor | np.ndarray) -> np.ndarray:
    """Any tensor (*S) as a NumPy array (*S) on the CPU."""
    return x.detach().cpu().numpy() if isinstance(x, Tensor) else np.asarray(x)


def points(ax: Axes, x: Tensor, color: str = DATA, *, size: float = 2.0, title: str = "") -> None:
    """Scatter x (N, 2) with equal axes."""
    xy = array(x)
    if xy.ndim != 2 or xy.shape[1] != 2:
        raise ValueError(f"points must be (N, 2), got {xy.shape}")
    ax.scatter(xy[:, 0], xy[:, 1], s=size, c=color, linewidths=0, alpha=0.7)
    ax.set_aspect("equal")
    ax.set_title(title)


def heat(
    ax: Axes, density: Tensor, extent: float, *, title: str = "", vmax: float | None = None
) -> None:
    """Heat map of density (H, W) over [-extent, extent]^2, its first row at the bottom."""
    image = array(density)
    if image.ndim != 2:
        raise ValueError(f"density must be (H, W), got {image.shape}")
    if not extent > 0:
        raise ValueError(f"extent must be positive, got {extent}")
    box = (-extent, extent, -extent, extent)
    ax.imshow(image, origin="lower", extent=box, cmap="cividis", vmin=0, vmax=vmax)
    ax.set(title=title, xticks=[], yticks=[])


def images(ax: Axes, x: Tensor, n_cols: int, *, title: str = "", vmax: float = 1.0) -> None:
    """Tile images x (N, H, W), dark on light, n_cols to a row; values 0 to vmax."""
    tiles = array(x)
    if tiles.ndim != 3:
        raise ValueError(f"images must be (N, H, W), got {tiles.shape}")
    if n_cols < 1:
        raise ValueError(f"n_cols must be at least 1, got {n_cols}")
    if len(tiles) % n_cols:
        raise ValueError(f"images must be (N, H, W) filling rows of {n_cols}, got {tiles.shape}")
    tiles = np.pad(tiles, ((0, 0), (1, 1), (1, 1)))
    rows = [np.concatenate(list(row), 1) for row in tiles.reshape(-1, n_cols, *tiles.shape[1:])]
    ax.imshow(np.concatenate(rows, 0), cmap="gray_r", vmin=0, vmax=vmax)
    ax.set_axis_off()
    ax.set_title(title)
