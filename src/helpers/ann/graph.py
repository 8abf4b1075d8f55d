"""Walks on a graph of neighbours, and the rule that says which neighbours to keep.

N vectors, Q queries, D dimensions; -1 stands for no id. Many walks go in step: each hop of all of
them is one gather, one batch of distances and one selection, whatever the number of queries.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from helpers.ann.distance import BUDGET, distances_to, nearest, rows_of

Links = Callable[[Tensor], Tensor]


def beam(
    queries: Tensor,
    vectors: Tensor,
    links: Links,
    entries: Tensor,
    ef: int,
    *,
    allowed: Tensor | None = None,
    width: int | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Best-first walks that remember the ef nearest seen (Malkov & Yashunin, Algorithm 2).

    A hop opens the nearest vector seen and not yet opened, and looks at all its neighbours. A walk
    ends when that vector is further than the ef-th nearest seen, or there is none. With ef = 1 it
    is a greedy descent.

    Parameters
    ----------
    queries : (Q, D). vectors : (N, D).
    links : neighbours (n, L) of nodes (n,), -1 where there are fewer; no node twice in a row.
    entries : (Q,), where each walk begins.
    ef : how many to remember, at least 1.
    allowed : (N,) bool; walks go through all vectors, but only allowed ones are remembered.
    width : how many seen vectors a walk may still open; ef unless some are not allowed.

    Returns
    -------
    distances, ids : (Q, ef), nearest first, then inf and -1. counts : distances evaluated, (Q,).
    """
    size = max(1, 4 * BUDGET // len(vectors))  # a walk has a mark on every vector
    parts = [
        _beam(q, vectors, links, e, ef, allowed, width or ef)
        for q, e in zip(queries.split(size), entries.split(size), strict=True)
    ]
    distances, ids, counts = (torch.cat(columns) for columns in zip(*parts, strict=True))
    return distances, ids, counts


def _beam(queries, vectors, links, entries, ef, allowed, width):
    n = len(queries)
    device = queries.device
    seen = torch.zeros(n * len(vectors), dtype=torch.bool, device=device)
    counts = torch.ones(n, dtype=torch.long, device=device)
    rows = torch.arange(n, device=device)
    seen[rows * len(vectors) + entries] = True
    pool, code = _first_pool(queries, vectors, entries, width)
    kept, kept_ids = _first_kept(pool[:, :1], entries, allowed, ef)
    out = queries.new_full((n, ef), math.inf), torch.full((n, ef), -1, device=device)
    while len(rows):
        best, at = pool.masked_fill(code % 2 == 1, math.inf).min(1)
        go = best < math.inf
        if kept is not None:
            go &= best <= kept.amax(1)
        if go.float().mean() < 0.8:  # carry on with the walks that are not over
            here = (pool, code >> 1) if kept is None else (kept, kept_ids)
            _write(out, here, rows, ~go)
            pool = pool[go]
            code = code[go]
            rows = rows[go]
            at = at[go]
            if kept is not None:
                kept = kept[go]
                kept_ids = kept_ids[go]
            go = go[go]
            if not len(rows):
                break
        node = code.gather(1, at[:, None])[:, 0] >> 1
        code.scatter_(1, at[:, None], (2 * node + 1)[:, None])
        near = links(node.clamp(min=0))
        fresh, at = _unseen(seen, rows * len(vectors), near, go)
        counts[rows] += fresh.sum(1)
        new = _apart(queries, vectors, rows, near, at)
        pool, at = torch.cat([pool, new], 1).topk(width, 1, largest=False, sorted=False)
        code = torch.cat([code, 2 * near], 1).gather(1, at)
        if kept is not None:
            kept, kept_ids = _remember(kept, kept_ids, new, near, allowed)
    return *nearest(*out, ef), counts


def _first_pool(
    queries: Tensor, vectors: Tensor, entries: Tensor, width: int
) -> tuple[Tensor, Tensor]:
    """The pool (n, width) with entries (n,) alone: distances, and codes.

    A code is an id doubled, plus one where it was opened; -1 is opened, so never a choice.
    """
    pool = queries.new_full((len(queries), width), math.inf)
    code = torch.full((len(queries), width), -1, device=queries.device)
    pool[:, 0] = (queries - vectors[entries]).square().sum(1)
    code[:, 0] = 2 * entries
    return pool, code


def _unseen(seen: Tensor, begin: Tensor, near: Tensor, go: Tensor) -> tuple[Tensor, Tensor]:
    """Which of ``near`` (n, L) walks that go on see first, and their places in its flattened form.

    They are marked in ``seen``, where the marks of a walk start at ``begin`` (n,).
    """
    place = (begin[:, None] + near.clamp(min=0)).flatten()
    fresh = (near >= 0) & go[:, None] & ~seen.index_select(0, place).view(near.shape)
    at = fresh.flatten().nonzero()[:, 0]
    seen.index_fill_(0, place.index_select(0, at), True)
    return fresh, at


def _remember(
    kept: Tensor, kept_ids: Tensor, new: Tensor, near: Tensor, allowed: Tensor
) -> tuple[Tensor, Tensor]:
    """The nearest of those remembered (n, ef) and the allowed ones of ``near`` (n, L)."""
    new = new.masked_fill(~allowed[near.clamp(min=0)], math.inf)
    kept, at = torch.cat([kept, new], 1).topk(kept.shape[1], 1, largest=False, sorted=False)
    return kept, torch.cat([kept_ids, near], 1).gather(1, at)


def _first_kept(
    apart: Tensor, entries: Tensor, allowed: Tensor | None, ef: int
) -> tuple[Tensor | None, Tensor | None]:
    """What walks remember at first, (n, ef): entries (n,), at ``apart`` (n, 1), if allowed.

    None and None if all are allowed: then the pool remembers.
    """
    if allowed is None:
        return None, None
    first = allowed[entries][:, None]
    kept = torch.full_like(apart, math.inf).expand(-1, ef).clone()
    kept_ids = torch.full((len(entries), ef), -1, device=entries.device)
    kept[:, :1] = apart.masked_fill(~first, math.inf)
    kept_ids[:, :1] = entries[:, None].masked_fill(~first, -1)
    return kept, kept_ids


def _write(
    out: tuple[Tensor, Tensor], here: tuple[Tensor, Tensor], rows: Tensor, over: Tensor
) -> None:
    """Write what walks that are over (n,) remember into their rows (n,) of ``out``."""
    for whole, part in zip(out, here, strict=True):
        whole[rows[over]] = part[over]


def _apart(queries: Tensor, vectors: Tensor, rows: Tensor, near: Tensor, at: Tensor) -> Tensor:
    """Squared distances (n, L) of queries ``rows`` (n,) to ``near`` (n, L); inf but at ``at``.

    at : places in the flattened ``near``.
    """
    new = queries.new_full(near.shape, math.inf)
    apart = vectors.index_select(0, near.flatten().index_select(0, at))
    apart -= queries.index_select(0, rows.index_select(0, at // near.shape[1]))
    new.view(-1).index_copy_(0, at, apart.square_().sum(1))
    return new


def select(
    base: Tensor, vectors: Tensor, candidates: Tensor, m: int, *, heuristic: bool = True
) -> Tensor:
    """Neighbours of base vectors (B, D): up to m of each one's candidates, ids (B, m).

    With the heuristic (Algorithm 4) candidates are taken from the nearest on, and one is kept if it
    is nearer to the base than to all kept before: links in different directions, not m times the
    same. Without it the m nearest are kept.

    vectors : (N, D). candidates : ids (B, C), -1 for none, any order, none twice. m : at least 1.
    """
    size = max(1, BUDGET // (candidates.shape[1] * (vectors.shape[1] + candidates.shape[1])))
    parts = [
        _select(b, vectors, c, m, heuristic)
        for b, c in zip(base.split(size), candidates.split(size), strict=True)
    ]
    return torch.cat(parts)


def _select(base, vectors, candidates, m, heuristic):
    n_candidates = candidates.shape[1]
    far, ids = nearest(distances_to(base, vectors, candidates), candidates, n_candidates)
    if not heuristic or n_candidates == 1:
        return torch.nn.functional.pad(ids, (0, max(0, m - n_candidates)), value=-1)[:, :m]
    x = rows_of(vectors, ids) - base[:, None]
    # |a - b|^2 of all pairs of candidates, by the same identity as everywhere.
    apart = far[:, :, None].nan_to_num(posinf=0) + far[:, None, :].nan_to_num(posinf=0)
    apart = torch.baddbmm(apart, x, x.mT, alpha=-2)
    shaded = ids < 0  # nearer to a kept one than to the base
    kept = torch.zeros_like(shaded)
    n_kept = torch.zeros(len(base), dtype=torch.long, device=base.device)
    for c in range(n_candidates):
        keep = ~shaded[:, c] & (n_kept < m)
        kept[:, c] = keep
        n_kept += keep
        shaded |= keep[:, None] & (apart[:, c] < far)
        if c % 16 == 15 and bool((n_kept >= m).all()):
            break
    # The kept ones first, in their order.
    order = (~kept).to(torch.int8).argsort(dim=1, stable=True)
    ids = ids.masked_fill(~kept, -1).gather(1, order)
    return torch.nn.functional.pad(ids, (0, max(0, m - n_candidates)), value=-1)[:, :m]


def link_back(
    links: Tensor,
    rows: Tensor,
    sources: Tensor,
    targets: Tensor,
    vectors: Tensor,
    *,
    heuristic: bool = True,
) -> None:
    """For every edge source -> target, add target -> source to ``links`` in place.

    A full row keeps what :func:`select` keeps of it and the new one. The edges of one target come
    one after the other, in the order given; those of different targets in step.

    links : ids (R, L), changed. rows : (N,), where in links a vector is. sources, targets : (E,).
    vectors : (N, D). heuristic : as for :func:`select`.
    """
    order = targets.argsort(stable=True)
    sources = sources[order]
    targets = targets[order]
    _, counts = torch.unique_consecutive(targets, return_counts=True)
    begin = counts.cumsum(0) - counts
    n_rounds = int(counts.max()) if len(counts) else 0
    for turn in range(n_rounds):
        at = (begin + turn)[counts > turn]
        row = rows[targets[at]]
        new = sources[at]
        now = links[row]
        degree = (now >= 0).sum(1)
        room = degree < links.shape[1]
        links[row[room], degree[room]] = new[room]
        full = ~room
        if bool(full.any()):
            both = torch.cat([now[full], new[full, None]], 1)
            base = vectors[targets[at][full]]
            links[row[full]] = select(base, vectors, both, links.shape[1], heuristic=heuristic)
