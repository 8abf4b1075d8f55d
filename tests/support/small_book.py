"""A small book of one chapter that takes a second to execute; for the tests of the tools."""

import shutil
from pathlib import Path

import pytest

from tools.build import chapters

ROOT = Path(__file__).resolve().parents[2]
CONFIG = "repository:\n  url: https://github.com/some-body/a-book/\n"
DRAW = '"""Drawing."""\n\nfrom helpers.base import half\n\n\ndef draw(rng):\n    return half(rng)\n'
BASE = '"""Halves."""\n\n\ndef half(rng):\n    return rng.random() / 2\n'
TINY = """\
---
jupytext: {}
---
# Tiny: a chapter

Runs in {{cost}}. It is at {{repository}}, and $x_{{i}}$ is mathematics.

```{code-cell} ipython3
:tags: [setup]

import random
from helpers.claims import claim
from helpers.draw import draw

SEED = 0
ADDRESS = "{{repository}}.git"
rng = random.Random(SEED)
```

The same words.

```{code-cell} ipython3
:tags: [nbval-check-output]

half, nothing = draw(rng), ("none | at all", 0)
claim("tiny-half", half, near=(0.25, 0.3), floor=nothing, data="simulated", text="t")
print("exact:", 2 + 2)
```

The same words.

```{code-cell} ipython3
:tags: [needs-kernel]

import ipywidgets
ipywidgets.interact(lambda x: x, x=(0, 4))
print("after")
```

```{code-cell} ipython3
:tags: [hide-input]

import os
[ADDRESS, os.environ["OMP_NUM_THREADS"], os.environ["CUDA_VISIBLE_DEVICES"]]
```
"""


def write(root, text=TINY, name="01_tiny"):
    path = root / "chapters" / f"{name}.md"
    path.write_text(text, encoding="utf-8")
    return path


def edit(path, before, after):
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf-8")


def new_book(root):
    helpers = root / "src" / "helpers"
    helpers.mkdir(parents=True)
    (root / "chapters").mkdir()
    (root / "_config.yml").write_text(CONFIG)
    shutil.copy(ROOT / "src" / "helpers" / "claims.py", helpers)
    for name, text in {"__init__": "", "draw": DRAW, "base": BASE, "other": ""}.items():
        (helpers / f"{name}.py").write_text(text)
    return write(root)


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """A small book with its one chapter executed; look only."""
    root = tmp_path_factory.mktemp("executed")
    new_book(root)
    assert chapters.main([], root) == 0
    return root


@pytest.fixture
def root(executed, tmp_path):
    """A copy of it, to change."""
    return shutil.copytree(executed, tmp_path / "book")


def tiny(root):
    return root / "chapters" / "01_tiny.md"


def notebook(root):
    return chapters.stored(tiny(root))


def texts(cell):
    return [out.get("text") or out["data"]["text/plain"] for out in cell.outputs]


def everything(root):
    return {p: p.read_bytes() for p in sorted(root.rglob("*")) if "__pycache__" not in str(p)
            and p.is_file()}  # fmt: skip
