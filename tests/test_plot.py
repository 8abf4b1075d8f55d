"""Figures: the same bytes twice, alternative text, and bad input named."""

import base64

import matplotlib
import numpy as np
import pytest
import torch

from helpers import plot


def draw(**kwargs):
    ax = plot.axes()
    ax.plot([0, 1], [0, 1])
    return plot.show("a rising line", "It rises.", **kwargs)


@pytest.mark.parametrize("png", [False, True])
def test_same_bytes_twice(png):
    assert draw(png=png).data == draw(png=png).data


def test_page_carries_alt_and_caption():
    page = draw()._repr_html_()
    assert 'alt="a rising line"' in page and "<figcaption>It rises.</figcaption>" in page
    assert "http" not in page.replace("data:image", "")


def test_heat_puts_the_first_row_at_the_bottom():
    ax = plot.axes()
    plot.heat(ax, torch.tensor([[0.0, 1.0], [2.0, 3.0]]), 2.0)
    shown = ax.get_images()[0]
    assert shown.origin == "lower" and list(shown.get_extent()) == [-2, 2, -2, 2]
    assert shown.get_array().tolist() == [[0, 1], [2, 3]]
    plot.plt.close()


def test_images_are_tiled_in_reading_order():
    ax = plot.axes()
    x = torch.arange(6.0)[:, None, None].expand(6, 2, 2) / 6
    plot.images(ax, x, 3)
    shown = ax.get_images()[0].get_array()
    assert shown.shape == (8, 12)
    assert shown[1, 1] == 0 and shown[5, 1] == pytest.approx(0.5)
    plot.plt.close()


def test_bad_input():
    with pytest.raises(ValueError, match="got none"):
        plot.show("alt", "caption")
    for call in (
        lambda ax: plot.points(ax, torch.zeros(3, 3)),
        lambda ax: plot.images(ax, torch.zeros(5, 2, 2), 3),
        lambda ax: plot.heat(ax, torch.zeros(9), 1.0),
        lambda ax: plot.show("", "caption"),
    ):
        with pytest.raises(ValueError, match="got"):
            call(plot.axes())
    plot.plt.close("all")


@pytest.fixture
def ax():
    yield plot.axes()
    plot.plt.close("all")


@pytest.mark.parametrize(
    ("grid", "size", "inches"),
    [
        ((), None, (6.4, 3.2)),
        ((1, 1), None, (6.4, 3.2)),
        ((1, 3), None, (8.0, 2.2)),
        ((2, 1), None, (8.0, 4.4)),
        ((3, 2), None, (8.0, 6.6)),
        ((2, 2), (5, 4), (5, 4)),
    ],
)
def test_a_figure_is_as_large_as_its_panels_need(grid, size, inches):
    found = plot.axes(*grid, size=size)
    assert tuple(plot.plt.gcf().get_size_inches()) == pytest.approx(inches)
    shape = getattr(found, "shape", ())
    assert shape == tuple(n for n in grid if n > 1)
    left, right = plot.axes(1, 2, sharey=True)
    assert left.get_shared_y_axes().joined(left, right)
    plot.plt.close("all")


def test_figures_have_the_book_s_style(monkeypatch):
    used = []
    monkeypatch.setattr(plot.plt.style, "use", used.append)
    plot.axes()
    plot.plt.close("all")
    (style,) = used
    assert style.endswith("book.mplstyle")


def test_a_shown_figure_is_closed_and_of_its_kind(ax):
    ax.plot([0, 1], [0, 1])
    picture = plot.show("a & b", "It <rises>.")
    assert plot.plt.get_fignums() == [] and picture.kind == "image/svg+xml"
    assert picture.data.startswith(b"<?xml") and repr(picture) == "figure: It <rises>."
    page = picture._repr_html_()
    assert 'alt="a &amp; b"' in page and "<figcaption>It &lt;rises&gt;.</figcaption>" in page
    assert f"data:image/svg+xml;base64,{base64.b64encode(picture.data).decode()}" in page
    plot.axes()
    bitmap = plot.show("alt", "Caption.", png=True)
    assert bitmap.kind == "image/png" and bitmap.data.startswith(b"\x89PNG")
    for hidden in (b"Software", b"matplotlib"):
        assert hidden not in bitmap.data
    assert b"<dc:date>" not in picture.data and b"Matplotlib v" not in picture.data


