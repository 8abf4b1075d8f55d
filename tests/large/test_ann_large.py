"""Chapter 13's large profile, made small: it runs, and finds again what it kept."""

import pytest
import torch

from helpers.ann.hnsw import Hnsw
from tools.build import book
from tools.large import ann
from tools.large.ann import rows, run


@pytest.fixture
def every(monkeypatch):
    """A thousand vectors of ten coordinates, and knobs for so few."""
    monkeypatch.setattr(ann, "CELLS", 16)
    monkeypatch.setattr(ann, "PROBES", (1, 8))
    monkeypatch.setattr(ann, "EFS", (10, 40))
    monkeypatch.setattr(ann, "PARTS", 5)
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
