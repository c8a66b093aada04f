"""Decoders: from bytes to typed values."""

from typing import TYPE_CHECKING

from . import _backend

if TYPE_CHECKING:
    from ._pure.chat import ChunkDecoder, TextDecoder
    from ._pure.decoder import StreamDecoder
    from ._pure.models import ModelDecoder
else:
    _chat = _backend.twin("chat")
    ChunkDecoder = _chat.ChunkDecoder
    TextDecoder = _chat.TextDecoder
    StreamDecoder = _backend.twin("decoder").StreamDecoder
    ModelDecoder = _backend.twin("models").ModelDecoder

__all__ = ["ChunkDecoder", "ModelDecoder", "StreamDecoder", "TextDecoder"]
