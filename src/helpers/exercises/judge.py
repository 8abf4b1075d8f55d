"""Say whether an attempt at an exercise is right, and if not, the nearest true thing about it.

A sentence may name shapes, parts and arguments. It never holds a number of the expected output.
"""

from dataclasses import dataclass

import numpy as np

from .attempt import Attempt, Part, attempt
from .exercise import Answers, Exercise


@dataclass(frozen=True)
class Verdict:
    """What `check` returns. Its truth value says whether the function is right.

    ``kind`` is one of ``right``, ``unwritten``, ``error``, ``type``, ``shape``, ``nan``,
    ``mistake``, ``part``, ``sign``, ``constant``, ``factor``, ``some`` and ``wrong``; ``sentence``
    says more.
    """

    id: str
    ok: bool
    kind: str
    sentence: str

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        return f"{self.id}: {'right' if self.ok else 'not yet'}. {self.sentence}"


def judge(
    exercise: Exercise, answers: Answers, inputs: list[tuple], attempts: list[Attempt]
) -> Verdict:
    """Compare `attempts`, one for each tuple of arguments in `inputs`, with the answers.

    Raises
    ------
    ValueError
        If there are more or fewer attempts than inputs.
    """
    if len(attempts) != len(inputs):
        raise ValueError(f"expected {len(inputs)} attempts, got {len(attempts)}")
    kind, sentence = _judge(exercise, answers, inputs, attempts)
    changed = sorted({name for one in attempts for name in one.changed})
    if changed and kind not in ("unwritten", "error"):
        sentence += (
            f" Your function changes its argument {' and '.join(changed)} in place, "
            "which the caller will not expect: work on a clone."
        )
    return Verdict(exercise.id, kind == "right", kind, sentence)


def _judge(
    exercise: Exercise, answers: Answers, inputs: list[tuple], attempts: list[Attempt]
) -> tuple[str, str]:
    if all(one.unwritten for one in attempts):
        return "unwritten", f"{exercise.signature} returns nothing yet: replace the stub."
    wanted = attempt(exercise, answers.reference, inputs)
    tolerance = exercise.tolerance
    right = [_same(one, want, tolerance) for one, want in zip(attempts, wanted, strict=True)]
    if all(right):
        return "right", f"{exercise.title}: agrees on {len(inputs)} inputs of different shapes."
    known = answers.mistakes if any(map(_finite, attempts)) else ()  # NaN alone tells nothing
    for mistake in known:
        other = attempt(exercise, mistake.function, inputs)
        if all(_same(a, b, tolerance) for a, b in zip(attempts, other, strict=True)):
            return "mistake", mistake.sentence
    failed = [i for i, ok in enumerate(right) if not ok]
    faults = {i: _fault(exercise, attempts[i], wanted[i]) for i in failed}
    at = next((i for i in failed if faults[i]), failed[0])
    kind, sentence = faults[at] or _numbers(exercise, [(attempts[i], wanted[i]) for i in failed])
    if any(right):
        good = [_shape(wanted[i]) for i, ok in enumerate(right) if ok]
        kind = "some" if kind == "wrong" else kind
        sentence = (
            f"Right where the output has shape {' or '.join(dict.fromkeys(good))}, "
            f"not where it has {_shape(wanted[at])}: {sentence[0].lower()}{sentence[1:]}"
        )
    return kind, sentence


def _fault(exercise: Exercise, got: Attempt, want: Attempt) -> tuple[str, str] | None:
    """What is wrong with one attempt before its numbers are compared; None if nothing is."""
    if got.error:
        where = f" ({got.line})" if got.line else ""
        return "error", f"It stopped with {got.error}{where}."
    if got.unwritten:
        return "unwritten", "For this input it returns nothing: is a return missing?"
    names = exercise.outputs
    if got.bundle != want.bundle:
        expected = f"a tuple ({', '.join(names)})" if want.bundle else f"one array, {names[0]}"
        returned = f"{got.bundle} things" if got.bundle else f"one {got.parts[0].type}"
        return "type", f"It should return {expected}; it returns {returned}."
    for name, mine, theirs in zip(names, got.parts, want.parts, strict=True):
        if mine.shape != theirs.shape and (mine.shape or mine.values is not None):
            return "shape", (
                f"{name} should have shape {theirs.shape} here; yours has {mine.shape}."
            )
        if mine.values is None:
            return "type", f"{name} should be an array of real numbers; yours is: {mine.type}."
        if not np.isfinite(mine.values).all():
            return "nan", _unbounded(name, mine.values)
    return None


