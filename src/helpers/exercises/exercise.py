"""What a graded exercise is, and where to find one by its id.

A chapter has a package here with three modules: ``tasks.py`` with a tuple ``EXERCISES``,
``answers.py`` with a dictionary ``SOLUTIONS`` (the reference first), ``mistakes.py`` with a
dictionary ``MISTAKES``. They are apart because a student's code is graded in a place that holds
the first of them only.
"""

import hashlib
import importlib
import os
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch


@dataclass(frozen=True)
class Exercise:
    """The statement of a graded exercise, and the inputs it is tried on.

    Attributes
    ----------
    id : str
        Stable name, chapter and number: ``"nice-3"``.
    title, purpose : str
        A few words; one sentence on what solving it teaches.
    kind : str
        ``"build"`` or ``"modify"``.
    difficulty : int
        1 to 3 stars.
    signature : str
        How the function is called: ``"log_prob(x, m, log_scale)"``.
    outputs : tuple of str
        Names of what it returns, in order; one name: a single array.
    draw : callable
        ``draw(generator)`` yields tuples of arguments of differing shapes, a batch of one included.
    tolerance : float
        Largest error accepted, relative to ``1 + |expected|``.
    """

    id: str
    title: str
    purpose: str
    kind: str
    difficulty: int
    signature: str
    outputs: tuple[str, ...]
    draw: Callable[[torch.Generator], Iterator[tuple]]
    tolerance: float = 1e-5

    @property
    def arguments(self) -> list[str]:
        """Names of the function's arguments, in order."""
        return [name.strip() for name in self.signature.split("(")[1].rstrip(")").split(",")]


@dataclass(frozen=True)
class Mistake:
    """A planted mistake: the wrong function, and the sentence for whoever wrote the same."""

    sentence: str
    function: Callable[..., Any]


@dataclass(frozen=True)
class Answers:
    """The reference, other correct solutions of a different style, and planted mistakes."""

    reference: Callable[..., Any]
    alternatives: tuple[Callable[..., Any], ...]
    mistakes: tuple[Mistake, ...]


def exercises() -> dict[str, Exercise]:
    """Return every graded exercise of the book by its id."""
    here = pkgutil.iter_modules([str(Path(__file__).parent)])
    tasks = [_module(f"{package.name}.tasks") for package in here if package.ispkg]
    return {exercise.id: exercise for module in tasks for exercise in module.EXERCISES}


def find(id: str) -> Exercise:
    """Return the exercise called `id`; ValueError, with the ids there are, when there is none."""
    known = exercises()
    if id not in known:
        raise ValueError(f"expected an exercise id out of {', '.join(known)}; got {id!r}")
    return known[id]


def answers(exercise: Exercise) -> Answers:
    """Return the answers of `exercise`, from its chapter's modules."""
    chapter = exercise.id.rpartition("-")[0].replace("-", "_")
    reference, *alternatives = _module(f"{chapter}.answers").SOLUTIONS[exercise.id]
    mistakes = _module(f"{chapter}.mistakes").MISTAKES[exercise.id]
    return Answers(reference, tuple(alternatives), mistakes)


def _module(name: str) -> Any:
    return importlib.import_module(f"helpers.exercises.{name}")


def draws(exercise: Exercise, cohort: str, secret: str | None = None) -> list[tuple]:
    """Return the argument tuples of `exercise` for a cohort: the same cohort, the same inputs.

    `secret` is mixed into the seed, so that an instructor can draw inputs nobody has seen; unless
    given, it is the environment variable ``HELPERS_COHORT``.
    """
    secret = os.environ.get("HELPERS_COHORT", "") if secret is None else secret
    name = "/".join([exercise.id, cohort, secret])
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:7], "big")
    return list(exercise.draw(torch.Generator().manual_seed(seed)))
