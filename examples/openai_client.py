"""Stream with openai's client and with deltawire's in its place: `python examples/openai_client.py [BASE_URL]`.

Without a URL the stream comes from a replay server in this process. It needs openai; the
key is taken from OPENAI_API_KEY, and any will do for the replay server.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import thread_time

import openai

from deltawire.integrations.openai import accelerate
from deltawire.replay import ReplayServer


@contextmanager
def server() -> Iterator[str]:
    """Give the base URL to use."""
    if len(sys.argv) > 1:
        yield sys.argv[1]
        return
    with ReplayServer("text", events_per_write=50) as replay:
        yield replay.base_url


def stream(client: openai.OpenAI) -> tuple[str, float]:
    """Return the text of an answer, and the CPU time of this thread in µs for each chunk."""
    pieces = []
    count = 0
    started = thread_time()
    messages = [{"role": "user", "content": "Count to fifty, in words."}]
    for chunk in client.chat.completions.create(model="gpt-4o-mini", messages=messages, stream=True):
        count += 1
        pieces += [choice.delta.content or "" for choice in chunk.choices]
    return "".join(pieces), (thread_time() - started) / count * 1e6


with server() as base_url, openai.OpenAI(base_url=base_url, api_key=os.environ.get("OPENAI_API_KEY", "none")) as client:
    for name, each in (("openai", client), ("deltawire", accelerate(client))):
        stream(each)  # the first one builds what the others use
        text, cost = stream(each)
        print(f"{name}: {len(text)} characters, {cost:.0f} µs of CPU a chunk")
