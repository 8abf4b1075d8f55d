"""Claims: numbers that a chapter asserts, checked where measured and recorded for the page.

``claim("nice-log-det", error, at_most=1e-10, text="...", data="exact")`` raises when the bound is
violated, prints one steady line, and in a notebook hangs the full record on that output's metadata
(key ``claim``), where ``tools/build/pages.py`` finds it. Outside a notebook use :func:`recording`.
"""

import math
import platform
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from numbers import Real
from typing import Any

ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)+")
DATA = ("real", "real, proxy labels", "simulated", "exact")
_active: list[list[dict[str, Any]]] = []


class ClaimError(AssertionError):
    """A claim was violated; ``record`` holds what was measured, in full."""

    def __init__(self, message: str, record: dict[str, Any]) -> None:
        super().__init__(message)
        self.record = record


def claim(
    id: str,
    measured: Any,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    near: tuple[float, float] | None = None,
    floor: float | tuple[str, float] | None = None,
    oracle: float | tuple[str, float] | None = None,
    unit: str = "",
    text: str = "",
    data: str,
    seed: int | None = None,
    device: Any = None,
) -> None:
    """Assert a measured number, print it beside its bound, and record it.

    Parameters
    ----------
    id : ``chapter-slug``, in lower case, unique in the book: ``nice-digits-nats``.
    measured : a number, or a tensor or array that holds one.
    at_least, at_most : bounds, either or both.
    near : (value, tolerance): the claim is ``abs(measured - value) <= tolerance``.
    floor, oracle : what to read it against, a number or (name, number): a baseline or the noise,
        and what cannot be beaten. Recorded and printed, not asserted.
    unit : of all these numbers, ``"nats"``. text : what was measured, half a sentence.
    data : ``"real"``, ``"real, proxy labels"``, ``"simulated"`` or ``"exact"``.
    seed, device : by default the notebook's ``SEED``; the measured tensor's device, else the CPU.

    Raises
    ------
    ClaimError : the bound is violated, or measured is not finite.
    ValueError : no bound, or a bound, a number, an id or a label of another form.
    """
    _check(id, data)
    record = {"id": id, "text": text, "unit": unit, "data": data}
    record |= _measured(measured, _bound(at_least, at_most, near), floor, oracle)
    _tell(record | _circumstances(measured, seed, device))


def _measured(
    measured: Any, bound: dict[str, Any], floor: Any = None, oracle: Any = None
) -> dict[str, Any]:
    """A claim's number, what it is held to, and what it is read against."""
    value = _number("measured", measured)
    return {
        "measured": value if math.isfinite(value) else str(value),  # JSON knows no NaN
        "bound": bound,
        "holds": margin(bound, value) >= 0,
        "floor": _reference("floor", floor),
        "oracle": _reference("oracle", oracle),
    }


def _circumstances(measured: Any, seed: int | None, device: Any) -> dict[str, Any]:
    """Where a number was measured: seed, device, versions."""
    shell = _shell()
    python = {"python": platform.python_version()}
    others = {name: metadata.version(name).partition("+")[0] for name in ("numpy", "torch")}
    return {
        "seed": shell.user_ns.get("SEED") if seed is None and shell else seed,
        "device": _device(getattr(measured, "device", "cpu") if device is None else device),
        "versions": python | others,
    }


def _check(id: Any, data: Any) -> None:
    """ValueError unless a claim's id and label are in order, and the id is new."""
    if not isinstance(id, str):
        raise ValueError(f"id must look like 'nice-log-det', a string, got {id!r}")
    if not ID.fullmatch(id):
        raise ValueError(f"id must look like 'nice-log-det', got {id!r}")
    if data not in DATA:
        raise ValueError(f"data must be one of {', '.join(map(repr, DATA))}, got {data!r}")
    if any(other["id"] == id for records in _active for other in records):
        raise ValueError(f"claim {id} is made twice in one recording, but ids must be unique")


def _tell(record: dict[str, Any]) -> None:
    """Record a claim and print its line, with the record where a notebook runs; ClaimError."""
    line = describe(record)
    for records in _active:
        records.append(record)
    if _shell():
        from IPython.display import publish_display_data

        publish_display_data({"text/plain": line}, metadata={"claim": record})
    else:
        print(line)
    if not record["holds"]:
        raise ClaimError(line, record)


