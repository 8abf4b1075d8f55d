"""Planted mistakes for chapter 13's exercises: what readers write, and the sentence for each."""

from functools import partial as but

import torch

from helpers.exercises.exercise import Mistake


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


def _vectors(codes, books, cells, centroids):
    return centroids[cells] + books[torch.arange(len(books)), torch.tensor(codes)].flatten(1)


def _cross_term(codes, books, cells, centroids):
    decoded = books[torch.arange(len(books)), torch.tensor(codes)].flatten(1)
    return (centroids[cells] * decoded).sum(1)


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
    Mistake("You take the centroid off the residual; the vector is the centroid plus the residual.",
            but(_scores, own=lambda q, c, cells: -(q @ c.T)[:, cells])),
    Mistake("The residual's product has the factor of a distance's cross term, -2; here it has "
            "none.", but(_scores, rest=lambda picked: -2 * picked.sum(2))),
    Mistake("The residual's product counts once; you take it twice.",
            but(_scores, rest=lambda picked: 2 * picked.sum(2))),
    Mistake("These are squared distances; inner products are asked for.",
            lambda *given: torch.cdist(given[0], _vectors(*given[1:])) ** 2),
    Mistake("These are distances; inner products are asked for.",
            lambda *given: torch.cdist(given[0], _vectors(*given[1:]))),
    Mistake("These are squared distances with a minus; inner products are asked for.",
            lambda *given: -(torch.cdist(given[0], _vectors(*given[1:])) ** 2)),
    Mistake("You divide by the lengths, which makes it the cosine; the inner product doesn't.",
            lambda *given: torch.cosine_similarity(
                given[0][:, None], _vectors(*given[1:])[None], dim=2)),
    Mistake("The tables are of the query itself, not of the query minus the centroid.",
            lambda *given: _scores(*given) - _cross_term(*given[1:])),
    Mistake("The product of centroid and residual belongs to a distance; an inner product with q "
            "doesn't need it.", lambda *given: _scores(*given) + _cross_term(*given[1:])),
    Mistake("A part is a run of neighbouring coordinates: reshape to (Q, m, D / m), m first.",
            but(_scores, tables=lambda parts, books: torch.einsum(
                "qdm,mcd->qmc", parts.flatten(1).unflatten(1, (-1, len(books))), books))),
    Mistake("You keep the last part's look-up only; add up those of all parts.",
            but(_scores, rest=lambda picked: picked[:, :, -1])),
    Mistake("The last part is left out.",
            but(_scores, rest=lambda picked: picked[:, :, :-1].sum(2))),
    Mistake("You add the centroid's product once for each part; it counts once.",
            lambda q, codes, books, cells, centroids: _scores(
                q, codes, books, cells, len(books) * centroids)),
    Mistake("You use the first part of the query in all tables; each part has its own.",
            but(_scores, tables=lambda parts, books: torch.einsum(
                "qd,mcd->qmc", parts[:, 0], books))),
    Mistake("The one number a vector, its residual's length and product with the centroid, belongs "
            "to a distance; leave it out.",
            lambda *given: _with_length(*given) + 2 * _cross_term(*given[1:])),
    Mistake("These are products of the residual with the query less the centroid; the score is the "
            "query's with centroid plus residual.",
            lambda q, codes, books, cells, centroids: _scores(
                q, codes, books, cells, 0 * centroids) - _cross_term(
                    codes, books, cells, centroids)),
    Mistake("The term of query and cell is still a squared distance; take the product.",
            but(_scores, own=lambda q, c, cells: (torch.cdist(q, c) ** 2)[:, cells])),
    Mistake("This is minus half a squared distance; no lengths belong in a product.",
            lambda *given: -(torch.cdist(given[0], _vectors(*given[1:])) ** 2) / 2),
    Mistake("The vectors' own lengths don't belong in a product: leave out half their square.",
            lambda *given: _scores(*given) - _vectors(*given[1:]).square().sum(1) / 2),
    Mistake("You look every part up in the first codebook; each part has its own.",
            but(_scores, tables=lambda parts, books: torch.einsum(
                "qmd,cd->qmc", parts, books[0]))),
    Mistake("Cells are numbered from zero, as they stand: take none off.",
            lambda q, codes, books, cells, centroids: _scores(
                q, codes, books, [cell - 1 for cell in cells], centroids)),
    Mistake("You add the squared length of what is decoded; a distance needs it, an inner product "
            "doesn't.", _with_length),
)  # fmt: skip


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
            but(_lift, more=lambda square, radius: (radius - square).sqrt())),
    Mistake("Your rows have the right length; by agreement the new coordinate is the root that is "
            "not negative.", but(_lift, more=lambda square, radius: -(radius**2 - square).sqrt())),
    Mistake("You fill up to the longest row's length; radius is given, and may be longer.",
            but(_lift, more=lambda square, radius: (square.max() - square).sqrt())),
    Mistake("You take a length off the square of radius; take its square off.",
            but(_lift, more=lambda square, radius: (radius**2 - square.sqrt()).sqrt())),
    Mistake("You take lengths from each other under the root; by Pythagoras it is their squares.",
            but(_lift, more=lambda square, radius: (radius - square.sqrt()).sqrt())),
    Mistake("The new coordinate is the squared length; it must be what is missing to radius.",
            but(_lift, more=lambda square, radius: square)),
    Mistake("The zero belongs to the query; a row gets what is missing to radius.",
            but(_lift, more=lambda square, radius: 0 * square)),
    Mistake("The new coordinate is radius itself; the row's own length must be taken off.",
            but(_lift, more=lambda square, radius: 0 * square + radius)),
    Mistake("You divide by radius, which makes all rows one long; they are to be radius long.",
            lambda x, radius: _lift(x / radius, 1.0)),
    Mistake("You stretch every row to the length radius, which loses the lengths and with them "
            "the inner products; the zero belongs to the query.",
            lambda x, radius: _lift(x / x.norm(dim=1, keepdim=True) * radius, radius,
                                    more=lambda square, r: 0 * square)),
    Mistake("Square each coordinate before you sum; you square the sum.",
            lambda x, radius: _lift(x, radius, more=lambda square, r: (
                r**2 - x.sum(1) ** 2).sqrt())),
    Mistake("Each row has a length of its own; you take that of the whole matrix.",
            lambda x, radius: _lift(x, radius, more=lambda square, r: (
                r**2 - square.sum()).sqrt().expand(len(x)))),
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


