"""Vectors for categorical features, and the products of pairs of them, for all click models.

An example has F fields (user, item, brand, ...), and in each field one feature is present: ids
(B, F), whole numbers, field-local, 0 <= ids[:, f] < sizes[f]. An embedding gives each feature a
vector of D numbers, so an example becomes (B, F, D). Chapter 11 derives what models do with it.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from helpers import checks


def check_sizes(sizes: Sequence[int]) -> tuple[int, ...]:
    """``sizes`` (F,) as a tuple; ValueError unless they are one or more positive whole numbers."""
    found = tuple(sizes.tolist() if isinstance(sizes, Tensor) else sizes)
    if not found:
        raise ValueError("sizes must be one or more positive whole numbers, got none")
    for n in found:
        checks.whole("every size", n)
    return found


def check_ids(ids: Tensor, sizes: Sequence[int]) -> None:
    """ValueError unless ids (B, F) are whole numbers with 0 <= ids[:, f] < sizes[f].

    On a GPU the look at the values makes it wait.
    """
    shape = f"ids must be (B, {len(sizes)}), not empty, got {tuple(ids.shape)}"
    if ids.ndim != 2:
        raise ValueError(f"{shape}: {ids.ndim} dimensions")
    if ids.shape[1] != len(sizes):
        raise ValueError(f"{shape}: {ids.shape[1]} fields")
    if len(ids) == 0:
        raise ValueError(f"{shape}: no rows")
    if ids.dtype not in (torch.int64, torch.int32):
        raise ValueError(f"ids must be whole numbers, int64 or int32, got {ids.dtype}")
    limits = torch.as_tensor(sizes, device=ids.device)
    if not ((ids >= 0) & (ids < limits)).all():
        f = int(((ids < 0) | (ids >= limits)).any(0).nonzero()[0])
        low = int(ids[:, f].min())
        high = int(ids[:, f].max())
        raise ValueError(f"ids of field {f} must be 0 to {sizes[f] - 1}, got {low} to {high}")


class Embedding(nn.Module):
    """A vector for every feature of every field, ids (B, F) -> (B, F, D).

    All fields lie in one table, one below the other, so that a batch is one look-up. Without the
    check an id beyond its field would silently read the next field's row.

    Parameters
    ----------
    sizes : (F,) features of each field. dim : D.
    std : of the Gaussian that the table starts from; small, so that products start near 0.
    sparse : gradients hold the rows of the batch only; needs an optimiser for it, such as
        ``torch.optim.SparseAdam``.
    checked : look at the ids of every batch; turn it off where they were checked before, because
        on a GPU looking makes it wait.
    generator : draws the table, (sum of sizes, D); the global one if None.

    Raises
    ------
    ValueError : sizes or dim not positive whole numbers, std negative; ids of a wrong shape, dtype
        or range; vectors of the batch that are NaN or infinite.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        dim: int,
        *,
        std: float = 0.01,
        sparse: bool = False,
        checked: bool = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.sizes = check_sizes(sizes)
        self.dim = dim
        if not isinstance(dim, int):
            raise ValueError(f"dim must be a positive whole number, got a {type(dim).__name__}")
        if dim < 1:
            raise ValueError(f"dim must be a positive whole number, got {dim}")
        if not 0 <= std < math.inf:
            raise ValueError(f"std must be >= 0 and finite, got {std}")
        self.sparse = sparse
        self.checked = checked
        ends = torch.tensor(self.sizes).cumsum(0)
        self.register_buffer("offsets", ends - ends.new_tensor(self.sizes))
        table = torch.empty(int(ends[-1]), dim)
        self.weight = nn.Parameter(std * table.normal_(generator=generator))

    @property
    def n_fields(self) -> int:
        """F."""
        return len(self.sizes)

    def forward(self, ids: Tensor) -> Tensor:
        if self.checked:
            check_ids(ids, self.sizes)
        x = functional.embedding(ids + self.offsets, self.weight, sparse=self.sparse)
        if self.checked and not x.detach().sum().abs() < math.inf:
            raise ValueError("the batch's vectors must be finite, got NaN or infinity")
        return x

    def field(self, f: int) -> Tensor:
        """The vectors (sizes[f], D) of one field, a view of the table."""
        if not 0 <= f < self.n_fields:
            raise ValueError(f"f must be 0 to {self.n_fields - 1}, got {f}")
        start = sum(self.sizes[:f])
        return self.weight[start : start + self.sizes[f]]


class Linear(nn.Module):
    """The terms of order 0 and 1 of every click model, ids (B, F) -> logits (B,).

    One weight a feature and a bias, all starting at 0; alone it is logistic regression. ``sizes``,
    ``sparse`` and ``checked`` as for :class:`Embedding`.
    """

    def __init__(self, sizes: Sequence[int], *, sparse: bool = False, checked: bool = True) -> None:
        super().__init__()
        self.weights = Embedding(sizes, 1, std=0.0, sparse=sparse, checked=checked)
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, ids: Tensor) -> Tensor:
        return self.bias + self.weights(ids)[..., 0].sum(1)


def check_vectors(x: Tensor, n_fields: int | None = None) -> None:
    """ValueError unless x is floats (B, F, D), not empty, with F >= 2 fields (or ``n_fields``)."""
    wanted = "x must be floats (B, F, D), not empty"
    if x.ndim != 3:
        raise ValueError(f"{wanted}, got {x.ndim} dimensions, {tuple(x.shape)}")
    if x.numel() == 0:
        raise ValueError(f"{wanted}, got no numbers, {tuple(x.shape)}")
    if not x.is_floating_point():
        raise ValueError(f"{wanted}, got {x.dtype}")
    if n_fields not in (None, x.shape[1]):
        raise ValueError(f"x must have {n_fields} fields, got {x.shape[1]}")
    if x.shape[1] < 2:
        raise ValueError(f"x must have at least 2 fields, got {x.shape[1]}")


def pairs(n_fields: int, device: torch.device | str | None = None) -> Tensor:
    """The pairs f < g of n_fields fields: (0, 1), (0, 2), ..., (F - 2, F - 1), as (2, P).

    P = F (F - 1) / 2. device : where they are wanted.
    """
    if not isinstance(n_fields, int):
        kind = type(n_fields).__name__
        raise ValueError(f"n_fields must be a whole number >= 2, got {n_fields}, a {kind}")
    if n_fields < 2:
        raise ValueError(f"n_fields must be a whole number >= 2, got {n_fields}")
    return torch.triu_indices(n_fields, n_fields, 1, device=device)


def pair_products(x: Tensor) -> Tensor:
    """The products x_f * x_g, entry by entry, of all pairs f < g: (B, F, D) -> (B, P, D)."""
    check_vectors(x)
    f, g = pairs(x.shape[1], x.device)
    return x[:, f] * x[:, g]


def pair_scores(x: Tensor) -> Tensor:
    """The inner products <x_f, x_g> of all pairs f < g: (B, F, D) -> (B, P).

    By one product of matrices: twice the multiplications that the pairs need, but faster.
    """
    check_vectors(x)
    f, g = pairs(x.shape[1], x.device)
    return (x @ x.mT)[:, f, g]


def bi_interaction(x: Tensor) -> Tensor:
    """The sum of x_f * x_g over all pairs f < g, (B, F, D) -> (B, D), in O(F D).

    Half of (square of the sum - sum of the squares): Rendle, Factorization Machines (2010),
    Lemma 3.1; He and Chua (arXiv:1708.05027) call it bi-interaction pooling.
    """
    check_vectors(x)
    return (x.sum(1).square() - x.square().sum(1)) / 2
