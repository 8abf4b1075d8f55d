"""The simulated shop: time and memory of a million impressions, and what of it is the drawing."""

import gc
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks.timing import compare, row
from helpers import shop
from helpers.data import catalogue
from helpers.shop import policy

CHAPTER = "The shop"
# A process of its own: the peak of one that has done other things says nothing.
PEAK = """
import torch
from benchmarks.shop import peak
print(peak({n_requests}))
"""


def memory(which: str) -> float:
    """Megabytes of this process, as Linux counts them: VmRSS is now, VmHWM the most so far."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(which + ":"):
            return int(line.split()[1]) / 1024
    raise ValueError(f"expected VmRSS or VmHWM, got {which}")


def peak(n_requests: int) -> float:
    """Megabytes by which memory rises at most while n_requests requests are logged."""
    torch.set_num_threads(1)
    world = shop.Shop(catalogue.reviews())
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of the building
    before = memory("VmRSS")
    world.log(n_requests, generator=torch.Generator().manual_seed(0))
    return max(0.0, memory("VmHWM") - before)


def seconds(world: shop.Shop, n_requests: int, n_rounds: int = 5) -> list[float]:
    """Wall time of a log, n_rounds times, shortest first."""
    found = []
    for _ in range(n_rounds):
        start = time.perf_counter()
        world.log(n_requests, generator=torch.Generator().manual_seed(0))
        found.append(time.perf_counter() - start)
    return sorted(found)


def measure(n_requests: int = 100_000, n_rounds: int = 5) -> Iterator[dict]:
    """One record a measurement; n_requests lists of ten make the log."""
    world = shop.Shop(catalogue.reviews())
    n = n_requests * world.n_positions
    took = seconds(world, n_requests, n_rounds)
    best = took[0]
    spread = (took[0], took[-1])
    yield row(CHAPTER, f"a log of {n:,} impressions, one thread", "s", best, spread)
    script = PEAK.format(n_requests=n_requests)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    added = float(done.stdout.split()[-1])
    yield row(CHAPTER, f"peak memory that a log of {n:,} impressions adds", "MB", added)
    few = max(1, n_requests // 100)
    log = world.log(few, generator=torch.Generator().manual_seed(0))
    yield row(CHAPTER, "memory that a log keeps, an impression", "bytes", log.n_bytes / len(log))
    scores = world.production[log.query[:: world.n_positions]]

    def draw() -> None:
        generator = torch.Generator().manual_seed(0)
        policy.plackett_luce(scores, world.n_positions, generator=generator)

    yield compare(
        CHAPTER,
        f"sessions, lists, clicks and purchases of {few:,} requests",
        "the time of drawing as many lists",
        lambda: world.log(few, generator=torch.Generator().manual_seed(0)),
        draw,
        n_calls=2,
    )
