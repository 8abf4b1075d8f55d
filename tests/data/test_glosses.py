"""Definitions and synonyms: their number, some of them, and bytes that are not theirs."""

import pytest

from helpers.data.lexicon import REGISTRY, glosses


def test_words_and_their_definitions(capsys):
    words, meanings, synonyms = glosses()
    assert "glosses (real, CC BY 4.0) from the PyPI wheel" in capsys.readouterr().out
    assert len(words) == len(meanings) == len(synonyms) == 78_866
    assert words == sorted(words) and len(set(words)) == len(words)
    at = words.index("copse")
    assert meanings[at] == ["a dense growth of bushes"]
    assert all(m and all(m) for m in meanings)
    assert sum(map(bool, synonyms)) == 44_948
    assert "anteater" in synonyms[words.index("aardvark")]


def test_other_bytes_are_refused(tmp_path, monkeypatch):
    folder = tmp_path / "glosses"
    folder.mkdir()
    (folder / REGISTRY["glosses"].files[0].name).write_text("word\tmeaning\n")
    monkeypatch.setenv("FLOW_RANK_DATA", str(tmp_path))
    with pytest.raises(ValueError, match="is damaged"):
        glosses()
