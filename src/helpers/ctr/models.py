"""Models of a click: crosses of fields (Poly2), an MLP on embeddings, leaves of trees, one fit.

An impression has F categorical fields, ids (B, F), field-local. A model takes ids and returns
logits (B,), log-odds of a click. Logistic regression itself is ``embedding.Linear``. Chapter 10
derives each line.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.ctr.embedding import Embedding, Linear, check_ids, check_sizes, pairs
from helpers.nets import mlp

MIX = -7046029254386353131  # 2^64 over the golden ratio, odd: spreads consecutive keys


def cross_sizes(sizes: Sequence[int], n_buckets: int) -> list[int]:
    """Vocabulary of each pair f < g of fields, (P,): every combination, or n_buckets if fewer.

    sizes : (F,) of the fields. n_buckets : at least 1.
    """
    sizes = check_sizes(sizes)
    if n_buckets < 1:
        raise ValueError(f"n_buckets must be at least 1, got {n_buckets}")
    return [min(sizes[f] * sizes[g], n_buckets) for f, g in pairs(len(sizes)).T.tolist()]


def cross_ids(ids: Tensor, sizes: Sequence[int], n_buckets: int) -> Tensor:
    """The pairs of features of each impression as ids of P = F (F - 1) / 2 new fields, (B, P).

    A pair of fields with more than n_buckets combinations is hashed: different combinations may
    then share an id.

    Parameters
    ----------
    ids : (B, F). sizes : (F,). n_buckets : largest vocabulary of a pair.

    Raises
    ------
    ValueError : ids or sizes that do not fit, fewer than two fields.
    """
    check_ids(ids, sizes)
    limits = torch.tensor(cross_sizes(sizes, n_buckets), device=ids.device)
    f, g = pairs(len(sizes), ids.device)
    size = torch.as_tensor(sizes, device=ids.device)
    key = ids[:, f].long() * size[g] + ids[:, g]
    return torch.where(size[f] * size[g] <= n_buckets, key, ((key * MIX) >> 20) % limits)


class Poly2(nn.Module):
    """A weight for every feature and every pair of features: ids (B, F) -> logits (B,).

    sizes : (F,). n_buckets : see :func:`cross_ids`.
    """

    def __init__(self, sizes: Sequence[int], *, n_buckets: int = 2**18) -> None:
        super().__init__()
        self.n_buckets = n_buckets
        self.linear = Linear(sizes)
        self.crosses = Linear(cross_sizes(sizes, n_buckets))
        self.crosses.bias.requires_grad_(False)  # one bias is enough

    def forward(self, ids: Tensor) -> Tensor:
        crossed = cross_ids(ids, self.linear.weights.sizes, self.n_buckets)
        return self.linear(ids) + self.crosses(crossed)


class MLP(nn.Module):
    """A network on the fields' vectors laid side by side: ids (B, F) -> logits (B,).

    embedding : of F fields in D dimensions. hidden : widths.
    generator : draws the network's initial weights; the global one if None.
    """

    def __init__(
        self,
        embedding: Embedding,
        hidden: Sequence[int] = (64, 32),
        *,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.embedding = embedding
        width = embedding.n_fields * embedding.dim
        self.net = mlp((width, *hidden, 1), generator=generator)

    def forward(self, ids: Tensor) -> Tensor:
        return self.net(self.embedding(ids).flatten(1))[:, 0]


def leaf_ids(leaves: Tensor, sizes: Sequence[int]) -> Tensor:
    """Leaf numbers (B, T) of T trees as ids of T fields, (B, T) int64: each tree is a feature.

    What ``apply`` of scikit-learn's boosted trees and ``pred_leaf`` of lightgbm give, once checked.

    Parameters
    ----------
    leaves : whole numbers, possibly stored as floats. sizes : (T,), above any number in the trees.
    """
    leaves = torch.as_tensor(leaves)
    whole = leaves.long()
    if leaves.ndim != 2:
        raise ValueError(f"leaves must be (B, T), got {tuple(leaves.shape)}")
    if (leaves != whole).any():
        raise ValueError("leaves must be whole numbers, got fractions")
    check_ids(whole, sizes)
    return whole


def fit_logistic(
    model: nn.Module, ids: Tensor, labels: Tensor, *, l2: float = 0.0, n_steps: int = 200
) -> float:
    """Minimise the sum of log losses + l2 / 2 sum of squared weights, all rows at once, by L-BFGS.

    Matrices are penalised, biases are not: with l2 = 1 / C this is scikit-learn's objective.

    Parameters
    ----------
    model : ids (B, F) -> logits (B,), trained in place. ids : (B, F). labels : (B,), 0 or 1.
    l2 : at least 0. n_steps : at most.

    Returns
    -------
    The objective reached, per row, in nats.

    Raises
    ------
    ValueError : labels that do not fit, l2 < 0; FloatingPointError : the objective is not finite.
    """
    _check_fit(ids, labels, l2)
    weights = [w for w in model.parameters() if w.requires_grad]
    y = labels.to(weights[0])
    optimizer = _lbfgs(weights, n_steps)

    def objective() -> Tensor:
        optimizer.zero_grad()
        logits = model(ids)
        loss = (F.softplus(logits) - y * logits).sum()
        size = sum(w.square().sum() for w in weights if w.ndim >= 2)
        value = (loss + l2 / 2 * size) / len(y)
        value.backward()
        return value

    optimizer.step(objective)
    value = objective().item()
    if not math.isfinite(value):
        raise FloatingPointError(f"the objective became {value}")
    return value


def _check_fit(ids: Tensor, labels: Tensor, l2: float) -> None:
    if labels.shape != ids.shape[:1]:
        raise ValueError(f"labels must be ({len(ids)},), got {tuple(labels.shape)}")
    if not ((labels == 0) | (labels == 1)).all():
        raise ValueError("labels must be 0 or 1, got other values")
    if l2 < 0:
        raise ValueError(f"l2 must be at least 0, got {l2}")


def _lbfgs(weights: list[nn.Parameter], n_steps: int) -> torch.optim.LBFGS:
    return torch.optim.LBFGS(
        weights,
        max_iter=n_steps,
        tolerance_grad=1e-8,
        tolerance_change=1e-12,
        history_size=20,
        line_search_fn="strong_wolfe",
    )
