"""Clicks: our fits, curves and measures against scikit-learn's on the same rows."""

import warnings
from collections.abc import Iterator

import numpy as np
import torch
from scipy.sparse import csr_matrix
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from benchmarks.timing import compare
from helpers.ctr import calibration, ftrl, metrics, models
from helpers.ctr.embedding import Linear

CHAPTER = "10. Click prediction"
SIZES = (500, 200, 50, 20, 10, 4)


def impressions(n: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids (n, F) of six fields and labels (n,) that depend on them."""
    ids = torch.stack([torch.randint(s, (n,), generator=generator) for s in SIZES], 1)
    effects = [torch.randn(s, generator=generator) for s in SIZES]
    u = sum(0.5 * e[ids[:, f]] for f, e in enumerate(effects)) - 2
    return ids, (torch.rand(n, generator=generator) < u.sigmoid()).double()


def one_hot(ids: torch.Tensor) -> csr_matrix:
    """The same rows as a sparse matrix with a column for each value."""
    columns = (ids + torch.tensor((0, *SIZES[:-1])).cumsum(0)).numpy()
    n, width = columns.shape
    starts = np.arange(0, n * width + 1, width)
    return csr_matrix((np.ones(n * width), columns.ravel(), starts), (n, sum(SIZES)))


def fitting(ids: torch.Tensor, y: torch.Tensor) -> Iterator[dict]:
    """Logistic regression on ids (n, F) and labels (n,): to convergence, and one pass of FTRL."""
    matrix = one_hot(ids)
    labels = y.numpy()
    flat = ids + torch.tensor((0, *SIZES[:-1])).cumsum(0)

    def ours() -> torch.Tensor:
        model = Linear(SIZES, checked=False).double()
        models.fit_logistic(model, ids, y, l2=1.0)
        return model.weights.weight[:, 0].detach()

    def theirs() -> torch.Tensor:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = LogisticRegression(C=1.0, tol=1e-8, max_iter=1000).fit(matrix, labels)
        return torch.as_tensor(model.coef_[0])

    def stream() -> torch.Tensor:
        model = ftrl.FTRL(sum(SIZES))
        for rows in torch.arange(len(ids)).split(100):
            model.step(flat[rows], y[rows])
        return model.weights()

    text = "logistic regression to convergence: 20,000 rows of 6 fields, 784 weights"
    against = "scikit-learn's lbfgs on the sparse matrix"
    yield compare(CHAPTER, text, against, ours, theirs, n_calls=1)
    text = "one pass of FTRL over the same rows, 100 at a time"
    against = "the time of fitting to convergence (other weights: one pass only)"
    yield compare(CHAPTER, text, against, stream, ours, n_calls=1)


def judging(scores: torch.Tensor, clicks: torch.Tensor) -> Iterator[dict]:
    """AUC of scores (n,) for clicks (n,), and the isotonic curve through the clicks in order."""
    plain = scores.numpy()
    hits = clicks.numpy()
    yield compare(
        CHAPTER,
        "AUC of 200,000 rows",
        "scikit-learn",
        lambda: torch.tensor(metrics.auc(scores, clicks)),
        lambda: torch.tensor(roc_auc_score(hits, plain)),
        n_calls=1,
    )
    ordered = clicks[scores.argsort()]
    yield compare(
        CHAPTER,
        "isotonic regression (PAV) of 200,000 sorted labels",
        "scikit-learn",
        lambda: calibration.pool(ordered),
        lambda: torch.as_tensor(
            IsotonicRegression().fit_transform(np.arange(len(ordered)), ordered.numpy())
        ),
        n_calls=1,
    )


def measure() -> Iterator[dict]:
    """One record a comparison; see `benchmarks.timing`."""
    generator = torch.Generator().manual_seed(0)
    ids, y = impressions(20_000, generator)
    yield from fitting(ids, y)
    scores = torch.randn(200_000, generator=generator, dtype=torch.float64)
    clicks = (torch.rand(200_000, generator=generator) < (scores - 3).sigmoid()).double()
    yield from judging(scores, clicks)
