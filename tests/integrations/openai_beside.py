"""The same stream read by openai's client and by ours, and all that can be told about what they give."""

import asyncio
import importlib
import json
import warnings
from collections.abc import AsyncIterable, Callable, Iterable
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from .http_bodies import answering, async_client, body, client

openai = pytest.importorskip("openai")

from pydantic import BaseModel  # noqa: E402

from deltawire.integrations import openai as ours  # noqa: E402, F401 - for those who import from here
from deltawire.replay import sample, split_events  # noqa: E402

# What the SDK sits on.
http: Any = importlib.import_module("httpx" if openai.__version__.startswith("2.") else "httpx2")

WAYS = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])

# --- streams

DONE = b"data: [DONE]\n\n"
TEXT = sample("text", chunks=8).body
EVENTS = split_events(TEXT)
# The SDK loses the first event to a byte order mark; ours does not.
MARKED = b"\xef\xbb\xbf" + TEXT


def is_ours(chunks: list[Any]) -> bool:
    """Tell who read `MARKED`."""
    assert len(chunks) in (7, 8)
    return len(chunks) == 8


# --- reading


def made(module: Any, kind: str, base_url: str, **options: Any) -> Any:
    """Return a client of a class that is named."""
    options = {"api_key": "k", "max_retries": 0} | options
    if "Azure" in kind:
        options |= {"azure_endpoint": base_url.removesuffix("/v1"), "api_version": "2024-06-01"}
    else:
        options["base_url"] = base_url
    return getattr(module, kind)(**options)


class Read(NamedTuple):
    """What a stream gave: its chunks, and the exception that ended it."""

    chunks: list[Any]
    fault: Exception | None = None


def drained(stream: Iterable[Any]) -> Read:
    chunks: list[Any] = []
    try:
        chunks.extend(stream)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is compared
        return Read(chunks, error)
    return Read(chunks)


async def adrained(stream: AsyncIterable[Any]) -> Read:
    chunks: list[Any] = []
    try:
        async for chunk in stream:
            chunks.append(chunk)  # noqa: PERF401 - those before a fault count
    except Exception as error:  # noqa: BLE001
        return Read(chunks, error)
    return Read(chunks)


ASKED: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "?"}], "stream": True}
NAMED: dict[str, Any] = {"api_key": "k", "max_retries": 0}


def read(module: ModuleType, **options: Any) -> Read:
    """Return what a chat stream gives to a client of `module`."""
    with module.OpenAI(**NAMED | options) as made:
        return drained(made.chat.completions.create(**ASKED))


async def aread(module: ModuleType, **options: Any) -> Read:
    async with module.AsyncOpenAI(**NAMED | options) as made:
        return await adrained(await made.chat.completions.create(**ASKED))


def read_from(module: ModuleType, base_url: str, asynchronous: bool = False, **options: Any) -> Read:
    """Return what the chat stream of a server gives to a client of `module`."""
    kind = http.AsyncClient if asynchronous else http.Client
    # Without certificates, which take longer to load than most streams to read.
    options |= {"base_url": base_url, "http_client": kind(verify=False, timeout=options.get("timeout", 5))}
    return asyncio.run(aread(module, **options)) if asynchronous else read(module, **options)


def read_bytes(module: ModuleType, *reads: bytes, asynchronous: bool = False, **options: Any) -> Read:
    """Return what some reads of a network give to a client of `module`."""
    answer = answering(http, body(http, *reads))
    if asynchronous:
        return asyncio.run(aread(module, http_client=async_client(http, answer), **options))
    return read(module, http_client=client(http, answer), **options)


# --- comparing


def anatomy(value: Any) -> Any:
    """Return all that can be told about a value, as something that `==` compares: types, order, NaN."""
    kind = type(value)
    if kind is dict:
        return kind, [(key, anatomy(member)) for key, member in value.items()]
    if kind is list:
        return kind, list(map(anatomy, value))
    if kind is set:
        return kind, frozenset(value)
    if kind is float:
        return kind, repr(value)
    if isinstance(value, BaseModel):
        # A payload may have members of these names, too.
        slots = [value.__dict__, value.__pydantic_fields_set__, value.__pydantic_extra__, value.__pydantic_private__]
        return kind, list(map(anatomy, slots))
    return kind, value


def outcome(function: Callable[[], Any]) -> Any:
    """Return what a call gives: its value, or its exception, and its warnings."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            value = repr(function())
        except Exception as error:  # noqa: BLE001
            value = type(error), str(error)
    return value, [str(warning.message) for warning in warned]


def assert_same_chunk(mine: Any, stock: Any) -> None:
    """Fail where two chunks differ in anything that a user could see."""
    assert anatomy(mine) == anatomy(stock)
    assert mine == stock or "nan" in repr(stock)
    if isinstance(stock, BaseModel):
        assert outcome(mine.model_dump) == outcome(stock.model_dump)
        assert outcome(mine.model_dump_json) == outcome(stock.model_dump_json)


def described(error: BaseException | None) -> Any:
    """Return all that can be told about an exception."""
    told: list[Any] = [type(error), str(error)]
    if isinstance(error, openai.APIError):
        request = error.request
        told += [error.message, anatomy(error.body), error.code, error.param, error.type]
        told += [request.method, request.url.path, json.loads(request.content), type(error.__cause__)]
    elif isinstance(error, json.JSONDecodeError):
        told += [error.msg, error.doc, error.pos]
    return told


def assert_same(mine: Read, stock: Read) -> None:
    """Fail where two streams differ in anything that a user could see."""
    assert described(mine.fault) == described(stock.fault)
    assert len(mine.chunks) == len(stock.chunks)
    for chunk, theirs in zip(mine.chunks, stock.chunks, strict=True):
        assert_same_chunk(chunk, theirs)
