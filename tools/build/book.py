"""What the tools share: paths, atomic writes, hashes, and the helper files that a chapter uses."""

from __future__ import annotations

import ast
import functools
import hashlib
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
ASSET = re.compile(r"([\w-]{0,60})\.(js|css|mplstyle|svg|html|json|txt)\b")
MAGIC = re.compile(r"^([ \t]*)([%!].*)$", re.MULTILINE)
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def chapters(root: Path = ROOT) -> list[Path]:
    """The chapters' sources in order."""
    return sorted((root / "chapters").glob("[0-9][0-9]_*.md"))


def repository(root: Path = ROOT) -> str:
    """The repository's public address, which stands in ``_config.yml`` alone."""
    settings = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    return settings["repository"]["url"].rstrip("/")


def title(text: str) -> str:
    """The first level-1 heading of a Markdown text."""
    found = re.search(r"^# (.+)$", text, re.MULTILINE)
    if not found:
        raise ValueError("a chapter must have a level-1 heading, found none")
    return found[1].strip()


def front_matter(text: str) -> dict[str, Any]:
    """What stands between the lines ``---`` at the head of a Markdown text; {} without them."""
    found = re.match(r"---\n(.*?\n)---\n", text, re.DOTALL)
    return (yaml.safe_load(found[1]) or {}) if found else {}


def parts(root: Path = ROOT) -> dict[str, list[str]]:
    """The parts that ``_toc.yml`` gives chapters to, by caption: their chapters, as ``01_nice``.

    {} where there is no ``_toc.yml``.
    """
    path = root / "_toc.yml"
    toc = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}
    listed = {
        part["caption"]: [
            entry["file"].removeprefix("chapters/")
            for entry in part["chapters"]
            if entry["file"].startswith("chapters/")
        ]
        for part in toc.get("parts", [])
    }
    return {caption: stems for caption, stems in listed.items() if stems}


def generated(root: Path, name: str) -> Path:
    """A file of generated data, such as ``costs.json``."""
    return root / "book" / "generated" / name


def read_json(path: Path) -> dict[str, Any]:
    """The file's content; {} where there is none."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def write_json(path: Path, content: Any) -> bool:
    """Write with sorted keys, so that the same content gives the same bytes."""
    return write(path, json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n")


def write(path: Path, text: str) -> bool:
    """Replace a file in one step: an interrupt leaves the old or the new. True if it changed."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.tmp")
    try:
        new.write_text(text, encoding="utf-8", newline="\n")
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)
    return True


def digest(content: Any) -> str:
    """Sixteen hexadecimal digits of the SHA-256 of bytes, or of anything that JSON can hold."""
    if not isinstance(content, bytes):
        content = json.dumps(content, sort_keys=True).encode()
    return hashlib.sha256(content).hexdigest()[:16]


@functools.cache
def meaning(code: str) -> str:
    """The digest of what a module's code does: its syntax tree, whatever its words and layout.

    Comments and docstrings are no part of it. Every version of Python gives the same digest, which
    ``ast.dump`` would not. SyntaxError where the code is no Python.
    """
    return digest(_tree(_undocumented(ast.parse(code))))


def cell_meaning(code: str) -> Any:
    """As :func:`meaning`, of a cell: ``%`` and ``!`` lines and a last ``;`` matter, too.

    A string at the top of a cell is no docstring: as the last thing there, it is printed.
    """
    try:
        tree = ast.parse(_without_magics(code))
    except SyntaxError:  # running the cell will say it better
        return code
    body = [_tree(_undocumented(node)) for node in tree.body]
    return [body, MAGIC.findall(code), code.rstrip().endswith(";")]


def _undocumented(tree: ast.AST) -> ast.AST:
    """The tree, with the docstrings taken out."""
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    return tree


