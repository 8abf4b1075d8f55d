"""One training loop for all chapters, with minibatches drawn from a generator."""

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor


def minibatches(
    data: Tensor, batch_size: int, n_steps: int, generator: torch.Generator | None = None
) -> Iterator[Tensor]:
    """Yield n_steps batches (batch_size, *S) of data (N, *S), reshuffled at every pass.

    The last, smaller batch of a pass is left out; a batch larger than N is an error.
    generator : draws the order of each pass, on the CPU; the global one if None.
    """
    if not 1 <= batch_size <= len(data):
        raise ValueError(f"batch_size must be 1 to N = {len(data)}, got {batch_size}")
    order = torch.empty(0, dtype=torch.long)
    for _ in range(n_steps):
        if len(order) < batch_size:
            order = torch.randperm(len(data), generator=generator)
        yield data[order[:batch_size].to(data.device)]
        order = order[batch_size:]


def fit(
    loss: Callable[[Tensor], Tensor],
    parameters: Iterable[Tensor],
    batches: Iterable[Tensor],
    *,
    lr: float = 1e-3,
    n_steps: int | None = None,
    weight_decay: float = 0.0,
    clip: float | None = None,
) -> list[float]:
    """Minimise loss(batch) with Adam; returns the loss at every step.

    Parameters
    ----------
    loss : batch -> scalar. parameters : what to train. batches : anything that yields batches.
    lr : step size; with n_steps given it falls to 0 along half a cosine over that many steps.
    weight_decay : decoupled (AdamW) and on matrices only: biases and scales are left alone.
    clip : largest gradient norm.

    Raises
    ------
    FloatingPointError : the loss became NaN or infinite (the step is named).
    """
    parameters = list(parameters)
    optimizer = torch.optim.AdamW(_groups(parameters, weight_decay), lr=lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps or 1)
    losses = []
    for step, batch in enumerate(batches):
        value = loss(batch)
        losses.append(value.detach())
        optimizer.zero_grad()
        value.backward()
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(parameters, clip)
        optimizer.step()
        if n_steps is not None:
            schedule.step()
        if step % 100 == 0:  # seldom: looking makes a GPU wait
            _finite(losses)
    return _finite(losses).tolist() if losses else []


def _groups(parameters: list[Tensor], weight_decay: float) -> list[dict]:
    """Matrices, which decay, and the others, which do not; none of them empty."""
    matrices = [p for p in parameters if p.ndim >= 2]
    others = [p for p in parameters if p.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def _finite(losses: list[Tensor]) -> Tensor:
    """The losses in one tensor (n_steps,), or the first that is NaN or infinite, named."""
    values = torch.stack(losses)
    if not values.isfinite().all():
        step = int(values.isfinite().logical_not().nonzero()[0])
        raise FloatingPointError(f"the loss became {values[step]} at step {step}")
    return values
