"""Draw single changes that nobody has listed, and see whether the tests of the room notice.

    python tests/mutants/sample.py [--n 60] [--seed 0] ROOM or ROOM/MODULE ...

A room is a package of src/helpers (``ann``), a module one file of it (``ann/graph``, ``train``). A
change is one edit of a syntax tree: a constant, an operator, a comparison, a sign, a call dropped
(``clamp``, ``sqrt``, ``detach``), arguments exchanged, a keyword forgotten, a test that is always
true or never, a neighbour's name. Kinds are drawn first, so that a rare kind is tried as often as
a frequent one. The tests of the room run until one fails: those named after the module first.

What survives is printed with its line. Some changes mean the same as the original; a person has
to say which. What is drawn depends on the seed and on the text of the module alone.
"""

import argparse
import ast
import copy
import random
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from runner import ROOT, Bench, Refused

HELPERS = ROOT / "src" / "helpers"
OPERATORS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Pow: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
COMPARISONS = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
DROPPED = set(
    "abs amax clamp clamp_max clamp_min cumsum detach double exp flatten log log_softmax mean "
    "reversed softmax sqrt square sum t transpose unique".split()
)
FORGOTTEN = {"correction", "descending", "dim", "dtype", "generator", "keepdim", "stable"}


@dataclass(frozen=True)
class Change:
    """One edit: the module (``ann/graph``), what was changed where, and the new text."""

    module: str
    words: str
    text: str


def _constant(node, draw, _names):
    if isinstance(node.value, bool):
        return ast.Constant(not node.value)
    if isinstance(node.value, int):
        return ast.Constant(draw.choice([node.value + 1, node.value - 1]))
    if isinstance(node.value, float):
        return ast.Constant(draw.choice([node.value * 2, -node.value, node.value * 1.1 + 0.01]))
    return None


def _operator(node, _draw, _names):
    new = OPERATORS.get(type(node.op))
    return new and ast.BinOp(node.left, new(), node.right)


def _sign(node, _draw, _names):
    return node.operand if isinstance(node.op, ast.USub | ast.Not | ast.Invert) else None


def _comparison(node, draw, _names):
    at = draw.randrange(len(node.ops))
    choice = COMPARISONS.get(type(node.ops[at]))
    if not choice:
        return None
    ops = list(node.ops)
    ops[at] = draw.choice(choice)()
    return ast.Compare(node.left, ops, node.comparators)


def _junction(node, _draw, _names):
    return ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)


def _call(node, draw, _names):
    """The call without its effect, with two arguments exchanged, or a keyword forgotten."""
    choices = []
    if isinstance(node.func, ast.Attribute) and node.func.attr in DROPPED:
        choices.append(node.func.value)
    for at in range(len(node.args) - 1):
        args = list(node.args)
        args[at], args[at + 1] = args[at + 1], args[at]
        choices.append(ast.Call(node.func, args, node.keywords))
    for word in node.keywords:
        if word.arg in FORGOTTEN:
            kept = [other for other in node.keywords if other is not word]
            choices.append(ast.Call(node.func, node.args, kept))
    return draw.choice(choices) if choices else None


def _branch(node, draw, _names):
    never = isinstance(node.body[0], ast.Raise) or draw.random() < 0.5
    return ast.If(ast.Constant(not never), node.body, node.orelse)


def _either(node, draw, _names):
    return draw.choice([node.body, node.orelse])


def _name(node, draw, names):
    others = sorted(names - {node.id})
    if node.id not in names or not others or not isinstance(node.ctx, ast.Load):
        return None
    return ast.Name(draw.choice(others), ast.Load())


EDITS = {
    ast.Constant: _constant,
    ast.BinOp: _operator,
    ast.UnaryOp: _sign,
    ast.Compare: _comparison,
    ast.BoolOp: _junction,
    ast.Call: _call,
    ast.If: _branch,
    ast.IfExp: _either,
    ast.Name: _name,
}


def places(tree: ast.AST) -> Iterator[tuple[ast.AST, str, object, set[str]]]:
    """(parent, field, index or None, names of the function) of every node that may be edited.

    Messages of errors, annotations, docstrings and decorators are not code whose value is tested;
    what says ``.device`` is left alone, since on a CPU every device is the same.
    """
    yield from _places(tree, set())


def _places(node, names):
    if isinstance(node, ast.FunctionDef):
        args = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        stored = [n for n in ast.walk(node) if isinstance(n, ast.Name)]
        names = {a.arg for a in args if a.arg != "self"}
        names |= {n.id for n in stored if isinstance(n.ctx, ast.Store)}
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "func", "exc", "type_comment"):
            continue
        for index, child in enumerate(value if isinstance(value, list) else [value]):
            if not isinstance(child, ast.AST) or _is_text(child):
                continue
            if type(child) in EDITS:
                yield node, field, index if isinstance(value, list) else None, names
            yield from _places(child, names)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        yield from _places(node.func, names)


def _is_text(node):
    plain = isinstance(node, ast.Constant) and isinstance(node.value, str | None | type(...))
    sentence = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    place = isinstance(node, ast.IfExp | ast.keyword) and "device" in ast.unparse(node)
    return plain or sentence or place or isinstance(node, ast.JoinedStr | ast.Assert | ast.Import)


