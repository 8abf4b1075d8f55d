"""Stands in for ``helpers/exercises/check.py`` where a submission runs.

There it cannot know what is right: it writes down what the student's function does with the
exercise's inputs, and the grader, in another process, compares that with the answers.
"""

from collections.abc import Callable
from typing import Any

from IPython.display import display

from .attempt import attempt, to_json
from .exercise import draws, find

MIME = "application/vnd.flow-and-rank.attempt+json"


class Recorded:
    """In place of a verdict: there is none yet."""

    def __str__(self) -> str:
        return "recorded, to be judged when graded"


def check(id: str, function: Callable[..., Any], *, cohort: str = "reader") -> Recorded:
    """Record what `function` does with the inputs of exercise `id` for a cohort."""
    exercise = find(id)
    attempts = attempt(exercise, function, draws(exercise, cohort))
    record = {"id": id, "cohort": cohort, "attempts": to_json(attempts)}
    display({MIME: record, "text/plain": f"{id}: recorded"}, raw=True)
    return Recorded()
