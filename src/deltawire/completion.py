"""The finished completion, as msgspec Structs.

They encode with the members of OpenAI's ChatCompletion and the extensions that came;
members that never came are None, and left out.

Source: OpenAI API reference, "The chat completion object"; for extensions see `chunks`.
"""

from typing import Any

from msgspec import Struct

from .chunks import Logprobs, Moderation, Usage


class _Member(Struct, gc=False, omit_defaults=True, repr_omit_defaults=True):
    """Any object of a completion."""


class FunctionCall(_Member):
    """The function that the model calls (OpenAI)."""

    #: The function's name.
    name: str | None = None
    #: JSON text as the model wrote it: not always valid.
    arguments: str | None = None


class CustomCall(_Member):
    """The custom tool that the model calls (OpenAI)."""

    #: The tool's name.
    name: str | None = None
    #: Free-form text.
    input: str | None = None


class ToolCall(_Member):
    """One tool call (OpenAI)."""

    #: To be named in the message that answers the call.
    id: str | None = None
    #: "function" or "custom".
    type: str | None = None
    #: Of a call of type "function".
    function: FunctionCall | None = None
    #: Of a call of type "custom".
    custom: CustomCall | None = None
    #: Google: `google.thought_signature`, which must be sent back with the call.
    extra_content: Any = None


class Audio(_Member):
    """Spoken output (OpenAI)."""

    #: Names the audio in later requests.
    id: str | None = None
    #: Base64 of audio bytes.
    data: str | None = None
    #: What is said, as text.
    transcript: str | None = None
    #: Unix time in seconds.
    expires_at: int | None = None


class Message(_Member):
    """What the model says in one choice (OpenAI)."""

    #: "assistant", as a rule.
    role: str | None = None
    #: Text; a list of parts where the provider sent some (Mistral).
    content: str | list[Any] | None = None
    #: The text with which the model refuses.
    refusal: str | None = None
    #: In the order of their indexes.
    tool_calls: list[ToolCall] | None = None
    #: The deprecated form of a tool call.
    function_call: FunctionCall | None = None
    #: Spoken output.
    audio: Audio | None = None
    #: URL citations: OpenAI search models, Groq, OpenRouter.
    annotations: list[Any] | None = None
    #: Reasoning text, of providers that name it so: see `Delta`.
    reasoning_content: str | None = None
    #: Reasoning text, of the others.
    reasoning: str | None = None
    #: Reasoning in parts: OpenRouter.
    reasoning_details: list[Any] | None = None
    #: Tools that the server ran itself: Groq.
    executed_tools: list[Any] | None = None
    #: Generated images: OpenRouter.
    images: list[Any] | None = None
    #: SGLang, where asked for.
    hidden_states: Any = None


class CompletionChoice(_Member, kw_only=True):
    """One of the alternatives (OpenAI)."""

    #: Which alternative, from 0.
    index: int
    #: What the model says.
    message: Message
    #: As it was sent; None where none came, as in a stream that was cut short.
    finish_reason: str | None = None
    #: Numbers where the provider sends numbers (Together).
    logprobs: Logprobs | list[float | None] | None = None
    #: The stop string or token that was hit: vLLM.
    stop_reason: str | int | None = None
    #: Ids of the tokens: vLLM.
    token_ids: list[int] | None = None
    #: The stop string or token that was hit: SGLang.
    matched_stop: str | int | None = None
    #: What a content filter says of the last span that was filtered: Azure.
    content_filter_results: Any = None
    #: Where in the text that span is: Azure.
    content_filter_offsets: Any = None


class ChatCompletion(_Member, kw_only=True):
    """A whole chat completion (OpenAI)."""

    #: The first that was not empty.
    id: str | None = None
    #: "chat.completion".
    object: str
    #: Unix time in seconds.
    created: int | None = None
    #: The model that answered, as the server names it.
    model: str | None = None
    #: In the order of their indexes.
    choices: list[CompletionChoice]
    #: Of the whole request; None where the stream sent none.
    usage: Usage | None = None
    #: The last that was sent.
    service_tier: str | None = None
    #: The server's configuration, to be read beside `seed`.
    system_fingerprint: str | None = None
    #: Where it was asked for.
    moderation: Moderation | None = None
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
