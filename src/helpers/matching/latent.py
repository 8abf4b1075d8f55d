"""Latent matching: texts as short vectors, so that they can match without a word in common.

Shapes: N documents, V words, D dimensions.
"""

from collections.abc import Hashable, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from helpers import checks


def truncated_svd(
    matrix: Tensor, dim: int, *, n_rounds: int = 6, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """The ``dim`` largest singular values and their vectors: U (N, D), s (D,), V (V, D).

    A random subspace, turned towards the largest values by multiplying with the matrix again and
    again, then exact within it: Halko, Martinsson and Tropp (2011, doi:10.1137/090771806).

    matrix : (N, V), dense or sparse. dim : D, at most N and V. n_rounds : how often it is turned.
    generator : draws the subspace (V, D + 10) to begin with; the global one if None.
    """
    n, v = matrix.shape
    checks.whole("dim", dim, 1, min(n, v))
    values = matrix._values() if matrix.is_sparse else matrix
    if not bool(values.isfinite().all()):
        raise ValueError("matrix must be finite, got NaN or infinity")
    wide = min(dim + 10, n, v)
    x = torch.empty(v, wide, dtype=matrix.dtype, device=matrix.device).normal_(generator=generator)
    turned = matrix.T.coalesce() if matrix.is_sparse else matrix.T
    for _ in range(n_rounds):
        x = turned @ torch.linalg.qr(matrix @ torch.linalg.qr(x).Q).Q
    basis = torch.linalg.qr(matrix @ torch.linalg.qr(x).Q).Q
    inner = turned @ basis  # (V, wide): the matrix within the basis, turned
    right, s, left = torch.linalg.svd(inner, full_matrices=False)
    return (basis @ left.T)[:, :dim], s[:dim], right[:, :dim]


class Bags:
    """Texts as weighted sums of word vectors, at length one.

    vocabulary : word -> row. vectors : (V, D), what a word adds, its weight included.
    """

    def __init__(self, vocabulary: Mapping[Hashable, int], vectors: Tensor) -> None:
        wanted = f"vectors must be floats ({len(vocabulary)}, D)"
        if not vectors.is_floating_point():
            raise ValueError(f"{wanted}, got {vectors.dtype}")
        if vectors.ndim != 2:
            raise ValueError(f"{wanted}, got the shape {tuple(vectors.shape)}")
        if len(vectors) != len(vocabulary):
            raise ValueError(f"{wanted}, got {len(vectors)} of them")
        if not bool(vectors.isfinite().all()):
            raise ValueError("vectors must be finite, got NaN or infinity")
        self.vocabulary = vocabulary
        self.vectors = vectors

    def __call__(self, texts: Sequence[Sequence[Hashable]]) -> Tensor:
        """Vectors (N, D) of N sequences of words; 0 for a text without a known word.

        A word that stands c times counts 1 + log c times. Unknown words are left out.
        """
        words = []
        weights = []
        starts = []
        for text in texts:
            if isinstance(text, str):
                raise ValueError("texts must be sequences of words, got a str: tokenize it first")
            counts: dict[int, int] = {}
            for word in text:
                if word in self.vocabulary:
                    v = self.vocabulary[word]
                    counts[v] = counts.get(v, 0) + 1
            starts.append(len(words))
            words += counts
            weights += counts.values()
        if not starts:
            raise ValueError("texts must hold at least one text, got none")
        at = torch.tensor(words, dtype=torch.long)
        vectors = self.vectors
        c = 1 + torch.tensor(weights, dtype=vectors.dtype).log()
        sums = functional.embedding_bag(
            at.to(vectors.device),
            vectors,
            torch.tensor(starts, device=vectors.device),
            mode="sum",
            per_sample_weights=c.to(vectors.device),
        )
        return functional.normalize(sums, dim=1)
