import pytest
import torch

from helpers.plane import box, lattice, mesh


def test_mesh_has_its_cells_where_a_picture_has_them():
    cells = mesh((0, 4, -1, 1), 4)
    assert cells.shape == (4, 4, 2)
    torch.testing.assert_close(cells[0, :, 0], torch.tensor([0.5, 1.5, 2.5, 3.5]))
    torch.testing.assert_close(cells[:, 3, 1], torch.tensor([-0.75, -0.25, 0.25, 0.75]))


def test_mesh_sums_to_an_integral():
    area = (6 / 200) ** 2
    total = torch.exp(-0.5 * mesh(3.0, 200).square().sum(-1)).sum() * area
    exact = 2 * torch.pi * torch.erf(torch.tensor(3 / 2**0.5)) ** 2
    torch.testing.assert_close(total, exact, atol=1e-4, rtol=0)


def test_lattice_lines_run_along_one_coordinate_and_meet():
    lines = lattice(2.0, n_lines=5, n_between=3)
    assert lines.shape == (2, 5, 13, 2)
    assert (lines[0, 1, :, 1] == lines[0, 1, 0, 1]).all()
    assert (lines[1, 1, :, 0] == lines[1, 1, 0, 0]).all()
    for r in range(5):
        for c in range(5):
            torch.testing.assert_close(lines[0, r, 3 * c], lines[1, c, 3 * r])
    assert lines[0, 4, 12].tolist() == [2.0, 2.0]


@pytest.mark.parametrize("extent", [0, -1.0, (0, 1), (1, 0, 0, 1), (0, 1, 0, float("nan"))])
def test_bad_extents_are_refused(extent):
    with pytest.raises(ValueError, match="extent must be"):
        box(extent)


@pytest.mark.parametrize("extent", [2, 2.0, (-2, 2, -2, 2)])
def test_a_number_stands_for_a_square_round_0(extent):
    assert box(extent) == (-2, 2, -2, 2)


@pytest.mark.parametrize(
    "extent",
    [(0, 0, 0, 1), (0, 1, 1, 1), (0, 1, 1, 0), (0, 1, 0, 1, 2), (0, 1, -float("inf"), 1)],
)
def test_both_pairs_of_an_extent_rise_and_are_finite(extent):
    with pytest.raises(ValueError, match="extent must be"):
        box(extent)


def test_a_lattice_fills_its_box_with_lines_at_even_distances():
    lines = lattice((0, 8, -3, 1), 3, 2)
    assert lines.shape == (2, 3, 5, 2)
    assert lines[0, :, 0].tolist() == [[0, -3], [0, -1], [0, 1]]
    assert lines[0, 1, :, 0].tolist() == [0, 2, 4, 6, 8]
    assert lines[1, :, 0].tolist() == [[0, -3], [4, -3], [8, -3]]
    assert lines[1, 1, :, 1].tolist() == [-3, -2, -1, 0, 1]
    assert torch.equal(lattice(1.0), lattice(1.0, 13, 4)) and lattice(1.0).shape == (2, 13, 49, 2)
