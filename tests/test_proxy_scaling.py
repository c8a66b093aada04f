"""A tap and a rewriter: four times the input costs at most five times the time, whatever its shape."""

from collections.abc import Callable

import pytest

from .readers import cut
from .test_scaling import check, gather

# All are small, so that libc gives the memory of none of them back, and takes it anew, at each run.
FRAMED: dict[str, Callable[[int], list[bytes]]] = {
    "CR only": lambda scale: [b"data: x\r\r" * 10_000 * scale],
    "CR only, one line": lambda scale: cut(b"data: " + b"x" * 20_000 * scale + b"\r\r", 64),
    "reads of one byte": lambda scale: cut(b"data: " + b"x" * 5_000 * scale + b"\n\n", 1),
    "one line": lambda scale: cut(b"data: " + b"x" * 20_000 * scale + b"\n\n", 64),
    "one comment": lambda scale: cut(b":" + b"x" * 20_000 * scale + b"\n", 64),
    "many data lines": lambda scale: cut(b"data: x\n" * 5_000 * scale + b"\n", 64),
    "many data lines, one read": lambda scale: [b"data: x\n" * 5_000 * scale + b"\n"],
    "many tiny events": lambda scale: [b"data:\n\n" * 4_000 * scale],
    "CR and LF in turn": lambda scale: [b"data: x\r\n\r\n" * 4_000 * scale],
}

# Payloads that are walked member by member.
WALKED: dict[str, Callable[[int], list[bytes]]] = {
    "many models": lambda scale: [b'data: {"choices":[]' + b',"model":"m"' * 1_000 * scale + b"}\n\n"],
    "many usages": lambda scale: [b'data: {"choices":[1]' + b',"usage":null' * 1_000 * scale + b"}\n\n"],
    "a data line for each member": lambda scale: [
        b'data: {"choices":[1]\n' + b'data: ,"model":"m","usage":1\n' * 300 * scale + b"data: }\n\n"
    ],
    "nested deep": lambda scale: [b'data: {"a":[[[[[[[[' + b'"{",' * 2_000 * scale + b'0]]]]]]]],"model":"m"}\n\n'],
    "a long string": lambda scale: [b'data: {"model":"m","a":"' + b'\\"{' * 5_000 * scale + b'"}\n\n'],
    "many choices": lambda scale: [
        b'data: {"model":"m","choices":[' + b",".join(b'{"index":%d}' % at for at in range(1_000 * scale)) + b"]}\n\n"
    ],
}
EVERY = FRAMED | WALKED


@pytest.mark.parametrize("shape", EVERY)
def test_taps_cost_is_linear(backend, shape: str) -> None:
    def run(scale: int) -> Callable[[], object]:
        reads = EVERY[shape](scale)

        def observe() -> None:
            tap = backend.Tap(text=True)
            for read in reads:
                tap.feed(read)
            assert tap.close().bytes == sum(map(len, reads))

        return observe

    check(run, lambda scale: gather(EVERY[shape](scale)))


@pytest.mark.parametrize("shape", EVERY)
def test_rewriters_cost_is_linear(backend, shape: str) -> None:
    def run(scale: int) -> Callable[[], object]:
        reads = EVERY[shape](scale)

        def rewrite() -> None:
            rewriter = backend.Rewriter(model="another", usage="drop")
            for read in reads:
                rewriter.feed(read)
            rewriter.finish()

        return rewrite

    check(run, lambda scale: gather(EVERY[shape](scale)))


def test_the_cost_of_going_on_behind_exceptions_is_linear(backend) -> None:
    class Refused(Exception):
        pass

    def refuse(event: object) -> None:
        raise Refused

    def run(scale: int) -> Callable[[], object]:
        count = 2_000 * scale
        read = b"data: x\n\n" * count

        def go_on() -> None:
            rewriter = backend.Rewriter(each=refuse)
            data, refused = read, 0
            while True:
                try:
                    rewriter.feed(data)
                    break
                except Refused:
                    data, refused = b"", refused + 1
            assert refused == count

        return go_on

    check(run, lambda scale: gather([b"data: x\n\n" * 2_000 * scale]))
