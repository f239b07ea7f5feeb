"""What is served past its lifetime where the origin permits it: while it is refreshed, and while the origin fails."""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

from edgebench.runner.probes.app import Page
from edgebench.runner.probes.freshness import EXPIRED_AFTER_S
from edgebench.runner.probes.result import Result, yes_no
from edgebench.runner.probes.subject import Subject

_REFRESH_MS = 300
_REFRESH_LIMIT_S = 2.0
_KEYS = 3


def stale_while_revalidate(subject: Subject) -> Generator[float, None, Result]:
    pages = [
        Page(f"swr-{number}", "max-age=1, stale-while-revalidate=60", delay_ms=_REFRESH_MS) for number in range(_KEYS)
    ]
    unasked = Page("swr-unasked", "max-age=1")
    first_unasked = subject.ask(unasked)
    with ThreadPoolExecutor(len(pages)) as pool:
        firsts = list(pool.map(subject.ask, pages))
    yield EXPIRED_AFTER_S
    answers = [subject.ask(pages[0])]
    if answers[0].seq != firsts[0].seq:
        waited_ms = answers[0].took_ms
        return yes_no(False, f"an expired answer was fetched anew while the client waited {waited_ms:.0f} ms")
    answers += [subject.ask(page) for page in pages[1:]]
    even_unasked = subject.ask(unasked).seq == first_unasked.seq
    from_store = sum(first.seq == answer.seq for first, answer in zip(firsts, answers, strict=True))
    slowest_ms = max(answer.took_ms for answer in answers)
    refreshed = sum(len(subject.await_fetches(page, 2, _REFRESH_LIMIT_S)) > 1 for page in pages)
    evidence = (
        f"{from_store} of {_KEYS} expired answers of {_REFRESH_MS} ms came from store, the slowest after "
        f"{slowest_ms:.1f} ms; {refreshed} were refreshed within {_REFRESH_LIMIT_S:g} s without anyone waiting; "
        f"one with max-age=1 alone came from {'store, too' if even_unasked else 'the origin'}"
    )
    figures = {"from_store": from_store, "keys": _KEYS, "slowest_ms": slowest_ms, "refreshed": refreshed}
    if from_store < _KEYS:
        return Result(f"{from_store} of {_KEYS}", evidence, figures)
    text = f"yes, {slowest_ms:.1f} ms" if slowest_ms < 10 else f"yes, {slowest_ms:.0f} ms"
    text = text if refreshed == _KEYS else "never refreshed"
    return Result(f"{text} (even unasked)" if even_unasked else text, evidence, figures)


def stale_if_error(
    name: str, failing: Callable[[Subject], AbstractContextManager[None]]
) -> Callable[[Subject], Generator[float, None, Result]]:
    """A probe of an origin that fails in this way when two answers have expired, one of which may be served then."""

    def probe(subject: Subject) -> Generator[float, None, Result]:
        asked, unasked = Page(f"{name}-asked", "max-age=1, stale-if-error=60"), Page(f"{name}-unasked", "max-age=1")
        firsts = [subject.ask(page) for page in (asked, unasked)]
        yield EXPIRED_AFTER_S
        # Side by side: HAProxy, as it comes, asks a dead origin four times in three seconds.
        with failing(subject), ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(subject.ask, (asked, unasked)))
        served, served_unasked = (
            answer.status == 200 and answer.seq == first.seq for first, answer in zip(firsts, answers, strict=True)
        )
        evidence = (
            (
                f"expired with stale-if-error=60: {answers[0].status} {'from store' if served else ''}; "
                f"without it: {answers[1].status} {'from store' if served_unasked else ''}"
            )
            .replace(" ;", ";")
            .rstrip()
        )
        but = "even unasked" if served_unasked and served else "" if served else str(answers[0].status)
        return yes_no(served, evidence, but)

    return probe