def _tree(node: Any) -> Any:
    """A syntax tree as lists and strings, without positions and what is empty."""
    if isinstance(node, list):
        return [_tree(child) for child in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = [(name, value) for name, value in ast.iter_fields(node) if value not in (None, [])]
    shown = [[name, _tree(value)] for name, value in fields if name not in ("ctx", "kind")]
    return [type(node).__name__, *shown]


def helpers_used(cells: Iterable[str], source: Path) -> list[Path]:
    """The files under ``source/helpers`` that code cells import, directly or through others.

    Found by reading, not by running: import statements; strings such as ``"helpers.exercises."``
    (an import made at run time: the modules of the packages there that are called like the chapters
    whose exercises the cells name, as in ``check("nice-3", ...)``, or else of all of them); and the assets (style, JavaScript) whose
    file names stand in a module. An asset named at run time, ``f"{kind}.js"``, stands for the
    files with that ending whose stems are strings in the modules found, or else for all of them.
    """
    cells = list(cells)
    words = set(re.findall(r"\b([a-z]+(?:-[a-z]+)*)-\d+\b", "\n".join(cells)))  # of exercise ids
    todo = [name for cell in cells for name in _imports(_without_magics(cell), "")]
    assets = [p for p in (source / "helpers").rglob("*") if ASSET.fullmatch(p.name)]
    found: set[Path] = set()
    while todo:
        for path in _files(todo.pop(), source, words) - found:
            found.add(path)
            if path.suffix == ".py":
                package = ".".join(path.relative_to(source).parent.parts)
                todo += _imports(path.read_text(encoding="utf-8"), package)
    modules = [path for path in found if path.suffix == ".py"]
    strings = {text for path in modules for text in _strings(path.read_text(encoding="utf-8"))}
    for path in modules:
        found |= _assets(path, assets, strings)
    return sorted(found)


def _without_magics(cell: str) -> str:
    """A cell with its ``%`` and ``!`` lines silenced, so that Python can parse the rest."""
    return MAGIC.sub(r"\1pass", cell)


@functools.cache
def _imports(code: str, package: str) -> tuple[str, ...]:
    """Dotted names that code may import from ``helpers``; ``helpers.x.`` for a run-time import."""
    found: list[str] = []
    try:
        nodes = list(ast.walk(ast.parse(code)))
    except SyntaxError:  # running the cell will say it better
        return ()
    for node in nodes:
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            base = ".".join(parts[: len(parts) - node.level + 1]) if node.level else ""
            base = ".".join(part for part in (base, node.module) if part)
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names = re.findall(r"^helpers\.[\w.]+$", node.value)
        found += [name for name in names if name.split(".")[0] == "helpers"]
    return tuple(found)


def _files(name: str, source: Path, words: set[str]) -> set[Path]:
    """The files that importing a dotted name runs: its packages' ``__init__`` and the module."""
    parts = name.rstrip(".").split(".")
    places = [source.joinpath(*parts[: i + 1]) for i in range(len(parts))]
    found = {path for place in places for path in (place / "__init__.py", place.with_suffix(".py"))}
    if name.endswith(".") and places[-1].is_dir():
        modules = set(places[-1].glob("*/*.py"))
        found |= {p for p in modules if p.parent.name.replace("_", "-") in words} or modules
    return {path for path in found if path.is_file()}


@functools.cache
def _strings(code: str) -> frozenset[str]:
    """The string constants of a module's code that could be an asset's stem."""
    nodes = ast.walk(ast.parse(code))
    values = (node.value for node in nodes if isinstance(node, ast.Constant))
    return frozenset(
        value for value in values if isinstance(value, str) and re.fullmatch(r"[\w-]+", value)
    )


def _assets(path: Path, assets: list[Path], strings: set[str]) -> set[Path]:
    """The assets that a file names, and those that they name."""
    found: set[Path] = set()
    todo = [path]
    while todo:
        text = todo.pop().read_text(encoding="utf-8")
        for stem, ending in set(ASSET.findall(text)):
            named = {p for p in assets if p.suffix == f".{ending}"}
            named = {p for p in named if p.stem in ({stem} if stem else strings)} or (
                set() if stem else named
            )
            todo += named - found
            found |= named
    return found
