"""Rules for the helper package and the repository around it.

Every rule is a function of a root folder and returns complaints; an empty list means it holds.
"""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

SHARED = {"nets", "unet", "ode", "cnf", "embedding", "index", "flow"}
WORKSHOP = {"data", "metrics", "train", "plot", "explorable", "claims", "exercises"}
WORKSHOP |= {"inline", "still", "plane"}  # what explorables are made of
MAX_LINES = 199
# Methods whose meaning the class docstring states once: the contract of layers and operators.
CONTRACT = {"forward", "inverse"}
# Documented once for the whole book: where the random numbers come from.
EVERYWHERE = {"self", "cls", "generator", "args", "kwargs"}
SHAPE = re.compile(r"\([A-Z*n][^()]*\)|\bshape|\bscalar|\belementwise|\bbatch", re.IGNORECASE)
DRAWS = {"rand", "randn", "randint", "randperm", "normal", "bernoulli", "multinomial", "poisson"}
DRAWS |= {f"{name}_" for name in ("uniform", "normal", "bernoulli", "exponential", "random")}
SEEDS = {"torch.manual_seed", "torch.seed", "torch.cuda.manual_seed", "torch.cuda.manual_seed_all"}
SEEDS |= {"torch.random.manual_seed", "np.random.seed", "numpy.random.seed", "random.seed"}
SEEDS |= {"torch.set_rng_state", "np.random.set_state", "numpy.random.set_state"}


def helper_files(root: Path) -> dict[str, Path]:
    """Module name, such as ``nice`` or ``exercises.nice``, to its file; ``''`` is the package."""
    base = root / "src" / "helpers"
    found = {}
    for path in sorted(base.rglob("*.py")):
        parts = path.relative_to(base).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def tracked(root: Path) -> list[Path]:
    """Files that git has or would take, that exist."""
    git = ["git", "-C", str(root), "ls-files", "-z", "-c", "-o", "--exclude-standard"]
    names = subprocess.run(git, capture_output=True, text=True, check=True).stdout.split("\0")
    return sorted({root / name for name in names if name and (root / name).is_file()})


def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


# Dependencies -----------------------------------------------------------------------------------


def layer(module: str) -> str:
    """``shared``, ``workshop``, or ``idea`` for whatever is neither."""
    top = module.split(".")[0]
    if top in SHARED:
        return "shared"
    return "workshop" if any(top == w or top.startswith(w + "_") for w in WORKSHOP) else "idea"


def idea(module: str, modules: set[str]) -> str:
    """What a module is a part of: ``ann`` for ``ann.hnsw``, and ``shop`` for ``shop_log``.

    ``shop_log`` counts as a part of ``shop`` only where there is a helper of that name.
    """
    top = module.split(".")[0]
    words = top.split("_")
    stems = ["_".join(words[:n]) for n in range(1, len(words))]
    found = [stem for stem in stems if stem in modules and layer(stem) == layer(top) == "idea"]
    return found[0] if found else top


