"""Refusals that every room needs, said once. Shapes: *S any shape."""

import math

from torch import Tensor


def whole(name: str, value: int, least: int = 1, most: float = math.inf) -> int:
    """Give ``value`` back; ValueError, by ``name``, unless whole and in [``least``, ``most``].

    True and False are no numbers here, whatever Python says.
    """
    limit = f"from {least} to {most}" if most < math.inf else f"of at least {least}"
    wanted = f"{name} must be a whole number {limit}"
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{wanted}, got {value!r}, a {type(value).__name__}")
    if not least <= value <= most:
        raise ValueError(f"{wanted}, got {value!r}")
    return value


def finite(x: Tensor, what: str = "velocity(x, t)") -> Tensor:
    """x (*S) itself, if it is finite; else a ValueError that names ``what`` made it so.

    NaN and infinity survive every later step, so solvers look once, at the end.
    """
    if not x.isfinite().all():
        raise ValueError(f"{what} must be finite, got NaN or infinity on the way")
    return x
