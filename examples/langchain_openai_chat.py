"""Stream through langchain-openai: `python examples/langchain_openai_chat.py [BASE_URL [MODEL]]`.

Without a URL it reads from a replay server in this process. It needs langchain-openai,
and for another server the key in OPENAI_API_KEY.
"""

import os
import sys
from functools import reduce
from operator import add

from langchain_openai import ChatOpenAI

from deltawire.integrations.openai import OpenAI
from deltawire.replay import ReplayServer


def chat(base_url: str, name: str = "any") -> None:
    key = os.environ.get("OPENAI_API_KEY", "none")
    with OpenAI(base_url=base_url, api_key=key) as client:
        model = ChatOpenAI(
            model=name, client=client.chat.completions, root_client=client, api_key=key, stream_usage=True
        )
        chunks = []
        for chunk in model.stream("What will the weather be like in Geneva?"):
            print(chunk.text, end="", flush=True)
            chunks.append(chunk)
    whole = reduce(add, chunks)
    print()
    print(whole.tool_calls)
    print(whole.usage_metadata["total_tokens"], "tokens")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        chat(*sys.argv[1:])
    else:
        with ReplayServer("demo", delay=0.01) as server:
            chat(server.base_url)
