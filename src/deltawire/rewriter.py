"""Changing a stream on its way: the model's name, usage, or whatever a proxy likes."""

from typing import TYPE_CHECKING

from . import _backend

if TYPE_CHECKING:
    from ._pure.rewriter import Rewriter
else:
    Rewriter = _backend.twin("rewriter").Rewriter

__all__ = ["Rewriter"]
