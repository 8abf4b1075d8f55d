"""The benchmarks run, and the ratio they report is the one that was there."""

import time

import pytest

from benchmarks import nice
from benchmarks.timing import ratio

pytestmark = pytest.mark.filterwarnings("ignore")  # normflows' own


def test_ratio_of_known_durations():
    best, (low, high) = ratio(
        lambda: time.sleep(0.02), lambda: time.sleep(0.005), n_rounds=5, n_calls=1
    )
    assert 2 < best < 6 and low <= high


def test_every_comparison_runs(monkeypatch):
    def once(ours, theirs, **_):
        ours()
        theirs()
        return 1.0, (1.0, 1.0)

    monkeypatch.setattr(nice, "ratio", once)
    rows = list(nice.measure())
    assert len(rows) == 7
    assert all(set(row) == {"text", "ratio", "spread", "against"} for row in rows)
