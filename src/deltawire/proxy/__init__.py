"""A reverse proxy for OpenAI-compatible APIs (extra `proxy`: aiohttp and prometheus_client).

    async with Proxy(Settings(upstream="http://127.0.0.1:8000")) as proxy:
        await proxy.listen("127.0.0.1", 8080)
        ...

`deltawire proxy` is the same at the command line.
"""

from .server import Proxy
from .settings import Settings

__all__ = ["Proxy", "Settings"]
