"""Chapter 10's helpers against scikit-learn and lightgbm: the same data, the same answers."""

import lightgbm
import numpy as np
import pytest
import torch
from sklearn.calibration import CalibratedClassifierCV, calibration_curve
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.preprocessing import OneHotEncoder

from helpers.ctr import calibration as cal
from helpers.ctr import metrics, models
from helpers.ctr.embedding import Linear

F64 = torch.float64
SIZES = (6, 9, 4, 3)


def impressions(n=3000, seed=0):
    g = torch.Generator().manual_seed(seed)
    ids = torch.stack([torch.randint(s, (n,), generator=g) for s in SIZES], 1)
    effect = [torch.randn(s, generator=g, dtype=F64) for s in SIZES]
    u = sum(e[ids[:, f]] for f, e in enumerate(effect)) - 1
    return ids, (torch.rand(n, generator=g, dtype=F64) < u.sigmoid()).long(), u


def scikit(ids, labels, c):
    coder = OneHotEncoder(categories=[np.arange(int(i.max()) + 1) for i in ids.T])
    model = LogisticRegression(C=c, tol=1e-10, max_iter=5000)
    return model.fit(coder.fit_transform(ids.numpy()), labels.numpy()), coder


@pytest.mark.parametrize("l2", [0.1, 1.0, 10.0])
def test_logistic_regression_is_scikits(l2):
    ids, y, _ = impressions()
    theirs, coder = scikit(ids, y, 1 / l2)
    model = Linear(SIZES).double()
    models.fit_logistic(model, ids, y, l2=l2)
    ours = model.weights.weight[:, 0].detach().numpy()
    np.testing.assert_allclose(ours, theirs.coef_[0], atol=1e-4)
    p = theirs.predict_proba(coder.transform(ids.numpy()))[:, 1]
    np.testing.assert_allclose(model(ids).sigmoid().detach().numpy(), p, atol=1e-5)


def test_poly2_is_scikits_on_crossed_columns():
    ids, y, _ = impressions(1500)
    crossed = torch.cat((ids, models.cross_ids(ids, SIZES, 1000)), 1)
    theirs, coder = scikit(crossed, y, 0.5)
    model = models.Poly2(SIZES, n_buckets=1000).double()
    models.fit_logistic(model, ids, y, l2=2.0)
    p = theirs.predict_proba(coder.transform(crossed.numpy()))[:, 1]
    np.testing.assert_allclose(model(ids).sigmoid().detach().numpy(), p, atol=1e-4)


def test_leaves_of_lightgbm_make_the_same_regression():
    """GBDT + LR: the leaf numbers of 15 trees, as fields for us and one-hot for scikit-learn."""
    ids, y, u = impressions()
    x = np.stack([u.numpy(), np.sin(ids[:, 1].numpy())], 1)
    trees = lightgbm.LGBMClassifier(
        n_estimators=15, num_leaves=8, verbose=-1, n_jobs=1, deterministic=True
    ).fit(x, y.numpy())
    leaves = trees.booster_.predict(x, pred_leaf=True)
    ids = models.leaf_ids(leaves, (8,) * 15)
    model = Linear((8,) * 15).double()
    models.fit_logistic(model, ids, y, l2=1.0)
    theirs, coder = scikit(ids, y, 1.0)
    p = theirs.predict_proba(coder.transform(ids.numpy()))[:, 1]
    np.testing.assert_allclose(model(ids).sigmoid().detach().numpy(), p, atol=1e-4)
    # The trees' own prediction is such a regression, too: its weights are the leaves' values.
    own = np.zeros(len(x))
    for t, tree in enumerate(trees.booster_.dump_model()["tree_info"]):
        own += _values(tree["tree_structure"], {})[leaves[:, t]]
    np.testing.assert_allclose(own, trees.booster_.predict(x, raw_score=True), atol=1e-8)


def _values(node, found):
    if "leaf_value" in node:
        found[node["leaf_index"]] = node["leaf_value"]
    else:
        _values(node["left_child"], found)
        _values(node["right_child"], found)
    return np.array([found[k] for k in sorted(found)])


def test_scikits_trees_give_leaves_too():
    """What the page uses: the trees' own prediction is a sum over the leaves' values."""
    _, y, u = impressions(800)
    x = np.stack([u.numpy(), u.numpy() ** 2], 1)
    trees = GradientBoostingClassifier(n_estimators=6, max_depth=2, random_state=0)
    leaves = trees.fit(x, y.numpy()).apply(x)[:, :, 0]
    ids = models.leaf_ids(leaves, [stage[0].tree_.node_count for stage in trees.estimators_])
    own = sum(
        trees.learning_rate * stage[0].tree_.value[ids[:, t], 0, 0]
        for t, stage in enumerate(trees.estimators_)
    )
    share = y.double().mean().item()
    first = np.log(share / (1 - share))
    np.testing.assert_allclose(first + own, trees.decision_function(x), atol=1e-8)


@pytest.mark.parametrize("digits", [1, 12])
def test_auc_and_log_loss_are_scikits(digits):
    _, y, u = impressions()
    scores = u.round(decimals=digits)  # with and without ties
    assert metrics.auc(scores, y) == pytest.approx(roc_auc_score(y, scores), abs=1e-12)
    found = metrics.log_loss(scores, y).item()
    assert found == pytest.approx(log_loss(y, scores.sigmoid().numpy()), abs=1e-12)
    base = DummyClassifier(strategy="prior").fit(u[:, None], y).predict_proba(u[:, None])
    expected = found / log_loss(y, base)
    assert metrics.normalised_entropy(scores, y) == pytest.approx(expected, abs=1e-12)


def test_isotonic_is_scikits():
    _, y, u = impressions()
    scores = u.round(decimals=1)  # many ties
    x, p = cal.isotonic(scores, y)
    theirs = IsotonicRegression(out_of_bounds="clip").fit(scores.numpy(), y.numpy())
    at = torch.linspace(-9, 9, 2001, dtype=F64)
    found = cal.interpolate(at, x, p)
    np.testing.assert_allclose(found.numpy(), theirs.predict(at.numpy()), atol=1e-12)


def test_platt_is_scikits():
    """Its sigmoid calibration of a finished model aims at Platt's smoothed targets."""
    _, y, u = impressions()
    distorted = 2.5 * u + 1.5

    class Finished(DummyClassifier):
        def decision_function(self, x):
            return x[:, 0]

    from sklearn.frozen import FrozenEstimator

    x = distorted.numpy()[:, None]
    model = Finished().fit(x, y.numpy())
    theirs = CalibratedClassifierCV(FrozenEstimator(model), method="sigmoid").fit(x, y.numpy())
    a, b = cal.platt(distorted, y, smooth=True)
    p = (a * distorted + b).sigmoid().numpy()
    np.testing.assert_allclose(p, theirs.predict_proba(x)[:, 1], atol=1e-4)


def test_reliability_is_scikits():
    _, y, _ = impressions()
    p = torch.rand(3000, generator=torch.Generator().manual_seed(3), dtype=F64)
    mean_p, mean_y, count = cal.reliability(p, y, 15)
    theirs_y, theirs_p = calibration_curve(y, p, n_bins=15, strategy="quantile")
    assert count.tolist() == [200] * 15
    np.testing.assert_allclose(mean_p, theirs_p, atol=1e-12)
    np.testing.assert_allclose(mean_y, theirs_y, atol=1e-12)
