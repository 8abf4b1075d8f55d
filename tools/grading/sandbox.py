"""Run a stranger's notebook where it can do no harm, and return what its cells put out.

Several layers, each used where the machine has it: limits on memory, processor time, files and
processes; Landlock (``landlock.py``) against reading and writing what is not its own; ``unshare``
for processes and network of its own; and a watch from outside on time, memory, processes and disk,
which ends all that was started, however it hides. The outputs are a stranger's words: data only.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import psutil
from nbformat import NotebookNode

from tools.grading import landlock

HERE = Path(__file__).parent
UNSHARE = "unshare --user --map-current-user --pid --net --ipc --mount-proc --fork --kill-child"
BOOT = """import sys
sys.path.insert(0, sys.argv[1])
sys.modules["rfc3987_syntax"] = None  # checks web addresses: a second to import, and no use here
import sandboxed
sandboxed.main()"""
GROUPS = (Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup"))  # version 1, version 2
REPORT_BYTES = 64_000_000
# prctl's
DEATH_SIGNAL = 1
SUBREAPER = 36


@dataclass(frozen=True)
class Limits:
    """What one submission may use: wall-clock seconds, memory and disk in MB, processes."""

    seconds: int = 300
    cell_seconds: int = 60
    memory: int = 3000
    processes: int = 50
    disk: int = 500


@dataclass
class Run:
    """What came of a run. ``ended`` is one of done, died, stuck, time, memory, processes, disk.

    ``outputs`` has the outputs of each cell that finished, by the cell's number; ``last`` is the
    number of the cell that was started last.
    """

    ended: str = "died"
    last: int = -1
    outputs: dict[int, list[dict]] = field(default_factory=dict)


@functools.cache
def wrapper() -> tuple[str, ...]:
    """The command that gives what follows it processes and network of its own; () if none does."""
    command = UNSHARE.split()
    try:
        done = subprocess.run([*command, "true"], capture_output=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(command) if done.returncode == 0 else ()


@contextlib.contextmanager
def fence(limits: Limits) -> Iterator[Path | None]:
    """A control group that caps processes and threads, where one can be made: for the superuser.

    Anybody else is capped by ``RLIMIT_NPROC``, from which the superuser is exempt.
    """
    for base in GROUPS:
        group = base / f"grading-{uuid.uuid4().hex}"
        try:
            group.mkdir()
            (group / "pids.max").write_text(str(_tasks(limits)))
        except OSError:
            with contextlib.suppress(OSError):
                group.rmdir()
            continue
        try:
            yield group
        finally:
            for _ in range(100):
                try:
                    group.rmdir()
                    break
                except OSError:  # what was killed has not quite gone
                    time.sleep(0.05)
        return
    yield None


def _tasks(limits: Limits) -> int:
    return 4 * limits.processes  # every process has a few threads


def describe() -> str:
    """Which of the layers this machine has, in words."""
    known = landlock.version()
    files = f"files by Landlock {known}" if known else "files NOT isolated (no Landlock)"
    others = "signals by Landlock" if known >= 6 else "signals NOT isolated"
    if wrapper():
        others = "processes and network by unshare"
    with fence(Limits()) as group:
        capped = os.getuid() != 0 or group is not None
    cap = "number of processes capped" if capped else "number of processes NOT capped (superuser)"
    return f"{files}, {others}, {cap}"


def execute(
    notebook: NotebookNode,
    limits: Limits,
    prepare: Callable[[Path], None],
    variables: dict[str, str] | None = None,
) -> Run:
    """Run a notebook's cells; ``prepare`` fills the folder from which its code can import."""
    folder = Path(tempfile.mkdtemp(prefix="run-")).resolve()
    try:
        for part in ("code", "work", "home", "inside"):
            (folder / part).mkdir()
        prepare(folder / "code")
        for part in ("sandboxed.py", "landlock.py"):
            shutil.copy(HERE / part, folder / "inside")
        with tempfile.TemporaryFile() as report:
            orders = {
                "folder": str(folder),
                "report": report.fileno(),
                "notebook": notebook,
                "cell_seconds": limits.cell_seconds,
                "limits": _resources(limits),
            }
            ended = _watched(folder, orders, limits, _environment(folder) | (variables or {}))
            return _read(report, ended)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _environment(folder: Path) -> dict[str, str]:
    """Nothing of the grader's own environment but where programs are."""
    threads = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS")}
    return threads | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.defpath]),
        "PYTHONPATH": str(folder / "code"),
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "work"),
        "JUPYTER_RUNTIME_DIR": str(folder / "home"),
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "CUDA_VISIBLE_DEVICES": "",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }


