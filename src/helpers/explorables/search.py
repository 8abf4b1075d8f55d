"""A small search engine inside the page: words, vectors and both, over a few hundred documents.

Shapes: N documents, V words, D dimensions.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from helpers.explorables.inline import Pack, checked, filled, page
from helpers.explorables.still import sheet
from helpers.matching.bm25 import BM25
from helpers.matching.bm25 import check as check_bm25
from helpers.matching.fusion import reciprocal_rank_fusion
from helpers.matching.latent import Bags
from helpers.matching.tokens import HAN, tokenize

K1_MOST = 3.0
LISTED = 100  # of either ranking, before they are fused
SHOWN = 10  # results


class Search:
    """A search box with sliders for BM25's k1 and b and for the say of the vectors.

    All scores are computed in the page: BM25 over title and body together; the cosine of weighted
    sums of word vectors (`helpers.matching.latent.Bags`); and the sum of (1 - share) / (60 + place
    by words) and share / (60 + place by vectors), over the first hundred of either.

    Parameters
    ----------
    documents : N pairs of title and body.
    words : V of them, as `helpers.matching.tokens.tokenize` gives.
    vectors : (V, D), one a word; words of the documents that are not listed have the vector 0.
    caption : plain text under the figure; say what there is to find
    query : what is searched for at first. offers : other queries, one a button.
    k1, b, share : where the sliders stand at first; k1 to 3, b and share to 1.

    Attributes
    ----------
    n_bytes : length of the HTML, at most ``helpers.explorables.inline.LIMIT``
    vocabulary, vectors : all words, those of the documents first, and their vectors as shown

    Raises
    ------
    ValueError
        Nothing to show, wrong shapes, NaN, sliders out of range, or too many bytes (says of what).
    """

    def __init__(
        self,
        documents: Sequence[tuple[str, str]],
        words: Sequence[str],
        vectors: Tensor,
        *,
        caption: str,
        query: str,
        offers: Sequence[str] = (),
        k1: float = 1.5,
        b: float = 0.75,
        share: float = 0.0,
    ) -> None:
        filled(documents=documents, caption=caption.strip(), query=query.strip())
        _check(k1, b, share)
        given = checked("vectors", vectors, (len(words), "D"))
        texts = [" ".join("".join(part).split()) for pair in documents for part in pair]
        pairs = list(zip(texts[::2], texts[1::2], strict=True))
        bags = [tokenize(f"{title} {body}") for title, body in pairs]
        held = dict.fromkeys(word for bag in bags for word in bag)
        extra = [word for word in dict.fromkeys(words) if word not in held]
        self.vocabulary = {word: v for v, word in enumerate([*held, *extra])}
        whole, step = _rounded(self.vocabulary, words, given)
        self.vectors = torch.from_numpy(whole * step)
        pack = Pack()
        meta = _packed(pack, texts, whole) | {"step": step, "extra": extra, "han": _han()}
        meta |= {"query": query, "offers": list(offers), "k1": k1, "b": b, "share": share}
        self._scores = BM25(bags, k1=k1, b=b), Bags(self.vocabulary, self.vectors), bags
        best = self._best(query, share)
        self._html = page(
            "search",
            meta,
            pack,
            still=_still(query, [pairs[i] for i in best]),
            alt=f"A search box with “{query}” and its first results; the caption says what to see.",
            caption=caption,
        )
        self._said = f"{len(pairs)} documents, {len(self.vocabulary)} words"
        self.n_bytes = len(self._html.encode())

    def _best(self, query: str, share: float) -> list[int]:
        """The first results, as the page shows them at first."""
        index, towers, bags = self._scores
        some = tokenize(query)
        rankings = []
        for scores in (index.scores([some])[0].double(), (towers([some]) @ towers(bags).T)[0]):
            ids = scores.argsort(descending=True, stable=True)[:LISTED]
            rankings.append(ids.masked_fill(scores[ids] <= 0, -1)[None])
        n = min(SHOWN, sum(r.shape[1] for r in rankings))
        scores, ids = reciprocal_rank_fusion(rankings, n, weights=[1 - share, share])
        return ids[0][(scores[0] > 0) & (scores[0] < math.inf)].tolist()

    def _repr_html_(self) -> str:
        return self._html

    def __repr__(self) -> str:
        return f"Search: {self._said}; {self.n_bytes / 1000:.1f} KB"


def _check(k1: float, b: float, share: float) -> None:
    """Refuse places that the sliders do not have."""
    check_bm25(k1, b)
    if k1 > K1_MOST:
        raise ValueError(f"k1 must be at most {K1_MOST:g}, got {k1}")
    if not 0 <= share <= 1:
        raise ValueError(f"vectors must have a share in 0 ... 1, got {share}")


def _rounded(
    vocabulary: dict[str, int], words: Sequence[str], vectors: np.ndarray
) -> tuple[np.ndarray, float]:
    """Vectors (V, D) of the vocabulary in whole steps from -127 to 127, and the step."""
    table = np.zeros((len(vocabulary), vectors.shape[1]))
    for word, row in zip(words, vectors, strict=True):
        table[vocabulary[word]] = row
    step = float(f"{max(np.abs(table).max() / 127, 1e-12):.6g}")
    return np.rint(table / step), step


def _packed(pack: Pack, texts: Sequence[str], whole: np.ndarray) -> dict[str, int]:
    """Pack titles and bodies, and the steps (V, D) of the vectors, in bytes."""
    own = list(range(256))
    said = np.frombuffer("\n".join(texts).encode(), np.uint8)
    return {
        "text": pack.labels(said.astype(int), len(said), own, "documents"),
        "vectors": pack.labels(whole.reshape(-1) + 128, whole.size, own, "vectors"),
    }


def _han() -> str:
    """The ranges of Han characters as the page's regular expressions want them."""
    return "".join(f"\\u{{{ord(c):x}}}" if c != "-" else c for c in HAN)


def _still(query: str, found: Sequence[tuple[str, str]]) -> str:
    """The query and five results as an SVG."""
    parts = [
        "<rect x='15' y='12' width='560' height='32' rx='8' stroke='#888'/>",
        f"<text x='27' y='33' text-anchor='start'>{html.escape(query)}</text>",
    ]
    for place, (title, body) in enumerate(found[:5]):
        y = 72 + 46 * place
        short = body if len(body) < 76 else body[:75] + "…"
        parts.append(
            f"<text x='15' y='{y}' text-anchor='start' font-weight='bold'>{place + 1}. "
            f"{html.escape(title)}</text><text x='34' y='{y + 19}' text-anchor='start' "
            f"font-size='13'>{html.escape(short)}</text>"
        )
    return sheet(parts, 590, 300)
