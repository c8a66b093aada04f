"""The relays of a load test: how each is started, and what it needs.

Each is a process of its own, with one worker, that passes `POST /v1/chat/completions` on.
"""

import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from . import nginx

Command = Callable[[int, int, Path], list[str]]  # of upstream's port, its own, and a folder for its files


class Relay(NamedTuple):
    """A relay.

    Attributes:
        title: what it is, for the table.
        needs: packages, or a program where it has no dot and no such package is meant: `program:nginx`.
        exact: it sends on the very bytes that come.
    """

    title: str
    needs: tuple[str, ...]
    command: Command
    exact: bool = True

    def missing(self) -> list[str]:
        return [need for need in self.needs if not _has(need)]


def _has(need: str) -> bool:
    kind, _, name = need.rpartition(":")
    if kind:
        return shutil.which(name) is not None
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # of a module's package
        return False


def _module(module: str, kind: str) -> Command:
    return lambda upstream, port, folder: ["-m", f"{__name__}.{module}", kind, str(upstream), str(port)]


def _proxy(upstream: int, port: int, folder: Path) -> list[str]:
    addresses = ["--upstream", f"http://127.0.0.1:{upstream}", "--listen", f"127.0.0.1:{port}"]
    return ["-m", "deltawire", "proxy", *addresses]


_STARLETTE = ("starlette", "uvicorn")

RELAYS = {
    "nginx": Relay("nginx, unbuffered", ("program:nginx",), nginx.command),
    "raw": Relay("aiohttp, raw", ("aiohttp",), _module("on_aiohttp", "raw")),
    "raw+tap": Relay("aiohttp, raw + `Tap`", ("aiohttp", "deltawire.tap"), _module("on_aiohttp", "tap")),
    "relay": Relay(
        "`deltawire.integrations.aiohttp`",
        ("aiohttp", "deltawire.integrations.aiohttp"),
        _module("on_aiohttp", "relay"),
    ),
    "proxy": Relay("`deltawire proxy`, with metrics", ("aiohttp", "prometheus_client", "deltawire.proxy"), _proxy),
    "asgi-aiohttp": Relay(
        "`deltawire.integrations.asgi`, aiohttp's client",
        (*_STARLETTE, "aiohttp", "deltawire.integrations.asgi"),
        _module("on_uvicorn", "asgi_aiohttp"),
    ),
    "asgi-httpx": Relay(
        "`deltawire.integrations.asgi`, httpx",
        (*_STARLETTE, "httpx", "deltawire.integrations.asgi"),
        _module("on_uvicorn", "asgi_httpx"),
    ),
    "lines": Relay(
        "Starlette, httpx's lines, json", (*_STARLETTE, "httpx"), _module("on_uvicorn", "lines"), exact=False
    ),
    "sse-starlette": Relay(
        "sse-starlette, httpx's lines, json",
        (*_STARLETTE, "httpx", "sse_starlette"),
        _module("on_uvicorn", "sse_starlette"),
        exact=False,
    ),
    "openai": Relay(
        "Starlette, openai's client, `model_dump_json`",
        (*_STARLETTE, "openai"),
        _module("on_uvicorn", "openai_sdk"),
        exact=False,
    ),
}
