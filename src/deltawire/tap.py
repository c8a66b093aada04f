"""Watching a stream on its way: what a proxy wants to know of it."""

from typing import TYPE_CHECKING

from . import _backend

if TYPE_CHECKING:
    from ._pure.tap import Tap
else:
    Tap = _backend.twin("tap").Tap

__all__ = ["Tap"]
