"""When the origin is to fail: a file the runner writes when the measurement begins, and every worker waits for."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from time import monotonic_ns

from edgebench.model import FaultKind

_LOOK_EVERY_S = 0.05
_FOLLOW_LIMIT_S = 90_000.0  # a warm-up takes a day at most


@dataclass(frozen=True, slots=True)
class Planned:
    """One fault in absolute times."""

    kind: FaultKind
    start_ns: int
    end_ns: int
    delay_s: float


def write_schedule(path: Path, planned: Sequence[Planned], seed: int) -> None:
    """`seed`: of the delays."""
    write_whole(path, json.dumps({"seed": seed, "faults": [asdict(each) for each in planned]}))


def write_whole(path: Path, text: str) -> None:
    """Nobody reads half of it."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(text)
    part.replace(path)


def seen_at_ns(path: Path) -> list[int]:
    """When each worker learnt of a schedule it had been waiting for."""
    return [int(file.read_text()) for file in path.parent.glob(f"{path.name}.seen-*")]


class Schedule:
    """What is planned, as soon as it is known. follow(): read it now or, in a thread, when it is there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.random = Random()
        self._planned: tuple[Planned, ...] = ()

    def at(self, now_ns: int) -> Planned | None:
        for fault in self._planned:
            if fault.start_ns <= now_ns < fault.end_ns:
                return fault
        return None

    def follow(self) -> None:
        if not self._read():
            threading.Thread(target=self._wait, name="edgebench-faults", daemon=True).start()

    def _wait(self) -> None:
        deadline = time.monotonic() + _FOLLOW_LIMIT_S
        while time.monotonic() < deadline:
            if self._read():
                write_whole(self._path.with_name(f"{self._path.name}.seen-{os.getpid()}"), str(monotonic_ns()))
                return
            time.sleep(_LOOK_EVERY_S)

    def _read(self) -> bool:
        try:
            read = json.loads(self._path.read_text())
        except FileNotFoundError:
            return False
        self.random = Random(read["seed"])
        self._planned = tuple(Planned(**{**each, "kind": FaultKind(each["kind"])}) for each in read["faults"])
        return True
