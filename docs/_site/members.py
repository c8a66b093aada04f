"""Shows the comments above the members of a class as a list below its docstring.

The Structs of chunks and completions have twenty members and more, with a comment above each; a
heading for each would be a page of headings. `griffe_sphinx` has read the comments before.
"""

from textwrap import indent
from typing import Any

from griffe import Class, Docstring, Extension, GriffeLoader


class Members(Extension):
    """Moves what is said of members into the docstring of their class."""

    def on_class(self, *, cls: Class, loader: GriffeLoader, **kwargs: Any) -> None:
        """Append the members of a class to its docstring."""
        members = {name: each for name, each in cls.attributes.items() if "property" not in each.labels}
        described = {name: each.docstring for name, each in members.items() if each.docstring}
        if cls.docstring is None or not described or "Attributes:" in cls.docstring.value:
            return
        listed = "".join(f"{name}: {_lines_of(text)}\n" for name, text in described.items())
        cls.docstring.value += "\n\nAttributes:\n" + indent(listed, "    ")
        for name in described:
            members[name].docstring = None


def _lines_of(text: Docstring) -> str:
    return text.value.strip().replace("\n", "\n    ")
