"""Poisson flow (PFGM, arxiv.org/abs/2209.11178): data as charges, samples along field lines.

The data (K, N) lie in the plane z = 0 of a space with one more dimension. Every point is a charge,
and its field points away from it and thins out like the area of a sphere: r / |r|^(N+1).
Shapes: B points, (B, N) in the plane and (B, N + 1) with the height z as the last coordinate.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from helpers.flows.ode import Velocity


def sphere_area(dim: int) -> float:
    """Area of the unit sphere in ``dim`` dimensions: 2 pi for 2, 4 pi for 3, a scalar."""
    if dim < 1:
        raise ValueError(f"dim must be at least 1, got {dim}")
    return 2 * math.pi ** (dim / 2) / math.gamma(dim / 2)


def green(x: Tensor) -> Tensor:
    """Green's function at x (B, D), (B,): -Laplace G is a unit charge at 0. D is at least 2.

    -log|x| / 2 pi in the plane, and |x|^(2-D) / ((D - 2) area) above.
    """
    if x.ndim != 2:
        raise ValueError(f"x must be (B, D), got {tuple(x.shape)}")
    if x.shape[1] < 2:
        raise ValueError(f"x must be (B, D) with D at least 2, got {tuple(x.shape)}")
    dim = x.shape[1]
    r = x.norm(dim=1)
    if dim == 2:
        return -r.log() / (2 * math.pi)
    return r ** (2 - dim) / ((dim - 2) * sphere_area(dim))


def _terms(x: Tensor, z: Tensor, charges: Tensor, weights: Tensor | None) -> Tensor:
    """Log of weight_k / |r_k|^(N+1) at x (B, N), height z scalar or (B,), (B, K)."""
    _check_charges(x, charges)
    if weights is not None:
        _check_weights(weights, len(charges))
    square = torch.cdist(x, charges.to(x), compute_mode="donot_use_mm_for_euclid_dist").square()
    log_r2 = (square + z.square().expand(len(x))[:, None]).log()
    share = x.new_full((len(charges),), 1 / len(charges)) if weights is None else weights.to(x)
    return share.log() - (x.shape[1] + 1) / 2 * log_r2


def _check_charges(x: Tensor, charges: Tensor) -> None:
    if x.ndim != 2:
        raise ValueError(f"points must be (B, N), got {tuple(x.shape)}")
    if charges.ndim != 2:
        raise ValueError(f"charges must be (K, N), got {tuple(charges.shape)}")
    if len(charges) < 1:
        raise ValueError("charges (K, N) must be one or more, got none")
    if x.shape[1] != charges.shape[1]:
        shapes = f"{tuple(charges.shape)} and {tuple(x.shape)}"
        raise ValueError(f"charges (K, N) and points (B, N) must fit, got {shapes}")


def _check_weights(weights: Tensor, n_charges: int) -> None:
    if weights.shape != (n_charges,):
        raise ValueError(f"weights must be ({n_charges},), got {tuple(weights.shape)}")
    if not (weights >= 0).all():
        raise ValueError(f"weights must be at least 0, got {weights.tolist()}")


def field(point: Tensor, charges: Tensor, weights: Tensor | None = None) -> Tensor:
    """The electric field of a unit of charge at point (B, N + 1), (B, N + 1).

    sum_k w_k r_k / (area |r_k|^(N+1)), with r_k from charge k to the point and the area of the
    unit sphere in N + 1 dimensions.

    Parameters
    ----------
    point : (B, N + 1), its last coordinate the height z above the data's plane.
    charges : data (K, N). weights : (K,) summing to 1; equal unless given.
    """
    if point.ndim != 2:
        raise ValueError(f"point must be (B, N + 1), got {tuple(point.shape)}")
    if point.shape[1] < 2:
        raise ValueError(f"point must be (B, N + 1) with N at least 1, got {tuple(point.shape)}")
    x = point[:, :-1]
    z = point[:, -1]
    strength = _terms(x, z, charges, weights).exp() / sphere_area(point.shape[1])
    total = strength.sum(1, keepdim=True)
    return torch.cat((total * x - strength @ charges.to(x), total * z[:, None]), 1)


def log_density(x: Tensor, z: float, charges: Tensor, weights: Tensor | None = None) -> Tensor:
    """Log of twice the field's upward part at height z > 0: a density of x (B, N), (B,).

    Half of the flux goes up, so twice E_z integrates to 1 over every plane: the data blurred by
    multivariate Cauchy noise of scale z, in place of Gaussian noise.
    charges : data (K, N). weights : (K,) summing to 1; equal unless given.
    """
    height = _height(z, x)
    log_area = math.log(2 / sphere_area(x.shape[1] + 1))
    return _terms(x, height, charges, weights).logsumexp(1) + height.log() + log_area


def velocity(charges: Tensor, weights: Tensor | None = None) -> Velocity:
    """dx/dz along a field line, E_x / E_z: x (B, N), height z scalar > 0 -> (B, N).

    It is the posterior mean of (x - y)/z over the charges y: weights from a softmax, so that 65
    dimensions neither over- nor underflow.

    Parameters
    ----------
    charges : data (K, N). weights : (K,) summing to 1; equal unless given.
    """

    def v(x: Tensor, z: Tensor) -> Tensor:
        height = _height(z, x)
        share = _terms(x, height, charges, weights).softmax(1)
        return (x - share @ charges.to(x)) / height

    return v


def hemisphere(
    n: int, dim: int, radius: float = 1.0, generator: torch.Generator | None = None
) -> Tensor:
    """n points (n, dim + 1), float64, uniform on half a sphere round 0: z >= 0, this radius.

    generator : draws n (dim + 1) normal numbers, on its device; the global one on the CPU if None.
    """
    if n < 1:
        raise ValueError(f"n must be positive, got {n}")
    if dim < 1:
        raise ValueError(f"dim must be positive, got {dim}")
    if not radius > 0:
        raise ValueError(f"radius must be positive, got {radius}")
    device = "cpu" if generator is None else generator.device
    x = torch.randn(n, dim + 1, generator=generator, dtype=torch.float64, device=device)
    x[:, -1] = x[:, -1].abs()
    return radius * x / x.norm(dim=1, keepdim=True)


def prior(n: int, dim: int, z: float, generator: torch.Generator | None = None) -> Tensor:
    """n points (n, dim), float64, of the plane at height z: a uniform hemisphere, seen from 0.

    Multivariate Cauchy of scale z: what one unit of charge at 0 sends through that plane.
    generator : as for :func:`hemisphere`.
    """
    up = hemisphere(n, dim, 1.0, generator)
    return _height(z, up) * up[:, :-1] / up[:, -1:]


def _height(z: float | Tensor, x: Tensor) -> Tensor:
    z = torch.as_tensor(z, dtype=x.dtype, device=x.device)
    if z.ndim != 0:
        raise ValueError(f"the height z must be a scalar, got {tuple(z.shape)}")
    if not z > 0:
        raise ValueError(f"the height z must be a positive scalar, got {z}")
    return z


Field = Callable[[Tensor], Tensor]


def flux(field: Field, area: float, points: Tensor, normals: Tensor) -> Tensor:
    """Flux of field through a surface sampled evenly by points (n, D), a scalar.

    area : of the whole surface. normals : of length 1, outwards, (n, D).
    """
    if points.ndim != 2:
        raise ValueError(f"points must be (n, D), got {tuple(points.shape)}")
    if normals.shape != points.shape:
        shapes = f"{tuple(points.shape)} and {tuple(normals.shape)}"
        raise ValueError(f"points and normals must both be (n, D), got {shapes}")
    return area * (field(points) * normals).sum(1).mean()
