"""An explorable as bytes: taking its HTML apart, and what every kind's HTML must be."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
import zlib
from html.parser import HTMLParser
from urllib.parse import unquote

import numpy as np

from helpers.explorables import inline


class Elements(HTMLParser):
    """Every element of some HTML: tag, attributes, text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict, str]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs), ""))

    def handle_data(self, data):
        if self.found:
            tag, attributes, text = self.found[-1]
            self.found[-1] = tag, attributes, text + data

    def one(self, tag: str) -> tuple[dict, str]:
        return next((attributes, text) for t, attributes, text in self.found if t == tag)


def unpacked(figure) -> tuple[dict, list[np.ndarray]]:
    """What a reader of the HTML alone gets: written from the format's description, not its code."""
    meta = json.loads(Elements(figure._repr_html_()).one("script")[1])
    codes = np.array([{"#": 60, "$": 92}.get(sign, ord(sign)) - 40 for sign in meta["bytes"]])
    words = [sum(int(c) * 85 ** (4 - i) for i, c in enumerate(f)) for f in codes.reshape(-1, 5)]
    data = b"".join(word.to_bytes(4, "big") for word in words)[: meta["size"]]
    rest, arrays = zlib.decompress(data), []
    for spec in meta["arrays"]:
        size, moving = int(np.prod(spec["shape"])), "step" in spec
        planes = np.frombuffer(rest[: size * (1 + moving)], np.uint8).astype(int)
        rest = rest[len(planes) :]
        if moving:
            zigzag = planes[:size] + 256 * planes[size:]
            planes = np.where(zigzag % 2, -(zigzag + 1) // 2, zigzag // 2)
        array = planes.reshape(spec["shape"])
        for axis in spec["diffs"]:
            array = array.cumsum(axis)
        if moving:
            array = np.moveaxis(spec["low"] + spec["step"] * array, 0, -1)
        elif "most" in spec:
            array = spec["most"] * (array % 256 / 127) ** 2
        arrays.append(array)
    assert rest == b""
    return meta, arrays


def still(figure) -> ET.Element:
    """The picture that stands there without scripts, which has a text in its place."""
    image, _ = Elements(figure._repr_html_()).one("img")
    assert image["alt"]
    return ET.fromstring(unquote(image["src"].removeprefix("data:image/svg+xml,")))


def words(svg: ET.Element) -> list[str]:
    """The texts in a picture."""
    return [part.text for part in svg.iter() if part.tag.endswith("text")]


def check_inline(figure, again, most: int = inline.LIMIT) -> None:
    """Bytes that are few, the same again, ask for nothing, and leave no name or id behind."""
    text = figure._repr_html_()
    assert again._repr_html_() == text
    assert figure.n_bytes == len(text.encode()) <= most <= inline.LIMIT
    addresses = set(re.findall(r"https?:[^\"'\s]+", text))
    assert addresses == {"http://www.w3.org/2000/svg"}  # a name, never asked for
    assert not any("id" in attributes for _, attributes, _ in Elements(text).found)
    script = text.rpartition("<script>")[2]
    for risk in ("eval", "Function(", "innerHTML", "fetch(", "import", "window.fr", "setTimeout"):
        assert risk not in script
    assert not re.search(r"`[^`]*\$\{[^}`]*`", script), "nested template strings lose their space"


def unbroken(figure) -> Elements:
    """The elements of a figure that was given words with tags in them, none of which is one."""
    elements = Elements(figure._repr_html_())
    tags = [tag for tag, _, _ in elements.found]
    assert tags.count("script") == 2 and "b" not in tags
    return elements
