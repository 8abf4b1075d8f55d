"""Chapter 13's large profile, made small: it runs, finds again what it kept, records its rows."""

import pytest
import torch

from helpers.ann.hnsw import Hnsw
from tools import book, full_ann
from tools.full_ann import record, rows, run


@pytest.fixture
def every(monkeypatch):
    """A thousand vectors of ten coordinates, and knobs for so few."""
    monkeypatch.setattr(full_ann, "CELLS", 16)
    monkeypatch.setattr(full_ann, "PROBES", (1, 8))
    monkeypatch.setattr(full_ann, "EFS", (10, 40))
    monkeypatch.setattr(full_ann, "PARTS", 5)
    return torch.randn(1000, 10, generator=torch.Generator().manual_seed(0))


def test_it_measures_every_row_once(every, tmp_path, monkeypatch):
    values = run(every, tmp_path, 50)
    assert set(values) == {row["text"] for row in rows()} and len(values) == 2 + 8 + 2
    found = {text.removeprefix("GloVe 400k, "): value for text, value in values.items()}
    assert found["HNSW, M = 16, ef = 40"] > 0.95 >= found["IVF, 16 cells, probes = 1"]
    assert found["IVF, 16 cells, probes = 1"] < found["IVF, 16 cells, probes = 8"]
    codes = [found[f"IVF-PQ, 5 bytes, 8 probes, {n} re-ranked"] for n in (0, 100)]
    assert 0.3 < codes[0] < codes[1]
    monkeypatch.setattr(Hnsw, "build", None)  # nothing is built again
    assert run(every, tmp_path, 50) == values
    left = {text: value for text, value in values.items() if "ef" not in text}
    book.write_json(tmp_path / "values.json", left)
    again = run(every, tmp_path, 50)
    timed = {row["text"] for row in rows() if "a second" in row["unit"]}
    assert {t: v for t, v in again.items() if t not in timed} == {
        t: v for t, v in values.items() if t not in timed
    }


def test_rows_are_recorded_and_others_left_alone(every, tmp_path):
    path = book.generated(tmp_path, "large.json")
    path.parent.mkdir(parents=True)
    other = {"text": "something else", "measured": 1.0}
    book.write_json(path, {"rows": [other]})
    record({}, "CPU", root=tmp_path)
    listed = book.read_json(path)["rows"]
    assert listed[0] == other and len(listed) == 1 + len(rows())
    assert all(row["measured"] is None for row in listed[1:])
    record({rows()[0]["text"]: 12.0}, "CPU", "; a trial", root=tmp_path)
    listed = book.read_json(path)["rows"]
    assert len(listed) == 1 + len(rows()) and listed[1]["measured"] == 12.0
    assert listed[1]["text"].endswith("; a trial") and listed[1]["versions"]["torch"]
    record({rows()[0]["text"]: 13.0}, "CPU", root=tmp_path)
    assert len(book.read_json(path)["rows"]) == 1 + len(rows())
