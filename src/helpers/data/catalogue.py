"""What can be searched, as real data: clothing reviews, and the judged searches of WANDS.

Shapes: N rows. The registry in `registry_rank` says where each comes from and under what licence.
"""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import torch

from helpers.data.files import path, paths, read
from helpers.data.readers import (
    numbers,
    read_parquet,
    texts,
)
from helpers.data.registry_rank import RANK


@dataclass(frozen=True)
class Reviews:
    """Reviews of clothes, one a row; a missing text is "". The source cut `body` near 500 letters.

    Tensors (N,): `item` int64, the Clothing ID; `age` int64, the writer's in years; `rating` int64,
    1 to 5; `recommended` bool; `feedback` int64, how many found the review helpful.
    Lists of N str: `title`, `body`; and where the shop files the item, spelt as the source spells
    it: `division`, `department`, `class_name`, from coarse to fine.
    """

    item: torch.Tensor
    age: torch.Tensor
    rating: torch.Tensor
    recommended: torch.Tensor
    feedback: torch.Tensor
    title: list[str]
    body: list[str]
    division: list[str]
    department: list[str]
    class_name: list[str]


def reviews() -> Reviews:
    """Load all 23,486 clothing reviews (1,206 items), in the source's order.

    Raises
    ------
    ImportError : no pyarrow, with the command that brings it.
    ValueError, FileNotFoundError : see `helpers.data.files.paths`.
    """
    table = read_parquet(path("reviews", registry=RANK))
    names = ("Clothing ID", "Age", "Rating", "Recommended IND", "Positive Feedback Count")
    item, age, rating, recommended, feedback = (numbers(table, name) for name in names)
    names = ("Title", "Review Text", "Division Name", "Department Name", "Class Name")
    words = (texts(table, name) for name in names)
    return Reviews(item, age, rating, recommended.bool(), feedback, *words)


GRADES = {"Irrelevant": 0, "Partial": 1, "Exact": 2}


@dataclass(frozen=True)
class Wands:
    """Searches in a furniture shop and people's judgements of products for them.

    Lists: `queries` and `query_class` (str a query); `names`, `classes`, `descriptions`,
    `features` (str a product, "" where missing; features are "name:value" joined by "|").
    Tensors (N,), one a judgement: `query` int64 and `product` int64, which index the lists;
    `grade` int64, 0 irrelevant, 1 partial, 2 exact.
    """

    queries: list[str]
    query_class: list[str]
    names: list[str]
    classes: list[str]
    descriptions: list[str]
    features: list[str]
    query: torch.Tensor
    product: torch.Tensor
    grade: torch.Tensor


def wands(*, download: bool | None = None) -> Wands:
    """Load WANDS: 480 queries, 42,994 products, 233,448 judgements, as their authors count them.

    Parameters
    ----------
    download : allow a download; None asks the environment variable ``FLOW_RANK_DOWNLOAD``.

    Raises
    ------
    ValueError : a file with other columns or an unknown grade; see `helpers.data.files.paths`.
    OSError : see `helpers.data.files.paths`.
    """
    files = paths("wands", download=download, registry=RANK)
    queries = _tabbed(files[0], "query_id", "query", "query_class")
    words = ("product_name", "product_class", "product_description", "product_features")
    products = _tabbed(files[1], "product_id", *words)
    pairs = _tabbed(files[2], "query_id", "product_id", "label")
    unknown = set(pairs[2]) - set(GRADES)
    if unknown:
        raise ValueError(f"expected grades {tuple(GRADES)}, got {sorted(unknown)}")
    at_query = {key: i for i, key in enumerate(queries[0])}
    at_product = {key: i for i, key in enumerate(products[0])}
    return Wands(
        *queries[1:],
        *products[1:],
        query=torch.tensor([at_query[key] for key in pairs[0]]),
        product=torch.tensor([at_product[key] for key in pairs[1]]),
        grade=torch.tensor([GRADES[label] for label in pairs[2]]),
    )


def _tabbed(file: Path, *names: str) -> list[list[str]]:
    """Read columns of a table whose cells stand between tabs."""
    rows = csv.DictReader(io.StringIO(read(file).decode("utf-8"), newline=""), delimiter="\t")
    missing = set(names) - set(rows.fieldnames or ())
    if missing:
        got = rows.fieldnames
        raise ValueError(f"expected {file.name} to have columns {sorted(missing)}, got {got}")
    table = list(rows)
    return [[row[name] or "" for row in table] for name in names]
