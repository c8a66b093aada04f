"""How each member of a chunk is folded into the completion. Both twins read these tables.

Null says nothing, under every rule. What no table names is left out: `obfuscation`,
`error`, and Perplexity's `message`, which repeats what its deltas said.
"""

from enum import IntEnum, unique


@unique
class Rule(IntEnum):
    """What becomes of a member's values, one after the other."""

    #: The first that is not empty (0, "", "null") stays.
    FIRST = 0
    #: The last stays, "" and "null" apart.
    LAST = 1
    #: Pieces of one text.
    JOIN = 2
    #: Pieces of one list.
    EXTEND = 3
    #: Parts of one list, of which those of the same index and type are one.
    PARTS = 4
    #: Text, or parts: once parts have come, text is a part among them.
    CONTENT = 5
    #: An object, folded by the table of its name in `NESTED`.
    NEST = 6
    #: Tool calls, each found by its index or id.
    CALLS = 7
    #: An object of two lists; or a number, one of a list.
    LOGPROBS = 8
    #: Choices, each found by its index.
    CHOICES = 9


Table = dict[str, Rule]

CHUNK: Table = {
    "id": Rule.FIRST,
    "created": Rule.FIRST,
    "model": Rule.FIRST,
    "usage": Rule.LAST,
    "service_tier": Rule.LAST,
    "system_fingerprint": Rule.LAST,
    "moderation": Rule.LAST,
    "provider": Rule.LAST,
    "openrouter_metadata": Rule.LAST,
    "x_groq": Rule.LAST,
    "citations": Rule.LAST,
    "search_results": Rule.LAST,
    "prompt_filter_results": Rule.LAST,
    "prompt_token_ids": Rule.LAST,
    "metrics": Rule.LAST,
    "sglext": Rule.LAST,
    "time_info": Rule.LAST,
    "perf_metrics": Rule.LAST,
    "warnings": Rule.LAST,
    "choices": Rule.CHOICES,
}

CHOICE: Table = {
    "delta": Rule.NEST,
    "logprobs": Rule.LOGPROBS,
    "finish_reason": Rule.LAST,
    "stop_reason": Rule.LAST,
    "token_ids": Rule.EXTEND,
    "matched_stop": Rule.LAST,
    "content_filter_results": Rule.LAST,
    "content_filter_offsets": Rule.LAST,
}

DELTA: Table = {
    "role": Rule.FIRST,
    "content": Rule.CONTENT,
    "refusal": Rule.JOIN,
    "tool_calls": Rule.CALLS,
    "function_call": Rule.NEST,
    "audio": Rule.NEST,
    "annotations": Rule.PARTS,
    "reasoning_content": Rule.JOIN,
    "reasoning": Rule.JOIN,
    "reasoning_details": Rule.PARTS,
    "executed_tools": Rule.PARTS,
    "images": Rule.PARTS,
    "hidden_states": Rule.LAST,
}

TOOL_CALL: Table = {
    "id": Rule.FIRST,
    "type": Rule.FIRST,
    "function": Rule.NEST,
    "custom": Rule.NEST,
    "extra_content": Rule.LAST,
}

FUNCTION: Table = {"name": Rule.FIRST, "arguments": Rule.JOIN}

CUSTOM: Table = {"name": Rule.FIRST, "input": Rule.JOIN}

AUDIO: Table = {"id": Rule.FIRST, "data": Rule.JOIN, "transcript": Rule.JOIN, "expires_at": Rule.LAST}

LOGPROBS: Table = {"content": Rule.EXTEND, "refusal": Rule.EXTEND}

NESTED: dict[str, Table] = {
    "delta": DELTA,
    "function_call": FUNCTION,
    "audio": AUDIO,
    "function": FUNCTION,
    "custom": CUSTOM,
}

#: Members that the completion has under another name.
OUTPUT = {"delta": "message"}

#: Members of a part that come in pieces; its other members keep their last value.
PIECES = frozenset({"text", "summary", "data", "thinking"})

#: Bytes that keeping one more member of a part takes, besides its name and value.
MEMBER = 64

#: What is sent for nothing at all.
NOTHING = ("", "null")
