"""k-means, IVF, PQ and IVF-PQ against loops in float64 and closed forms."""

import math
from itertools import pairwise

import pytest
import torch
from ann.test_distance import brute, points
from ann.test_indices import generator, truth
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.ann import ivf, kmeans
from helpers.ann.ivf import Ivf
from helpers.ann.ivfpq import IvfPq
from helpers.ann.pq import Pq, ProductQuantizer, look_up

F64 = torch.float64


def blobs(n=300, dim=4, n_blobs=6, seed=0):
    """Clustered vectors (n, dim)."""
    centres = 6 * points(n_blobs, dim, seed=seed + 100)
    return centres[torch.arange(n) % n_blobs] + points(n, dim, seed=seed)


# k-means ------------------------------------------------------------------------------------------


def test_mean_is_the_best_centroid():
    """(13.10): the sum of squares about c is that about the mean, plus n |c - mean|^2."""
    x, c = points(30, 5), points(5, seed=1)
    mean, _ = kmeans.means(x, torch.zeros(30, dtype=torch.long), 1)
    about = (x - mean[0]).square().sum()
    assert (x - c).square().sum().item() == pytest.approx(
        (about + 30 * (c - mean[0]).square().sum()).item()
    )


def test_means_cluster_by_cluster():
    x, labels = points(20, 3), torch.arange(20) % 4 * 2
    found, sizes = kmeans.means(x, labels, 8)
    for c in range(8):
        mine = x[labels == c]
        expected = mine.mean(0) if len(mine) else torch.zeros(3, dtype=F64)
        torch.testing.assert_close(found[c], expected)
        assert sizes[c] == len(mine)


def test_assign_is_the_nearest(monkeypatch):
    x, centroids = points(50, 3), points(7, 3, seed=1)
    far, labels = kmeans.assign(x, centroids)
    expected = brute(x, centroids).min(1)
    assert torch.equal(labels, expected.indices)
    torch.testing.assert_close(far, expected.values)
    monkeypatch.setattr(kmeans, "BUDGET", 100)
    assert torch.equal(kmeans.assign(x, centroids)[1], labels)


@given(st.integers(0, 50))
@settings(max_examples=10)
def test_no_round_raises_the_cost(seed):
    """(13.11), with the fresh starts of empty clusters among them."""
    x = blobs(60, 2, 3, seed).repeat(2, 1)
    found = [kmeans.kmeans(x, 20, n, generator=generator(seed)) for n in range(8)]
    costs = [kmeans.assign(x, centroids)[0].mean().item() for centroids in found]
    assert all(b <= a + 1e-9 for a, b in pairwise(costs))


def test_empty_clusters_begin_again():
    """Five places, twice each: drawn twice, a place leaves a cluster empty, which finds another."""
    x = torch.tensor([[0.0], [10], [20], [30], [40]], dtype=F64).repeat(2, 1)
    for seed in range(10):
        centroids = kmeans.kmeans(x, 5, 10, generator=generator(seed))
        assert sorted(centroids[:, 0].tolist()) == [0, 10, 20, 30, 40]


# IVF ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("budget", [1 << 24, 200])
def test_ivf_searches_the_nearest_cells(budget, monkeypatch):
    """Against a loop over queries and cells; the counts include the centroids."""
    monkeypatch.setattr(ivf, "BUDGET", budget)
    vectors, queries = blobs(), blobs(17, seed=1)
    index = Ivf(12, generator=generator()).build(vectors)
    labels = brute(vectors, index.centroids).argmin(1)
    for n_probes in (1, 3, 12):
        distances, ids = index.search(queries, 5, n_probes=n_probes)
        for q in range(17):
            cells = brute(queries[q : q + 1], index.centroids)[0].argsort()[:n_probes]
            seen = [i for i in range(300) if labels[i] in cells]
            far = brute(queries[q : q + 1], vectors)[0]
            order = sorted(seen, key=lambda i, far=far: far[i].item())[:5]
            assert ids[q].tolist() == order + [-1] * (5 - len(order))
            assert index.n_distances[q] == 12 + len(seen)
            expected = far[torch.tensor(order)]
            torch.testing.assert_close(distances[q, : len(order)], expected, atol=1e-9, rtol=1e-9)


