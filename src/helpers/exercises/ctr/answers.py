"""Answers to chapter 10's graded exercises: a reference and two other styles for each.

The planted mistakes are in ``mistakes.py``. If you are reading the book, try first.
"""

import numpy as np
import torch

Tensor = torch.Tensor


def auc(clicked: Tensor, other: Tensor) -> Tensor:
    """ctr-3: scores (B, P) of clicked, (B, M) of other items -> share of pairs won, (B,)."""
    apart = clicked[:, :, None] - other[:, None]
    return ((apart > 0) + 0.5 * (apart == 0)).mean((1, 2))


def _auc_ranks(clicked: Tensor, other: Tensor) -> np.ndarray:
    s = np.concatenate((clicked.numpy(), other.numpy()), 1)
    n1 = clicked.shape[1]
    below = (s[:, :, None] > s[:, None]).sum(2)
    same = (s[:, :, None] == s[:, None]).sum(2)
    rank = below + (same + 1) / 2
    return (rank[:, :n1].sum(1) - n1 * (n1 + 1) / 2) / (n1 * other.shape[1])


def _auc_loop(clicked: Tensor, other: Tensor) -> list[float]:
    found = []
    for ones, zeros in zip(clicked.tolist(), other.tolist(), strict=True):
        won = sum((a > b) + (a == b) / 2 for a in ones for b in zeros)
        found.append(won / (len(ones) * len(zeros)))
    return found


def step(
    z: Tensor, n: Tensor, g: Tensor, alpha: float, beta: float, l1: float
) -> tuple[Tensor, Tensor]:
    """ctr-4: state z, n and gradient g, (N,) each -> new z and new n."""
    pull = z.sign() * (z.abs() - l1).clamp_min(0)
    w = -pull / ((beta + n.sqrt()) / alpha)
    sigma = ((n + g**2).sqrt() - n.sqrt()) / alpha
    return z + g - sigma * w, n + g**2


def _step_numpy(
    z: Tensor, n: Tensor, g: Tensor, alpha: float, beta: float, l1: float
) -> tuple[np.ndarray, np.ndarray]:
    z, n, g = z.numpy(), n.numpy(), g.numpy()
    w = -(z - np.clip(z, -l1, l1)) / ((beta + np.sqrt(n)) / alpha)
    more = n + g * g
    new = z + g - (np.sqrt(more) - np.sqrt(n)) / alpha * w
    return new, more


def _step_loop(
    z: Tensor, n: Tensor, g: Tensor, alpha: float, beta: float, l1: float
) -> tuple[list[float], list[float]]:
    def weight(z: float, n: float) -> float:
        if abs(z) <= l1:
            return 0.0
        return -(z - l1 if z > 0 else z + l1) / ((beta + n**0.5) / alpha)

    rows = []
    for zi, ni, gi in zip(z.tolist(), n.tolist(), g.tolist(), strict=True):
        n_new = ni + gi * gi
        z_new = zi + gi - (n_new**0.5 - ni**0.5) / alpha * weight(zi, ni)
        rows.append((z_new, n_new))
    return tuple(map(list, zip(*rows, strict=True)))


def price(bids: Tensor, p: Tensor, reserve: float) -> Tensor:
    """ctr-5: bids, p (B, N) -> what a click costs in slot 1, 2, ..., N, (B, N)."""
    score, order = (bids * p).sort(1, descending=True)
    below = torch.cat((score[:, 1:], torch.zeros_like(score[:, :1])), 1).clamp_min(reserve)
    return below / p.gather(1, order)


def _price_numpy(bids: Tensor, p: Tensor, reserve: float) -> np.ndarray:
    score = bids.numpy() * p.numpy()
    order = np.argsort(-score, 1)
    score = np.take_along_axis(score, order, 1)
    below = np.maximum(np.roll(score, -1, 1), reserve)
    below[:, -1] = reserve
    return below / np.take_along_axis(p.numpy(), order, 1)


def _price_loop(bids: Tensor, p: Tensor, reserve: float) -> list[list[float]]:
    found = []
    for b, q in zip(bids.tolist(), p.tolist(), strict=True):
        ranked = sorted(zip(b, q, strict=True), key=lambda one: -one[0] * one[1])
        scores = [x * y for x, y in ranked] + [0.0]
        found.append([max(scores[k + 1], reserve) / ranked[k][1] for k in range(len(b))])
    return found


def attraction(clicks: Tensor, shown: Tensor, theta: Tensor, trust: Tensor) -> Tensor:
    """ctr-6: clicks, shown (B, K), theta, trust (K,) -> attraction of each item, (B,)."""
    extra = shown * theta * trust  # clicks that only trust explains
    return ((clicks - extra) / (theta * (1 - trust))).sum(1) / shown.sum(1)


def _attraction_numpy(clicks: Tensor, shown: Tensor, theta: Tensor, trust: Tensor) -> np.ndarray:
    share = shown.numpy() / shown.numpy().sum(1, keepdims=True)
    rate = clicks.numpy() / shown.numpy()
    seen = rate / theta.numpy()  # a click, given a look
    return np.einsum("bk,bk->b", share, (seen - trust.numpy()) / (1 - trust.numpy()))


def _attraction_loop(clicks: Tensor, shown: Tensor, theta: Tensor, trust: Tensor) -> list[float]:
    found = []
    for c, s in zip(clicks.tolist(), shown.tolist(), strict=True):
        total = 0.0
        for y, n, t, e in zip(c, s, theta.tolist(), trust.tolist(), strict=True):
            yes = (1 - t * e) / (t * (1 - e))
            no = -e / (1 - e)  # worth of a click, of none
            total += y * yes + (n - y) * no
        found.append(total / sum(s))
    return found


SOLUTIONS = {
    "ctr-3": (auc, _auc_ranks, _auc_loop),
    "ctr-4": (step, _step_numpy, _step_loop),
    "ctr-5": (price, _price_numpy, _price_loop),
    "ctr-6": (attraction, _attraction_numpy, _attraction_loop),
}
