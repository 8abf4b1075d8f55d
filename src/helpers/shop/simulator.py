"""A small shop with a search box, simulated on a real catalogue, whose truth is known exactly.

Real: the items' words, classes and numbers of reviews. Simulated: all else, so label every result.
Shapes: B rows, K slots, F fields, N items, Q queries, U users, M candidates; *B is any shape, and
the ids given (user, query, item, day) may have shapes that broadcast to it.

Parts: `words`, `catalogue`, `people`; what decides a click, `truth` and
`clicks`; `policy`, `serve` and `log`; the truth told, `oracle` and
`score`.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from helpers.shop import catalogue, checks, oracle, people, serve, truth, words
from helpers.shop import log as shop_log

FIELDS = ("user", "age", "device", "city", "query", "query_category", "attribute", "intent")
FIELDS += ("item", "category", "brand", "price_band", "match")
SEEDS = 0x53484F50
OPTIONS = {"n_users": 5_000, "n_queries": 400, "n_brands": 40, "n_candidates": 40}
OPTIONS |= {"n_positions": 10, "pairwise": 1.0, "triple": 1.0, "drift": 1.0, "context": 0.0}
OPTIONS |= {"trust": 0.0, "rate": 0.035, "cold": 0.05, "reformulate": 0.4, "typo": 0.08}


class Shop(oracle.Oracles):
    """The world: catalogue, people, truth, logs and oracles.

    Parameters
    ----------
    reviews : a table such as ``data.reviews()`` gives; see `catalogue.Reviews`.
    seed : decides everything but the logs, which have generators of their own.
    options : by name, with the defaults in `OPTIONS`.
        n_users, n_queries, n_brands, n_candidates, n_positions : U, Q, brands, M, K.
        pairwise, triple, drift : factors on the planted pieces of the logit.
        context : logits by which the items above act; see `clicks.in_context`.
        trust : chance to click an unattractive item that was seen in the top slot.
        rate : mean click probability of the production policy on day 0.
        cold : share of items that appear after day 0. typo : chance of an error in a query.
        reformulate : chance of another query after a request without a click.

    Raises
    ------
    ValueError : unknown options or options out of range; reviews with unequal columns.
    """

    def __init__(self, reviews: catalogue.Reviews, *, seed: int = 0, **options: float) -> None:
        unknown = set(options) - set(OPTIONS)
        if unknown:
            raise ValueError(f"expected options among {sorted(OPTIONS)}, got {sorted(unknown)}")
        self.options = o = OPTIONS | options
        checks.whole("seed", seed, 0)
        checks.options(**o)

        def fresh(stage: int) -> torch.Generator:
            # Away from the small seeds that people give their logs; only 32 bits count.
            return torch.Generator().manual_seed((SEEDS + 1_000 * seed + stage) % (1 << 32))

        self.items, uses = catalogue.items(
            reviews, n_brands=o["n_brands"], cold=o["cold"], generator=fresh(1)
        )
        self.queries = people.queries(self.items, uses, o["n_queries"], fresh(2))
        n_categories = len(self.items.category_names)
        n = len(self.items.text)
        self.users = people.users(o["n_users"], self.queries, n_categories, 3, fresh(3))
        plant = {name: o[name] for name in ("n_brands", "pairwise", "triple", "drift")}
        self.truth = truth.plant(self.items, self.users, self.queries, **plant, generator=fresh(4))
        k = self.n_positions
        if o["n_candidates"] > n:
            raise ValueError(f"n_candidates must be at most the {n} items, got {o['n_candidates']}")
        self.candidates, self.production = serve.candidates(
            self.items, self.queries, self.truth.relevance, o["n_candidates"], k, fresh(5)
        )  # (Q, M) items that recall finds, and the production policy's scores of them
        slot = torch.arange(1, k + 1, dtype=torch.float64)
        self.examination = slot**-0.6  # (K,) P(examined at position)
        self.trust = o["trust"] / slot  # (K,) P(click | examined, not attractive)
        self.match = words.match(self.items.text, self.queries.text)  # (Q, N) words in common
        values = (len(self.users.age), people.N_AGES, people.N_DEVICES)
        values += (people.N_CITIES, o["n_queries"], n_categories, self.items.level.shape[1])
        values += (catalogue.N_INTENTS, n, n_categories, o["n_brands"])
        values += (catalogue.N_BANDS, words.N_MATCHES)
        self.fields = FIELDS
        self.sizes = torch.tensor(values)  # (F,) values of each field
        self.truth.intercept = serve.intercept(self, o["rate"], fresh(6))

    @property
    def n_positions(self) -> int:
        """K, the length of a list."""
        return self.options["n_positions"]

    def to(self, device: torch.device | str) -> Shop:
        """The same shop with all its tensors on a device."""
        other = copy.copy(self)
        for name, part in vars(self).items():
            setattr(other, name, checks.moved(part, device))
        return other

    def ids(self, user: Tensor, query: Tensor, item: Tensor) -> Tensor:
        """The fields of impressions, int64 (*B, F), in the order of ``fields``, each from 0.

        user, query, item : (*B).
        """
        user, query, item = self.checked(user=user, query=query, item=item)
        who = self.users
        what = self.queries
        which = self.items
        columns = [user, who.age[user], who.device[user], who.city[user]]
        columns += [query, what.category[query], what.attribute[query], what.intent[query]]
        columns += [item, which.category[item], which.brand[item], which.price_band[item]]
        return torch.stack([*columns, self.match[query, item].long()], -1)

    def log(
        self,
        n_requests: int,
        *,
        generator: torch.Generator | None = None,
        days: int = 7,
        first_day: int = 0,
        policy: str | serve.Scores = "production",
    ) -> shop_log.Log:
        """n_requests lists that people were shown, and what they did, B = n_requests * K rows.

        Parameters
        ----------
        n_requests : at least 1. generator : of everything that happens; default one of seed 0.
        days, first_day : the days are uniform on first_day ... first_day + days - 1.
        policy : "production", "uniform", or scores; see `serve.scores_of`.
        """
        for name, n, least in (("n_requests", n_requests, 1), ("days", days, 1)):
            checks.whole(name, n, least)
        checks.whole("first_day", first_day, 0)
        generator = generator or torch.Generator(self.examination.device).manual_seed(0)
        return shop_log.record(
            lambda n: serve.traffic(self, n, first_day, days, generator),
            serve.serve(self, policy, generator),
            self.queries.related,
            n_requests,
            reformulate=self.options["reformulate"],
            typo=self.options["typo"],
            texts=self.queries.text,
            generator=generator,
        )
