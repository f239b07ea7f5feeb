"""One claim's scenario as a process of its own: whatever becomes of it, the others go on."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from edgebench.model import ClaimRun
from edgebench.store import ClaimsFolder

KEPT = ". What was measured is kept; go on with: "
"""What `run` adds to the reason a run ended early; of no use where the run is one of many."""
STOPPING_S = 90.0
"""How long a run may take to stop and to explain what there is, before it is killed."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended."""

    exit_code: int
    problem: str = ""
    """One line; empty where it came to its end."""


Tell = Callable[[str], None]
"""Called with each line the run prints."""
Runner = Callable[[ClaimsFolder, ClaimRun, Sequence[str], Tell, float], Ended]
"""Runs a claim with these words after `edgebench`, at most for so many seconds. What ends it early (Ctrl-C) passes."""


def run_child(folder: ClaimsFolder, claim: ClaimRun, words: Sequence[str], tell: Tell, limit_s: float) -> Ended:
    """Run the scenario in a child; its words go to runs/<scenario>.log."""
    folder.runs.mkdir(parents=True, exist_ok=True)
    env = {**os.environ, "EDGEBENCH_OUT": str(folder.runs), "EDGEBENCH_CEILING_OF": str(folder.path), "COLUMNS": "160"}
    log = folder.runs / f"{claim.scenario}.log"
    command = [sys.executable, "-m", "edgebench", *words]
    late: list[bool] = []
    with log.open("w+", encoding="utf-8") as errors:
        # A group of its own: Ctrl-C reaches it through us alone, once.
        child = subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
            text=True, process_group=0,
        )  # fmt: skip

        def too_late() -> None:
            late.append(True)
            _stop(child)

        with _timer(limit_s, too_late), _ended_with_us(child):
            assert child.stdout is not None
            for line in child.stdout:
                tell(line.rstrip())
            code = child.wait()
        errors.seek(0)
        problem = last_error(errors.read())
    if late:
        return Ended(1, f"it took longer than {limit_s:,.0f} s and was stopped")
    return Ended(code) if code in (0, 3) else Ended(code, problem or f"it ended with exit code {code}")


def last_error(text: str) -> str:
    """The one line a command ended with; of a traceback, the exception."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    ours = [line.removeprefix("edgebench: ") for line in lines if line.startswith("edgebench: ")]
    last = (ours or lines or [""])[-1]
    return last.partition(KEPT)[0]


@contextlib.contextmanager
def _timer(limit_s: float, late: Callable[[], None]) -> Iterator[None]:
    timer = threading.Timer(limit_s, late)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextlib.contextmanager
def _ended_with_us(child: subprocess.Popen[str]) -> Iterator[None]:
    """No way out of it leaves the child running."""
    try:
        yield
    finally:
        if child.poll() is None:
            _stop(child)
        if child.stdout is not None:
            child.stdout.close()


def _stop(child: subprocess.Popen[str]) -> None:
    """As Ctrl-C would: it stops what it started and explains what there is. After STOPPING_S it is killed."""
    with contextlib.suppress(ProcessLookupError):
        child.send_signal(signal.SIGINT)
    try:
        child.wait(STOPPING_S)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
