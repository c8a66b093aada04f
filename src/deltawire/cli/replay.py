"""`deltawire replay`: a recorded stream, served again and again."""

import signal
import threading
from pathlib import Path

import click

from ..replay import SAMPLES, ReplayServer
from .address import AddressType
from .report import printable


@click.command()
@click.argument("stream", default="demo", metavar="[FILE|SAMPLE]")
@click.option("--listen", type=AddressType(), default="127.0.0.1:8000", show_default=True, metavar="HOST:PORT",
              help="Where to listen.")  # fmt: skip
@click.option("--delay", type=click.FloatRange(min=0), default=0.03, show_default=True,
              help="Seconds between two events.")  # fmt: skip
def replay(stream: str, listen: tuple[str, int], delay: float) -> None:
    """Serve a recorded stream, or a sample, at POST /v1/chat/completions.

    It stands in for a model: every request that asks for a stream gets the same bytes.
    """
    try:
        content = stream if stream in SAMPLES else Path(stream).read_bytes()
    except OSError as error:
        names = ", ".join(SAMPLES)
        raise click.ClickException(f"{printable(stream)}: {error.strerror}; the samples are {names}") from error
    try:
        server = ReplayServer(content, delay=delay, address=listen)
    except OSError as error:
        raise click.ClickException(f"cannot listen at {listen[0]}:{listen[1]}: {error.strerror}") from error
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with server:
        click.echo(f"replaying {printable(stream)} at {server.base_url}/chat/completions", err=True)
        while not ended.wait(0.5):  # on Windows a wait without end is not interrupted
            pass