@pytest.mark.parametrize(
    ("alt", "caption"), [("", "c"), (" ", "c"), ("a", ""), ("a", "\n"), ("", "")]
)
def test_neither_alt_nor_caption_may_be_empty(ax, alt, caption):
    with pytest.raises(ValueError, match="alt and caption must both say something"):
        plot.show(alt, caption)


def test_points_lie_where_they_are_in_one_colour_and_equal_axes(ax):
    xy = torch.tensor([[0.0, 1.0], [2.0, 5.0]], requires_grad=True)
    plot.points(ax, xy, "#123456", size=7.0, title="here")
    plot.points(ax, xy)
    told, plain = ax.collections
    assert told.get_offsets().tolist() == [[0, 1], [2, 5]]
    assert told.get_sizes().tolist() == [7] and plain.get_sizes().tolist() == [2]
    for drawn, colour in ((told, "#123456"), (plain, plot.DATA)):
        assert matplotlib.colors.to_hex(drawn.get_facecolor()[0]) == colour
        assert drawn.get_facecolor()[0][3] == pytest.approx(0.7)
        assert drawn.get_linewidths().tolist() == [0]
    assert ax.get_aspect() == 1 and ax.get_title() == ""
    plot.points(ax, xy, title="here")
    assert ax.get_title() == "here"


def test_a_heat_map_is_dark_at_0_and_has_no_ticks(ax):
    plot.heat(ax, torch.tensor([[1.0, 3.0]]), 0.5)
    plot.heat(ax, torch.tensor([[1.0, 3.0]]), 0.5, vmax=9.0, title="heat")
    plain, told = ax.get_images()
    assert plain.get_clim() == (0, 3) and told.get_clim() == (0, 9)
    assert plain.get_cmap().name == "cividis" and ax.get_title() == "heat"
    assert len(ax.get_xticks()) == len(ax.get_yticks()) == 0


def test_images_have_a_frame_of_one_pixel_and_ink_for_what_is_large(ax):
    plot.images(ax, torch.ones(2, 2, 3), 1, title="ones")
    plot.images(ax, torch.ones(2, 2, 3), 2, vmax=4.0)
    plain, told = ax.get_images()
    ink = np.zeros((8, 5))
    ink[1:3, 1:4] = ink[5:7, 1:4] = 1
    assert (plain.get_array() == ink).all() and told.get_array().shape == (4, 10)
    assert plain.get_clim() == (0, 1) and told.get_clim() == (0, 4)
    assert plain.get_cmap().name == "gray_r" and not ax.axison
    plot.images(ax, np.ones((1, 2, 2)), 1, title="ones")
    assert ax.get_title() == "ones"


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda ax: plot.points(ax, torch.zeros(3)), r"points must be \(N, 2\), got \(3,\)"),
        (lambda ax: plot.points(ax, torch.zeros(3, 1)), r"got \(3, 1\)"),
        (lambda ax: plot.points(ax, torch.zeros(3, 2, 2)), r"got \(3, 2, 2\)"),
        (lambda ax: plot.heat(ax, torch.zeros(2, 2, 3), 1.0), r"density must be \(H, W\)"),
        (lambda ax: plot.heat(ax, torch.zeros(2, 2), 0), "extent must be positive, got 0"),
        (lambda ax: plot.heat(ax, torch.zeros(2, 2), float("nan")), "extent must be positive"),
        (lambda ax: plot.images(ax, torch.zeros(2, 2), 1), r"images must be \(N, H, W\)"),
        (lambda ax: plot.images(ax, torch.zeros(2, 2, 2), 0), "n_cols must be at least 1, got 0"),
        (lambda ax: plot.images(ax, torch.zeros(2, 2, 2), -1), "n_cols must be at least 1"),
        (lambda ax: plot.images(ax, torch.zeros(3, 2, 2), 2), "filling rows of 2"),
    ],
)
def test_each_bad_input_is_named(ax, call, said):
    with pytest.raises(ValueError, match=said):
        call(ax)
