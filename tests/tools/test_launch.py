"""A chapter's first cell, where there are torch, numpy and matplotlib and nothing of ours.

The environment is new; the three packages (and IPython, which runs the cell on Colab) are linked
into it with what they need, so that nothing large is downloaded. The helper package is installed
from a copy of this tree in place of the public address.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
HAVE = ("torch", "numpy", "matplotlib", "ipython")
PROBE = """
import importlib.metadata as metadata, importlib.util, json, math, sys
import torch
from helpers import plot
from helpers.data import images
from helpers.exercises.check import check
from helpers.explorables import inline
from helpers.explorables.particles import Particles
figure = Particles({"run": torch.rand(3, 20, 2)}, caption="Points.")
plot.axes().plot([0, 1])
picture = plot.show("a line", "It rises.")
verdict = check("nice-6", lambda log_prob, dim, n: (math.log(n) - log_prob / dim) / math.log(2))
try:
    images.digits()
except FileNotFoundError as error:
    missing = str(error)
print("PROBE", json.dumps({
    "helpers": importlib.util.find_spec("helpers").origin,
    "html": len(figure._repr_html_()) > 1000 and len(picture._repr_html_()) > 1000,
    "right": bool(verdict),
    "missing": missing,
    "sklearn": importlib.util.find_spec("sklearn") is not None,
    "versions": {name: metadata.version(name) for name in ("torch", "numpy", "matplotlib")},
}))
"""


def closure(names):
    """These distributions and all that they need here, by name."""
    found, queue = {}, list(names)
    while queue:
        name = queue.pop()
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        if distribution.name not in found:
            found[distribution.name] = distribution
            needs = [Requirement(line) for line in distribution.requires or ()]
            queue += [n.name for n in needs if not n.marker or n.marker.evaluate({"extra": ""})]
    return found


def link(distribution, site):
    """Make the top-level files and folders of a distribution visible in another site-packages."""
    base = Path(distribution.locate_file(""))
    for top in {Path(str(file)).parts[0] for file in distribution.files or ()} - {
        "..",
        "__pycache__",
    }:
        if not (site / top).exists():
            (site / top).symlink_to(base / top)


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    home = tmp_path_factory.mktemp("colab")
    subprocess.run([sys.executable, "-m", "venv", home], check=True)
    site = next((home / "lib").glob("python*/site-packages"))
    for distribution in closure(HAVE).values():
        link(distribution, site)
    return home / "bin" / "python"


def first_cell(notebook):
    cells = re.findall(
        r"```\{code-cell\} ipython3\n(.*?)```", notebook.read_text("utf-8"), re.DOTALL
    )
    return re.sub(r"\A:tags:.*\n", "", cells[0])


@pytest.mark.parametrize("chapter", sorted((ROOT / "chapters").glob("*.md")), ids=lambda p: p.stem)
def test_first_cell(chapter, python, tmp_path):
    source = tmp_path / "source"
    shutil.copytree(ROOT / "src", source / "src", ignore=shutil.ignore_patterns("*.egg-info"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    cell = first_cell(chapter)
    assert cell.count("git+{{repository}}") == 1 and "--no-deps" in cell
    script = tmp_path / "cell.ipy"
    script.write_text(cell.replace("git+{{repository}}", str(source)) + PROBE, encoding="utf-8")
    command = [python, "-m", "IPython", "--no-banner", "--colors=NoColor", script]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "MPLBACKEND": "agg"}
    passed_on = ("PIP_CERT", "PIP_FIND_LINKS", "SSL_CERT_FILE", "HTTPS_PROXY", "HTTP_PROXY")
    environment |= {name: os.environ[name] for name in passed_on if name in os.environ}
    done = subprocess.run(command, env=environment, cwd=tmp_path, text=True, capture_output=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("PROBE ")]
    assert done.returncode == 0 and len(lines) == 1, done.stdout[-3000:] + done.stderr[-3000:]
    probe = json.loads(lines[0].removeprefix("PROBE "))
    assert Path(probe["helpers"]).is_relative_to(python.parents[1])
    assert probe["html"] and probe["right"]
    assert not probe["sklearn"] and "pip install" in probe["missing"]
    assert probe["versions"] == {n: metadata.version(n) for n in ("torch", "numpy", "matplotlib")}
