"""Whether the cache's own counters say what the ledger says."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from edgebench.runner.probes.app import Page
from edgebench.runner.probes.result import Result, yes_no
from edgebench.runner.probes.subject import Subject
from edgebench.runner.stack import require

_REQUESTS = 400
_PAGES = 100
_LIMIT_S = 5.5
"""ATS adds its counters up every five seconds."""
_POLL_S = 0.2


def counters(subject: Subject) -> Result:
    adapter, place = subject.stack.adapter, subject.stack.place
    if adapter is None or place is None:
        return Result("keeps none", "there is no cache")
    binary = require(adapter)
    if not adapter.counters(binary, place):
        return Result("keeps none", "its adapter finds none")
    read = partial(adapter.counters, binary, place)
    found = _count(subject, read)
    # Counters that are behind had not counted all that came before. By now they have, nothing having been asked since.
    return _compared(found if not found.off else _count(subject, read))


@dataclass(frozen=True, slots=True)
class _Counted:
    gained: Mapping[str, float]
    proved: Mapping[str, int]
    off: tuple[str, ...]


def _count(subject: Subject, read: Callable[[], Mapping[str, float]]) -> _Counted:
    """What the counters gained by a round of requests, once it agrees with the ledger or the time is over."""
    before = read()
    fetched = len(subject.fetches())
    chance = random.Random(1)
    for _ in range(_REQUESTS):
        subject.ask(Page(f"counted-{fetched}-{int(_PAGES * chance.random() ** 2)}", "max-age=60"))
    fetched = len(subject.fetches()) - fetched
    proved = {"requests": _REQUESTS, "hits": _REQUESTS - fetched, "misses": fetched, "origin_requests": fetched}
    deadline, questions = time.monotonic() + _LIMIT_S, 1
    while True:
        questions += 1
        after = read()
        gained = {name: after[name] - before[name] for name in proved if name in before and name in after}
        off = disagreements(gained, proved, questions)
        if not off or time.monotonic() > deadline:
            return _Counted(gained, proved, off)
        time.sleep(_POLL_S)


def _compared(found: _Counted) -> Result:
    if not found.gained:
        return Result("keeps none", "it counts neither requests nor hits, misses or origin requests")
    pairs = ", ".join(f"{_words(name)} {value:g} of {found.proved[name]}" for name, value in found.gained.items())
    evidence = f"{_REQUESTS} requests, counted of proved: {pairs}"
    if set(found.gained) == {"requests"}:
        return Result("requests only" if not found.off else "no", evidence, {"yes": float(not found.off)})
    return yes_no(not found.off, evidence, ", ".join(found.off))


def disagreements(gained: Mapping[str, float], proved: Mapping[str, int], questions: int) -> tuple[str, ...]:
    """The counters that are off. The harness's own questions after counters may have been counted as requests."""
    off = []
    for name, value in gained.items():
        spare = questions if name == "requests" else 0
        if not proved[name] <= value <= proved[name] + spare:
            off.append(f"{_words(name)} {value - proved[name]:+g}")
    return tuple(off)


def _words(name: str) -> str:
    return name.replace("_", " ")
