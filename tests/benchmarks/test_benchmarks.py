"""The benchmarks run, and the ratio they report is the one that was there."""

import time

import pytest
import torch

from benchmarks import losses, nice, samplers, solvers
from benchmarks.timing import ratio

pytestmark = pytest.mark.filterwarnings("ignore")  # normflows' own
KEYS = {"text", "ratio", "spread", "against"}


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
    assert all(set(row) == KEYS for row in rows)


def in_order(rows, chapters):
    assert all(set(row) == KEYS | {"chapter"} for row in rows)
    assert {row["chapter"] for row in rows} == chapters
    texts = [(row["text"], row["against"]) for row in rows]
    assert len(set(texts)) == len(texts)  # no row says the same as another


def test_samplers_are_compared_with_their_equals(outcomes):
    """Eight comparisons with diffusers end at its very points; eight are with evaluations alone."""
    rows = list(samplers.measure())
    in_order(rows, {"2. DDIM", "3. SDE", "4. ODE", "5. Rectified flow"})
    assert len(rows) == 16 and sum("diffusers" in row["against"] for row in rows) == 8
    for ours, theirs in outcomes[:8]:  # single precision: its rounding is that of the largest
        close = 3e-6 * theirs.abs().max().item()
        torch.testing.assert_close(ours, theirs, atol=close, rtol=0)
    assert all(theirs is None for _, theirs in outcomes[8:])
    counts = [row["text"].split(": ")[1].split()[0] for row in rows[8:]]
    assert counts[:5] == ["50", "50", "50", "50", "100"] and counts[6:] == ["50", "100"]


def test_solvers_are_compared_with_their_equals(outcomes):
    """The same end within the tolerance; the same evaluations as scipy, about torchdiffeq's."""
    rows = list(solvers.measure())
    in_order(rows, {"4. ODE"})
    assert len(rows) == 2 * 2 * 3 + 2
    for ours, theirs in outcomes:
        torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-3)
    for row in rows:
        if row["text"].startswith(("evaluations", "root")):
            lowest, highest = (0.99, 1.01) if row["against"] == "scipy's" else (0.05, 2)
            assert lowest < row["ratio"] < highest and row["spread"] == (row["ratio"],) * 2


def test_losses_are_compared_with_their_equals(outcomes):
    """Every step runs; ours and a library's have the same mean over many draws."""
    rows = list(losses.measure())
    in_order(rows, {"2. DDIM", "3. SDE", "5. Rectified flow"})
    assert len(rows) == len(outcomes) == 5
    net, x = samplers.network(), torch.randn(20_000, 2, generator=torch.Generator().manual_seed(1))
    for _, name, against, ours, theirs in losses.pairs():
        if "alone" not in against:
            assert ours(net, x).item() == pytest.approx(theirs(net, x).item(), rel=0.05), name
