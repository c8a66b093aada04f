"""Four times the chunks cost at most five times the time to accumulate, whatever they bring."""

from collections.abc import Callable
from typing import Any

import pytest

from deltawire import encode_event
from deltawire.replay import sample

from .test_scaling import check, gather


def deltas(count: int, delta: Callable[[int], Any]) -> list[bytes]:
    return [encode_event({"choices": [{"index": 0, "delta": delta(number)}]}) for number in range(count)]


def tool_calls(count: int) -> list[bytes]:
    """Fragments of 200 calls, in turn."""
    return deltas(count, lambda number: {"tool_calls": [{"index": number % 200, "function": {"arguments": "x,"}}]})


def calls_without_index(count: int) -> list[bytes]:
    return deltas(count, lambda number: {"tool_calls": [{"id": f"c{number % 200}", "function": {"arguments": "x,"}}]})


def eight_choices(count: int) -> list[bytes]:
    return [
        encode_event({"choices": [{"index": number % 8, "delta": {"content": " word"}}]}) for number in range(count)
    ]


def details(count: int) -> list[bytes]:
    return deltas(count, lambda _: {"reasoning_details": [{"type": "reasoning.text", "text": " word", "index": 0}]})


def parts(count: int) -> list[bytes]:
    return deltas(count, lambda number: {"content": [{"type": "text", "text": "a"}] if number % 2 else "b"})


def usage(count: int) -> list[bytes]:
    return [
        encode_event({"choices": [], "usage": {"total_tokens": number}, "x_groq": {"n": number}})
        for number in range(count)
    ]


CHUNKS: dict[str, Callable[[int], list[bytes]]] = {
    "text": lambda count: sample("text", chunks=count).events(),
    "logprobs": lambda count: sample("logprobs", chunks=count // 2).events(),
    "200 tool calls": tool_calls,
    "200 tool calls without index": calls_without_index,
    "n = 8": eight_choices,
    "reasoning details of one index": details,
    "text and parts in turn": parts,
    "usage on each chunk": usage,
}


@pytest.mark.parametrize("kind", CHUNKS)
def test_accumulating_cost_is_linear(backend, kind: str) -> None:
    def run(scale: int) -> Callable[[], object]:
        reads = CHUNKS[kind](2000 * scale)

        def accumulate() -> None:
            accumulator = backend.CompletionAccumulator()
            for read in reads:
                accumulator.feed(read)
            accumulator.finish()
            accumulator.completion()

        return accumulate

    check(run, lambda scale: gather(CHUNKS[kind](2000 * scale)))
