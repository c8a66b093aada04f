"""Relay chat completions with FastAPI, and note what each stream has used: `python examples/fastapi_relay.py [URL]`.

Clients find it at http://127.0.0.1:8080/v1/chat/completions; the URL is where it sends them on to.
It needs fastapi, httpx and uvicorn.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from deltawire import Rewriter, StreamReport, Tap, include_usage_in_request
from deltawire.integrations.asgi import relay, upstream_headers

UPSTREAM = "https://api.openai.com/v1/chat/completions"


@asynccontextmanager
async def clients(app: FastAPI) -> AsyncIterator[None]:
    """One client for all requests. It keeps no cookies, which would be sent for other users too."""
    # How long an answer may take to begin is the caller's choice; from then on the relay looks after silence.
    options = {
        "timeout": httpx.Timeout(10, read=None),
        "limits": httpx.Limits(max_connections=None),
        "cookies": CookieJar(DefaultCookiePolicy(allowed_domains=[])),
    }
    async with httpx.AsyncClient(**options) as app.state.client:
        yield


app = FastAPI(lifespan=clients)


def note(report: StreamReport) -> None:
    """Write down what a stream has used, whichever way it ended."""
    print(report.model, report.status, report.output_tokens, f"(counted from {report.output_tokens_source})")


@app.post("/v1/chat/completions")
async def chat(request: Request) -> Response:
    body, injected = include_usage_in_request(await request.body())
    client = request.app.state.client
    asked = client.build_request("POST", UPSTREAM, content=body, headers=upstream_headers(request.headers))
    tap = Tap()  # whose times run from here
    try:
        answer = await client.send(asked, stream=True)
    except httpx.TransportError:
        error = {"message": "Upstream cannot be reached.", "type": "relay_error", "param": None, "code": None}
        return JSONResponse({"error": error}, status_code=502)
    # The client gets the usage only if it asked for it; the report has it anyway.
    rewriter = Rewriter(usage="drop" if injected else "keep")
    # It comes last: when the client has left, it is waited for, and paid for, for ten seconds.
    return relay(answer, tap=tap, rewriter=rewriter, on_report=note, drain=10.0)


if __name__ == "__main__":
    UPSTREAM = sys.argv[1] if len(sys.argv) > 1 else UPSTREAM
    uvicorn.run(app, port=8080)
