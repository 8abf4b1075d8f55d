"""The house rules hold, and every rule notices when it is broken."""

import os
import shutil
import subprocess
import sys
import textwrap
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from rules import code

ROOT = Path(__file__).resolve().parents[2]
RULES = (
    code.packages_are_doors,
    code.functions_are_short,
    code.code_reads,
    code.one_cause_a_refusal,
    code.documented,
    code.annotated,
    code.randomness_is_passed_in,
    code.errors_are_not_swallowed,
    code.address_stands_once,
    code.no_machine_paths,
    code.readme_and_ci_agree,
    code.dependencies_are_justified,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule_holds(rule):
    complaints = rule(ROOT)
    assert not complaints, "\n".join([rule.__doc__.strip(), *complaints])


# A repository in which every rule holds, to be broken one rule at a time ------------------------

GOOD = {
    "README.md": "# Book\n\n```sh\nmake book   # builds\nmake test\n```\n",
    ".ci/run": "#!/bin/sh\nset -e\nCI=1 make test\n",
    "_config.yml": "repository:\n  url: https://github.com/some-body/a-book\n",
    "requirements.txt": "-r requirements-test.txt\ntorch==2.13.0  # exactly\n",
    "requirements-test.txt": "pytest>=8\n",
    "docs/decisions/002-dependencies.md": "- `torch`: tensors\n- `pytest`: tests\n",
    "src/helpers/__init__.py": "",
    "src/helpers/nets.py": '"""Networks."""\n',
    "src/helpers/plot.py": '"""Plots."""\n\nfrom helpers import nice\n',
    "src/helpers/flows/nice.py": '''\
        """An idea. Shapes: B batch, D dimension."""

        import torch
        from torch import Tensor

        from helpers.nets import mlp


        def jitter(x: Tensor, scale: float, generator: torch.Generator | None = None) -> Tensor:
            """Add noise of standard deviation ``scale`` to x (B, D)."""
            return x + scale * torch.randn(x.shape, generator=generator)


        class Layer:
            """y = x; ``dim`` is D and ``flip`` does nothing."""

            def __init__(self, dim: int, flip: bool) -> None:
                self.dim = dim

            def forward(self, x: Tensor) -> Tensor:
                return x
        ''',
}


@pytest.fixture
def repository(tmp_path):
    """A function that writes the good repository, with some files changed or added."""
    # No settings of the developer's git: what is ignored must depend on this repository alone.
    quiet = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}

    def write(changes=()):
        for name, text in {**GOOD, **dict(changes)}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))
        (tmp_path / ".ci" / "run").chmod(0o755)
        subprocess.run(["git", "init", "-q", str(tmp_path)], check=True, env=quiet)
        return tmp_path

    return write


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_good_repository_has_no_complaint(rule, repository):
    assert rule(repository()) == []


def helper(text):
    return {"src/helpers/extra.py": '"""A module of tensors (B, D)."""\n' + text}


BROKEN = [
    (code.packages_are_doors, {"src/helpers/__init__.py": "def f():\n    pass\n"}, "more than"),
    (code.packages_are_doors, {"src/helpers/__init__.py": "\n" * 13}, "nearly empty"),
    (code.functions_are_short, helper("def f():\n" + "    x = 1\n" * 40), "f has 41 lines"),
    (code.functions_are_short, {"tools/go.py": "def f():\n" + "    x = 1\n" * 40}, "f has 41"),
    (code.code_reads, helper("a, b = 1, 2\n"), "line 2: `a, b = ` packs 2 statements"),
    (code.code_reads, helper("def f(x):\n    (a, b), c = x, f(2)\n"), "packs 2 statements"),
    (code.code_reads, helper("a = 1; b = 2\n"), "several statements on a line"),
    (code.code_reads, helper("if (a := 1) > 2:\n    pass\n"), "`a := 1` in a condition"),
    (code.code_reads, helper("a = [b for b in range(3) if (c := b)]\n"), "`c := b` in a condition"),
    (code.code_reads, {"tools/go.py": "while a := f():\n    pass\n"}, "tools/go.py, line 1"),
    (
        code.one_cause_a_refusal,
        helper("if x.ndim != 2 or x.min() < 0:\n    raise ValueError('bad x')\n"),
        "`x.ndim != 2 or x.min() < 0` refuses for several causes",
    ),
    (code.documented, {"src/helpers/extra.py": "x = 1\n"}, "no docstring"),
    (code.documented, helper("def f() -> None:\n    pass\n"), "f has no docstring"),
    (code.documented, helper("class A:\n    pass\n"), "A has no docstring"),
    (
        code.documented,
        helper('class A:\n    """A."""\n    def go(self) -> None:\n        pass\n'),
        "A.go has no docstring",
    ),
    (
        code.documented,
        helper('def f(x: int, bound: float) -> int:\n    """Of x."""\n'),
        "f does not say what bound is",
    ),
    (
        code.documented,
        {"src/helpers/extra.py": '"""M."""\ndef f(x: Tensor) -> int:\n    """Of x."""\n'},
        "no stated shape",
    ),
    (code.annotated, helper("def f(x, y: int) -> int:\n    return x\n"), "no type for x"),
    (code.annotated, helper("def f(x: int):\n    return x\n"), "no type for the result"),
    (
        code.annotated,
        helper("class A:\n    def go(self, *, n=1) -> int:\n        pass\n"),
        "A.go has no type for n",
    ),
    (code.randomness_is_passed_in, helper("torch.manual_seed(0)\n"), "global seed"),
    (code.randomness_is_passed_in, helper("np.random.seed(0)\n"), "global seed"),
    (code.randomness_is_passed_in, helper("x = np.random.randn(3)\n"), "numpy's global"),
    (code.randomness_is_passed_in, helper("x = random.random()\n"), "Python's global"),
    (code.randomness_is_passed_in, helper("x = torch.randn(3)\n"), "without generator="),
    (code.randomness_is_passed_in, helper("x.normal_()\n"), "without generator="),
    (code.randomness_is_passed_in, helper("np.random.default_rng()\n"), "cannot be repeated"),
    (
        code.errors_are_not_swallowed,
        {"tools/go.py": "try:\n    f()\nexcept:\n    g()\n"},
        "bare except",
    ),
    (
        code.errors_are_not_swallowed,
        {"tools/go.py": "try:\n    f()\nexcept (KeyError, Exception):\n    pass\n"},
        "swallows",
    ),
    (code.address_stands_once, {"book/a.md": "github.com/some-body/a-book/x"}, "book/a.md"),
    (code.address_stands_once, {"_config.yml": "title: x\n"}, "no repository address"),
    (code.no_machine_paths, {"book/a.md": "see /wo" + "rk/main/x"}, "book/a.md, line 1"),
    (code.no_machine_paths, {"Makefile": "pip install --index-" + "url x"}, "Makefile"),
    (code.readme_and_ci_agree, {"README.md": "```\nmake book\n```\n"}, "no `make test`"),
    (code.readme_and_ci_agree, {"README.md": "make book, make test\n"}, "no `make book`"),
    (code.readme_and_ci_agree, {".ci/run": "#!/bin/sh\n# make test\npytest\n"}, "does not run"),
    (code.dependencies_are_justified, {"requirements.txt": "numpy<3\n"}, "`numpy` is required"),
    (
        code.dependencies_are_justified,
        {"docs/decisions/002-dependencies.md": "- `torch`: t\n- `pytest`: t\n- `left-pad`: x\n"},
        "`left-pad` is justified but",
    ),
    (
        code.dependencies_are_justified,
        {"docs/decisions/002-dependencies.md": "- `torch`\n- `pytest`: t\n"},
        "`torch` is required",
    ),
]


