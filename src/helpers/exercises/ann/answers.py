"""Answers to chapter 13's graded exercises: a reference and two other styles for each.

The planted mistakes are in ``mistakes.py``. If you are reading the book, try first.
"""

import numpy as np
import torch

Tensor = torch.Tensor


def lift(x: Tensor, radius: float) -> Tensor:
    """ann-3: x (N, D), none longer than radius -> (N, D + 1), all of the length radius."""
    more = (radius**2 - x.square().sum(1)).sqrt()
    return torch.cat([x, more[:, None]], 1)


def _lift_numpy(x: Tensor, radius: float) -> np.ndarray:
    x = x.detach().numpy()
    return np.column_stack([x, np.sqrt(radius**2 - np.einsum("nd,nd->n", x, x))])


def _lift_rows(x: Tensor, radius: float) -> Tensor:
    def one(row: Tensor) -> Tensor:
        angle = torch.acos(row.norm() / radius)  # between the row and the lifted row
        return torch.cat([row, (radius * angle.sin())[None]])

    return torch.stack([one(row) for row in x])


def mean_link(x: Tensor, candidates: Tensor, m: int) -> Tensor:
    """ann-4: x (B, D), candidates (B, C, D) -> mean length of the links kept, (B,)."""
    far = (candidates - x[:, None]).norm(dim=2)
    far, order = far.sort(1)
    near = candidates.gather(1, order[:, :, None].expand_as(candidates))
    between = (near[:, :, None] - near[:, None]).norm(dim=3)
    kept = torch.zeros_like(far, dtype=torch.bool)
    for c in range(far.shape[1]):
        nearer = (between[:, c] < far[:, c, None]) & kept  # to a kept one than to x
        kept[:, c] = ~nearer.any(1) & (kept.sum(1) < m)
    return (far * kept).sum(1) / kept.sum(1)


def _mean_link_loop(x: Tensor, candidates: Tensor, m: int) -> Tensor:
    out = []
    for base, mine in zip(x, candidates, strict=True):
        kept: list[Tensor] = []
        for c in sorted(mine, key=lambda c, base=base: (c - base).norm().item()):
            if len(kept) < m and all((c - s).norm() >= (c - base).norm() for s in kept):
                kept.append(c)
        out.append(torch.stack([(c - base).norm() for c in kept]).mean())
    return torch.stack(out)


def _mean_link_numpy(x: Tensor, candidates: Tensor, m: int) -> np.ndarray:
    out = []
    for base, mine in zip(x.detach().numpy(), candidates.detach().numpy(), strict=True):
        far = np.linalg.norm(mine - base, axis=1)
        left = list(np.argsort(far))
        lengths = []
        while left and len(lengths) < m:  # the nearest left casts a shadow over others
            first = left.pop(0)
            lengths.append(far[first])
            left = [c for c in left if np.linalg.norm(mine[c] - mine[first]) >= far[c]]
        out.append(np.mean(lengths))
    return np.array(out)


def scores(q: Tensor, codes: list, books: Tensor, cells: list, centroids: Tensor) -> Tensor:
    """ann-5: inner products of q (Q, D) with centroid plus decoded residual, (Q, N)."""
    m = len(books)
    tables = torch.einsum("qmd,mcd->qmc", q.unflatten(1, (m, -1)), books)
    residual = tables[:, torch.arange(m), torch.tensor(codes)].sum(2)
    return (q @ centroids.T)[:, cells] + residual


def _scores_decoded(q: Tensor, codes: list, books: Tensor, cells: list, centroids: Tensor):
    decoded = [torch.cat([books[j, c] for j, c in enumerate(code)]) for code in codes]
    return q @ (centroids[cells] + torch.stack(decoded)).T


def _scores_loop(q: Tensor, codes: list, books: Tensor, cells: list, centroids: Tensor):
    q, books, centroids = (t.detach().numpy() for t in (q, books, centroids))
    size = books.shape[2]
    out = np.zeros((len(q), len(codes)))
    for n, code in enumerate(codes):
        out[:, n] = q @ centroids[cells[n]]
        for j, c in enumerate(code):
            out[:, n] += q[:, j * size : (j + 1) * size] @ books[j, c]
    return out


SOLUTIONS = {
    "ann-3": (lift, _lift_numpy, _lift_rows),
    "ann-4": (mean_link, _mean_link_loop, _mean_link_numpy),
    "ann-5": (scores, _scores_decoded, _scores_loop),
}
