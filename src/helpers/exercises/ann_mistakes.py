"""Planted mistakes for chapter 13's exercises: what readers write, and the sentence for each."""

from functools import partial as but

import torch

from .ann_more_mistakes import SCORES
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
