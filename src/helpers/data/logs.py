"""Logs of what people did, as real data: shown and clicked, rated, used.

Shapes: N rows, U users, V videos. The registry (`registry_rank`) says where
each comes from, and under what licence.
"""

import lzma
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from helpers.data.files import path, paths, read
from helpers.data.readers import (
    codes,
    numbers,
    read_csv,
    read_pickled_frame,
    texts,
)
from helpers.data.registry_rank import RANK

if TYPE_CHECKING:
    import pyarrow

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
    ValueError : another policy or campaign; see also `helpers.data.files.paths`.
    ImportError : no pyarrow, with the command that brings it.
    """
    if policy not in POLICIES:
        raise ValueError(f"expected a policy of {POLICIES}, got {policy!r}")
    if campaign not in CAMPAIGNS:
        raise ValueError(f"expected a campaign of {tuple(CAMPAIGNS)}, got {campaign!r}")
    names = (f"{policy}/{campaign}/{campaign}.csv", f"{policy}/{campaign}/item_context.csv")
    log_file, item_file = paths("open-bandit", *names, registry=RANK)
    affinities = [f"user-item_affinity_{k}" for k in range(CAMPAIGNS[campaign])]
    log = read_csv(read(log_file), names[0], _log_types(affinities))
    types = {"item_feature_0": "float32"} | {f"item_feature_{j}": "string" for j in (1, 2, 3)}
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


def _log_types(affinities: list[str]) -> dict[str, str]:
    """The log's columns and their types; affinities : names of the K columns of past clicks."""
    types = dict.fromkeys(("item_id", "position", "click"), "int64")
    types |= {"propensity_score": "float64", "timestamp": "string"}
    types |= dict.fromkeys([f"user_feature_{j}" for j in range(4)], "string")
    return types | dict.fromkeys(affinities, "float32")


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
    ValueError, FileNotFoundError : see `helpers.data.files.paths`.
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


FRAPPE_FIELDS = "user item daytime weekday isweekend homework cost weather country city".split()


FRAPPE_ZIP = "https://huggingface.co/datasets/reczoo/Frappe_x1/resolve/main/Frappe_x1.zip"


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
    ValueError : see `helpers.data.files.paths`.
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
    columns = []
    sizes = []
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


KUAIRAND_LOGS = {
    "standard": ("log_standard_4_08_to_4_21_pure.csv", "log_standard_4_22_to_5_08_pure.csv"),
    "random": ("log_random_4_22_to_5_08_pure.csv",),
}


KUAIRAND_LOG = ("user_id", "video_id", "date", "hourmin", "time_ms", "is_click", "is_rand", "tab")


KUAIRAND_USER = (
    "user_active_degree",
    "is_lowactive_period",
    "is_live_streamer",
    "is_video_author",
    "follow_user_num_range",
    "fans_user_num_range",
    "friend_user_num_range",
    "register_days_range",
    *(f"onehot_feat{j}" for j in range(18)),
)


KUAIRAND_VIDEO = ("author_id", "video_type", "upload_type", "music_id", "music_type", "tag")


@dataclass(frozen=True)
class KuaiRand:
    """Videos shown to people by a short-video app, one a row.

    Tensors (N,): `user`, `video` int64; `date` int64, such as 20220421; `hour` int64, 0 to 23;
    `timestamp` int64, milliseconds since 1970; `click` bool (in tabs that play by themselves:
    watched for 7 seconds or to the end); `random` bool, whether the video was drawn at random;
    `tab` int64, 0 to 14, where in the app.
    `user_fields` (U, 26) and `video_fields` (V, 6) int64: features of user u in row u and of video
    v in row v, numbered from 1 in order of appearance, 0 where missing. `user_names` and
    `video_names` name the columns.
    """

    user: torch.Tensor
    video: torch.Tensor
    date: torch.Tensor
    hour: torch.Tensor
    timestamp: torch.Tensor
    click: torch.Tensor
    random: torch.Tensor
    tab: torch.Tensor
    user_fields: torch.Tensor
    video_fields: torch.Tensor
    user_names: tuple[str, ...] = KUAIRAND_USER
    video_names: tuple[str, ...] = KUAIRAND_VIDEO


def kuairand(log: str, *, download: bool | None = None) -> KuaiRand:
    """Load KuaiRand-Pure: what the app chose to show, or what was shown at random.

    Parameters
    ----------
    log : "standard" (N = 1,436,609, April 9 to May 8, 2022) or "random" (N = 1,186,059, from
        April 22), as their authors count them.
    download : allow a download; None asks the environment variable ``FLOW_RANK_DOWNLOAD``.

    Raises
    ------
    ValueError : another log; an archive without the expected files, or with other columns.
    ImportError : no pyarrow, with the command that brings it.
    OSError : see `helpers.data.files.paths`.
    """
    if log not in KUAIRAND_LOGS:
        raise ValueError(f"expected a log of {tuple(KUAIRAND_LOGS)}, got {log!r}")
    archive = path("kuairand", download=download, registry=RANK)
    types = dict.fromkeys(KUAIRAND_LOG, "int64")
    parts = [_member(archive, name, types) for name in KUAIRAND_LOGS[log]]
    user, video, date, time, timestamp, click, drawn, tab = (
        torch.cat([numbers(part, name) for part in parts]) for name in KUAIRAND_LOG
    )
    users = _features(archive, "user_features_pure.csv", "user_id", KUAIRAND_USER, user)
    videos = _features(archive, "video_features_basic_pure.csv", "video_id", KUAIRAND_VIDEO, video)
    hour = time // 100
    clicked = click.bool()
    return KuaiRand(user, video, date, hour, timestamp, clicked, drawn.bool(), tab, users, videos)


def _member(archive: Path, name: str, types: dict[str, str]) -> "pyarrow.Table":
    """Read the table called `name` from KuaiRand's archive."""
    try:
        with tarfile.open(archive) as files:
            inside = files.extractfile(f"KuaiRand-Pure/data/{name}")
            if inside is None:
                raise KeyError(name)
            return read_csv(inside, name, types)
    except KeyError as error:
        raise ValueError(
            f"expected {archive.name} to hold {name}, got an archive without"
        ) from error


def _features(
    archive: Path, name: str, key: str, columns: tuple[str, ...], used: torch.Tensor
) -> torch.Tensor:
    """Number the features of a table (R rows) and put each row at its id: (ids, columns)."""
    table = _member(archive, name, {key: "int64", **dict.fromkeys(columns, "string")})
    ids = numbers(table, key)
    placed = torch.zeros(int(max(ids.max(), used.max())) + 1, len(columns), dtype=torch.int64)
    placed[ids] = torch.stack([codes(texts(table, column)) for column in columns], 1)
    return placed
