"""Towers, latent vectors, kernels and fusion against enumeration, brute force and libraries."""

import itertools
import math

import pytest
import torch
from sklearn.decomposition import TruncatedSVD

from helpers.ann import distance
from helpers.matching.fusion import reciprocal_rank_fusion as fuse
from helpers.matching.kernels import KernelMatcher, soft_counts
from helpers.matching.latent import Bags, truncated_svd
from helpers.matching.two_tower import BagTower, TwoTower, in_batch_logits, in_batch_loss

F64 = torch.float64


def normal(*shape, seed=0, dtype=F64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


# Two towers --------------------------------------------------------------------------------------

PAIRS = torch.tensor([[0.10, 0.25, 0.05], [0.30, 0.10, 0.20]], dtype=F64)  # P(user, item)
GIVEN = PAIRS / PAIRS.sum(1, keepdim=True)  # P(item | user)
Q = PAIRS.sum(0)  # how often an item turns up in a batch


def expected_loss(table, n_batch, log_q=None):
    """The mean loss over all batches, each with its probability; table (U, N) of scores."""
    every = list(itertools.product(range(2), range(3)))
    total = 0.0
    for batch in itertools.product(every, repeat=n_batch):
        u, i = torch.tensor(batch).T
        p = PAIRS[u, i].prod()
        # Vectors whose inner products are the table's entries.
        loss = in_batch_loss(
            table[u], torch.eye(3, dtype=F64)[i], None if log_q is None else log_q[i]
        )
        total = total + p * loss
    return total


@pytest.mark.parametrize("n_batch", [2, 3])
def test_in_batch_scores_converge_to_the_log_ratio(n_batch):
    """There the gradient is zero, whatever is added for a user; at log P alone it is not."""
    constant = torch.tensor([[0.7], [-1.1]], dtype=F64)
    for target, flat in ((GIVEN.log() - Q.log(), True), (GIVEN.log(), False)):
        table = (target + constant).requires_grad_(True)
        (slope,) = torch.autograd.grad(expected_loss(table, n_batch), table)
        assert (slope.abs().max().item() < 1e-12) == flat


@pytest.mark.parametrize("n_batch", [2, 3])
def test_the_correction_makes_them_log_probabilities(n_batch):
    for target, flat in ((GIVEN.log(), True), (GIVEN.log() - Q.log(), False)):
        table = target.clone().requires_grad_(True)
        (slope,) = torch.autograd.grad(expected_loss(table, n_batch, Q.log()), table)
        assert (slope.abs().max().item() < 1e-12) == flat


def test_in_batch_loss_by_loops():
    u, v, log_q = normal(5, 3), normal(5, 3, seed=1), -normal(5, seed=2).abs()
    expected = 0.0
    for b in range(5):
        scores = [2.5 * (u[b] @ v[c]).item() - log_q[c].item() for c in range(5)]
        expected += math.log(sum(map(math.exp, scores))) - scores[b]
    assert in_batch_loss(u, v, log_q, scale=2.5).item() == pytest.approx(expected / 5)
    without = in_batch_logits(u, v, scale=torch.tensor(2.5))
    torch.testing.assert_close(without, 2.5 * u @ v.T)


def test_a_tower_is_a_mean_of_vectors_through_a_layer():
    net = BagTower(7, 4, 5, generator=torch.Generator().manual_seed(0)).double()
    found = net(torch.tensor([1, 1, 3, 6]), torch.tensor([0, 3, 3]))
    bag = (2 * net.table[1] + net.table[3]) / 3
    for row, x in ((0, bag), (2, net.table[6])):
        y = net.weight @ x
        torch.testing.assert_close(found[row], y / y.norm())
    assert bool((found[1] == 0).all())  # nothing in the bag


def test_two_towers_learn_who_likes_what():
    generator = torch.Generator().manual_seed(0)
    net = TwoTower(6, 6, 8, 8, generator=generator)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.05)
    starts = torch.arange(6)
    for _ in range(60):
        loss = in_batch_loss(
            net.user(starts, starts), net.item(5 - starts, starts), scale=net.scale
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        match = net.user(starts, starts) @ net.item(starts, starts).T
    assert match.argmax(1).tolist() == [5, 4, 3, 2, 1, 0] and loss < 0.1
    again = TwoTower(6, 6, 8, 8, generator=torch.Generator().manual_seed(0))
    assert not torch.equal(again.user.table, again.item.table)


def test_largest_inner_products_are_nearest_after_the_lift():
    """Brute force on both sides; without the lift they differ."""
    items, users = normal(400, 8) * torch.rand(400, 1).double(), normal(30, 8, seed=1)
    best = (users @ items.T).topk(10, 1).indices
    apart = torch.cdist(distance.lift_queries(users), distance.lift(items))
    assert torch.equal(apart.topk(10, 1, largest=False).indices, best)
    assert not torch.equal(torch.cdist(users, items).topk(10, 1, largest=False).indices, best)
    lengths = distance.lift(items).norm(dim=1)
    torch.testing.assert_close(lengths, lengths.max().expand(400))


def test_towers_start_from_the_stated_spread():
    """Table and layer: mean 0, the stated std, no two rows alike, another draw each."""
    make = lambda seed, **o: BagTower(  # noqa: E731
        300, 200, 100, generator=torch.Generator().manual_seed(seed), **o
    )
    net = make(0)
    for part, std in ((net.table, 0.1), (net.weight, 0.1), (make(0, std=0.5).table, 0.5)):
        assert part.std().item() == pytest.approx(std, rel=0.03)
        assert abs(part.mean().item()) < 0.03 * std
        assert len(part.unique(dim=0)) == len(part)
    assert BagTower(3, 400, 25).weight.std().item() == pytest.approx(0.2, rel=0.03)
    assert torch.equal(net.table, make(0).table) and torch.equal(net.weight, make(0).weight)
    assert not torch.equal(net.table, make(1).table)
    assert not torch.equal(net.weight, make(1).weight)


def test_towers_have_the_stated_sizes_by_default():
    net = TwoTower(5, 7)
    assert net.user.table.shape == (5, 64) and net.item.table.shape == (7, 64)
    assert net.user.weight.shape == net.item.weight.shape == (32, 64)
    assert net.scale.item() == pytest.approx(10)
    again = [TwoTower(5, 7, generator=torch.Generator().manual_seed(s)) for s in (0, 0, 1)]
    for side in ("user", "item"):
        one, two, other = (getattr(net, side).table for net in again)
        assert torch.equal(one, two) and not torch.equal(one, other)


def test_in_batch_scores_are_not_scaled_by_default():
    u, v = normal(3, 2), normal(3, 2, seed=1)
    torch.testing.assert_close(in_batch_logits(u, v), u @ v.T)
    torch.testing.assert_close(in_batch_loss(u, v), in_batch_loss(u, v, scale=1.0))


# Latent matching ---------------------------------------------------------------------------------


def sparse_matrix(n=80, v=50):
    matrix = normal(n, v) * (torch.rand(n, v, generator=torch.Generator().manual_seed(1)) < 0.15)
    return matrix + 3 * normal(n, 1, seed=3) @ normal(1, v, seed=4) / 7


def test_svd_against_the_full_one():
    matrix = sparse_matrix()
    expected = torch.linalg.svd(matrix, full_matrices=False)
    for given in (matrix, matrix.to_sparse()):
        u, s, v = truncated_svd(given, 6, n_rounds=30, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(s, expected.S[:6])
        torch.testing.assert_close(
            (u * s) @ v.T, (expected.U * expected.S)[:, :6] @ expected.Vh[:6]
        )


def test_svd_against_scikit_learn():
    matrix = sparse_matrix()
    theirs = TruncatedSVD(5, n_iter=30, random_state=0).fit(matrix.numpy())
    _, s, v = truncated_svd(matrix, 5, n_rounds=30, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(s, torch.from_numpy(theirs.singular_values_))
    cosines = (v * torch.from_numpy(theirs.components_).T).sum(0).abs()
    torch.testing.assert_close(cosines, torch.ones(5, dtype=F64), atol=1e-6, rtol=0)


@pytest.mark.parametrize(("options", "n_rounds"), [({}, 6), ({"n_rounds": 2}, 2)])
def test_svd_decomposes_a_narrow_matrix_only(monkeypatch, options, n_rounds):
    """Its cost: one SVD and 2 n + 2 QRs of dim + 10 columns, whatever the matrix."""
    svd, qr, sizes, turns = torch.linalg.svd, torch.linalg.qr, [], []
    monkeypatch.setattr(torch.linalg, "svd", lambda a, **o: (sizes.append(a.shape), svd(a, **o))[1])
    monkeypatch.setattr(torch.linalg, "qr", lambda a: (turns.append(a.shape), qr(a))[1])
    truncated_svd(normal(80, 50), 6, **options)
    assert sizes == [(50, 16)]
    assert sorted(turns) == [(50, 16)] * (n_rounds + 1) + [(80, 16)] * (n_rounds + 1)


def test_svd_depends_on_its_draw():
    draws = [torch.Generator().manual_seed(seed) for seed in (0, 0, 1)]
    one, two, other = (truncated_svd(normal(80, 50), 3, n_rounds=0, generator=g) for g in draws)
    assert torch.equal(one[1], two[1]) and not torch.equal(one[1], other[1])


@pytest.mark.parametrize("shape", [(12, 5), (5, 12)])
def test_svd_of_everything_is_exact(shape):
    matrix = normal(*shape)
    u, s, v = truncated_svd(matrix, 5)
    torch.testing.assert_close((u * s) @ v.T, matrix)
    torch.testing.assert_close(s, torch.linalg.svdvals(matrix))


def test_bags_by_loops():
    vectors = normal(4, 3)
    bags = Bags({"a": 0, "b": 1, "c": 2, "d": 3}, vectors)
    found = bags([["a", "b", "a", "?"], [], ["?"], ["d"]])
    x = (1 + math.log(2)) * vectors[0] + vectors[1]
    torch.testing.assert_close(found[0], x / x.norm())
    assert bool((found[1:3] == 0).all())
    torch.testing.assert_close(found[3], vectors[3] / vectors[3].norm())


# Kernels -----------------------------------------------------------------------------------------


def test_soft_counts_by_loops():
    cosines = normal(2, 3, 4).tanh()
    present = torch.tensor([[True, True, False, True], [True, False, False, False]])
    centres, widths = torch.tensor([-0.3, 0.5], dtype=F64), torch.tensor([0.2, 0.1], dtype=F64)
    found = soft_counts(cosines, present, centres, widths)
    for b, i, k in itertools.product(range(2), range(3), range(2)):
        expected = sum(
            math.exp(-((cosines[b, i, j] - centres[k]) ** 2) / (2 * widths[k] ** 2))
            for j in range(4)
            if present[b, j]
        )
        assert found[b, i, k].item() == pytest.approx(expected)


def test_kernels_by_loops_and_padding_changes_nothing():
    net = KernelMatcher(5).double()
    with torch.no_grad():
        net.weights.weight.copy_(normal(1, 5))
    query, document = normal(2, 3, 4), normal(2, 6, 4, seed=1)
    query[1, 2] = 0
    document[0, 4:] = 0
    found = net(query, document)
    for b in range(2):
        total = net.weights.bias.item()
        for q in query[b]:
            if q.norm() == 0:
                continue
            cosines = [(q @ d / q.norm() / d.norm()).item() for d in document[b] if d.norm() > 0]
            for k, (centre, width) in enumerate(zip(net.centres, net.widths, strict=True)):
                count = sum(math.exp(-((c - centre) ** 2) / (2 * width**2)) for c in cosines)
                total += net.weights.weight[0, k].item() * 0.01 * math.log(max(count, 1e-10))
        assert found[b].item() == pytest.approx(total)
    longer = torch.nn.functional.pad(document, (0, 0, 0, 3))
    torch.testing.assert_close(net(torch.nn.functional.pad(query, (0, 0, 0, 2)), longer), found)


def test_equal_words_have_a_kernel_of_their_own():
    net = KernelMatcher(11).double()
    a, b = torch.eye(4, dtype=F64)[None, :1], torch.eye(4, dtype=F64)[None, 1:2]
    same, other = net.features(a, a)[0, -1], net.features(a, b)[0, -1]
    assert same.item() == pytest.approx(0, abs=1e-9)  # the log of one
    assert other.item() == pytest.approx(0.01 * math.log(1e-10))


def test_kernels_are_spread_evenly():
    net = KernelMatcher()
    centres = [-0.9 + 0.2 * i for i in range(10)] + [1.0]
    assert net.centres.tolist() == pytest.approx(centres)
    assert net.widths.tolist() == pytest.approx([0.1] * 10 + [1e-3])
    assert KernelMatcher(2).centres.tolist() == [0, 1]
    assert KernelMatcher(3).centres.tolist() == pytest.approx([-0.9, 0.9, 1])
    assert bool((net.weights.weight == 0).all()) and net.weights.bias.item() == 0


def test_short_words_count_as_long_ones():
    net, query, document = KernelMatcher(5).double(), normal(1, 2, 3), normal(1, 4, 3, seed=1)
    expected = net.features(query, document)
    torch.testing.assert_close(net.features(1e-6 * query, 1e6 * document), expected)


# Fusion ------------------------------------------------------------------------------------------


def fused(rankings, weights, constant):
    """One query, by a dictionary."""
    scores = {}
    for ranking, weight in zip(rankings, weights, strict=True):
        for place, item in enumerate(ranking, 1):
            if item >= 0:
                scores[item] = scores.get(item, 0.0) + weight / (constant + place)
    return scores


def test_fusion_by_hand():
    """Item 7 is second in both, and wins over either first: 2/62 > 1/61."""
    scores, ids = fuse([torch.tensor([[5, 7, 9]]), torch.tensor([[8, 7, 5]])], 4)
    assert ids.tolist() == [[7, 5, 8, 9]] or ids.tolist() == [[5, 7, 8, 9]]
    expected = {7: 2 / 62, 5: 1 / 61 + 1 / 63, 8: 1 / 61, 9: 1 / 63}
    for item, score in zip(ids[0].tolist(), scores[0].tolist(), strict=True):
        assert score == pytest.approx(expected[item])
    assert bool((scores.diff(dim=1) <= 0).all())


@pytest.mark.parametrize("constant", [0.0, 60.0])
def test_fusion_against_a_dictionary(constant):
    draw = torch.Generator().manual_seed(0)
    rankings = [
        torch.stack([torch.randperm(30, generator=draw)[:n] for _ in range(20)]) for n in (8, 5, 12)
    ]
    rankings[1][3, 2:] = -1
    weights = [1.0, 0.5, 2.0]
    scores, ids = fuse(rankings, 25, weights=weights, constant=constant)
    for row in range(20):
        expected = fused([r[row].tolist() for r in rankings], weights, constant)
        n = len(expected)
        got = dict(zip(ids[row, :n].tolist(), scores[row, :n].tolist(), strict=True))
        assert got == pytest.approx(expected)
        assert bool((ids[row, n:] == -1).all()) and bool((scores[row, n:] == -math.inf).all())


def test_fusion_of_a_ranking_with_itself_is_that_ranking():
    ranking = torch.tensor([[4, 1, 9, 0]])
    assert fuse([ranking, ranking], 4)[1].tolist() == ranking.tolist()
    assert fuse([ranking, ranking.flip(1)], 4, weights=[1.0, 0.0])[1].tolist() == ranking.tolist()
    equal = fuse([torch.tensor([[1, 2]]), torch.tensor([[2, 1]])], 2)[1]
    assert equal.tolist() == [[1, 2]]  # the earlier ranking decides


# Bad input ---------------------------------------------------------------------------------------

nan = torch.full((3, 2), torch.nan)
late = torch.tensor([[1.0, 1.0], [1.0, 1.0], [1.0, torch.inf]])  # the last row alone is bad
ones = torch.ones(3, 2)
ranked = torch.tensor([[0, 1]])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: in_batch_loss(ones, ones[:2]), r"must be \(B, D\)"),
        (lambda: in_batch_loss(ones[:1], ones[:1]), "B >= 2"),
        (lambda: in_batch_loss(ones[0], ones[0]), r"must be \(B, D\)"),
        (lambda: in_batch_loss(nan, ones), "finite, got NaN"),
        (lambda: in_batch_loss(ones, nan), "finite, got NaN"),
        (lambda: in_batch_loss(ones, ones, scale=0.0), "scale must be positive"),
        (lambda: in_batch_loss(ones, ones, torch.zeros(2)), r"log_q must be \(3,\)"),
        (lambda: in_batch_loss(ones, ones[:, :1]), r"got \(3, 2\), \(3, 1\)"),
        (lambda: in_batch_loss(late, ones), "finite, got NaN"),
        (lambda: in_batch_loss(ones, ones, scale=-1.0), "scale must be positive"),
        (lambda: in_batch_loss(ones, ones, scale=math.inf), "scale must be positive and finite"),
        (lambda: in_batch_loss(ones, ones, torch.tensor([0.0, -1, 0.1])), "at most 0, got 0.1"),
        (lambda: in_batch_loss(ones, ones, torch.tensor([0.0, 0, torch.nan])), "finite"),
        (lambda: in_batch_loss(ones, ones, torch.ones(3)), "at most 0"),
        (lambda: in_batch_loss(ones, ones, torch.full((3,), -math.inf)), "finite"),
        (lambda: BagTower(0, 3), "n_features must be a whole number of at least 1"),
        (lambda: BagTower(3, 2.5), "dim must be a whole number of at least 1, got 2.5, a float"),
        (lambda: BagTower(3, True), "dim must be a whole number of at least 1, got True, a bool"),
        (lambda: BagTower(3, 2, 0), "hidden must be a whole number of at least 1, got 0"),
        (lambda: BagTower(3, 2)(torch.tensor([0, -1]), torch.tensor([0])), "0 to 2, got -1"),
        (lambda: BagTower(3, 2)(torch.tensor([[0]]), torch.tensor([0])), "features must be"),
        (lambda: BagTower(3, 2)(torch.tensor([0]), torch.tensor([[0]])), "starts must be"),
        (lambda: BagTower(3, 2)(torch.tensor([3]), torch.tensor([0])), "0 to 2"),
        (lambda: BagTower(3, 2)(torch.tensor([0.5]), torch.tensor([0])), "int64"),
        (lambda: truncated_svd(ones, 3), r"dim must be a whole number from 1 to 2, got 3"),
        (lambda: truncated_svd(ones, 0), "dim must"),
        (lambda: truncated_svd(ones, 1.0), "got 1.0, a float"),
        (lambda: truncated_svd(ones, True), "got True, a bool"),
        (lambda: truncated_svd(nan, 1), "finite"),
        (lambda: truncated_svd(late, 1), "finite"),
        (lambda: truncated_svd(late.to_sparse(), 1), "finite"),
        (lambda: Bags({"a": 0, "b": 1, "c": 2}, ones.long()), "got torch.int64"),
        (lambda: Bags({"a": 0, "b": 1, "c": 2}, ones[:, 0]), r"got the shape \(3,\)"),
        (lambda: Bags({"a": 0, "b": 1, "c": 2}, late), "finite"),
        (lambda: Bags({"a": 0, "b": 1, "c": 2}, ones)([["a"], "a"]), "got a str"),
        (lambda: Bags({"a": 0}, ones), r"vectors must be floats \(1, D\)"),
        (lambda: Bags({"a": 0, "b": 1, "c": 2}, nan), "finite"),
        (lambda: Bags({"a": 0, "b": 1, "c": 2}, ones)([]), "one text, got none"),
        (lambda: Bags({"a": 0, "b": 1, "c": 2}, ones)(["a"]), "got a str"),
        (lambda: KernelMatcher(1), "at least 2, got 1"),
        (lambda: KernelMatcher(2.0), "got 2.0, a float"),
        (lambda: KernelMatcher(True), "got True, a bool"),
        (lambda: KernelMatcher()(ones, ones[None]), r"got a query \(3, 2\)"),
        (lambda: KernelMatcher()(ones[None], ones), r"got a document \(3, 2\)"),
        (lambda: KernelMatcher()(ones[None], ones[None, :, :1]), "got 2 and 1 dimensions"),
        (lambda: KernelMatcher()(ones[None], ones.repeat(2, 1, 1)), "1 queries and 2 documents"),
        (lambda: KernelMatcher()(nan[None], ones[None]), "query must be finite"),
        (lambda: KernelMatcher()(ones[None], late[None]), "document must be finite"),
        (lambda: fuse([], 1), "one at least"),
        (lambda: fuse([ranked.double()], 1), "int64"),
        (lambda: fuse([ranked, ranked.double()], 1), "int64"),
        (lambda: fuse([ranked, ranked[0]], 1), r"got the shape \(2,\)"),
        (lambda: fuse([ranked], 0), "k must be a whole number from 1 to 2, got 0"),
        (lambda: fuse([ranked], 1.0), "got 1.0, a float"),
        (lambda: fuse([ranked], True), "got True, a bool"),
        (lambda: fuse([ranked] * 2, 1, weights=[1.0, -1.0]), "at least 0"),
        (lambda: fuse([ranked] * 2, 1, weights=[1.0, math.nan]), "at least 0"),
        (lambda: fuse([ranked] * 2, 1, weights=[1.0, math.inf]), "finite"),
        (lambda: fuse([ranked], 1, constant=math.inf), "constant must"),
        (lambda: fuse([ranked, ranked.repeat(2, 1)], 1), "as many queries"),
        (lambda: fuse([ranked], 3), "k must be a whole number from 1 to 2, got 3"),
        (lambda: fuse([ranked], 1, weights=[-1.0]), "at least 0"),
        (lambda: fuse([ranked], 1, weights=[1.0, 1.0]), "must be 1 numbers"),
        (lambda: fuse([ranked], 1, constant=-1.0), "constant must"),
        (lambda: distance.lift(nan), "finite"),
        (lambda: distance.lift_queries(nan), "finite"),
    ],
)
def test_bad_input_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