@contextmanager
def recording() -> Iterator[list[dict[str, Any]]]:
    """Collect the records of the claims made inside, violated ones included.

    A repeated id raises ValueError here; in a notebook, where cells run twice, the build does.
    """
    records: list[dict[str, Any]] = []
    _active.append(records)
    try:
        yield records
    finally:
        _active[:] = [other for other in _active if other is not records]


def margin(bound: dict[str, Any], value: float | str) -> float:
    """How far inside a record's ``bound`` a value lies: negative when outside or not finite."""
    value = float(value)
    if not math.isfinite(value):
        return -math.inf
    if "near" in bound:
        centre, tolerance = bound["near"]
        return tolerance - abs(value - centre)
    low = bound.get("at_least", -math.inf)
    high = bound.get("at_most", math.inf)
    return min(value - low, high - value)


def describe(record: dict[str, Any]) -> str:
    """The line that a claim prints. Tests of notebooks mask its measured numbers."""
    parts = [f"claim {record['id']}: {'holds' if record['holds'] else 'FAILS'}"]
    parts.append(f"measured {show(record['measured'])} {record['unit']}".rstrip())
    parts.append(describe_bound(record["bound"]))
    for kind in ("floor", "oracle"):
        if record[kind]:
            name = record[kind]["name"]
            parts.append(f"{kind} {show(record[kind]['value'])}" + (f" ({name})" if name else ""))
    return " | ".join(parts)


def describe_bound(bound: dict[str, Any]) -> str:
    """A bound in words: ``at least 50 and at most 60``, ``within 0.001 of 1``."""
    if "near" in bound:
        return "within {1:.6g} of {0:.6g}".format(*bound["near"])
    return " and ".join(f"{name.replace('_', ' ')} {limit:.6g}" for name, limit in bound.items())


def show(value: float | str) -> str:
    """A measured number with four significant digits."""
    return f"{float(value):.4g}"


def _number(name: str, value: Any) -> float:
    """A float from a number, or from a tensor or array that holds exactly one."""
    if hasattr(value, "item") and hasattr(value, "shape"):
        if math.prod(value.shape) != 1:
            raise ValueError(f"{name} must be one number, got shape {tuple(value.shape)}")
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ValueError(f"{name} must be a number, got {value!r}")
    if name != "measured" and not math.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value}")
    return float(value)


def _bound(at_least: Any, at_most: Any, near: Any) -> dict[str, Any]:
    """The bound as it is recorded; ValueError unless it is a sensible one."""
    given = {"at_least": at_least, "at_most": at_most}
    bound = {name: _number(name, limit) for name, limit in given.items() if limit is not None}
    if near is not None:
        wanted = "near must be (value, tolerance) and the only bound"
        if bound:
            raise ValueError(f"{wanted}, got {', '.join(bound)} beside {near!r}")
        if not isinstance(near, tuple | list):
            raise ValueError(f"{wanted}, got {near!r}")
        if len(near) != 2:
            raise ValueError(f"{wanted}, got {near!r}")
        bound = {"near": [_number("near", part) for part in near]}
        if bound["near"][1] < 0:
            raise ValueError(f"near's tolerance must not be negative, got {near[1]!r}")
    if not bound:
        raise ValueError("a claim needs a bound: at_least, at_most or near")
    if len(bound) == 2 and bound["at_least"] > bound["at_most"]:
        raise ValueError(f"at_least must not exceed at_most, got {at_least} and {at_most}")
    return bound


def _reference(kind: str, value: Any) -> dict[str, Any] | None:
    """A floor or an oracle as it is recorded."""
    name, number = value if isinstance(value, tuple) else ("", value)
    return None if value is None else {"name": name, "value": _number(kind, number)}


def _shell() -> Any:
    """The running IPython shell, or None."""
    return sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None


def _device(device: Any) -> str:
    """``CPU``, or what the accelerator calls itself."""
    if str(device).startswith("cuda"):
        import torch

        return torch.cuda.get_device_name(device)
    return "CPU" if str(device) == "cpu" else str(device)
