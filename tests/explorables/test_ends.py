"""Explorables without a browser: their defaults, and the ends of each range."""

import math

import numpy as np
import pytest
import stand_in_clicks
import stand_in_graph
import torch
from explorable_html import unpacked

from helpers.explorables import inline
from helpers.explorables.calibration import Calibration
from helpers.explorables.codes import Codes, region
from helpers.explorables.field import Field
from helpers.explorables.graph import Graph
from helpers.explorables.matrix import Matrix
from helpers.explorables.search import Search

DOCUMENTS = [(f"Title {i}", "long word " * (i % 3) + "dress") for i in range(12)]
POINTS = torch.linspace(-1, 1, 80).reshape(20, 4).sin()


def field(**changes):
    given = {"means": torch.tensor([[0.0, 1.0], [1.0, 0.0]]), "std": 0.4, "times": (0.0, 1.0)}
    return Field(**given | {"caption": "c", "extent": 2.0} | changes)


def matrix(**changes):
    one = torch.arange(6.0).reshape(2, 3) - 2
    learned = {"a": {1: one, 2: one / 2, 5: one / 3}, "b": {1: one, 2: one / 4, 5: one / 5}}
    seen = torch.tensor([[1, 0, 1], [0, 1, 1]])
    given = {"planted": one, "learned": learned, "seen": seen, "caption": "c"}
    return Matrix(**given | changes)


def graph(**changes):
    given = {"points": stand_in_graph.POINTS, "layers": stand_in_graph.LAYERS}
    return Graph(**given | {"entry": stand_in_graph.ENTRY, "caption": "c"} | changes)


def codes(**changes):
    books = [POINTS[:k].reshape(k, 2, 2).swapaxes(0, 1) for k in (2, 4)]
    given = {"points": POINTS, "names": [f"n{i}" for i in range(20)], "books": books}
    return Codes(**given | {"queries": {"q": POINTS[0]}, "caption": "c"} | changes)


def calibration(**changes):
    logits, labels, truth, rival = stand_in_clicks.parts()
    given = {"logits": logits, "labels": labels, "truth": truth, "rival": rival, "caption": "c"}
    return Calibration(**given | changes)


def search(**changes):
    vectors = torch.tensor([[1.0, 0.0], [0.5, -1.0]])
    given = {"documents": DOCUMENTS, "words": ["dress", "word"], "vectors": vectors}
    return Search(**given | {"caption": "c", "query": "long dress"} | changes)


# Defaults -----------------------------------------------------------------------------------------

DEFAULTS = {
    field: {
        "weights": torch.tensor([0.5, 0.5]),
        "kind": "heat",
        "drops": (),
        "clock": "t",
        "n_cells": 48,
        "seconds": 6,
    },
    matrix: {
        "sides": ("row", "column"),
        "knob": "rank",
        "kinds": "model",
        "level": 0,
        "titles": ("planted", "learned"),
    },
    graph: {"query": (0.0, 0.0), "efs": (1, 2, 4, 8, 16, 32), "ef": 1, "k": 10},
    codes: {"bits": 2, "point": 0, "k": 10, "noun": "point", "titles": ("part 1", "part 2")},
    calibration: {"n_bins": 12},
    search: {"offers": (), "k1": 1.5, "b": 0.75, "share": 0.0},
}
CASES = [(make, name) for make, options in DEFAULTS.items() for name in options]


@pytest.mark.parametrize(("make", "name"), CASES, ids=[f"{m.__name__} {n}" for m, n in CASES])
def test_a_default_is_the_documented_value(make, name):
    assert make(**{name: DEFAULTS[make][name]})._repr_html_() == make()._repr_html_()


# Ends of ranges -----------------------------------------------------------------------------------

layer, links = stand_in_graph.LAYERS[0]
N = len(stand_in_graph.POINTS)
TALL = {
    "planted": torch.zeros(60, 2),
    "learned": {"a": {1: torch.zeros(60, 2), 2: torch.ones(60, 2)}},
    "seen": (torch.arange(120).reshape(60, 2) % 2),
}
GOOD = [
    (field, {"means": torch.randn(16, 2, generator=torch.Generator()) * 0, "weights": None}),
    (field, {"drops": [(-2, -2), (2, 2, 1.0), (2, -2, 0.0)]}),
    (field, {"n_cells": 8}),
    (field, {"n_cells": 96}),
    (field, {"seconds": 0.1}),
    (matrix, TALL),
    (matrix, {"level": 2}),
    (graph, {"k": 1}),
    (graph, {"k": N}),
    (graph, {"efs": (1,)}),
    (codes, {"point": 19}),
    (codes, {"k": 20}),
    (codes, {"k": 1}),
    (calibration, {"n_bins": 2}),
    (calibration, {"n_bins": 60}),
    (search, {"k1": 0.0, "b": 0.0, "share": 1.0}),
    (search, {"k1": 3.0, "b": 1.0}),
]


