"""How the shop answers: who asks, what is shown by which policy, and what comes of it.

Shapes: S requests, M candidates, K slots, Q queries, N items.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from helpers.shop.catalogue import Items, Queries
from helpers.shop.clicks import context, seen
from helpers.shop.policy import plackett_luce
from helpers.shop.world import World

Scores = Callable[[Tensor, Tensor, Tensor], Tensor]


def candidates(
    items: Items, queries: Queries, relevance: Tensor, m: int, k: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """What recall finds for each query, and how the production policy scores it, (Q, M) each.

    Both see relevance through noise, lean on popularity, and know nothing of who asks. The scores
    sum what they lean on, so that relevance, popularity and quality confound each other in a log.

    Parameters
    ----------
    items, queries : the catalogue. relevance : (Q, N) grades. m : M, candidates of a query.
    k : K, how many of them must be there on day 0. generator : of the noise.
    """
    grade = relevance.double()
    log = items.popularity.log()
    log = torch.where(items.launch > 0, log.min(), log)  # a new item is not popular yet
    popular = (log - log.mean()) / log.std().clamp_min(1e-9)
    noise = torch.randn(2, *grade.shape, generator=generator, dtype=torch.float64)
    same = (queries.category[:, None] == items.category).double()
    found = 2 * same + grade + 0.5 * popular + noise[0]
    # Enough of them can be shown from day 0 on.
    there = found.masked_fill(items.launch > 0, -torch.inf).topk(k, 1).indices
    found = found.scatter_add(1, there, torch.full(there.shape, 1e3, dtype=torch.float64))
    found = found.topk(m, 1).indices.sort(1).values
    scores = 0.7 * (grade - 1) + 0.3 * popular + 0.3 * items.quality + 0.6 * noise[1]
    return found, scores.gather(1, found)


def traffic(
    shop: World, n: int, first_day: int, days: int, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """User, first query and day of n sessions, (n,) int64 each.

    Half of a user's sessions draw from all queries by their frequency, half from those of the
    favourite category. Favourites are drawn by the categories' frequency, so that each query keeps
    its frequency but for the chance of who the users are.

    Parameters
    ----------
    shop : the world. n : sessions. first_day, days : the days are uniform on first_day ...
    first_day + days - 1. generator : draws users, queries and days.
    """
    users = shop.users
    queries = shop.queries
    device = users.age.device

    def draw(
        cumulated: Tensor, offset: Tensor | float = 0.0, width: Tensor | float = 1.0
    ) -> Tensor:
        u = torch.rand(n, generator=generator, dtype=torch.float64, device=device)
        found = torch.searchsorted(cumulated, offset + width * u, right=True)
        return found.clamp_max(len(cumulated) - 1)

    user = draw(users.activity.cumsum(0))
    anything = draw(queries.frequency.cumsum(0))
    order = queries.category.argsort(stable=True)
    mass = queries.frequency[order].cumsum(0)
    n_categories = len(shop.items.category_names)
    share = torch.zeros(n_categories, dtype=torch.float64, device=device)
    share.index_add_(0, queries.category, queries.frequency)
    liked = users.favourite[user]
    within = order[draw(mass, (share.cumsum(0) - share)[liked], share[liked])]
    coin = torch.rand(n, generator=generator, dtype=torch.float64, device=device) < 0.5
    day = torch.randint(first_day, first_day + days, (n,), generator=generator, device=device)
    return user, torch.where(coin, anything, within), day


def scores_of(shop: World, policy: str | Scores) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """A function of user, query, day (S,) each that scores the candidates (S, M).

    shop : the world. policy : "production", "uniform", or a function of user (S,), query (S,) and
    items (S, M) that gives scores (S, M); a float64 score of +-inf is refused.
    """
    if policy not in ("production", "uniform") and not callable(policy):
        raise ValueError(f"policy must be 'production', 'uniform' or callable, got {policy!r}")

    def scores(user: Tensor, query: Tensor, day: Tensor) -> Tensor:
        items = shop.candidates[query]
        if policy == "production":
            found = shop.production[query]
        elif policy == "uniform":
            found = torch.zeros(items.shape, dtype=torch.float64, device=items.device)
        else:
            found = policy(user, query, items)
            wanted = f"policy must give scores {tuple(items.shape)}"
            if not isinstance(found, Tensor):
                raise ValueError(f"{wanted}, got {type(found).__name__}")
            if found.shape != items.shape:
                raise ValueError(f"{wanted}, got {tuple(found.shape)}")
            if not found.isfinite().all():
                raise ValueError("policy must give finite scores, got NaN or infinity")
        return found.double().masked_fill(shop.items.launch[items] > day[:, None], -torch.inf)

    return scores


def serve(
    shop: World, policy: str | Scores, generator: torch.Generator
) -> Callable[[Tensor, Tensor, Tensor], dict[str, Tensor]]:
    """A function of user, query, day (S,) each: the lists shown and what comes of them, (S, K).

    shop : the world. policy : as in :func:`scores_of`. generator : of lists and reactions.
    """
    scores = scores_of(shop, policy)

    def run(user: Tensor, query: Tensor, day: Tensor) -> dict[str, Tensor]:
        score = scores(user, query, day)
        choice, propensity = plackett_luce(score, shop.n_positions, generator=generator)
        item = shop.candidates[query].gather(1, choice)
        p = shop.p_list(user, query, item, day)
        buys = shop.p_purchase(query[:, None], item)
        draw = torch.rand(3, *p.shape, generator=generator, dtype=torch.float64, device=p.device)
        click = draw[0] < p
        purchase = click & (draw[1] < buys)
        wait = -(1 + shop.items.price_band[item]) * (1 - draw[2]).log()
        return {
            "item": item.int(),
            "propensity": propensity.float(),
            "click": click.float(),
            "purchase": purchase.float(),
            "delay": wait.float().masked_fill(~purchase, torch.inf),
        }

    return run


def intercept(shop: World, rate: float, generator: torch.Generator) -> float:
    """The logit to add so that the production policy's mean click probability is `rate`.

    By bisection on 4,000 requests of day 0. shop : the world, its intercept still 0. rate : in
    (0, 1). generator : of the requests.
    """
    user, query, day = traffic(shop, 4_000, 0, 1, generator)
    scores = scores_of(shop, "production")(user, query, day)
    choice, _ = plackett_luce(scores, shop.n_positions, generator=generator)
    lists = shop.candidates[query].gather(1, choice)
    logit = shop.logit(user[:, None], query[:, None], lists, day[:, None])
    slot = torch.arange(shop.n_positions).expand_as(lists)
    if shop.options["context"]:
        above = lists.unsqueeze(1).expand(-1, shop.n_positions, -1)
        above = above.masked_fill(slot.unsqueeze(1) >= slot.unsqueeze(2), -1)
        logit = logit + context(shop, lists, slot, above)
    low = -20.0
    high = 10.0
    for _ in range(50):
        middle = (low + high) / 2
        below = seen(shop, logit + middle, slot).mean() < rate
        low, high = (middle, high) if below else (low, middle)
    return middle
