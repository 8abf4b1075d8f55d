"""The shop's catalogue: real words, classes and review counts; simulated brands, prices, needs.

Shapes: N items, Q queries, A attributes (number 0 is "none in particular"), C categories. An
attribute is something one may look for, such as "soft"; an item has it at level 0, 1 or 2. The
levels are hidden: they lean on how often the item's reviews speak of it, plus noise, so that the
text is evidence of them and no more.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from helpers.shop.words import CONCEPTS, STOP, noun, split

N_BANDS = 4  # of prices, within a category
N_INTENTS = 4  # kinds of need behind a query


class Reviews(Protocol):
    """What the catalogue is made of, one entry a review: ``data.reviews()``."""

    item: Tensor
    title: Sequence[str]
    body: Sequence[str]
    class_name: Sequence[str]
    department: Sequence[str]


@dataclass
class Items:
    """N things for sale; ``text`` is what a search may look at, ``level`` (N, A) is hidden."""

    text: list[str]
    category: Tensor  # (N,) index into category_names
    department: Tensor  # (N,)
    brand: Tensor  # (N,)
    price: Tensor  # (N,) in euros
    price_band: Tensor  # (N,) 0 cheapest quarter of its category ... 3
    popularity: Tensor  # (N,) share of the real reviews
    launch: Tensor  # (N,) day from which it can be shown
    quality: Tensor  # (N,) mean 0, variance 1, higher for popular items; hidden
    level: Tensor  # (N, A) hidden
    category_names: list[str]
    original: Tensor  # (N,) the item's number in the reviews


@dataclass
class Queries:
    """Q queries, the most frequent first; ``intent`` is a kind of need that the shop knows."""

    text: list[str]
    category: Tensor  # (Q,)
    attribute: Tensor  # (Q,) 0: none in particular
    intent: Tensor  # (Q,) 0 ... 3
    frequency: Tensor  # (Q,) sums to 1
    related: Tensor  # (Q, 6) what it may be reformulated to


def _group(reviews: Reviews) -> tuple[Tensor, Tensor]:
    """Distinct item numbers (N,), and for each review the index of its item."""
    item = torch.as_tensor(reviews.item)
    columns = ("title", "body", "class_name", "department")
    lengths = {name: len(getattr(reviews, name)) for name in columns}
    if item.ndim != 1:
        raise ValueError(f"reviews must have item of shape (N,), got {tuple(item.shape)}")
    if item.is_floating_point():
        raise ValueError(f"reviews must have whole numbers as item, got {item.dtype}")
    if set(lengths.values()) != {len(item)}:
        raise ValueError(f"reviews must have columns as long as item {len(item)}, got {lengths}")
    if len(item) == 0:
        raise ValueError("reviews must hold at least one review, got none")
    return item.long().cpu().unique(return_inverse=True)


def items(
    reviews: Reviews, *, n_brands: int, cold: float, generator: torch.Generator
) -> tuple[Items, dict[tuple[str, str], int]]:
    """The catalogue of the reviewed items, and how many reviews of a class hold a concept's word.

    Parameters
    ----------
    reviews : see :class:`Reviews`. n_brands : simulated brands, few of them large.
    cold : share of the items that appear only after day 0. generator : of all that is simulated.
    """
    original, owner = _group(reviews)
    n = len(original)
    concept = {word: a for a, c in enumerate(CONCEPTS, 1) for word in CONCEPTS[c].split()}
    said = _read(reviews, owner, n, concept)
    category_names, category = _numbered(said.classes)
    _, department = _numbered(said.departments)
    nouns = [noun(category_names[c]) for c in category.tolist()]
    words = [t or b for t, b in zip(said.titles, said.bodies, strict=True)]
    text = _texts(words, said.spoken, nouns)
    n_reviews = owner.bincount(minlength=n).double()
    popular = (n_reviews.log() - n_reviews.log().mean()) / n_reviews.log().std().clamp_min(1e-9)
    price, band = _prices(category, generator)
    launch = torch.randint(1, 28, (n,), generator=generator)
    launch[torch.rand(n, generator=generator) >= cold] = 0
    sizes = 1 / torch.arange(1, n_brands + 1, dtype=torch.float64) ** 0.5
    return Items(
        text=text,
        category=category,
        department=department,
        brand=torch.multinomial(sizes, n, replacement=True, generator=generator),
        price=price,
        price_band=band,
        popularity=n_reviews / n_reviews.sum(),
        launch=launch,
        quality=0.6 * popular + 0.8 * torch.randn(n, generator=generator, dtype=torch.float64),
        level=_levels(said.counts, n_reviews, text, concept, generator),
        category_names=category_names,
        original=original,
    ), dict(said.uses)


@dataclass
class _Said:
    """What the reviews say of each of N items, as bags of words, and how often."""

    classes: list[Counter]
    departments: list[Counter]
    titles: list[Counter]
    bodies: list[Counter]  # only while an item has no title
    spoken: list[Counter]  # words of a concept
    counts: Tensor  # (N, A) reviews that speak of a concept
    uses: Counter  # reviews of a class that hold a concept's word


def _read(reviews: Reviews, owner: Tensor, n: int, concept: dict[str, int]) -> _Said:
    """Read all reviews; owner : each review's item, 0 .. n - 1. concept : a word's attribute."""
    bags = [[Counter() for _ in range(n)] for _ in range(5)]
    counts = torch.zeros(n, len(CONCEPTS) + 1, dtype=torch.float64)
    said = _Said(*bags, counts, Counter())
    rows = zip(
        owner.tolist(),
        reviews.title,
        reviews.body,
        reviews.class_name,
        reviews.department,
        strict=True,
    )
    for i, title, body, category, department in rows:
        category = category or ""
        said.classes[i][category] += 1
        said.departments[i][department or ""] += 1
        heading = split(title)
        seen = set(split(body))
        said.titles[i].update(heading)
        if not said.titles[i]:
            said.bodies[i].update(seen)
        found = seen.union(heading) & concept.keys()
        said.spoken[i].update(found)
        for word in ("", *found):
            said.uses[category, word] += 1
        for a in {concept[word] for word in found}:
            counts[i, a] += 1
    return said


def _numbered(bags: list[Counter]) -> tuple[list[str], Tensor]:
    """The items' most common names in order of the alphabet, and each item's number (N,)."""
    most = [bag.most_common(1)[0][0] for bag in bags]
    names = sorted(set(most))
    return names, torch.tensor([names.index(name) for name in most])


def _texts(words: list[Counter], spoken: list[Counter], nouns: list[str]) -> list[str]:
    """Five words typical of an item's titles, five wishes that its reviews speak of, its noun."""
    spread = Counter(word for bag in words for word in bag)
    common = Counter(word for bag in spoken for word in bag.elements())
    text = []
    for bag, said, last in zip(words, spoken, nouns, strict=True):
        kept = [w for w in bag if len(w) > 2 and w not in STOP and w != last]
        kept.sort(key=lambda w: (-bag[w] * math.log((1 + len(words)) / spread[w]), w))
        wishes = sorted(said, key=lambda w: (-said[w] / (20 + common[w]), w))[:5]
        text.append(" ".join(dict.fromkeys([*kept[:5], *wishes, last])))
    return text


