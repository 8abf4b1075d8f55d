"""Answers to chapter 7's graded exercises: a reference and two other styles for each.

The planted mistakes are in ``mistakes.py``. If you are reading the book, try first.
"""

import math

import numpy as np
import torch

Tensor = torch.Tensor


def contribution(counts: Tensor, lengths: Tensor, n: int, k1: float, b: float) -> Tensor:
    """matching-3: counts, lengths (N,) -> what the word adds to each document, (N,)."""
    weight = math.log(1 + (len(counts) - n + 0.5) / (n + 0.5))
    room = 1 - b + b * lengths / lengths.mean()
    return weight * counts / (counts + k1 * room)


def _contribution_numpy(counts: Tensor, lengths: Tensor, n: int, k1: float, b: float) -> np.ndarray:
    c = counts.numpy()
    size = lengths.numpy()
    scaled = c / ((1 - b) + b * size / size.mean())  # divide the count, leave k1 alone
    return np.log1p((len(c) - n + 0.5) / (n + 0.5)) * scaled / (scaled + k1)


def _contribution_loop(counts: Tensor, lengths: Tensor, n: int, k1: float, b: float) -> list:
    total = len(counts)
    found = []
    mean = sum(lengths.tolist()) / total
    for c, size in zip(counts.tolist(), lengths.tolist(), strict=True):
        weight = math.log((total + 1) / (n + 0.5))  # 1 + (N - n + 1/2) / (n + 1/2), one fraction
        found.append(
            weight * (1 - k1 * (1 - b + b * size / mean) / (c + k1 * (1 - b + b * size / mean)))
        )
    return found


def losses(f: Tensor, g: Tensor, log_q: Tensor) -> Tensor:
    """matching-4: f, g (B, D), log_q (B,) -> (B,)."""
    s = f @ g.T - log_q
    return s.logsumexp(1) - s.diagonal()


def _losses_numpy(f: Tensor, g: Tensor, log_q: Tensor) -> np.ndarray:
    ratio = np.exp(f.numpy() @ g.numpy().T) / np.exp(log_q.numpy())
    return -np.log(np.diag(ratio) / ratio.sum(1))


def _losses_loop(f: Tensor, g: Tensor, log_q: Tensor) -> Tensor:
    rows = []
    for row, asker in enumerate(f):
        scores = torch.stack([asker @ item - q for item, q in zip(g, log_q, strict=True)])
        rows.append(-scores.log_softmax(0)[row])
    return torch.stack(rows)


def ndcg(shown: Tensor, grades: Tensor, k: int) -> Tensor:
    """matching-5: grades shown (B, L) and of all items (B, N) -> (B,)."""

    def dcg(some: Tensor) -> Tensor:
        place = torch.arange(1, some.shape[1] + 1, dtype=torch.float64)
        return ((2**some - 1) / (1 + place).log2()).sum(1)

    return dcg(shown[:, :k]) / dcg(grades.sort(1, descending=True).values[:, :k])


def _ndcg_loop(shown: Tensor, grades: Tensor, k: int) -> list[float]:
    def dcg(some: list[float]) -> float:
        return sum((2**g - 1) / math.log2(1 + p) for p, g in enumerate(some[:k], 1))

    rows = zip(shown.tolist(), grades.tolist(), strict=True)
    return [dcg(row) / dcg(sorted(every, reverse=True)) for row, every in rows]


def _ndcg_numpy(shown: Tensor, grades: Tensor, k: int) -> np.ndarray:
    discount = np.log(2) / np.log(np.arange(2, k + 2))
    got = 2.0 ** shown.numpy()[:, :k] - 1
    best = 2.0 ** np.sort(grades.numpy(), 1)[:, ::-1][:, :k] - 1
    return (got @ discount) / (best @ discount)


def split(
    counts: Tensor, lengths: Tensor, share: Tensor, smoothing: Tensor
) -> tuple[Tensor, Tensor]:
    """matching-6: counts, lengths, share, smoothing (P,) -> held (P,), every (P,)."""
    held = torch.log1p((1 - smoothing) * counts / (smoothing * lengths * share))
    return held, smoothing.log()


def _split_numpy(
    counts: Tensor, lengths: Tensor, share: Tensor, smoothing: Tensor
) -> tuple[np.ndarray, np.ndarray]:
    c, size, p, mix = (x.numpy() for x in (counts, lengths, share, smoothing))
    every = np.log(mix)
    return np.log((1 - mix) * c / size + mix * p) - np.log(p) - every, every


def _split_loop(
    counts: Tensor, lengths: Tensor, share: Tensor, smoothing: Tensor
) -> tuple[list[float], list[float]]:
    held = []
    every = []
    for c, size, p, mix in zip(
        counts.tolist(), lengths.tolist(), share.tolist(), smoothing.tolist(), strict=True
    ):
        every.append(math.log(mix))
        held.append(math.log(((1 - mix) * c / size + mix * p) / (mix * p)))
    return held, every


SOLUTIONS = {
    "matching-3": (contribution, _contribution_numpy, _contribution_loop),
    "matching-4": (losses, _losses_numpy, _losses_loop),
    "matching-5": (ndcg, _ndcg_loop, _ndcg_numpy),
    "matching-6": (split, _split_numpy, _split_loop),
}
