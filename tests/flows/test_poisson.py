"""The field of charges against Green's function, flux by quadrature, and closed forms."""

import math

import pytest
import torch
from scipy import integrate, stats

from helpers.flows import cnf, ode, poisson


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


WEIGHTS = torch.tensor([0.5, 0.2, 0.3], dtype=torch.float64)


def above(n, dim, seed=1):
    """n points (n, dim + 1) over the plane."""
    x = 2 * normal(n, dim + 1, seed=seed)
    x[:, -1] = x[:, -1].abs() + 0.2
    return x


def test_sphere_area():
    assert poisson.sphere_area(1) == pytest.approx(2)
    assert poisson.sphere_area(2) == pytest.approx(2 * math.pi)
    assert poisson.sphere_area(3) == pytest.approx(4 * math.pi)
    assert poisson.sphere_area(4) == pytest.approx(2 * math.pi**2)
    for dim in range(2, 12):  # the Gaussian's integral in shells
        shells = integrate.quad(lambda r, d=dim: r ** (d - 1) * math.exp(-r * r / 2), 0, 30)[0]
        assert poisson.sphere_area(dim) * shells == pytest.approx((2 * math.pi) ** (dim / 2))


@pytest.mark.parametrize("dim", [1, 2, 3, 6])
def test_field_is_the_gradient_of_greens_function(dim):
    """E = -grad of the weighted sum of Green's functions in dim + 1 dimensions, by autograd."""
    charges, point = normal(3, dim), above(8, dim).requires_grad_()
    flat = torch.cat([charges, torch.zeros(3, 1, dtype=torch.float64)], 1)
    potential = sum(w * poisson.green(point - y) for w, y in zip(WEIGHTS, flat, strict=True))
    (slope,) = torch.autograd.grad(potential.sum(), point)
    found = poisson.field(point.detach(), charges, WEIGHTS)
    assert torch.allclose(found, -slope, atol=1e-12)
    for b in range(8):  # and number by number
        r = point.detach()[b] - flat
        terms = (
            WEIGHTS[:, None]
            * r
            / (poisson.sphere_area(dim + 1) * r.norm(dim=1)[:, None] ** (dim + 1))
        )
        assert torch.allclose(found[b], terms.sum(0), atol=1e-12)


@pytest.mark.parametrize("dim", [1, 2, 3, 6])
def test_field_is_divergence_free(dim):
    charges = normal(3, dim)
    _, leak = cnf.divergence(lambda p, t: poisson.field(p, charges, WEIGHTS), above(20, dim), 0.0)
    assert leak.abs().max() < 1e-10
    lower = above(20, dim) * torch.tensor([1.0] * dim + [-1.0], dtype=torch.float64)
    down = poisson.field(lower, charges)
    up = poisson.field(above(20, dim), charges)
    assert torch.allclose(down[:, -1], -up[:, -1]) and torch.allclose(down[:, :-1], up[:, :-1])


def test_half_of_the_flux_goes_up():
    """Through a plane, by quadrature; through a dome and a sphere, by Monte Carlo."""
    line = normal(3, 1)
    for z in (0.3, 2.0):
        total = integrate.quad(
            lambda x, z=z: poisson.field(
                torch.tensor([[x, z]], dtype=torch.float64), line, WEIGHTS
            )[0, 1].item(),
            -math.inf,
            math.inf,
            limit=400,
        )[0]
        assert total == pytest.approx(0.5, abs=1e-6)
    plane = normal(3, 2)
    dome = poisson.hemisphere(100_000, 2, 5.0, generator())
    area = 2 * math.pi * 25

    def field(p):
        return poisson.field(p, plane, WEIGHTS)

    assert poisson.flux(field, area, dome, dome / 5).item() == pytest.approx(0.5, abs=0.005)
    below = dome * torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64)
    whole = torch.cat([dome, below])
    assert poisson.flux(field, 2 * area, whole, whole / 5).item() == pytest.approx(1, abs=0.005)


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_density_is_cauchy(dim):
    """One charge: multivariate Student with one degree of freedom, from scipy."""
    x = 3 * normal(10, dim)
    charge = normal(1, dim, seed=3)
    found = poisson.log_density(x, 0.7, charge)
    law = stats.multivariate_t(loc=charge[0].numpy(), shape=0.49 * torch.eye(dim).numpy(), df=1)
    assert torch.allclose(found, torch.as_tensor(law.logpdf(x.numpy()).reshape(-1)), atol=1e-10)
    mixed = poisson.log_density(x, 0.7, normal(3, dim), WEIGHTS)
    height = torch.full((10, 1), 0.7, dtype=torch.float64)
    field = poisson.field(torch.cat([x, height], 1), normal(3, dim), WEIGHTS)
    assert torch.allclose(mixed, (2 * field[:, -1]).log(), atol=1e-10)


