"""Many clients at one moment: how many of them reach the origin, and who waits for whom."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence

from edgebench.runner.probes.app import Page
from edgebench.runner.probes.freshness import EXPIRED_AFTER_S
from edgebench.runner.probes.result import Result
from edgebench.runner.probes.subject import Answer, Fetch, Subject

CROWD = 50
PRIVATE_CROWD = 10
SLOW_MS = 300


def cold_crowd(subject: Subject) -> Result:
    page = Page("cold", "max-age=60", delay_ms=SLOW_MS)
    answers = subject.ask_at_once(page, CROWD)
    return _crowd(answers, len(subject.fetches(page)), "not stored yet")


def expired_crowd(subject: Subject) -> Generator[float, None, Result]:
    page = Page("expired", "max-age=1", delay_ms=SLOW_MS)
    subject.ask(page)
    yield EXPIRED_AFTER_S
    answers = subject.ask_at_once(page, CROWD)
    return _crowd(answers, len(subject.fetches(page)) - 1, "expired")


def _crowd(answers: Sequence[Answer], fetches: int, state: str) -> Result:
    slowest_s = max(answer.took_ms for answer in answers) / 1000
    bad = sum(answer.status != 200 for answer in answers)
    text = f"{fetches} of {len(answers)}, {slowest_s:.2f} s" + (f", {bad} errors" if bad else "")
    evidence = (
        f"{len(answers)} requests at once for a URL of {SLOW_MS} ms, {state}: {fetches} reached the origin, "
        f"the slowest took {slowest_s:.3f} s, {bad} were not 200"
    )
    return Result(text, evidence, {"fetches": fetches, "requests": len(answers), "slowest_s": slowest_s, "errors": bad})


def private_crowd(name: str, headers: Callable[[int], Mapping[str, str]]) -> Callable[[Subject], Result]:
    """A probe of private answers for users who say who they are by these headers."""

    def probe(subject: Subject) -> Result:
        page = Page(name, "private", delay_ms=SLOW_MS)
        answers = subject.ask_at_once(page, PRIVATE_CROWD, headers)
        wall_s = (max(each.done_ns for each in answers) - min(each.sent_ns for each in answers)) / 1e9
        together = most_at_once(subject.fetches(page))
        text = f"{wall_s:.2f} s" + ("" if together == PRIVATE_CROWD else f", {together} at a time")
        evidence = (
            f"{PRIVATE_CROWD} requests at once for private answers of {SLOW_MS} ms took {wall_s:.3f} s in all; "
            f"at most {together} were at the origin at a time"
        )
        return Result(text, evidence, {"wall_s": wall_s, "at_once": together})

    return probe


def most_at_once(fetches: Sequence[Fetch]) -> int:
    """How many were at the origin at the busiest moment."""
    edges = sorted([(fetch.start_ns, 1) for fetch in fetches] + [(fetch.end_ns, -1) for fetch in fetches])
    now = most = 0
    for _, change in edges:
        now += change
        most = max(most, now)
    return most
