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
from .closing import encode_error
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
from .events import EventParser, ServerSentEvent, encode_comment, encode_event
from .limits import Limits
from .records import DecoderStats, StreamEnd
from .report import StreamReport
from .rewriter import Rewriter
from .splicing import RawEvent, include_usage_in_request
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
from .tap import Tap

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
    "RawEvent",
    "ResponseError",
    "Rewriter",
    "ServerSentEvent",
    "StencilMismatchError",
    "StreamDecoder",
    "StreamEnd",
    "StreamReport",
    "Tap",
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
    "encode_comment",
    "encode_error",
    "encode_event",
    "include_usage_in_request",
    "iter_chunks",
    "iter_events",
    "iter_text",
]
