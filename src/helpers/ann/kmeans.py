"""k-means (Lloyd, 1957/1982): K centroids, each the mean of the vectors nearest to it.

N vectors, D dimensions, K clusters.
"""

import torch
from torch import Tensor

from helpers.ann.distance import BUDGET, check_vectors, squared_distances
from helpers.checks import whole


def assign(vectors: Tensor, centroids: Tensor) -> tuple[Tensor, Tensor]:
    """For vectors (N, D) the squared distance to the nearest of centroids (K, D), and which: (N,).

    A block of vectors at a time.
    """
    parts = [
        squared_distances(x, centroids).min(1)
        for x in vectors.split(max(1, BUDGET // (4 * len(centroids))))
    ]
    return torch.cat([p.values for p in parts]), torch.cat([p.indices for p in parts])


def means(vectors: Tensor, labels: Tensor, n_clusters: int) -> tuple[Tensor, Tensor]:
    """Means (K, D) and sizes (K,) of vectors (N, D) by labels (N,); K = n_clusters, empty: 0."""
    sums = vectors.new_zeros(n_clusters, vectors.shape[1]).index_add_(0, labels, vectors)
    sizes = torch.bincount(labels, minlength=n_clusters)
    return sums / sizes.clamp(min=1)[:, None], sizes


def kmeans(
    vectors: Tensor,
    n_clusters: int,
    n_rounds: int = 20,
    *,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Centroids (K, D) of vectors (N, D) after n_rounds of Lloyd's two steps.

    They begin at K different vectors. A cluster that comes out empty begins again at the vector
    that is furthest from its centroid: a point that costs much.

    Parameters
    ----------
    vectors : (N, D). n_clusters : K, from 1 to N. n_rounds : at least 0.
    generator : draws the first centroids, on the vectors' device.

    Raises
    ------
    ValueError : K > N, NaN, wrong shape or dtype.
    """
    check_vectors(vectors)
    whole("n_clusters", n_clusters, 1, len(vectors))
    whole("n_rounds", n_rounds, 0)
    where = generator.device if generator else vectors.device
    first = torch.randperm(len(vectors), generator=generator, device=where)[:n_clusters]
    centroids = vectors[first.to(vectors.device)].clone()
    for _ in range(n_rounds):
        far, labels = assign(vectors, centroids)
        centroids, sizes = means(vectors, labels, n_clusters)
        empty = sizes == 0
        n_empty = int(empty.sum())
        if n_empty:
            centroids[empty] = vectors[far.topk(n_empty).indices]
    return centroids
