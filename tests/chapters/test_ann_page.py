"""Chapter 13's own functions, as they stand on the page, against helpers and brute force."""

import re
from pathlib import Path

import torch
from ann.test_distance import points
from ann.test_hnsw import by_heap, chosen, links_of

from helpers.ann.distance import lift
from helpers.ann.pq import ProductQuantizer
from helpers.exercises.ann import answers

PAGE = (Path(__file__).parents[2] / "chapters/13_ann.md").read_text(encoding="utf-8")


def page_function(name, **scope):
    """The function as it stands on the page."""
    import heapq

    cells = re.findall(r"```\{code-cell\} ipython3\n(.*?)```", PAGE, re.DOTALL)
    cell = next(c for c in cells if f"def {name}(" in c)
    source = re.search(rf"def {name}\(.*?(?=\n\S|\Z)", cell, re.DOTALL).group()
    scope = {"torch": torch, "heapq": heapq} | scope
    exec(source, scope)
    return scope[name]


def test_walk_on_the_page():
    walk, vectors = page_function("walk"), points(150, 3)
    links = links_of(vectors, 6)
    for seed in range(10):
        q = points(3, seed=seed + 5)
        for ef in (1, 4, 20):
            best, opened, n_seen = walk(q, vectors, links.tolist(), 3 * seed, ef)
            ids, expected = by_heap(q, vectors, links, 3 * seed, ef)
            assert [i for _, i in best] == ids and n_seen == expected
            assert opened[0] == 3 * seed and len(set(opened)) == len(opened)
            far = (vectors[ids] - q).square().sum(1).tolist()
            assert [d for d, _ in best] == far


def test_keep_on_the_page():
    keep, vectors, base = page_function("keep"), points(40, 3), points(6, 3, seed=1)
    for x in base:
        for m in (2, 8, 30):
            found = keep(x, vectors, m)
            expected = chosen(x, vectors, torch.arange(40), m)
            assert found == [i for i in expected if i >= 0]


def test_codes_on_the_page():
    vectors, queries = points(300, 6), points(4, 6, seed=1)
    coder = ProductQuantizer(3, 4, 5, generator=torch.Generator().manual_seed(0)).fit(vectors)
    codes = page_function("encode")(vectors, coder.books)
    assert torch.equal(codes, coder.encode(vectors).long())
    for q in queries:
        found = page_function("adc")(q, codes, coder.books)
        torch.testing.assert_close(found, (coder.decode(codes) - q).square().sum(1))


def test_cost_at_on_the_page():
    """Half way between two points in the logarithm of the cost."""
    import numpy as np

    cost_at = page_function("cost_at", np=np)
    curve = [(0.01, 0.5), (0.04, 0.9), (0.16, 1.0)]
    assert abs(cost_at(curve, 0.7) - 0.02) < 1e-12 and abs(cost_at(curve, 0.9) - 0.04) < 1e-12


def test_answers_to_the_exercises_agree_with_the_helper():
    x = points(9, 4)
    torch.testing.assert_close(answers.lift(x, x.norm(dim=1).max().item()), lift(x))
    candidates, base = points(5, 12, 3), points(5, 3, seed=1)
    lengths = []
    for b in range(5):
        kept = [i for i in chosen(base[b], candidates[b], torch.arange(12), 4) if i >= 0]
        lengths.append((candidates[b][kept] - base[b]).norm(dim=1).mean())
    torch.testing.assert_close(answers.mean_link(base, candidates, 4), torch.stack(lengths))
    coder = ProductQuantizer(2, 2, 5, generator=torch.Generator().manual_seed(0)).fit(x)
    codes, cells, centroids = coder.encode(x).long(), [0, 1, 2] * 3, points(3, 4, seed=2)
    found = answers.scores(base[:, :1].expand(5, 4), codes.tolist(), coder.books, cells, centroids)
    whole = centroids[cells] + coder.decode(codes)
    torch.testing.assert_close(found, base[:, :1].expand(5, 4) @ whole.T)
