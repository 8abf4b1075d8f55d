"""The large profile, made small: it trains, resumes where it stopped, and gives the same result."""

import torch

from tools.large.nice import train_nice

GENERATOR = torch.Generator().manual_seed(0)
BASE = torch.rand(1, 16, generator=GENERATOR) * 200
V = (BASE + 20 * torch.randn(1200, 16, generator=GENERATOR)).clamp(0, 255).long()


def test_it_trains_and_goes_on_after_an_interruption(tmp_path):
    small = {"hidden": (16,), "n_valid": 200}
    seen = []
    whole, best = train_nice(V, n_epochs=20, watch=lambda e, s: seen.append(s), **small)
    assert len(seen) == 20 and best == max(seen) > seen[0] + 0.2

    class Stop(Exception):
        pass

    def stop(epoch, score):
        if epoch == 13:
            raise Stop

    saved = tmp_path / "run.pt"
    try:
        train_nice(V, n_epochs=20, saved=saved, watch=stop, **small)
    except Stop:
        pass
    epochs = []
    again, again_best = train_nice(
        V, n_epochs=20, saved=saved, watch=lambda e, s: epochs.append(e), **small
    )
    assert epochs == list(range(10, 20)) and again_best == best
    for a, b in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)
