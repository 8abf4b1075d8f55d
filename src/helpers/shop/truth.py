"""What decides a click in the shop: the planted effects, exactly. Nobody in the shop knows it.

attraction logit = first order + pairwise + third order + relevance + taste + drift, each a table of
the ids in `Shop.ids`. Shapes: U users, Q queries, N items, *B any shapes that broadcast.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from helpers.shop.catalogue import N_BANDS, N_INTENTS, Items, Queries
from helpers.shop.people import N_AGES, N_CITIES, N_DEVICES, Users

PAIRS = {  # strength: standard deviation of the logit over the pair's values
    ("age", "brand"): 0.5,
    ("city", "brand"): 0.5,
    ("age", "category"): 0.5,
    ("city", "category"): 0.35,
    ("device", "price_band"): 0.4,
    ("attribute", "brand"): 0.4,
}
SPREAD = {"age": 0.2, "device": 0.2, "city": 0.2, "brand": 0.3, "category": 0.3}
SPREAD |= {"price_band": 0.2, "attribute": 0.2, "user": 0.3, "query": 0.25}  # first order, logits
TRIPLE = ("age", "intent", "price_band")
GRADES = (-1.6, -0.5, 0.3, 0.9)  # what a relevance of 0, 1, 2, 3 adds to the logit
RANK = 3
PERIOD = 14.0  # days of a season


@dataclass
class Truth:
    """The planted tables, float64: `first` by field, `pairs` by two fields, `triple` by three."""

    intercept: float
    first: dict[str, Tensor]
    pairs: dict[tuple[str, str], Tensor]
    triple: Tensor  # (6, 4, 4): +-strength, every sum along an axis is 0
    relevance: Tensor  # (Q, N) uint8, 0 to 3
    style: Tensor  # (N, R) what a user's taste is matched with
    season: Tensor  # (C,) phase of a category's season, radians
    trend: Tensor  # (n_brands,) logits a day
    swing: float  # logits, the height of a season


def _normal(*shape: int, generator: torch.Generator) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def _signs(n: int, generator: torch.Generator) -> Tensor:
    """As many +1 as -1 in random order, (n,), n even."""
    return (torch.randperm(n, generator=generator) % 2 * 2 - 1).double()


def plant(
    items: Items,
    users: Users,
    queries: Queries,
    *,
    n_brands: int,
    pairwise: float,
    triple: float,
    drift: float,
    generator: torch.Generator,
) -> Truth:
    """Draw all effects; the draws are the same whatever the factors.

    Parameters
    ----------
    items, users, queries : what the effects are of. n_brands : brands there are.
    pairwise, triple, drift : factors on the planted pieces. generator : draws all tables.
    """
    sizes = {"age": N_AGES, "device": N_DEVICES, "city": N_CITIES, "brand": n_brands}
    sizes |= {"category": len(items.category_names), "price_band": N_BANDS}
    sizes |= {"attribute": items.level.shape[1]}
    sizes |= {"user": len(users.age), "query": len(queries.text)}
    first = {f: SPREAD[f] * _normal(sizes[f], generator=generator) for f in sizes}
    first["item"] = 0.5 * items.quality
    pairs = _pairs(sizes, pairwise, generator)
    signs = [_signs(k, generator) for k in (N_AGES, N_INTENTS, N_BANDS)]
    return Truth(
        intercept=0.0,
        first=first,
        pairs=pairs,
        triple=1.2 * triple * torch.einsum("a,i,p->aip", *signs),
        relevance=_relevance(items, queries),
        style=_normal(len(items.text), users.taste.shape[1], generator=generator),
        season=2
        * math.pi
        * torch.rand(sizes["category"], generator=generator, dtype=torch.float64),
        trend=drift * 0.03 * _normal(n_brands, generator=generator),
        swing=0.25 * drift,
    )


def _pairs(
    sizes: dict[str, int], factor: float, generator: torch.Generator
) -> dict[tuple[str, str], Tensor]:
    """The tables of `PAIRS`, (values of one field, of the other) each, times a factor."""
    pairs = {}
    for (f, g), strength in PAIRS.items():
        left, right = (_normal(sizes[k], RANK, generator=generator) for k in (f, g))
        table = (left - left.mean(0)) @ (right - right.mean(0)).T  # no first-order part is left
        pairs[f, g] = factor * strength * table / table.std().clamp_min(1e-9)
    return pairs


def _relevance(items: Items, queries: Queries) -> Tensor:
    """Grades (Q, N): 1 + level in the query's class, at most 1 in its department, else 0."""
    department = torch.zeros(len(items.category_names), dtype=torch.long)
    department[items.category] = items.department
    level = items.level.T[queries.attribute]  # (Q, N)
    same = queries.category[:, None] == items.category
    near = department[queries.category][:, None] == items.department
    return torch.where(same, 1 + level, (near & (level > 0)).long()).to(torch.uint8)


def parts(
    truth: Truth,
    users: Users,
    queries: Queries,
    items: Items,
    user: Tensor,
    query: Tensor,
    item: Tensor,
    day: Tensor,
    wanted: Iterable[str] = ("first", "pairwise", "triple", "relevance", "taste", "drift"),
) -> dict[str, Tensor]:
    """The logit's summands, each float64 (*B).

    Parameters
    ----------
    truth, users, queries, items : the shop's. user, query, item, day : whole numbers (*B), of one
    shape. wanted : the summands to compute.
    """
    of = {"age": users.age[user], "device": users.device[user], "city": users.city[user]}
    of |= {"attribute": queries.attribute[query], "intent": queries.intent[query]}
    of |= {k: getattr(items, k)[item] for k in ("brand", "category", "price_band")}
    of |= {"user": user, "query": query, "item": item}
    found = {}
    for name in wanted:
        if name == "first":
            found[name] = truth.intercept + sum(v[of[f]] for f, v in truth.first.items())
        elif name == "pairwise":
            found[name] = sum(t[of[f], of[g]] for (f, g), t in truth.pairs.items())
        elif name == "triple":
            found[name] = truth.triple[tuple(of[f] for f in TRIPLE)]
        elif name == "relevance":
            effect = torch.tensor(GRADES, dtype=torch.float64, device=item.device)
            found[name] = effect[truth.relevance[query, item].long()]
        elif name == "taste":
            scale = 0.35 / math.sqrt(users.taste.shape[1])
            found[name] = scale * (users.taste[user] * truth.style[item]).sum(-1)
        else:
            found[name] = _drift(truth, of["category"], of["brand"], day)
    return found


def _drift(truth: Truth, category: Tensor, brand: Tensor, day: Tensor) -> Tensor:
    """Seasons of categories and trends of brands, (*B); 0 on day 0."""
    phase, day = truth.season[category], day.double()
    season = (2 * math.pi * day / PERIOD + phase).sin() - phase.sin()
    return truth.trend[brand] * day + truth.swing * season
