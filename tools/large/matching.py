"""``make full``, Part II's search: WANDS by words, by two towers, and by both.

480 queries of a furniture shop, 42,994 products, 233,448 judgements. BM25 indexes a product's name,
class, description and features. The towers see no judgement: they learn which description belongs
to which name, with the in-batch softmax of chapter 7, and are then asked with the queries. nDCG at
10, with unjudged products counted as worthless, and with unjudged products left out of the list.

The cost, an estimate and no measurement: ten minutes on two cores.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from tqdm import tqdm

from helpers.data import catalogue
from helpers.matching.bm25 import BM25
from helpers.matching.fusion import reciprocal_rank_fusion
from helpers.matching.scoring import dcg, ndcg
from helpers.matching.tokens import tokenize
from helpers.matching.two_tower import TwoTower, in_batch_loss
from tools.large import rows as large

CHAPTER = "7. Matching"
UNIT = "nDCG@10"
SYSTEMS = ("BM25", "two towers", "hybrid (RRF)")
COUNTED = ("unjudged worthless", "unjudged left out")
Watch = Callable[[int], None]  # told how many training steps were just made


@dataclass(frozen=True)
class Plan:
    """How much of everything is done."""

    n_steps: int = 6000
    batch: int = 512
    dim: int = 64
    n_listed: int = 100
    least: int = 3  # a word is a feature of the towers if it stands in so many products
    k: int = 10


def rows() -> list[dict]:
    """What ``large.json`` shows of this run: its rows, not run yet."""
    empty = large.WAITING | {"data": "real"}
    return [
        {"chapter": CHAPTER, "text": f"WANDS, {s}, {c}", "reported": "", "unit": UNIT} | empty
        for c in COUNTED
        for s in SYSTEMS
    ]


def packed(bags: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Bags as a tower takes them: features (M,) and starts (B,)."""
    starts = torch.tensor([0, *map(len, bags[:-1])]).cumsum(0)
    return torch.tensor([f for bag in bags for f in bag], dtype=torch.long), starts


def train(
    names: Sequence[Sequence[int]],
    texts: Sequence[Sequence[int]],
    n_words: int,
    plan: Plan,
    watch: Watch = lambda steps: None,
) -> TwoTower:
    """Towers for which a product's name (as a query) is near its text."""
    generator = torch.Generator().manual_seed(0)
    net = TwoTower(n_words, n_words, plan.dim, plan.dim, generator=generator)
    optimizer = torch.optim.Adam(net.parameters())
    some = [i for i, (a, b) in enumerate(zip(names, texts, strict=True)) if a and b]
    for step in range(plan.n_steps):
        optimizer.param_groups[0]["lr"] = 0.01 * (1 - step / plan.n_steps)
        drawn = torch.randint(len(some), (plan.batch,), generator=generator).tolist()
        f = net.user(*packed([names[some[i]] for i in drawn]))
        g = net.item(*packed([texts[some[i]] for i in drawn]))
        optimizer.zero_grad()
        in_batch_loss(f, g, scale=net.scale).backward()
        optimizer.step()
        watch(1)
    return net.requires_grad_(False)


def judged_only(ranking: Tensor, judged: Tensor, grades: Tensor, k: int) -> Tensor:
    """nDCG at k of lists without what nobody judged, (Q,)."""
    place = torch.where(judged.gather(1, ranking), torch.arange(ranking.shape[1]), 1 << 20)
    order = place.argsort(1)[:, :k]
    seen = (place.gather(1, order) < 1 << 20).double()
    gains = (torch.exp2(grades.double()) - 1).gather(1, ranking.gather(1, order)) * seen
    best = (torch.exp2(grades.double()) - 1).topk(k, 1).values
    return dcg(gains) / dcg(best).masked_fill(dcg(best) == 0, torch.nan)


def fuse_fairly(lists: Sequence[Tensor], k: int) -> Tensor:
    """The k best by reciprocal rank fusion, (Q, k); a coin a query says whose ties go first."""
    coin = torch.rand(len(lists[0]), 1, generator=torch.Generator().manual_seed(0)) < 0.5
    ways = [reciprocal_rank_fusion(some, k)[1] for some in (list(lists), list(lists)[::-1])]
    return torch.where(coin, *ways)


def run(shop: catalogue.Wands, plan: Plan, watch: Watch = lambda steps: None) -> dict[str, float]:
    """Index, train, search, judge: the values of all `rows`, by their text."""
    parts = (shop.names, shop.classes, shop.descriptions, shop.features)
    texts = [tokenize(" ".join(product)) for product in zip(*parts, strict=True)]
    asked = [tokenize(q) for q in shop.queries]
    names = [tokenize(n) for n in shop.names]
    # Products come sorted, and ties in the order of the index: mixed, they favour nobody.
    mixed = torch.randperm(len(texts), generator=torch.Generator().manual_seed(0))
    index = BM25([texts[i] for i in mixed])
    frequent = (index.starts.diff() >= plan.least).tolist()
    kept = [word for word, v in index.vocabulary.items() if frequent[v]]
    number = {word: i for i, word in enumerate(kept)}

    def bags(some: Sequence[Sequence[str]]) -> list[list[int]]:
        return [[number[w] for w in text if w in number] for text in some]

    own = bags([tokenize(" ".join(p)) for p in zip(*parts[1:], strict=True)])
    net = train(bags(names), own, len(number), plan, watch)
    items = torch.cat([net.item(*packed(own[i : i + 1000])) for i in range(0, len(own), 1000)])
    score, ids = index.search(asked, plan.n_listed)
    found = {"BM25": mixed[ids]}
    near = (net.user(*packed(bags(asked))) @ items[mixed].T).topk(plan.n_listed, 1).indices
    found["two towers"] = mixed[near]
    lists = [found["BM25"].masked_fill(score <= 0, -1), found["two towers"]]  # no word: no place
    found["hybrid (RRF)"] = fuse_fairly(lists, plan.n_listed)
    grades = torch.zeros(len(asked), len(texts), dtype=torch.uint8)
    judged = torch.zeros(len(asked), len(texts), dtype=torch.bool)
    grades[shop.query, shop.product] = shop.grade.to(torch.uint8)
    judged[shop.query, shop.product] = True
    values = {}
    for name in SYSTEMS:
        whole = ndcg(found[name], grades, plan.k).nanmean().item()
        values[f"WANDS, {name}, {COUNTED[0]}"] = whole
        part = judged_only(found[name], judged, grades, plan.k).nanmean().item()
        values[f"WANDS, {name}, {COUNTED[1]}"] = part
    return {row["text"]: values[row["text"]] for row in rows()}


def main() -> None:
    """Download WANDS, run, record."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--share", type=float, default=1.0, help="of the training, for a trial")
    share = parser.parse_args().share
    plan = replace(Plan(), n_steps=max(1, round(share * Plan().n_steps)))
    with tqdm(total=plan.n_steps, unit=" steps") as bar:
        values = run(catalogue.wands(download=True), plan, bar.update)
    for text, value in values.items():
        print(f"{text}: {value:.4f}")
    note = "" if share == 1 else f"; {share:g} of the training"
    large.record(rows(), values, "CPU", note)


if __name__ == "__main__":
    main()
