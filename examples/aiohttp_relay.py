"""Relay chat completions with aiohttp, and note what each stream has used: `python examples/aiohttp_relay.py [URL]`.

Clients find it at http://127.0.0.1:8080/v1/chat/completions; the URL is where it sends them on to.
It needs aiohttp.
"""

import sys
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web

from deltawire import Rewriter, StreamReport, Tap, include_usage_in_request
from deltawire.integrations.aiohttp import relay, upstream_headers

UPSTREAM = "https://api.openai.com/v1/chat/completions"
SESSION = web.AppKey("session", aiohttp.ClientSession)


async def sessions(app: web.Application) -> AsyncIterator[None]:
    """One session for all requests. It keeps no cookies, which would be sent for other users too."""
    options = {
        # `total` would cut long streams; from an answer's beginning on the relay looks after silence.
        "timeout": aiohttp.ClientTimeout(total=None, sock_connect=10),
        "connector": aiohttp.TCPConnector(limit=0),
        "cookie_jar": aiohttp.DummyCookieJar(),
    }
    async with aiohttp.ClientSession(**options) as app[SESSION]:
        yield


def note(report: StreamReport) -> None:
    """Write down what a stream has used, whichever way it ended."""
    print(report.model, report.status, report.output_tokens, f"(counted from {report.output_tokens_source})")


async def chat(request: web.Request) -> web.StreamResponse:
    body, injected = include_usage_in_request(await request.read())
    headers = upstream_headers(request.headers)
    tap = Tap()  # whose times run from here
    try:
        answer = await request.app[SESSION].post(UPSTREAM, data=body, headers=headers, allow_redirects=False)
    except aiohttp.ClientError:
        error = {"message": "Upstream cannot be reached.", "type": "relay_error", "param": None, "code": None}
        return web.json_response({"error": error}, status=502)
    # The client gets the usage only if it asked for it; the report has it anyway.
    rewriter = Rewriter(usage="drop" if injected else "keep")
    # It comes last: when the client has left, it is waited for, and paid for, for ten seconds.
    return await relay(request, answer, tap=tap, rewriter=rewriter, on_report=note, drain=10.0)


app = web.Application(client_max_size=32 << 20)
app.cleanup_ctx.append(sessions)
app.router.add_post("/v1/chat/completions", chat)

if __name__ == "__main__":
    UPSTREAM = sys.argv[1] if len(sys.argv) > 1 else UPSTREAM
    web.run_app(app, host="127.0.0.1", port=8080)
