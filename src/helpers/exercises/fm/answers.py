"""Answers to chapter 11's graded exercises: a reference and two other styles for each.

The planted mistakes are in ``mistakes.py``. If you are reading the book, try first.
"""

import itertools

import numpy as np
import torch

Tensor = torch.Tensor


def fm(x: Tensor, bias: float, w: Tensor, v: Tensor) -> Tensor:
    """fm-3: x (B, n), w (n,), v (n, k) -> logits (B,), in O(n k)."""
    pairs = ((x @ v).square() - x.square() @ v.square()).sum(1) / 2
    return bias + x @ w + pairs


def _fm_numpy(x: Tensor, bias: float, w: Tensor, v: Tensor) -> np.ndarray:
    x, w, v = x.numpy(), w.numpy(), v.numpy()
    gram = v @ v.T
    np.fill_diagonal(gram, 0.0)
    return bias + x @ w + 0.5 * np.einsum("bi,ij,bj->b", x, gram, x)


def _fm_loop(x: Tensor, bias: float, w: Tensor, v: Tensor) -> Tensor:
    out = []
    for row in x:
        total = bias + row @ w
        for i in range(len(row)):
            for j in range(i + 1, len(row)):
                total = total + v[i] @ v[j] * row[i] * row[j]
        out.append(total)
    return torch.stack(out)


def ffm(v: Tensor) -> Tensor:
    """fm-4: v (B, F, F, k), v[:, f, g] is what f uses against g -> scores (B,)."""
    f, g = torch.triu_indices(v.shape[1], v.shape[1], 1)
    return (v[:, f, g] * v[:, g, f]).sum((1, 2))


def _ffm_numpy(v: Tensor) -> np.ndarray:
    v = v.numpy()
    both = np.einsum("bfgk,bgfk->bfg", v, v)
    return (both.sum((1, 2)) - np.trace(both, axis1=1, axis2=2)) / 2


def _ffm_loop(v: Tensor) -> list:
    return [
        sum(row[f, g] @ row[g, f] for f, g in itertools.combinations(range(len(row)), 2))
        for row in v
    ]


def cross(x0: Tensor, weights: Tensor, biases: Tensor) -> Tensor:
    """fm-5: x0 (B, D), weights (L, D, D), biases (L, D) -> x (B, D)."""
    x = x0
    for weight, bias in zip(weights, biases, strict=True):
        x = x0 * (x @ weight.T + bias) + x
    return x


def _cross_numpy(x0: Tensor, weights: Tensor, biases: Tensor) -> np.ndarray:
    first = x0.numpy()
    x = first.copy()
    for weight, bias in zip(weights.numpy(), biases.numpy(), strict=True):
        x = x + first * (np.einsum("ij,bj->bi", weight, x) + bias)
    return x


def _cross_rows(x0: Tensor, weights: Tensor, biases: Tensor) -> Tensor:
    rows = []
    for start in x0:
        x = start
        for layer in range(len(weights)):
            x = torch.diag(start) @ (weights[layer] @ x + biases[layer]) + x
        rows.append(x)
    return torch.stack(rows)


def pruned(x: Tensor, strength: Tensor, n_kept: int) -> Tensor:
    """fm-6: x (B, F, k), strength (P,) of pairs f < g -> scores (B,)."""
    f, g = torch.triu_indices(x.shape[1], x.shape[1], 1)
    kept = strength.abs().topk(n_kept).indices
    return (x[:, f[kept]] * x[:, g[kept]]).sum(2) @ strength[kept]


def _pruned_numpy(x: Tensor, strength: Tensor, n_kept: int) -> np.ndarray:
    x, n = x.numpy(), x.shape[1]
    r = np.zeros((n, n))
    r[np.triu_indices(n, 1)] = strength.numpy()
    r[np.abs(r) < np.sort(np.abs(strength.numpy()))[-n_kept]] = 0.0
    return np.einsum("bfk,fg,bgk->b", x, r, x)


def _pruned_loop(x: Tensor, strength: Tensor, n_kept: int) -> Tensor:
    found = list(zip(itertools.combinations(range(x.shape[1]), 2), strength, strict=True))
    found.sort(key=lambda entry: -abs(entry[1].item()))
    total = torch.zeros(len(x), dtype=x.dtype)
    for (f, g), r in found[:n_kept]:
        total = total + r * (x[:, f] * x[:, g]).sum(-1)
    return total


SOLUTIONS = {
    "fm-3": (fm, _fm_numpy, _fm_loop),
    "fm-4": (ffm, _ffm_numpy, _ffm_loop),
    "fm-5": (cross, _cross_numpy, _cross_rows),
    "fm-6": (pruned, _pruned_numpy, _pruned_loop),
}