def _prices(category: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Log-normal prices about a class's own level, and their quarter within the class."""
    n = len(category)
    n_classes = int(category.max()) + 1
    centre = 3.7 + 0.4 * torch.randn(n_classes, generator=generator, dtype=torch.float64)
    price = (centre[category] + 0.5 * torch.randn(n, generator=generator).double()).exp()
    band = torch.zeros(n, dtype=torch.long)
    for c in range(n_classes):
        mine = (category == c).nonzero().squeeze(1)
        band[mine[price[mine].argsort()]] = torch.arange(len(mine)) * N_BANDS // max(len(mine), 1)
    return (price * 100).round() / 100, band


def _levels(
    counts: Tensor, n: Tensor, text: list[str], concept: dict, generator: torch.Generator
) -> Tensor:
    """Hidden levels (N, A): the top eighth by evidence and noise has 2, the next fifth 1."""
    base = (counts.sum(0) + 1) / (n.sum() + 1)
    evidence = ((counts + 5 * base) / (n[:, None] + 5) / base).log()
    for i, words in enumerate(text):
        for a in {concept[word] for word in words.split() if word in concept}:
            evidence[i, a] += 0.3
    evidence += 0.8 * torch.randn(counts.shape, generator=generator, dtype=torch.float64)
    rank = evidence.argsort(0, descending=True).argsort(0) / len(counts)
    return (rank < 0.325).long() + (rank < 0.125)
