"""Chapter 11's big table: every model on planted and on real clicks, tuned alike, on five seeds.

    python -m benchmarks.family

Each model gets the same budget: the four settings of `GRID`, tried on seed 0 and judged by their
log loss on validation data; the best is then trained anew on each seed. All have the same number of
steps, batch and length of vectors. It takes a quarter of an hour on one thread and writes
book/generated/fm.json after every model; chapter 11 shows it. Interrupted, it goes on where it was;
to begin afresh, remove that file.
"""

import copy
import datetime
import itertools
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from helpers import shop, train
from helpers.ctr import cross, deep, fieldwise, fm
from helpers.ctr import models as ctr
from helpers.ctr.embedding import Embedding, Linear
from helpers.ctr.metrics import auc, log_loss
from helpers.data import catalogue, logs
from tools.build import book

ROOT = Path(__file__).resolve().parents[1]
SEEDS = range(5)
GRID = tuple(itertools.product((0.01, 0.03), (0.03, 0.3)))  # step size, decay
DIM = 8
STD = 0.1
BATCH = 512
N_STEPS = 300
FIELDS = ("user", "film", "genre", "decade", "year")  # of MovieLens
Build = Callable[[Sequence[int], torch.Generator], nn.Module]


def _on_vectors(kind: Callable[..., nn.Module], times: int = 1, **settings: object) -> Build:
    """A model of one embedding; ``times`` F vectors for a field-aware one."""

    def build(sizes: Sequence[int], generator: torch.Generator) -> nn.Module:
        dim = DIM if times == 1 else DIM // 2 * len(sizes)
        embedding = Embedding(sizes, dim, std=STD, generator=generator)
        if kind in (fm.FM, fm.FFM, fm.FwFM):
            return kind(embedding)
        return kind(embedding, generator=generator, **settings)

    return build


MODELS: dict[str, Build] = {
    "LR": lambda sizes, generator: Linear(sizes),
    "Poly2": lambda sizes, generator: ctr.Poly2(sizes, n_buckets=2**16),
    "FM": _on_vectors(fm.FM),
    "FFM": _on_vectors(fm.FFM, times=2),
    "FwFM": _on_vectors(fm.FwFM),
    "AFM": _on_vectors(fm.AFM),
    "NFM": _on_vectors(deep.NFM),
    "DNN": _on_vectors(deep.Deep),
    "PNN": _on_vectors(deep.PNN),
    "Wide & Deep": _on_vectors(deep.WideDeep),
    "DeepFM": _on_vectors(deep.DeepFM),
    "DCN": _on_vectors(cross.DCN, version=1),
    "DCN-V2": _on_vectors(cross.DCN, version=2, rank=8),
    "xDeepFM": _on_vectors(fieldwise.XDeepFM),
    "AutoInt": _on_vectors(fieldwise.AutoInt),
}


@dataclass(frozen=True)
class Task:
    """Rows (N, F + 1), the last column the click, in three parts.

    ``shift`` is added to logits before they are judged, where zeros were thinned out; ``p`` are the
    true probabilities of the test rows, where they are known.
    """

    sizes: tuple[int, ...]
    fit: Tensor
    valid: Tensor
    test: Tensor
    shift: float = 0.0
    p: Tensor | None = None


