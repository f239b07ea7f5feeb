"""Whether the cache's own counters say what the ledger says."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping

from edgebench.runner.probes.app import Page
from edgebench.runner.probes.result import Result, yes_no
from edgebench.runner.probes.subject import Subject
from edgebench.runner.stack import require

_REQUESTS = 400
_PAGES = 100
_LIMIT_S = 7.0
"""ATS adds its counters up every five seconds."""
_POLL_S = 0.2


def counters(subject: Subject) -> Result:
    adapter, place = subject.stack.adapter, subject.stack.place
    if adapter is None or place is None:
        return Result("keeps none", "there is no cache")
    binary = require(adapter)
    before = adapter.counters(binary, place)
    if not before:
        return Result("keeps none", "its adapter finds none")
    fetched = len(subject.fetches())
    chance = random.Random(1)
    for _ in range(_REQUESTS):
        subject.ask(Page(f"counted-{int(_PAGES * chance.random() ** 2)}", "max-age=60"))
    fetched = len(subject.fetches()) - fetched
    hits = _REQUESTS - fetched
    proved = {"requests": _REQUESTS, "hits": hits, "misses": fetched, "origin_requests": fetched}
    deadline, questions = time.monotonic() + _LIMIT_S, 1
    while True:
        questions += 1
        after = adapter.counters(binary, place)
        gained = {name: after[name] - before[name] for name in proved if name in before and name in after}
        off = disagreements(gained, proved, questions)
        if not off or time.monotonic() > deadline:
            break
        time.sleep(_POLL_S)
    return _compared(gained, proved, off)


def _compared(gained: Mapping[str, float], proved: Mapping[str, int], off: list[str]) -> Result:
    if not gained:
        return Result("keeps none", "it counts neither requests nor hits, misses or origin requests")
    pairs = ", ".join(f"{name.replace('_', ' ')} {gained[name]:g} of {proved[name]}" for name in gained)
    evidence = f"{_REQUESTS} requests, counted of proved: {pairs}"
    if set(gained) == {"requests"}:
        return Result("requests only" if not off else "no", evidence, {"yes": float(not off)})
    return yes_no(not off, evidence, ", ".join(off))


def disagreements(gained: Mapping[str, float], proved: Mapping[str, int], questions: int) -> list[str]:
    """The counters that are off. The harness's own questions after counters may have been counted as requests."""
    off = []
    for name, value in gained.items():
        spare = questions if name == "requests" else 0
        if not proved[name] <= value <= proved[name] + spare:
            off.append(f"{name.replace('_', ' ')} {value - proved[name]:+g}")
    return off
