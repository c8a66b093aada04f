"""Read many streams at once, as a gateway does: `python examples/many_streams.py [URL]`.

Each is folded into its completion as it comes. Without a URL they come from a replay
server in this process. It needs httpx.
"""

import asyncio
import sys

import httpx

import deltawire
from deltawire.replay import ReplayServer

REQUEST = {"model": "any", "messages": [{"role": "user", "content": "Hello"}], "stream": True}


async def complete(client: httpx.AsyncClient, url: str) -> deltawire.ChatCompletion:
    """Return the completion of one stream; the response is closed whatever happens."""
    response = await client.send(client.build_request("POST", url, json=REQUEST), stream=True)
    return await deltawire.aaccumulate(response)


async def main(url: str, count: int = 50) -> None:
    async with httpx.AsyncClient(timeout=30) as client:
        outcomes = await asyncio.gather(*(complete(client, url) for _ in range(count)), return_exceptions=True)
    completions = [each for each in outcomes if isinstance(each, deltawire.ChatCompletion)]
    for error in outcomes:
        if isinstance(error, deltawire.ResponseError):
            print(f"refused: {error}")
        elif isinstance(error, BaseException):
            print(f"failed: {error!r}")
    print(f"{len(completions)} of {count} streams complete")
    print(f"{sum(each.usage.total_tokens or 0 for each in completions if each.usage)} tokens in all")


if len(sys.argv) > 1:
    asyncio.run(main(sys.argv[1]))
else:
    with ReplayServer("text", events_per_write=20) as server:
        asyncio.run(main(f"{server.base_url}/chat/completions"))
