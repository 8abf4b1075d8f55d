"""Two towers: a vector for whoever asks, a vector for what is offered, matched by inner product.

Shapes: B pairs of a batch, U users (or queries), N items, D dimensions. The loss takes the other
items of the batch as negatives; its correction for how often each item turns up there follows Yi
and others (2019, doi:10.1145/3298689.3346996).
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from helpers import checks


def in_batch_logits(
    users: Tensor, items: Tensor, log_q: Tensor | None = None, *, scale: float | Tensor = 1.0
) -> Tensor:
    """Logits (B, B): row b scores the batch's items for user b; the diagonal holds the pairs.

    Where an item stands in the batch twice it is counted twice, its own negative or not: so the
    logits converge to log P(item | user) - log q(item), and with the correction to the first alone.

    users, items : vectors (B, D), row b of each a pair.
    log_q : log of the probability that a drawn pair holds the item, (B,); subtracted.
    scale : multiplies the inner products, 1 / temperature; a number or a scalar tensor.

    Raises
    ------
    ValueError : shapes that do not fit, B < 2, NaN, a scale not positive, log_q above 0.
    """
    _check_pairs(users, items)
    if not 0 < scale < math.inf:
        raise ValueError(f"scale must be positive and finite, got {scale}")
    logits = scale * users @ items.T
    if not bool(logits.detach().isfinite().all()):
        raise ValueError("users and items must be finite, got NaN or infinity")
    if log_q is None:
        return logits
    _check_log_q(log_q, len(users))
    return logits - log_q


def _check_pairs(users: Tensor, items: Tensor) -> None:
    """ValueError unless users and items are (B, D) alike, B >= 2."""
    wanted = "users and items must be (B, D), B >= 2"
    if users.ndim != 2:
        raise ValueError(f"{wanted}, got users {tuple(users.shape)}")
    if users.shape != items.shape:
        raise ValueError(f"{wanted}, got {tuple(users.shape)}, {tuple(items.shape)}")
    if len(users) < 2:
        raise ValueError(f"{wanted}, got {len(users)} pairs")


def _check_log_q(log_q: Tensor, n: int) -> None:
    """ValueError unless log_q is (n,), finite and at most 0."""
    if log_q.shape != (n,):
        raise ValueError(f"log_q must be ({n},), got {tuple(log_q.shape)}")
    if not bool(log_q.isfinite().all()):
        raise ValueError("log_q must be finite and at most 0, got NaN or infinity")
    if bool((log_q > 0).any()):
        raise ValueError(f"log_q must be at most 0, got {log_q.max().item()}")


def in_batch_loss(
    users: Tensor, items: Tensor, log_q: Tensor | None = None, *, scale: float | Tensor = 1.0
) -> Tensor:
    """Mean cross-entropy of each user's own item among the batch's; see `in_batch_logits`.

    users, items : (B, D). log_q : (B,) or None. scale : 1 / temperature.
    """
    logits = in_batch_logits(users, items, log_q, scale=scale)
    return functional.cross_entropy(logits, torch.arange(len(users), device=users.device))


class BagTower(nn.Module):
    """A tower for bags of features: the mean of their vectors, through a layer, to length one.

    n_features : rows of the table. dim : D. hidden : entries H of a vector in the table.
    std : of the Gaussian that the table (n_features, H) starts from; that of the layer (D, H) is
    1 / sqrt(H). generator : draws the table, then the layer; the global one if None.

    Raises
    ------
    ValueError : n_features, dim or hidden not a positive whole number.
    """

    def __init__(
        self,
        n_features: int,
        dim: int,
        hidden: int = 64,
        *,
        std: float = 0.1,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        for name, value in (("n_features", n_features), ("dim", dim), ("hidden", hidden)):
            checks.whole(name, value)
        table = std * torch.empty(n_features, hidden).normal_(generator=generator)
        weight = torch.empty(dim, hidden).normal_(generator=generator) / math.sqrt(hidden)
        self.table = nn.Parameter(table)
        self.weight = nn.Parameter(weight)

    def forward(self, features: Tensor, starts: Tensor) -> Tensor:
        """Features int64 (M,) of B bags, bag b beginning at starts[b]; gives (B, D).

        An empty bag has the vector 0.
        """
        if features.dtype != torch.long:
            raise ValueError(f"features must be int64 (M,), got {features.dtype}")
        if features.ndim != 1:
            raise ValueError(f"features must be (M,), got the shape {tuple(features.shape)}")
        if starts.ndim != 1:
            raise ValueError(f"starts must be (B,), got the shape {tuple(starts.shape)}")
        bad = features[(features < 0) | (features >= len(self.table))]
        if len(bad):
            raise ValueError(f"features must be 0 to {len(self.table) - 1}, got {int(bad[0])}")
        bag = functional.embedding_bag(features, self.table, starts, mode="mean")
        return functional.normalize(bag @ self.weight.T, dim=1)


class TwoTower(nn.Module):
    """Two bag towers and a trained temperature: log P(item | user) up to a constant of the user.

    n_user, n_item : features of either side. dim : D. hidden : see `BagTower`.
    generator : draws the user's tower, then the item's; the global one if None.
    """

    def __init__(
        self,
        n_user: int,
        n_item: int,
        dim: int = 32,
        hidden: int = 64,
        *,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.user = BagTower(n_user, dim, hidden, generator=generator)
        self.item = BagTower(n_item, dim, hidden, generator=generator)
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))

    @property
    def scale(self) -> Tensor:
        """What multiplies the cosines, a scalar."""
        return self.log_scale.exp()
