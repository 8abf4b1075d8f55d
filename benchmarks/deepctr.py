"""deepctr-torch's modules without its ``__init__``, which asks the network for newer versions.

They live here under another name, so that nobody who sees them imports the package itself.
"""

import importlib
import sys
import types
from importlib import metadata
from types import ModuleType

NAME = "yardstick_deepctr"


def module(name: str) -> ModuleType:
    """``module("layers.interaction")``: that part of the package, imported by its path."""
    if NAME not in sys.modules:
        package = types.ModuleType(NAME)
        package.__path__ = [
            str(metadata.distribution("deepctr-torch").locate_file("deepctr_torch"))
        ]
        sys.modules[NAME] = package
    return importlib.import_module(f"{NAME}.{name}")
