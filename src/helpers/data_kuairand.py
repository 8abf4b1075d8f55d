"""KuaiRand-Pure, part of the large profile. Shapes: N rows, U users, V videos."""

import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from helpers.data_files import path
from helpers.data_readers import codes, numbers, read_csv, texts
from helpers.data_registry_rank import RANK

if TYPE_CHECKING:
    import pyarrow

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
    OSError : see `helpers.data_files.paths`.
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
    click, drawn, hour = click.bool(), drawn.bool(), time // 100
    return KuaiRand(user, video, date, hour, timestamp, click, drawn, tab, users, videos)


def _member(archive: Path, name: str, types: dict[str, str]) -> "pyarrow.Table":
    """Read the table called `name` from KuaiRand's archive."""
    try:
        with tarfile.open(archive) as files:
            if (inside := files.extractfile(f"KuaiRand-Pure/data/{name}")) is None:
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