def test_velocity_carries_the_flux():
    """dx/dz is E_x / E_z, and with p_z it fulfils the continuity equation."""
    charges, point, h = normal(3, 2), above(20, 2), 1e-4
    field = poisson.field(point, charges, WEIGHTS)
    v = poisson.velocity(charges, WEIGHTS)
    for b in range(20):
        x, z = point[b : b + 1, :-1], point[b, -1]
        expected = field[b, :-1] / field[b, -1]
        assert torch.allclose(v(x, z)[0], expected, atol=1e-10)

        def log_p(x, z):
            return poisson.log_density(x, z, charges, WEIGHTS)

        rate = (log_p(x, z + h) - log_p(x, z - h)) / (2 * h)
        moved, spread = cnf.divergence(v, x, z)
        y = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(log_p(y, z).sum(), y)
        assert (rate + spread + (moved * slope).sum(1)).abs().max() < 1e-5


def test_velocity_survives_many_dimensions():
    """In 64 dimensions and float32, where the field itself would underflow."""
    charges = normal(50, 64)
    x = 100 * normal(10, 64)
    z = torch.tensor(40.0, dtype=torch.float64)
    exact = poisson.velocity(charges)(x, z)
    single = poisson.velocity(charges.float())(x.float(), z.float())
    assert single.dtype == torch.float32
    assert torch.allclose(single.double(), exact, rtol=1e-4, atol=1e-4)


def test_waves_fall_exponentially():
    """The Fourier integral of p_z in one dimension is exp(-z |w|) that of the charges."""
    charges = torch.tensor([[-0.6], [0.2], [1.0]], dtype=torch.float64)
    for z, omega in ((0.5, 1.3), (1.0, 0.4)):

        def even(x, z=z):
            x = torch.tensor([[x], [-x]], dtype=torch.float64)
            return poisson.log_density(x, z, charges, WEIGHTS).exp().sum().item()

        found = integrate.quad(even, 0, math.inf, weight="cos", wvar=omega, limit=400)[0]
        start = (WEIGHTS * (omega * charges[:, 0]).cos()).sum().item()
        assert found == pytest.approx(math.exp(-z * omega) * start, abs=1e-6)


def test_hemisphere_is_uniform():
    """Archimedes: in three dimensions heights are uniform; directions are fair; radius kept."""
    dome = poisson.hemisphere(20_000, 2, 3.0, generator())
    assert dome.dtype == torch.float64 and (dome[:, -1] >= 0).all()
    assert torch.allclose(dome.norm(dim=1), torch.full((20_000,), 3.0, dtype=torch.float64))
    assert stats.kstest(dome[:, -1].numpy() / 3, "uniform").pvalue > 1e-3
    angle = torch.atan2(dome[:, 1], dome[:, 0]) / (2 * math.pi) + 0.5
    assert stats.kstest(angle.numpy(), "uniform").pvalue > 1e-3


