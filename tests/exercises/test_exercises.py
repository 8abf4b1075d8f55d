"""Every solution and every planted mistake of every graded exercise, through its check."""

import json
import math
import os
import re
import subprocess
import sys
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from helpers.exercises.attempt import attempt, from_json, to_json
from helpers.exercises.check import check
from helpers.exercises.exercise import Mistake, answers, draws, exercises, find
from helpers.exercises.judge import judge

SOURCE = Path(__file__).parents[2] / "src"
IDS = sorted(exercises())
COHORTS = ("reader", "spring", "autumn", "2031", "")
ANSWERS = {id: answers(find(id)) for id in IDS}
SOLUTIONS = [
    pytest.param(id, f, id=f"{id}-{f.__name__}")
    for id, a in ANSWERS.items()
    for f in (a.reference, *a.alternatives)
]
MISTAKES = [
    pytest.param(id, m, id=f"{id}-{i}")
    for id, a in ANSWERS.items()
    for i, m in enumerate(a.mistakes)
]


def test_chapter_one_has_its_exercises():
    assert {"nice-3", "nice-4", "nice-5", "nice-6", "nice-7"} <= set(IDS)


@pytest.mark.parametrize("id", IDS)
def test_statement_is_complete(id):
    exercise, known = find(id), ANSWERS[id]
    assert exercise.kind in ("build", "modify") and exercise.difficulty in (1, 2, 3)
    assert exercise.title and exercise.purpose.endswith(".")
    assert len(known.alternatives) >= 2 and len(known.mistakes) >= 4
    sentences = [m.sentence for m in known.mistakes]
    assert len(set(sentences)) == len(sentences) and all(s.endswith(".") for s in sentences)
    inputs = draws(exercise, "reader")
    assert all(len(arguments) == len(exercise.arguments) for arguments in inputs)
    arrays = [[a for a in arguments if isinstance(a, torch.Tensor)] for arguments in inputs]
    assert all(a.dtype == torch.float64 for row in arrays for a in row)
    batches = [row[0].shape[0] for row in arrays]
    assert 1 in batches and len({row[0].shape for row in arrays}) >= 3


@pytest.mark.parametrize("cohort", COHORTS)
@pytest.mark.parametrize(("id", "function"), SOLUTIONS)
def test_every_solution_is_right(id, function, cohort):
    verdict = check(id, function, cohort=cohort)
    assert verdict and verdict.kind == "right", verdict


@pytest.mark.parametrize("cohort", COHORTS)
@pytest.mark.parametrize(("id", "mistake"), MISTAKES)
def test_every_mistake_gets_its_own_sentence(id, mistake, cohort, capsys):
    verdict = check(id, mistake.function, cohort=cohort)
    assert not verdict and verdict.kind == "mistake", verdict
    assert verdict.sentence == mistake.sentence
    printed = capsys.readouterr().out
    assert printed == f"{id}: not yet. {mistake.sentence}\n"
    assert not re.search(r"\d\.\d", printed)


# The references, against oracles that share no formula with them.


def test_log_prob_agrees_with_autograd():
    x, m, log_scale = draws(find("nice-3"), "oracle")[0]

    def forward(row):
        y = row.clone()
        y[1::2] = row[1::2] + m(row[None, ::2])[0]
        return log_scale.exp() * y

    z = torch.stack([forward(row) for row in x])
    jacobian = torch.stack([torch.func.jacrev(forward)(row) for row in x])
    base = torch.distributions.TransformedDistribution(  # the standard logistic, by name
        torch.distributions.Uniform(torch.zeros(6).double(), 1.0),
        [torch.distributions.SigmoidTransform().inv],
    )
    oracle = base.log_prob(z).sum(1) + torch.linalg.slogdet(jacobian).logabsdet
    torch.testing.assert_close(ANSWERS["nice-3"].reference(x, m, log_scale), oracle)


