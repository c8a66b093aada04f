"""What reading a chunk costs the process that reads it, over openai's client and over an accelerated copy of it.

    python -m benchmarks.bench_downstream

prints a Markdown table: the bare client and each library on top of it that is installed,
CPU time in µs a chunk of 330 bytes, the least of some rounds in turn. The server is a process of its own.
"""

import asyncio
import json
import multiprocessing
import os
import platform
from collections.abc import AsyncIterable, Callable, Iterable, Iterator
from importlib.metadata import version
from importlib.util import find_spec
from time import process_time
from typing import Any, NamedTuple

import deltawire
from deltawire.replay import ReplayServer, sample

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
os.environ["LANGSMITH_TRACING"] = "false"

ASKED: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


class Mode(NamedTuple):
    """How a stream comes: its chunks, how many a write, and the seconds between two writes."""

    chunks: int
    events_per_write: int
    delay: float
    rounds: int


MODES = {
    "coalesced, 200 a write": Mode(1000, 200, 0, 5),
    "one a write": Mode(500, 1, 0, 5),
    "live, 3 ms apart": Mode(150, 1, 0.003, 4),
}


def text(chunks: int) -> bytes:
    return sample("text", chunks=chunks).body


def tool_call(chunks: int) -> bytes:
    """Return `text` with what it says as an argument of one tool call."""
    payloads = [json.loads(each) for each in sample("text", chunks=chunks).payloads]
    deltas = [payload["choices"][0]["delta"] for payload in payloads if payload["choices"]]
    for number, delta in enumerate(deltas):
        piece = json.dumps(delta["content"] or "")[1:-1]
        function = {"arguments": '{"query":"' if number == 0 else '"}' if number == len(deltas) - 1 else piece}
        if number == 0:
            function["name"] = "Notes"
        delta |= {
            "content": None,
            "tool_calls": [{"index": 0, "id": "call" if number == 0 else None, "function": function}],
        }
    return b"".join(map(deltawire.encode_event, payloads)) + b"data: [DONE]\n\n"


# --- what reads: each takes a client, or an async one ----------------------------------


Run = Callable[[], Any]  # returns how much it was given, or a coroutine of that


def count(items: Iterable[Any]) -> int:
    return sum(1 for _ in items)


async def async_count(items: AsyncIterable[Any]) -> int:
    return sum([1 async for _ in items])


def bare_bytes(client: Any) -> Run:
    def run() -> int:
        with client.chat.completions.with_streaming_response.create(stream=True, **ASKED) as response:
            return sum(map(len, response.iter_bytes()))

    return run


def bare_create(client: Any) -> Run:
    return lambda: count(client.chat.completions.create(stream=True, **ASKED))


def bare_acreate(client: Any) -> Run:
    async def run() -> int:
        return await async_count(await client.chat.completions.create(stream=True, **ASKED))

    return run


def bare_stream(client: Any) -> Run:
    def run() -> int:
        with client.chat.completions.stream(**ASKED) as stream:
            return count(stream)

    return run


def langchain(client: Any) -> Run:
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(model="m", client=client.chat.completions, root_client=client, api_key="key")

    return lambda: count(model.stream("Hi"))


def langchain_async(client: Any) -> Run:
    from langchain_openai import ChatOpenAI

    clients = {"async_client": client.chat.completions, "root_async_client": client}
    model = ChatOpenAI(model="m", api_key="key", **clients)

    return lambda: async_count(model.astream("Hi"))


def pydantic_ai(client: Any) -> Run:
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    agent = Agent(OpenAIChatModel("m", provider=OpenAIProvider(openai_client=client)))

    async def run() -> int:
        async with agent.run_stream("Hi") as result:
            return await async_count(result.stream_text(delta=True, debounce_by=None))

    return run


def instructor(client: Any) -> Run:
    import instructor
    from pydantic import BaseModel

    class Notes(BaseModel):
        query: str

    asked = instructor.from_openai(client)

    return lambda: count(asked.create_partial(response_model=Notes, **ASKED))


def litellm(client: Any) -> Run:
    import litellm

    asked = {**ASKED, "model": "openai/m", "stream": True}
    return lambda: count(litellm.completion(client=client, **asked))


class Reader(NamedTuple):
    """A row of the table."""

    title: str
    package: str
    begin: Callable[[Any], Run]
    asynchronous: bool = False
    stream: Callable[[int], bytes] = text


READERS = [
    Reader("the bytes alone", "openai", bare_bytes),
    Reader("`create(stream=True)`", "openai", bare_create),
    Reader("the same, async", "openai", bare_acreate, asynchronous=True),
    Reader("`.stream()`", "openai", bare_stream),
    Reader("langchain-openai, `stream`", "langchain-openai", langchain),
    Reader("langchain-openai, `astream`", "langchain-openai", langchain_async, asynchronous=True),
    Reader("pydantic-ai, `run_stream`", "pydantic-ai-slim", pydantic_ai, asynchronous=True),
    Reader("instructor, `create_partial`", "instructor", instructor, stream=tool_call),
    Reader("litellm, `completion`", "litellm", litellm),
]

_MODULES = {"langchain-openai": "langchain_openai", "pydantic-ai-slim": "pydantic_ai"}


# --- how it is measured ----------------------------------------------------------------


def serve(connection: Any) -> None:
    """Serve the stream that is asked for, in the mode that is, until None is."""
    while (asked := connection.recv()) is not None:
        stream, mode = asked
        with ReplayServer(stream, delay=mode.delay, events_per_write=mode.events_per_write) as server:
            connection.send(server.base_url)
            connection.recv()


def measured(reader: Reader, mode: Mode, base_url: str) -> list[float]:
    """Return the CPU time a chunk in µs over the stock client and over the accelerated one."""
    import openai

    from deltawire.integrations.openai import accelerate

    kind: Any = openai.AsyncOpenAI if reader.asynchronous else openai.OpenAI
    least, counts = [float("inf")] * 2, set()
    with asyncio.Runner() as runner:
        client = kind(base_url=base_url, api_key="key", max_retries=0)
        runs = [reader.begin(client), reader.begin(accelerate(client))]
        for number in range(mode.rounds + 1):
            for which, run in enumerate(runs):
                begin = process_time()
                given = runner.run(run()) if reader.asynchronous else run()
                spent = process_time() - begin
                counts.add(given)
                if number:  # the first is to warm up
                    least[which] = min(least[which], spent / mode.chunks * 1e6)
        closed = client.close()
        if reader.asynchronous:
            runner.run(closed)
    if len(counts) != 1 or min(counts) < mode.chunks - 4:  # some give nothing for the first and the last ones
        raise AssertionError(f"{reader.title} gave {counts} of {mode.chunks} chunks")
    return least


def rows() -> Iterator[str]:
    readers = [reader for reader in READERS if find_spec(_MODULES.get(reader.package, reader.package))]
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    for reader in readers:
        cells = []
        for mode in MODES.values():
            ours.send((reader.stream(mode.chunks), mode))
            stock, accelerated = measured(reader, mode, ours.recv())
            ours.send("close")
            cells.append(f"{stock:.0f} → {accelerated:.0f}")
        yield " | ".join([f"| {reader.title}", version(reader.package), version("openai"), *cells]) + " |"
    ours.send(None)
    server.join()


def main() -> None:
    print(f"Python {platform.python_version()}, deltawire's {deltawire.BACKEND} twin, pydantic {version('pydantic')}\n")
    print(f"| what reads | version | openai | {' | '.join(MODES)} |\n|---|---|---|{'---|' * len(MODES)}")
    for row in rows():
        print(row, flush=True)


if __name__ == "__main__":
    main()
