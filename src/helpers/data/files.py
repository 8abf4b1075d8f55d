"""Files of real data: five places to look, and a checksum before anything is used.

Loader order: the folder in ``FLOW_RANK_DATA``, a Debian package, a PyPI wheel (read by path, never
imported), the cache (``FLOW_RANK_CACHE``, else ``$XDG_CACHE_HOME/flow-rank``), a download, which
happens only with ``download=True`` or ``FLOW_RANK_DOWNLOAD=1``. Every load prints one line naming
the place; nothing is ever replaced by synthetic data. A new data set is one entry in
`helpers.data.registry`; `path` and `paths` then find, check or fetch its files.
"""

import contextlib
import glob
import gzip
import hashlib
import os
import time
import uuid
import zlib
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path

from helpers.data.entry import Dataset, File
from helpers.data.registry import REGISTRY


def _blocks(path: str | Path, packed: bool) -> Iterator[bytes]:
    """Give the file's content in blocks of a mebibyte, unzipped unless `packed`."""
    with open(path, "rb") as stream:
        zipped = stream.read(2) == b"\x1f\x8b" and not packed  # the content decides, not the name
        stream.seek(0)
        with gzip.open(stream) if zipped else contextlib.nullcontext(stream) as content:
            yield from iter(lambda: content.read(1 << 20), b"")


def _problem(path: Path, file: File) -> str:
    """Say what is wrong with the bytes at `path`; an empty string when nothing is."""
    kind = file.checksum.partition(":")[0]
    digest = hashlib.new("sha1" if kind == "git" else kind)
    size = 0
    try:
        if kind == "git":  # git hashes the length first
            digest.update(b"blob %d\0" % sum(map(len, _blocks(path, file.packed))))
        for block in _blocks(path, file.packed):
            digest.update(block)
            size += len(block)
    except (OSError, EOFError, zlib.error) as error:
        return f"cannot be read to its end ({getattr(error, 'strerror', None) or error})"
    got = f"{kind}:{digest.hexdigest()}"
    if file.checksum == got:
        return ""
    expected = "" if file.n_bytes is None else f"{file.n_bytes:,} bytes, "
    return f"expected {expected}{file.checksum}, got {size:,} bytes, {got}"


def _places(name: str, entry: Dataset) -> Iterator[tuple[str, Path | None, str, str]]:
    """Yield source, folder (None: not installed), how to get a missing file, how to mend one."""
    folder = os.path.expanduser(os.environ.get("FLOW_RANK_DATA", ""))
    if folder:
        if not os.path.isdir(folder):
            raise NotADirectoryError(f"FLOW_RANK_DATA must name a folder, got {folder!r}")
        yield "the folder in FLOW_RANK_DATA", Path(folder, name), "", "replace or remove that file"
    if entry.system:
        package, folder = entry.system
        install = f"apt-get install {package}"
        again = f"run: apt-get install --reinstall {package}"
        yield f"the Debian package {package}", Path(folder), install, again
    if entry.wheel:
        package, folder, request = entry.wheel
        try:
            root = Path(str(metadata.distribution(package).locate_file(folder)))
        except metadata.PackageNotFoundError:
            root = None
        again = f"run: pip install --force-reinstall {request}"
        yield f"the PyPI wheel {package}", root, f"pip install {request}", again
    cache = os.environ.get("FLOW_RANK_CACHE")
    cache = cache or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "flow-rank")
    again = "allow downloads (FLOW_RANK_DOWNLOAD=1) to fetch it again, or remove that file"
    yield "the cache", Path(cache, name).expanduser(), "", again


def _locate(name: str, entry: Dataset, file: File, download: bool) -> tuple[Path, str]:
    """Find one file in loader order; give its path and the source's name."""
    ways = [f"put it in <folder>/{name}/ and set FLOW_RANK_DATA=<folder>"]
    for source, folder, install, again in _places(name, entry):
        ways += [install] if install else []
        names = [file.name] if file.packed else [file.name, file.name.removesuffix(".gz")]
        found = [folder / n for n in names if folder and os.path.isfile(folder / n)]
        if not found:
            continue
        problem = _problem(found[0], file)
        if not problem:
            return found[0], source
        complaint = f"{name}/{file.name} from {source} is damaged: {problem}"
        if not (source == "the cache" and download and entry.urls):
            raise ValueError(f"{complaint}. The file is {found[0]}; {again}")
        print(f"data: {complaint}; fetching it again")
    if download and entry.urls:  # the cache is the last place, so `folder` is the cache's
        return _download(f"{name}/{file.name}", file, entry.urls, folder / file.name), "a download"
    ways += ["allow a download with FLOW_RANK_DOWNLOAD=1"] if entry.urls else []
    advice = f"{name}/{file.name} is not on this machine; do one of these: {'; '.join(ways)}"
    raise FileNotFoundError(advice)