def test_ivf_with_all_cells_is_exact_in_float32():
    vectors, queries = blobs().float(), blobs(9, seed=1).float()
    _, ids = Ivf(8, generator=generator()).build(vectors).search(queries, 3, n_probes=8)
    assert torch.equal(ids, truth(queries, vectors, 3)[1])


def test_ivf_cost_is_least_at_the_root():
    """(13.12): K + P N / K, found by trying every K."""
    n, n_probes = 20_000, 8
    cost = {k: k + n_probes * n / k for k in range(1, 2000)}
    best = min(cost, key=cost.get)
    assert best == math.sqrt(n_probes * n) == 400
    # Equal cells cost exactly that: a grid of 16 places, each with 9 vectors.
    places = torch.cartesian_prod(*[torch.arange(4.0, dtype=F64) * 100] * 2)
    vectors = (places[:, None] + points(16, 9, 2)).flatten(0, 1)
    index = Ivf(16).build(vectors, centroids=places)
    index.search(vectors[:20], 1, n_probes=3)
    assert (index.n_distances == 16 + 3 * 144 / 16).all()


def test_ivf_filters_adds_and_removes():
    vectors, queries = blobs(), blobs(10, seed=1)
    index = Ivf(6, generator=generator()).build(vectors)
    allowed = torch.arange(300) % 5 == 0
    _, ids = index.search(queries, 3, n_probes=6, allowed=allowed)
    assert torch.equal(ids, truth(queries, vectors[allowed], 3)[1] * 5)
    assert (index.n_distances == 6 + 60).all()
    new = index.add(queries[:4])
    assert new.tolist() == [300, 301, 302, 303]
    assert index.search(queries[:4], 1, n_probes=1)[1][:, 0].tolist() == new.tolist()
    index.remove(new[:2])
    _, ids = index.search(queries[:4], 1, n_probes=6)
    assert ids[2:, 0].tolist() == [302, 303] and (ids[:2] < 300).all()
    assert (index.n_distances == 6 + 302).all()
    _, ids = index.search(queries, 2, n_probes=6, allowed=torch.arange(304) < 2)
    assert ids.max() <= 1


# PQ -----------------------------------------------------------------------------------------------


def fitted(n_parts=3, n_bits=4, dim=6):
    vectors = points(400, dim)
    return ProductQuantizer(n_parts, n_bits, generator=generator()).fit(vectors), vectors


def test_code_is_the_nearest_in_every_part():
    """(13.13): the error of a code is the sum of its parts' errors, each the least possible."""
    quantizer, vectors = fitted()
    codes, decoded = quantizer.encode(vectors), quantizer.decode(quantizer.encode(vectors))
    assert codes.dtype == torch.uint8 and codes.shape == (400, 3)
    total = torch.zeros(400, dtype=F64)
    for part in range(3):
        cut = slice(2 * part, 2 * part + 2)
        apart = brute(vectors[:, cut], quantizer.books[part])
        assert torch.equal(codes[:, part].long(), apart.argmin(1))
        assert torch.equal(decoded[:, cut], quantizer.books[part][codes[:, part].long()])
        total += apart.min(1).values
    torch.testing.assert_close((vectors - decoded).square().sum(1), total)


def test_tables_add_up_to_distances():
    """(13.14): ADC's sum of m look-ups is the distance to the decoded vector."""
    quantizer, vectors = fitted()
    queries, codes = points(8, 6, seed=1), quantizer.encode(vectors)
    found = look_up(quantizer.tables(queries), codes)
    torch.testing.assert_close(found, brute(queries, quantizer.decode(codes)))


def test_adc_is_short_by_the_distortion():
    """(13.15): over a cell, the mean distance is that to its mean plus the mean distortion."""
    x = points(4000, 3)
    centroids = kmeans.kmeans(x, 16, 200, generator=generator())
    labels, q = brute(x, centroids).argmin(1), points(3, seed=1)
    for c in range(16):
        mine = x[labels == c]
        true = (mine - q).square().sum(1).mean()
        short = (centroids[c] - q).square().sum()
        inside = (mine - centroids[c]).square().sum(1).mean()
        assert true.item() == pytest.approx((short + inside).item(), abs=1e-9)


