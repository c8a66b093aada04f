"""The only chooser between the twins: `_compiled` where it was built, else `_pure`."""

import os
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Literal


def _choose() -> Literal["compiled", "pure"]:
    if os.environ.get("DELTAWIRE_PURE", "") not in ("", "0"):
        return "pure"
    # An extension that was not built is no fault; one that does not load is, and
    # shows itself when `twin` imports it.
    return "pure" if find_spec("deltawire._compiled.events") is None else "compiled"


BACKEND: Literal["compiled", "pure"] = _choose()


def twin(name: str) -> ModuleType:
    """Return the chosen twin of the module `name`."""
    return import_module(f"deltawire._{BACKEND}.{name}")
