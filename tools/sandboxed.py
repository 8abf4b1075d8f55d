"""The inside of the sandbox: run a submission's cells and report each as soon as it is done.

Started by ``tools/sandbox.py``, with its orders as JSON on standard input. It imports nothing of
this repository's but ``landlock.py``, which lies beside its copy. Nothing it reports is trusted.
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

SYSTEM = "/usr /bin /sbin /lib /lib32 /lib64 /opt /nix /proc /sys/devices/system /dev"
SYSTEM += " /etc/ld.so.cache /etc/localtime /etc/passwd /etc/nsswitch.conf /etc/fonts"
DEVICES = "/dev/null /dev/zero /dev/full /dev/urandom /dev/tty"
CELL_BYTES, RECORD_BYTES = 200_000, 8_000_000  # what is kept of one cell's output
RECORD = "application/vnd.flow-and-rank.attempt+json"


class Client(NotebookClient):
    """Runs cells, and forgets what is too much of their output."""

    kept, last = 0, 0

    def output(self, outs: list, msg: dict, display_id: str | None, cell_index: int) -> Any:
        """Keep one output of a cell, if there is room."""
        size = len(json.dumps(msg["content"], default=str))
        room = RECORD_BYTES if RECORD in msg["content"].get("data", {}) else CELL_BYTES
        if self.kept + size > room:
            if self.kept <= CELL_BYTES:
                self.kept = CELL_BYTES + 1
                cut = {"name": "stdout", "text": "\n... the rest of the output was cut\n"}
                outs.append(nbformat.v4.new_output("stream", **cut))
            return None
        self.kept += size
        return super().output(outs, msg, display_id, cell_index)


def run(notebook: NotebookNode, folder: Path, report: Any, cell_seconds: int) -> str:
    """Execute every cell in a kernel of its own; return how it ended."""

    def start(cell: NotebookNode, cell_index: int) -> None:
        client.kept, client.last = 0, cell_index
        tell(start=cell_index)

    def done(cell: NotebookNode, cell_index: int, execute_reply: dict) -> None:
        reply = execute_reply["content"]
        seen = [output.get("ename") for output in cell.outputs]
        if reply["status"] == "error" and reply.get("ename") not in seen:
            named = {key: reply.get(key, "") for key in ("ename", "evalue")}
            cell.outputs.append(nbformat.v4.new_output("error", **named, traceback=[]))
        tell(cell=cell_index, outputs=cell.outputs)

    def tell(**line: Any) -> None:
        report.write(json.dumps(line) + "\n")
        report.flush()

    specs = KernelSpecManager(kernel_dirs=[])  # this very Python's
    sockets = {"transport": "ipc", "ip": str(folder / "socket")}
    manager = AsyncKernelManager(
        config=Config(KernelManager=sockets, ConnectionFileMixin=sockets),
        kernel_name="python3",
        kernel_spec_manager=specs,
    )
    late = {"ename": "TimeoutError", "evalue": f"longer than {cell_seconds} s", "traceback": []}
    client = Client(
        notebook,
        km=manager,
        timeout=cell_seconds,
        allow_errors=True,
        interrupt_on_timeout=True,
        error_on_timeout=late,
        on_cell_execute=start,
        on_cell_executed=done,
        resources={"metadata": {"path": str(folder / "work")}},
    )
    try:
        client.execute()
    except DeadKernelError:
        tell(cell=client.last, outputs=notebook.cells[client.last].outputs)
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