def test_adc_is_short_on_average_with_many_parts():
    """(13.15) over all vectors; the vectors of one whole code do not have its centres for mean."""
    x, q = points(3000, 6), points(6, seed=1)
    parts = []
    for part in x.split(2, 1):
        centroids = kmeans.kmeans(part, 4, 300, generator=generator())
        parts.append(centroids[brute(part, centroids).argmin(1)])
    decoded = torch.cat(parts, 1)
    true, short, lost = (d.square().sum(1) for d in (x - q, decoded - q, x - decoded))
    assert true.mean().item() == pytest.approx((short + lost).mean().item(), abs=1e-9)
    _, code = decoded.unique(dim=0, return_inverse=True)
    gaps = torch.zeros(code.max() + 1, dtype=x.dtype).index_add(0, code, true - short - lost)
    assert (gaps / code.bincount()).abs().max() > 0.1


def test_distortion_by_hand():
    quantizer, vectors = fitted()
    decoded = quantizer.decode(quantizer.encode(vectors))
    error = sum((a - b).square().sum().item() for a, b in zip(vectors, decoded, strict=True))
    spread = sum((a - vectors.mean(0)).square().sum().item() for a in vectors)
    assert quantizer.distortion(vectors) == pytest.approx(error / spread)
    whole = ProductQuantizer(6, 8, generator=generator()).fit(vectors[:256])
    assert whole.distortion(vectors[:256]) < 1e-20


def test_more_bits_and_more_parts_distort_less():
    vectors = points(600, 8)
    found = [
        ProductQuantizer(m, b, generator=generator()).fit(vectors).distortion(vectors)
        for m, b in ((1, 2), (1, 4), (2, 4), (4, 4), (8, 4))
    ]
    assert all(b < 0.95 * a for a, b in pairwise(found))


@pytest.mark.parametrize("n_rerank", [0, 40])
def test_pq_index(n_rerank):
    quantizer, vectors = fitted()
    queries = points(8, 6, seed=1)
    index = Pq(quantizer, keep=True).build(vectors)
    distances, ids = index.search(queries, 5, n_rerank=n_rerank)
    coded = brute(queries, quantizer.decode(quantizer.encode(vectors)))
    if n_rerank:
        best = coded.argsort(1)[:, :40]
        exact = brute(queries, vectors)
        expected = best.gather(1, exact.gather(1, best).argsort(1))[:, :5]
        assert torch.equal(ids, expected)
        torch.testing.assert_close(distances, exact.gather(1, expected))
    else:
        torch.testing.assert_close(distances, coded.sort(1).values[:, :5])
        torch.testing.assert_close(coded.gather(1, ids), distances)
    assert (index.n_codes == 400).all() and (index.n_distances == n_rerank).all()


# IVF-PQ -------------------------------------------------------------------------------------------


def test_ivfpq_distances_are_those_to_the_decoded_vectors():
    """(13.16): a table of the query, a number of the vector, a distance to the cell."""
    vectors, queries = blobs(dim=6), blobs(9, dim=6, seed=1)
    cells = Ivf(8, generator=generator())
    index = IvfPq(cells, ProductQuantizer(3, 4, generator=generator())).build(vectors)
    residual = index.quantizer.decode(index.codes)
    centre = cells.centroids[cells.cell[cells.order]]
    decoded = torch.empty_like(vectors)
    decoded[cells.order] = centre + residual
    coded, labels = brute(queries, decoded), cells.cell
    for n_probes in (1, 4, 8):
        distances, ids = index.search(queries, 4, n_probes=n_probes)
        probes = brute(queries, cells.centroids).argsort(1)[:, :n_probes]
        inside = (labels[None, :, None] == probes[:, None]).any(2)
        expected = coded.masked_fill(~inside, math.inf).sort(1).values[:, :4]
        torch.testing.assert_close(distances, expected, atol=1e-9, rtol=1e-9)
        torch.testing.assert_close(coded.gather(1, ids), distances, atol=1e-9, rtol=1e-9)
        assert torch.equal(index.n_codes, inside.sum(1))
        assert (index.n_distances == 8).all()


def test_coded_distances_are_never_below_zero():
    """Far from 0 in float32, queries on the very vectors that the codes stand for."""
    vectors = 1e3 + points(200, 6, dtype=torch.float32)
    quantizer = ProductQuantizer(3, 4, generator=generator()).fit(vectors)
    assert quantizer.tables(quantizer.decode(quantizer.encode(vectors))).min() == 0
    cells = Ivf(4, generator=generator())
    index = IvfPq(cells, ProductQuantizer(3, 4, generator=generator())).build(vectors)
    decoded = cells.centroids[cells.cell[cells.order]] + index.quantizer.decode(index.codes)
    assert index.search(decoded, 3, n_probes=4)[0].min() == 0


