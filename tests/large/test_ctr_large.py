"""Chapter 10's large profile, made small: it runs, and keeps what it has done."""

import math
from types import SimpleNamespace

import pytest
import torch

from helpers.ctr import metrics
from tools.build import book
from tools.large import ctr
from tools.large.ctr import Plan, fields, rows, run, scores

SMALL = Plan(batch=50, n_buckets=64, dim=4, hidden=(8,), n_passes=3, mlp_batch=100)
SIZES = [20, 12, 5]


def clicks(n=3000, seed=0):
    """Three fields and clicks that depend on them; the user first."""
    g = torch.Generator().manual_seed(seed)
    ids = torch.stack([torch.randint(s, (n,), generator=g) for s in SIZES], 1)
    effects = [torch.randn(s, generator=g) for s in SIZES]
    u = sum(e[ids[:, f]] for f, e in enumerate(effects)) - 1
    return ids, torch.rand(n, generator=g) < u.sigmoid()


IDS, LABELS = clicks()
WHOLE = {}


@pytest.fixture
def whole(tmp_path_factory):
    """One run: its folder, its values, the rows it told of."""
    if not WHOLE:
        folder, done = tmp_path_factory.mktemp("whole"), []
        values = run(IDS, SIZES, LABELS, SMALL, folder, done.append)
        WHOLE.update(folder=folder, values=values, done=done)
    return WHOLE


def test_it_measures_every_row_and_counts_its_work(whole):
    values = whole["values"]
    assert list(values) == [row["text"] for row in rows()] and len(values) == 12
    assert all(map(math.isfinite, values.values()))
    assert sum(whole["done"]) == SMALL.n_rows(2400)
    for model in ctr.MODELS[:2]:
        assert values[f"KuaiRand-Pure, {model}: normalised entropy"] < 1
        assert values[f"KuaiRand-Pure, {model}: AUC"] > 0.6


def test_what_is_done_is_not_done_again(whole, monkeypatch):
    def never(*arguments, **named):
        raise AssertionError("trained again")

    monkeypatch.setattr(ctr, "stream", never)
    monkeypatch.setattr(ctr, "network", never)
    assert run(IDS, SIZES, LABELS, SMALL, whole["folder"]) == whole["values"]


def test_it_goes_on_where_it_stopped(whole, tmp_path, monkeypatch):
    class Stop(Exception):
        pass

    def stop(*arguments):
        raise Stop

    with monkeypatch.context() as patched, pytest.raises(Stop):
        patched.setattr(ctr, "network", stop)
        run(IDS, SIZES, LABELS, SMALL, tmp_path)
    assert len(book.read_json(tmp_path / "values.json")) == 8
    assert run(IDS, SIZES, LABELS, SMALL, tmp_path) == whole["values"]


def test_no_model_sees_the_last_fifth(tmp_path):
    """Other labels there, the same predictions: compare by the scores of one fixed set."""
    changed = LABELS.clone()
    changed[2400:] = ~changed[2400:]
    values = run(IDS, SIZES, changed, SMALL, tmp_path)
    before = run(IDS, SIZES, LABELS, SMALL, tmp_path.parent / "again")
    for text in values:
        if ": AUC" in text:
            assert values[text] == pytest.approx(1 - before[text], abs=1e-9)


def test_scores_are_the_helpers():
    g = torch.Generator().manual_seed(0)
    u, y = torch.randn(500, generator=g), (torch.rand(500, generator=g) < 0.4).double()
    found = scores(u, y, torch.arange(500) % 7)
    assert found["AUC"] == metrics.auc(u, y)
    assert found["GAUC by user"] == metrics.gauc(u, y, torch.arange(500) % 7)
    assert found["normalised entropy"] == metrics.normalised_entropy(u, y)
    assert found["ECE over its floor"] > 1


def test_fields_are_in_the_order_of_time():
    log = SimpleNamespace(
        user=torch.tensor([1, 0, 1]),
        video=torch.tensor([2, 0, 1]),
        hour=torch.tensor([5, 6, 7]),
        tab=torch.tensor([0, 1, 0]),
        timestamp=torch.tensor([30, 10, 20]),
        click=torch.tensor([True, False, False]),
        user_fields=torch.arange(2 * 26).reshape(2, 26),
        video_fields=torch.arange(3 * 6).reshape(3, 6),
    )
    ids, sizes, labels = fields(log)
    assert labels.tolist() == [False, False, True]
    assert ids[:, 0].tolist() == [0, 1, 1] and ids[:, 1].tolist() == [0, 1, 2]
    assert ids[0, 4:].tolist() == [*range(8), *range(6)] and len(sizes) == 4 + 8 + 6
    assert sizes[:4] == [2, 3, 8, 2]


def test_a_share_out_of_range_is_refused(monkeypatch):
    monkeypatch.setattr("sys.argv", ["full_ctr", "--share", "0"])
    with pytest.raises(SystemExit):
        ctr.main()
