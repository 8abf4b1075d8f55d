"""Part II's search on WANDS, made small: it runs, and learns."""

import pytest
import torch

from helpers.data.catalogue import Wands
from helpers.matching.scoring import ndcg
from tools.large import matching
from tools.large.matching import Plan, judged_only, rows, run

KINDS = {"sofa": "couch soft seat cushions", "lamp": "light bulb bright shade"}
KINDS |= {"rug": "carpet floor woven wool", "desk": "table work office drawers"}


def small_shop() -> Wands:
    """Forty products of four kinds; queries name a kind or use a word of its descriptions."""
    draw = torch.Generator().manual_seed(0)
    names, texts, kinds = [], [], []
    for i in range(40):
        kind = list(KINDS)[i % 4]
        words = KINDS[kind].split()
        picks = torch.randperm(4, generator=draw)[:3].tolist()
        names.append(f"{'red blue green old'.split()[i // 10]} {kind}")
        texts.append(" ".join(words[p] for p in picks))
        kinds.append(kind)
    queries = [*KINDS, *(words.split()[0] for words in KINDS.values())]
    pairs = [(q, p) for q in range(8) for p in range(40) if (q + p) % 3]
    right = [kinds[p] == list(KINDS)[q % 4] for q, p in pairs]
    return Wands(
        queries,
        [""] * 8,
        names,
        [""] * 40,
        texts,
        [""] * 40,
        query=torch.tensor([q for q, _ in pairs]),
        product=torch.tensor([p for _, p in pairs]),
        grade=torch.tensor([2 * r for r in right]),
    )


SMALL = Plan(n_steps=60, batch=16, dim=8, n_listed=20, least=1, k=5)


def test_it_measures_every_row_and_counts_its_work():
    done = []
    values = run(small_shop(), SMALL, done.append)
    assert list(values) == [row["text"] for row in rows()] and sum(done) == SMALL.n_steps
    assert all(0 <= value <= 1 for value in values.values())
    for system in matching.SYSTEMS:
        text = f"WANDS, {system}, "
        assert values[text + "unjudged left out"] > values[text + "unjudged worthless"]
    # A quarter of the products are right, so chance would reach about a quarter.
    assert values["WANDS, two towers, unjudged left out"] > 0.4
    assert values["WANDS, hybrid (RRF), unjudged left out"] > 0.5
    assert run(small_shop(), SMALL) == values


def test_products_without_a_word_in_common_are_not_fused(monkeypatch):
    fused, whole = [], matching.reciprocal_rank_fusion

    def seen(lists, k):
        fused.append(lists)
        return whole(lists, k)

    monkeypatch.setattr(matching, "reciprocal_rank_fusion", seen)
    shop = small_shop()
    run(shop, SMALL)
    (words, towers), (last, first) = fused
    assert torch.equal(words, first) and torch.equal(towers, last)
    for q, row in enumerate(words.tolist()):
        texts = [f"{shop.names[p]} {shop.descriptions[p]}".split() for p in row if p >= 0]
        n_right = sum(
            shop.queries[q] in f"{n} {d}".split()
            for n, d in zip(shop.names, shop.descriptions, strict=True)
        )
        assert all(shop.queries[q] in text for text in texts)
        assert len(texts) == min(n_right, 20) and row[len(texts) :] == [-1] * (20 - len(texts))
    assert towers.min() >= 0


def test_ties_of_a_fusion_go_to_either_list():
    """Two lists without a common item: the first places tie, and each list wins about half."""
    one, other = torch.arange(10).expand(400, 10), torch.arange(10, 20).expand(400, 10)
    found = matching.fuse_fairly([one, other], 4)
    assert {tuple(row) for row in found.tolist()} == {(0, 10, 1, 11), (10, 0, 11, 1)}
    assert 150 < (found[:, 0] == 0).sum() < 250


def test_lists_without_the_unjudged():
    ranking = torch.tensor([[3, 0, 2, 1]])
    judged = torch.tensor([[True, True, False, True]])
    grades = torch.tensor([[2, 1, 0, 0]])
    expected = ndcg(torch.tensor([[3, 0, 1]]), grades, 2)
    assert judged_only(ranking, judged, grades, 2) == pytest.approx(expected.item())
    everything = torch.ones(1, 4, dtype=torch.bool)
    found = judged_only(ranking, everything, grades, 3)
    torch.testing.assert_close(found, ndcg(ranking, grades, 3))
