"""deltawire: the bytes of an LLM token stream to typed chunks, at a cost that disappears."""

from importlib.metadata import version as _version

from ._backend import BACKEND
from .chunks import (
    AudioDelta,
    ChatCompletionChunk,
    Choice,
    CompletionTokensDetails,
    CustomDelta,
    Delta,
    FunctionDelta,
    Logprobs,
    Moderation,
    ModerationResult,
    ModerationSide,
    PromptTokensDetails,
    TokenLogprob,
    ToolCallDelta,
    TopLogprob,
    Usage,
)
from .decoder import ChunkDecoder, StreamDecoder
from .errors import (
    ChunkDecodeError,
    ConcurrentFeedError,
    DeltawireError,
    LimitExceededError,
    StencilMismatchError,
    TruncatedStreamError,
    UpstreamError,
)
from .events import EventParser, ServerSentEvent, encode_event
from .limits import Limits
from .records import DecoderStats, StreamEnd
from .streams import aiter_chunks, aiter_events, decode, iter_chunks, iter_events

__version__ = _version("deltawire")

__all__ = [
    "BACKEND",
    "AudioDelta",
    "ChatCompletionChunk",
    "Choice",
    "ChunkDecodeError",
    "ChunkDecoder",
    "CompletionTokensDetails",
    "ConcurrentFeedError",
    "CustomDelta",
    "DecoderStats",
    "Delta",
    "DeltawireError",
    "EventParser",
    "FunctionDelta",
    "LimitExceededError",
    "Limits",
    "Logprobs",
    "Moderation",
    "ModerationResult",
    "ModerationSide",
    "PromptTokensDetails",
    "ServerSentEvent",
    "StencilMismatchError",
    "StreamDecoder",
    "StreamEnd",
    "TokenLogprob",
    "ToolCallDelta",
    "TopLogprob",
    "TruncatedStreamError",
    "UpstreamError",
    "Usage",
    "__version__",
    "aiter_chunks",
    "aiter_events",
    "decode",
    "encode_event",
    "iter_chunks",
    "iter_events",
]
