"""Walks, the choice of neighbours and HNSW against heaps and loops in plain Python."""

import heapq
import math

import pytest
import torch
from ann.test_distance import points
from ann.test_indices import generator, truth
from ann.test_ivf import blobs

from helpers.ann import graph
from helpers.ann.distance import recall
from helpers.ann.graph import beam, link_back, select
from helpers.ann.hnsw import Hnsw
from helpers.ann.repair import repair

F64 = torch.float64


def links_of(vectors, n_links, seed=0):
    """Links (N, L) to some near and some random others, one in five missing, none twice."""
    n = len(vectors)
    near = torch.cdist(vectors, vectors).argsort(1)[:, 1 : n_links // 2 + 1]
    far = torch.randint(n, (n, n_links - near.shape[1]), generator=generator(seed))
    rows = []
    for i, row in enumerate(torch.cat([near, far], 1).tolist()):
        row = [j for k, j in enumerate(row) if j != i and j not in row[:k] and (i + k) % 5]
        rows.append(row + [-1] * (n_links - len(row)))
    return torch.tensor(rows)


def by_heap(q, vectors, links, entry, ef, allowed=None):
    """Algorithm 2 with two heaps: (distances, ids) of the ef nearest, and how many were seen."""
    far = (vectors - q).square().sum(1).tolist()
    yes = [True] * len(far) if allowed is None else allowed.tolist()
    seen, queue = {entry}, [(far[entry], entry)]
    best = [(-far[entry], entry)] if yes[entry] else []
    while queue:
        d, node = heapq.heappop(queue)
        if len(best) == ef and d > -best[0][0]:
            break
        for j in links[node].tolist():
            if j < 0 or j in seen:
                continue
            seen.add(j)
            if len(best) < ef or far[j] < -best[0][0]:
                heapq.heappush(queue, (far[j], j))
                if yes[j]:
                    heapq.heappush(best, (-far[j], j))
                    if len(best) > ef:
                        heapq.heappop(best)
    found = sorted((-d, i) for d, i in best)
    return [i for _, i in found], len(seen)


# Walks --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ef", [1, 3, 10, 60])
def test_beam_is_the_two_heaps_algorithm(ef):
    """(13.17): one pool of ef, opened and not, finds and evaluates what the two heaps do."""
    vectors, queries = points(200, 3), points(25, 3, seed=1)
    links, entries = links_of(vectors, 7), torch.arange(25) * 3
    distances, ids, counts = beam(queries, vectors, lambda i: links[i], entries, ef)
    for q in range(25):
        found, n_seen = by_heap(queries[q], vectors, links, int(entries[q]), ef)
        assert ids[q].tolist() == found + [-1] * (ef - len(found))
        assert counts[q] == n_seen
        far = (vectors[found] - queries[q]).square().sum(1)
        torch.testing.assert_close(distances[q, : len(found)], far)


def test_beam_in_blocks_is_the_same(monkeypatch):
    vectors, queries = points(100, 3), points(20, 3, seed=1)
    links, entries = links_of(vectors, 6), torch.zeros(20, dtype=torch.long)
    whole = beam(queries, vectors, lambda i: links[i], entries, 8)
    monkeypatch.setattr(graph, "BUDGET", 80)
    parts = beam(queries, vectors, lambda i: links[i], entries, 8)
    assert all(torch.equal(a, b) for a, b in zip(whole, parts, strict=True))


@pytest.mark.parametrize("share", [2, 5])
def test_beam_with_a_filter_passes_through_the_others(share):
    vectors, queries = points(300, 3), points(25, 3, seed=1)
    links, entries = links_of(vectors, 8), torch.arange(25)
    allowed = torch.randperm(300, generator=generator()) % share == 0
    distances, ids, _ = beam(
        queries, vectors, lambda i: links[i], entries, 6, allowed=allowed, width=12 * share
    )
    same = 0
    for q in range(25):
        found, _ = by_heap(queries[q], vectors, links, int(entries[q]), 6, allowed)
        same += ids[q].tolist() == found
        assert allowed[ids[q]].all() and (distances[q].diff() >= 0).all()
    assert same == 25


def test_walks_that_cannot_leave_their_entry():
    vectors = points(5, 2)
    none = torch.full((5, 3), -1)
    distances, ids, counts = beam(
        points(2, 2, seed=1), vectors, lambda i: none[i], torch.tensor([1, 4]), 3
    )
    assert ids.tolist() == [[1, -1, -1], [4, -1, -1]] and counts.tolist() == [1, 1]
    assert (distances[:, 1:] == math.inf).all()


# Which neighbours ---------------------------------------------------------------------------------


def chosen(base, vectors, candidates, m):
    """The rule of Algorithm 4, one candidate after the other."""
    mine = [i for i in candidates.tolist() if i >= 0]
    mine.sort(key=lambda i: (vectors[i] - base).square().sum().item())
    kept = []
    for i in mine:
        far = (vectors[i] - base).square().sum()
        if len(kept) < m and all((vectors[i] - vectors[s]).square().sum() >= far for s in kept):
            kept.append(i)
    return kept + [-1] * (m - len(kept))


@pytest.mark.parametrize("budget", [1 << 24, 100])
def test_select_keeps_who_is_nearer_to_the_base_than_to_the_kept(budget, monkeypatch):
    """(13.20) against a loop; more than 16 candidates, missing ones, any order."""
    monkeypatch.setattr(graph, "BUDGET", budget)
    vectors, base = points(80, 3), points(12, 3, seed=1)
    candidates = torch.stack([torch.randperm(80, generator=generator(i))[:40] for i in range(12)])
    candidates[::2, 5:25] = -1
    for m in (1, 4, 30, 50):
        found = select(base, vectors, candidates, m)
        assert found.shape == (12, m)
        for b in range(12):
            assert found[b].tolist() == chosen(base[b], vectors, candidates[b], m)


def test_kept_links_are_sixty_degrees_apart():
    """(13.21): so in the plane there are at most six, however many candidates there are."""
    vectors, base = points(500, 2), torch.zeros(1, 2, dtype=F64)
    kept = select(base, vectors, torch.arange(500)[None], 100)[0]
    x = vectors[kept[kept >= 0]]
    x = x / x.norm(dim=1, keepdim=True)
    angles = torch.rad2deg((x @ x.T).clamp(-1, 1).acos()) + 360 * torch.eye(len(x), dtype=F64)
    assert 3 <= len(x) <= 6 and angles.min() >= 60


def test_select_without_the_heuristic_keeps_the_nearest():
    vectors, base = points(50, 3), points(6, 3, seed=1)
    candidates = torch.arange(50).repeat(6, 1)
    found = select(base, vectors, candidates, 9, heuristic=False)
    assert torch.equal(found, truth(base, vectors, 9)[1])
    found = select(base, vectors, candidates[:, :4], 9, heuristic=False)
    assert found.shape == (6, 9) and (found[:, 4:] == -1).all()


def test_link_back_is_one_edge_after_the_other():
    """Rooms that fill up and are then chosen anew, as a loop over all edges does it."""
    vectors = points(40, 3)
    sources = torch.arange(40).repeat_interleave(6)
    targets = torch.stack(
        [torch.randperm(12, generator=generator(i))[:6] + 12 * (i < 12) for i in range(40)]
    ).flatten()
    keep = sources != targets
    sources, targets = sources[keep], targets[keep]
    links, rows = torch.full((40, 5), -1), torch.arange(40).flip(0)
    link_back(links, rows, sources, targets, vectors)
    expected = [[] for _ in range(40)]
    for s, t in zip(sources.tolist(), targets.tolist(), strict=True):
        if len(expected[t]) < 5:
            expected[t].append(s)
        else:
            both = torch.tensor([*expected[t], s])
            expected[t] = [i for i in chosen(vectors[t], vectors, both, 5) if i >= 0]
    for t in range(40):
        assert links[39 - t].tolist() == expected[t] + [-1] * (5 - len(expected[t]))


# HNSW ---------------------------------------------------------------------------------------------


def built(vectors, seed=0, **options):
    return Hnsw(**({"n_links": 6, "ef_build": 40} | options), generator=generator(seed)).build(
        vectors
    )


def test_levels_are_geometric():
    """(13.18): one in M of every layer is in the next; (13.19): so much room has a vector."""
    index = built(points(6000, 1), n_links=4, ef_build=1, block=500, heuristic=False)
    sizes = torch.tensor([len(links) for links in index.links], dtype=F64)
    assert len(sizes) > 4
    for level in range(1, 5):
        expected = 6000 / 4**level
        assert sizes[level].item() == pytest.approx(expected, abs=4 * math.sqrt(expected))
    room = sum(links.numel() for links in index.links) / 6000
    assert room == pytest.approx(2 * 4 + 4 / 3, abs=0.15)


def test_layers_are_nested_and_links_are_sound():
    """(13.19): room for 2 M links below and M above; all stay inside their layer."""
    vectors = points(700, 4)
    index = built(vectors, block=100)
    inside = torch.ones(700, dtype=torch.bool)
    for level, (links, rows) in enumerate(zip(index.links, index.rows, strict=True)):
        assert links.shape[1] == (12 if level == 0 else 6)
        here = rows >= 0
        assert (inside | ~here).all() and sorted(rows[here].tolist()) == list(range(len(links)))
        inside = here
        ids = here.nonzero()[:, 0]
        for i, row in zip(ids.tolist(), index.neighbours(level, ids).tolist(), strict=True):
            row = [j for j in row if j >= 0]
            assert len(set(row)) == len(row) and i not in row and here[row].all()
    assert inside[index.entry]


def one_by_one(vectors, levels, m, ef):
    """HNSW as the paper inserts, one vector at a time, with exact searches of every layer."""
    n, top = len(vectors), max(levels)
    links = [[[] for _ in range(n)] for _ in range(top + 1)]
    for i in range(1, n):
        for level in range(levels[i] + 1):
            before = [j for j in range(i) if levels[j] >= level]
            before.sort(key=lambda j, i=i: (vectors[j] - vectors[i]).square().sum().item())
            if not before:
                continue
            to = chosen(vectors[i], vectors, torch.tensor(before[:ef]), m)
            links[level][i] = [j for j in to if j >= 0]
            room = m if level else 2 * m
            for j in links[level][i]:
                if len(links[level][j]) < room:
                    links[level][j].append(i)
                else:
                    both = torch.tensor([*links[level][j], i])
                    kept = chosen(vectors[j], vectors, both, room)
                    links[level][j] = [s for s in kept if s >= 0]
    return links


def test_one_block_is_the_sequential_graph():
    """In one block the candidates are exact, and so is every link of every layer."""
    vectors = points(90, 3)
    index = built(vectors, n_links=3, ef_build=12, block=90)
    levels = sum((rows >= 0).long() for rows in index.rows) - 1
    expected = one_by_one(vectors, levels.tolist(), 3, 12)
    for level, rows in enumerate(index.rows):
        for i in (rows >= 0).nonzero()[:, 0].tolist():
            found = [j for j in index.neighbours(level, torch.tensor([i]))[0].tolist() if j >= 0]
            assert found == expected[level][i]


@pytest.mark.parametrize("block", [1, 16, 150])
def test_blocks_find_what_one_by_one_finds(block):
    """However many are inserted at a time, the search is as good."""
    vectors, queries = points(150, 6), points(100, 6, seed=1)
    exact = truth(queries, vectors, 10)[1]
    index = built(vectors, n_links=8, block=block)
    assert recall(index.search(queries, 10, ef=20)[1], exact) > 0.95


def test_search_against_heaps_through_all_layers():
    """Greedy above, a beam below; every evaluation counted, the entry's once a layer."""
    vectors, queries = points(600, 4), points(30, 4, seed=1)
    index = built(vectors)
    distances, ids = index.search(queries, 5, ef=12)
    assert len(index.links) > 2
    for q in range(30):
        entry, total = index.entry, 0
        for level in reversed(range(len(index.links))):
            here = (index.rows[level] >= 0).nonzero()[:, 0]
            every = dict(zip(here.tolist(), index.neighbours(level, here), strict=True))
            found, n_seen = by_heap(queries[q], vectors, every, entry, 12 if level == 0 else 1)
            entry, total = found[0], total + n_seen
        assert ids[q].tolist() == found[:5] and index.n_distances[q] == total
        far = (vectors[found[:5]] - queries[q]).square().sum(1)
        torch.testing.assert_close(distances[q], far)


def test_wider_beams_find_more_and_cost_more():
    vectors, queries = points(1500, 12), points(60, 12, seed=1)
    exact, index = truth(queries, vectors, 10)[1], built(vectors)
    found, cost = [], []
    for ef in (10, 30, 100):
        found.append(recall(index.search(queries, 10, ef=ef)[1], exact))
        cost.append(index.n_distances.double().mean().item())
    assert found[0] < found[1] < found[2] and found[2] > 0.97 and cost[0] < cost[1] < cost[2] < 900
    assert torch.equal(index.search(queries, 30, ef=1)[1], index.search(queries, 30, ef=30)[1])


def test_heuristic_bridges_clusters():
    """Clusters far apart: with links to the nearest only, a walk can't reach those it isn't in."""
    for seed in (0, 1):
        vectors = blobs(600, 3, 12, seed)[torch.randperm(600, generator=generator(seed))]
        queries = vectors[:60] + 0.3 * points(60, 3, seed=9)
        exact = truth(queries, vectors, 10)[1]
        for rule in (True, False):
            index = built(vectors, seed, flat=True, heuristic=rule, block=64)
            found = recall(index.search(queries, 10, ef=20)[1], exact)
            assert found > 0.97 if rule else found < 0.85


def test_flat_graph_has_one_layer():
    index = built(points(200, 3), flat=True)
    assert len(index.links) == 1 and index.entry == 0


def test_added_vectors_are_found():
    vectors, more = points(300, 4), points(200, 4, seed=1)
    index = built(vectors)
    ids = index.add(more)
    assert ids.tolist() == list(range(300, 500))
    assert (index.search(more, 1)[1][:, 0] == ids).float().mean() > 0.98
    together, queries = torch.cat([vectors, more]), points(40, 4, seed=2)
    found = index.search(queries, 5, ef=40)[1]
    assert recall(found, truth(queries, together, 5)[1]) > 0.97
    one = built(vectors[:1])
    one.add(vectors[1:2])
    assert set(one.search(vectors[:2], 2)[1].flatten().tolist()) == {0, 1}


# Filters and deletes ------------------------------------------------------------------------------


def test_filtered_search_finds_allowed_ones():
    vectors, queries = points(800, 5), points(40, 5, seed=1)
    index, allowed = built(vectors), torch.arange(800) % 10 == 3
    _, ids = index.search(queries, 5, ef=20, allowed=allowed)
    exact = truth(queries, vectors[allowed], 5)[1] * 10 + 3
    assert recall(ids, exact) > 0.95 and allowed[ids].all()


def test_removed_ones_are_not_found_but_passed_through():
    vectors, queries = points(600, 5), points(40, 5, seed=1)
    index = built(vectors)
    gone = torch.randperm(600, generator=generator())[:300]
    index.remove(gone)
    left = torch.ones(600, dtype=torch.bool)
    left[gone] = False
    names = left.nonzero()[:, 0]
    exact = names[truth(queries, vectors[left], 5)[1]]
    _, ids = index.search(queries, 5, ef=30)
    assert left[ids].all() and recall(ids, exact) > 0.97
    before = index.n_distances.double().mean()
    n_rows = repair(index)
    assert n_rows > 100
    for level, rows in enumerate(index.rows):
        links = index.neighbours(level, (rows >= 0).nonzero()[:, 0])
        assert left[links[links >= 0]].all()
    _, ids = index.search(queries, 5, ef=30)
    assert left[ids].all() and recall(ids, exact) > 0.95
    assert index.n_distances.double().mean() < before and left[index.entry]
    assert repair(index) == 0


def test_repair_links_around_a_gap():
    """A chain a - b - c: without b, a and c have to know each other."""
    vectors = torch.tensor([[0.0], [1.0], [2.0]], dtype=F64)
    index = built(vectors, n_links=2, flat=True)
    index.links[0] = torch.tensor([[1, -1, -1, -1], [0, 2, -1, -1], [1, -1, -1, -1]])
    index.remove(torch.tensor([1]))
    assert repair(index) == 2
    assert index.links[0].tolist() == [[2, -1, -1, -1], [-1] * 4, [0, -1, -1, -1]]
    assert index.search(vectors[2:], 2)[1].tolist() == [[2, 0]]


def test_the_first_vector_takes_over_as_the_entry():
    """Row 0 of a layer is a row: of two vectors, the first is found when the second is gone."""
    vectors = torch.tensor([[0.0], [1.0]], dtype=F64)
    index = built(vectors, n_links=2, flat=True)
    index.entry = 1
    index.remove(torch.tensor([1]))
    repair(index)
    assert index.entry == 0
    distances, ids = index.search(vectors[1:], 1)
    assert ids.tolist() == [[0]] and distances.tolist() == [[1]]


def test_the_top_layers_removed():
    """The entry moves down to the highest vector left, and what is added later may rise above."""
    vectors, more = points(400, 4), points(400, 4, seed=1)
    index = built(vectors)
    high = index.rows[1] >= 0
    index.remove(high.nonzero()[:, 0])
    repair(index)
    assert index.n_layers == 1 and index.alive[index.entry]
    left = (~high).nonzero()[:, 0]
    exact = left[truth(more[:40], vectors[left], 5)[1]]
    assert recall(index.search(more[:40], 5, ef=40)[1], exact) > 0.95
    ids = index.add(more)
    assert index.n_layers > 1
    assert (index.search(more, 1, ef=30)[1][:, 0] == ids).float().mean() > 0.97


def test_everything_removed():
    index = built(points(50, 3))
    index.remove(torch.arange(50))
    distances, ids = index.search(points(3, 3), 2)
    assert (ids == -1).all() and (distances == math.inf).all()
    repair(index)
    assert (index.search(points(3, 3), 2)[1] == -1).all()


def test_wrong_input_is_refused():
    x = points(30, 3)
    index = built(x)
    for call, match in (
        (lambda: Hnsw(1), "n_links must be a whole number of at least 2, got 1"),
        (lambda: Hnsw(4, 0), "ef_build must be"),
        (lambda: Hnsw(4, block=0), "block must be"),
        (lambda: Hnsw().search(x, 1), "call build first"),
        (lambda: Hnsw().add(x), "call build first"),
        (lambda: Hnsw().build(x * math.nan), "finite"),
        (lambda: Hnsw().build(x[:0]), "not empty"),
        (lambda: index.add(x[:, :2]), r"vectors must be torch.float64 \(n, 3\)"),
        (lambda: index.add(x.float()), "vectors must be torch.float64"),
        (lambda: index.search(x, 31), "k must be a whole number from 1 to 30"),
        (lambda: index.search(x, 1, ef=0), "ef must be"),
        (lambda: index.search(x, 1, allowed=torch.ones(3, dtype=torch.bool)), "allowed must be"),
        (lambda: index.remove(torch.tensor([30])), "ids must be int64"),
    ):
        with pytest.raises(ValueError, match=match):
            call()
