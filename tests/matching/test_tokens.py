"""Tokens of English and Chinese against lists written by hand, and bad input."""

import pytest

from helpers.matching.tokens import normal, tokenize


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Love this dress!", ["love", "this", "dress"]),
        ("don't  stop -- 24/7", ["don't", "stop", "24", "7"]),
        ("the women's 'best' coats'", ["the", "women's", "best", "coats"]),
        ("Don’t", ["don't"]),
        ("STRASSE Straße", ["strasse", "strasse"]),
        ("ＮＩＫＥ　１２", ["nike", "12"]),  # full-width, as Chinese keyboards type
        ("cafe\u0301 café", ["café", "café"]),
        ("snake_case", ["snake", "case"]),
        ("连衣裙", ["连", "衣", "裙", "连衣", "衣裙"]),
        ("裙", ["裙"]),
        ("红色dress很好", ["红", "色", "红色", "dress", "很", "好", "很好"]),
        ("夏天，连衣", ["夏", "天", "夏天", "连", "衣", "连衣"]),
        ("𠀀𠀁", ["𠀀", "𠀁", "𠀀𠀁"]),  # beyond the first plane of Unicode
        ("", []),
        ("?!\n\t", []),
    ],
)
def test_tokens_by_hand(text, tokens):
    assert tokenize(text) == tokens


def test_a_word_within_chinese_text_is_found_without_a_dictionary():
    assert set(tokenize("衣裙")) <= set(tokenize("夏季连衣裙新款"))
    assert "裙连" not in tokenize("衣裙，连衣")  # no pair across a comma


def test_normal_is_stable():
    for text in ("Ａb c’d ß", "ﬁne", "连衣裙"):
        assert normal(normal(text)) == normal(text)


@pytest.mark.parametrize("bad", [None, 3, b"bytes", ["a"]])
def test_no_text_is_refused(bad):
    with pytest.raises(ValueError, match="text must be a str"):
        tokenize(bad)
