"""Check a reader's solution of a graded exercise: ``check("nice-3", log_prob)``.

It needs torch and numpy only. It tries the function on fresh inputs, says whether it is right, and
names the mistake where it knows it; it never shows the answer.
"""

from collections.abc import Callable
from typing import Any

from .attempt import attempt
from .exercise import answers, draws, find
from .judge import Verdict, judge

__all__ = ["Verdict", "check"]


def check(id: str, function: Callable[..., Any], *, cohort: str = "reader") -> Verdict:
    """Try `function` on the inputs of exercise `id`, print the verdict and return it.

    Parameters
    ----------
    id : str
        The exercise, such as ``"nice-3"``.
    function : callable
        Your function itself, not a call of it. It receives copies of float64 tensors and may return
        tensors, numpy arrays or lists.
    cohort : str
        Which inputs to draw: the same cohort always draws the same. The environment variable
        ``HELPERS_COHORT`` is mixed in where it is set.

    Returns
    -------
    Verdict
        True when right. Its text says why not: ``verdict = check(...); assert verdict, verdict``.

    Raises
    ------
    ValueError
        If there is no exercise `id`; the message lists those there are.
    """
    exercise = find(id)
    inputs = draws(exercise, cohort)
    verdict = judge(exercise, answers(exercise), inputs, attempt(exercise, function, inputs))
    print(verdict)
    return verdict
