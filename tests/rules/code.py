"""Rules for the helper package and the repository around it.

Every rule is a function of a root folder and returns complaints; an empty list means it holds.
"""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

# Rooms whose functions are called from within, or by a chapter's cell with everything named.
BACK_ROOMS = {"data", "explorables", "exercises", "claims", "plot", "plane", "train", "moved"}
MAX_FUNCTION = 40
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


# Files and signatures ---------------------------------------------------------------------------


def packages_are_doors(root: Path) -> list[str]:
    """An ``__init__.py`` holds nothing, or a docstring and a few imports: never code of its own."""
    bad = []
    for path in helper_files(root).values():
        if path.name != "__init__.py":
            continue
        source = path.read_text(encoding="utf-8")
        where = path.relative_to(root)
        plain = (ast.Expr, ast.ImportFrom, ast.Assign)
        if any(not isinstance(node, plain) for node in _parse(path).body):
            bad.append(f"{where}: more than a docstring, imports and `__all__`")
        if len(source.splitlines()) > 12:
            bad.append(f"{where}: {len(source.splitlines())} lines, should be nearly empty")
    return bad


# Code that reads --------------------------------------------------------------------------------


def assigned_in_conditions(tree: ast.AST) -> list[str]:
    """Assignment expressions within the conditions of if, while, assert and comprehensions."""
    conditions = []
    for node in ast.walk(tree):
        if isinstance(node, ast.If | ast.IfExp | ast.While | ast.Assert):
            conditions.append(node.test)
        if isinstance(node, ast.comprehension):
            conditions += node.ifs
    return [
        f"line {inner.lineno}: `{_bare(inner)}` in a condition"
        for condition in conditions
        for inner in ast.walk(condition)
        if isinstance(inner, ast.NamedExpr)
    ]


def packed(tree: ast.AST) -> list[str]:
    """Several statements in one: ``a, b = f(x), 2``, or ``a = 1; b = 2`` on one line.

    What exchanges values, or needs the old ones, is one statement: ``a, b = b, a + b``.
    """
    bad = []
    for node in ast.walk(tree):
        body = getattr(node, "body", [])
        lines = (
            [step.lineno for step in body if isinstance(step, ast.stmt)]
            if isinstance(body, list)
            else []
        )
        doubled = sorted({line for line in lines if lines.count(line) > 1})
        bad += [f"line {line}: several statements on a line" for line in doubled]
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Tuple):
            continue
        targets = [target for target in node.targets if isinstance(target, ast.Tuple)]
        if targets and not _names(node.value) & _names(targets[0]):
            count = len(node.value.elts)
            shown = _bare(targets[0])
            bad.append(f"line {node.lineno}: `{shown} = ` packs {count} statements")
    return bad


def _bare(node: ast.AST) -> str:
    """Code as it is written, without the brackets that are put around the whole of it."""
    text = ast.unparse(node)
    bracketed = text.startswith("(") and isinstance(node, (ast.NamedExpr, ast.Tuple))
    return text[1:-1] if bracketed else text


def _names(node: ast.AST) -> set[str]:
    return {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}


def _python(root: Path) -> Iterator[tuple[str, ast.Module]]:
    """(relative path, tree) of every Python file but the tests, which are lists of cases."""
    for path in tracked(root):
        relative = path.relative_to(root)
        if path.suffix == ".py" and relative.parts[0] != "tests":
            yield relative.as_posix(), _parse(path)


def code_reads(root: Path) -> list[str]:
    """No packed statements, no assignments within conditions."""
    return [
        f"{where}, {complaint}"
        for where, tree in _python(root)
        for complaint in [*packed(tree), *assigned_in_conditions(tree)]
    ]


def functions_are_short(root: Path) -> list[str]:
    """A function has 40 lines at most, its docstring included, and so one job."""
    return [
        f"{where}, line {node.lineno}: {node.name} has {size} lines, at most {MAX_FUNCTION}"
        for where, tree in _python(root)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for size in [node.end_lineno - node.lineno + 1]
        if size > MAX_FUNCTION
    ]


def one_cause_a_refusal(root: Path) -> list[str]:
    """An ``if`` that refuses asks about kinds, shapes or values, never about two of them at once.

    Else a wrong shape would be told of as a wrong kind.
    """
    return [
        f"{where}, line {node.lineno}: `{ast.unparse(node.test)}` refuses for several causes"
        for where, tree in _python(root)
        if where.startswith("src/helpers/")
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.body[-1], ast.Raise)
        if isinstance(node.test, ast.BoolOp) and isinstance(node.test.op, ast.Or)
        if len({_asks(part) for part in node.test.values}) > 1
    ]


def _asks(condition: ast.AST) -> str:
    """What a condition looks at: a ``kind``, a ``shape``, or ``values``."""
    text = ast.unparse(condition)
    if re.search(r"\bisinstance\(|\.dtype\b|\.is_floating_point\b|\.is_complex\b", text):
        return "kind"
    return "shape" if re.search(r"\.(ndim|shape|numel|size)\b|\blen\(", text) else "values"


# Signatures -------------------------------------------------------------------------------------


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
            called_within = module.split(".")[0] in BACK_ROOMS
            for argument in arguments if len(arguments) > 1 and not called_within else ():
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