def test_inverse_undoes_the_forward_map():
    for x, m1, m2 in draws(find("nice-4"), "oracle"):
        y = x.clone()
        y[:, 1::2] += m1(y[:, ::2])
        y[:, ::2] += m2(y[:, 1::2])
        torch.testing.assert_close(ANSWERS["nice-4"].reference(y, m1, m2), x)


def test_affine_log_det_agrees_with_autograd():
    affine = ANSWERS["nice-5"].reference
    for x, s, t in draws(find("nice-5"), "oracle"):
        jacobian = torch.stack(
            [torch.func.jacrev(lambda r, s=s, t=t: affine(r[None], s, t)[0][0])(row) for row in x]
        )
        sign, log_det = torch.linalg.slogdet(jacobian)
        assert (sign == 1).all()
        torch.testing.assert_close(affine(x, s, t)[1], log_det)


def test_bits_of_known_distributions():
    bits = ANSWERS["nice-6"].reference
    uniform = torch.zeros(3, dtype=torch.float64)  # density one on [0, 1)^D: log2 n bits each
    torch.testing.assert_close(bits(uniform, 5, 256), torch.full((3,), 8.0).double())
    # A coin with P(1) = 1/8 in each of 2 dimensions, spread evenly over the halves of [0, 1).
    log_prob = torch.tensor([2 * math.log(2 / 8), math.log(2 / 8) + math.log(2 * 7 / 8)]).double()
    oracle = torch.tensor([3.0, (3 - math.log2(7 / 8)) / 2]).double()
    torch.testing.assert_close(bits(log_prob, 2, 2), oracle)


