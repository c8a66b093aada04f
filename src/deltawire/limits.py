"""How much a reader may hold of a stream that somebody else sends."""

import msgspec


class Limits(msgspec.Struct, frozen=True, gc=False):
    """Bounds on what is held; 0 stands for no bound.

    Attributes:
        max_event: bytes of one undispatched event: the line in progress, and the
            data, event and id of its finished lines, at least 1 for each line but a
            finished comment. It holds for every cut of the stream into reads. Reads
            that wait behind a faulty event are bounded by it too.
        max_message: bytes that an accumulator holds, or a tap of the text.
        max_items: choices, tool calls and parts that an accumulator holds; choices whose
            finish reasons a decoder or a tap keeps.
    """

    max_event: int = 32 * 1024 * 1024
    max_message: int = 256 * 1024 * 1024
    max_items: int = 65536

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if not isinstance(value, int):
                raise TypeError(f"{name} must be an int, not {type(value).__name__}")
            if value < 0:
                raise ValueError(f"{name} of {value}, at least 0 expected")


DEFAULT_LIMITS = Limits()


def checked_limits(limits: Limits) -> Limits:
    """Return `limits`.

    Raises:
        TypeError: they are no `Limits`.
    """
    if not isinstance(limits, Limits):
        raise TypeError(f"limits must be Limits, not {type(limits).__name__}")
    return limits
