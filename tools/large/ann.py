"""``make full``, chapter 13: all 400,000 GloVe vectors, exactly and by cells, codes and a graph.

It needs no download beyond the data wheel, and runs on a GPU or, in an hour or so (an estimate, not
measured), on a CPU. The graph and every value are kept under ``.cache/full`` and found again.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from helpers.ann import storage
from helpers.ann.distance import recall
from helpers.ann.flat import Flat
from helpers.ann.hnsw import Hnsw
from helpers.ann.ivf import Ivf
from helpers.ann.ivfpq import IvfPq
from helpers.ann.pq import ProductQuantizer
from helpers.data import lexicon
from tools.build import book
from tools.large import rows as large

WORDS, QUERIES, K = 400_000, 1000, 10
EFS, PROBES = (10, 20, 50, 200), (1, 8, 32, 128)
CELLS, PARTS = 1024, 10
CHAPTER = "13. ANN"


def rows() -> list[dict]:
    """What ``large.json`` shows of this run: its rows, not run yet."""
    listed = [("exact search", "queries a second"), ("HNSW, M = 16, built", "vectors a second")]
    for knob, values in ((f"IVF, {CELLS} cells, probes", PROBES), ("HNSW, M = 16, ef", EFS)):
        for value in values:
            listed.append((f"{knob} = {value}", f"recall of the {K} nearest"))
            listed.append((f"{knob} = {value}, compared with", "share of the vectors"))
    for n_rerank in (0, 100):
        text = f"IVF-PQ, {PARTS} bytes, {PROBES[-1]} probes, {n_rerank} re-ranked"
        listed.append((text, f"recall of the {K} nearest"))
    return [
        {"chapter": CHAPTER, "text": f"GloVe 400k, {text}", "reported": "", "unit": unit}
        | {"data": "real"}
        | large.WAITING
        for text, unit in listed
    ]


def run(
    every: Tensor,
    folder: Path,
    n_queries: int = QUERIES,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, float]:
    """Measure the values of all `rows`, by their text, on vectors every (N, D).

    folder : where the graph and the values are kept; what is there is not measured again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known = book.read_json(folder / "values.json")

    def keep(text: str, value: float) -> None:
        known[f"GloVe 400k, {text}"] = value
        book.write_json(folder / "values.json", known)
        say(f"{text}: {value:.4g}")

    def seeded() -> torch.Generator:
        return torch.Generator().manual_seed(0)

    if set(known) == {row["text"] for row in rows()}:
        return known
    order = torch.randperm(len(every), generator=seeded()).to(every.device)
    queries, vectors = every[order[:n_queries]], every[order[n_queries:]]
    n = len(vectors)
    exact = Flat().build(vectors)
    exact.search(queries[:10], K)
    start = time.perf_counter()
    truth = exact.search(queries, K)[1].cpu()
    keep("exact search", n_queries / (time.perf_counter() - start))

    def measure(text: str, index: Ivf | Hnsw, **knob: int) -> None:
        ids = index.search(queries, K, **knob)[1]
        keep(text, recall(ids.cpu(), truth))
        keep(f"{text}, compared with", index.n_distances.double().mean().item() / n)

    n_cells = min(CELLS, n)
    cells = Ivf(n_cells, generator=seeded()).build(vectors)
    for value in PROBES:
        knob = min(value, n_cells)
        measure(f"IVF, {CELLS} cells, probes = {value}", cells, n_probes=knob)
    coder = ProductQuantizer(PARTS, 8, generator=seeded())
    some = slice(0, 50_000)
    coder.fit(vectors[some] - cells.centroids[cells.cell[some]])
    both = IvfPq(Ivf(n_cells, generator=seeded()), coder, keep=True).build(vectors)
    for n_rerank in (0, 100):
        probes = min(PROBES[-1], n_cells)
        found = both.search(queries, K, n_probes=probes, n_rerank=n_rerank)[1]
        text = f"IVF-PQ, {PARTS} bytes, {PROBES[-1]} probes, {n_rerank} re-ranked"
        keep(text, recall(found.cpu(), truth))
    saved = folder / "hnsw.npz"
    if saved.exists() and "GloVe 400k, HNSW, M = 16, built" in known:
        world = storage.load(Hnsw(), saved, device=str(every.device))
    else:
        start = time.perf_counter()
        world = Hnsw(16, 100, generator=seeded()).build(vectors)
        keep("HNSW, M = 16, built", n / (time.perf_counter() - start))
        storage.save(world, saved)
    for value in EFS:
        measure(f"HNSW, M = 16, ef = {value}", world, ef=value)
    return known


def main() -> None:
    """Load all of GloVe, run, record."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--words", type=int, default=WORDS, help="fewer for a trial")
    parser.add_argument("--cpu", action="store_true", help="run without a GPU")
    chosen = parser.parse_args()
    device = large.wanted(chosen.cpu)
    every = lexicon.glove(chosen.words)[1].to(device)
    folder = large.folder(f"ann-{chosen.words}")
    values = run(every, folder, say=lambda line: print(line, flush=True))
    note = "" if chosen.words == WORDS else f"; the first {chosen.words} words"
    large.record(rows(), values, large.name_of(device), note)


if __name__ == "__main__":
    main()