def test_prior_is_one_charge_seen_from_above():
    """One coordinate of the prior is Cauchy of scale z; radii follow the plane's density."""
    x = poisson.prior(20_000, 3, 2.5, generator())
    for column in x.T:
        assert stats.kstest(column.numpy(), stats.cauchy(scale=2.5).cdf).pvalue > 1e-3
    radius = (x.norm(dim=1) / 2.5).numpy()
    at_origin = torch.zeros(1, 3, dtype=torch.float64)

    def ring(r):
        point = torch.tensor([[2.5 * r, 0, 0]], dtype=torch.float64)
        density = poisson.log_density(point, 2.5, at_origin).exp().item() * 2.5**3
        return 4 * math.pi * r**2 * density

    for r in (0.5, 1.0, 3.0):
        share = integrate.quad(ring, 0, r)[0]
        assert (radius < r).mean() == pytest.approx(share, abs=0.015)


def test_field_lines_reach_the_sky_evenly():
    charges = normal(400, 2)
    x = charges + poisson.prior(400, 2, 0.05, generator())
    heights = torch.logspace(math.log10(0.05), 2.5, 80, dtype=torch.float64)
    *_, x = ode.heun(poisson.velocity(charges), x, heights)
    cosine = heights[-1] / (x.square().sum(1) + heights[-1] ** 2).sqrt()
    assert stats.kstest(cosine.numpy(), "uniform").statistic < 0.1


def test_starts_are_spread_and_follow_the_generator():
    """Radius 1 unless told; every row and coordinate differs, with the std of a uniform sphere."""
    dome = poisson.hemisphere(20_000, 3, generator=generator(1))
    assert torch.allclose(dome.norm(dim=1), torch.ones(20_000, dtype=torch.float64))
    assert torch.allclose(dome[:, :3].mean(0), torch.zeros(3).double(), atol=0.015)
    assert torch.allclose(dome.square().mean(0), torch.full((4,), 0.25).double(), atol=0.01)
    plane = poisson.prior(20_000, 3, 2.0, generator(1))
    assert torch.allclose(plane, 2 * dome[:, :-1] / dome[:, -1:])
    before = torch.get_rng_state()
    for draw in (
        poisson.hemisphere,
        lambda n, dim, generator: poisson.prior(n, dim, 2.0, generator),
    ):
        first, again, other = (draw(50, 2, generator=generator(s)) for s in (1, 1, 2))
        assert torch.equal(first, again) and not torch.equal(first, other)
        assert first.dtype == torch.float64 and len(first.unique()) == first.numel()
    assert torch.equal(before, torch.get_rng_state())


def test_equal_weights_unless_given():
    charges, point = normal(3, 2), above(6, 2)
    x, z = point[:, :-1], torch.tensor(0.7, dtype=torch.float64)
    third = torch.full((3,), 1 / 3, dtype=torch.float64)
    for found, expected in (
        (poisson.field(point, charges), poisson.field(point, charges, third)),
        (poisson.log_density(x, 0.7, charges), poisson.log_density(x, 0.7, charges, third)),
        (poisson.velocity(charges)(x, z), poisson.velocity(charges, third)(x, z)),
    ):
        torch.testing.assert_close(found, expected)


def test_a_charge_of_no_weight_is_not_there():
    charges, point = normal(3, 2), above(6, 2)
    weights = torch.tensor([0.5, 0.0, 0.5], dtype=torch.float64)
    found = poisson.field(point, charges, weights)
    torch.testing.assert_close(found, poisson.field(point, charges[[0, 2]]))


def test_a_height_that_is_a_number_is_taken_in_the_dtype_of_x():
    charges, x = normal(3, 2), normal(6, 2, seed=1)
    exactly, v = torch.tensor(0.7, dtype=torch.float64), poisson.velocity(charges)
    assert torch.equal(v(x, 0.7), v(x, exactly)) and v(x.float(), exactly).dtype == torch.float32
    found = poisson.log_density(x, 0.7, charges)
    assert torch.equal(found, poisson.log_density(x, exactly, charges))


def test_charges_and_weights_take_the_dtype_of_the_points():
    point, charges = above(6, 2), normal(3, 2)
    found = poisson.field(point.float(), charges, WEIGHTS)
    assert found.dtype == torch.float32
    torch.testing.assert_close(
        found.double(), poisson.field(point, charges, WEIGHTS), rtol=1e-4, atol=1e-6
    )


