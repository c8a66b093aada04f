"""A user's own members, under `mypy --strict`."""

from typing import assert_type

from msgspec import field

from deltawire import ChatCompletionChunk, Choice, ChunkDecoder, Delta, StreamDecoder, iter_chunks


class MyDelta(Delta):
    mood: str | None = None


class MyChoice(Choice):
    delta: MyDelta | None = None


class MyChunk(ChatCompletionChunk):
    choices: list[MyChoice] = field(default_factory=list)


def moods(reads: list[bytes]) -> list[str]:
    """Return the moods of a stream."""
    decoder = ChunkDecoder(MyChunk)
    assert_type(decoder.feed(b""), list[MyChunk])
    assert_type(ChunkDecoder().feed(b""), list[ChatCompletionChunk])
    assert_type(StreamDecoder(int).feed(b""), list[int])
    return [
        choice.delta.mood
        for chunk in iter_chunks(reads, type=MyChunk)
        for choice in chunk.choices
        if choice.delta is not None and choice.delta.mood is not None
    ]
