"""nDCG, reciprocal rank and recall against small numbers by hand and scikit-learn."""

import math

import pytest
import torch
from sklearn.metrics import ndcg_score

from helpers.matching.scoring import dcg, discount, ndcg, recall, reciprocal_rank

GRADES = torch.tensor([[3, 0, 1, 0, 2], [0, 0, 0, 0, 0], [0, 1, 0, 0, 0]])
SHOWN = torch.tensor([[1, 0, 2, 4, 3], [0, 1, 2, 3, 4], [4, 3, 2, 1, 0]])


def test_dcg_by_hand():
    found = dcg(torch.tensor([[1.0, 1.0, 1.0], [0.0, 0.0, 2.0]]))
    assert found.tolist() == pytest.approx([1 + 1 / math.log2(3) + 0.5, 1.0])
    assert discount(2).tolist() == pytest.approx([1.0, 1 / math.log2(3)])


def test_ndcg_by_hand():
    """Shown: gains 0, 7, 1; the best: 7, 3, 1."""
    found = ndcg(SHOWN, GRADES, 3)
    expected = (7 / math.log2(3) + 0.5) / (7 + 3 / math.log2(3) + 0.5)
    assert found[0].item() == pytest.approx(expected) and math.isnan(found[1])
    assert found[2].item() == 0
    assert ndcg(SHOWN, GRADES, 4)[2].item() == pytest.approx(1 / math.log2(5))


@pytest.mark.parametrize("k", [1, 3, 10])
def test_ndcg_against_scikit_learn(k):
    draw = torch.Generator().manual_seed(0)
    grades = torch.randint(0, 4, (30, 20), generator=draw)
    scores = torch.rand(30, 20, generator=draw, dtype=torch.float64)
    ranking = scores.argsort(1, descending=True)
    for exponential, gains in ((True, 2**grades - 1), (False, grades)):
        found = ndcg(ranking, grades, k, exponential=exponential).nanmean().item()
        assert found == pytest.approx(ndcg_score(gains.numpy(), scores.numpy(), k=k))


def test_reciprocal_rank_and_recall_by_hand():
    assert reciprocal_rank(SHOWN, GRADES, 5)[[0, 2]].tolist() == [1 / 2, 1 / 4]
    assert reciprocal_rank(SHOWN, GRADES, 3)[2] == 0
    assert reciprocal_rank(SHOWN, GRADES, 5, least=2)[0] == 1 / 2
    assert reciprocal_rank(SHOWN, GRADES, 5, least=3)[0] == 1 / 2
    assert recall(SHOWN, GRADES, 2)[[0, 2]].tolist() == pytest.approx([1 / 3, 0])
    assert recall(SHOWN, GRADES, 4)[[0, 2]].tolist() == pytest.approx([1, 1])
    assert recall(SHOWN, GRADES, 3, least=2)[0] == 0.5
    for metric in (reciprocal_rank, recall):
        assert math.isnan(metric(SHOWN, GRADES, 3)[1])


def test_the_ideal_order_is_one_and_no_order_is_better():
    draw = torch.Generator().manual_seed(1)
    grades = torch.randint(0, 4, (50, 12), generator=draw)
    ideal = grades.argsort(dim=1, descending=True)
    other = torch.rand(50, 12, generator=draw).argsort(1)
    for k in (1, 5, 12):
        torch.testing.assert_close(ndcg(ideal, grades, k), torch.ones(50, dtype=torch.float64))
        assert bool((ndcg(other, grades, k) <= 1 + 1e-12).all())


@pytest.mark.parametrize("metric", [ndcg, reciprocal_rank, recall])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"k": 6}, "k must be a whole number from 1 to 5"),
        ({"k": 0}, "k must"),
        ({"k": 2.0}, "k must be a whole number from 1 to 5, got 2.0, a float"),
        ({"k": True}, "got True, a bool"),
        ({"ranking": SHOWN[:0], "grades": GRADES[:0]}, "one query at least"),
        ({"ranking": SHOWN - torch.tensor([[0], [0], [1]])}, "ids from 0 to 4"),
        ({"ranking": torch.cat([SHOWN[:2], SHOWN[2:] * 0])}, "each item once"),
        ({"grades": GRADES[0]}, "got the shape"),
        ({"grades": GRADES[:, :0]}, "got no items"),
        ({"grades": GRADES - torch.tensor([[0], [0], [1]])}, "at least 0, got -1"),
        ({"grades": GRADES + torch.tensor([[0.0], [0.0], [torch.inf]])}, "finite"),
        ({"ranking": SHOWN.float()}, "ranking must be int64"),
        ({"ranking": SHOWN[0]}, "ranking must be|grades must be"),
        ({"ranking": SHOWN + 1}, "ids from 0 to 4"),
        ({"ranking": SHOWN - 1}, "ids from 0 to 4"),
        ({"ranking": torch.zeros(3, 5, dtype=torch.long)}, "each item once"),
        ({"grades": GRADES[:2]}, r"grades must be \(3, N\)"),
        ({"grades": -GRADES}, "at least 0"),
        ({"grades": torch.full((3, 5), torch.nan)}, "finite"),
    ],
)
def test_bad_input_is_refused(metric, changes, message):
    arguments = {"ranking": SHOWN, "grades": GRADES, "k": 3} | changes
    with pytest.raises(ValueError, match=message):
        metric(**arguments)
