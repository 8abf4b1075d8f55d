"""Nearest neighbours against faiss and hnswlib on words and digits: cost, recall, time; one thread.

Counts and recall compare ideas, times compare machines. Where a graph is walked Python loses, and
the row says by how much.
"""

from collections.abc import Callable, Iterator

import faiss
import hnswlib
import torch
from torch import Tensor

from benchmarks.timing import compare, ratio, row
from helpers.ann.distance import recall
from helpers.ann.flat import Flat
from helpers.ann.hnsw import Hnsw
from helpers.ann.ivf import Ivf
from helpers.ann.ivfpq import IvfPq
from helpers.ann.pq import ProductQuantizer
from helpers.data import images, lexicon

CHAPTER = "13. ANN"
K = 10  # neighbours
M = 16  # links of a vertex
EF_BUILD = 100


def words(n: int, n_queries: int) -> tuple[Tensor, Tensor]:
    """Queries (Q, 50) and vectors (N, 50): English words, disjoint."""
    every = lexicon.glove(n + n_queries)[1]
    every = every[torch.randperm(len(every), generator=torch.Generator().manual_seed(0))]
    return every[:n_queries].contiguous(), every[n_queries:].contiguous()


def digits(n_queries: int) -> tuple[Tensor, Tensor]:
    """Queries (Q, 784) and vectors (5,000 - Q, 784): handwritten digits, disjoint."""
    every = images.mnist_5k()[0].flatten(1).float() / 255
    every = every[torch.randperm(len(every), generator=torch.Generator().manual_seed(0))]
    return every[:n_queries].contiguous(), every[n_queries:].contiguous()


def flat(queries: Tensor, vectors: Tensor, name: str) -> Iterator[dict]:
    """Exact search against the matrix product alone, and against faiss."""
    index = Flat().build(vectors)
    theirs = faiss.IndexFlatL2(vectors.shape[1])
    theirs.add(vectors.numpy())
    blocks = [x.T for x in vectors.split(index.block[1])]

    def product() -> None:
        for q in queries.split(index.block[0]):
            for x in blocks:
                q @ x

    size = f"{name}, {len(queries)} queries"
    ours: Callable[[], object] = lambda: index.search(queries, K)  # noqa: E731
    best, (low, high) = ratio(product, ours, n_calls=3)
    text = f"share of exact search that is its matrix product, {size}"
    yield row(CHAPTER, text, "the time of all of it", best, (low, high))
    yield compare(
        CHAPTER,
        f"exact search, {size}",
        "the time of one matrix product",
        ours,
        lambda: queries @ vectors.T,
        n_calls=3,
    )
    asked = queries.numpy()
    yield compare(
        CHAPTER,
        f"exact search, {size}",
        "faiss' time",
        ours,
        lambda: theirs.search(asked, K),
        n_calls=3,
    )


def cells(queries: Tensor, vectors: Tensor, name: str, n_parts: int) -> Iterator[dict]:
    """IVF and IVF-PQ at 8 probes against faiss on its own cells and codebooks."""
    dim = vectors.shape[1]
    asked = queries.numpy()
    coarse = faiss.IndexFlatL2(dim)
    theirs = faiss.IndexIVFFlat(coarse, dim, 128)
    codes = faiss.IndexIVFPQ(coarse, dim, 128, n_parts, 8)
    for one in (theirs, codes):
        one.train(vectors.numpy())
        one.add(vectors.numpy())
        one.nprobe = 8
    plain = Ivf(128, generator=torch.Generator().manual_seed(0)).build(vectors)
    quantizer = ProductQuantizer(n_parts, 8, generator=torch.Generator().manual_seed(0))
    both = IvfPq(Ivf(128, generator=torch.Generator().manual_seed(0)), quantizer).build(vectors)
    for text, index, their in (("IVF", plain, theirs), ("IVF-PQ", both, codes)):
        yield compare(
            CHAPTER,
            f"{text}, 8 of 128 cells, {name}, {len(queries)} queries",
            "faiss' time",
            lambda index=index: index.search(queries, K),
            lambda their=their: their.search(asked, K),
            n_calls=2,
        )


def building(vectors: Tensor, name: str) -> tuple[Hnsw, dict]:
    """Our graph of the vectors (N, D), and the row on how long it takes beside faiss."""
    built: list[Hnsw] = []

    def ours() -> None:
        generator = torch.Generator().manual_seed(0)
        built.append(Hnsw(M, EF_BUILD, generator=generator).build(vectors))

    def theirs() -> None:
        faiss_graph(vectors)

    best, spread = ratio(ours, theirs, n_rounds=1, n_calls=1)
    text = f"building HNSW, M = {M}, {name}"
    return built[-1], row(CHAPTER, text, "faiss' time", best, spread)


def faiss_graph(vectors: Tensor) -> faiss.IndexHNSWFlat:
    """faiss' graph of vectors (N, D), with our M and ef."""
    index = faiss.IndexHNSWFlat(vectors.shape[1], M)
    index.hnsw.efConstruction = EF_BUILD
    index.add(vectors.numpy())
    return index


def hnswlib_graph(vectors: Tensor) -> hnswlib.Index:
    """hnswlib's, on one thread."""
    index = hnswlib.Index("l2", vectors.shape[1])
    index.init_index(len(vectors), M=M, ef_construction=EF_BUILD, random_seed=1)
    index.set_num_threads(1)
    index.add_items(vectors.numpy(), num_threads=1)
    return index


def graphs(queries: Tensor, vectors: Tensor, name: str) -> Iterator[dict]:
    """HNSW beside both libraries at equal M and ef: recall, distances, time; and the building."""
    truth = Flat().build(vectors).search(queries, K)[1]
    asked = queries.numpy()
    index, said = building(vectors, name)
    yield said
    theirs = faiss_graph(vectors)
    other = hnswlib_graph(vectors)
    for ef in (10, 20, 40, 80):
        found = recall(index.search(queries, K, ef=ef)[1], truth)
        count = index.n_distances.double().mean().item()
        theirs.hnsw.efSearch = ef
        faiss.cvar.hnsw_stats.reset()
        ids = torch.from_numpy(theirs.search(asked, K)[1])
        n_distances = faiss.cvar.hnsw_stats.ndis / len(queries)
        other.set_ef(ef)
        more = torch.from_numpy(other.knn_query(asked, K)[0].astype("int64"))
        about = f"HNSW, ef = {ef}, {name}"
        yield row(CHAPTER, f"recall, {about}", "faiss'", found / recall(ids, truth))
        yield row(CHAPTER, f"recall, {about}", "hnswlib's", found / recall(more, truth))
        yield row(CHAPTER, f"distances evaluated, {about}", "faiss'", count / n_distances)
    yield compare(
        CHAPTER,
        f"HNSW, ef = 80, {name}, {len(queries)} queries",
        "hnswlib's time",
        lambda: index.search(queries, K, ef=80),
        lambda: other.knn_query(asked, K),
        n_calls=1,
    )


def measure(n_words: int = 20_000, n_queries: int = 1000) -> Iterator[dict]:
    """One record a comparison."""
    faiss.omp_set_num_threads(1)
    queries, vectors = words(n_words, n_queries)
    name = f"{n_words:,} words, D = 50"
    pictures = digits(min(n_queries, 500))
    yield from flat(queries, vectors, name)
    yield from flat(*pictures, f"{len(pictures[1]):,} digits, D = 784")
    yield from cells(queries, vectors, name, 10)
    yield from graphs(queries, vectors, name)
