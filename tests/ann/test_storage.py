"""Every index survives a file, and nothing else is taken for one."""

import json

import numpy as np
import pytest
import torch
from ann.test_distance import points
from ann.test_indices import generator

from helpers.ann.flat import Flat
from helpers.ann.forest import Forest
from helpers.ann.hnsw import Hnsw
from helpers.ann.ivf import Ivf
from helpers.ann.ivfpq import IvfPq
from helpers.ann.kdtree import KDTree
from helpers.ann.lsh import SimHash
from helpers.ann.pq import Pq, ProductQuantizer
from helpers.ann.storage import load, save

KINDS = {
    "flat": lambda **g: Flat((64, 128)),
    "kdtree": lambda **g: KDTree(4),
    "simhash": lambda **g: SimHash(4, 3, **g),
    "forest": lambda **g: Forest(3, 10, **g),
    "ivf": lambda **g: Ivf(9, **g),
    "pq": lambda **g: Pq(ProductQuantizer(2, 3, **g)),
    "ivf-pq": lambda **g: IvfPq(Ivf(9, **g), ProductQuantizer(2, 3, **g)),
    "ivf-pq, vectors kept": lambda **g: IvfPq(Ivf(9, **g), ProductQuantizer(2, 3, **g), keep=True),
    "hnsw": lambda **g: Hnsw(4, 20, block=50, **g),
}


@pytest.mark.parametrize("kind", KINDS)
def test_saved_and_loaded_finds_the_same(kind, tmp_path):
    vectors, queries = points(200, 4), points(15, 4, seed=1)
    index = KINDS[kind](generator=generator()).build(vectors)
    expected = index.search(queries, 3)
    save(index, tmp_path / "index.npz")
    again = load(KINDS[kind](), tmp_path / "index.npz")
    found = again.search(queries, 3)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    assert torch.equal(again.n_distances, index.n_distances)
    assert [p.name for p in tmp_path.iterdir()] == ["index.npz"]


def test_a_loaded_graph_goes_on_growing(tmp_path):
    index = Hnsw(4, 20, generator=generator()).build(points(100, 3))
    save(index, tmp_path / "a.npz")
    again = load(Hnsw(), tmp_path / "a.npz")
    assert (again.n_links, again.ef_build) == (4, 20)
    more = points(50, 3, seed=1)
    ids = again.add(more)
    assert (again.search(more, 1)[1][:, 0] == ids).float().mean() > 0.9


def test_truncated_files_are_refused(tmp_path):
    save(Flat().build(points(50, 3)), tmp_path / "a.npz")
    content = (tmp_path / "a.npz").read_bytes()
    for n in (0, 1, 10, 100, len(content) // 2, len(content) - 1):
        (tmp_path / "b.npz").write_bytes(content[:n])
        with pytest.raises(ValueError, match=r"b.npz must be an index that was saved, whole"):
            load(Flat(), tmp_path / "b.npz")


def test_changed_bytes_are_refused(tmp_path):
    """The archive's own checksums see a flipped bit in any array."""
    save(Flat().build(points(50, 3)), tmp_path / "a.npz")
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[len(content) // 2] ^= 4
    (tmp_path / "b.npz").write_bytes(content)
    with pytest.raises(ValueError, match="must be an index that was saved, whole"):
        load(Flat(), tmp_path / "b.npz")


def test_foreign_files_are_refused(tmp_path):
    there = tmp_path / "b.npz"

    def other(header):
        return lambda: np.savez(there, header=np.array(header), vectors=np.ones((3, 2)))

    ran = []

    class Code:
        def __reduce__(self):
            return ran.append, (1,)

    for write in (
        lambda: there.write_text("some text"),
        lambda: there.write_bytes(b"PK\x03\x04" + bytes(200)),
        lambda: np.savez(there, vectors=np.ones((3, 2))),
        lambda: np.savez(there, header=np.array([Code()], dtype=object)),
        lambda: torch.save({"vectors": torch.ones(3, 2)}, there),
        other("no json"),
        other(json.dumps([1])),
        other(json.dumps({"format": "another"})),
        other(json.dumps({"format": "flow-and-rank index 1"})),
    ):
        write()
        with pytest.raises(ValueError, match=r"b.npz must be an index that was saved, whole"):
            load(Flat(), there)
    assert not ran
    with pytest.raises(FileNotFoundError):
        load(Flat(), tmp_path / "none.npz")


def test_another_kind_and_nothing_built_are_refused(tmp_path):
    save(KDTree().build(points(50, 3)), tmp_path / "a.npz")
    with pytest.raises(ValueError, match=r"a.npz must hold a Flat, got a KDTree"):
        load(Flat(), tmp_path / "a.npz")
    with pytest.raises(ValueError, match="something to save, got an empty Hnsw"):
        save(Hnsw(), tmp_path / "b.npz")
    index = Flat().build(points(5, 2))
    index.odd = object()
    with pytest.raises(ValueError, match="odd must be an array or a number"):
        save(index, tmp_path / "b.npz")
    assert not (tmp_path / "b.npz").exists()
