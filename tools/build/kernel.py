"""Run a notebook in a fresh kernel that sees nothing of the user's, and judge what it printed."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from queue import Empty
from typing import Any

import nbformat
from jupyter_client import AsyncKernelClient, AsyncKernelManager
from jupyter_client.channels import AsyncZMQSocketChannel
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat import NotebookNode
from traitlets import Type, default

from tools.build import book

TIMEOUT = 300  # seconds a cell may take
# Run as a last cell and taken out again: what the kernel used, its largest child included.
METER = """
import json, os, resource, sys
used = {"cpu": sum(os.times()[:4]), "gpu": None}
own, children = (resource.getrusage(getattr(resource, "RUSAGE_" + who)).ru_maxrss
                 for who in ("SELF", "CHILDREN"))
if os.path.exists("/proc/self/status"):  # ru_maxrss counts what the process that forked us held
    own = next(int(line.split()[1]) for line in open("/proc/self/status") if "VmHWM" in line)
used["memory_mb"] = (own + children) / 1024
torch = sys.modules.get("torch")
if torch and torch.cuda.is_available():
    used["gpu"] = [torch.cuda.get_device_name(), torch.cuda.max_memory_allocated() / 1e6]
print(json.dumps(used))
"""


class ChapterError(Exception):
    """A chapter cannot be made; the message is for its author."""


class PatientChannel(AsyncZMQSocketChannel):
    """A channel that looks again twice a second.

    On a busy machine pyzmq's asyncio sockets miss the arrival of a message now and then; nbclient
    then waits for its whole time-out, or drops the outputs that have not come.
    """

    async def get_msg(self, timeout: float | None = None) -> dict[str, Any]:
        end = math.inf if timeout is None else time.monotonic() + timeout
        while True:
            try:
                return await super().get_msg(max(0, min(0.5, end - time.monotonic())))
            except Empty:
                if time.monotonic() >= end:
                    raise


class PatientClient(AsyncKernelClient):
    """A client with such channels."""

    shell_channel_class = Type(PatientChannel)
    iopub_channel_class = Type(PatientChannel)


class OwnKernel(AsyncKernelManager):
    """The ``python3`` kernel of this very Python, whatever else is installed for the user."""

    client_factory = Type(PatientClient)

    @default("kernel_spec_manager")
    def _own(self) -> KernelSpecManager:
        return KernelSpecManager(kernel_dirs=[])


def code(notebook: NotebookNode) -> list[NotebookNode]:
    """The code cells of a notebook."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def environment(root: Path, gpu: bool = False) -> dict[str, str]:
    """What a kernel sees: one thread, no settings of the user's, nothing that varies."""
    cache = book.ROOT / ".cache"
    variables = os.environ | {
        "CUDA_VISIBLE_DEVICES": os.environ.get("CUDA_VISIBLE_DEVICES", "0") if gpu else "",
        "IPYTHONDIR": str(cache / "ipython"),
        "MPLCONFIGDIR": str(cache / "matplotlib"),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": str(root / "src"),
        "SOURCE_DATE_EPOCH": "0",
    }
    variables |= {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS")}
    if not list((cache / "matplotlib").glob("fontlist*")):  # else its first user is told to wait
        (cache / "matplotlib").mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-c", "import matplotlib.font_manager"]
        subprocess.run(command, env=variables, check=True, capture_output=True)
    return variables


def execute(
    notebook: NotebookNode, folder: Path, variables: dict[str, str], *, all_cells: bool = False
) -> dict[str, Any]:
    """Run a notebook in place in a fresh kernel and return what it cost.

    With ``all_cells`` an error does not end the run. Raises nbclient's errors, and DeadKernelError
    also for an interrupt.
    """
    notebook.cells.append(nbformat.v4.new_code_cell(METER))
    start = time.monotonic()
    client = NotebookClient(
        notebook,
        timeout=TIMEOUT,
        iopub_timeout=TIMEOUT,
        raise_on_iopub_timeout=True,
        kernel_name="python3",
        kernel_manager_class=OwnKernel,
        allow_errors=all_cells,
        record_timing=False,
        store_widget_state=True,  # nbclient 0.11 fails on output widgets without; tidy drops it
        extra_arguments=["--HistoryManager.enabled=False", "--IPKernelApp.log_level=50"],
        resources={"metadata": {"path": str(folder)}},
    )
    try:
        client.execute(env=variables)
    except AssertionError as error:  # nbclient ends so when it is interrupted
        raise DeadKernelError("interrupted") from error
    wall = time.monotonic() - start
    used = json.loads("".join(out.text for out in notebook.cells.pop().outputs))
    # Of a run that had to share its cores the clock says too much; of one with children, the CPU.
    cost = {"seconds": math.ceil(min(wall, used["cpu"])), "memory_mb": math.ceil(used["memory_mb"])}
    if used["gpu"]:
        device, memory = used["gpu"]
        cost["gpu"] = {"device": device, "seconds": math.ceil(wall), "memory_mb": math.ceil(memory)}
    return cost


def _problem(out: NotebookNode, places: set[str]) -> str:
    """What an output holds that should not be stored, or ''; ``places`` are folders to hide."""
    text = out.get("text", "") + "\n".join(map(str, out.get("data", {}).values()))
    if out.get("name") == "stderr":
        return "writes to stderr (a warning is an error here):\n" + out.text
    found = re.search(r"\bat 0x[0-9a-f]{6,}", text)
    if found:
        where = text[max(0, found.start() - 80) : found.end() + 9]
        return f"shows an address, which changes with every run: {where}"
    shown = [place for place in places if f"{place}/" in text]
    return f"shows a path of this machine: {shown[0]}" if shown else ""


def tidy(notebook: NotebookNode, root: Path) -> None:
    """Keep what every run prints alike; ChapterError on what should not be in a notebook."""
    places = {str(root), str(Path.home()), sys.prefix} - {"/", "/usr"}
    for number, cell in enumerate(code(notebook), 1):
        kept: list[NotebookNode] = []
        for out in cell.outputs:
            data = out.get("data", {})
            if "application/vnd.jupyter.widget-view+json" in data:  # its state is not stored
                continue
            same = kept and out.output_type == kept[-1].output_type == "stream"
            if same and out.name == kept[-1].name:
                kept[-1].text += out.text
            else:
                kept.append(out)
            problem = _problem(out, places)
            if problem:
                raise ChapterError(f"code cell {number} {problem}\n{indent(cell.source)}")
        cell.outputs = kept


def indent(text: str) -> str:
    """Set off a cell's source in a message."""
    return "\n".join("    | " + line for line in text.rstrip().split("\n"))


def explain(error: Exception, notebook: NotebookNode) -> str:
    """Cell number, source and traceback of a failed execution."""
    failed = [c for c in code(notebook) if any(o.output_type == "error" for o in c.outputs)]
    if isinstance(error, CellExecutionError) and failed:
        outputs = [o for o in failed[0].outputs if o.output_type == "error"]
        trace = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(outputs[0].traceback))
    else:
        started = [c for c in code(notebook) if c.execution_count is not None]
        failed = started[-1:]
        trace = str(error)
    if not failed:
        return trace
    number = code(notebook).index(failed[0]) + 1
    return f"code cell {number} of {len(code(notebook)) - 1}:\n{indent(failed[0].source)}\n{trace}"