def _unbounded(name: str, values: np.ndarray) -> str:
    """What is to be said of values that are not all finite: how many, and what makes such."""
    if np.isnan(values).any():
        what = "NaN"
        n = np.isnan(values).sum()
        makers = "0 / 0, inf - inf, and a root or logarithm of a negative number give NaN"
    else:
        what = "infinite"
        n = np.isinf(values).sum()
        makers = "a division by zero, a logarithm of zero and an overflow give infinity"
    where = f"{n} of {values.size}" + (f", in shape {values.shape}" if values.shape else "")
    return f"{name} contains values that are {what} ({where}): {makers}."


def _numbers(exercise: Exercise, failed: list[tuple[Attempt, Attempt]]) -> tuple[str, str]:
    """The nearest true thing about attempts whose shapes are right and whose numbers are not."""
    names = exercise.outputs
    tolerance = exercise.tolerance
    good = [
        all(_close(got.parts[i], want.parts[i], tolerance) for got, want in failed)
        for i in range(len(names))
    ]
    bad = good.index(False)
    pairs = [(got.parts[bad].values, want.parts[bad].values) for got, want in failed]
    kind, sentence = _pattern(names[bad], pairs, tolerance)
    if any(good):
        fine = " and ".join(name for name, ok in zip(names, good, strict=True) if ok)
        sentence = f"{fine} is right, {names[bad]} is not: {sentence[0].lower()}{sentence[1:]}"
        kind = "part" if kind == "wrong" else kind
    return kind, sentence


def _pattern(name: str, pairs: list, tolerance: float) -> tuple[str, str]:
    def every(transform) -> bool:
        return all(_near(transform(got, want), want, tolerance) for got, want in pairs)

    if every(lambda got, want: -got):
        return "sign", f"{name} is right up to its sign."
    several = any(want.size > 1 for _, want in pairs)
    if several and every(lambda got, want: got - (got - want).mean()):
        return "constant", (
            f"{name} is right up to a constant: the same amount is missing from, or added to, "
            "every value of a batch."
        )
    if several and every(lambda got, want: got * (want * got).sum() / ((got * got).sum() or 1)):
        return "factor", f"{name} is right up to a factor that is the same for a whole batch."
    if all(want.ndim == 2 for _, want in pairs):
        for first, word in ((0, "even"), (1, "odd")):
            if all(_near(got[:, first::2], want[:, first::2], tolerance) for got, want in pairs):
                return "part", f"The {word} coordinates of {name} are right, the others are not."
    if any(want.ndim and len(want) > 1 for _, want in pairs) and all(
        _near(np.sort(got, axis=0), np.sort(want, axis=0), tolerance) for got, want in pairs
    ):
        return "wrong", f"{name} holds the right values in the wrong order."
    return "wrong", f"The values of {name} are wrong, in a way this check has no name for."


def _same(a: Attempt, b: Attempt, tolerance: float) -> bool:
    if a.error or b.error or a.unwritten or b.unwritten or a.bundle != b.bundle:
        return False
    return all(_close(p, q, tolerance) for p, q in zip(a.parts, b.parts, strict=True))


def _close(a: Part, b: Part, tolerance: float) -> bool:
    if a.values is None or b.values is None or a.shape != b.shape:
        return False
    return _near(a.values, b.values, tolerance)


def _near(got: np.ndarray, want: np.ndarray, tolerance: float) -> bool:
    """Close where ``want`` is finite; elsewhere the same infinity, or NaN in both."""
    same = (got == want) | (np.isnan(got) & np.isnan(want))
    with np.errstate(invalid="ignore"):
        close = np.abs(got - want) <= tolerance * (1 + np.abs(want))
    return bool(np.where(np.isfinite(want), close, same).all())


def _finite(one: Attempt) -> bool:
    return any(p.values is not None and np.isfinite(p.values).any() for p in one.parts)


def _shape(want: Attempt) -> str:
    return " and ".join(str(part.shape) for part in want.parts)
