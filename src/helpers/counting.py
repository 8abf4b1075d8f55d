"""What is counted: pairs in the right order, and a function's multiplications while it runs.

Shapes: B rows.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode


def multiplications(function: Callable[..., Any], *arguments: Any) -> int:
    """Multiplications (and divisions) that ``function(*arguments)`` does, of numbers of any tensor.

    Products of matrices count rows x inner x columns, of a matrix with a vector rows x columns,
    products and squares entry by entry one for each entry. Sums, look-ups and exponentials count
    nothing. Gradients are not taken.

    Raises
    ------
    ValueError : nothing was multiplied, which is likely a mistake of the caller's.
    """
    aten = torch.ops.aten
    each = dict.fromkeys((aten.mul, aten.mul_, aten.div, aten.div_, aten.square), _each)
    # torch's own list stops at products of two matrices.
    vector = {aten.mv: _all, aten.dot: _all, aten.addmv: lambda _, *rest, **__: _all(*rest)}
    custom = each | vector | {aten.pow: _each}
    counter = FlopCounterMode(display=False, custom_mapping=custom)
    with torch.no_grad(), counter:
        function(*arguments)
    total = counter.get_total_flops() // 2  # torch counts the additions, too
    if total < 1:
        raise ValueError("expected a function that multiplies tensors, got no multiplication")
    return total


def parameters(model: torch.nn.Module) -> int:
    """Numbers that training changes; what two parts share counts once."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def auc(score: Tensor, positive: Tensor, negative: Tensor) -> float:
    """Share of pairs (positive, negative) that a score orders rightly, a tie counting half.

    A row that is positive with probability p and else negative has weights p and 1 - p; the result
    is then the expected number of right pairs over that of pairs. No row makes a pair with itself.

    score : (B,). positive, negative : (B,) weights, such as labels y and 1 - y.
    """
    _, place, count = score.unique(return_inverse=True, return_counts=True)
    positive, negative = positive.double(), negative.double()
    here = torch.zeros(len(count), dtype=torch.float64, device=score.device)
    here = here.index_add(0, place, negative)
    below = here.cumsum(0) - here
    own = (positive * negative).sum()  # a row with itself: a tie that is no pair
    right = (positive * (below + here / 2)[place]).sum() - own / 2
    return (right / (positive.sum() * negative.sum() - own)).item()


def _each(*shapes: Any, out_shape: Any = None, **_: Any) -> int:
    return 2 * torch.Size(out_shape).numel()


def _all(first: Any, *_: Any, **__: Any) -> int:
    return 2 * torch.Size(first).numel()
