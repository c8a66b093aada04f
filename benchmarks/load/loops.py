"""The event loop of every Python process of a load test: uvloop's, where it is installed."""

import asyncio
from collections.abc import Coroutine
from importlib.util import find_spec
from typing import Any

UVLOOP = find_spec("uvloop") is not None


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run `main` until it ends."""
    factory = None
    if UVLOOP:
        import uvloop  # an extra

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main)
