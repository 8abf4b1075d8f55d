"""Part II's large profile: apps in context and judged searches. Shapes: N rows.

Neither fits in a package: they come from `FLOW_RANK_DATA`, the cache or a download. Their
checksums are those that the publishers give.
"""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import torch

from helpers.data_files import paths, read
from helpers.data_readers import numbers, read_csv
from helpers.data_registry_rank import RANK

FRAPPE_FIELDS = "user item daytime weekday isweekend homework cost weather country city".split()
FRAPPE_ZIP = "https://huggingface.co/datasets/reczoo/Frappe_x1/resolve/main/Frappe_x1.zip"
GRADES = {"Irrelevant": 0, "Partial": 1, "Exact": 2}


@dataclass(frozen=True)
class Frappe:
    """Apps used in a context (click) and others, drawn as unused; the label is thus a proxy.

    `fields` (N, 10) int64, column f from 0 to `sizes[f]` - 1, the same numbers in all three parts;
    `click` (N,) bool; `names` names the columns.
    """

    fields: torch.Tensor
    click: torch.Tensor
    sizes: tuple[int, ...]
    names: tuple[str, ...] = tuple(FRAPPE_FIELDS)


def frappe() -> tuple[Frappe, Frappe, Frappe]:
    """Load Frappe as BARS splits it, at random: train, validation and test part.

    Their authors count N = 202,027, 57,722 and 28,860, a third of them used. The checksums are
    BARS's, of the unpacked files; of the archive none is known, so it is fetched by hand, and
    this loader has been tested on stand-ins only.

    Raises
    ------
    FileNotFoundError : not unzipped into ``frappe`` in `FLOW_RANK_DATA` or the cache.
    ValueError : see `helpers.data_files.paths`.
    ImportError : no pyarrow, with the command that brings it.
    """
    types = {"label": "float64", **dict.fromkeys(FRAPPE_FIELDS, "int64")}
    try:
        found = paths("frappe", download=False, registry=RANK)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{error}; they are in {FRAPPE_ZIP}, to be unzipped there"
        ) from error
    tables = [read_csv(read(file), f"frappe/{file.name}", types) for file in found]
    clicks = [numbers(table, "label", torch.float64) > 0 for table in tables]  # 1, else 0 or -1
    columns, sizes = [], []
    for name in FRAPPE_FIELDS:
        levels, code = torch.cat([numbers(table, name) for table in tables]).unique(
            return_inverse=True
        )
        columns.append(code)
        sizes.append(len(levels))
    parts = torch.stack(columns, 1).split([len(click) for click in clicks])
    train, valid, test = (
        Frappe(fields, click, tuple(sizes)) for fields, click in zip(parts, clicks, strict=True)
    )
    return train, valid, test


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
    ValueError : a file with other columns or an unknown grade; see `helpers.data_files.paths`.
    OSError : see `helpers.data_files.paths`.
    """
    files = paths("wands", download=download, registry=RANK)
    queries = _tabbed(files[0], "query_id", "query", "query_class")
    words = ("product_name", "product_class", "product_description", "product_features")
    products = _tabbed(files[1], "product_id", *words)
    pairs = _tabbed(files[2], "query_id", "product_id", "label")
    if unknown := set(pairs[2]) - set(GRADES):
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
    if missing := set(names) - set(rows.fieldnames or ()):
        got = rows.fieldnames
        raise ValueError(f"expected {file.name} to have columns {sorted(missing)}, got {got}")
    table = list(rows)
    return [[row[name] or "" for row in table] for name in names]
