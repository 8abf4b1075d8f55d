"""What the tools share: whole writes, the files a chapter uses, costs, generated pages, skips."""

import asyncio
import os
import queue
import shutil
import subprocess
import sys
import time

import pytest
from small_book import ROOT, edit, executed, notebook, root, tiny

from tools.build import book, chapters, costs, kernel, pages, seeds

__all__ = ["executed", "root"]  # fixtures


def test_a_write_is_all_or_nothing(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "file"
    assert book.write(path, "old") and not book.write(path, "old")
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", lambda *names: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            book.write(path, "new")
    assert path.read_text() == "old" and list(path.parent.iterdir()) == [path]
    assert book.write(path, "new") and path.read_text() == "new"


PACKAGE = {
    "__init__.py": "",
    "a.py": "from .b import x\n",
    "b.py": "import json\n\n\ndef late():\n    from helpers.c import z\n",
    "c.py": "",
    "d.py": "",
    "plot.py": 'STYLE = "book.mplstyle"\n',
    "show.py": 'def show(kind):\n    return f"{kind}.js"\n',
    "pick.py": 'from .show import show\nshow("one")\n',
    "book.mplstyle": "",
    "js/one.js": "/* needs shared.css */",
    "js/two.js": "",
    "js/shared.css": "",
    "js/lonely.css": "",
    "ann/__init__.py": "",
    "ann/flat.py": "from ..d import y\n",
    "ann/tree.py": "",
    "quiz/__init__.py": 'def load(name):\n    return import_module(f"helpers.quiz.{name}")\n',
    "quiz/nice/__init__.py": "",
    "quiz/nice/answers.py": "",
    "quiz/other/__init__.py": "",
}


@pytest.mark.parametrize(
    ("cell", "used"),
    [
        ("import torch", ""),
        ("import helpers.c", "__init__.py c.py"),
        ("%pylab\n!ls\nif x:\n    %time y\nfrom helpers import c, d", "__init__.py c.py d.py"),
        ("from helpers.a import x", "__init__.py a.py b.py c.py"),
        ("from helpers.ann import flat", "__init__.py ann/__init__.py ann/flat.py d.py"),
        ("from helpers.ann.tree import T", "__init__.py ann/__init__.py ann/tree.py"),
        ("import helpers.plot as p", "__init__.py book.mplstyle plot.py"),
        ("from helpers import show", "__init__.py js/one.js js/shared.css js/two.js show.py"),
        ("from helpers import pick", "__init__.py js/one.js js/shared.css pick.py show.py"),
        ('from helpers import quiz\nquiz.load("nice-3")',
         "__init__.py quiz/__init__.py quiz/nice/__init__.py quiz/nice/answers.py"),
        ("from helpers import quiz",
         "__init__.py quiz/__init__.py quiz/nice/__init__.py quiz/nice/answers.py "
         "quiz/other/__init__.py"),
        ("this is no Python", ""),
    ],
)  # fmt: skip
def test_the_files_that_code_uses(tmp_path, cell, used):
    for name, text in PACKAGE.items():
        path = tmp_path / "helpers" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    found = book.helpers_used([cell], tmp_path)
    names = [path.relative_to(tmp_path / "helpers").as_posix() for path in found]
    assert names == used.split()


def test_a_cost_stays_until_it_moves_by_a_quarter(root):
    def now(**measured):
        costs.note(tiny(root), measured, root)
        return costs.load(root)["01_tiny"]

    now(seconds=100, memory_mb=1000)
    assert now(seconds=124, memory_mb=700) == now() | {"seconds": 100, "memory_mb": 700}
    assert now(seconds=126)["seconds"] == 126
    assert now(seconds=95)["seconds"] == 126
    assert now(gpu={"seconds": 3, "memory_mb": 9, "device": "G"})["gpu"]["device"] == "G"


@pytest.mark.parametrize(
    ("cost", "words"),
    [
        (None, "not measured yet"),
        ({"seconds": None, "gpu": None}, "not measured yet"),
        ({"seconds": 1, "gpu": None}, "about 10 s on two CPU cores; not run on a GPU"),
        ({"seconds": 40, "gpu": None}, "about 40 s on two CPU cores; not run on a GPU"),
        (
            {"seconds": 41, "gpu": {"seconds": 9, "device": "NVIDIA X"}},
            "about 50 s on two CPU cores; about 10 s on NVIDIA X",
        ),
    ],
)
def test_the_words_for_a_cost(cost, words):
    assert costs.phrase(cost) == words


def test_costs_are_measured(executed):
    cost = costs.load(executed)["01_tiny"]
    assert 1 <= cost["seconds"] < 60 and 20 < cost["memory_mb"] < 2000 and cost["gpu"] is None
    assert cost["bytes"] == tiny(executed).with_suffix(".ipynb").stat().st_size


def test_the_pages(root, capsys):
    assert pages.main(["--check"], root) == 1
    assert pages.main([], root) == 0 and pages.main(["--check"], root) == 0
    (record,) = chapters.claims(notebook(root))
    text = (root / "book" / "results.md").read_text()
    measured = f"{record['measured']:.4g}"
    start, end = (
        f"| t `tiny-half` | {measured} | within 0.3 of 0.25 |",
        "| floor 0 none \\| at all |",
    )
    assert f"{start} not run on this version {end} simulated |" in text
    assert "## 1. Tiny: a chapter" in text and "](../chapters/01_tiny.ipynb)" in text
    assert "seed 0, CPU; numpy" in text and "large profile" not in text
    assert "| not run |" in (root / "book" / "costs.md").read_text()

    found = {"tiny-half": {"bound": record["bound"], "values": [0.1, 0.5, 0.2, 0.3, 0.4]}}
    entry = {"stamp": seeds.stamp(tiny(root), root), "claims": found}
    book.write_json(book.generated(root, "seeds.json"), {"01_tiny": entry})
    row = {"chapter": "1", "text": "likelihood", "reported": "9 (paper)", "data": "real"}
    row |= {"unit": "nats", "measured": None}
    done = row | {"measured": 7.25, "device": "G", "versions": {"torch": "3"}, "date": "2000-01-01"}
    book.write_json(book.generated(root, "large.json"), {"rows": [row, done]})
    ratio = {
        "chapter": "1",
        "text": "step",
        "ratio": 0.5,
        "spread": [0.4, 0.6],
        "against": "of L's",
    }
    record = {"rows": [ratio], "versions": {"L": "2"}, "device": "D", "date": "2000-01-02"}
    book.write_json(book.generated(root, "bench.json"), record)
    text = pages.results(root)
    assert "measured on 2000-01-02, D; L 2." in text
    assert "| 1 | step | 0.5 of L's | 0.4 to 0.6 |" in text
    assert f"{start} 0.1 to 0.5 {end} simulated |" in text
    assert "| 1 | likelihood | 9 (paper) | not run | real |   |   |   |" in text
    assert "| 1 | likelihood | 9 (paper) | 7.25 nats | real | G | torch 3 | 2000-01-01 |" in text

    edit(tiny(root), "2 + 2", "3 + 3")  # and what five seeds gave is no longer this code's
    assert f"{start} not run on this version" in pages.results(root)


def test_a_skip_fails_where_skips_are_forbidden(tmp_path):
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
    test = "import pytest\n\ndef test_a(): pass\n\ndef test_b(): pytest.skip('not here')\n"
    (tmp_path / "test_it.py").write_text(test)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", tmp_path, "-q", tmp_path],
        env=os.environ | {"FLOW_RANK_SKIPS": "forbidden"}, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 1 and "1 skipped, and skips are forbidden" in run.stdout, run.stdout


FAKE_TORCH = """
class cuda:
    is_available = staticmethod(lambda: True)
    get_device_name = staticmethod(lambda: "Imagined 9000")
    max_memory_allocated = staticmethod(lambda: 2.5e9)
"""


def test_the_cost_on_a_gpu_is_measured_apart(root, capsys):
    before = tiny(root).with_suffix(".ipynb").read_bytes()
    assert chapters.main(["--gpu"], root) == 1
    assert "torch sees no GPU here" in capsys.readouterr().out
    (root / "src" / "torch.py").write_text(FAKE_TORCH)
    edit(tiny(root), "import random\n", "import random, torch\n")
    assert chapters.main(["--gpu"], root) == 0
    gpu = costs.load(root)["01_tiny"]["gpu"]
    assert gpu["device"] == "Imagined 9000" and gpu["memory_mb"] == 2500 and gpu["seconds"] > 0
    assert tiny(root).with_suffix(".ipynb").read_bytes() == before
    assert f"{gpu['seconds']} s, 2500 MB on Imagined 9000" in pages.cost_page(root)


def test_a_message_whose_arrival_was_missed_is_found_soon(monkeypatch):
    class Deaf:
        """A socket that holds a message but notices only when asked anew."""

        asked = 0

        async def poll(self, milliseconds):
            self.asked += 1
            await asyncio.sleep(0 if self.asked > 1 else milliseconds / 1000)
            return self.asked > 1

    async def receive(self):
        return "message"

    monkeypatch.setattr(kernel.PatientChannel, "_recv", receive)
    channel = kernel.PatientChannel.__new__(kernel.PatientChannel)
    channel.socket = Deaf()
    begin = time.monotonic()
    assert asyncio.run(channel.get_msg(timeout=30)) == "message"
    assert time.monotonic() - begin < 10
    channel.socket.asked = -(10**9)
    with pytest.raises(queue.Empty):
        asyncio.run(channel.get_msg(timeout=0.1))
