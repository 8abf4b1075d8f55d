"""What every kind of explorable shares: packed arrays, and one piece of HTML that holds all of it.

An explorable's HTML is a still picture (what is seen where scripts do not run), a caption, its data
quantised and deflated, and its kind's script and style from ``helpers/explorables``.
It asks the network for nothing, has no ids, and the same tensors give the same bytes.
"""

from __future__ import annotations

import html
import json
import re
import zlib
from pathlib import Path
from urllib.parse import quote

import numpy as np
import torch

LIMIT = 80_000  # bytes of one explorable's HTML, script and style included
LEVELS = 2047  # coordinates are stored in 11 bits
HERE = Path(__file__).parent / "scripts"


def checked(name: str, value: object, shape: tuple, *, at_least: float | None = None) -> np.ndarray:
    """``value`` as float64 numbers of this shape, in which a string stands for any length > 0.

    Raises
    ------
    ValueError
        It is no array, has another shape, is empty, holds NaN, or is below ``at_least``.
    """
    try:
        array = torch.as_tensor(value).detach().cpu().double().numpy()
    except (TypeError, RuntimeError, ValueError) as reason:
        raise ValueError(f"{name} must be an array of numbers: {reason}") from reason
    fits = array.ndim == len(shape) and all(
        isinstance(want, str) or got == want for got, want in zip(array.shape, shape, strict=True)
    )
    wanted = ", ".join(map(str, shape))
    if not fits:
        raise ValueError(f"{name} must have shape ({wanted}), got {array.shape}")
    if array.size == 0:
        raise ValueError(f"{name} must have shape ({wanted}), not empty, got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(
            f"{name} must be finite, got {(~np.isfinite(array)).sum()} NaN or infinite"
        )
    if at_least is not None and array.min() < at_least:
        raise ValueError(f"{name} must be at least {at_least}, got {array.min()}")
    return array


def filled(**given: object) -> None:
    """Refuse what is empty.

    Raises
    ------
    ValueError
        Something given is empty; says what.
    """
    for name, value in given.items():
        if not value:
            raise ValueError(f"{name} must not be empty")


class Pack:
    """Arrays in one deflated stream, each with the few numbers that say how to read it.

    Every method checks an array as ``checked`` does, stores it and returns its number; None stays
    None, and what was stored before is not stored again.

    Attributes
    ----------
    arrays : as given, in float64
    specs : what base.js needs to read each of them
    sizes : signs of text by what they hold
    """

    def __init__(self) -> None:
        self.arrays: list[np.ndarray] = []
        self.specs: list[dict] = []
        self.sizes: dict[str, int] = {}
        self._known: dict[int, tuple[object, int]] = {}
        self._deflate = zlib.compressobj(9, zlib.DEFLATED, 15, 9)
        self._stream = b""

    def _store(self, what: str, value: object, array, spec: dict, *planes: np.ndarray) -> int:
        before = len(self._stream)
        for plane in planes:  # flushed one by one, so that each has a code of its own
            self._stream += self._deflate.compress(plane.astype(np.uint8).tobytes())
            self._stream += self._deflate.flush(zlib.Z_SYNC_FLUSH)
        self.sizes[what] = self.sizes.get(what, 0) + (len(self._stream) - before) * 5 // 4
        self.specs.append(spec)
        self.arrays.append(array)
        self._known[id(value)] = value, len(self.specs) - 1  # held, so that its id stays its own
        return len(self.specs) - 1

    def labels(self, value: object, n: int, own: list[int], name: str) -> int:
        """Whole numbers (n,), each stored as the entry of ``own`` that it stands for."""
        array = checked(name, value, (n,), at_least=0)
        if array.max() >= len(own):
            raise ValueError(f"{name} must be whole and below {len(own)}, got {array.max():g}")
        broken = array[array % 1 > 0]
        if broken.size:
            raise ValueError(f"{name} must be whole, got {broken[0]:g}")
        array = np.array(own)[array.astype(int)]
        return self._store("labels", value, array, {"shape": array.shape, "diffs": ()}, array)

    def density(self, value: object, name: str = "heat") -> int | None:
        """Densities (K, H, W): the square root of their share of the highest, in 7 bits."""
        if value is None or id(value) in self._known:
            return None if value is None else self._known[id(value)][1]
        array = checked(name, value, ("K", "H", "W"), at_least=0)
        most = float(f"{max(array.max(), 1e-30):.6g}")
        share = np.rint(127 * np.sqrt(np.minimum(array / most, 1))).astype(np.int32)
        for axis in (1, 2):
            share = np.diff(share, axis=axis, prepend=0)
        spec = {"shape": array.shape, "most": most, "diffs": (1, 2)}
        return self._store("heat", value, array, spec, share & 255)

    def moving(self, what: str, value: object, shape: tuple, name: str, along: tuple) -> int | None:
        """Coordinates (frames, ..., 2) in 11 bits, as differences along some axes.

        ``along`` counts axes after the coordinates have gone first; what changes evenly along an
        axis named twice takes next to no room.
        """
        if value is None or id(value) in self._known:
            return None if value is None else self._known[id(value)][1]
        array = checked(name, value, shape)
        low = float(f"{array.min():.9g}")
        step = float(f"{max((array.max() - low) / LEVELS, 1e-12):.9g}")
        whole = np.moveaxis(np.rint((array - low) / step).astype(np.int32), -1, 0)
        for axis in along:
            whole = np.diff(whole, axis=axis, prepend=0)
        zigzag = np.where(whole < 0, -2 * whole - 1, 2 * whole)
        spec = {"shape": whole.shape, "low": low, "step": step, "diffs": along}
        return self._store(what, value, array, spec, zigzag & 255, zigzag >> 8)

    def error(self) -> float:
        """Largest difference between a coordinate given and the one stored."""
        return max(spec["step"] / 2 for spec in self.specs if "step" in spec)

    def text(self) -> tuple[str, int]:
        """All of it, four bytes in five signs of ASCII, and the number of bytes; ends the stream.

        The signs are those from 40 to 124, but # for < and $ for backslash.
        """
        data = self._stream + self._deflate.flush()
        words = np.frombuffer(data + bytes(-len(data) % 4), ">u4").astype(np.int64)
        signs = words[:, None] // 85 ** np.arange(4, -1, -1) % 85 + 40
        return signs.astype(np.uint8).tobytes().decode().translate({60: 35, 92: 36}), len(data)


