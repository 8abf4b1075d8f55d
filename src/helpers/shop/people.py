"""Who comes to the shop and what they ask for: users and queries.

Shapes: U users, Q queries, N items, R latent dimensions.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from helpers.shop.catalogue import N_INTENTS, Items, Queries
from helpers.shop.words import CONCEPTS, noun

N_AGES = 6
N_DEVICES = 3
N_CITIES = 20


@dataclass
class Users:
    """U people; ``activity`` sums to 1, and each age has the same share of it."""

    age: Tensor  # (U,) 0 youngest ... 5
    device: Tensor  # (U,)
    city: Tensor  # (U,)
    activity: Tensor  # (U,)
    favourite: Tensor  # (U,) the category that half of a user's sessions are about
    taste: Tensor  # (U, R) hidden


def queries(
    items: Items, uses: dict[tuple[str, str], int], n_queries: int, generator: torch.Generator
) -> Queries:
    """The most likely queries: every class by its name, then a concept's word with a class's.

    Parameters
    ----------
    items : the catalogue. uses : reviews of a class that hold a word, from the catalogue.
    n_queries : Q, at least the number of classes. generator : of intents and reformulations.

    Raises
    ------
    ValueError : more queries than the words allow, or fewer than the classes need.
    """
    made = _askable(items.category_names, uses)
    n_classes = len(items.category_names)
    if not n_classes <= n_queries <= len(made):
        raise ValueError(f"n_queries must be in {n_classes} .. {len(made)}, got {n_queries}")
    made = sorted(sorted(made)[:n_queries], key=lambda q: (q[1], q[2]))
    category = torch.tensor([q[3] for q in made])
    wanted = torch.tensor([q[4] for q in made])
    frequency = 1 / torch.arange(1, n_queries + 1, dtype=torch.float64) ** 0.9
    shuffled = torch.rand(n_queries, generator=generator)
    intent = _intents(frequency, generator)
    alike = 2.0 * (category[:, None] == category) + 1.0 * (wanted[:, None] == wanted)
    alike += 0.5 * shuffled
    alike.fill_diagonal_(-1)
    return Queries(
        text=[q[2] for q in made],
        category=category,
        attribute=wanted,
        intent=intent,
        frequency=frequency / frequency.sum(),
        related=alike.topk(min(6, n_queries - 1), 1).indices,
    )


def _askable(
    names: list[str], uses: dict[tuple[str, str], int]
) -> list[tuple[bool, int, str, int, int]]:
    """All queries that the words allow: whether a wish, -count, text, category, attribute."""
    place = {name: c for c, name in enumerate(names)}
    attribute = {w: a for a, c in enumerate(CONCEPTS, 1) for w in CONCEPTS[c].split()}
    made = []
    for (name, word), count in sorted(uses.items()):
        if name in place and word != noun(name):
            text = f"{word} {noun(name)}".strip()
            made.append((word != "", -count, text, place[name], attribute.get(word, 0)))
    return made


def _intents(frequency: Tensor, generator: torch.Generator) -> Tensor:
    """An intent for each query (Q,), so that each gets as much of the traffic as the others."""
    intent = torch.zeros(len(frequency), dtype=torch.long)
    load = 1e-9 * torch.rand(N_INTENTS, generator=generator, dtype=torch.float64)
    for q in range(len(frequency)):
        intent[q] = load.argmin()
        load[intent[q]] += frequency[q]
    return intent


def users(
    n_users: int, queries: Queries, n_categories: int, n_latent: int, generator: torch.Generator
) -> Users:
    """Draw n_users people.

    Parameters
    ----------
    n_users : U. queries : whose categories they may favour.
    n_categories : C. n_latent : R. generator : draws all of them.
    """
    order = torch.randperm(n_users, generator=generator)
    age = torch.empty(n_users, dtype=torch.long)
    age[order] = torch.arange(n_users) % N_AGES  # equally many of each
    activity = torch.randn(n_users, generator=generator, dtype=torch.float64).exp()
    total = torch.zeros(N_AGES, dtype=torch.float64).index_add_(0, age, activity)
    share = torch.zeros(n_categories, dtype=torch.float64)
    share.index_add_(0, queries.category, queries.frequency)
    cities = 1 / torch.arange(1, N_CITIES + 1, dtype=torch.float64) ** 0.7

    def draw(weights: Tensor) -> Tensor:
        return torch.multinomial(weights, n_users, replacement=True, generator=generator)

    return Users(
        age=age,
        device=draw(torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64)),
        city=draw(cities),
        activity=activity / total[age] / N_AGES,
        favourite=draw(share),
        taste=torch.randn(n_users, n_latent, generator=generator, dtype=torch.float64),
    )