def test_tempered_density_has_the_law_of_scaled_latents():
    """The latent of a sample at temperature tau is tau z: quadrature of its distribution."""
    (_, flow, tau), *_ = [d for d in draws(find("nice-7"), "oracle") if d[0].shape[1] == 2]
    axis = torch.linspace(-60, 60, 1501, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    mass = ANSWERS["nice-7"].reference(grid, flow, tau).exp() * (axis[1] - axis[0]) ** 2
    assert abs(mass.sum().item() - 1) < 1e-3
    inside = (flow(grid)[0].abs() < tau * math.log(3)).all(dim=1)  # logistic: |z| < log 3 has 1/2
    assert abs(mass[inside].sum().item() - 1 / 4) < 1e-2


# What a reader may hand in.


def _kind(id, function):
    return check(id, function).kind


@pytest.mark.parametrize("id", IDS)
def test_float32_and_requires_grad_are_accepted(id):
    reference = ANSWERS[id].reference

    def single(*arguments):
        return reference(*(a.float() if isinstance(a, torch.Tensor) else a for a in arguments))

    def with_grad(x, *rest):
        return reference(x.requires_grad_(), *rest)

    assert check(id, single) and check(id, with_grad)


@pytest.mark.parametrize("id", IDS)
def test_stubs_are_not_written_yet(id):
    def stub(*arguments):
        raise NotImplementedError

    for function in (lambda *a: None, lambda *a: ..., stub, None, ...):
        verdict = check(id, function)
        assert not verdict and verdict.kind == "unwritten"


@pytest.mark.parametrize("id", IDS)
def test_crash_is_a_verdict_with_type_message_and_line(id):
    def crash(*arguments):
        return [0, 1][len(arguments) + 7]

    def leave(*arguments):
        sys.exit("bye")

    verdict = check(id, crash)
    assert verdict.kind == "error" and "IndexError: list index out of range" in verdict.sentence
    assert "return [0, 1][len(arguments) + 7]" in verdict.sentence
    assert "SystemExit: bye" in check(id, leave).sentence
    assert "TypeError" in check(id, lambda: 1).sentence


def test_crash_inside_a_library_names_the_readers_line():
    def crash(x, m, log_scale):
        return m(x)  # wrong width

    assert "return m(x)  # wrong width" in check("nice-3", crash).sentence


@pytest.mark.parametrize("id", IDS)
def test_nan_shape_type(id):
    reference, names = ANSWERS[id].reference, find(id).outputs

    def change(function):
        def changed(*arguments):
            result = reference(*arguments)
            many = isinstance(result, tuple)
            return tuple(map(function, result)) if many else function(result)

        return changed

    assert _kind(id, change(lambda a: a * torch.nan)) == "nan"
    assert "infinite" in check(id, change(lambda a: a + torch.inf)).sentence
    verdict = check(id, change(lambda a: a[..., None]))
    assert verdict.kind == "shape" and "should have shape (5" in verdict.sentence
    assert _kind(id, change(lambda a: "eleven")) == "type"
    assert _kind(id, change(lambda a: {"a": a})) == "type"
    assert _kind(id, change(lambda a: a + 0j)) == "type"
    assert _kind(id, change(lambda a: torch.zeros(400, 400))) == "shape"
    bundle = check(id, lambda *a: (1.0, 2.0, 3.0))
    assert bundle.kind == "type" and "it returns 3 things" in bundle.sentence
    if len(names) == 2:
        one = check(id, lambda *a: reference(*a)[0])
        assert one.kind == "type" and f"({', '.join(names)})" in one.sentence


def test_what_makes_nan_and_infinity_is_said_with_how_many_there_are():
    reference = ANSWERS["ann-3"].reference

    def spoilt(value):
        def lift(x, radius):
            lifted = reference(x, radius)
            lifted[0, -1] = value
            return lifted

        return check("ann-3", lift).sentence

    said = spoilt(torch.nan)
    assert "values that are NaN (1 of 20, in shape (5, 4)): 0 / 0" in said and "root" in said
    for sign in (1, -1):
        said = spoilt(sign * torch.inf)
        assert "values that are infinite (1 of 20, in shape (5, 4)): a division by zero" in said


def test_a_mistake_that_gives_nan_or_infinity_is_named_and_told_from_others():
    """Where both hold the same NaN or infinity; an infinity is near no number, NaN near nothing."""
    id, mistakes = "ann-3", ANSWERS["ann-3"].mistakes
    (lengths,) = [m for m in mistakes if m.sentence.startswith("You use radius where")]
    outputs = [lengths.function(*arguments) for arguments in draws(find(id), "reader")]
    assert any(a.isnan().any() for a in outputs) and all(a.isfinite().any() for a in outputs)
    assert check(id, lengths.function).kind == "mistake"
    for other in (0.0, torch.inf):
        unlike = check(id, lambda *a, v=other: lengths.function(*a).nan_to_num(v, v, v))
        assert unlike.kind != "mistake" or unlike.sentence != lengths.sentence
    (own,) = [m for m in ANSWERS["matching-4"].mistakes if "belongs into the sum" in m.sentence]
    for value in (-1e30, torch.inf, torch.nan):

        def near(*arguments, value=value):
            loss = own.function(*arguments)
            return torch.where(loss.isfinite(), loss, value)

        assert check("matching-4", near).sentence != own.sentence


@pytest.mark.parametrize("id", IDS)
def test_nan_everywhere_is_nobodys_mistake(id):
    for value in (torch.nan, torch.inf):

        def nothing(*arguments, value=value):
            result = ANSWERS[id].reference(*arguments)
            many = isinstance(result, tuple)
            parts = [torch.full_like(a, value) for a in (result if many else (result,))]
            return tuple(parts) if many else parts[0]

        planted = (Mistake("never to be said.", nothing),)
        known, inputs = replace(ANSWERS[id], mistakes=planted), list(draws(find(id), "reader"))
        assert judge(find(id), known, inputs, attempt(find(id), nothing, inputs)).kind == "nan"


def test_a_shape_that_ignores_the_input_is_named():
    verdict = check("nice-3", lambda *arguments: torch.zeros(5))
    assert verdict.kind == "shape" and "should have shape (1,) here; yours has (5,)" in str(verdict)


def test_squeezing_a_batch_of_one_is_named():
    def squeezed(*arguments):
        return ANSWERS["nice-3"].reference(*arguments).squeeze()

    verdict = check("nice-3", squeezed)
    assert verdict.kind == "shape" and verdict.sentence.startswith("Right where the output has")
    assert "should have shape (1,) here; yours has ()" in verdict.sentence


def test_nearest_true_thing():
    log_prob, inverse = ANSWERS["nice-3"].reference, ANSWERS["nice-4"].reference
    assert _kind("nice-3", lambda *a: -log_prob(*a)) == "sign"
    assert _kind("nice-3", lambda *a: log_prob(*a) + 3) == "constant"
    assert _kind("nice-3", lambda *a: log_prob(*a) * 3) == "factor"
    assert _kind("nice-3", lambda *a: log_prob(*a).flip(0)) == "some"  # a batch of one is right
    assert "wrong order" in check("nice-3", lambda *a: log_prob(*a).flip(0)).sentence
    assert _kind("nice-3", lambda x, m, s: x.sum(1)) == "wrong"

    def evens_only(y, m1, m2):
        x = inverse(y, m1, m2)
        x[:, 1::2] = x[:, 1::2] ** 3
        return x

    verdict = check("nice-4", evens_only)
    assert verdict.kind == "part" and "even coordinates of x are right" in verdict.sentence

    def y_only(x, s, t):
        y, log_det = ANSWERS["nice-5"].reference(x, s, t)
        return y, log_det.sin()

    assert check("nice-5", y_only).sentence.startswith("y is right, log_det is not: ")


def test_a_wrong_answer_close_by_is_rejected():
    for id, known in ANSWERS.items():
        if len(find(id).outputs) == 1:
            assert not check(id, lambda *a, known=known: known.reference(*a) + 1e-3)


def test_changed_arguments_are_told_of_and_do_not_spoil_the_check():
    def in_place(y, m1, m2):
        y[:, ::2] -= m2(y[:, 1::2])
        y[:, 1::2] -= m1(y[:, ::2])
        return y

    verdict = check("nice-4", in_place)
    assert verdict and "changes its argument y in place" in verdict.sentence
    before = [arguments[0].clone() for arguments in draws(find("nice-4"), "reader")]
    after = [arguments[0] for arguments in draws(find("nice-4"), "reader")]
    assert all(map(torch.equal, before, after))


def test_a_result_instead_of_the_function():
    verdict = check("nice-3", torch.zeros(5))
    assert verdict.kind == "error" and "pass log_prob without calling it" in verdict.sentence


def test_unknown_id_lists_the_ids():
    with pytest.raises(ValueError, match=r"nice-3, nice-4.*got 'nice-99'"):
        check("nice-99", lambda: 0)


def test_no_verdict_holds_an_expected_number(capsys):
    """Near misses of every kind print no decimal number, so none of the answer's."""
    for id in IDS:
        reference = ANSWERS[id].reference
        for change in (torch.neg, torch.sin, lambda a: a + 2, lambda a: a * 2, torch.sum):

            def wrong(*arguments, change=change, reference=reference):
                result = reference(*arguments)
                return tuple(map(change, result)) if isinstance(result, tuple) else change(result)

            assert not check(id, wrong)
    assert not re.search(r"\d\.\d|\de-\d", capsys.readouterr().out)


# Cohorts.


def _numbers(id, cohort):
    return torch.cat(
        [a.flatten() for d in draws(find(id), cohort) for a in d if torch.is_tensor(a)]
    )


@pytest.mark.parametrize("id", IDS)
def test_a_cohort_draws_the_same_inputs_and_another_draws_others(id, monkeypatch):
    torch.manual_seed(1)
    first = _numbers(id, "spring")
    torch.manual_seed(2)
    assert torch.equal(first, _numbers(id, "spring"))
    # What a word adds is nought, whatever the cohort, where it does not stand; nothing else is.
    drawn = first != 0 if id == "matching-3" else torch.ones_like(first, dtype=torch.bool)
    assert drawn.double().mean() > 0.5
    assert not torch.isclose(first, _numbers(id, "autumn"))[drawn].any()
    monkeypatch.setenv("HELPERS_COHORT", "a secret")
    hidden = _numbers(id, "spring")
    assert not torch.isclose(first, hidden)[drawn].any()
    given = [a for d in draws(find(id), "spring", "a secret") for a in d if torch.is_tensor(a)]
    assert torch.equal(hidden, torch.cat([a.flatten() for a in given]))


def test_the_global_generator_is_left_alone():
    torch.manual_seed(0)
    state = torch.get_rng_state()
    check("nice-5", ANSWERS["nice-5"].reference)
    assert torch.equal(state, torch.get_rng_state())


# The record of an attempt travels between processes.


@pytest.mark.parametrize(("id", "function"), SOLUTIONS)
def test_a_record_survives_json(id, function):
    exercise, inputs = find(id), draws(find(id), "reader")
    records = json.loads(json.dumps(to_json(attempt(exercise, function, inputs)), allow_nan=False))
    assert judge(exercise, ANSWERS[id], inputs, from_json(records))
    with pytest.raises(ValueError, match="attempts"):
        judge(exercise, ANSWERS[id], inputs, from_json(records[1:]))


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(
        st.sampled_from(["error", "line", "unwritten", "bundle", "parts", "changed", "x"]), inner
    ),
)  # fmt: skip
_part = st.fixed_dictionaries({"type": _json, "shape": _json, "values": _json})
_record = st.fixed_dictionaries(
    {"error": _json, "line": _json, "unwritten": _json, "bundle": _json,
     "parts": st.lists(_part) | _json, "changed": _json}
)  # fmt: skip


