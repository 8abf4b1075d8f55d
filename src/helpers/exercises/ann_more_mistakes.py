"""Planted mistakes for exercise 5 of chapter 13; the others are in ann_mistakes.py."""

from functools import partial as but

import torch

from .exercise import Mistake


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
