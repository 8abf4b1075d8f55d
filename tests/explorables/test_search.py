"""Search as bytes: what is stored, how exactly, and what is refused. No browser here."""

from __future__ import annotations

import pytest
import torch
from explorable_html import Elements, check_inline, still, unbroken, unpacked, words

from helpers.explorables.search import Search
from helpers.matching.tokens import tokenize

DOCUMENTS = [
    ("Soft silk dress", "It’s light, soft and long; I wear it in summer."),
    ("Warm coat", "A coat for winter. Warm, heavy, long sleeves."),
    ("红色连衣裙", "夏天的裙子，very light"),
    ("Itchy sweater", "Wool; the sleeves itch and itch and itch."),
]
WORDS = ["silk", "dress", "coat", "winter", "gown", "裙", "itch", "sweater"]
VECTORS = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))


def figure(**changes) -> Search:
    """The stand-in, with some arguments changed."""
    arguments = {"documents": DOCUMENTS, "words": WORDS, "vectors": VECTORS, "caption": "Ask."}
    arguments |= {"query": "long dress", "offers": ["coat", "裙"]} | changes
    first = [arguments.pop(name) for name in ("documents", "words", "vectors")]
    return Search(*first, **arguments)


def test_documents_and_vectors_survive():
    made = figure()
    meta, arrays = unpacked(made)
    text = bytes(arrays[meta["text"]].astype("uint8")).decode()
    assert text.split("\n") == [part for pair in DOCUMENTS for part in pair]
    codes = torch.from_numpy(arrays[meta["vectors"]]).reshape(-1, 3) - 128.0
    torch.testing.assert_close(codes.double() * meta["step"], made.vectors)
    held = list(dict.fromkeys(w for t, b in DOCUMENTS for w in tokenize(f"{t} {b}")))
    assert list(made.vocabulary) == [*held, "gown"] and meta["extra"] == ["gown"]
    for word, vector in zip(WORDS, VECTORS, strict=True):
        shown = made.vectors[made.vocabulary[word]]
        assert (shown - vector).abs().max() <= VECTORS.abs().max() / 254 * 1.01
    assert bool((made.vectors[made.vocabulary["warm"]] == 0).all())


def test_html_is_inline_anonymous_and_the_same_again():
    check_inline(figure(), figure())


def test_still_shows_the_first_results():
    elements = Elements(figure()._repr_html_())
    image, _ = elements.one("img")
    said = words(still(figure()))
    assert said[0] == "long dress" and said[1].startswith("1. Soft silk dress")
    assert "long dress" in image["alt"] and elements.one("figcaption")[1].strip() == "Ask."


def test_words_cannot_break_out():
    nasty = "</script><b>\"&'<!--"
    made = figure(documents=[(nasty, nasty)], caption=nasty, query=nasty, offers=[nasty])
    unbroken(made)
    meta, arrays = unpacked(made)
    assert bytes(arrays[meta["text"]].astype("uint8")).decode() == f"{nasty}\n{nasty}"
    assert meta["query"] == nasty


def test_plain_text_says_what_it_is():
    made = figure()
    assert repr(made) == (
        f"Search: 4 documents, {len(made.vocabulary)} words; {made.n_bytes / 1000:.1f} KB"
    )


def test_too_many_bytes_are_refused_with_the_reason():
    draw = torch.Generator().manual_seed(0)
    words = [f"w{int(v)}" for v in torch.randint(10**9, (20_000,), generator=draw)]
    with pytest.raises(ValueError, match=r"at most 80 KB.*labels \d"):
        figure(documents=[(" ".join(words[:5]), " ".join(words))])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"documents": []}, "must not be empty"),
        ({"documents": [("", "?")]}, "hold a word"),
        ({"caption": " "}, "must not be empty"),
        ({"query": ""}, "must not be empty"),
        ({"vectors": VECTORS[:4]}, r"vectors must have shape \(8, D\)"),
        ({"vectors": VECTORS / 0}, "finite"),
        ({"k1": -1.0}, "k1 must be at least 0"),
        ({"k1": 3.5}, "k1 must be at most 3"),
        ({"b": 2.0}, "b must be in"),
        ({"share": 1.5}, "share in 0 ... 1"),
    ],
)
def test_bad_input_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        figure(**changes)