def test_flux_is_area_times_the_mean_outward_part():
    points, normals = normal(5, 3), normal(5, 3, seed=1)
    expected = sum(3 * points[b] @ normals[b] for b in range(5)) * 7.0 / 5
    found = poisson.flux(lambda p: 3 * p, 7.0, points, normals)
    assert found.item() == pytest.approx(expected.item())


X, LINE, Z = torch.zeros(3, 2), torch.zeros(4, 1), torch.tensor(1.0)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: poisson.sphere_area(0), "dim must be at least 1, got 0"),
        (lambda: poisson.green(X[0]), r"x must be \(B, D\), got \(2,\)"),
        (lambda: poisson.green(X[:, :1]), r"D at least 2, got \(3, 1\)"),
        (lambda: poisson.field(X[0], LINE), r"point must be \(B, N \+ 1\), got \(2,\)"),
        (lambda: poisson.field(X[:, :1], LINE), r"point must be \(B, N \+ 1\) .*, got \(3, 1\)"),
        (lambda: poisson.field(X, X), "must fit, got"),
        (lambda: poisson.field(X, LINE[:, 0]), r"charges must be \(K, N\), got \(4,\)"),
        (lambda: poisson.field(X, LINE[:0]), "charges .* must be one or more, got none"),
        (lambda: poisson.velocity(X)(X[0], Z), r"points must be \(B, N\), got \(2,\)"),
        (lambda: poisson.field(X, LINE, torch.ones(3)), r"weights must be \(4,\), got \(3,\)"),
        (
            lambda: poisson.field(torch.ones(4, 2), LINE, torch.ones(4, 1)),
            r"weights must be \(4,\), got \(4, 1\)",
        ),
        (
            lambda: poisson.field(X, LINE, torch.tensor([0.5, 0.6, 0.1, -0.2])),
            "weights must be at least 0, got",
        ),
        (
            lambda: poisson.field(X, LINE, torch.tensor([0.5, 0.5, 0.0, math.nan])),
            "weights must be at least 0, got",
        ),
        (
            lambda: poisson.log_density(X, 1.0, X, torch.tensor([2.0, -1.0, 0.0])),
            "weights must be at least 0, got",
        ),
        (
            lambda: poisson.velocity(X, torch.tensor([2.0, -1.0, 0.0]))(X, Z),
            "weights must be at least 0, got",
        ),
        (lambda: poisson.velocity(X)(X, torch.tensor(0.0)), "z must be a positive scalar, got 0"),
        (lambda: poisson.velocity(X)(X, torch.ones(3)), r"z must be a scalar, got \(3,\)"),
        (lambda: poisson.log_density(X, -1.0, X), "z must be a positive scalar, got -1"),
        (lambda: poisson.log_density(X, math.nan, X), "z must be a positive scalar, got nan"),
        (lambda: poisson.prior(3, 2, 0.0), "z must be a positive scalar, got 0"),
        (lambda: poisson.hemisphere(0, 2), "n must be positive, got 0"),
        (lambda: poisson.hemisphere(2, 0), "dim must be positive, got 0"),
        (lambda: poisson.hemisphere(2, 2, 0.0), "radius must be positive, got 0"),
        (lambda: poisson.hemisphere(2, 2, math.nan), "radius must be positive, got nan"),
        (lambda: poisson.flux(lambda p: p, 1.0, X, X[:2]), "must both be .*, got"),
        (lambda: poisson.flux(lambda p: p, 1.0, X[0], X[0]), r"points must be \(n, D\), got"),
    ],
)
def test_bad_input(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_the_smallest_that_is_allowed():
    """A point in the plane, one charge on a line, one point of half a circle."""
    assert poisson.green(torch.tensor([[0.0, 1.0]])).item() == 0
    assert poisson.sphere_area(1) == 2
    one = poisson.field(torch.tensor([[0.0, 2.0]]), torch.zeros(1, 1))
    assert torch.allclose(one, torch.tensor([[0.0, 1 / (4 * math.pi)]]))
    assert poisson.hemisphere(1, 1, generator=generator()).norm().item() == pytest.approx(1)
