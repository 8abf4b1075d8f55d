"""The factorization machines' benchmarks run, and what they compare is equal."""

import torch

from benchmarks import fm


def test_all_are_compared_with_their_equals(outcomes, monkeypatch):
    whole = fm.sparse_steps
    monkeypatch.setattr(fm, "sparse_steps", lambda n, batch: whole(min(n, 1000), 64))
    rows = list(fm.measure())
    assert all(set(r) == {"text", "ratio", "spread", "against", "chapter"} for r in rows)
    assert {r["chapter"] for r in rows} == {"11. FM"} and len({r["text"] for r in rows}) == len(
        rows
    )
    assert len(rows) == 5 + 1 + 3 + 3 + 3 and sum("deepctr" in r["against"] for r in rows) == 6
    for ours, theirs in outcomes[:5] + outcomes[9:12]:  # layers, and two ways to the products
        torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-3)
    for ours, theirs in outcomes[6:9]:
        torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-3)


def test_deepfm_steps_train_both():
    """Losses fall on both sides; both see the same ids."""
    sizes, generator = (7, 5, 3), torch.Generator().manual_seed(0)
    ids = torch.stack([torch.randint(s, (64,), generator=generator) for s in sizes], 1)
    ours, theirs = fm.deepfm_steps(sizes, ids, (ids[:, 0] % 2).float())
    for run in (ours, theirs):
        assert run() is None
