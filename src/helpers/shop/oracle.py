"""What only a simulator knows: true probabilities, the worth of lists and policies, Bayes scores.

Shapes: *B any shape, to which the ids given broadcast (user, query, item, position from 0, day);
L slots of a list, K at most.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from helpers.shop import checks, serve, truth
from helpers.shop import clicks as shop_clicks
from helpers.shop import score as shop_score
from helpers.shop.log import Log
from helpers.shop.policy import plackett_luce


@dataclass(frozen=True)
class Value:
    """Expected clicks, purchases and revenue (euros) of each list, (B,) float64."""

    clicks: Tensor
    purchases: Tensor
    revenue: Tensor


class Oracles:
    """The part of a shop that tells the truth; `shop.Shop` has the tables that this reads."""

    def checked(self, **ids: Tensor | int) -> list[Tensor]:
        """The given ids as int64 (*B) of one shape; ids : by name; ValueError if out of range."""
        limits = {"user": len(self.users.age), "query": len(self.queries.text)}
        limits |= {"item": len(self.items.text), "position": self.n_positions, "day": 10_000}
        return checks.ids(limits, **ids)

    def parts(
        self, user: Tensor, query: Tensor, item: Tensor, day: Tensor | int = 0
    ) -> dict[str, Tensor]:
        """The attraction logit's summands by name, float64 (*B) each; see `truth.parts`."""
        ids = self.checked(user=user, query=query, item=item, day=day)
        return truth.parts(self.truth, self.users, self.queries, self.items, *ids)

    def logit(self, user: Tensor, query: Tensor, item: Tensor, day: Tensor | int = 0) -> Tensor:
        """Log odds of a click on an item that is examined, without context, float64 (*B)."""
        return sum(self.parts(user, query, item, day).values())

    def attraction(
        self, user: Tensor, query: Tensor, item: Tensor, day: Tensor | int = 0
    ) -> Tensor:
        """P(click | examined) without context or trust, float64 (*B)."""
        return self.logit(user, query, item, day).sigmoid()

    def relevance(self, query: Tensor, item: Tensor) -> Tensor:
        """How well the item answers the query, whoever asks: int64 (*B), 0 to 3."""
        query, item = self.checked(query=query, item=item)
        return self.truth.relevance[query, item].long()

    def p_click(
        self,
        user: Tensor,
        query: Tensor,
        item: Tensor,
        position: Tensor,
        day: Tensor | int = 0,
        above: Tensor | None = None,
    ) -> Tensor:
        """Probability of a click, float64 (*B).

        user, query, item, position, day : ids (*B), position from 0. above : (*B, L) the items in
        the slots above, -1 for none; needed where the shop has a context effect.
        """
        named = {"user": user, "query": query, "item": item, "position": position, "day": day}
        user, query, item, position, day = self.checked(**named)
        logit = self.logit(user, query, item, day)
        if self.options["context"]:
            logit = logit + shop_clicks.context(self, item, position, above)
        return shop_clicks.seen(self, logit, position)

    def p_purchase(self, query: Tensor, item: Tensor) -> Tensor:
        """P(purchase | click), float64 (*B): relevance and quality help, a high price hurts."""
        query, item = self.checked(query=query, item=item)
        quality = self.items.quality[item]
        band = self.items.price_band[item]
        grade = self.truth.relevance[query, item]
        return (-2.6 + 0.4 * grade + 0.5 * quality - 0.2 * band).sigmoid()

    def p_list(self, user: Tensor, query: Tensor, lists: Tensor, day: Tensor | int = 0) -> Tensor:
        """Click probabilities of whole lists, each slot in the context of those above it.

        lists : items (B, L), top slot first. user, query, day : (B,). Gives float64 (B, L).
        """
        user, query, day = (torch.as_tensor(x, device=lists.device) for x in (user, query, day))
        user, query, day = (x[:, None] if x.ndim else x for x in (user, query, day))
        slot = torch.arange(lists.shape[1], device=lists.device)
        if not self.options["context"]:
            return self.p_click(user, query, lists, slot, day)
        above = lists.unsqueeze(1).expand(-1, len(slot), -1)
        above = above.masked_fill(slot >= slot[:, None], -1)  # (B, L, L)
        return self.p_click(user, query, lists, slot, day, above)

    def value(self, lists: Tensor, user: Tensor, query: Tensor, day: Tensor | int = 0) -> Value:
        """What showing each list is worth in expectation, exactly, context included.

        lists : distinct items (B, L), L at most K, top slot first. user, query, day : (B,).
        """
        shape = tuple(lists.shape)
        if lists.ndim != 2:
            raise ValueError(f"lists must be (B, L), got {shape}")
        if not 1 <= lists.shape[1] <= self.n_positions:
            raise ValueError(f"lists must have 1 <= L <= {self.n_positions} slots, got {shape}")
        if (lists.sort(1).values.diff(dim=1) == 0).any():
            raise ValueError("lists must hold an item at most once, got one twice")
        p = self.p_list(user, query, lists, day)
        buys = p * self.p_purchase(torch.as_tensor(query).reshape(-1, 1), lists)
        return Value(p.sum(1), buys.sum(1), (buys * self.items.price[lists]).sum(1))

    def best(
        self, user: Tensor, query: Tensor, day: Tensor | int = 0, k: int | None = None
    ) -> Tensor:
        """The k candidates of highest attraction in order, (B, k): the list of most clicks.

        It is best because examination falls with position; not so in a shop with context effects.

        user, query, day : (B,). k : slots, by default K.
        """
        user, query, day = self.checked(user=user, query=query, day=day)
        items = self.candidates[query]
        score = self.logit(user[:, None], query[:, None], items, day[:, None])
        score = score.masked_fill(self.items.launch[items] > day[:, None], -torch.inf)
        return items.gather(1, score.topk(k or self.n_positions, 1).indices)

    def policy_value(
        self,
        policy: str | serve.Scores,
        n_requests: int = 10_000,
        *,
        generator: torch.Generator,
        day: int = 0,
    ) -> dict[str, tuple[float, float]]:
        """Mean value of a policy on first requests, and the standard error of that mean.

        Requests and lists are drawn, clicks are integrated out. Gives "clicks", "purchases" and
        "revenue", each per request (scalar) with its standard error.

        policy : as in ``log``. n_requests : how many to draw. generator : of them. day : which.
        """
        checks.whole("n_requests", n_requests, 2)
        user, query, days = serve.traffic(self, n_requests, day, 1, generator)
        scores = serve.scores_of(self, policy)(user, query, days)
        choice, _ = plackett_luce(scores, self.n_positions, generator=generator)
        value = self.value(self.candidates[query].gather(1, choice), user, query, days)
        found = {name: getattr(value, name) for name in ("clicks", "purchases", "revenue")}
        return {n: (v.mean().item(), (v.std() / len(v) ** 0.5).item()) for n, v in found.items()}

    def p_log(self, log: Log) -> Tensor:
        """The true click probability of every row of a log, float64 (B,).

        log : any rows; with a context effect, whole requests only.
        """
        if not self.options["context"]:
            return self.p_click(log.user, log.query, log.item, log.position, log.day)
        k = self.n_positions
        if len(log) % k:
            raise ValueError(f"log must hold whole requests of {k} rows, got {len(log)} rows")
        if not (log.position.view(-1, k) == torch.arange(k).to(log.item)).all():
            raise ValueError(f"log must hold whole requests of {k} rows, top slot first")
        user, query, item, day = (
            getattr(log, n).view(-1, k) for n in "user query item day".split()
        )
        return self.p_list(user[:, 0], query[:, 0], item.long(), day[:, 0]).flatten()

    def bayes(self, log: Log) -> shop_score.Bayes:
        """AUC, log loss and mean of the true click probabilities on a log (B rows)."""
        return shop_score.bayes(self.p_log(log), log.click)
