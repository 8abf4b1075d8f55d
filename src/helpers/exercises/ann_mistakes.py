"""Planted mistakes for chapter 13's exercises: what readers write, and the sentence for each."""

from functools import partial as but

import torch

from .exercise import Mistake


def _lift(x, radius, more=lambda square, radius: (radius**2 - square).sqrt(),
          join=lambda x, new: torch.cat([x, new[:, None]], 1)):  # fmt: skip
    return join(x, more(x.square().sum(1), radius))


LIFT = (
    Mistake("You leave out the root: the new coordinate's square must fill up to radius squared.",
            but(_lift, more=lambda square, radius: radius**2 - square)),
    Mistake("You take lengths from each other; by Pythagoras it is their squares.",
            but(_lift, more=lambda square, radius: radius - square.sqrt())),
    Mistake("The new coordinate is the vector's own length; it must be what is missing to radius.",
            but(_lift, more=lambda square, radius: square.sqrt())),
    Mistake("You add the squares; the new coordinate fills up what is missing, so take them from "
            "radius squared.", but(_lift, more=lambda square, radius: (radius**2 + square).sqrt())),
    Mistake("You scale every vector to the length radius, which loses the lengths and with them "
            "the inner products.",
            but(_lift, join=lambda x, new: torch.cat(
                [x / x.norm(dim=1, keepdim=True), new[:, None]], 1))),
    Mistake("The new coordinate comes last: queries get their zero there.",
            but(_lift, join=lambda x, new: torch.cat([new[:, None], x], 1))),
    Mistake("You use radius where its square is meant.",
            but(_lift, more=lambda square, radius: (radius - square).abs().sqrt())),
    Mistake("The squared length is a sum over coordinates; you take the mean.",
            lambda x, radius: _lift(
                x, radius, more=lambda square, r: (r**2 - square / x.shape[1]).sqrt())),
)  # fmt: skip


def _mean_link(x, candidates, m, shade=lambda near, far, c: near < far[:, c, None],
               among=lambda kept, c: kept, room=lambda kept, m: kept.sum(1) < m,
               down=False, mean=lambda far, kept: (far * kept).sum(1) / kept.sum(1)):  # fmt: skip
    far, order = (candidates - x[:, None]).norm(dim=2).sort(1, descending=down)
    near = candidates.gather(1, order[:, :, None].expand_as(candidates))
    between = (near[:, :, None] - near[:, None]).norm(dim=3)
    kept = torch.zeros_like(far, dtype=torch.bool)
    for c in range(far.shape[1]):
        nearer = shade(between[:, c], far, c) & among(kept, c)
        kept[:, c] = ~nearer.any(1) & room(kept, m)
    return mean(far, kept)


def _before(kept, c):
    return (torch.arange(kept.shape[1]) < c).expand_as(kept)


def _no_order(x, candidates, m):
    out = []
    for base, mine in zip(x, candidates, strict=True):
        kept = []
        for c in mine:
            if len(kept) < m and all((c - s).norm() >= (c - base).norm() for s in kept):
                kept.append(c)
        out.append(torch.stack([(c - base).norm() for c in kept]).mean())
    return torch.stack(out)


LINKS = (
    Mistake("You keep the m nearest; then all links may point into one cluster.",
            but(_mean_link, shade=lambda near, far, c: torch.zeros_like(near, dtype=torch.bool))),
    Mistake("You compare a candidate with all candidates before it; only those that were kept "
            "count.", but(_mean_link, among=_before)),
    Mistake("The room is m links; you keep all that the rule would allow.",
            but(_mean_link, room=lambda kept, m: torch.ones(len(kept), dtype=torch.bool))),
    Mistake("You compare with the kept one's distance to x; it is the candidate's own that counts.",
            but(_mean_link, shade=lambda near, far, c: near < far)),
    Mistake("You begin with the farthest candidate; begin with the nearest.",
            but(_mean_link, down=True)),
    Mistake("You take the candidates in the order they come in; the nearest must come first.",
            _no_order),
    Mistake("You stop one link short of m.",
            but(_mean_link, room=lambda kept, m: kept.sum(1) < m - 1)),
    Mistake("You divide by m; divide by how many links were kept.",
            lambda x, candidates, m: _mean_link(
                x, candidates, m, mean=lambda far, kept: (far * kept).sum(1) / m)),
    Mistake("You average squared lengths; the length of a link is meant.",
            but(_mean_link, mean=lambda far, kept: (far**2 * kept).sum(1) / kept.sum(1))),
    Mistake("Keep one value a vector: you average over the batch.",
            lambda x, candidates, m: _mean_link(x, candidates, m).mean()),
)  # fmt: skip


def _scores(q, codes, books, cells, centroids, own=lambda q, c, cells: (q @ c.T)[:, cells],
            tables=lambda parts, books: torch.einsum("qmd,mcd->qmc", parts, books),
            rest=lambda picked: picked.sum(2)):  # fmt: skip
    m = len(books)
    made = tables(q.unflatten(1, (m, -1)), books)
    picked = made[:, torch.arange(m), torch.tensor(codes)]
    return own(q, centroids, cells) + rest(picked)


def _squares(parts, books):
    return (parts[:, :, None] - books).square().sum(3)


def _first(parts, books):
    return torch.einsum("qmd,mcd->qmc", parts, books)[:, :1].expand(-1, len(books), -1)


def _with_length(q, codes, books, cells, centroids):
    decoded = books[torch.arange(len(books)), torch.tensor(codes)].flatten(1)
    return _scores(q, codes, books, cells, centroids) + decoded.square().sum(1)


SCORES = (
    Mistake("You leave out the cell's centroid: a code stands for the residual, and the vector is "
            "the centroid plus it.", but(_scores, own=lambda q, c, cells: 0.0)),
    Mistake("You leave out the residual: every vector of a cell gets the centroid's score.",
            but(_scores, rest=lambda picked: 0 * picked.sum(2))),
    Mistake("Your tables hold squared distances; an inner product needs tables of inner products.",
            but(_scores, tables=_squares)),
    Mistake("You average the look-ups; the inner product is their sum.",
            but(_scores, rest=lambda picked: picked.mean(2))),
    Mistake("You take the residual off the centroid; the vector is the centroid plus the residual.",
            but(_scores, rest=lambda picked: -picked.sum(2))),
    Mistake("These are a distance's cross terms, with the factor -2; a score is the product.",
            lambda *given: -2 * _scores(*given)),
    Mistake("You read the first part's table for all parts; each part has a table of its own.",
            but(_scores, tables=_first)),
    Mistake("You add the squared length of what is decoded; a distance needs it, an inner product "
            "doesn't.", _with_length),
)  # fmt: skip

MISTAKES = {"ann-3": LIFT, "ann-4": LINKS, "ann-5": SCORES}