@pytest.mark.parametrize(("make", "changes"), GOOD)
def test_the_ends_of_a_range_belong_to_it(make, changes):
    assert make(**changes).n_bytes <= inline.LIMIT


half = torch.tensor([0.5, 0.5])
logits, labels, truth, rival = stand_in_clicks.parts()


def but(x, at, value):
    """A copy of x with another number at one place."""
    x = x.clone()
    x.view(-1)[at] = value
    return x


BAD = [
    (field, {"weights": torch.tensor([1.2, -0.2])}, "weights must be positive"),
    (field, {"weights": torch.tensor([0.5, 0.51])}, "weights must sum to 1"),
    (field, {"weights": torch.tensor([0.5, 0.49])}, "weights must sum to 1"),
    (field, {"std": -0.1}, "std must be positive"),
    (field, {"std": math.nan}, "std must be positive"),
    (field, {"times": (2.0, 1.0)}, "times must be"),
    (field, {"times": (0.0, math.nan)}, "times must be"),
    (field, {"n_cells": 7}, "n_cells must be from 8 to 96, got 7"),
    (field, {"n_cells": 97}, "n_cells must be from 8 to 96, got 97"),
    (field, {"seconds": -1}, "seconds must be positive"),
    (field, {"seconds": math.nan}, "seconds must be positive"),
    (field, {"drops": [(0, 0), (0, 2.1)]}, "within the extent"),
    (field, {"drops": [(0, 0), (0, -2.1)]}, "within the extent"),
    (field, {"drops": [(0, 0), (2.1, 0)]}, "within the extent"),
    (field, {"drops": [(0, 0), (-2.1, 0)]}, "within the extent"),
    (field, {"drops": [(0, 0, -0.1)]}, "within the times"),
    (field, {"drops": [(0, 0, 1.1)]}, "within the times"),
    (field, {"drops": [(0, 0, 0.5, 1)]}, r"\(x, y\) or \(x, y, t\)"),
    (matrix, {"level": -1}, "level must be 0 to 2, got -1"),
    (matrix, {"planted": torch.zeros(2, 61)}, "at most 60 x 60"),
    (matrix, {"seen": torch.zeros(2, 3)}, "both of them, got only 0"),
    (matrix, {"seen": torch.tensor([[1, 0, 1], [0, 1, 0.5]])}, "seen must hold 0 and 1"),
    (matrix, {"kinds": ""}, "kinds must not be empty"),
    (matrix, {"sides": ("a", "")}, "sides must not be empty"),
    (matrix, {"titles": ("a", "")}, "titles must not be empty"),
    (matrix, {"titles": ("", "b")}, "titles must not be empty"),
    (graph, {"efs": (1, 2, 2)}, "efs must rise"),
    (graph, {"efs": ()}, "efs must not be empty"),
    (graph, {"efs": (-1, 1)}, "efs must rise from 1"),
    (graph, {"entry": -1}, "entry must be in the top layer"),
    (graph, {"layers": [(layer, but(links, -1, N))]}, "links of layer 0 must stay in it"),
    (graph, {"layers": [(layer, but(links, -1, -2))]}, "links of layer 0 must stay in it"),
    (graph, {"layers": [(but(layer, -1, 0), links)]}, "each once"),
    (codes, {"titles": ("a", "b", "c")}, "titles must be one for each of 2 parts, got 3"),
    (calibration, {"truth": but(truth, 0, 0.0)}, r"truth must be in \(0, 1\)"),
    (calibration, {"truth": but(truth, -1, 1.0)}, r"truth must be in \(0, 1\)"),
    (calibration, {"rival": but(rival, -1, 0.0)}, "rival must be positive"),
    (calibration, {"labels": torch.ones(900)}, "labels must be 0 and 1, both"),
    (calibration, {"labels": but(labels.double(), -1, 0.5)}, "labels must be 0 and 1"),
    (search, {"share": -0.1}, "share in 0 ... 1"),
    (search, {"k1": 3.01}, "k1 must be at most 3"),
]


@pytest.mark.parametrize(("make", "changes", "said"), BAD)
def test_what_lies_outside_is_refused_wherever_it_stands(make, changes, said):
    with pytest.raises(ValueError, match=said):
        make(**changes)


# What the pages share -----------------------------------------------------------------------------


@pytest.mark.parametrize("at", [0, 5])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_an_array_is_finite_in_every_place(at, bad):
    with pytest.raises(ValueError, match=r"^x must be finite, got 1 NaN or infinite$"):
        inline.checked("x", but(torch.zeros(2, 3), at, bad), (2, 3))


