"""`deltawire proxy`: an OpenAI-compatible API behind a reverse proxy that measures its streams."""

import os
import sys
from contextlib import ExitStack
from typing import Any, Literal

import click

from ..replay import ReplayServer
from .address import AddressType

_DEMO = "demo"
_MISSING = 'deltawire proxy needs {name}, which is not installed: pip install "deltawire[proxy]"'
_SECONDS = click.FloatRange(min=0)
_POSITIVE = click.FloatRange(min=0, min_open=True)
_SIZE = click.IntRange(min=1)


@click.command(context_settings={"show_default": True})
@click.option("--upstream", required=True, metavar="URL",
              help="Where all requests go, without /v1; demo: to a stand-in for a model.")  # fmt: skip
@click.option("--listen", type=AddressType(), default="127.0.0.1:8080", metavar="HOST:PORT", help="Where to listen.")
@click.option("--metrics-listen", type=AddressType(), metavar="HOST:PORT",
              help="Where to serve /metrics, if not with the rest.")  # fmt: skip
@click.option("--model-name", metavar="NAME", help="The model that clients see in (chat) completions.")
@click.option("--usage", type=click.Choice(["always", "client", "never"]), default="client",
              help="Ask upstream for the usage of each stream: and let every client have it, "
                   "or who asked; or do not.")  # fmt: skip
@click.option("--api-key-env", metavar="NAME", help="The variable with the key for upstream; needs --client-key-env.")
@click.option("--api-key-header", default="authorization", metavar="HEADER",
              help="The header it is sent in: authorization (Bearer), x-api-key, api-key.")  # fmt: skip
@click.option("--client-key-env", metavar="NAME", help="The variable with the keys of clients, comma between them.")
@click.option("--allow", multiple=True, metavar="PATH",
              help="A path to serve, /* at its end for all below; repeatable. With --api-key-env by default those of "
                   "(chat) completions, responses, messages and models, else all.")  # fmt: skip
@click.option("--connect-timeout", type=_POSITIVE, default=10.0, help="Seconds for a connection to upstream.")
@click.option("--idle-timeout", type=_POSITIVE, default=300.0, help="Seconds without a byte, from either side.")
@click.option("--keep-alive", type=_SECONDS, default=15.0,
              help="Seconds of silence before a client gets a comment; 0: never.")  # fmt: skip
@click.option("--drain", type=_SECONDS, default=0.0,
              help="Seconds to read on for the usage when a client has left.")  # fmt: skip
@click.option("--grace", type=_SECONDS, default=30.0, help="Seconds that streams have to finish, on SIGTERM or SIGINT.")
@click.option("--max-body", type=_SIZE, default=32 << 20, help="Bytes of a request's body.")
@click.option("--max-inspected", type=_SIZE, default=8 << 20,
              help="Bytes of a body that is read as a whole for the sake of usage.")  # fmt: skip
@click.option("--max-header", type=_SIZE, default=16 << 10, help="Bytes of a request's line, and of a header field.")
@click.option("--model-labels", type=_SIZE, default=100, help="Models that metrics tell apart.")
@click.option("--trust-forwarded", is_flag=True,
              help="Log the last address of X-Forwarded-For: behind a balancer only.")  # fmt: skip
@click.option("--log", type=click.Choice(["stdout", "stderr", "none"]), default="stdout",
              help="Where a line of JSON goes for each request.")  # fmt: skip
def proxy(
    listen: tuple[str, int],
    metrics_listen: tuple[str, int] | None,
    grace: float,
    log: Literal["stdout", "stderr", "none"],
    **options: Any,
) -> None:
    """Relay an OpenAI-compatible API, and measure its streams: metrics at /metrics, a log line each."""
    try:
        from ..proxy import Settings
        from ..proxy.running import Address, run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("aiohttp", "prometheus_client"):
            raise
        raise click.ClickException(_MISSING.format(name=error.name)) from error
    api_key, client_keys = (_secret(options.pop(name)) for name in ("api_key_env", "client_key_env"))
    if api_key is not None and client_keys is None:
        raise click.UsageError("--api-key-env needs --client-key-env: else anybody could spend that key")
    keys = tuple(key.strip() for key in client_keys.split(",") if key.strip()) if client_keys is not None else ()
    if client_keys is not None and not keys:
        raise click.UsageError("--client-key-env: the variable has no key")
    options["keep_alive"] = options["keep_alive"] or None
    file = {"stdout": sys.stdout.buffer, "stderr": sys.stderr.buffer, "none": None}[log]
    with ExitStack() as running:
        if options["upstream"] == _DEMO:
            replay = running.enter_context(ReplayServer(_DEMO, delay=0.03))
            options["upstream"] = replay.base_url.removesuffix("/v1")
        try:
            settings = Settings(api_key=api_key, client_keys=keys, **options)
        except ValueError as error:
            raise click.UsageError(str(error)) from error
        try:
            run(
                settings,
                Address(*listen),
                metrics=Address(*metrics_listen) if metrics_listen else None,
                grace=grace,
                log=file,
                ready=lambda address: click.echo(f"listening at http://{address}, for {settings.root}", err=True),
            )
        except OSError as error:
            raise click.ClickException(f"cannot listen: {error}") from error


def _secret(name: str | None) -> str | None:
    """Return the value of an environment's variable, which has to be there; None for no name."""
    if name is None:
        return None
    value = os.environ.get(name, "")
    if not value.strip():
        raise click.UsageError(f"the environment variable {name} is not set, or empty")
    return value.strip()
