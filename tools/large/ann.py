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

WORDS = 400_000
QUERIES = 1000
K = 10  # neighbours
EFS = (10, 20, 50, 200)
PROBES = (1, 8, 32, 128)
CELLS = 1024
PARTS = 10  # bytes of a code
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


def seeded() -> torch.Generator:
    """A generator that gives every index the same draws."""
    return torch.Generator().manual_seed(0)


class Study:
    """Queries and vectors out of every (N, D), the truth about them, and the values found so far.

    folder : where the graph and the values are kept; what is there is not measured again.
    """

    def __init__(
        self, every: Tensor, folder: Path, n_queries: int, say: Callable[[str], None]
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.say = say
        self.known: dict[str, float] = book.read_json(folder / "values.json")
        order = torch.randperm(len(every), generator=seeded()).to(every.device)
        self.queries = every[order[:n_queries]]
        self.vectors = every[order[n_queries:]]
        self.n_cells = min(CELLS, len(self.vectors))

    def keep(self, text: str, value: float) -> None:
        """Note one value at once, so that an interrupt does not lose it."""
        self.known[f"GloVe 400k, {text}"] = value
        book.write_json(self.folder / "values.json", self.known)
        self.say(f"{text}: {value:.4g}")

    def exact(self) -> None:
        """Search exactly: the truth (Q, K), and how long it takes."""
        index = Flat().build(self.vectors)
        index.search(self.queries[:10], K)
        start = time.perf_counter()
        self.truth = index.search(self.queries, K)[1].cpu()
        self.keep("exact search", len(self.queries) / (time.perf_counter() - start))

    def measure(self, text: str, index: Ivf | Hnsw, **knob: int) -> None:
        """Recall of an index at one setting, and the share of the vectors that it looked at."""
        ids = index.search(self.queries, K, **knob)[1]
        self.keep(text, recall(ids.cpu(), self.truth))
        share = index.n_distances.double().mean().item() / len(self.vectors)
        self.keep(f"{text}, compared with", share)

    def by_cells(self) -> Ivf:
        """Measure IVF at every number of probes; returns it."""
        cells = Ivf(self.n_cells, generator=seeded()).build(self.vectors)
        for value in PROBES:
            knob = min(value, self.n_cells)
            self.measure(f"IVF, {CELLS} cells, probes = {value}", cells, n_probes=knob)
        return cells

    def by_codes(self, cells: Ivf) -> None:
        """Measure IVF-PQ, whose codebooks learn from what the cells leave of 50,000 vectors."""
        coder = ProductQuantizer(PARTS, 8, generator=seeded())
        some = slice(0, 50_000)
        coder.fit(self.vectors[some] - cells.centroids[cells.cell[some]])
        both = IvfPq(Ivf(self.n_cells, generator=seeded()), coder, keep=True).build(self.vectors)
        for n_rerank in (0, 100):
            probes = min(PROBES[-1], self.n_cells)
            found = both.search(self.queries, K, n_probes=probes, n_rerank=n_rerank)[1]
            text = f"IVF-PQ, {PARTS} bytes, {PROBES[-1]} probes, {n_rerank} re-ranked"
            self.keep(text, recall(found.cpu(), self.truth))

    def by_graph(self) -> None:
        """Measure HNSW at every ef; the graph is built once."""
        saved = self.folder / "hnsw.npz"
        if saved.exists() and "GloVe 400k, HNSW, M = 16, built" in self.known:
            world = storage.load(Hnsw(), saved, device=str(self.vectors.device))
        else:
            start = time.perf_counter()
            world = Hnsw(16, 100, generator=seeded()).build(self.vectors)
            seconds = time.perf_counter() - start
            self.keep("HNSW, M = 16, built", len(self.vectors) / seconds)
            storage.save(world, saved)
        for value in EFS:
            self.measure(f"HNSW, M = 16, ef = {value}", world, ef=value)


def run(
    every: Tensor,
    folder: Path,
    n_queries: int = QUERIES,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, float]:
    """Measure the values of all `rows`, by their text, on vectors every (N, D).

    folder : where the graph and the values are kept; what is there is not measured again.
    n_queries : of the N vectors, drawn at random, ask. say : told of every value.
    """
    study = Study(every, folder, n_queries, say)
    if set(study.known) == {row["text"] for row in rows()}:
        return study.known
    study.exact()
    cells = study.by_cells()
    study.by_codes(cells)
    study.by_graph()
    return study.known


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
