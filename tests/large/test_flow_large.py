"""Part I's large profile, made small: it runs, and goes on where it stopped."""

import math

import pytest
import torch

from helpers.flows.distances import frechet
from tools.large import flow
from tools.large.flow import Plan, last, rows, run, train

SMALL = Plan((8,), 16, 50, 25, 15, 24, 20, 3)


def images(n, seed):
    """Two classes: a bright and a dark patch, with noise, in [-1, 1]."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(2, (n,), generator=generator)
    x = -torch.ones(n, 1, 8, 8)
    x[:, :, 2:6, 2:6] = labels[:, None, None, None] * 1.2 - 0.4
    return (x + 0.1 * torch.randn(x.shape, generator=generator)).clamp(-1, 1), labels


FIT, TEST = images(200, 0), images(100, 1)


class Stop(Exception):
    pass


def stop_after(n):
    """A watch that interrupts at its n-th call."""
    calls = iter(range(n - 1))

    def watch(evaluations):
        if next(calls, None) is None:
            raise Stop

    return watch


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(flow, "STEPS", (2, 4))
    for name in ("CIFAR", "CELEBA"):
        monkeypatch.setattr(flow, name, {0.0: (13.36, 6.84), "sigma-hat": (367.43, 133.37)})
    monkeypatch.setattr(flow, "SAVE_EVERY", 10)
    monkeypatch.setattr(flow, "PART", 8)


WHOLE = {}


@pytest.fixture
def whole(small, tmp_path_factory):
    """One run that nothing interrupts: its folder, its values, the work it told of."""
    if not WHOLE:
        folder, done = tmp_path_factory.mktemp("whole"), []
        values = run(FIT, TEST, SMALL, folder, done.append)
        WHOLE.update(folder=folder, values=values, done=done)
    return WHOLE


def test_it_measures_every_row_and_counts_its_work(whole):
    values, done = whole["values"], whole["done"]
    assert list(values) == [row["text"] for row in rows()]
    assert len(values) == 2 + 4 + 6 and all(map(math.isfinite, values.values()))
    assert sum(done) == SMALL.evaluations()
    short = {text.removeprefix("Fashion-MNIST, "): value for text, value in values.items()}
    assert short["classifier's accuracy"] > 0.95
    others = [v for k, v in short.items() if "S =" in k or "reflow" in k]
    assert 0 < short["floor: training images"] < 0.2 * min(others)
    assert run(FIT, TEST, SMALL, whole["folder"]) == values


@pytest.mark.parametrize("n_calls", [14, 27, 58, 70])
def test_it_goes_on_after_an_interruption(whole, tmp_path, n_calls):
    """In the first training, in the table, at the pairs, in the training on them."""
    with pytest.raises(Stop):
        run(FIT, TEST, SMALL, tmp_path, stop_after(n_calls))
    done = []
    assert run(FIT, TEST, SMALL, tmp_path, done.append) == whole["values"]
    assert sum(done) == SMALL.evaluations()


def test_training_learns_and_resumes(small, tmp_path):
    """Least squares with a known answer; the result is a running mean, the same after a stop."""
    x = torch.randn(300, 1, generator=torch.Generator().manual_seed(0))
    y = 0.5 * x + 0.2

    def loss(net, x, y, *, generator):
        return (net(x) - y).square().mean()

    def line():
        net = torch.nn.Linear(1, 1)
        torch.nn.init.zeros_(net.weight)
        torch.nn.init.zeros_(net.bias)
        return net

    net = train(line(), loss, (x, y), 3000, 32, tmp_path / "a.pt")
    assert abs(net.weight.item() - 0.5) < 0.01 and abs(net.bias.item() - 0.2) < 0.01
    stored = torch.load(tmp_path / "a.pt", weights_only=True)
    assert torch.equal(stored["mean"]["weight"], net.weight)
    assert not torch.equal(stored["net"]["weight"], net.weight)
    for at in (7, 25):
        saved = tmp_path / f"{at}.pt"
        with pytest.raises(Stop):
            train(line(), loss, (x, y), 40, 32, saved, stop_after(at))
        assert saved.exists() == (at > 10)
        steps = []
        again = train(line(), loss, (x, y), 40, 32, saved, steps.append)
        once = train(line(), loss, (x, y), 40, 32, tmp_path / f"once-{at}.pt")
        assert torch.equal(again.weight, once.weight) and sum(steps) == 3 * 32 * 40


def test_the_last_of_a_path():
    assert last(iter([1, 2, 3])) == 3


def test_the_plan_is_what_is_written_of_it():
    """Steps and eta of DDIM's table, half as many steps after the reflow, 3.5e15 operations."""
    texts = [row["text"] for row in rows()]
    assert len(set(texts)) == len(texts) == 2 + 25 + 6 and not any(";" in t for t in texts)
    for eta in (0.0, 0.2, 0.5, 1.0, "sigma-hat"):
        for n in (10, 20, 50, 100, 1000):
            assert f"Fashion-MNIST, S = {n}, eta = {eta}" in texts
    forward = 0.176e9  # operations for one image, counted by torch.utils.flop_counter
    assert Plan().evaluations() * forward == pytest.approx(3.5e15, rel=0.02)
    assert "FID" not in {row["unit"] for row in rows()}


def test_the_distance_is_that_of_the_classifiers_features(whole):
    """The floor again, from the stored classifier and the rows that were drawn."""
    net = flow.Classifier(8, torch.Generator().manual_seed(0))
    stored = torch.load(whole["folder"] / "classifier.pt", weights_only=True)
    net.load_state_dict(stored["mean"])
    draws = torch.Generator().manual_seed(1)
    torch.randn(SMALL.n_samples, 1, 8, 8, generator=draws)
    some = torch.randperm(200, generator=draws)[: SMALL.n_samples]
    with torch.no_grad():
        expected = frechet(net.features(FIT[0][some]), net.features(TEST[0]))
    found = whole["values"]["Fashion-MNIST, floor: training images"]
    assert found == pytest.approx(expected, rel=1e-4)
