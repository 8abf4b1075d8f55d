"""Chapter 7's own functions, as they stand on the page, against helpers and brute force."""

import math
import re
from pathlib import Path

import torch

from helpers.exercises.matching import answers
from helpers.matching import bm25, fusion, two_tower
from helpers.matching import scoring as judge

PAGE = (Path(__file__).parents[2] / "chapters/07_matching.md").read_text(encoding="utf-8")
F64 = torch.float64
DOCUMENTS = [
    "a red dress and a coat".split(),
    "the red coat".split(),
    "a long long long dress".split(),
    "blue".split(),
]


def page_function(name, **scope):
    """The function as it stands on the page."""
    cells = re.findall(r"```\{code-cell\} ipython3\n(.*?)```", PAGE, re.DOTALL)
    cell = next(c for c in cells if f"def {name}(" in c)
    source = re.search(rf"def {name}\(.*?(?=\n\S|\Z)", cell, re.DOTALL).group()
    scope = {"torch": torch, "math": math} | scope
    exec(source, scope)
    return scope[name]


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


def test_index_and_search_on_the_page():
    build, search = page_function("build"), page_function("search")
    for k1, b in ((1.5, 0.75), (0.9, 0.0)):
        postings = build(DOCUMENTS, k1, b)
        for query in (["red", "dress"], ["long", "long"], ["a", "nowhere"], []):
            expected = bm25.BM25(DOCUMENTS, k1=k1, b=b).scores([query])[0].double()
            found = search(postings, query, len(DOCUMENTS))
            torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_tower_loss_on_the_page():
    f, g, log_q = numbers(6, 3), numbers(6, 3, seed=1), -numbers(6, seed=2).abs()
    found = page_function("tower_loss")(f, g, log_q)
    torch.testing.assert_close(found, two_tower.in_batch_loss(f, g, log_q))


def test_fusion_on_the_page():
    first, second = [3, 1, 4, 9], [9, 2, 1]
    found = page_function("fuse")(first, second)
    rankings = [torch.tensor([r]) for r in (first, second)]
    scores, ids = fusion.reciprocal_rank_fusion(rankings, 5)
    assert bool((scores.diff() < 0).all()) and found == ids[0].tolist()


def test_reciprocal_on_the_page():
    ranking, sought = torch.tensor([[0, 1, 2], [2, 1, 0], [1, 0, 3]]), torch.tensor([0, 1, 2])
    found = page_function("reciprocal")(ranking, sought)
    torch.testing.assert_close(found, judge.reciprocal_rank(ranking, torch.eye(4)[:3], 3))
    assert found.tolist() == [1, 1 / 2, 0]


def test_miss_on_the_page():
    log_p = numbers(4, 7).log_softmax(1)
    centred = page_function("centred", log_p=log_p)
    miss = page_function("miss", log_p=log_p, centred=centred)
    table = numbers(4, 7, seed=1)
    assert miss(table + numbers(4, 1, seed=2), table) < 1e-12
    assert miss(table, 2 * table) > 0.1


def test_answers_to_the_exercises_agree_with_the_helpers():
    counts = bm25.Counts(DOCUMENTS)
    c = torch.tensor([float(d.count("long")) for d in DOCUMENTS], dtype=F64)
    found = answers.contribution(c, counts.lengths, 1, 1.2, 0.4)
    expected = bm25.BM25(DOCUMENTS, k1=1.2, b=0.4).scores([["long"]])[0]
    torch.testing.assert_close(found.float(), expected)
    f, g, log_q = numbers(6, 3), numbers(6, 3, seed=1), -numbers(6, seed=2).abs()
    found = answers.losses(f, g, log_q).mean()
    torch.testing.assert_close(found, two_tower.in_batch_loss(f, g, log_q))
    grades, ranking = numbers(5, 9).abs(), numbers(5, 9, seed=3).argsort(1)
    found = answers.ndcg(grades.gather(1, ranking), grades, 4)
    torch.testing.assert_close(found, judge.ndcg(ranking, grades, 4))
    share, mix = torch.tensor([0.1, 0.2], dtype=F64), torch.tensor([0.3, 0.3], dtype=F64)
    held, every = answers.split(torch.tensor([2.0, 0.0]), torch.tensor([8.0, 8.0]), share, mix)
    mixed = 0.7 * torch.tensor([0.25, 0.0], dtype=F64) + 0.3 * share
    torch.testing.assert_close(held + every, mixed.log() - share.log())
    assert held[1] == 0