def planted(seed: int, reviews: object, triple: float, n_requests: int = 100_000) -> Task:
    """The shop, one day, without drift; zeros thinned to a tenth in training."""
    world = shop.Shop(reviews, seed=seed, triple=triple, drift=0.0, cold=0.0)

    def rows(n: int, stage: int, share: float) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(10 * seed + stage)
        log = world.log(n, generator=generator, days=1)
        kept = (log.click > 0) | (torch.rand(len(log.click), generator=generator) < share)
        names = ("user", "query", "item", "position", "click")
        user, query, item, position, click = (getattr(log, name)[kept] for name in names)
        table = torch.cat((world.ids(user, query, item), position[:, None], click[:, None]), 1)
        return table.long(), world.p_click(user, query, item, position)

    fit, _ = rows(n_requests, 1, 0.1)
    valid, _ = rows(max(n_requests // 40, 100), 2, 1.0)
    test, p = rows(max(n_requests // 20, 100), 3, 1.0)
    sizes = (*world.sizes.tolist(), world.n_positions)
    shift = torch.tensor(0.1).log().item()
    return Task(sizes, fit, valid, test, shift, p)


def ratings(seed: int, table: logs.MovieLens, by_time: bool) -> Task:
    """MovieLens: is a rating 4 or more? Users, films, the film's first genre and decade, the year.

    ``by_time`` tests on the last tenth of all ratings, else on a tenth drawn at random.
    """
    genres = sorted({name for names in table.genres for name in names})
    genre = torch.tensor([1 + genres.index(names[0]) if names else 0 for names in table.genres])
    decade = torch.tensor([max(year - 1900, 0) // 10 for year in table.years])
    year = (table.timestamp / 31_557_600).long()
    columns = (table.user, table.movie, genre[table.movie], decade[table.movie], year - year.min())
    rows = torch.stack((*columns, (table.rating >= 4).long()), 1)
    sizes = tuple((rows[:, :-1].amax(0) + 1).tolist())
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))
    if by_time:
        order = table.timestamp.argsort(stable=True)
    fit, valid, test = rows[order].tensor_split([int(0.8 * len(rows)), int(0.9 * len(rows))])
    return Task(sizes, fit, valid, test)


@torch.no_grad()
def logits(model: nn.Module, rows: Tensor, shift: float) -> Tensor:
    """What the model says of rows (N, F + 1), (N,) float64."""
    parts = [model(part) for part in rows[:, :-1].split(10_000)]
    return torch.cat(parts).double() + shift


def trained(build: Build, task: Task, seed: int, lr: float, decay: float) -> nn.Module:
    """One model, trained on a task."""
    model = build(task.sizes, torch.Generator().manual_seed(seed))
    batches = train.minibatches(
        task.fit, min(BATCH, len(task.fit)), N_STEPS, torch.Generator().manual_seed(seed)
    )
    train.fit(
        lambda batch: log_loss(model(batch[:, :-1]), batch[:, -1].float()),
        [p for p in model.parameters() if p.requires_grad],
        batches,
        lr=lr,
        n_steps=N_STEPS,
        weight_decay=decay,
    )
    return model


def never_shown(task: Task) -> list[Tensor]:
    """For each field the features (sizes[f],) bool that no training row has."""
    return [
        torch.bincount(column, minlength=size) == 0
        for column, size in zip(task.fit[:, :-1].T, task.sizes, strict=True)
    ]


@torch.no_grad()
def without_untrained(model: nn.Module, task: Task) -> nn.Module:
    """A copy of the model in which features that no training row has say nothing: vectors of 0.

    Poly2's pairs need no such care: they start at 0.
    """
    copied = copy.deepcopy(model)
    strange = torch.cat(never_shown(task))
    for module in copied.modules():
        if isinstance(module, Embedding) and module.sizes == task.sizes:
            module.weight[strange] = 0.0
    return copied


def score(model: nn.Module, task: Task) -> dict[str, float]:
    """AUC and log loss on the test rows; where the truth is known, the excess log loss.

    Where it isn't, the AUC of the model without what it never trained as well.
    """
    found = logits(model, task.test, task.shift)
    clicks = task.test[:, -1]
    values = {"auc": auc(found, clicks), "log_loss": log_loss(found, clicks).item()}
    if task.p is not None:
        least = log_loss(task.p.logit(), task.p)
        values["excess"] = (log_loss(found, task.p) - least).item()
    else:
        known = logits(without_untrained(model, task), task.test, task.shift)
        values["auc_trained_only"] = auc(known, clicks)
    return values


def lead(one: Tensor, other: Tensor, rows: Tensor, n_draws: int = 500) -> tuple[float, float]:
    """AUC of logits one (N,) less that of the other on rows (N, F + 1), and its standard error.

    The ratings of one user are no independent draws, so the first column's users are drawn whole,
    with replacement, and both are judged on the same draws.
    """
    generator = torch.Generator().manual_seed(0)
    users = rows[:, 0].unique()
    of_user = [(rows[:, 0] == user).nonzero()[:, 0] for user in users]
    values = []
    for _ in range(n_draws):
        drawn = torch.randint(len(users), (len(users),), generator=generator)
        some = torch.cat([of_user[k] for k in drawn.tolist()])
        values.append(auc(one[some], rows[some, -1]) - auc(other[some], rows[some, -1]))
    error = torch.tensor(values, dtype=torch.float64).std().item()
    return auc(one, rows[:, -1]) - auc(other, rows[:, -1]), error


def compare(
    tasks: Callable[[int], Task],
    models: dict[str, Build],
    say: Callable[..., None] = print,
    keep: Callable[[dict], None] = lambda found: None,
    done: dict[str, dict] | None = None,
) -> dict:
    """{model: {"lr", "decay", and for each score its five values}} of one kind of task.

    say : told of each model. keep : given what has been found, after each model.
    done : what an interrupted run has found; its models are not measured again.
    """
    found = dict(done or {})
    each = [tasks(seed) for seed in SEEDS]
    if each[0].p is not None:
        found["oracle"] = {
            "auc": [auc(t.p, t.test[:, -1]) for t in each],
            "log_loss": [log_loss(t.p.logit(), t.test[:, -1]).item() for t in each],
            "excess": [0.0 for _ in each],
        }
    for name, build in models.items():
        if name in found:
            continue
        start = time.perf_counter()

        def judge(setting: tuple[float, float], build: Build = build) -> float:
            model = trained(build, each[0], 0, *setting)
            held_out = each[0].valid
            return log_loss(logits(model, held_out, each[0].shift), held_out[:, -1]).item()

        lr, decay = min(GRID, key=judge)
        runs = [score(trained(build, t, s, lr, decay), t) for s, t in zip(SEEDS, each, strict=True)]
        found[name] = {"lr": lr, "decay": decay}
        found[name] |= {key: [run[key] for run in runs] for key in runs[0]}
        say(f"{name}: {runs[0]} at {lr}, {decay}; {time.perf_counter() - start:.0f} s", flush=True)
        keep(found)
    return found


def by_time(task: Task, table: dict[str, dict]) -> dict:
    """What the latest ratings hold that training never showed, and LR's lead over every model.

    table : for each model the ``lr`` and ``decay`` that were chosen for it.
    """
    strange = zip(never_shown(task), task.test[:, :-1].T, strict=True)
    shares = [new[column].double().mean().item() for new, column in strange]
    said = {}
    for name, build in MODELS.items():
        model = trained(build, task, 0, table[name]["lr"], table[name]["decay"])
        said[name] = logits(model, task.test, task.shift)
    others = [name for name in MODELS if name != "LR"]
    return {
        "never shown": dict(zip(FIELDS, shares, strict=True)),  # shares of the latest ratings
        "n_users": len(task.test[:, 0].unique()),
        "leads": {name: lead(said["LR"], said[name], task.test) for name in others},
    }


def circumstances() -> dict:
    """With what settings and versions, and when, the models were compared."""
    return {
        "settings": {
            "grid": [list(pair) for pair in GRID],
            "dim": DIM,
            "batch": BATCH,
            "n_steps": N_STEPS,
        },
        "versions": {"torch": torch.__version__, "python": platform.python_version()},
        "date": datetime.date.today().isoformat(),
    }


def main() -> None:
    """Measure, print, keep."""
    torch.set_num_threads(1)
    reviews = catalogue.reviews()
    films = logs.movielens()
    kinds = {
        "shop with triple": partial(planted, reviews=reviews, triple=1.0),
        "MovieLens by time": partial(ratings, table=films, by_time=True),
        "MovieLens at random": partial(ratings, table=films, by_time=False),
    }
    path = book.generated(ROOT, "fm.json")
    record = book.read_json(path)
    record |= circumstances()
    tables = record.setdefault("tables", {})
    for kind, tasks in kinds.items():
        print(kind, flush=True)

        def keep(found: dict, kind: str = kind) -> None:
            tables[kind] = found
            book.write_json(path, record)

        compare(tasks, MODELS, keep=keep, done=tables.get(kind))

    record["by time"] = by_time(ratings(0, films, by_time=True), tables["MovieLens by time"])
    book.write_json(path, record)


if __name__ == "__main__":
    main()
