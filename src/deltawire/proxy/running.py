"""A proxy as a program: it runs until a signal, on uvloop where that is installed."""

import asyncio
import gc
import signal
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, BinaryIO, NamedTuple

from .server import Proxy
from .settings import Settings

# Between two looks of the collector's; Python's own 700 take 3 % of the time.
_ALLOCATIONS = 20_000


class Address(NamedTuple):
    """Where to listen; port 0 is any."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def run(
    settings: Settings,
    listen: Address,
    *,
    metrics: Address | None = None,
    grace: float = 30.0,
    log: BinaryIO | None = None,
    ready: Callable[[str], Any] = lambda address: None,
) -> None:
    """Serve until SIGTERM or SIGINT; then streams have `grace` seconds to finish, a second signal cuts them.

    Args:
        settings: what the proxy does.
        listen: where clients find it.
        grace: seconds.
        metrics: where `/metrics` is served, if not with the rest.
        log: where the access log goes.
        ready: called with the address once it listens.

    Raises:
        OSError: an address cannot be listened at.
    """
    factory = import_module("uvloop").new_event_loop if find_spec("uvloop") else None
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_serve(settings, listen, metrics, grace, log, ready))


async def _serve(
    settings: Settings,
    listen: Address,
    metrics: Address | None,
    grace: float,
    log: BinaryIO | None,
    ready: Callable[[str], Any],
) -> None:
    signals: asyncio.Queue[int] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, signals.put_nowait, number)
        except NotImplementedError:  # Windows: Ctrl-C ends the runner, which cuts the streams
            break
    async with Proxy(settings, log=log, metrics_apart=metrics is not None) as proxy:
        if metrics is not None:
            await proxy.listen_for_metrics(*metrics)
        # An event makes no cycles: what is there stays, and the rest is looked at less often.
        gc.freeze()
        gc.set_threshold(_ALLOCATIONS)
        ready(str(Address(*await proxy.listen(*listen))))
        await signals.get()
        closing = asyncio.create_task(proxy.close(grace))
        again = asyncio.create_task(signals.get())
        await asyncio.wait([closing, again], return_when=asyncio.FIRST_COMPLETED)
        again.cancel()
        await proxy.close(0)
        await closing
