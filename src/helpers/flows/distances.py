"""How far a set of samples is from another. Shapes: N and M points of dimension D."""

import math

import torch
from torch import Tensor


def _checked(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Both samples in float64, or what is wrong with them."""
    shapes = f"{tuple(x.shape)} and {tuple(y.shape)}"
    if not x.ndim == y.ndim == 2:
        raise ValueError(f"x and y must be (N, D) and (M, D), got {shapes}")
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"x and y must be of one dimension D, got {shapes}")
    if x.shape[1] == 0:
        raise ValueError(f"x and y must be of dimension 1 or more, got {shapes}")
    if min(len(x), len(y)) < 2:
        raise ValueError(f"x and y must be two points or more each, got {shapes}")
    if not (x.isfinite().all() and y.isfinite().all()):
        raise ValueError("x and y must be finite, got NaN or infinity")
    return x.double(), y.double()


def frechet(x: Tensor, y: Tensor) -> float:
    """Frechet distance between the Gaussians fitted to x (N, D) and y (M, D), squared units of x.

    |mean_x - mean_y|^2 + tr(C_x + C_y - 2 (C_x C_y)^(1/2)): Dowson and Landau,
    doi.org/10.1016/0047-259X(82)90077-X. With the features of an Inception network it is called
    FID; with anything else it is not.
    """
    x, y = _checked(x, y)
    dim = x.shape[1]
    c_x = x.T.cov().view(dim, dim)  # of one column, cov makes a scalar
    c_y = y.T.cov().view(dim, dim)
    values, vectors = torch.linalg.eigh(c_x)
    root = vectors * values.clamp_min(0).sqrt() @ vectors.T
    # C_x C_y has the eigenvalues of the symmetric root C_y root, which eigvalsh finds safely.
    cross = torch.linalg.eigvalsh(root @ c_y @ root).clamp_min(0).sqrt().sum()
    shift = (x.mean(0) - y.mean(0)).square().sum()
    return max(0.0, (shift + c_x.trace() + c_y.trace() - 2 * cross).item())


def wasserstein(x: Tensor, y: Tensor, p: float = 2.0) -> Tensor:
    """W_p, p >= 1, between equally many numbers in every column of x (N, D) and y (N, D), (D,)."""
    if x.shape != y.shape:
        raise ValueError(f"x and y must be alike, got {tuple(x.shape)} and {tuple(y.shape)}")
    if not 1 <= p < math.inf:
        raise ValueError(f"p must be 1 <= p < inf, got {p}")
    x, y = _checked(x, y)
    return (x.sort(0).values - y.sort(0).values).abs().pow(p).mean(0).pow(1 / p)


def sliced_wasserstein(
    x: Tensor, y: Tensor, n_directions: int = 256, generator: torch.Generator | None = None
) -> float:
    """Root mean square of W_2 over n_directions at random, of x and y (N, D), in units of x.

    generator : draws the directions, on its own device; the global one if None.
    """
    x, y = _checked(x, y)
    if n_directions < 1:
        raise ValueError(f"n_directions must be at least 1, got {n_directions}")
    device = x.device if generator is None else generator.device
    directions = torch.randn(
        x.shape[1], n_directions, generator=generator, dtype=x.dtype, device=device
    )
    directions = (directions / directions.norm(dim=0)).to(x.device)
    return wasserstein(x @ directions, y @ directions).square().mean().sqrt().item()