def test_ivfpq_reranks_and_forgets():
    vectors, queries = blobs(dim=6), blobs(9, dim=6, seed=1)
    made = [
        IvfPq(
            Ivf(8, generator=generator()), ProductQuantizer(3, 4, generator=generator()), keep=keep
        ).build(vectors)
        for keep in (True, False)
    ]
    assert torch.equal(made[0].search(queries, 3)[1], made[1].search(queries, 3)[1])
    distances, ids = made[0].search(queries, 3, n_probes=8, n_rerank=150)
    assert torch.equal(ids, truth(queries, vectors, 3)[1])
    torch.testing.assert_close(distances, brute(queries, vectors).gather(1, ids))
    assert (made[0].n_distances == 8 + 150).all()
    held = sum(
        t.untyped_storage().nbytes() for t in vars(made[1]).values() if isinstance(t, torch.Tensor)
    )
    assert held < vectors.untyped_storage().nbytes()  # 300 x 6 float64 are gone


def test_residuals_need_fewer_bits():
    vectors = blobs(dim=6)
    plain = ProductQuantizer(3, 3, generator=generator()).fit(vectors)
    index = IvfPq(Ivf(6, generator=generator()), ProductQuantizer(3, 3, generator=generator()))
    index.build(vectors)
    cells = index.cells
    left = vectors - cells.centroids[cells.cell]
    residual = (index.quantizer.decode(index.quantizer.encode(left)) - left).square().sum()
    whole = (plain.decode(plain.encode(vectors)) - vectors).square().sum()
    assert residual < 0.7 * whole


def test_wrong_input_is_refused():
    x, q = points(40, 6), ProductQuantizer(3, 2, generator=generator())
    cells = Ivf(5, generator=generator()).build(x)
    codes = Pq(ProductQuantizer(3, 2, generator=generator())).build(x)
    both = IvfPq(Ivf(4), ProductQuantizer(3, 2)).build(x)
    for call, match in (
        (lambda: kmeans.kmeans(x, 41), "n_clusters must be a whole number from 1 to 40, got 41"),
        (lambda: kmeans.kmeans(x * math.nan, 2), "finite"),
        (lambda: kmeans.kmeans(x, 2, -1), "n_rounds must be"),
        (lambda: Ivf(0), "n_cells must be"),
        (lambda: Ivf(41).build(x), "n_cells must be a whole number from 1 to 40"),
        (lambda: Ivf(3).build(x, centroids=x[:, :2]), r"centroids must be \(K, 6\)"),
        (lambda: cells.search(x, 1, n_probes=6), "n_probes must be a whole number from 1 to 5"),
        (lambda: cells.search(x, 1, n_probes=0), "n_probes must be"),
        (lambda: cells.search(x, 41), "k must be"),
        (lambda: cells.remove(torch.tensor([40])), "ids must be int64"),
        (lambda: cells.add(x[:, :3]), r"vectors must be torch.float64 \(n, 6\)"),
        (lambda: Ivf().add(x), "call build first"),
        (lambda: Ivf().search(x, 1), "call build first"),
        (lambda: ProductQuantizer(3, 9), "n_bits must be a whole number from 1 to 8"),
        (lambda: ProductQuantizer(0), "n_parts must be"),
        (lambda: ProductQuantizer(4, 2).fit(x), "4 parts divide, got 6"),
        (lambda: ProductQuantizer(3, 8).fit(x), "at least 256 for 8 bits, got 40"),
        (lambda: q.encode(x), "call fit first"),
        (lambda: codes.quantizer.encode(x[:, :3]), "must have 6 dimensions"),
        (lambda: codes.search(x, 1, n_rerank=5), "keep=True"),
        (lambda: codes.search(x[:, :3], 1), "queries must be"),
        (lambda: both.search(x, 1, n_probes=2, n_rerank=5), "keep=True"),
        (lambda: both.search(x, 1, n_probes=9), "n_probes must be"),
        (lambda: both.search(x, 41), "k must be a whole number from 1 to 40"),
    ):
        with pytest.raises(ValueError, match=match):
            call()
