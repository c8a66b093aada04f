"""Stream an agent's answer: `python examples/pydantic_ai_agent.py [BASE_URL [MODEL]]`.

Without a URL it reads from a replay server in this process. It needs pydantic-ai-slim[openai],
and for another server the key in OPENAI_API_KEY.
"""

import asyncio
import os
import sys

from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from deltawire.integrations.openai import AsyncOpenAI
from deltawire.replay import ReplayServer, sample


async def chat(base_url: str, name: str = "any") -> None:
    async with AsyncOpenAI(base_url=base_url, api_key=os.environ.get("OPENAI_API_KEY", "none")) as client:
        agent = Agent(OpenAIChatModel(name, provider=OpenAIProvider(openai_client=client)))
        async with agent.run_stream("What runs down the wire?") as result:
            async for piece in result.stream_text(delta=True, debounce_by=None):
                print(piece, end="", flush=True)
        print()
        print(result.usage.output_tokens, "tokens")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(chat(*sys.argv[1:]))
    else:
        with ReplayServer(sample("text", chunks=40), delay=0.01) as server:
            asyncio.run(chat(server.base_url))