def _loop(x, candidates, m, turned=any, stop=False):
    out = []
    for base, mine in zip(x, candidates, strict=True):
        kept = []
        for c in mine[(mine - base).norm(dim=1).argsort()]:
            away = turned([bool((c - s).norm() < (c - base).norm()) for s in kept])
            if len(kept) == m or (away and stop):
                break
            if not away:
                kept.append(c)
        out.append((torch.stack(kept) - base).norm(dim=1).mean())
    return torch.stack(out)


def _nearest_first(x, candidates, m):
    nearest = (candidates - x[:, None]).norm(dim=2).topk(m, 1, largest=False).indices
    few = candidates.gather(1, nearest[:, :, None].expand(-1, -1, candidates.shape[2]))
    return _mean_link(x, few, m)


def _filled(x, candidates, m):
    def mean(far, kept):
        order = torch.arange(far.shape[1]) + far.shape[1] * ~kept  # the kept ones, then the rest
        return far.gather(1, order.argsort(1)[:, :m]).mean(1)

    return _mean_link(x, candidates, m, mean=mean)


LINKS = (
    Mistake("You keep the m nearest; then all links may point into one cluster.",
            but(_mean_link, shade=lambda near, far, c: torch.zeros_like(near, dtype=torch.bool))),
    Mistake("You compare a candidate with all candidates before it; only those that were kept "
            "count.", but(_mean_link, among=_before)),
    Mistake("The room is m links; you keep more than that.",
            but(_mean_link, room=lambda kept, m: torch.ones(len(kept), dtype=torch.bool))),
    Mistake("You compare with the kept one's distance to x; it is the candidate's own that counts.",
            but(_mean_link, shade=lambda near, far, c: near < far)),
    Mistake("You begin with the farthest candidate; begin with the nearest.",
            but(_mean_link, down=True)),
    Mistake("You take the candidates in the order they come in; the nearest must come first.",
            _no_order),
    Mistake("You stop one link short of m.",
            but(_mean_link, room=lambda kept, m: kept.sum(1) < m - 1)),
    Mistake("The room is m links; you keep one more.",
            but(_mean_link, room=lambda kept, m: kept.sum(1) <= m)),
    Mistake("You divide by m; divide by how many links were kept.",
            lambda x, candidates, m: _mean_link(
                x, candidates, m, mean=lambda far, kept: (far * kept).sum(1) / m)),
    Mistake("You average squared lengths; the length of a link is meant.",
            but(_mean_link, mean=lambda far, kept: (far**2 * kept).sum(1) / kept.sum(1))),
    Mistake("You sum the lengths; divide by how many links were kept.",
            but(_mean_link, mean=lambda far, kept: (far * kept).sum(1))),
    Mistake("You divide by the number of candidates; divide by how many links were kept.",
            but(_mean_link, mean=lambda far, kept: (far * kept).mean(1))),
    Mistake("You take the root of the mean square; average the lengths themselves.",
            but(_mean_link, mean=lambda far, kept: ((far**2 * kept).sum(1) / kept.sum(1)).sqrt())),
    Mistake("You return how many links were kept; their mean length is asked for.",
            but(_mean_link, mean=lambda far, kept: kept.sum(1))),
    Mistake("You return the longest link; their mean length is asked for.",
            but(_mean_link, mean=lambda far, kept: (far * kept).max(1).values)),
    Mistake("The rule chooses among all candidates; you cut to the m nearest before applying it.",
            _nearest_first),
    Mistake("You fill the room with those that the rule had turned away; leave it empty.", _filled),
    Mistake("The rule is the wrong way round: a candidate nearer to a kept one is turned away.",
            but(_mean_link, shade=lambda near, far, c: near > far[:, c, None])),
    Mistake("One kept vector that is nearer is enough to turn a candidate away; you ask for all.",
            but(_loop, turned=lambda nearer: bool(nearer) and all(nearer))),
    Mistake("You compare with the last one kept; compare with all that were kept.",
            but(_mean_link, among=lambda kept, c: kept & (kept.cumsum(1) == kept.sum(1)[:, None]))),
    Mistake("You compare with the first one kept; compare with all that were kept.",
            but(_mean_link, among=lambda kept, c: kept & (kept.cumsum(1) == 1))),
    Mistake("You stop at the first candidate that is turned away; go on to the next.",
            but(_loop, stop=True)),
    Mistake("You compare a squared distance with one that is not.",
            but(_mean_link, shade=lambda near, far, c: near**2 < far[:, c, None])),
    Mistake("Sort by the distance to x, not by the candidates' own lengths.",
            lambda x, candidates, m: _no_order(x, candidates.gather(
                1, candidates.norm(dim=2).argsort(1)[:, :, None].expand_as(candidates)), m)),
    Mistake("Keep one value a vector: you average over the batch.",
            lambda x, candidates, m: _mean_link(x, candidates, m).mean()),
)  # fmt: skip


MISTAKES = {"ann-3": LIFT, "ann-4": LINKS, "ann-5": SCORES}
