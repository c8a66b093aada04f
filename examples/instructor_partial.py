"""See an object grow while it comes: `python examples/instructor_partial.py [BASE_URL [MODEL]]`.

Without a URL it reads from a replay server in this process. It needs instructor,
and for another server the key in OPENAI_API_KEY.
"""

import os
import sys

import instructor
from pydantic import BaseModel

from deltawire.integrations.openai import OpenAI
from deltawire.replay import ReplayServer


class Weather(BaseModel):
    city: str
    days: int


def ask(base_url: str, name: str = "any") -> None:
    with OpenAI(base_url=base_url, api_key=os.environ.get("OPENAI_API_KEY", "none")) as client:
        messages = [{"role": "user", "content": "The weather in Geneva, for three days"}]
        asked = instructor.from_openai(client)
        for weather in asked.create_partial(model=name, messages=messages, response_model=Weather):
            print(weather)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        ask(*sys.argv[1:])
    else:
        with ReplayServer("demo", delay=0.01) as server:
            ask(server.base_url)
