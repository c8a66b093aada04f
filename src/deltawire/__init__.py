"""deltawire: the bytes of an LLM token stream to typed chunks, at a cost that disappears."""

from importlib.metadata import version as _version

from ._backend import BACKEND
from .accumulator import CompletionAccumulator
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
from .completion import (
    Audio,
    ChatCompletion,
    CompletionChoice,
    CustomCall,
    FunctionCall,
    Message,
    ToolCall,
)
from .decoder import ChunkDecoder, StreamDecoder, TextDecoder
from .errors import (
    ChunkDecodeError,
    ConcurrentFeedError,
    DeltawireError,
    LimitExceededError,
    ResponseError,
    StencilMismatchError,
    TruncatedStreamError,
    UpstreamError,
)
from .events import EventParser, ServerSentEvent, encode_event
from .limits import Limits
from .records import DecoderStats, StreamEnd
from .streams import (
    aaccumulate,
    accumulate,
    aiter_chunks,
    aiter_events,
    aiter_text,
    decode,
    iter_chunks,
    iter_events,
    iter_text,
)

__version__ = _version("deltawire")

__all__ = [
    "BACKEND",
    "Audio",
    "AudioDelta",
    "ChatCompletion",
    "ChatCompletionChunk",
    "Choice",
    "ChunkDecodeError",
    "ChunkDecoder",
    "CompletionAccumulator",
    "CompletionChoice",
    "CompletionTokensDetails",
    "ConcurrentFeedError",
    "CustomCall",
    "CustomDelta",
    "DecoderStats",
    "Delta",
    "DeltawireError",
    "EventParser",
    "FunctionCall",
    "FunctionDelta",
    "LimitExceededError",
    "Limits",
    "Logprobs",
    "Message",
    "Moderation",
    "ModerationResult",
    "ModerationSide",
    "PromptTokensDetails",
    "ResponseError",
    "ServerSentEvent",
    "StencilMismatchError",
    "StreamDecoder",
    "StreamEnd",
    "TextDecoder",
    "TokenLogprob",
    "ToolCall",
    "ToolCallDelta",
    "TopLogprob",
    "TruncatedStreamError",
    "UpstreamError",
    "Usage",
    "__version__",
    "aaccumulate",
    "accumulate",
    "aiter_chunks",
    "aiter_events",
    "aiter_text",
    "decode",
    "encode_event",
    "iter_chunks",
    "iter_events",
    "iter_text",
]
