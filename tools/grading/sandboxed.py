"""The inside of the sandbox: run a submission's cells and report each as soon as it is done.

Started by ``tools/grading/sandbox.py``, with its orders as JSON on standard input. It imports
nothing of this repository's but ``landlock.py``, which lies beside its copy. Nothing it reports is
trusted.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from landlock import restrict
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from traitlets.config import Config

SYSTEM = "/usr /bin /sbin /lib /lib32 /lib64 /nix /proc /sys/devices/system"
SYSTEM += " /etc/ld.so.cache /etc/localtime /etc/passwd /etc/nsswitch.conf /etc/fonts"
DEVICES = "/dev/null /dev/zero /dev/full /dev/urandom /dev/tty"
CELL_BYTES = 100_000  # what is kept of one cell's output
RECORD_BYTES = 8_000_000  # and of a record
ALL_BYTES = 2_000_000  # and of all cells' together, records apart
LATE = {"ename": "TimeoutError", "evalue": "this cell took too long", "traceback": []}
RECORD = "application/vnd.flow-and-rank.attempt+json"


class Stuck(Exception):
    """The kernel took too long twice in a row, and does not answer to interrupts."""


class Client(NotebookClient):
    """Runs cells, reports each when it is done, and forgets what is too much of its output."""

    cell = late = size = total = 0

    def output(self, outs: list, msg: dict, display_id: str | None, cell_index: int) -> Any:
        """Keep one output of a cell, if there is room."""
        size = len(json.dumps(msg["content"], default=str))
        if RECORD in msg["content"].get("data", {}):
            fits = size <= RECORD_BYTES
        else:
            fits = self.size + size <= CELL_BYTES and self.total + size <= ALL_BYTES
            self.size += size * fits
            self.total += size * fits
        if fits:
            return super().output(outs, msg, display_id, cell_index)
        text = "\n... the rest of the output was cut\n"
        if not outs or outs[-1].get("text") != text:
            outs.append(nbformat.v4.new_output("stream", name="stdout", text=text))
        return None


def _manager(folder: Path) -> AsyncKernelManager:
    """A kernel of this very Python, whose sockets are files in the folder."""
    sockets = {"transport": "ipc", "ip": str(folder / "socket")}
    return AsyncKernelManager(
        config=Config(KernelManager=sockets, ConnectionFileMixin=sockets),
        kernel_name="python3",
        kernel_spec_manager=KernelSpecManager(kernel_dirs=[]),  # this very Python's
    )


def run(notebook: NotebookNode, folder: Path, report: Any, cell_seconds: int) -> str:
    """Execute every cell in a kernel of its own; return how it ended."""

    def tell(**line: Any) -> None:
        report.write(json.dumps(line) + "\n")
        report.flush()

    def start(cell: NotebookNode, cell_index: int) -> None:
        if client.late == 2:
            raise Stuck
        client.cell = cell_index
        client.size = 0
        tell(start=cell_index)

    def done(cell: NotebookNode, cell_index: int, execute_reply: dict) -> None:
        reply = execute_reply["content"]
        client.late = client.late + 1 if LATE.items() <= reply.items() else 0
        if client.late:
            cell.outputs.append(nbformat.v4.new_output("error", **LATE))
        tell(cell=cell_index, outputs=cell.outputs)

    client = Client(
        notebook,
        km=_manager(folder),
        timeout=cell_seconds,
        allow_errors=True,
        interrupt_on_timeout=True,
        error_on_timeout=LATE,
        on_cell_execute=start,
        on_cell_executed=done,
        resources={"metadata": {"path": str(folder / "work")}},
    )
    try:
        client.execute()
    except Stuck:
        return "stuck"
    except DeadKernelError:
        tell(cell=client.cell, outputs=notebook.cells[client.cell].outputs)
        return "died"
    return "done"


def main() -> None:
    """Give up all that is not needed, then run."""
    orders = json.load(sys.stdin)
    folder = Path(orders["folder"])
    for name, value in orders["limits"].items():
        hard = resource.getrlimit(getattr(resource, name))[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(getattr(resource, name), (value, value))
    readable = [*SYSTEM.split(), sys.prefix, sys.base_prefix]
    restrict(map(Path, readable), map(Path, [*DEVICES.split(), folder]))
    report = os.fdopen(orders["report"], "w")
    notebook = nbformat.from_dict(orders["notebook"])
    end = run(notebook, folder, report, orders["cell_seconds"])
    report.write(json.dumps({"end": end}) + "\n")
    report.flush()


if __name__ == "__main__":
    main()
