"""The words of the shop: what people look for, how they say it, and how they mistype it.

Shapes: N items, Q queries. An attribute is something one may look for, such as "soft"; number 0
stands for nothing in particular, and the others are numbered from 1 in the order of `CONCEPTS`.
"""

import torch
from torch import Tensor

CONCEPTS = {  # attribute: the words that people use for it
    "comfort": "comfortable comfy cozy",
    "soft": "soft silky",
    "flattering": "flattering slimming",
    "casual": "casual everyday weekend",
    "elegant": "elegant classy dressy formal",
    "party": "party wedding date",
    "work": "work office professional",
    "summer": "summer spring beach",
    "winter": "winter warm fall",
    "colour": "colorful bright vibrant",
    "print": "print pattern floral",
    "stripes": "striped stripes stripe",
    "lace": "lace crochet",
    "embroidery": "embroidered embroidery",
    "denim": "denim jean",
    "knit": "knit wool cashmere",
    "light": "lightweight light sheer",
    "flowy": "flowy loose swing",
    "fitted": "fitted tight snug",
    "long": "long maxi",
    "short": "short mini",
    "vintage": "vintage retro boho",
    "classic": "classic basic simple staple",
    "versatile": "versatile layering",
}
NOUNS = {"Dresses": "dress", "Knits": "top", "Blouses": "blouse", "Sweaters": "sweater"}
NOUNS |= {"Skirts": "skirt", "Jackets": "jacket", "Outerwear": "coat", "Fine gauge": "cardigan"}
NOUNS |= {"Swim": "swimsuit", "Sleep": "pajamas", "Legwear": "leggings", "Layering": "cami"}
NOUNS |= {"Intimates": "lingerie", "Lounge": "loungewear", "Trend": "trend", "": "other"}
STOP = set(
    "a all am an and are as at be but by can did do don for from get go had has have i if in is it "
    "its just me more much my no not of on one or out really s so t than that the these this to "
    "too up very was what when will with would you your".split()
)
LETTERS = bytes(b if chr(b).isalpha() and b < 128 else 32 for b in range(256))  # else a space
N_MATCHES = 4  # values of the field that counts common words
NEAR = dict(
    zip(
        "abcdefghijklmnopqrstuvwxyz",
        "qwsz vghn xdfv serfcx wsdr drtgvc ftyhbv gyujnb ujko huikmn jiolm kop njk bhjm iklp ol "
        "wa edft awedxz rfgy yhji cfgb qase zsdc tghu asx".split(),
        strict=True,
    )
)  # the keys beside a key


def split(text: str | None) -> list[str]:
    """The words of a text in lower case: runs of the letters a to z."""
    return (text or "").lower().encode("ascii", "replace").translate(LETTERS).decode().split()


def noun(category: str) -> str:
    """The word that shoppers type for a class, such as "dress" for "Dresses"."""
    return NOUNS.get(category, category.lower())


def mistype(text: str, typo: int) -> str:
    """The text with the error that a number stands for; 0 is none.

    text : as meant. typo : its low two bits say what happens in the longest word (1: a key beside
    the right one, 2: a letter left out, 3: two letters swapped), the rest where and which.
    """
    kind = typo & 3
    draw = typo >> 2
    word = max(text.split(), key=len, default="")
    if kind == 0 or len(word) < 4:
        return text
    at, draw = 1 + draw % (len(word) - 2), draw // (len(word) - 2)  # the first letter is right
    if kind == 1:
        near = NEAR.get(word[at], word[at])
        changed = word[:at] + near[draw % len(near)] + word[at + 1 :]
    elif kind == 2:
        changed = word[:at] + word[at + 1 :]
    else:
        changed = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return text.replace(word, changed, 1)


def match(items: list[str], queries: list[str]) -> Tensor:
    """How many of a query's words the item's text holds, at most 3: (Q, N) uint8.

    items : N texts. queries : Q texts.
    """
    words = sorted({word for text in queries for word in text.split()})
    place = {word: j for j, word in enumerate(words)}
    has = torch.zeros(2, max(len(items), len(queries)), len(words))
    for side, texts in enumerate((queries, items)):
        for i, text in enumerate(texts):
            for word in set(text.split()) & place.keys():
                has[side, i, place[word]] = 1
    found = has[0, : len(queries)] @ has[1, : len(items)].T
    return found.clamp_max(N_MATCHES - 1).to(torch.uint8)