def _lean(name: str) -> str:
    """A script or style without comment lines and needless space; strings stay as they are."""
    text = re.sub(r"(?m)^\s*//.*\n", "", (HERE / name).read_text(encoding="utf-8"))
    sign = "{};,=<>?|&" if name.endswith("css") else "{}()[];,=<>?:|&+*/%-"
    pieces = re.split(r"""("[^"\n]*"|'[^'\n]*'|`[^`]*`)""", text)
    for i in range(0, len(pieces), 2):
        pieces[i] = re.sub(rf"\s*([{re.escape(sign)}])\s*", r"\1", re.sub(r"\s+", " ", pieces[i]))
    return "".join(pieces).replace(";}", "}")


def page(
    kind: str, meta: dict, pack: Pack, *, still: str, alt: str, caption: str, also: tuple = ()
) -> str:
    """The HTML of one explorable.

    Parameters
    ----------
    kind : its script and style are ``explorables/<kind>.js`` and ``.css``
    meta : what the script needs to know besides the arrays in ``pack``; becomes JSON
    still : an SVG document for where scripts do not run
    alt : what the still shows
    caption : plain text
    also : names of scripts and styles that the kind's own build on, after base's

    Raises
    ------
    ValueError
        It would be longer than ``LIMIT`` bytes; says what takes how much.
    """
    data = _data(meta, pack)
    picture = "data:image/svg+xml," + quote(still, safe=" ='/:,()")
    names = ("base", *also, kind)
    style = "".join(_lean(f"{name}.css") for name in names)
    script = "".join(_lean(f"{name}.js") for name in names)
    text = (
        f'<figure class="fr-explorable" data-kind="{kind}">\n'
        f'<img class="fr-still" alt="{html.escape(alt)}" src="{picture}">\n'
        f"<figcaption>{html.escape(caption)}</figcaption>\n"
        f'<script type="application/json">{data}</script>\n'
        f"</figure>\n<style>\n{style}</style>\n<script>(() => {{\n{script}}})();</script>\n"
    )
    sizes = pack.sizes | {"still": len(picture), "script": len(style) + len(script)}
    _check_length(len(text.encode()), sizes)
    return text


def _data(meta: dict, pack: Pack) -> str:
    """What the script reads, as JSON in which no tag can begin."""
    text, size = pack.text()
    data = meta | {"arrays": pack.specs, "bytes": text, "size": size}
    plain = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    return plain.replace("<", chr(92) + "u003c")


def _check_length(n_bytes: int, sizes: dict[str, int]) -> None:
    """Refuse more than ``LIMIT`` bytes; ``sizes`` says what takes how much."""
    if n_bytes > LIMIT:
        parts = ", ".join(f"{what} {size / 1000:.1f} KB" for what, size in sizes.items())
        raise ValueError(
            f"explorable must be at most {LIMIT / 1000:.0f} KB of HTML, got "
            f"{n_bytes / 1000:.1f} KB ({parts}): show fewer particles, frames, levels, "
            "grid points or heat cells"
        )