def test_an_array_s_shape_may_leave_lengths_open():
    x = torch.arange(6).reshape(2, 3)
    for shape in ((2, 3), ("N", 3), ("N", "D")):
        found = inline.checked("x", x, shape)
        assert found.dtype == np.float64 and found.tolist() == x.tolist()
    for shape in ((3, 2), ("N", 2), (2, 3, 1), ("N",), (2, "D", 1)):
        with pytest.raises(ValueError, match=r"^x must have shape"):
            inline.checked("x", x, shape)
    with pytest.raises(ValueError, match=r"^x must have shape \(N\), not empty, got \(0,\)$"):
        inline.checked("x", x[:0, 0], ("N",))
    assert inline.checked("x", torch.ones(2, requires_grad=True), (2,)).tolist() == [1, 1]


@pytest.mark.parametrize("at", [0, 5])
def test_an_array_may_have_a_least_value(at):
    x = but(torch.ones(6), at, 0.5)
    assert inline.checked("x", x, (6,), at_least=0.5).min() == 0.5
    with pytest.raises(ValueError, match=r"^x must be at least 0.6, got 0.5$"):
        inline.checked("x", x, (6,), at_least=0.6)
    assert inline.checked("x", -x, (6,)).max() == -0.5


@pytest.mark.parametrize("at", [0, 2])
def test_labels_are_whole_and_have_an_entry_in_every_place(at):
    pack = inline.Pack()
    number = pack.labels(torch.tensor([0, 2, 1]), 3, [7, 8, 9], "kinds")
    assert pack.arrays[number].tolist() == [7, 9, 8]
    x = torch.zeros(3, dtype=torch.float64)
    for bad, said in ((3.0, "whole and below 3, got 3"), (0.5, "whole, got 0.5"), (-1.0, "least")):
        with pytest.raises(ValueError, match=f"kinds must be .*{said}"):
            pack.labels(but(x, at, bad), 3, [7, 8, 9], "kinds")


def test_what_is_stored_once_is_not_stored_again():
    pack = inline.Pack()
    x = torch.rand(2, 5, 2, generator=torch.Generator().manual_seed(0))
    first = pack.moving("points", x, ("K", "N", 2), "points", ())
    before = dict(pack.sizes)
    assert pack.moving("points", x, ("K", "N", 2), "points", ()) == first
    assert pack.moving("points", None, ("K", "N", 2), "points", ()) is None
    assert pack.sizes == before and pack.density(None) is None
    heat = x[..., 0, None] + 0.5
    assert pack.density(heat) == pack.density(heat) == first + 1
    assert pack.error() == pytest.approx((x.max() - x.min()).item() / 2047 / 2, rel=1e-4)


def test_a_page_of_the_most_bytes_is_allowed_and_one_more_is_not():
    inline._check_length(80_000, {"still": 1})
    with pytest.raises(ValueError, match=r"at most 80 KB of HTML, got 80.0 KB \(still 0.5 KB\)"):
        inline._check_length(80_001, {"still": 500})


@pytest.mark.parametrize("value", ["", [], {}, None, 0])
def test_nothing_is_refused_by_its_name(value):
    inline.filled(a="x", b=[0])
    with pytest.raises(ValueError, match=r"^b must not be empty$"):
        inline.filled(a="x", b=value)


def test_regions_of_two_equal_centres_are_the_same_and_whole():
    book = np.array([[0.0, 0.0], [0.0, 0.0]])
    square = sorted(map(tuple, (2 * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])).tolist()))
    for one in (0, 1):
        assert sorted(map(tuple, region(book, one, 2.0).tolist())) == square


def test_the_first_results_are_by_words_by_vectors_or_by_both():
    """Words alone find only documents that hold one; vectors alone those that mean the same."""
    documents = [("silk gown", "x"), ("evening robe", "y"), ("coat", "z")]
    words = ["gown", "robe", "coat"]
    vectors = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])
    given = {"documents": documents, "words": words, "vectors": vectors, "query": "gown"}
    assert search(**given)._best("gown", 0.0) == [0]
    assert search(**given)._best("gown", 1.0) == [0, 1]
    assert search(**given)._best("gown", 0.5) == [0, 1]
    assert search(**given)._best("nothing", 0.5) == []
    many = [(f"dress {i}", "dress") for i in range(15)]
    assert search(documents=many)._best("dress", 0.0) == list(range(10))


def test_a_graph_s_picture_reaches_a_little_beyond_its_points():
    xy = torch.zeros(3, 2)
    layers = [(torch.arange(3), torch.full((3, 1), -1))]
    given = {"points": xy, "layers": layers, "entry": 0, "k": 1}
    assert unpacked(graph(**given))[0]["extent"] == [-1, 1, -1, 1]
    given["points"] = torch.tensor([[0.0, -2.0], [1.0, 0.5], [0.0, 0.0]])
    assert unpacked(graph(**given))[0]["extent"] == [-2.16, 2.16, -2.16, 2.16]


def test_a_matrix_of_zeros_can_be_shown():
    zero = torch.zeros(2, 3)
    made = matrix(planted=zero, learned={"a": {1: zero, 2: torch.ones(2, 3)}})
    assert unpacked(made)[0]["most"] == 1e-9
