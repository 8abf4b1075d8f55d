"""Beside faiss and hnswlib on real vectors: the same ids, counts and, on own graphs, recall.

Both libraries run on one thread. Recall is compared at equal parameters and against the number of
distances evaluated, never against seconds.
"""

import faiss
import hnswlib
import numpy as np
import pytest
import torch
from ann.test_indices import generator

from helpers.ann.distance import recall
from helpers.ann.flat import Flat
from helpers.ann.graph import beam
from helpers.ann.hnsw import Hnsw
from helpers.ann.ivf import Ivf
from helpers.ann.ivfpq import IvfPq
from helpers.ann.pq import Pq, ProductQuantizer
from helpers.data import images as data
from helpers.data import lexicon

N, Q, K, M, EF_BUILD = 6000, 500, 10, 16, 100
EFS = (10, 20, 40, 80)


def ids_of(found):
    return torch.from_numpy(np.asarray(found).astype(np.int64))


@pytest.fixture(scope="module", params=["words", "digits"])
def real(request):
    """Queries and vectors that are disjoint, and each query's true neighbours by faiss."""
    if request.param == "words":
        every = lexicon.glove(N + Q)[1]
    else:
        images = data.mnist_5k()[0].float()[:, None] / 255
        every = torch.nn.functional.avg_pool2d(images, 2).flatten(1)  # 14 x 14
    every = every[torch.randperm(len(every), generator=generator())].contiguous()
    queries, vectors = every[:Q], every[Q:]
    exact = faiss.IndexFlatL2(vectors.shape[1])
    exact.add(vectors.numpy())
    distances, ids = exact.search(queries.numpy(), K)
    return queries, vectors, torch.from_numpy(distances), ids_of(ids)


def test_flat_equals_faiss(real):
    queries, vectors, distances, ids = real
    found, names = Flat().build(vectors).search(queries, K)
    torch.testing.assert_close(found, distances, atol=1e-3, rtol=1e-4)
    # Two neighbours may change places where float32 cannot tell their distances apart.
    assert recall(names, ids) > 0.9999 and (names == ids).float().mean() > 0.999


# HNSW ---------------------------------------------------------------------------------------------


def with_graph(vectors, layers, entry):
    """Our index around links made elsewhere: layers of (ids (n,), links (n, L)), lowest first."""
    index = Hnsw(M).build(vectors[:1])
    index.vectors, index.entry = vectors, entry
    index.alive = torch.ones(len(vectors), dtype=torch.bool)
    index.links, index.rows = [], []
    for ids, links in layers:
        rows = torch.full((len(vectors),), -1)
        rows[ids] = torch.arange(len(ids))
        index.links.append(links)
        index.rows.append(rows)
    return index


def faiss_layers(index):
    """The graph of a faiss.IndexHNSWFlat."""
    levels = faiss.vector_to_array(index.hnsw.levels)  # 1 for a vector of layer 0 only
    flat = faiss.vector_to_array(index.hnsw.neighbors).astype(np.int64)
    begin = faiss.vector_to_array(index.hnsw.offsets).astype(np.int64)
    layers = []
    for level in range(int(levels.max())):
        ids = np.flatnonzero(levels > level)
        width = 2 * M if level == 0 else M
        first = begin[ids] + (0 if level == 0 else M * (level + 1))
        links = flat[first[:, None] + np.arange(width)]
        layers.append((torch.from_numpy(ids), torch.from_numpy(links)))
    return layers


def hnswlib_layers(state):
    """The graph of an hnswlib.Index, from the arrays that it is pickled by."""
    n, width = state["cur_element_count"], state["max_M0"]
    rows = state["data_level0"].view(np.uint8).reshape(n, -1)
    internal = rows[:, state["label_offset"] :][:, :8].copy().view(np.uint64)[:, 0].astype(np.int64)

    def lists(block, width):
        words = block[:, : 4 * (width + 1)].copy().view(np.uint32).astype(np.int64)
        there = np.arange(width) < (words[:, :1] & 0xFFFF)
        return np.where(there, internal[words[:, 1:]], -1)

    levels = state["element_levels"]
    layers = [(torch.from_numpy(internal), torch.from_numpy(lists(rows, width)))]
    upper = state["link_lists"].view(np.uint8).reshape(-1, state["size_links_per_element"])
    begin = np.cumsum(levels) - levels
    for level in range(1, levels.max() + 1):
        here = np.flatnonzero(levels >= level)
        links = lists(upper[begin[here] + level - 1], state["max_M"])
        layers.append((torch.from_numpy(internal[here]), torch.from_numpy(links)))
    return layers, int(internal[state["enterpoint_node"]])