def drawn(module: str, text: str, draw: random.Random) -> Change | None:
    """One change of a module's text, or None when what was drawn has no other form."""
    tree = ast.parse(text)
    found = list(places(tree))
    kinds = sorted({type(_at(*place[:3])).__name__ for place in found})
    kind = draw.choice(kinds)
    parent, field, index, names = draw.choice(
        [place for place in found if type(_at(*place[:3])).__name__ == kind]
    )
    old = _at(parent, field, index)
    new = EDITS[type(old)](copy.deepcopy(old), draw, names)
    if new is None:
        return None
    words = f"line {old.lineno}: {_short(old)}  ->  {_short(new)}"
    if index is None:
        setattr(parent, field, new)
    else:
        getattr(parent, field)[index] = new
    changed = ast.unparse(ast.fix_missing_locations(tree))
    if changed == ast.unparse(ast.parse(text)):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            compile(changed, module, "exec")
    except SyntaxError:
        return None
    return Change(module, words, changed)


def _at(parent, field, index):
    value = getattr(parent, field)
    return value if index is None else value[index]


def _short(node):
    text = ast.unparse(node.test if isinstance(node, ast.If) else node)
    return text if len(text) < 80 else text[:77] + "..."


def changes(modules: list[str], n: int, seed: int) -> list[Change]:
    """``n`` different changes, dealt out over the modules in proportion to their lengths."""
    texts = {module: (HELPERS / f"{module}.py").read_text(encoding="utf-8") for module in modules}
    draw = random.Random(seed)
    weights = [len(texts[module]) for module in modules]
    found = {}
    for _ in range(100 * n):
        module = draw.choices(modules, weights)[0]
        change = drawn(module, texts[module], draw)
        if change is not None:
            found.setdefault((module, change.text), change)
        if len(found) == n:
            break
    return list(found.values())


def witnesses(module: str) -> list[str]:
    """Test files of the module's room: first those named after it, then those that name it."""
    room, _, name = module.rpartition("/")
    folder = ROOT / "tests" / room
    files = sorted(folder.glob("test_*.py"))
    named = [f for f in files if name in f.stem]
    speak = [f for f in files if f not in named and name in f.read_text(encoding="utf-8")]
    browser = [f for f in files if f.stem.endswith("_browser")]
    rest = [f for f in files if f not in named and f not in speak]
    chosen = [*named, *speak, *rest] if room else [*named, *speak]
    return [str(f.relative_to(ROOT)) for f in chosen if f not in browser]


def verdict(bench: Bench, change: Change, limit: float) -> str:
    """``assertion``, ``raised`` (by another exception), ``endless`` or ``survived``."""
    path = bench.copy / "src" / "helpers" / f"{change.module}.py"
    clean = path.read_text(encoding="utf-8")
    try:
        path.write_text(change.text, encoding="utf-8")
        answer = bench._run(["-x", *witnesses(change.module)], limit)
    finally:
        path.write_text(clean, encoding="utf-8")
    if answer["exit"] in ("timeout", "crashed"):
        return "endless" if answer["exit"] == "timeout" else "raised"
    if answer["exit"] == 0:
        return "survived"
    raised = {kind for case in answer["cases"] for kind in case["raised"]}
    return "assertion" if "assertion" in raised else "raised"


def named_modules(names: list[str]) -> list[str]:
    """Modules (``ann/graph``) of rooms and modules; Refused for what is neither."""
    found = []
    for name in names:
        folder = HELPERS / name
        inside = sorted(folder.glob("*.py")) if folder.is_dir() else [HELPERS / f"{name}.py"]
        if not all(path.is_file() for path in inside) or not inside:
            raise Refused(f"src/helpers has neither a room nor a module {name!r}")
        modules = [path.relative_to(HELPERS).with_suffix("") for path in inside]
        found += [module.as_posix() for module in modules if module.name != "__init__"]
    return found


def main() -> int:
    """Draw, judge, print what survived and a count; status 1 if anything did."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="+", help="a room (ann) or a module (ann/graph, train)")
    parser.add_argument("--n", type=int, default=60, help="how many changes")
    parser.add_argument("--seed", type=int, default=0, help="which changes")
    chosen = parser.parse_args()
    tally = Counter()
    with Bench() as bench:
        slowest = {}
        for change in changes(named_modules(chosen.names), chosen.n, chosen.seed):
            tests = frozenset(witnesses(change.module))  # their order differs, their time does not
            if tests not in slowest:
                clean = bench._run(sorted(tests), 600)
                if clean["exit"] != 0:
                    raise Refused(f"{sorted(tests)}: do not pass untouched: {clean['tail'][-300:]}")
                slowest[tests] = 3 * clean["seconds"] + 10
            found = verdict(bench, change, slowest[tests])
            tally[found] += 1
            if found != "assertion":
                print(f"{found:9}  {change.module}, {change.words}", flush=True)
    print(f"{tally.total()} changes: " + ", ".join(f"{n} {kind}" for kind, n in tally.items()))
    return int(tally["survived"] > 0)


if __name__ == "__main__":
    sys.exit(main())