def _resources(limits: Limits) -> dict[str, int]:
    mine = os.getuid()
    tasks = sum(p.num_threads() for p in psutil.process_iter() if _owner(p) == mine)
    return {
        # Data, not address space: torch reserves far more of the latter than it uses.
        "RLIMIT_DATA": limits.memory << 20,
        "RLIMIT_FSIZE": limits.disk << 20,
        "RLIMIT_CPU": 2 * limits.seconds + 10,
        "RLIMIT_CORE": 0,
        "RLIMIT_NOFILE": 512,
        "RLIMIT_NPROC": tasks + _tasks(limits),
    }


def _owner(process: psutil.Process) -> int:
    try:
        return process.uids().real
    except psutil.Error:
        return -1


def _watched(folder: Path, orders: dict, limits: Limits, variables: dict[str, str]) -> str:
    """Start the inside, watch it, leave nothing of it running; return why it was ended, or ''."""
    libc = ctypes.CDLL(None)
    libc.prctl(SUBREAPER, 1, 0, 0, 0)  # whoever loses its parent becomes our child, and is found
    before = set(psutil.Process().children(recursive=True))
    with fence(limits) as group:

        def enter() -> None:
            libc.prctl(DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
            if group:
                (group / "cgroup.procs").write_text("0")  # this process

        inside = subprocess.Popen(
            [*wrapper(), sys.executable, "-I", "-c", BOOT, str(folder / "inside")],
            cwd=folder / "work",
            env=variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[orders["report"]],
            start_new_session=True,
            preexec_fn=enter,
        )
        try:
            inside.stdin.write(json.dumps(orders).encode())
            inside.stdin.close()
            return _watch(inside, folder, limits)
        except BrokenPipeError:
            return "died"
        finally:
            _end(inside, before)


def _watch(inside: subprocess.Popen, folder: Path, limits: Limits) -> str:
    until = time.monotonic() + limits.seconds
    free = shutil.disk_usage(folder).free
    root = psutil.Process(inside.pid)
    while inside.poll() is None:
        if time.monotonic() > until:
            return "time"
        try:
            family = [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            continue
        if len(family) > limits.processes:
            return "processes"
        if _memory(family) > limits.memory << 20:
            return "memory"
        fuller = free - shutil.disk_usage(folder).free > limits.disk << 20
        if fuller and _stored(folder) > limits.disk << 20:
            return "disk"
        time.sleep(0.1)
    return ""


def _memory(family: list[psutil.Process]) -> int:
    """Bytes that processes hold, what they share counted once."""
    held = [_bytes(process, "memory_info", "rss") for process in family]
    if sum(held) < 500 << 20:  # the next line is slower
        return sum(held)
    return sum(_bytes(process, "memory_full_info", "pss") for process in family)


def _bytes(process: psutil.Process, method: str, name: str) -> int:
    try:
        return getattr(getattr(process, method)(), name)
    except psutil.Error:
        return 0  # it has ended, or is not ours to look at


def _stored(folder: Path) -> int:
    """Bytes that a folder's files take."""
    walk = (Path(place, name) for place, _, names in os.walk(folder) for name in names)
    return sum(path.lstat().st_size for path in walk if not path.is_symlink() and path.exists())


def _end(inside: subprocess.Popen, before: set[psutil.Process]) -> None:
    """Kill whatever descends from us and did not before, until there is nothing left."""
    inside.kill()
    inside.wait()
    for _ in range(200):
        strays = [p for p in psutil.Process().children(recursive=True) if p not in before]
        if not strays:
            return
        for stray in strays:
            try:
                stray.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(strays, timeout=0.05)


def _read(report: BinaryIO, ended: str) -> Run:
    """Read the report, of which every byte may be forged."""
    run = Run(ended or "died")
    report.seek(0)
    for line in report.read(REPORT_BYTES).split(b"\n"):
        try:
            found: Any = json.loads(line)
            if "outputs" in found:
                run.outputs[int(found["cell"])] = [dict(output) for output in found["outputs"]]
            elif "start" in found:
                run.last = int(found["start"])
            elif found.get("end") in ("done", "stuck") and not ended:
                run.ended = found["end"]
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            continue
    return run