@pytest.fixture(scope="module")
def graphs(real):
    """The same vectors in faiss', in hnswlib's and in our graph, M and ef_build alike."""
    _, vectors, *_ = real
    faiss.omp_set_num_threads(1)
    theirs = faiss.IndexHNSWFlat(vectors.shape[1], M)
    theirs.hnsw.efConstruction = EF_BUILD
    theirs.add(vectors.numpy())
    other = hnswlib.Index("l2", vectors.shape[1])
    other.init_index(len(vectors), M=M, ef_construction=EF_BUILD, random_seed=1)
    other.add_items(vectors.numpy(), num_threads=1)
    ours = Hnsw(M, EF_BUILD, generator=generator()).build(vectors)
    return theirs, other, ours


def faiss_search(index, queries, ef):
    """Ids, and distances evaluated per query."""
    index.hnsw.efSearch = ef
    faiss.cvar.hnsw_stats.reset()
    _, ids = index.search(queries.numpy(), K)
    return ids_of(ids), faiss.cvar.hnsw_stats.ndis / len(queries)


def hnswlib_search(index, queries, ef):
    index.set_ef(ef)
    ids, _ = index.knn_query(queries.numpy(), K, num_threads=1)
    return ids_of(ids)


def greedy(index, queries):
    """Where a greedy descent enters layer 0, and its distances when each step counts all links."""
    entries, total = [], 0
    for q in queries:
        node = index.entry
        for level in reversed(range(1, len(index.links))):
            while True:
                near = index.neighbours(level, torch.tensor([node]))[0]
                near = near[near >= 0]
                total += len(near)
                far = (index.vectors[near] - q).square().sum(1)
                if far.min() >= (index.vectors[node] - q).square().sum():
                    break
                node = int(near[far.argmin()])
        entries.append(node)
    return torch.tensor(entries), total / len(queries)


def test_on_faiss_graph_the_walk_is_faiss(real, graphs):
    """The same ids and distances evaluated; faiss counts its greedy steps with repetitions."""
    queries, vectors, *_ = real
    theirs = graphs[0]
    index = with_graph(vectors, faiss_layers(theirs), theirs.hnsw.entry_point)
    entries, n_greedy = greedy(index, queries)
    for ef in EFS:
        ids, n_distances = faiss_search(theirs, queries, ef)
        _, found = index.search(queries, K, ef=ef)
        assert (found == ids).float().mean() > 0.998
        walk = beam(queries, vectors, lambda i: index.neighbours(0, i), entries, ef)
        ours = (walk[2] - 1).double().mean().item()  # they don't count the entry's own
        assert ours + n_greedy == pytest.approx(n_distances, rel=2e-3)


def test_on_hnswlib_graph_the_walk_is_hnswlib(real, graphs):
    queries, vectors, *_ = real
    layers, entry = hnswlib_layers(graphs[1].__getstate__()[0])
    index = with_graph(vectors, layers, entry)
    for ef in EFS:
        ids = hnswlib_search(graphs[1], queries, ef)
        _, found = index.search(queries, K, ef=ef)
        assert (found == ids).float().mean() > 0.998


def test_own_graph_is_as_good_at_every_ef(real, graphs):
    """Recall within .005 of both, at no more than 3 % more distances than on either's graph."""
    queries, vectors, _, exact = real
    theirs, other, ours = graphs
    layers, entry = hnswlib_layers(other.__getstate__()[0])
    walked = with_graph(vectors, layers, entry)
    for ef in EFS:
        found = recall(ours.search(queries, K, ef=ef)[1], exact)
        cost = ours.n_distances.double().mean().item()
        ids, n_distances = faiss_search(theirs, queries, ef)
        walked.search(queries, K, ef=ef)
        both = recall(ids, exact), recall(hnswlib_search(other, queries, ef), exact)
        print(f"ef {ef}: ours {found:.4f} at {cost:.0f}; faiss {both[0]:.4f} at {n_distances:.0f};"
              f" hnswlib {both[1]:.4f} at {walked.n_distances.double().mean():.0f}")  # fmt: skip
        assert found > max(both) - 0.005
        assert cost < 1.03 * max(n_distances, walked.n_distances.double().mean().item())


# IVF and PQ ---------------------------------------------------------------------------------------


def test_ivf_on_faiss_centroids_is_faiss(real):
    """The same ids and counts, at every nprobe."""
    queries, vectors, *_ = real
    coarse = faiss.IndexFlatL2(vectors.shape[1])
    theirs = faiss.IndexIVFFlat(coarse, vectors.shape[1], 64)
    theirs.train(vectors.numpy())
    theirs.add(vectors.numpy())
    centroids = torch.from_numpy(coarse.reconstruct_n(0, 64))
    index = Ivf().build(vectors, centroids=centroids)
    for n_probes in (1, 2, 4, 8, 16, 64):
        theirs.nprobe = n_probes
        faiss.cvar.indexIVF_stats.reset()
        _, ids = theirs.search(queries.numpy(), K)
        _, found = index.search(queries, K, n_probes=n_probes)
        assert (found == ids_of(ids)).float().mean() > 0.998
        counted = (index.n_distances - 64).double().mean().item()
        assert counted == pytest.approx(faiss.cvar.indexIVF_stats.ndis / len(queries), rel=1e-3)