@settings(deadline=None, max_examples=100)
@given(_json | st.lists(_record | _json))
def test_a_forged_record_is_a_value_error_at_worst(forged):
    exercise = find("nice-5")
    inputs = draws(exercise, "reader")
    try:
        assert not judge(exercise, ANSWERS["nice-5"], inputs, from_json(forged))
    except ValueError:
        pass


BLOCKER = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ImportError(f"{name} is blocked", name=name)
sys.meta_path.insert(0, Block())
from helpers.exercises.check import check
def inverse(y, m1, m2):
    x = y.clone()
    x[:, ::2] -= m2(y[:, 1::2])
    x[:, 1::2] -= m1(x[:, ::2])
    return x
sys.exit(0 if check("nice-4", inverse) and not check("nice-3", inverse) else 1)
"""


def _requirements(*names):
    """The named distributions and all that they require, by canonical name."""
    found, waiting = set(), [canonicalize_name(name) for name in names]
    while waiting:
        name = waiting.pop()
        if name not in found and name in INSTALLED:
            found.add(name)
            needs = [Requirement(r) for r in metadata.requires(name) or []]
            here = [r for r in needs if not r.marker or r.marker.evaluate({"extra": ""})]
            waiting += [canonicalize_name(r.name) for r in here]
    return found


INSTALLED = {canonicalize_name(d.metadata["Name"]) for d in metadata.distributions()}


def test_needs_only_torch_and_numpy():
    """Colab installs the package with --no-deps: block whatever else could be imported."""
    allowed = _requirements("torch", "numpy")
    packages = metadata.packages_distributions().items()
    blocked = {top for top, of in packages if not allowed & {canonicalize_name(o) for o in of}}
    assert {"matplotlib", "IPython", "scipy", "sklearn"} <= blocked
    run = subprocess.run(
        [sys.executable, "-c", f"BLOCKED = {blocked - {'helpers'}!r}\n{BLOCKER}"],
        env={**os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_lists_of_numbers_and_arrays_are_values():
    reference = ANSWERS["nice-6"].reference
    assert check("nice-6", lambda *a: reference(*a).tolist())
    assert check("nice-6", lambda *a: list(reference(*a)))
    assert check("nice-6", lambda *a: np.asarray(reference(*a)))
