"""The accumulator: from deltas to the finished completion."""

from typing import TYPE_CHECKING

from . import _backend

if TYPE_CHECKING:
    from ._pure.accumulator import CompletionAccumulator
else:
    CompletionAccumulator = _backend.twin("accumulator").CompletionAccumulator

__all__ = ["CompletionAccumulator"]
