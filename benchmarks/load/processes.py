"""Processes of a load test: started, looked at through /proc, and ended by their ids (Linux)."""

import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

ROOT = Path(__file__).resolve().parents[2]
_TICK = 1 / os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


class Usage(NamedTuple):
    """What processes have used so far.

    Attributes:
        total: CPU seconds, as the scheduler counts them.
        user, system: as the kernel shares them out, by looking 100 to 1,000 times a second.
        resident: bytes of memory.
    """

    total: float
    user: float
    system: float
    resident: int


def free_port() -> int:
    """Return a port of loopback at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def children(pid: int) -> Iterator[int]:
    """Yield the ids of `pid`'s processes, children first."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name, in parentheses, may have anything in it.
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                yield from children(int(stat.parent.name))
    yield pid


def usage(pids: Iterable[int]) -> Usage:
    """Return what `pids` have used."""
    total = user = system = 0.0
    resident = 0
    for pid in pids:
        home = Path(f"/proc/{pid}")
        fields = (home / "stat").read_text().rpartition(")")[2].split()
        user += int(fields[11]) * _TICK
        system += int(fields[12]) * _TICK
        resident += int((home / "statm").read_text().split()[1]) * _PAGE
        for thread in (home / "task").iterdir():
            total += int((thread / "schedstat").read_text().split()[0]) / 1e9
    return Usage(total, user, system, resident)


class Process:
    """A process that ends with its `with` block, or with its parent, with all that it started.

    Args:
        command: where it begins with "-m", a module's, for this Python.
        cpu: the processor that it keeps to, None for any.
        log: takes standard error, and standard output unless `told`.
        told: standard output is read by `lines`.
    """

    def __init__(self, command: list[str], *, cpu: int | None, log: Path, told: bool = False) -> None:
        self._log = log
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                [sys.executable, *command] if command[0] == "-m" else command,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if told else out,
                stderr=out,
                preexec_fn=lambda: _begin(cpu),  # noqa: PLW1509 (one thread)
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pids = list(children(self._process.pid))
        self._process.terminate()
        try:
            self._process.wait(3)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pid in pids[:-1]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def listening(self, port: int, seconds: float = 20) -> None:
        """Wait until it listens at `port`.

        Raises:
            RuntimeError: it ended, or does not in time.
        """
        until = time.monotonic() + seconds
        while self._process.poll() is None and time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return
            time.sleep(0.02)
        raise RuntimeError(f"does not listen: {self.said()}")

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield the JSON lines that it tells."""
        assert self._process.stdout is not None
        return map(json.loads, self._process.stdout)

    def usage(self) -> Usage:
        return usage(children(self._process.pid))

    def said(self) -> str:
        """Return the end of what it logged."""
        return self._log.read_text(errors="replace")[-2000:]


def _begin(cpu: int | None) -> None:
    """Prepare a new process, before it becomes what it shall be."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})
