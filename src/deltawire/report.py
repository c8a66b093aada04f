"""What a tap has seen of a stream."""

from typing import Any, Literal

import msgspec

from .chunks import Usage

Family = Literal["chat", "completions", "responses", "messages"]

Status = Literal["open", "done", "finished_without_done", "truncated", "errored", "overflow", "unreadable"]


class StreamReport(msgspec.Struct, kw_only=True):
    """What a tap has seen so far. Durations and instants are of the monotonic clock, in ns.

    Attributes:
        status: "open"; "done" once the stream has ended as its family does (`[DONE]`,
            `message_stop`, `response.completed` and its like). Closed without that:
            "finished_without_done", where each choice seen has finished, else "truncated".
            "errored" once the stream has reported an error, whatever else is so.
            "overflow": over a limit, nothing but bytes was counted from there on.
            "unreadable": no event stream; compressed, as a rule.
        family: "chat" (OpenAI's chat completions, and who speaks like them), "completions"
            (the legacy API), "responses" (OpenAI), "messages" (Anthropic); None as long as
            nothing has told.
        usage: the last that was sent, under the names of chat completions; the prompt's
            tokens include those from and to a cache, which Anthropic counts apart.
        finish_reasons: by choice, in order, as they were sent, None where none came. The other
            families have choice 0 only: Anthropic's `stop_reason`; of a response
            "completed", why it is incomplete, or "failed".
        model, id: the first that were not empty.
        error: the `error` of the event that reported one, or else its payload.
        events: events with data, the end's included.
        chunks: JSON objects among them.
        faults: those that were neither JSON objects nor null, empty or `[DONE]`.
        bytes: all that came.
        output_tokens: `usage`'s, or else the chunks that bore output, which are not tokens.
        output_tokens_source: which of the two, "usage" or "chunks".
        started_at: when the request was sent.
        time_to_first_byte: since `started_at`; None where nothing came.
        time_to_first_token: the same for the first read that bore output: content,
            reasoning, a refusal, tool arguments or audio, not empty; a role alone is none.
        last_token_at: when the last such read came.
        max_gap: the longest time from one such read to the next.
        gaps: where bounds were given, how many such times there were by bucket: at most the
            bound, and more than the one before; the last bucket has those above all bounds.
        duration: from `started_at` to the end; None before.
        text: the content of choice 0, where it was asked for; else None.
    """

    status: Status
    family: Family | None
    usage: Usage | None
    finish_reasons: dict[int, str | None]
    model: str | None
    id: str | None
    error: Any
    events: int
    chunks: int
    faults: int
    bytes: int
    output_tokens: int
    output_tokens_source: Literal["usage", "chunks"]
    started_at: int
    time_to_first_byte: int | None
    time_to_first_token: int | None
    last_token_at: int | None
    max_gap: int | None
    gaps: list[int] | None
    duration: int | None
    text: str | None