def _sweep(target: Path) -> None:
    """Remove what runs that were killed over ten minutes ago left of a download to `target`."""
    for stale in target.parent.glob(f".{glob.escape(target.name)}.*.part"):
        if time.time() - stale.stat().st_mtime > 600:
            stale.unlink(missing_ok=True)


def _download(label: str, file: File, urls: Sequence[str], target: Path) -> Path:
    """Fetch one file from the first mirror that has it right; `target` appears whole or not."""
    try:
        import pooch
        import requests
        import tqdm
    except ImportError as error:
        raise ImportError(f"fetching {label} needs: pip install pooch tqdm") from error
    part = target.with_name(f".{target.name}.{uuid.uuid4().hex}.part")  # each process its own
    failures = []
    wrong = False
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target)
        for url in urls:
            try:
                # pooch puts the true total in, but asks bool(bar) first, so it must have one
                with tqdm.tqdm(desc=label, total=1, unit="B", unit_scale=True, leave=False) as bar:
                    fetch = pooch.HTTPDownloader(bar, chunk_size=1 << 16, timeout=30)
                    fetch(url + file.name, str(part), None)
            except requests.RequestException as error:
                status = getattr(error.response, "status_code", None)
                failures.append(f"{url}: {f'HTTP {status}' if status else type(error).__name__}")
                continue
            problem = _problem(part, file)
            if not problem:
                os.replace(part, target)
                return target
            wrong = True
            failures.append(f"{url}: {problem}")
    except OSError as error:
        advice = f"cannot write {label} in {target.parent}: {error.strerror}"
        advice += ". Free some space, or set FLOW_RANK_CACHE to a folder you can write to"
        raise OSError(error.errno, advice) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
    advice = f"no mirror gave {label}: {'; '.join(failures)}. Try again later, or get"
    advice += f" it elsewhere, put it at <folder>/{label} and set FLOW_RANK_DATA=<folder>"
    raise ValueError(advice) if wrong else ConnectionError(advice)


def paths(
    name: str,
    *names: str,
    download: bool | None = None,
    registry: Mapping[str, Dataset] = REGISTRY,
) -> list[Path]:
    """Find, check and if need be fetch a data set's files, and print where they came from.

    Parameters
    ----------
    name : a key of `registry`.
    names : the files wanted, by their names in the registry; none means all.
    download : allow a download; None asks the environment variable ``FLOW_RANK_DOWNLOAD``.
    registry : what there is; by default Part I's.

    Returns
    -------
    list of Path, in the order asked for; gzipped or not (`read` takes either).

    Raises
    ------
    ValueError : unknown name; content that does not have the registered checksum.
    FileNotFoundError : found nowhere, with the commands that would bring it.
    ConnectionError : no mirror answered.
    OSError : the cache cannot be written.
    """
    if name not in registry:
        raise ValueError(f"expected a data set among {sorted(registry)}, got {name!r}")
    entry = registry[name]
    known = {file.name: file for file in entry.files}
    unknown = set(names) - set(known)
    if unknown:
        raise ValueError(f"expected files of {name} among {list(known)}, got {sorted(unknown)}")
    if download is None:
        download = os.environ.get("FLOW_RANK_DOWNLOAD") == "1"
    found = [_locate(name, entry, known[n], download) for n in names or known]
    sources = dict.fromkeys(source for _, source in found)
    print(f"data: {name} ({entry.nature}, {entry.licence}) from {' and '.join(sources)}")
    return [path for path, _ in found]


def path(
    name: str, *, download: bool | None = None, registry: Mapping[str, Dataset] = REGISTRY
) -> Path:
    """Give the path of the data set called `name`, which is one file; the rest as in `paths`."""
    if name in registry and len(registry[name].files) != 1:
        files = [file.name for file in registry[name].files]
        raise ValueError(f"expected a data set of one file, got {name} with {files}: use paths")
    return paths(name, download=download, registry=registry)[0]


def read(file: str | Path) -> bytes:
    """Give a whole file's content, unzipped when it is gzipped."""
    return b"".join(_blocks(file, packed=False))