def test_own_cells_are_as_good_at_every_probe(real):
    """Recall at equal cost within .005 of that with faiss' k-means, as the mean of 16 starts."""
    queries, vectors, _, exact = real
    probes = (1, 2, 4, 8, 16)
    ours, theirs = torch.zeros(16, len(probes), 2), torch.zeros(16, len(probes), 2)
    for seed in range(16):
        coarse = faiss.Kmeans(vectors.shape[1], 64, niter=10, seed=seed + 1)
        coarse.train(vectors.numpy())
        centroids = torch.from_numpy(coarse.centroids.copy())
        both = (
            (ours, Ivf(64, generator=generator(seed)).build(vectors)),
            (theirs, Ivf().build(vectors, centroids=centroids)),
        )
        for table, index in both:
            for i, n_probes in enumerate(probes):
                _, ids = index.search(queries, K, n_probes=n_probes)
                cost = index.n_distances.double().mean()
                table[seed, i] = torch.tensor([recall(ids, exact), cost])
    ours, theirs = ours.mean(0), theirs.mean(0)
    print(torch.cat([ours, theirs], 1))
    at_equal_cost = np.interp(ours[:, 1], theirs[:, 1], theirs[:, 0])
    assert (ours[:, 0].numpy() > at_equal_cost - 0.005).all()


@pytest.mark.parametrize(("n_parts", "n_bits"), [(5, 4), (5, 8), (10, 6), (25, 4)])
def test_pq_distorts_as_faiss(n_parts, n_bits):
    """Within 2 % at the same bits; and on faiss' own codebooks the same codes."""
    vectors = lexicon.glove(N)[1]
    theirs = faiss.ProductQuantizer(50, n_parts, n_bits)
    theirs.train(vectors.numpy())
    decoded = torch.from_numpy(theirs.decode(theirs.compute_codes(vectors.numpy())))
    spread = (vectors - vectors.mean(0)).double().square().sum()
    expected = ((decoded - vectors).double().square().sum() / spread).item()
    ours = ProductQuantizer(n_parts, n_bits, 25, generator=generator()).fit(vectors)
    assert ours.distortion(vectors) == pytest.approx(expected, rel=0.02)
    books = faiss.vector_to_array(theirs.centroids).reshape(n_parts, 2**n_bits, -1)
    ours.books = torch.from_numpy(books)
    assert ours.distortion(vectors) == pytest.approx(expected, rel=1e-4)


def test_codes_search_as_faiss(real):
    """PQ and IVF-PQ on faiss' codebooks: the same distances and, mostly, ids."""
    queries, vectors, *_ = real
    dim = vectors.shape[1]
    parts = 10 if dim == 50 else 49
    plain = faiss.IndexPQ(dim, parts, 6)
    plain.train(vectors.numpy())
    plain.add(vectors.numpy())
    quantizer = ProductQuantizer(parts, 6)
    quantizer.books = torch.from_numpy(
        faiss.vector_to_array(plain.pq.centroids).reshape(parts, 64, -1)
    )
    distances, ids = plain.search(queries.numpy(), K)
    found, names = Pq(quantizer).build(vectors).search(queries, K)
    torch.testing.assert_close(found, torch.from_numpy(distances), rtol=1e-3, atol=1e-3)
    assert recall(names, ids_of(ids)) > 0.99
    coarse = faiss.IndexFlatL2(dim)
    both = faiss.IndexIVFPQ(coarse, dim, 32, parts, 6)
    both.train(vectors.numpy())
    both.add(vectors.numpy())
    both.nprobe = 4
    distances, ids = both.search(queries.numpy(), K)
    residual = ProductQuantizer(parts, 6)
    residual.books = torch.from_numpy(
        faiss.vector_to_array(both.pq.centroids).reshape(parts, 64, -1)
    )
    index = IvfPq(Fixed(torch.from_numpy(coarse.reconstruct_n(0, 32))), residual).build(vectors)
    found, names = index.search(queries, K, n_probes=4)
    torch.testing.assert_close(found, torch.from_numpy(distances), rtol=1e-3, atol=2e-3)
    assert recall(names, ids_of(ids)) > 0.99


class Fixed(Ivf):
    """Cells whose centroids come from elsewhere."""

    def __init__(self, centroids):
        super().__init__(len(centroids))
        self.given = centroids

    def build(self, vectors):
        return super().build(vectors, centroids=self.given)
