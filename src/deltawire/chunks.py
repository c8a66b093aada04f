"""The chunks of a chat completion stream, as msgspec Structs.

Every member may be absent, null or new: absent and null are both None, unknown members
are skipped. To keep members that a provider adds, subclass these Structs and pass the
type to the decoder.

Sources: OpenAI API reference, "The chat completion chunk object"; for each extension the
provider that sends it, named at the field.
"""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct, field


class _Member(Struct, gc=False, omit_defaults=True, repr_omit_defaults=True):
    """Any object of a chunk. Trees of JSON have no cycles, so the collector need not look at them."""


class FunctionDelta(_Member):
    """A fragment of a function call (OpenAI)."""

    #: The function's name, whole, in the call's first fragment.
    name: str | None = None
    #: A piece of the arguments' JSON text. An object (Mistral, SGLang) becomes its JSON text.
    arguments: str | None = None


class CustomDelta(_Member):
    """A fragment of a custom tool call (OpenAI)."""

    #: The tool's name.
    name: str | None = None
    #: A piece of the free-form input.
    input: str | None = None


class ToolCallDelta(_Member):
    """A fragment of one tool call (OpenAI)."""

    #: Which call of the message; missing or null from Gemini, Cerebras, SambaNova, Mistral.
    index: int | None = None
    #: The call's id, in its first fragment; some servers send "" or "null" later.
    id: str | None = None
    #: "function" or "custom".
    type: str | None = None
    #: Of a call of type "function".
    function: FunctionDelta | None = None
    #: Of a call of type "custom".
    custom: CustomDelta | None = None
    #: Google: `google.thought_signature`, which must be sent back with the call.
    extra_content: Any = None


class AudioDelta(_Member):
    """A piece of spoken output (OpenAI)."""

    #: Names the audio in later requests.
    id: str | None = None
    #: Base64 of audio bytes.
    data: str | None = None
    #: A piece of what is said, as text.
    transcript: str | None = None
    #: Unix time in seconds.
    expires_at: int | None = None


class Delta(_Member):
    """What one chunk adds to the message of a choice (OpenAI)."""

    #: "assistant" as a rule; in the first chunk, or in every one.
    role: str | None = None
    #: A piece of text, or a list of parts (Mistral: thinking among them).
    content: str | list[Any] | None = None
    #: A piece of the text with which the model refuses.
    refusal: str | None = None
    #: Fragments of tool calls: of several calls, or several of one.
    tool_calls: Sequence[ToolCallDelta] | None = None
    #: The deprecated form of a tool call.
    function_call: FunctionDelta | None = None
    #: A piece of spoken output.
    audio: AudioDelta | None = None
    #: Reasoning text: DeepSeek, SGLang, Fireworks, Zai, Together.
    reasoning_content: str | None = None
    #: Reasoning text: vLLM, OpenRouter, Groq, Cerebras, SambaNova, Together.
    reasoning: str | None = None
    #: Reasoning in parts, each with or without an index: OpenRouter.
    reasoning_details: list[Any] | None = None
    #: URL citations: OpenAI search models, Groq, OpenRouter.
    annotations: list[Any] | None = None
    #: Tools that the server ran itself: Groq.
    executed_tools: list[Any] | None = None
    #: Generated images: OpenRouter.
    images: list[Any] | None = None
    #: SGLang, where asked for.
    hidden_states: Any = None


class TopLogprob(_Member):
    """One of the likeliest tokens at a position (OpenAI)."""

    #: The token as text.
    token: str | None = None
    #: Natural logarithm of its probability.
    logprob: float | None = None
    #: The token's UTF-8 bytes, 0–255 each.
    bytes: list[int] | None = None


class TokenLogprob(_Member):
    """A token with its log probability (OpenAI)."""

    #: The token as text.
    token: str | None = None
    #: Natural logarithm; -9999.0 stands for very unlikely.
    logprob: float | None = None
    #: The token's UTF-8 bytes, 0–255 each.
    bytes: list[int] | None = None
    #: The likeliest tokens here, as many as were asked for.
    top_logprobs: Sequence[TopLogprob] | None = None


class Logprobs(_Member):
    """Log probabilities of the tokens of one chunk (OpenAI)."""

    #: Of the tokens of the content.
    content: Sequence[TokenLogprob] | None = None
    #: Of the tokens of the refusal.
    refusal: Sequence[TokenLogprob] | None = None


class Choice(_Member):
    """One of the alternatives that are streamed side by side (OpenAI)."""

    #: Which alternative, from 0; where it is missing, the place in `choices` counts.
    index: int | None = None
    #: None where Azure sends a choice that only carries content filter results.
    delta: Delta | None = None
    #: A number from Together.
    logprobs: Logprobs | float | None = None
    #: "stop", "length", "tool_calls", "content_filter", "function_call" (OpenAI); also
    #: "error", "eos", "abort", and "" or "null" for none.
    finish_reason: str | None = None
    #: The stop string or token that was hit: vLLM.
    stop_reason: str | int | None = None
    #: Ids of the tokens in this chunk: vLLM.
    token_ids: list[int] | None = None
    #: The stop string or token that was hit: SGLang.
    matched_stop: str | int | None = None
    #: The whole message so far, beside the delta: Perplexity.
    message: Any = None
    #: What a content filter says of the text: Azure.
    content_filter_results: Any = None
    #: Azure, asynchronous filter: where in the text the results belong.
    content_filter_offsets: Any = None


class CompletionTokensDetails(_Member):
    """What the completion's tokens were spent on (OpenAI)."""

    #: Of a predicted output, those that came true.
    accepted_prediction_tokens: int | None = None
    #: Of spoken output.
    audio_tokens: int | None = None
    #: Of reasoning, whether it is shown or not.
    reasoning_tokens: int | None = None
    #: Of a predicted output, those that did not come true; paid for all the same.
    rejected_prediction_tokens: int | None = None
    #: Of text.
    text_tokens: int | None = None


