"""An import as it was before helpers had rooms fails, in one sentence that says where to look."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import moved

SOURCE = Path(__file__).resolve().parents[1] / "src"
OLD = moved.MODULES


def new_places(text):
    """``data.catalogue or data.logs`` as the names of modules."""
    return [word.strip(",") for word in text.split() if "." in word or word == "counting"]


@pytest.mark.parametrize("old", sorted(OLD))
def test_an_old_module_says_where_it_is(old):
    with pytest.raises(ImportError, match=f"helpers.{old} has moved to helpers.") as refusal:
        importlib.import_module(f"helpers.{old}")
    for place in new_places(OLD[old]):
        assert place in str(refusal.value)
        importlib.import_module(f"helpers.{place}")


@pytest.mark.parametrize("room", sorted(moved.NAMES))
def test_an_old_name_says_where_it_is(room):
    module, names = moved.NAMES[room]
    package = importlib.import_module(f"helpers.{room}")
    for name in names.split():
        where = f"{name} has moved from helpers.{room} to helpers.{room}.{module}"
        with pytest.raises(AttributeError, match=where):
            getattr(package, name)
        with pytest.raises(ImportError, match=where):
            exec(f"from helpers.{room} import {name}")
        assert hasattr(importlib.import_module(f"helpers.{room}.{module}"), name)


def test_the_sentence_is_all_that_a_notebook_shows():
    done = subprocess.run(
        [sys.executable, "-c", "from helpers import plot, nice"],
        env={"PYTHONPATH": str(SOURCE), "MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
    )
    last = done.stderr.strip().split("\n")[-1]
    assert last == "ImportError: helpers.nice has moved to helpers.flows.nice"


def test_what_never_was_there_is_said_as_usual():
    with pytest.raises(ModuleNotFoundError, match=r"No module named .helpers\.nonsense."):
        importlib.import_module("helpers.nonsense")
    with pytest.raises(AttributeError, match="no name 'nonsense'"):
        moved.attribute("nonsense")
