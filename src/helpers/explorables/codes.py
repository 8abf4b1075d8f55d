"""An interactive figure of product quantisation: two parts of two coordinates each.

The page itself codes the points, makes the query's tables, adds them up and ranks; only the
codebooks come from here. Shapes: N points of two parts; K = 2 ** b centres a part; Q queries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from helpers.explorables.inline import Pack, checked, filled, page
from helpers.explorables.still import COLOURS, raster, sheet

FEWEST = 20  # points: the lists want some
MOST = 400  # points: the pictures want not too many
LEVELS = 2**24 - 1  # coordinates in three bytes: with fewer, a point near a border changes its code
BITS = 4  # a part, at most: with more, centres and squares are too small to be tapped


class Codes:
    """Points of four coordinates, cut in two, and every centre and cell that can name them.

    Each part is a panel: the points, the centres with the region that is nearest to each, and the
    query. The third panel is the square of all K x K cells, a row for each centre of part 1 and a
    column for each of part 2. A slider chooses the bits, another the point that is looked at; taps
    and arrow keys move the query or choose a cell. The text adds up two table entries, the lists
    show the k nearest, truly and by their codes.

    Parameters
    ----------
    points : (N, 4), N from 20 to 400: the first two coordinates are part 1, the others part 2
    names : what the N points are called
    books : codebooks (2, 2 ** b, 2) as ``ProductQuantizer(2, b).fit(points).books`` gives them,
        with b rising, at most 4
    queries : name -> (4,); one a button, the first is asked at first
    caption : plain text under the figure; say what there is to find
    bits : b at first; the last codebook's by default
    point : number of the point that is looked at first
    k : how many nearest are listed
    noun : what a point is, such as "word"
    titles : above the two parts

    Attributes
    ----------
    n_bytes : length of the HTML, at most ``helpers.explorables.inline.LIMIT``
    error : largest difference between a coordinate given and the one used

    Raises
    ------
    ValueError
        Wrong shapes, NaN, too few or many points, other numbers of centres, unknown ``bits`` or
        ``point``, or too many bytes.
    """

    def __init__(
        self,
        points: Tensor,
        names: Sequence[str],
        books: Sequence[Tensor],
        queries: Mapping[str, Tensor],
        *,
        caption: str,
        bits: int | None = None,
        point: int = 0,
        k: int = 10,
        noun: str = "point",
        titles: tuple[str, str] = ("part 1", "part 2"),
    ) -> None:
        x = checked("points", points, ("N", 4))
        filled(caption=caption.strip(), noun=noun.strip(), queries=queries)
        _check(len(x), names, titles, point, k)
        tables = _tables(books)
        widths = [table.shape[1].bit_length() - 1 for table in tables]
        level = _level(widths, bits)
        asked = np.stack([checked(f"queries[{q!r}]", at, (4,)) for q, at in queries.items()])
        rows = np.concatenate([x, *(t.swapaxes(0, 1).reshape(-1, 4) for t in tables), asked])
        reach = float(f"{1.06 * np.abs(rows).max() or 1.0:.6g}")
        pack = Pack()
        meta = _packed(pack, rows) | {"bits": widths, "level": level}
        meta |= {"point": int(point), "k": int(k), "reach": reach, "noun": noun}
        meta |= {"names": list(names), "asked": list(queries), "titles": list(titles)}
        self._html = page(
            "codes",
            meta,
            pack,
            still=_still(x.reshape(-1, 2, 2), tables[level], asked[0].reshape(2, 2), reach, titles),
            alt="Two panels of points, each cut into the regions of its centres, and the square of "
            "all pairs of a region and a region, darker where nearer to the query, the star.",
            caption=caption,
            also=("stage",),
        )
        self._said = _said(len(x), noun, widths)
        self.n_bytes = len(self._html.encode())
        self.error = meta["step"] / 2

    def _repr_html_(self) -> str:
        return self._html

    def __repr__(self) -> str:
        return f"Codes: {self._said} centres; {self.n_bytes / 1000:.1f} KB"


def _check(n: int, names: Sequence[str], titles: Sequence[str], point: int, k: int) -> None:
    """Refuse what does not go with n points of two parts."""
    if not FEWEST <= n <= MOST:
        raise ValueError(f"points must be {FEWEST} to {MOST}, got {n}")
    if len(names) != n:
        raise ValueError(f"names must be one for each of {n} points, got {len(names)}")
    if len(titles) != 2:
        raise ValueError(f"titles must be one for each of 2 parts, got {len(titles)}")
    if not 0 <= point < n:
        raise ValueError(f"point must be within {n} points, got {point}")
    if not 1 <= k <= n:
        raise ValueError(
            f"k must be 1 or more, and point and k within {n} points, got {point} and {k}"
        )


def _tables(books: Sequence[Tensor]) -> list[np.ndarray]:
    """The codebooks (2, K, 2), if their K are powers of 2, rising, and not too large."""
    tables = [checked(f"books[{i}]", book, (2, "K", 2)) for i, book in enumerate(books)]
    sizes = [table.shape[1] for table in tables]
    if not sizes:
        raise ValueError(f"books must be some, of 2, 4, 8, ... centres, rising, got {sizes}")
    if not {*sizes} <= {2**b for b in range(1, max(sizes).bit_length())}:
        raise ValueError(f"books must have 2, 4, 8, ... centres, rising, got {sizes}")
    if sorted({*sizes}) != sizes:
        raise ValueError(f"books must be rising, got {sizes}")
    if sizes[-1] > 2**BITS:
        raise ValueError(f"books must have at most {2**BITS} centres a part, got {sizes}")
    return tables


def _level(widths: list[int], bits: int | None) -> int:
    """Number of the codebook that is shown at first."""
    bits = widths[-1] if bits is None else bits
    if bits not in widths:
        raise ValueError(f"bits must be one of {widths}, got {bits}")
    return widths.index(bits)


def _said(n: int, noun: str, widths: list[int]) -> str:
    """How many points there are, and what the codebooks make of them."""
    cells = [f"{4**b} cells of {2 * 2**b}" for b in widths]
    return ", ".join([f"{n} {noun}s", *cells])


def _packed(pack: Pack, rows: np.ndarray) -> dict:
    """Pack coordinates (R, 4), each in three bytes; says how they are to be read."""
    low = rows.min()
    step = max(np.ptp(rows) / LEVELS, 1e-12)
    whole = np.rint((rows - low) / step).astype(int)
    planes = np.stack([whole >> 16, whole >> 8 & 255, whole & 255]).ravel()
    number = pack.labels(planes, planes.size, list(range(256)), "coordinates")
    return {"rows": number, "low": float(low), "step": float(step)}


def region(book: np.ndarray, one: int, reach: float) -> np.ndarray:
    """Corners (n, 2) of what is nearest to a centre of (K, 2), within [-reach, reach] squared."""
    corners = reach * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], dtype=float)
    for other in np.delete(book, one, 0):
        # Beyond the line halfway to the other centre nothing is kept (for two that are equal, all).
        over = corners @ (other - book[one]) - (other @ other - book[one] @ book[one]) / 2
        kept = []
        for i in range(len(corners)):
            a = over[i - 1]
            b = over[i]
            if (a > 0) != (b > 0):
                kept.append(corners[i - 1] + a / (a - b) * (corners[i] - corners[i - 1]))
            if b <= 0:
                kept.append(corners[i])
        corners = np.array(kept).reshape(-1, 2)
    return corners


def _still(
    x: np.ndarray, book: np.ndarray, query: np.ndarray, reach: float, titles: Sequence[str]
) -> str:
    """Both parts, x (N, 2, 2), book (2, K, 2), query (2, 2), and the square of cells, as an SVG."""
    clean = [t.replace("&", "&amp;").replace("<", "&lt;") for t in titles]
    parts = []
    for j in range(2):

        def spots(p: np.ndarray, then: str = "h0") -> str:
            at = np.rint(125 * (1 + p * (1, -1) / reach)).astype(int)
            return "".join(f"M{u} {v}{then}" for u, v in at)

        lines = ""
        for c in range(book.shape[1]):
            lines += spots(region(book[j], c, reach), "").replace("M", "L").replace("L", "M", 1)
            lines += "z"
        parts.append(
            f"<text x='{285 * j + 140}' y='22'>{clean[j]}</text>"
            f"<svg x='{285 * j + 15}' y='32' width='250' height='250'>"
            f"<path d='{lines}' stroke='#bbb'/>"
            f"<path d='{spots(x[:, j])}' stroke='#444' stroke-width='4'/>"
            f"<path d='{spots(book[j])}' stroke='{COLOURS[1]}' stroke-width='10'/>"
            f"<path d='{spots(query[None, j])}' stroke='{COLOURS[2]}' stroke-width='13'/>"
            "<rect width='250' height='250' stroke='#888' stroke-width='2'/></svg>"
        )
    one, two = np.square(book - query[:, None]).sum(2)
    far = one[:, None] + two
    size = "x='585' y='32' width='250' height='250' style='image-rendering:pixelated'"
    square = raster((1 - np.sqrt(far / far.max()))[::-1], size)
    cells = f"{len(one)} × {len(two)} = {far.size} cells"
    parts.append(f"<text x='710' y='22'>{cells}</text>{square}")
    return sheet(parts, 850, 295)
