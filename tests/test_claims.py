"""Claims hold exactly where their bound says, say so in one line, and leave a full record."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers.claims import ClaimError, claim, margin, recording

FINITE = st.floats(-1e6, 1e6)
SANITISER = Path(__file__).resolve().parents[1] / "tools" / "build" / "nbval_sanitize.cfg"


def outcome(measured, **bound):
    """Whether a claim holds, told by what it raises."""
    try:
        claim("a-b", measured, data="exact", **bound)
    except ClaimError:
        return False
    return True


@given(FINITE, FINITE)
def test_one_sided_bounds(measured, limit):
    assert outcome(measured, at_least=limit) == (measured >= limit)
    assert outcome(measured, at_most=limit) == (measured <= limit)


@given(FINITE, FINITE, FINITE)
def test_two_sided_bounds(measured, one, other):
    low, high = sorted((one, other))
    assert outcome(measured, at_least=low, at_most=high) == (low <= measured <= high)


@given(FINITE, FINITE, st.floats(0, 1e6))
def test_near(measured, value, tolerance):
    assert outcome(measured, near=(value, tolerance)) == (abs(measured - value) <= tolerance)


@pytest.mark.parametrize("measured", [math.nan, math.inf, -math.inf, torch.tensor(math.nan)])
@pytest.mark.parametrize("bound", [{"at_least": 0}, {"at_most": 0}, {"near": (0, 1)}])
def test_what_is_not_finite_violates_every_bound(measured, bound):
    assert not outcome(measured, **bound)


@pytest.mark.parametrize(
    "measured", [2, 2.0, np.float32(2), np.ones(1) * 2, torch.tensor(2), torch.full((1, 1), 2.0)]
)
def test_numbers_arrays_and_tensors_are_measured(measured):
    with recording() as records:
        claim("a-b", measured, at_least=2, at_most=2, data="exact")
    assert records[0]["measured"] == 2.0 and type(records[0]["measured"]) is float


def test_a_claim_gives_nothing_back():
    # or a notebook would show an unmasked number below its line
    assert claim("a-b", 1, at_most=2, data="exact") is None


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"at_most": None}, "needs a bound"),
        ({"id": "nice"}, "id must look like"),
        ({"id": "Nice-log-det"}, "id must look like"),
        ({"id": "nice-log_det"}, "id must look like"),
        ({"id": "nice-log-det "}, "id must look like"),
        ({"id": None}, "id must look like"),
        ({"data": "synthetic"}, "data must be one of"),
        ({"measured": "3"}, "measured must be a number, got '3'"),
        ({"measured": True}, "measured must be a number, got True"),
        ({"measured": 1j}, "measured must be a number"),
        ({"measured": None}, "measured must be a number, got None"),
        ({"measured": torch.ones(2)}, r"measured must be one number, got shape \(2,\)"),
        ({"measured": torch.tensor(True)}, "measured must be a number"),
        ({"at_most": math.nan}, "at_most must be finite"),
        ({"at_most": math.inf}, "at_most must be finite"),
        ({"at_most": "1"}, "at_most must be a number"),
        ({"at_least": 3}, "at_least must not exceed at_most, got 3 and 2"),
        ({"near": (1, 1)}, "near must be .* the only bound"),
        ({"at_most": None, "near": 1}, "near must be"),
        ({"at_most": None, "near": (1, 2, 3)}, "near must be"),
        ({"at_most": None, "near": (1, -1)}, "tolerance must not be negative, got -1"),
        ({"at_most": None, "near": (1, math.inf)}, "near must be finite"),
        ({"floor": "low"}, "floor must be a number"),
        ({"oracle": ("best", math.nan)}, "oracle must be finite"),
    ],
)
def test_bad_input(changes, complaint):
    arguments = {"id": "nice-log-det", "measured": 1, "at_most": 2, "data": "exact"} | changes
    with recording() as records, pytest.raises(ValueError, match=complaint):
        claim(arguments.pop("id"), arguments.pop("measured"), **arguments)
    assert not records


def test_the_line(capsys):
    claim("nice-error", 1.23456e-7, at_most=1e-5, data="exact")
    claim("nice-nats", 58.4321, at_least=50, at_most=60, unit="nats", data="real")
    claim("nice-mass", 0.99998, near=(1, 1e-3), floor=0.5, oracle=("exact", 1), data="simulated")
    assert capsys.readouterr().out.splitlines() == [
        "claim nice-error: holds | measured 1.235e-07 | at most 1e-05",
        "claim nice-nats: holds | measured 58.43 nats | at least 50 and at most 60",
        "claim nice-mass: holds | measured 1 | within 0.001 of 1 | floor 0.5 | oracle 1 (exact)",
    ]


def test_a_violation_tells_all(capsys):
    with recording() as records, pytest.raises(ClaimError) as caught:
        claim("nice-nats", 40.0, at_least=50, floor=("Gaussian", 30), unit="nats", data="real")
    line = "claim nice-nats: FAILS | measured 40 nats | at least 50 | floor 30 (Gaussian)"
    assert str(caught.value) == line and capsys.readouterr().out == line + "\n"
    assert isinstance(caught.value, AssertionError)
    assert caught.value.record == records[0]
    assert records[0]["holds"] is False and records[0]["measured"] == 40


def test_the_record():
    with recording() as records:
        claim(
            "nice-nats", 1 / 3, at_most=1, floor=("Gaussian", 2), oracle=0, unit="nats",
            text="mean", data="real, proxy labels", seed=4, device="cpu",
        )  # fmt: skip
    assert json.loads(json.dumps(records[0], allow_nan=False)) == records[0]
    versions = records[0].pop("versions")
    assert sorted(versions) == ["numpy", "python", "torch"]
    assert (
        versions["numpy"] == np.__version__
        and versions["torch"] == torch.__version__.partition("+")[0]
    )
    assert records[0] == {
        "id": "nice-nats",
        "text": "mean",
        "holds": True,
        "measured": 1 / 3,
        "bound": {"at_most": 1.0},
        "floor": {"name": "Gaussian", "value": 2.0},
        "oracle": {"name": "", "value": 0.0},
        "unit": "nats",
        "data": "real, proxy labels",
        "seed": 4,
        "device": "CPU",
    }


def test_a_record_of_nan_is_still_json():
    with recording() as records, pytest.raises(ClaimError, match="measured nan"):
        claim("a-b", math.nan, at_most=1, data="exact")
    assert json.loads(json.dumps(records[0], allow_nan=False))["measured"] == "nan"
    assert margin(records[0]["bound"], records[0]["measured"]) < 0


def test_an_id_is_used_once_in_a_recording():
    with recording() as outer:
        claim("a-b", 1, at_most=2, data="exact")
        with pytest.raises(ValueError, match="claim a-b is made twice"):
            claim("a-b", 1, at_most=2, data="exact")
        with recording() as inner:
            claim("a-c", 1, at_most=2, data="exact")
    claim("a-b", 1, at_most=2, data="exact")
    assert [r["id"] for r in outer] == ["a-b", "a-c"] and [r["id"] for r in inner] == ["a-c"]


def test_a_recording_ends_with_an_error():
    with pytest.raises(RuntimeError), recording() as records:
        raise RuntimeError
    claim("a-b", 1, at_most=2, data="exact")
    assert records == []


@given(FINITE, st.sampled_from([{"at_least": -3.0}, {"near": [1.0, 5.0]}, {"at_most": 2.0}]))
def test_margin_is_the_distance_to_the_bound(measured, bound):
    room = margin(bound, measured)
    inwards = 1 if "at_least" in bound or (measured < 1 and "near" in bound) else -1
    assert margin(bound, measured - inwards * room) == pytest.approx(0, abs=1e-6)


def sanitised(line):
    """A line as nbval compares it."""
    pairs = re.findall(r"^regex: (.*)$\n^replace: (.*)$", SANITISER.read_text(), re.MULTILINE)
    for regex, replacement in pairs:
        line = re.sub(regex, replacement, line)
    return line


def test_the_sanitiser_masks_what_is_measured_and_nothing_else(capsys):
    for x in (1.5, -2e-12):
        claim("a-b", x, at_most=2, floor=x, oracle=("floor 3", x), unit="nats", data="exact")
    masked = [sanitised(line) for line in capsys.readouterr().out.splitlines()]
    assert (
        masked[0]
        == masked[1]
        == (
            "claim a-b: holds | measured <number> nats | at most 2 | floor <number> "
            "| oracle <number> (floor 3)"
        )
    )
