"""Words from text in English and in Chinese, without a dictionary.

Latin and other alphabets put spaces between words; Chinese does not. Cutting Chinese text into
words needs a dictionary or a model. Single characters and overlapping pairs of characters need
neither and lose nothing: whoever searches for a word of two characters finds that pair.
"""

import re
import unicodedata

# CJK ideographs: extension A, the main block, compatibility forms, extensions B and beyond.
HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
_LETTER = rf"(?:(?![{HAN}])[^\W_])"
_RUN = re.compile(rf"[{HAN}]+|{_LETTER}+(?:'{_LETTER}+)*")
_IS_HAN = re.compile(rf"[{HAN}]")


def normal(text: str) -> str:
    """One spelling for what looks alike: full-width and composed letters, case, apostrophes.

    Unicode's NFKC, then case folding (which also turns "ß" into "ss").
    """
    return unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'")


def tokenize(text: str) -> list[str]:
    """The tokens of a text, in its order.

    A run of letters and digits is one token, apostrophes inside it included. A run of Chinese
    characters gives its characters, and then its pairs of neighbours.

    Raises
    ------
    ValueError : text is no str.
    """
    if not isinstance(text, str):
        raise ValueError(f"text must be a str, got {type(text).__name__}")
    found = []
    for run in _RUN.findall(normal(text)):
        if _IS_HAN.match(run):
            found += run
            found += [run[i : i + 2] for i in range(len(run) - 1)]
        else:
            found.append(run)
    return found
