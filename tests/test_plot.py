"""Figures: the same bytes twice, alternative text, and bad input named."""

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