@pytest.mark.parametrize(("rule", "changes", "complaint"), BROKEN)
def test_a_broken_rule_is_noticed(rule, changes, complaint, repository):
    assert any(complaint in found for found in rule(repository(changes)))


def test_what_needs_the_old_values_is_one_statement():
    tree = code.ast.parse("a, b = b, a + b\nc, d = f(x)\n(e, g), *h = f(x)\n")
    assert code.packed(tree) == []


def test_forty_lines_are_a_function(repository):
    root = repository(helper("def f():\n" + "    x = 1\n" * 39))
    assert code.functions_are_short(root) == []


def test_a_ci_script_that_cannot_be_run_is_noticed(repository):
    root = repository()
    (root / ".ci" / "run").chmod(0o644)
    assert code.readme_and_ci_agree(root) == [".ci/run is not executable"]


def test_ignored_files_are_not_read(repository):
    root = repository({".gitignore": "*.log\n", "a.log": "/wo" + "rk/main/x"})
    assert code.no_machine_paths(root) == []


# What a reader on Colab has ---------------------------------------------------------------------

BLOCKER = """\
import importlib, sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r} (blocked)", name=name)
sys.meta_path.insert(0, Blocker())
for name in MODULES:
    importlib.import_module(name)
"""


def needed_by(*names):
    """The named distributions and all they require here, by canonical name."""
    found, waiting = set(), [canonicalize_name(name) for name in names]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            requires = metadata.distribution(name).requires or []
        except metadata.PackageNotFoundError:
            continue
        found.add(name)
        needs = [r for r in map(Requirement, requires) if not r.marker or r.marker.evaluate()]
        waiting += [canonicalize_name(r.name) for r in needs]
    return found


def import_with_colabs_packages(source, modules):
    allowed = needed_by("torch", "numpy", "matplotlib", "ipython")
    blocked = {
        top
        for top, owners in metadata.packages_distributions().items()
        if not allowed & {canonicalize_name(owner) for owner in owners} and top != "helpers"
    }
    script = f"BLOCKED = {blocked!r}\nMODULES = {modules!r}\n{BLOCKER}"
    settings = {**os.environ, "PYTHONPATH": str(source), "MPLBACKEND": "Agg"}
    settings |= {"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", script], env=settings, capture_output=True, text=True
    )


def test_helpers_import_with_torch_numpy_and_matplotlib_alone():
    modules = [f"helpers.{name}" if name else "helpers" for name in code.helper_files(ROOT)]
    done = import_with_colabs_packages(ROOT / "src", modules)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("package", ["sklearn", "pooch", "tqdm", "ipywidgets", "scipy"])
def test_a_helper_that_needs_more_is_noticed(tmp_path, package):
    shutil.copytree(ROOT / "src" / "helpers", tmp_path / "helpers")
    (tmp_path / "helpers" / "greedy.py").write_text(f"import {package}\n")
    done = import_with_colabs_packages(tmp_path, ["helpers.greedy"])
    assert done.returncode != 0 and f"No module named '{package}' (blocked)" in done.stderr
