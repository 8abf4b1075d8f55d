"""Chapter 11's large profile, made small: it learns, and goes on where it stopped."""

import pytest
import torch

from helpers.ctr.metrics import auc
from tools.build import book
from tools.large import fm
from tools.large.fm import Plan, build, logits, rows, run, train

SMALL = Plan(dim=3, hidden=(8,), batch=64, n_epochs=6, lr=0.05, decays=(0.0, 0.3))
SIZES = (12, 9)


def part(n, seed):
    """Clicks that a planted table of rank one decides."""
    generator = torch.Generator().manual_seed(seed)
    fields = torch.stack([torch.randint(s, (n,), generator=generator) for s in SIZES], 1)
    sign = (fields[:, 0] % 2 * 2 - 1) * (fields[:, 1] % 2 * 2 - 1)
    clicks = (torch.rand(n, generator=generator) < (2.0 * sign).sigmoid()).double()
    return fields, clicks


PARTS = [part(n, seed) for seed, n in enumerate((600, 200, 300))]


class Stop(Exception):
    pass


def test_it_learns_what_is_planted_and_keeps_the_best_epoch():
    seen = []
    model = build("FM", SIZES, SMALL)
    best = train(model, PARTS[0], PARTS[1], SMALL, 0.0, seen.append)
    assert len(seen) == 6 and best == max(seen)
    assert auc(logits(model, PARTS[1][0]), PARTS[1][1]) == best
    assert auc(logits(model, PARTS[2][0]), PARTS[2][1]) > 0.8


def test_it_goes_on_after_an_interruption(tmp_path):
    whole = run(PARTS, SIZES, SMALL, tmp_path / "whole")
    assert list(whole) == [row["text"] for row in rows()]
    calls = iter(range(14))

    def watch(reached):
        if next(calls, None) is None:
            raise Stop

    with pytest.raises(Stop):
        run(PARTS, SIZES, SMALL, tmp_path / "again", watch)
    assert len(book.read_json(tmp_path / "again" / "values.json")) == 2
    seen = []
    assert run(PARTS, SIZES, SMALL, tmp_path / "again", seen.append) == whole
    assert len(seen) == 2 * 2 * 6  # the whole bar, what was done before included


def test_the_decay_is_chosen_on_validation_data(tmp_path):
    """Not on the test: stored values with a better test and a worse validation are not taken."""
    done = {
        f"{name}, decay {decay:g}": {"valid": valid, "AUC": 1 - valid, "log loss": valid}
        for name in fm.REPORTED
        for decay, valid in ((0.0, 0.6), (0.3, 0.7))
    }
    book.write_json(tmp_path / "values.json", done)
    found = run(PARTS, SIZES, SMALL, tmp_path)
    assert found["Frappe, FM, AUC"] == pytest.approx(0.3) and found["Frappe, FM, log loss"] == 0.7


def test_the_models_are_the_reported_ones():
    assert isinstance(build("DeepFM", SIZES, Plan()), fm.DeepFM)
    assert isinstance(build("FM", SIZES, Plan()), fm.FM)
    assert (Plan.dim, Plan.hidden, Plan.batch, Plan.lr) == (10, (400, 400, 400), 4096, 1e-3)
    assert [row["reported"].split()[0] for row in rows()] == [
        "0.9671",
        "0.2065",
        "0.9842",
        "0.1482",
    ]
