"""A log of the shop: one row for each item shown, and the sessions that it comes from.

Shapes: B = n_requests * K impressions, K slots, S sessions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from helpers.shop.words import mistype

Serve = Callable[[Tensor, Tensor, Tensor], dict[str, Tensor]]
MAX_STEPS = 4  # requests in a session


@dataclass(frozen=True)
class Log:
    """Columns (B,): a request's K rows stand together, its top slot first.

    int32: request, session, day, user, query, item, position (0-based), typo (see
    `words.mistype`). float32: propensity, click and purchase (0 or 1), delay (days from the
    click until the purchase is reported; inf where there is none). ``texts`` are the queries'.
    """

    request: Tensor
    session: Tensor
    day: Tensor
    user: Tensor
    query: Tensor
    item: Tensor
    position: Tensor
    propensity: Tensor
    click: Tensor
    purchase: Tensor
    delay: Tensor
    typo: Tensor
    texts: list[str]

    def __len__(self) -> int:
        return len(self.item)

    def columns(self) -> dict[str, Tensor]:
        """Name and tensor (B,) of every column."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "texts"}

    def rows(self, which: Tensor) -> Log:
        """Some of the rows: which is a mask (B,) or indices."""
        return replace(self, **{name: column[which] for name, column in self.columns().items()})

    def to(self, device: torch.device | str) -> Log:
        """The same log with its columns (B,) on a device."""
        return replace(self, **{name: c.to(device) for name, c in self.columns().items()})

    @property
    def n_bytes(self) -> int:
        """Memory of the columns."""
        return sum(c.numel() * c.element_size() for c in self.columns().values())

    @property
    def typed(self) -> list[str]:
        """What was typed, one string for each request that has its top row here."""
        top = self.position == 0
        queries = self.query[top].tolist()
        typos = self.typo[top].tolist()
        return [mistype(self.texts[q], t) for q, t in zip(queries, typos, strict=True)]

    def observed(self, day: float) -> Log:
        """What is known at the end of a day: its rows, without the purchases reported later."""
        seen = self.rows(self.day <= day)
        known = seen.day + seen.delay <= day
        delay = torch.where(known, seen.delay, torch.inf)
        return replace(seen, purchase=seen.purchase * known, delay=delay)


def record(
    opening: Callable[[int], tuple[Tensor, Tensor, Tensor]],
    serve: Serve,
    related: Tensor,
    n_requests: int,
    *,
    reformulate: float,
    typo: float,
    texts: list[str],
    generator: torch.Generator,
) -> Log:
    """Run sessions until there are n_requests requests.

    Parameters
    ----------
    opening : gives user, query and day, (S,) each, of S new sessions.
    serve : shows lists to user, query, day, (S,) each; gives columns (S, K).
    related : (Q, R) what a query may be changed to. n_requests : whole number, at least 1.
    reformulate : chance of another query after no click. typo : chance of a typing error.
    texts : Q strings. generator : of reformulations and typing errors.
    """
    blocks = []
    n = 0
    n_sessions = 0
    while n < n_requests:
        n_new = min(1 << 15, (n_requests - n) * 2 // 3 + 1)
        block = _sessions(opening(n_new), serve, related, reformulate, typo, generator)
        block["session"] += n_sessions
        blocks.append(block)
        n += len(block["session"])
        n_sessions += n_new
    columns = {name: torch.cat([b[name] for b in blocks])[:n_requests] for name in blocks[0]}
    order = columns["day"].argsort(stable=True)
    return _wide({name: column[order] for name, column in columns.items()}, texts)


def _wide(columns: dict[str, Tensor], texts: list[str]) -> Log:
    """The log of requests in the order of time: columns (B / K,) or (B / K, K) become (B,)."""
    # Sessions are numbered in the order of time.
    fresh = columns["session"].diff(prepend=columns["session"].new_tensor([-1])) != 0
    columns["session"] = fresh.cumsum(0).int() - 1
    n_requests, k = columns["item"].shape
    device = columns["item"].device
    columns["request"] = torch.arange(n_requests, dtype=torch.int32, device=device)
    columns["position"] = torch.arange(k, dtype=torch.int32, device=device).expand(n_requests, k)
    wide = {
        name: (c if c.ndim == 2 else c[:, None].expand(-1, k)).reshape(-1)
        for name, c in columns.items()
    }
    return Log(**wide, texts=texts)


def _sessions(
    start: tuple[Tensor, Tensor, Tensor],
    serve: Serve,
    related: Tensor,
    reformulate: float,
    typo: float,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """All requests of new sessions, in the order of session and step."""
    user, query, day = start
    session = torch.arange(len(user), device=user.device)
    rounds = []

    def uniform(n: int) -> Tensor:
        return torch.rand(n, generator=generator, dtype=torch.float64, device=user.device)

    for _ in range(MAX_STEPS):
        shown = serve(user, query, day)
        n = len(user)
        error = torch.randint(1 << 16, (n,), generator=generator, device=user.device)
        error = (error // 3 * 4 + 1 + error % 3) * (uniform(n) < typo)
        ids = {"session": session, "day": day, "user": user, "query": query, "typo": error}
        rounds.append({k: v.int() for k, v in ids.items()} | shown)
        again = (shown["click"].sum(1) == 0) & (uniform(n) < reformulate)
        pick = (uniform(n) * related.shape[1]).long()
        query = related[query, pick]
        user, query, day, session = (x[again] for x in (user, query, day, session))
        if len(user) == 0:
            break
    columns = {name: torch.cat([r[name] for r in rounds]) for name in rounds[0]}
    order = columns["session"].argsort(stable=True)
    return {name: column[order] for name, column in columns.items()}
