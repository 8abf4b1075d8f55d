"""The shop's checks of what it is given. Shapes: *B any shapes that broadcast."""

import math

import torch
from torch import Tensor

from helpers.checks import whole

WHOLE = {torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64}


def ids(limits: dict[str, int], **given: Tensor | int) -> list[Tensor]:
    """The given ids as int64 tensors of one shape (*B), in the order given.

    limits : for each name, the number of values there are. given : tensors or numbers.

    Raises
    ------
    ValueError : not whole numbers, out of 0 .. limit - 1, or shapes that do not broadcast.
    """
    found = []
    for name, x in given.items():
        x = torch.as_tensor(x)
        if x.dtype not in WHOLE:
            raise ValueError(f"{name} must be whole numbers, got {x.dtype}")
        outside = (x < 0) | (x >= limits[name])
        if outside.any():
            raise ValueError(
                f"{name} must be in 0 .. {limits[name] - 1}, got {x.min()} .. {x.max()}"
            )
        found.append(x.long())
    devices = [x.device for x in found if x.ndim] or [torch.device("cpu")]
    found = [x.to(devices[0]) if x.ndim == 0 else x for x in found]
    try:
        return list(torch.broadcast_tensors(*found))
    except RuntimeError:
        shapes = {name: tuple(x.shape) for name, x in zip(given, found, strict=True)}
        raise ValueError(f"ids must have shapes that broadcast, got {shapes}") from None


def options(**given: float) -> None:
    """Refuse options of a shop that make no sense; given : by name, see `shop.Shop`."""
    for name in ("n_users", "n_brands", "n_positions", "n_queries", "n_candidates"):
        whole(name, given[name])
    if given["n_candidates"] < given["n_positions"]:
        raise ValueError(
            f"n_candidates must be at least n_positions = {given['n_positions']}, "
            f"got {given['n_candidates']}"
        )
    for name in ("trust", "cold", "reformulate", "typo"):
        if not 0 <= given[name] < 1:
            raise ValueError(f"{name} must be in [0, 1), got {given[name]}")
    for name in ("pairwise", "triple", "drift", "context"):
        if not 0 <= given[name] < math.inf:
            raise ValueError(f"{name} must be finite and at least 0, got {given[name]}")
    if not 0 < given["rate"] < 0.3:
        raise ValueError(f"rate must be in (0, .3), got {given['rate']}")


def moved(part: object, device: torch.device | str) -> object:
    """A part of the shop (dataclass, dict, tensor of any shape) with all tensors on a device."""
    if isinstance(part, Tensor):
        return part.to(device)
    if isinstance(part, dict):
        return {key: moved(x, device) for key, x in part.items()}
    if hasattr(part, "__dataclass_fields__"):
        values = {f: moved(getattr(part, f), device) for f in part.__dataclass_fields__}
        return type(part)(**values)
    return part