class PromptTokensDetails(_Member):
    """What the prompt's tokens were made of (OpenAI)."""

    #: Of spoken input.
    audio_tokens: int | None = None
    #: Written to the prompt cache.
    cache_write_tokens: int | None = None
    #: Read from the prompt cache.
    cached_tokens: int | None = None
    #: Of images.
    image_tokens: int | None = None
    #: Of text.
    text_tokens: int | None = None


class Usage(_Member):
    """Token counts of the whole request so far (OpenAI).

    In the last chunk, where `stream_options.include_usage` was set; on each chunk, as
    a running total, from vLLM, SGLang and Perplexity.
    """

    #: Of the request, those from a cache included.
    prompt_tokens: int | None = None
    #: Generated so far, of all choices, reasoning included.
    completion_tokens: int | None = None
    #: Both together.
    total_tokens: int | None = None
    #: What the generated ones were spent on.
    completion_tokens_details: CompletionTokensDetails | None = None
    #: What those of the request were made of.
    prompt_tokens_details: PromptTokensDetails | None = None
    #: Of the request, found in the prompt cache: DeepSeek.
    prompt_cache_hit_tokens: int | None = None
    #: Of the request, not found there: DeepSeek.
    prompt_cache_miss_tokens: int | None = None
    #: Credits or dollars: OpenRouter; an object from Perplexity.
    cost: Any = None
    #: The cost by its parts: OpenRouter.
    cost_details: Any = None
    #: The caller's own key was used: OpenRouter.
    is_byok: bool | None = None


class ModerationResult(_Member):
    """The verdict on one text (OpenAI)."""

    #: The kind of result.
    type: str | None = None
    #: The model that gave the verdict.
    model: str | None = None
    #: Whether any category applies.
    flagged: bool | None = None
    #: By category: whether it applies.
    categories: dict[str, bool] | None = None
    #: By category: how surely it applies, 0–1.
    category_scores: dict[str, float] | None = None
    #: By category: to which input it applies, "text" or "image".
    category_applied_input_types: dict[str, list[str]] | None = None


class ModerationSide(_Member):
    """Moderation of the input or of the output: its results, or why there are none (OpenAI)."""

    #: "moderation_results" or "error".
    type: str | None = None
    #: The model that gave the verdicts.
    model: str | None = None
    #: A verdict on each text.
    results: Sequence[ModerationResult] | None = None
    #: Of an error: its code.
    code: str | None = None
    #: Of an error: what went wrong.
    message: str | None = None


class Moderation(_Member):
    """Moderation of a request, where it was asked for (OpenAI)."""

    #: Of the request's messages.
    input: ModerationSide | None = None
    #: Of what the model says.
    output: ModerationSide | None = None


class ChatCompletionChunk(_Member):
    """One event of a chat completion stream (OpenAI).

    The first chunk may have no choices and an empty id, model and object (Azure), the
    last one no choices and the usage.
    """

    #: The completion's id, the same in each chunk.
    id: str | None = None
    #: "chat.completion.chunk"; also "" and "chat.completion.done".
    object: str | None = None
    #: Unix time in seconds, the same in each chunk.
    created: int | None = None
    #: The model that answers, as the server names it.
    model: str | None = None
    #: "auto", "default", "flex", "scale", "priority", "fast"; also "standard", "on_demand", "".
    service_tier: str | None = None
    #: The server's configuration, to be read beside `seed`.
    system_fingerprint: str | None = None
    #: Always a list, empty where absent or null, and written where it is empty too:
    #: msgspec leaves out the empty lists of `list` itself.
    choices: Sequence[Choice] = field(default_factory=lambda: [])  # noqa: PIE807
    #: In the last chunk, where it was asked for; see `Usage`.
    usage: Usage | None = None
    #: Random text that hides the length of the event.
    obfuscation: str | None = None
    #: Where it was asked for.
    moderation: Moderation | None = None
    #: An error in the stream (OpenRouter and others): decoders raise it as `UpstreamError`.
    error: Any = None
    #: The provider that OpenRouter chose.
    provider: str | None = None
    #: How OpenRouter chose it.
    openrouter_metadata: Any = None
    #: Groq: request id, error and usage of its own.
    x_groq: Any = None
    #: Addresses of what was cited: Perplexity.
    citations: list[Any] | None = None
    #: What a search found: Perplexity.
    search_results: list[Any] | None = None
    #: What a content filter says of the prompt: Azure.
    prompt_filter_results: Any = None
    #: Ids of the prompt's tokens: vLLM.
    prompt_token_ids: list[int] | None = None
    #: Times and counts of the request: vLLM.
    metrics: Any = None
    #: SGLang's own members.
    sglext: Any = None
    #: Cerebras: seconds by phase.
    time_info: Any = None
    #: Times and counts of the request: Fireworks.
    perf_metrics: Any = None
    #: What the server warns of.
    warnings: Any = None


def index_of(index: Any, place: Any) -> Any:
    """Return the index that was sent; `place` where none was, or one that 64 bits do not hold.

    Nobody counts so far, and of larger integers a sender could choose many that Python hashes alike.
    """
    if index is None or (type(index) is int and not -(2**63) <= index < 2**63):
        return place
    return index


#: Characters that are kept of a finish reason, which is a word.
MOST_OF_REASON = 256


def text_of(content: str | list[Any] | None) -> str:
    """Return the text of a content; of one in parts, that of its text parts, which thinking is not."""
    if not isinstance(content, list):
        return content or ""
    texts = [part.get("text") for part in content if isinstance(part, dict)]
    return "".join(text for text in texts if isinstance(text, str))