def helper_imports(module: str, path: Path, modules: set[str]) -> set[str]:
    """Names of the helper modules that a helper imports, at its top or inside a function."""
    found = set()
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(_parse(path)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                up = package.split(".") if package else []
                up = up[: len(up) - (node.level - 1)]
                base = ".".join(["helpers", *up, *([base] if base else [])])
            names = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.split(".")[0] == "helpers":
                inner = name.removeprefix("helpers").removeprefix(".")
                while inner and inner not in modules:
                    inner = inner.rpartition(".")[0]
                found.add(inner)
    return found - {"", module}


def dependencies_point_down(root: Path) -> list[str]:
    """Shared imports shared; an idea imports shared (and parts of itself); there are no cycles."""
    files = helper_files(root)
    edges = {name: helper_imports(name, path, set(files)) for name, path in files.items()}
    allowed = {"shared": {"shared"}, "idea": {"shared"}, "workshop": {"shared", "idea", "workshop"}}
    bad = []
    for name, targets in edges.items():
        for target in sorted(targets):
            same = idea(name, set(files)) == idea(target, set(files))
            if not same and layer(target) not in allowed[layer(name)]:
                bad.append(f"helpers.{name} ({layer(name)}) imports {target} ({layer(target)})")
    return bad + [f"import cycle: {' -> '.join(cycle)}" for cycle in _cycles(edges)]


def _cycles(edges: dict[str, set[str]]) -> list[list[str]]:
    """One cycle if there is any, found by walking depth first."""
    done: set[str] = set()

    def walk(name: str, trail: list[str]) -> list[str] | None:
        if name in trail:
            return [*trail[trail.index(name) :], name]
        if name in done:
            return None
        for target in sorted(edges.get(name, ())):
            if cycle := walk(target, [*trail, name]):
                return cycle
        done.add(name)
        return None

    return [cycle for name in sorted(edges) if (cycle := walk(name, []))][:1]


# Files and signatures ---------------------------------------------------------------------------


def files_are_short(root: Path) -> list[str]:
    """Under 200 lines a helper; an ``__init__.py`` is a docstring and a few lines at most."""
    bad = []
    for path in helper_files(root).values():
        lines = path.read_text(encoding="utf-8").splitlines()
        where = path.relative_to(root)
        if len(lines) > MAX_LINES:
            bad.append(f"{where}: {len(lines)} lines, at most {MAX_LINES}")
        if path.name == "__init__.py" and any(
            not isinstance(node, ast.Expr | ast.ImportFrom) for node in _parse(path).body
        ):
            bad.append(f"{where}: more than a docstring and imports")
        if path.name == "__init__.py" and len(lines) > 12:
            bad.append(f"{where}: {len(lines)} lines, should be nearly empty")
    return bad


def public_definitions(tree: ast.Module) -> Iterator[tuple[str, ast.AST, str]]:
    """(qualified name, node, docstrings that speak for it) of what has no leading underscore."""
    module_doc = ast.get_docstring(tree) or ""
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name.startswith("_"):
            continue
        own = ast.get_docstring(node) or ""
        yield node.name, node, module_doc + "\n" + own
        for inner in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(inner, ast.FunctionDef) and (
                not inner.name.startswith("_") or inner.name == "__init__"
            ):
                docs = [module_doc, own, ast.get_docstring(inner) or ""]
                yield f"{node.name}.{inner.name}", inner, "\n".join(docs)


def documented(root: Path) -> list[str]:
    """Docstrings on everything public, with shapes; shared and ideas name all their parameters."""
    bad = []
    for module, path in helper_files(root).items():
        tree, where = _parse(path), path.relative_to(root)
        if path.name != "__init__.py" and not ast.get_docstring(tree):
            bad.append(f"{where}: no docstring")
        for name, node, docs in public_definitions(tree):
            last = name.split(".")[-1]
            if not ast.get_docstring(node) and last not in CONTRACT | {"__init__"}:
                bad.append(f"{where}: {name} has no docstring")
            if isinstance(node, ast.ClassDef):
                continue
            arguments = [a for a in _arguments(node) if a not in EVERYWHERE]
            for argument in arguments if len(arguments) > 1 and layer(module) != "workshop" else ():
                if not re.search(rf"\b{argument}\b", docs):
                    bad.append(f"{where}: {name} does not say what {argument} is")
            returns = ast.unparse(node.returns) if node.returns else ""
            signature = f"{ast.unparse(node.args)} -> {returns}"
            if re.search(r"\bTensor\b|\bndarray\b", signature) and not SHAPE.search(docs):
                bad.append(f"{where}: {name} takes or gives an array of no stated shape")
    return bad


def _arguments(node: ast.FunctionDef) -> list[str]:
    given = node.args
    every = [*given.posonlyargs, *given.args, given.vararg, *given.kwonlyargs, given.kwarg]
    return [argument.arg for argument in every if argument]


def annotated(root: Path) -> list[str]:
    """Types on public signatures, the returned value's included."""
    bad = []
    for path in helper_files(root).values():
        for name, node, _ in public_definitions(_parse(path)):
            if isinstance(node, ast.ClassDef):
                continue
            given = node.args
            every = [*given.posonlyargs, *given.args, given.vararg, *given.kwonlyargs, given.kwarg]
            lacking = [a.arg for a in every if a and not a.annotation and a.arg not in EVERYWHERE]
            lacking += [] if node.returns else ["the result"]
            if lacking:
                where = path.relative_to(root)
                bad.append(f"{where}: {name} has no type for {', '.join(lacking)}")
    return bad


# Randomness and errors --------------------------------------------------------------------------


def global_randomness(tree: ast.AST) -> list[str]:
    """Calls that seed, or draw from, a generator that everybody shares."""
    bad = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        last = name.split(".")[-1]
        if name in SEEDS:
            bad.append(f"line {node.lineno}: {name} sets a global seed")
        elif re.fullmatch(r"(np|numpy)\.random\.[a-z_]+", name) and last != "default_rng":
            bad.append(f"line {node.lineno}: {name} draws from numpy's global generator")
        elif re.fullmatch(r"random\.[a-z_]+", name):
            bad.append(f"line {node.lineno}: {name} draws from Python's global generator")
        elif name == "np.random.default_rng" and not node.args + node.keywords:
            bad.append(f"line {node.lineno}: {name}() without a seed cannot be repeated")
        elif last in DRAWS and (name.startswith("torch.") or last.endswith("_")):
            if not any(keyword.arg == "generator" for keyword in node.keywords):
                bad.append(f"line {node.lineno}: {name} without generator=")
    return bad


def randomness_is_passed_in(root: Path) -> list[str]:
    """No helper seeds or uses a global generator."""
    return [
        f"{path.relative_to(root)}, {complaint}"
        for path in helper_files(root).values()
        for complaint in global_randomness(_parse(path))
    ]


def errors_are_not_swallowed(root: Path) -> list[str]:
    """No bare ``except`` and no ``except Exception`` that goes on as if nothing had happened."""
    bad = []
    for path in tracked(root):
        if path.suffix != ".py":
            continue
        for node in ast.walk(_parse(path)):
            if not isinstance(node, ast.ExceptHandler):
                continue
            where = f"{path.relative_to(root)}, line {node.lineno}"
            if node.type is None:
                bad.append(f"{where}: bare except")
            elif re.search(r"\b(Base)?Exception\b", ast.unparse(node.type)) and all(
                isinstance(step, ast.Pass | ast.Continue) for step in node.body
            ):
                bad.append(f"{where}: swallows every exception")
    return bad


# The repository ---------------------------------------------------------------------------------

# Spelt in pieces, so that this file holds none of them.
MACHINE = re.compile(
    r"(?<![\w.}])/(?:wo" + r"rk|root|home/\w+)/|--?(?:extra-)?index-" + r"url|--find-" + r"links"
    r"|trusted-" + r"host|local" + r"host:\d"
)


def _texts(root: Path) -> Iterator[tuple[Path, str]]:
    for path in tracked(root):
        try:
            yield path, path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a picture or a font


def address_stands_once(root: Path) -> list[str]:
    """The public address stands in ``_config.yml``; generated notebooks may hold it, too."""
    found = re.search(r"github\.com/([\w.-]+/[\w.-]+)", (root / "_config.yml").read_text())
    if not found:
        return ["_config.yml: no repository address"]
    address = found.group(1).removesuffix(".git")
    return [
        f"{path.relative_to(root)}: holds the repository's address {address}"
        for path, text in _texts(root)
        if address in text and path.name != "_config.yml" and path.suffix != ".ipynb"
    ]


def no_machine_paths(root: Path) -> list[str]:
    """No tracked file names this machine's folders or a private package registry."""
    return [
        f"{path.relative_to(root)}, line {number}: {found.group(0)}"
        for path, text in _texts(root)
        for number, line in enumerate(text.splitlines(), 1)
        if (found := MACHINE.search(line))
    ]


def readme_and_ci_agree(root: Path) -> list[str]:
    """README shows both commands, and ``.ci/run`` runs its test command."""
    readme, ci = root / "README.md", root / ".ci" / "run"
    if not readme.is_file() or not ci.is_file():
        return [f"{p.relative_to(root)} is missing" for p in (readme, ci) if not p.is_file()]
    fences = re.findall(r"^```\w*\n(.*?)^```", readme.read_text(), re.DOTALL | re.MULTILINE)
    shown = [line.split("#")[0].strip() for fence in fences for line in fence.splitlines()]
    bad = [f"README.md shows no `{c}`" for c in ("make book", "make test") if c not in shown]
    runs = [line.split("#")[0].strip() for line in ci.read_text().splitlines()]
    if not any(re.fullmatch(r"(exec )?(\w+=\S+ )*make test", line) for line in runs):
        bad.append(".ci/run does not run `make test`")
    if not ci.stat().st_mode & 0o100:
        bad.append(".ci/run is not executable")
    return bad


def requirement_names(root: Path) -> set[str]:
    """Every package that a requirements file names, as it is written there."""
    names = set()
    for path in root.glob("requirements*.txt"):
        for line in path.read_text().splitlines():
            found = re.match(r"[A-Za-z0-9][\w.-]*", line)
            names |= {found.group(0).lower()} if found else set()
    return names


def dependencies_are_justified(root: Path) -> list[str]:
    """``docs/decisions/*dependencies*.md`` has a line "- `name`: why" for each, and no other."""
    listed = [
        found.group(1).lower()
        for path in sorted((root / "docs" / "decisions").glob("*dependencies*.md"))
        for found in re.finditer(r"^- `([^`]+)`[^\w\n]+\w", path.read_text(), re.MULTILINE)
    ]
    needed = requirement_names(root)
    return [
        *(f"`{name}` is required but not justified" for name in sorted(needed - set(listed))),
        *(f"`{name}` is justified but not required" for name in sorted(set(listed) - needed)),
        *(f"`{name}` is justified twice" for name in sorted(set(listed)) if listed.count(name) > 1),
    ]
