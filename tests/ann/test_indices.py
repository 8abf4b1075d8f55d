"""Flat search, KD-tree, SimHash and forest against float64 brute force and closed forms."""

import math

import numpy as np
import pytest
import torch
from ann.test_distance import brute, points
from hypothesis import example, given, settings
from hypothesis import strategies as st

from helpers.ann import flat, forest, lsh
from helpers.ann.distance import recall
from helpers.ann.flat import Flat
from helpers.ann.forest import Forest
from helpers.ann.kdtree import KDTree
from helpers.ann.lsh import SimHash

F64 = torch.float64


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def truth(queries, vectors, k):
    """The k nearest by numpy in float64, with their squared distances."""
    apart = ((queries.double().numpy()[:, None] - vectors.double().numpy()) ** 2).sum(2)
    ids = np.argsort(apart, 1, kind="stable")[:, :k]
    return torch.from_numpy(np.take_along_axis(apart, ids, 1)), torch.from_numpy(ids)


# Flat ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize("block", [(512, 4096), (7, 640), (3, 50), (1, 1)])
def test_flat_is_brute_force(block, dtype):
    queries, vectors = points(9, 6, dtype=dtype), points(700, 6, seed=1, dtype=dtype)
    index = Flat(block).build(vectors)
    for k in (1, 5, 9):
        distances, ids = index.search(queries, k)
        expected, names = truth(queries, vectors, k)
        assert torch.equal(ids, names)
        torch.testing.assert_close(distances.double(), expected, atol=1e-5, rtol=1e-5)
        assert index.n_distances.tolist() == [700] * 9


def test_flat_finds_all_when_k_is_n():
    queries, vectors = points(3, 4), points(70, 4, seed=1)
    distances, ids = Flat((2, 33)).build(vectors).search(queries, 70)
    assert torch.equal(ids.sort(1).values, torch.arange(70).expand(3, -1))
    assert (distances.diff(dim=1) >= 0).all()


