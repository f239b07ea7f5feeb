"""Kills what the harness started if the harness itself is killed.

A process of its own at the other end of a pipe: while the harness lives, it is told which process groups begin and
end; when the pipe closes it kills those that have not ended. If it closes without a goodbye (a crash, kill -9, a
signal, an error), it also kills whatever else carries the run's mark in its environment: a process the harness had no
time to announce.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterable
from typing import IO, Self

MARK = "EDGEBENCH_RUN_MARK"
_GOODBYE = "bye"


class Guardian:
    """The harness's end of the pipe. A context manager: after it, nothing that was announced runs any more."""

    def __init__(self) -> None:
        self.mark = secrets.token_hex(8)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "edgebench.runner.guardian", self.mark],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True, text=True,
        )  # fmt: skip

    def environment(self) -> dict[str, str]:
        """Marks a child as ours; every child inherits it on."""
        return {MARK: self.mark}

    def watch(self, group: int) -> None:
        self._tell(f"+{group}")

    def forget(self, group: int) -> None:
        self._tell(f"-{group}")

    def _tell(self, line: str) -> None:
        pipe = self._process.stdin
        assert pipe is not None
        with contextlib.suppress(BrokenPipeError):
            print(line, file=pipe, flush=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._tell(_GOODBYE)
        pipe = self._process.stdin
        assert pipe is not None
        with contextlib.suppress(BrokenPipeError):
            pipe.close()
        self._process.wait(timeout=10)


def _watch(lines: Iterable[str]) -> tuple[set[int], bool]:
    """Follow the harness's announcements to their end: the groups left over, and whether it said goodbye."""
    groups: set[int] = set()
    for line in lines:
        word = line.strip()
        if word == _GOODBYE:
            return groups, True
        (groups.add if word[0] == "+" else groups.discard)(int(word[1:]))
    return groups, False


def _kill_marked(mark: str) -> None:
    import psutil  # only now: the guardian of a healthy run stays small

    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(MARK) == mark:
                process.kill()


def main(mark: str, lines: IO[str]) -> None:
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)  # it goes when the harness goes, and not before
    groups, goodbye = _watch(lines)
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
    if not goodbye:
        _kill_marked(mark)


if __name__ == "__main__":
    main(sys.argv[1], sys.stdin)
