"""The assembled message, for the eye."""

import sys
from collections.abc import Iterator
from typing import Any

import msgspec
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from ..chunks import text_of
from ..completion import ChatCompletion, Message
from .report import printable


def print_message(completion: ChatCompletion) -> None:
    """Print what the model said in each choice, a panel for each kind of it."""
    console = Console(file=sys.stdout, highlight=False)
    for choice in completion.choices:
        place = f"choice {choice.index}: " if len(completion.choices) > 1 else ""
        for title, text in sections(choice.message):
            heading = Text(printable(f"{place}{title}").replace("\n", "\\n"), overflow="ellipsis")
            console.print(Panel(Text(printable(text)), title=heading, title_align="left"))
    sys.stdout.flush()


def sections(message: Message) -> Iterator[tuple[str, str]]:
    """Yield each kind of output that `message` has: its title, and its text."""
    reasoning = message.reasoning_content or message.reasoning or _thinking_of(message.content)
    texts = [
        ("reasoning", reasoning),
        ("text", text_of(message.content)),
        ("refusal", message.refusal),
        ("audio", message.audio and message.audio.transcript),
    ]
    yield from ((title, text) for title, text in texts if text)
    for call in message.tool_calls or ():
        if call.custom is not None:
            yield _title("custom tool call", call.custom.name, call.id), call.custom.input or ""
        else:
            name, arguments = (call.function.name, call.function.arguments) if call.function else (None, None)
            yield _title("tool call", name, call.id), pretty(arguments or "")
    if (function := message.function_call) is not None:
        yield _title("function call", function.name), pretty(function.arguments or "")


def _thinking_of(content: str | list[Any] | None) -> str:
    """Return the text of the thinking among a content's parts (Mistral)."""
    if not isinstance(content, list):
        return ""
    thinking = [part.get("thinking") for part in content if isinstance(part, dict)]
    return "".join(text_of(parts) for parts in thinking if isinstance(parts, (str, list)))


def _title(*words: str | None) -> str:
    return " ".join(word for word in words if word)


def pretty(arguments: str) -> str:
    """Return JSON text indented; what is no JSON, a model's slip or a cut stream's, as it is."""
    try:
        msgspec.json.decode(arguments)
        indented = msgspec.json.format(arguments, indent=2)
        # Deep nesting is indented far out of sight.
        return indented if len(indented) < 8 * len(arguments) + 1000 else arguments
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return arguments