@given(st.integers(1, 1500), st.integers(1, 12), st.integers(1, 900), st.integers(0, 10))
@settings(max_examples=40)
@example(40, 12, 900, 0)  # a last group of eight, needed
@example(999, 3, 100, 1)  # in every block
def test_k_smallest_lie_in_k_groups(n, k, block, seed):
    """(13.2) against a full sort, with repeated values and last groups that are not full."""
    scores = torch.randint(-9, 9, (4, n), generator=generator(seed)).double()
    block += -block % flat.GROUP
    blocks = [flat.leading(s, k, i * block // 32) for i, s in enumerate(scores.split(block, 1))]
    least, values, groups = flat.merged(blocks, k)
    assert values.shape == (*groups.shape, 32) and groups.shape[1] == min(k, math.ceil(n / 32))
    assert torch.equal(values.amin(2), least)
    values = values.flatten(1)
    assert torch.equal(values.sort(1).values[:, :k], scores.sort(1).values[:, :k])
    filled = torch.nn.functional.pad(scores, (0, -n % 32), value=math.inf)
    columns = (groups[:, :, None] * 32 + torch.arange(32)).flatten(1)
    assert torch.equal(filled.gather(1, columns), values)
    assert all(len(set(row)) == len(row) for row in groups.tolist())


def test_flat_keeps_little_while_it_searches(monkeypatch):
    """Of many blocks never more than eight wait, each with k groups."""
    merged, held = flat.merged, []
    monkeypatch.setattr(
        flat, "merged", lambda parts, k: held.append(len(parts)) or merged(parts, k)
    )
    vectors = points(3000, 4)
    _, ids = Flat((7, 32)).build(vectors).search(vectors[:7], 2)
    assert torch.equal(ids, truth(vectors[:7], vectors, 2)[1])
    assert max(held) == 8 and len(held) == 14


def test_flat_distances_survive_a_far_origin():
    """|x|^2 - 2 q.x cancels in float32; what is returned is computed from differences."""
    vectors = points(400, 4, dtype=torch.float32) + 300
    distances, ids = Flat().build(vectors).search(vectors[:20], 1)
    assert torch.equal(distances, torch.zeros(20, 1))
    assert torch.equal(ids[:, 0], torch.arange(20))


def test_flat_hands_gradients_on():
    """Queries and vectors straight from a model: |q - x|^2 has the slope 2 (q - x) in q."""
    queries, vectors = points(3, 4).requires_grad_(), points(90, 4, seed=1).requires_grad_()
    distances, ids = Flat((2, 64)).build(vectors).search(queries, 2)
    assert torch.equal(ids, truth(queries.detach(), vectors.detach(), 2)[1])
    distances.sum().backward()
    expected = 2 * (queries[:, None] - vectors[ids]).sum(1)
    torch.testing.assert_close(queries.grad, expected.detach())


def test_flat_filter():
    queries, vectors = points(5, 3), points(300, 3, seed=1)
    allowed = torch.arange(300) % 3 == 0
    index = Flat((2, 64)).build(vectors)
    _, ids = index.search(queries, 4, allowed=allowed)
    assert torch.equal(ids, truth(queries, vectors[allowed], 4)[1] * 3)
    assert index.n_distances.tolist() == [100] * 5
    _, ids = index.search(queries, 4, allowed=torch.arange(300) < 2)
    assert (ids[:, 2:] == -1).all() and (ids[:, :2] >= 0).all()


# The curse ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dim", [2, 16, 256])
def test_distances_concentrate(dim):
    """(13.4): standard deviation over mean is sqrt(2 / D) for squared Gaussian distances."""
    apart = (points(100_000, dim) - points(100_000, dim, seed=1)).square().sum(1)
    assert (apart.std() / apart.mean()).item() == pytest.approx(math.sqrt(2 / dim), rel=0.03)


# KD-tree ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dim", [1, 2, 5])
@pytest.mark.parametrize("leaf_size", [1, 8, 500])
def test_kd_tree_is_exact(dim, leaf_size):
    queries, vectors = 2 * points(40, dim), points(333, dim, seed=1)
    index = KDTree(leaf_size).build(vectors)
    for k in (1, 7):
        distances, ids = index.search(queries, k)
        expected, names = truth(queries, vectors, k)
        assert torch.equal(ids, names)
        torch.testing.assert_close(distances, expected)
    assert (index.n_distances <= 333).all() and (index.n_distances >= 7).all()


def test_kd_tree_with_repeated_vectors():
    """Ties at the cut may go to either side; nothing is lost and nothing found twice."""
    vectors = points(40, 2).repeat(6, 1).round()
    queries = points(30, 2, seed=1)
    distances, ids = KDTree(4).build(vectors).search(queries, 10)
    torch.testing.assert_close(distances, truth(queries, vectors, 10)[0])
    assert all(len(set(row)) == 10 for row in ids.tolist())


def test_kd_tree_leaves_hold_every_vector_once():
    for n in (1, 2, 9, 100, 129):
        index = KDTree(3).build(points(n, 2))
        held = index.leaves[index.leaves >= 0]
        assert sorted(held.tolist()) == list(range(n))
        assert (index.leaves >= 0).sum(1).max() <= 3


def test_box_distance_bounds_its_vectors():
    """(13.5), (13.6): no vector is nearer than its leaf's gaps say; and the tree prunes."""
    vectors, queries = points(500, 3), points(25, 3, seed=1)
    index = KDTree(10).build(vectors)
    n_inner = len(index.axes)
    for q in queries:
        stack = [(0, torch.zeros(3, dtype=F64))]
        while stack:
            node, gap = stack.pop()
            if node >= n_inner:
                inside = vectors[index.leaves[node - n_inner].clamp(min=0)]
                inside = inside[index.leaves[node - n_inner] >= 0]
                assert (inside - q).square().sum(1).min() >= gap.square().sum() - 1e-12
                continue
            side = q[index.axes[node]] - index.cuts[node]
            far = gap.clone()
            far[index.axes[node]] = side
            near = 2 if side > 0 else 1
            stack += [(2 * node + near, gap), (2 * node + 3 - near, far)]
    index.search(queries, 1)
    assert index.n_distances.double().mean() < 100


def test_kd_tree_cost_grows_with_the_dimension():
    shares = []
    for dim in (2, 8, 16):
        index = KDTree(8).build(points(4000, dim))
        index.search(points(50, dim, seed=1), 1)
        shares.append(index.n_distances.double().mean().item() / 4000)
    assert shares[0] < 0.02 < shares[1] < 0.6 < shares[2]


# SimHash ------------------------------------------------------------------------------------------


def test_collision_probability_is_one_minus_the_angle():
    """(13.7) for five angles, with 200,000 hyperplanes each."""
    for degrees in (10, 45, 90, 120, 175):
        theta = math.radians(degrees)
        pair = torch.tensor([[1.0, 0, 0], [math.cos(theta), math.sin(theta), 0]], dtype=F64)
        planes = points(4000, 50, 3, seed=degrees)
        bits = lsh.signatures(pair, planes)
        differ = bits[0] ^ bits[1]
        n_differ = sum(((differ >> b) & 1).sum().item() for b in range(50))
        assert 1 - n_differ / 200_000 == pytest.approx(1 - theta / math.pi, abs=0.005)


def test_signature_bit_by_bit():
    vectors, planes = points(6, 4), points(3, 5, 4, seed=1)
    found = lsh.signatures(vectors, planes)
    for n in range(6):
        for t in range(3):
            bits = [int((vectors[n] @ planes[t, b]).item() > 0) for b in range(5)]
            assert found[n, t] == sum(bit << b for b, bit in enumerate(bits))


def test_only_the_bits_of_a_table_are_limited():
    assert lsh.signatures(points(2, 3), points(70, 62, 3, seed=1)).shape == (2, 70)


def test_hyperplanes_and_cuts_depend_on_their_draw():
    x = points(100, 4)
    for make, name in (
        (lambda g: SimHash(8, 5, generator=g), "planes"),
        (lambda g: Forest(3, 10, generator=g), "normals"),
    ):
        one, two, other = (getattr(make(generator(s)).build(x), name) for s in (0, 0, 1))
        assert torch.equal(one, two) and not torch.equal(one, other)
        assert len(one.flatten(0, 1).unique(dim=0)) == len(one.flatten(0, 1))
    planes = SimHash(50, 100, generator=generator()).build(x).planes
    assert planes.std().item() == pytest.approx(1, rel=0.02) and abs(planes.mean()) < 0.02


def test_indices_have_the_stated_sizes_by_default():
    assert Flat().block == (512, 4096) and KDTree().leaf_size == 8
    assert (SimHash().n_bits, SimHash().n_tables) == (12, 16)
    assert (Forest().n_trees, Forest().leaf_size) == (16, 32)


def test_and_then_or():
    """(13.8): the share of tables' unions that hold a neighbour at a given angle."""
    n_bits, n_tables, theta = 6, 10, math.radians(40)
    hits, n_draws = 0, 3000
    pair = torch.tensor([[1.0, 0], [math.cos(theta), math.sin(theta)]], dtype=F64)
    planes = points(n_draws * n_tables, n_bits, 2)
    same = lsh.signatures(pair, planes)
    hits = (same[0] == same[1]).view(n_draws, n_tables).any(1).double().mean().item()
    p = 1 - theta / math.pi
    assert hits == pytest.approx(1 - (1 - p**n_bits) ** n_tables, abs=0.02)


def test_simhash_finds_who_shares_a_bucket():
    """Candidates by comparing every signature with every other."""
    vectors, queries = points(400, 8), points(30, 8, seed=1)
    index = SimHash(5, 6, generator=generator()).build(vectors)
    for n_tables in (1, 6):
        distances, ids = index.search(queries, 5, n_tables=n_tables)
        planes = index.planes[:n_tables]
        same = lsh.signatures(queries, planes)[:, None] == lsh.signatures(vectors, planes)[None]
        same = same.any(2)
        assert torch.equal(index.n_distances, same.sum(1))
        apart = brute(queries, vectors).masked_fill(~same, math.inf)
        expected, names = apart.sort(1)
        torch.testing.assert_close(distances, expected[:, :5])
        names = names[:, :5].masked_fill(expected[:, :5] == math.inf, -1)
        assert torch.equal(ids, names)


def test_no_shared_bucket_finds_nothing():
    vectors = torch.tensor([[1.0, 0.0], [1.0, 0.1]])
    index = SimHash(20, 1, generator=generator()).build(vectors)
    distances, ids = index.search(-vectors, 2)
    assert (ids == -1).all() and (distances == math.inf).all()
    assert index.n_distances.tolist() == [0, 0]


# Forest -------------------------------------------------------------------------------------------


def test_forest_leaves_hold_every_vector_once_in_every_tree():
    for n in (5, 64, 100, 333):
        index = Forest(3, 7, generator=generator()).build(points(n, 4))
        for leaves in index.leaves:
            assert sorted(leaves[leaves >= 0].tolist()) == list(range(n))
        assert (index.leaves >= 0).sum(2).max() <= 7
        norms = index.normals.norm(dim=2)
        assert index.depth == 0 or torch.allclose(norms, torch.ones_like(norms))


def test_forest_cuts_separate_their_node():
    """All of a node's left half lies on one side of its hyperplane, the right on the other."""
    vectors = points(200, 5)
    index = Forest(4, 10, generator=generator()).build(vectors)
    for tree in range(4):
        held = {index.n_inner + i: leaf[leaf >= 0] for i, leaf in enumerate(index.leaves[tree])}
        for node in reversed(range(index.n_inner)):
            left, right = held[2 * node + 1], held[2 * node + 2]
            w, cut = index.normals[tree, node], index.cuts[tree, node]
            assert (vectors[left] @ w).max() <= cut + 1e-12 <= (vectors[right] @ w).min() + 2e-12
            assert 0 <= len(left) - len(right) <= 1
            held[node] = torch.cat([left, right])


def test_margin_bounds_the_other_side():
    """(13.9): nobody beyond a hyperplane is nearer than the hyperplane."""
    vectors, queries = points(200, 6), points(50, 6, seed=1)
    index = Forest(2, 10, generator=generator()).build(vectors)
    tightest = 0.0
    for w, cut in zip(index.normals.flatten(0, 1), index.cuts.flatten(), strict=True):
        value, sides = queries @ w - cut, vectors @ w - cut
        for q, margin in zip(queries, value, strict=True):
            beyond = vectors[sides * margin < 0]
            far = (beyond - q).norm(dim=1).min()
            assert far >= margin.abs() - 1e-12
            tightest = max(tightest, (margin.abs() / far).item())
    assert tightest > 0.9  # and the bound is no idle one


def by_hand(index, q, n_leaves):
    """The leaves that a priority queue over all trees opens, one at a time, with heapq."""
    import heapq

    queue, found, count = [], [], 0
    for tree in range(index.n_trees):
        heapq.heappush(queue, (-math.inf, count, tree, 0))
        count += 1
    while queue and len(found) < n_leaves:
        worst, _, tree, node = heapq.heappop(queue)
        while node < index.n_inner:
            value = (q @ index.normals[tree, node] - index.cuts[tree, node]).item()
            near, other = (2, 1) if value > 0 else (1, 2)
            heapq.heappush(queue, (max(worst, abs(value)), count, tree, 2 * node + other))
            count += 1
            node = 2 * node + near
        leaf = index.leaves[tree, node - index.n_inner]
        found.append(set(leaf[leaf >= 0].tolist()))
    return set().union(*found)


def test_forest_opens_the_leaves_of_a_priority_queue():
    vectors, queries = points(300, 4), points(20, 4, seed=1)
    index = Forest(3, 10, generator=generator()).build(vectors)
    for n_leaves in (3, 8, 30):
        _, ids = index.search(queries, 5, n_leaves=n_leaves)
        for q in range(20):
            seen = by_hand(index, queries[q], n_leaves)
            assert index.n_distances[q] == len(seen)
            order = sorted(seen, key=lambda i, q=q: (vectors[i] - queries[q]).square().sum().item())
            assert ids[q].tolist() == order[:5]


def test_forest_with_all_leaves_is_exact():
    vectors, queries = points(100, 3), points(10, 3, seed=1)
    index = Forest(2, 8, generator=generator()).build(vectors)
    _, ids = index.search(queries, 4, n_leaves=10_000)
    assert torch.equal(ids, truth(queries, vectors, 4)[1])
    assert (index.n_distances == 100).all()


def test_more_trees_find_more():
    vectors, queries = points(2000, 16), points(50, 16, seed=1)
    exact = truth(queries, vectors, 10)[1]
    index = Forest(8, 16, generator=generator()).build(vectors)
    found = [recall(index.search(queries, 10, n_leaves=n)[1], exact) for n in (8, 32, 128)]
    assert found[0] < found[1] < found[2] and found[2] > 0.8


def test_wrong_input_is_refused():
    x = points(20, 3)
    trees, tables = Forest(2, 4, generator=generator()).build(x), SimHash(3, 2).build(x)
    for call, match in (
        (lambda: Flat((0, 5)), "block must be two numbers"),
        (lambda: Flat().search(x, 1), "call build first"),
        (lambda: Flat().build(x).search(x, 21), "k must be"),
        (lambda: Flat().build(x).search(x, 1, allowed=torch.ones(3)), "allowed must be bool"),
        (lambda: Flat().build(x * math.nan), "finite"),
        (lambda: KDTree(0), "leaf_size must be"),
        (lambda: KDTree().build(x.long()), "float32 or float64"),
        (lambda: KDTree().build(x).search(x[:, :2], 1), "queries must be"),
        (lambda: SimHash(63), "n_bits must be a whole number from 1 to 62"),
        (lambda: SimHash(3, 0), "n_tables must be"),
        (lambda: tables.search(x, 1, n_tables=3), "n_tables must be a whole number from 1 to 2"),
        (lambda: SimHash(0), "n_bits must be"),
        (lambda: SimHash(3, 0), "n_tables must be"),
        (lambda: Flat((5, 0)), "block must be two numbers of at least 1"),
        (lambda: Flat((5, 5, 5)), "block must be two numbers, got 3"),
        (lambda: lsh.signatures(x, points(2, 3, 4)), r"planes must be \(T, B <= 62, 3\)"),
        (lambda: lsh.signatures(x, points(2, 63, 3)), "got 63 bits"),
        (lambda: lsh.signatures(x, points(2, 0, 3)), "got 0 bits"),
        (lambda: lsh.signatures(x, points(3, 3)), "got the shape"),
        (lambda: Forest(0), "n_trees must be"),
        (lambda: Forest(1, 0), "leaf_size must be"),
        (lambda: trees.search(x, 1, n_leaves=0), "n_leaves must be"),
        (lambda: trees.search(x.float(), 1), "queries must be"),
        (lambda: forest.Forest().build(x[:0]), "not empty"),
    ):
        with pytest.raises(ValueError, match=match):
            call()
