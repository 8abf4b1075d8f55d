"""Part II's real data as tensors and lists; chapters import it as ``data``.

Here are reviews, clicks and ratings; words are in `helpers.data_words`, what is too large for a
package in `helpers.data_large`. Shapes: N rows, K items.
"""

import lzma
from dataclasses import dataclass

import numpy as np
import torch

from helpers.data_files import path, paths, read
from helpers.data_kuairand import kuairand as kuairand
from helpers.data_large import frappe as frappe
from helpers.data_large import wands as wands
from helpers.data_readers import (
    codes,
    numbers,
    read_csv,
    read_parquet,
    read_pickled_frame,
    texts,
)
from helpers.data_registry_rank import RANK
from helpers.data_words import bigram_counts as bigram_counts
from helpers.data_words import glove as glove
from helpers.data_words import word_counts as word_counts

POLICIES = ("random", "bts")
CAMPAIGNS = {"all": 80, "men": 34, "women": 46}  # and how many items each may show
# The users' four anonymous features have these values in the six files, by the first two digits
# of their hashes; a fixed list gives a value the same number in every file.
LEVELS = (
    "4a 81 ce",
    "03 2d 6f 8b f1",
    "27 30 71 7a 7b 9b 9f c2 c7",
    "05 06 1f 27 3a 9b c3 c9 ec f9",
)


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
    ValueError, FileNotFoundError : see `helpers.data_files.paths`.
    """
    table = read_parquet(path("reviews", registry=RANK))
    names = ("Clothing ID", "Age", "Rating", "Recommended IND", "Positive Feedback Count")
    item, age, rating, recommended, feedback = (numbers(table, name) for name in names)
    names = ("Title", "Review Text", "Division Name", "Department Name", "Class Name")
    words = (texts(table, name) for name in names)
    return Reviews(item, age, rating, recommended.bool(), feedback, *words)


@dataclass(frozen=True)
class OpenBandit:
    """Recommendations shown by a known policy, one a row, in order of time.

    Tensors (N,): `item` int64, 0 to K - 1; `position` int64, 1 left, 2 middle, 3 right; `click`
    bool; `propensity` float64, the policy's probability of showing this item at this position;
    `timestamp` int64, microseconds since 1970 (UTC).
    `user` (N, 4) int64: anonymous features, whole numbers from 0 that mean the same in all files.
    `affinity` (N, K) float32: the user's past clicks on each item.
    `item_number` (K,) float32 and `item_class` (K, 3) int64: anonymous features of the items, the
    same for both policies of a campaign.
    """

    item: torch.Tensor
    position: torch.Tensor
    click: torch.Tensor
    propensity: torch.Tensor
    timestamp: torch.Tensor
    user: torch.Tensor
    affinity: torch.Tensor
    item_number: torch.Tensor
    item_class: torch.Tensor


def open_bandit(policy: str, campaign: str) -> OpenBandit:
    """Load 10,000 rows that one policy logged in one campaign of the shop ZOZOTOWN.

    Parameters
    ----------
    policy : "random" (every item as likely as any other) or "bts" (Bernoulli Thompson sampling).
    campaign : "all" (K = 80), "men" (K = 34) or "women" (K = 46).

    Raises
    ------
    ValueError : another policy or campaign; see also `helpers.data_files.paths`.
    ImportError : no pyarrow, with the command that brings it.
    """
    if policy not in POLICIES or campaign not in CAMPAIGNS:
        got = f"{policy!r}, {campaign!r}"
        raise ValueError(
            f"expected a policy of {POLICIES}, a campaign of {tuple(CAMPAIGNS)}, got {got}"
        )
    names = (f"{policy}/{campaign}/{campaign}.csv", f"{policy}/{campaign}/item_context.csv")
    log_file, item_file = paths("open-bandit", *names, registry=RANK)
    affinities = [f"user-item_affinity_{k}" for k in range(CAMPAIGNS[campaign])]
    types = dict.fromkeys(("item_id", "position", "click"), "int64")
    types |= {"propensity_score": "float64", "timestamp": "string"}
    types |= dict.fromkeys([f"user_feature_{j}" for j in range(4)], "string")
    types |= dict.fromkeys(affinities, "float32")
    log = read_csv(read(log_file), names[0], types)
    types = {"item_feature_0": "float32"}
    types |= dict.fromkeys([f"item_feature_{j}" for j in (1, 2, 3)], "string")
    items = read_csv(read(item_file), names[1], types)
    times = [np.datetime64(text.removesuffix("+00:00"), "us") for text in texts(log, "timestamp")]
    users = [
        [level.split().index(text[:2]) for text in texts(log, f"user_feature_{j}")]
        for j, level in enumerate(LEVELS)
    ]
    classes = [codes(texts(items, f"item_feature_{j}")) - 1 for j in (1, 2, 3)]
    return OpenBandit(
        item=numbers(log, "item_id"),
        position=numbers(log, "position"),
        click=numbers(log, "click").bool(),
        propensity=numbers(log, "propensity_score", torch.float64),
        timestamp=torch.from_numpy(np.array(times).astype(np.int64)),
        user=torch.tensor(users).T.contiguous(),
        affinity=torch.stack([numbers(log, name, torch.float32) for name in affinities], 1),
        item_number=numbers(items, "item_feature_0", torch.float32),
        item_class=torch.stack(classes, 1),
    )


@dataclass(frozen=True)
class MovieLens:
    """Ratings of films, one a row, users together; N ratings, U users, M films.

    Tensors (N,): `user` int64, 0 to U - 1; `movie` int64, 0 to M - 1, which indexes the lists;
    `rating` float32, 0.5 to 5 in halves; `timestamp` int64, seconds since 1970 (UTC).
    Lists of M: `titles` (str, "" where missing), `genres` (list of str), `years` (int, 0 where
    missing); `movie_ids` (int) are MovieLens's own numbers, ascending.
    """

    user: torch.Tensor
    movie: torch.Tensor
    rating: torch.Tensor
    timestamp: torch.Tensor
    titles: list[str]
    genres: list[list[str]]
    years: list[int]
    movie_ids: list[int]


def movielens() -> MovieLens:
    """Load MovieLens latest-small of 2016: 100,004 ratings, 671 users, 9,066 films.

    GroupLens allows no commercial use, and passing on only under its own terms: show a few rows
    at most. The file is a pickle; it is read by its checksum and then without running its code.

    Raises
    ------
    ValueError, FileNotFoundError : see `helpers.data_files.paths`.
    """
    columns = read_pickled_frame(lzma.decompress(read(path("movielens", registry=RANK))))
    _, user = np.unique(columns["userId"], return_inverse=True)
    ids, first, movie = np.unique(columns["movieId"], return_index=True, return_inverse=True)
    titles = [title if isinstance(title, str) else "" for title in columns["title"][first]]
    years = np.nan_to_num(columns["year"][first]).astype(int).tolist()
    genres = [text.split("|") for text in columns["genres"][first]]
    return MovieLens(
        user=torch.from_numpy(user).long(),
        movie=torch.from_numpy(movie).long(),
        rating=torch.tensor(columns["rating"], dtype=torch.float32),
        timestamp=torch.tensor(columns["timestamp"], dtype=torch.int64),
        titles=titles,
        genres=[[] if "(no genres listed)" in names else names for names in genres],
        years=years,
        movie_ids=ids.tolist(),
    )
