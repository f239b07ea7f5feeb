"""How a cache is made to forget: by its own purge, and by an unsafe method."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from edgebench.runner.probes.app import Page
from edgebench.runner.probes.result import Result, yes_no
from edgebench.runner.probes.subject import SETTLE_S, Subject
from edgebench.runner.stack import require

_ROUNDS = 5


def purge_one(subject: Subject) -> Result:
    pages = [Page(f"purge-{number}", "max-age=60") for number in range(_ROUNDS)]
    other = Page("purge-other", "max-age=60")
    purge = _purge(subject)
    if purge is None:
        return yes_no(False, "its adapter knows no way")
    took_ms = []
    for page in (other, *pages):
        subject.ask_times(page, 2)
    for page in pages:
        try:
            took_ms.append(purge(page.key))
        except NotImplementedError as cannot:
            return yes_no(False, str(cannot))
        subject.ask_times(page, 2)
    subject.ask(other)
    forgotten = sum(len(subject.fetches(page)) == 2 for page in pages)
    spared = len(subject.fetches(other)) == 1
    evidence = (
        f"{forgotten} of {_ROUNDS} purged URLs were fetched again, once; another was {'' if spared else 'not '}kept; a "
        f"purge took {min(took_ms):.1f} to {max(took_ms):.1f} ms"
    )
    return _purged(forgotten == _ROUNDS, evidence, took_ms, "" if spared else "and all others")


def purge_all(subject: Subject) -> Result:
    pages = [Page(f"purge-all-{number}", "max-age=60") for number in range(3)]
    for page in pages:
        subject.ask_times(page, 2)
    purge = _purge(subject)
    if purge is None:
        return yes_no(False, "its adapter knows no way")
    try:
        took_ms = purge(None)
    except NotImplementedError as cannot:
        return yes_no(False, str(cannot))
    for page in pages:
        subject.ask_times(page, 2)
    forgotten = sum(len(subject.fetches(page)) == 2 for page in pages)
    evidence = f"{forgotten} of {len(pages)} stored URLs were fetched again, once; it took {took_ms:.1f} ms"
    return _purged(forgotten == len(pages), evidence, [took_ms], "")


def _purge(subject: Subject) -> Callable[[str | None], float] | None:
    """What purges a key, or all, and gives the milliseconds it took. None: nobody knows how."""
    adapter, place = subject.stack.adapter, subject.stack.place
    if adapter is None or place is None:
        return None
    binary = require(adapter)

    def purge(key: str | None) -> float:
        begun_ns = time.monotonic_ns()
        adapter.purge(binary, place, key)
        return (time.monotonic_ns() - begun_ns) / 1e6

    return purge


def _purged(yes: bool, evidence: str, took_ms: list[float], but: str) -> Result:
    middle_ms = statistics.median(took_ms)
    if not yes:
        return Result("no effect", evidence, {"yes": 0.0})
    text = f"yes, {middle_ms:.1f} ms" if middle_ms < 10 else f"yes, {middle_ms:.0f} ms"
    return Result(f"{text} ({but})" if but else text, evidence, {"yes": 1.0, "median_ms": middle_ms})


def post_invalidates(subject: Subject) -> Result:
    """RFC 9111, section 4.4: a successful unsafe request makes what is stored under its URL invalid."""
    page = Page("post", "max-age=60")
    subject.ask_times(page, 2)
    before = len(subject.fetches(page))
    posted = subject.ask(page, method="POST")
    time.sleep(SETTLE_S)
    subject.ask(page)
    after = len(subject.fetches(page))
    evidence = (
        f"stored, then POST ({posted.status}), then GET: {after - before} requests reached the origin (2: invalidated)"
    )
    return yes_no(before == 1 and after == 3, evidence, "" if before == 1 else "not stored")
