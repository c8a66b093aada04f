"""The command line: `deltawire` and `python -m deltawire` (extra `cli`: click and rich)."""

import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click

_MISSING = 'The deltawire command needs {name}, which is not installed: pip install "deltawire[cli]"'


def main() -> None:
    """Run the command line; it ends the program."""
    try:
        import click  # noqa: F401
        import rich  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name not in ("click", "rich"):
            raise
        sys.exit(_MISSING.format(name=error.name))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # Text of any language, on a terminal that may not have it; its line ends as they came, on Windows too.
            stream.reconfigure(errors="backslashreplace", newline="")
    if sys.stdout is None:
        sys.exit("Error: standard output is closed")
    try:
        program().main(prog_name="deltawire")
    except OSError as error:  # of standard output, on a full disk
        sys.exit(f"Error: {error}")


def program() -> "click.Group":
    """Return the `deltawire` command with all its subcommands."""
    import click

    from .. import __version__
    from .bench import bench
    from .demo import demo
    from .inspect import inspect
    from .proxy import proxy
    from .replay import replay
    from .report import backend_note

    def show_version(context: click.Context, option: click.Parameter, asked: bool) -> None:
        if asked and not context.resilient_parsing:
            click.echo(f"deltawire {__version__}, {backend_note()}")
            context.exit()

    version = click.Option(
        ["--version"], is_flag=True, is_eager=True, expose_value=False, callback=show_version,
        help="Show the version and the backend, and exit.",
    )  # fmt: skip
    return click.Group(
        "deltawire",
        commands=[bench, demo, inspect, proxy, replay],
        params=[version],
        help="Decode, watch and relay streams of chat completion chunks.",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
