"""What the parts of the shop know of each other. Shapes: Q queries, N items, M found, K slots."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from helpers.shop.catalogue import Items, Queries
from helpers.shop.people import Users
from helpers.shop.truth import Truth


class World(Protocol):
    """A `shop.Shop`, as seen by its parts; the methods are those of `oracle.Oracles`."""

    items: Items
    queries: Queries
    users: Users
    truth: Truth
    options: dict[str, float]
    candidates: Tensor  # (Q, M)
    production: Tensor  # (Q, M)
    examination: Tensor  # (K,)
    trust: Tensor  # (K,)
    match: Tensor  # (Q, N)
    n_positions: int

    def logit(self, user: Tensor, query: Tensor, item: Tensor, day: Tensor) -> Tensor:
        """Attraction's log odds, (*B); user, query, item, day : (*B)."""

    def p_list(self, user: Tensor, query: Tensor, lists: Tensor, day: Tensor) -> Tensor:
        """Click probabilities, (B, L); user, query, day : (B,). lists : (B, L)."""

    def p_purchase(self, query: Tensor, item: Tensor) -> Tensor:
        """P(purchase | click), (*B); query, item : (*B)."""
