"""A figure in a run notebook: exported to HTML, and open in JupyterLab.

``lab`` is a pytest fixture; a module that imports it defines a fixture ``folder``, which it serves.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest


def notebook(figures: list[str]) -> nbformat.NotebookNode:
    """A notebook that was run: each figure is some cell's output."""
    cells = []
    for i, figure in enumerate(figures):
        data = {"text/html": figure, "text/plain": "Particles: ..."}
        output = nbformat.v4.new_output("execute_result", data, execution_count=i + 1)
        cells.append(
            nbformat.v4.new_code_cell(
                "from pathlib import Path\nfrom IPython.display import HTML\n"
                "HTML(Path('figure.html').read_text(encoding='utf-8'))",
                outputs=[output],
                execution_count=i + 1,
            )
        )
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


def exported(folder: Path, html: str) -> None:
    """Write a notebook with a figure twice, ``two.ipynb``, and what nbconvert makes of it."""
    (folder / "figure.html").write_text(html, encoding="utf-8")
    nbformat.write(notebook([html, html]), folder / "two.ipynb")
    nowhere = [f"--HTMLExporter.{name}_url=" for name in ("mathjax", "require_js", "mermaid_js")]
    subprocess.run(
        [sys.executable, "-m", "nbconvert", "--to", "html", *nowhere, "two.ipynb"],
        cwd=folder,
        env={**os.environ, **private(folder)},
        check=True,
        capture_output=True,
    )


def private(folder: Path) -> dict[str, str]:
    """Jupyter's own folders inside ``folder``, so that nothing of the user's is read or changed."""
    kinds = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")
    return {f"JUPYTER_{kind}": str(folder / ".jupyter" / kind.lower()) for kind in kinds} | {
        "IPYTHONDIR": str(folder / ".ipython"),
        "JUPYTER_PREFER_ENV_PATH": "0",
    }


@pytest.fixture(scope="module")
def lab(folder):
    """JupyterLab serving ``folder``, where the notebook is trusted; gives address and token."""
    environment = {**os.environ, **private(folder)}
    settings = folder / ".jupyter" / "settings"
    settings.mkdir(parents=True)
    (settings / "overrides.json").write_text(
        '{"@jupyterlab/apputils-extension:notification": '
        '{"fetchNews": "false", "checkForUpdates": false}}'
    )
    trust = [sys.executable, "-m", "jupyter", "trust", "two.ipynb"]
    subprocess.run(trust, cwd=folder, env=environment, check=True, capture_output=True)
    token = secrets.token_hex(16)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += [
        f"--ServerApp.port={port}",
        "--ServerApp.ip=127.0.0.1",
        "--ServerApp.port_retries=0",
    ]
    command += [f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}"]
    command += [f"--LabApp.app_settings_dir={settings}", "--LabApp.extension_manager=readonly"]
    log = (folder / "lab.log").open("w")
    server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(1200):  # five minutes: a busy machine has taken one
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{address}/api/status?token={token}", timeout=5).close()
                break
            if server.poll() is not None:
                break
            time.sleep(0.25)
        else:
            pytest.fail((folder / "lab.log").read_text()[-3000:])
        assert server.poll() is None, (folder / "lab.log").read_text()[-3000:]
        yield address, token
    finally:
        server.terminate()
        server.wait(20)
        log.close()
