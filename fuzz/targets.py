"""What is compared, one function for each target: an input in, AssertionError out where something differs."""

import json
from collections.abc import Callable
from typing import Any

from deltawire import Limits, include_usage_in_request
from tests.conftest import forget_shapes, twin
from tests.readers import all_of, at_work, log_of, result_of
from tests.stencils.mutation import Bytes, Chance, one
from tests.stencils.outcomes import check, same

from .inputs import Input
from .shapes import stream

PURE = twin("pure")
COMPILED = twin("compiled")
TWINS = (PURE, COMPILED)

_FAMILIES = ["auto", "auto", "auto", "chat", "completions", "responses", "messages"]


def tried(call: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a call gives, or its exception: whatever it is, the other twin must raise the same."""
    return result_of(call, *arguments, errors=Exception)


def equal(pure: Any, compiled: Any) -> None:
    """Compare what the twins gave."""
    assert same(compiled, pure), f"pure: {pure!r}\ncompiled: {compiled!r}"


def _limits(given: Input) -> Limits:
    choose = given.choose
    return Limits(
        max_event=one(choose, [0, 0, 1 << 20, 100, 400]),
        max_items=one(choose, [0, 0, 1, 3]),
        max_message=one(choose, [0, 0, 40, 300]),
    )


def _read(name: str, data: bytes, *, uncut: bool, **options: Any) -> list[Any]:
    """Run an input through both twins of a class, and return the log."""
    given = Input(data)
    limits = _limits(given)
    reads = given.reads()
    logs = []
    for twins in TWINS:
        reader = getattr(twins, name)(limits=limits, **options)
        log = log_of(reader, reads, Exception)
        logs.append([log, tried(reader.finish), repr(getattr(reader, "error", None))])
    equal(*logs)
    if uncut and limits.max_event == 0:
        whole = getattr(COMPILED, name)(limits=limits, **options)
        log = log_of(whole, [given.body], Exception)
        flat = [value for values in logs[0][0] for value in values]
        equal(flat, [value for values in log for value in values])
    return logs[0]


def events(data: bytes) -> None:
    """`EventParser`: each read's events, however the body is cut."""
    given = Input(data)
    limits = _limits(given)
    reads = given.reads()
    logs = []
    for twins in TWINS:
        parser = twins.EventParser(limits=limits)
        log = [tried(parser.feed, read) for read in reads]
        logs.append((log, tried(parser.finish), parser.last_event_id))
    equal(*logs)
    if limits.max_event == 0:
        whole = COMPILED.EventParser()
        equal([each for log in logs[0][0] for each in log], tried(whole.feed, given.body))


def chunks(data: bytes) -> None:
    """`ChunkDecoder`, with what stencils have learned from the body so far."""
    _read("ChunkDecoder", data, uncut=True)


def text(data: bytes) -> None:
    """`TextDecoder`."""
    log = _read("TextDecoder", data, uncut=False)
    assert all(isinstance(piece, (str, tuple)) for pieces in log[0] for piece in pieces)


def types(data: bytes) -> None:
    """`StreamDecoder` of types of every kind, and the others, on payloads that change a little."""
    check(Bytes(data))


def accumulator(data: bytes) -> None:
    """`CompletionAccumulator`: after each read, and at the end."""
    given = Input(data)
    limits = _limits(given)
    reads = given.reads()
    logs = []
    for twins in TWINS:
        folding = twins.CompletionAccumulator(limits=limits)
        log: list[Any] = []
        for number, read in enumerate(reads):
            log.append(tried(folding.feed, read))
            if number % 16 == 3:
                log.append(tried(folding.completion))
        log += tried(folding.finish), tried(folding.completion)
        logs.append(log)
    equal(*logs)


def tap(data: bytes) -> None:
    """`Tap`: what it tells after each read, and of the whole body in one."""
    given = Input(data)
    options = {
        "limits": _limits(given),
        "family": one(given.choose, _FAMILIES),
        "text": bool(given.choose.below(2)),
        "gap_bounds": one(given.choose, [(), (3, 20, 100)]),
        "started_at": 0,
    }
    reads = given.reads()
    forget_shapes()
    pure, compiled = (twins.Tap(**options) for twins in TWINS)
    for number, read in enumerate(reads):
        equal(
            (tried(pure.feed, read, number), pure.at_boundary),
            (tried(compiled.feed, read, number), compiled.at_boundary),
        )
        if number % 8 == 3:
            equal(repr(pure.report), repr(compiled.report))
    report = pure.close(1000)
    equal(repr(report), repr(compiled.close(1000)))
    if options["limits"].max_event == 0:
        whole = COMPILED.Tap(**options)
        whole.feed(given.body, 0)
        once = whole.close(1000)
        for name in ("time_to_first_token", "last_token_at", "max_gap", "gaps"):
            setattr(report, name, None)
            setattr(once, name, None)
        equal(repr(report), repr(once))


def _twice(given: Any) -> Any:
    return [given, b": more\n\n"] if len(given.data) % 3 else None


def _failing(given: Any) -> Any:
    if len(given.data) % 5 == 0:
        raise LookupError(given.event)
    return given


_TASKS: list[dict[str, Any]] = [
    {},
    {"model": "zz"},
    {"usage": "drop"},
    {"model": 'q"\u00e9', "usage": "drop"},
    {"each": lambda given: given, "model": "y"},
    {"each": _twice},
    {"each": _failing},
    {"each": lambda given: str(given.chunk), "usage": "drop"},
]


def rewriter(data: bytes) -> None:
    """`Rewriter`: each read's bytes; nothing to do gives the same bytes back, and cuts make no difference."""
    given = Input(data)
    task = one(given.choose, _TASKS)
    limits = _limits(given)
    ends: tuple[Any, ...] = one(given.choose, [(), (), ("no",), ({"error": {"code": 5}},)])
    reads = given.reads()
    logs = []
    for twins in TWINS:
        rewriting = twins.Rewriter(**task, limits=limits)
        logs.append([*(tried(rewriting.feed, read) for read in reads), tried(rewriting.finish, *ends)])
    equal(*logs)
    if limits.max_event or ends or "each" in task:
        return
    wrote = b"".join(logs[1])
    if not task:
        equal(given.body, wrote)
    whole = COMPILED.Rewriter(**task)
    equal(wrote, whole.feed(given.body) + whole.finish())


def shapes(data: bytes) -> None:
    """What reads chunks, on payloads of a few shapes that stencils begin to learn; the input only seeds chance."""
    choose = Chance(data.hex())
    family, reads = stream(choose)
    limits = Limits(max_items=one(choose, [0, 0, 4]), max_message=one(choose, [0, 0, 200]))
    forget_shapes()
    for name in ("Tap", "Rewriter", "ChunkDecoder", "TextDecoder", "CompletionAccumulator"):
        options = {"family": one(choose, ["auto", family])} if name == "Tap" else {}
        equal(*(all_of(at_work(twins, name, limits=limits, **options), reads) for twins in TWINS))


def request(data: bytes) -> None:
    """`include_usage_in_request`: as text and as what the text says."""
    body = Input(data).body
    asks, injected = include_usage_in_request(body)
    assert injected or asks == body
    try:
        given = json.loads(body)
        asked = json.loads(asks)
    except (ValueError, RecursionError):
        return
    if injected:
        options = (given.get("stream_options") or {}) | {"include_usage": True}
        equal(repr(given | {"stream_options": options}), repr(asked))


TARGETS: dict[str, Callable[[bytes], None]] = {
    each.__name__: each for each in (events, chunks, text, types, accumulator, tap, rewriter, shapes, request)
}
