"""Watching a stream on its way: what a proxy wants to know of it."""

from ._pure.tap import Tap

__all__ = ["Tap"]
