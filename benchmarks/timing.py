"""Time ratios that survive a noisy machine: interleaved, in one process, the best of several."""

import time
from collections.abc import Callable


def ratio(
    ours: Callable[[], object],
    theirs: Callable[[], object],
    *,
    n_rounds: int = 15,
    n_calls: int = 20,
) -> tuple[float, tuple[float, float]]:
    """Time of ``ours`` over that of ``theirs``: (ratio of the minima, middle half of the rounds).

    Each round times n_calls of one, then n_calls of the other, so that both see the same machine.
    """
    for function in (ours, theirs):
        function()
    times: list[tuple[float, float]] = []
    for _ in range(n_rounds):
        pair = []
        for function in (ours, theirs):
            start = time.perf_counter()
            for _ in range(n_calls):
                function()
            pair.append(time.perf_counter() - start)
        times.append((pair[0], pair[1]))
    each = sorted(a / b for a, b in times)
    quarter = len(each) // 4
    best = min(a for a, _ in times) / min(b for _, b in times)
    return best, (each[quarter], each[-1 - quarter])


def compare(
    chapter: str,
    text: str,
    against: str,
    ours: Callable[[], object],
    theirs: Callable[[], object],
    *,
    n_calls: int = 20,
) -> dict:
    """One record: the time of ``ours`` over that of ``theirs``."""
    best, spread = ratio(ours, theirs, n_calls=n_calls)
    return row(chapter, text, against, best, spread)


def row(
    chapter: str, text: str, against: str, value: float, spread: tuple[float, float] | None = None
) -> dict:
    """One record of bench.json. A count, which no second run would change, is its own spread."""
    spread = spread or (value, value)
    return {"chapter": chapter, "text": text, "against": against, "ratio": value, "spread": spread}
