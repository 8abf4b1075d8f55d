"""The big table's script, made small: equal budgets, honest splits, scores that are true."""

import math

import pytest
import torch

from benchmarks import family
from helpers import shop
from helpers.ctr.embedding import Linear
from helpers.ctr.metrics import auc
from helpers.data import catalogue, logs


def films(n=400):
    """A made-up table: a film's quality decides, and later ratings are of later films."""
    generator = torch.Generator().manual_seed(0)
    movie = (torch.arange(n) * 30 // n + torch.randint(10, (n,), generator=generator)).clamp(max=39)
    rating = torch.where(movie % 3 == 0, 4.5, 2.0)
    order = torch.randperm(n, generator=generator)
    return logs.MovieLens(
        user=torch.randint(20, (n,), generator=generator)[order],
        movie=movie[order],
        rating=rating[order],
        timestamp=(torch.arange(n) * 100_000)[order],
        titles=[""] * 40,
        genres=[["Drama", "War"], [], ["Comedy"], ["War"]] * 10,
        years=[1995, 0, 2001, 1960] * 10,
        movie_ids=list(range(40)),
    )


@pytest.mark.parametrize("by_time", [True, False])
def test_ratings_are_split_in_order_or_at_random(by_time):
    table = films()
    task = family.ratings(1, table, by_time)
    assert [len(part) for part in (task.fit, task.valid, task.test)] == [320, 40, 40]
    every = torch.cat((task.fit, task.valid, task.test))
    assert every.shape == (400, 6) and set(every[:, -1].tolist()) == {0, 1}
    order = table.timestamp.argsort()
    first = torch.stack((table.user, table.movie), 1)[order]
    assert torch.equal(every[:, :2], first) == by_time
    assert sorted(map(tuple, every[:, :2].tolist())) == sorted(map(tuple, first.tolist()))
    assert all(every[:, f].max() < task.sizes[f] and every[:, f].min() >= 0 for f in range(5))
    click = (table.rating >= 4).long()
    assert torch.equal(every[:, -1], click[order]) == by_time
    # Drama, none, Comedy, War: the first genre named, by its place among all, 0 for none.
    assert every[every[:, 1] % 4 == 0][:, 2].unique().tolist() == [2]
    assert every[every[:, 1] % 4 == 1][:, 2].unique().tolist() == [0]
    assert every[every[:, 1] % 4 == 3][:, 3].unique().tolist() == [6]


@pytest.fixture(scope="module")
def task():
    return family.planted(0, catalogue.reviews(), 1.0, n_requests=1500)


def test_the_planted_task_knows_its_truth(task):
    """Half of the clicks or so are lost nowhere; zeros are thinned in training alone."""
    rate, thin = task.test[:, -1].double().mean(), task.fit[:, -1].double().mean()
    assert abs(rate - task.p.mean()) < 5 * (rate / len(task.test)) ** 0.5
    assert 4 < thin / rate < 10 and task.shift == pytest.approx(math.log(0.1))
    world = shop.Shop(catalogue.reviews(), seed=0, triple=1.0, drift=0.0, cold=0.0)
    assert task.sizes == (*world.sizes.tolist(), 10) and len(task.test) == 1000
    assert auc(task.p, task.test[:, -1]) > 0.75


def test_scores_of_the_truth_and_of_a_constant(task):
    class Says(torch.nn.Module):
        def __init__(self, values):
            super().__init__()
            self.values, self.at = values, 0

        def forward(self, ids):
            part = self.values[self.at : self.at + len(ids)]
            self.at += len(ids)
            return part

    truth = family.score(Says(task.p.logit() - task.shift), task)
    assert abs(truth["excess"]) < 1e-12
    assert truth["auc"] == pytest.approx(auc(task.p, task.test[:, -1]))
    mean = torch.full_like(task.p, task.p.mean().logit().item() - task.shift)
    constant = family.score(Says(mean), task)
    assert constant["auc"] == 0.5 and constant["excess"] > 0.02
    assert constant["log_loss"] > truth["log_loss"]


def test_every_model_runs_and_has_the_same_budget(task, monkeypatch):
    """Four settings for each on seed 0, then five seeds at the one best on validation data."""
    calls = []

    def quick(build, given, seed, lr, decay):
        calls.append((seed, lr, decay))
        model = build(given.sizes, torch.Generator().manual_seed(seed))
        with torch.no_grad():
            for p in model.parameters():
                p.mul_(1 if (lr, decay) == family.GRID[2] else 1.5)
        return model

    monkeypatch.setattr(family, "trained", quick)
    said, kept = [], []
    found = family.compare(
        lambda seed: task, family.MODELS, lambda *a, **k: said.append(a), kept.append
    )
    assert list(found) == ["oracle", *family.MODELS] and len(said) == len(family.MODELS) == 15
    assert len(calls) == 15 * 9 and len(kept) == 15 and kept[-1] is found
    for k, name in enumerate(family.MODELS):
        mine = calls[9 * k : 9 * k + 9]
        assert [c[1:] for c in mine[:4]] == list(family.GRID) and {c[0] for c in mine[:4]} == {0}
        assert [c[0] for c in mine[4:]] == list(range(5)) and len({c[1:] for c in mine[4:]}) == 1
        entry = found[name]
        assert (entry["lr"], entry["decay"]) == mine[4][1:]
        assert all(len(entry[key]) == 5 for key in ("auc", "log_loss", "excess"))
        assert all(map(math.isfinite, entry["log_loss"]))
    assert found["oracle"]["excess"] == [0.0] * 5


def test_training_learns(task):
    model = family.trained(lambda sizes, generator: Linear(sizes), task, 0, 0.03, 0.03)
    assert family.score(model, task)["auc"] > 0.6


def test_what_was_never_trained_is_silenced():
    """Rows of the table whose feature no training row has; the rest and the model stay."""
    rows = torch.tensor([[0, 1, 1], [2, 1, 0], [1, 0, 1]])
    task = family.Task((3, 2), rows[:2], rows[:2], rows)
    assert [new.tolist() for new in family.never_shown(task)] == [
        [False, True, False],
        [True, False],
    ]
    model = family.MODELS["FM"](task.sizes, torch.Generator().manual_seed(0))
    silent = family.without_untrained(model, task)
    gone = torch.tensor([False, True, False, True, False])
    assert not silent.embedding.weight[gone].any() and model.embedding.weight.all()
    assert torch.equal(silent.embedding.weight[~gone], model.embedding.weight[~gone])
    torch.testing.assert_close(model(rows[:2, :-1]), silent(rows[:2, :-1]))
    assert silent(rows[2:, :-1]).item() == 0.0 != model(rows[2:, :-1]).item()
    found = family.score(model, task)
    assert set(found) == {"auc", "log_loss", "auc_trained_only"}


def test_a_lead_s_error_counts_users_not_rows():
    """Every user's row twenty-five times over: lead and error stay what they were."""
    generator = torch.Generator().manual_seed(0)
    click = torch.arange(400) % 2
    found, chance = torch.randn(400, generator=generator) + click, torch.zeros(400)
    single = torch.stack((torch.arange(400), click), 1)
    gain, error = family.lead(found, chance, single)
    assert gain == pytest.approx(auc(found, click) - 0.5)
    # Hanley and McNeil's error for scores that are normal and one standard deviation apart.
    a = 0.76
    q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
    wanted = ((a * (1 - a) + 199 * (q1 - a * a) + 199 * (q2 - a * a)) / 200**2) ** 0.5
    assert error == pytest.approx(wanted, rel=0.15)
    often = torch.stack((torch.arange(400).repeat_interleave(25), click.repeat_interleave(25)), 1)
    copies = [x.repeat_interleave(25) for x in (found, chance)]
    assert family.lead(*copies, often) == pytest.approx((gain, error))
    assert family.lead(found, found, single) == (0.0, 0.0)
