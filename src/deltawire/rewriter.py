"""Changing a stream on its way: the model's name, usage, or whatever a proxy likes."""

from ._pure.rewriter import Rewriter

__all__ = ["Rewriter"]
