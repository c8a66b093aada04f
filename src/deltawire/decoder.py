"""Decoders: from bytes to typed values."""

from typing import TYPE_CHECKING

from . import _backend

if TYPE_CHECKING:
    from ._pure.decoder import ChunkDecoder, StreamDecoder, TextDecoder
else:
    _twin = _backend.twin("decoder")
    ChunkDecoder = _twin.ChunkDecoder
    StreamDecoder = _twin.StreamDecoder
    TextDecoder = _twin.TextDecoder

__all__ = ["ChunkDecoder", "StreamDecoder", "TextDecoder"]
