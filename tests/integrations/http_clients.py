"""HTTP clients, each as a context that gives what sends a request and returns a response whose body is unread."""

import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib import import_module
from typing import Any

import pytest

Send = Callable[[str], Any]


@contextmanager
def _httpx(name: str) -> Iterator[Send]:
    with import_module(name).Client() as client:
        yield lambda url: client.send(client.build_request("POST", url), stream=True)


@contextmanager
def _requests(name: str) -> Iterator[Send]:
    with import_module(name).Session() as session:
        yield lambda url: session.post(url, stream=True)


@contextmanager
def _urllib3(name: str) -> Iterator[Send]:
    with import_module(name).PoolManager() as pool:
        yield lambda url: pool.request("POST", url, preload_content=False, retries=False)


@contextmanager
def _urllib(name: str) -> Iterator[Send]:
    def send(url: str) -> Any:
        try:
            return urllib.request.urlopen(url, b"")
        except urllib.error.HTTPError as response:  # which is a response, too
            return response

    yield send


CLIENTS = {"httpx": _httpx, "httpx2": _httpx, "requests": _requests, "urllib3": _urllib3, "urllib.request": _urllib}


@asynccontextmanager
async def _async_httpx(name: str) -> AsyncIterator[Send]:
    async with import_module(name).AsyncClient() as client:

        async def send(url: str) -> Any:
            return await client.send(client.build_request("POST", url), stream=True)

        yield send


@asynccontextmanager
async def _aiohttp(name: str) -> AsyncIterator[Send]:
    async with import_module(name).ClientSession() as session:

        async def send(url: str) -> Any:
            return await session.post(url)

        yield send


ASYNC_CLIENTS = {"httpx": _async_httpx, "httpx2": _async_httpx, "aiohttp": _aiohttp}


def client(name: str) -> Any:
    pytest.importorskip(name)
    return CLIENTS[name](name)


def async_client(name: str) -> Any:
    pytest.importorskip(name)
    return ASYNC_CLIENTS[name](name)
