"""An interaction matcher: every word of the query meets every word of the document.

Shapes: B pairs, L_q words of a query and L_d of a document (padded), D dimensions, K kernels.
After Xiong and others (2017, arXiv:1706.06613), K-NRM.
"""

import torch
from torch import Tensor, nn

from helpers import checks


def soft_counts(cosines: Tensor, present: Tensor, centres: Tensor, widths: Tensor) -> Tensor:
    """How many words of the document lie at about each cosine, for each word of the query.

    cosines : (B, L_q, L_d). present : bool (B, L_d), False for padding. centres, widths : (K,), of
    Gaussian bumps of height 1. Returns (B, L_q, K).
    """
    bump = torch.exp(-(((cosines[..., None] - centres) / widths) ** 2) / 2)
    return (bump * present[:, None, :, None]).sum(2)


def _check(query: Tensor, document: Tensor) -> None:
    """ValueError unless word vectors (B, L_q, D) and (B, L_d, D) fit and are finite."""
    wanted = "query, document must be (B, L_q, D), (B, L_d, D)"
    if query.ndim != 3:
        raise ValueError(f"{wanted}, got a query {tuple(query.shape)}")
    if document.ndim != 3:
        raise ValueError(f"{wanted}, got a document {tuple(document.shape)}")
    if len(query) != len(document):
        raise ValueError(f"{wanted}, got {len(query)} queries and {len(document)} documents")
    if query.shape[2] != document.shape[2]:
        got = f"{query.shape[2]} and {document.shape[2]} dimensions"
        raise ValueError(f"{wanted}, got {got}")
    if not bool(query.isfinite().all()):
        raise ValueError("query must be finite, got NaN or infinity")
    if not bool(document.isfinite().all()):
        raise ValueError("document must be finite, got NaN or infinity")


class KernelMatcher(nn.Module):
    """Scores (B,) from the soft counts: a weight for the logarithm of each, summed over words.

    n_kernels : K, one of them for equal words (centre 1), the rest spread evenly from -0.9 to 0.9.

    Raises
    ------
    ValueError : n_kernels below 2; shapes that do not fit; NaN.
    """

    def __init__(self, n_kernels: int = 11) -> None:
        super().__init__()
        checks.whole("n_kernels", n_kernels, 2)
        spread = torch.linspace(-0.9, 0.9, n_kernels - 1) if n_kernels > 2 else torch.zeros(1)
        self.register_buffer("centres", torch.cat([spread, torch.ones(1)]))
        self.register_buffer("widths", torch.tensor([0.1] * (n_kernels - 1) + [1e-3]))
        self.weights = nn.Linear(n_kernels, 1)
        nn.init.zeros_(self.weights.weight)
        nn.init.zeros_(self.weights.bias)

    def features(self, query: Tensor, document: Tensor) -> Tensor:
        """Sums over the query's words of log soft counts, (B, K); see `forward`."""
        _check(query, document)
        lengths = [x.norm(dim=2, keepdim=True) for x in (query, document)]
        here, there = (n[..., 0] > 0 for n in lengths)
        q, d = (x / n.clamp(min=1e-9) for x, n in zip((query, document), lengths, strict=True))
        counts = soft_counts(q @ d.mT, there, self.centres, self.widths)
        logs = counts.clamp(min=1e-10).log() * 0.01  # small, so that weights near 1 do
        return (logs * here[..., None]).sum(1)

    def forward(self, query: Tensor, document: Tensor) -> Tensor:
        """Word vectors (B, L_q, D) and (B, L_d, D), padded with zeros, to scores (B,)."""
        return self.weights(self.features(query, document))[:, 0]
