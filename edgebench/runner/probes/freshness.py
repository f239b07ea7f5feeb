"""Whether a cache keeps what it may keep, for how long to the millisecond, and asks before it fetches again."""

from __future__ import annotations

import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor

from edgebench.runner.probes.app import Page
from edgebench.runner.probes.result import Result, yes_no
from edgebench.runner.probes.subject import POLL_S, Subject

EXPIRED_AFTER_S = 2.2
"""When a max-age of 1 s is over for every cache: those that count whole seconds may keep it for almost 2 s."""
LIFETIME_TTL_S = 2
LIFETIME_KEYS = 8
_LIFETIME_LIMIT_S = LIFETIME_TTL_S + 1.3
_TIMES = 3


def max_age(subject: Subject) -> Result:
    kept, not_kept = Page("max-age", "max-age=60"), Page("max-age-0", "max-age=0")
    for page in (kept, not_kept):
        subject.ask_times(page, _TIMES)
    counts = len(subject.fetches(kept)), len(subject.fetches(not_kept))
    evidence = f"{_TIMES} requests each: max-age=60 fetched {counts[0]}×, max-age=0 {counts[1]}×"
    return yes_no(counts == (1, _TIMES), evidence)


def s_maxage(subject: Subject) -> Result:
    """It counts for shared caches, and max-age does not where it is there."""
    kept, not_kept = Page("s-maxage", "max-age=0, s-maxage=60"), Page("s-maxage-0", "max-age=60, s-maxage=0")
    for page in (kept, not_kept):
        subject.ask_times(page, _TIMES)
    counts = len(subject.fetches(kept)), len(subject.fetches(not_kept))
    evidence = (
        f"{_TIMES} requests each: '{kept.cache_control}' fetched {counts[0]}×, "
        f"'{not_kept.cache_control}' {counts[1]}×"
    )  # fmt: skip
    return yes_no(counts == (1, _TIMES), evidence)


def lifetime(subject: Subject) -> Result:
    """From the end of the origin's answer to its next request for the key, which comes at most POLL_S late."""
    pages = [Page(f"lifetime-{number}", f"max-age={LIFETIME_TTL_S}") for number in range(LIFETIME_KEYS)]
    with ThreadPoolExecutor(len(pages)) as pool:
        list(pool.map(lambda page: _poll(subject, page, (pages.index(page) + 0.5) / len(pages)), pages))
    found_ms = []
    for page in pages:
        fetches = subject.fetches(page)
        if len(fetches) > 1:
            found_ms.append((fetches[1].start_ns - fetches[0].end_ns) / 1e6)
    asked = f"{len(pages)} keys stored at different fractions of a second, asked for every {POLL_S * 1000:g} ms"
    if not found_ms:
        return Result(f"over {_LIFETIME_LIMIT_S:g} s", f"{asked}: none was fetched again")
    low, high = min(found_ms), max(found_ms)
    figures = {"min_ms": low, "max_ms": high, "keys": float(len(found_ms))}
    evidence = f"{asked}: {len(found_ms)} fetched again after {low:.0f} to {high:.0f} ms"
    if high < 10 * POLL_S * 1000:
        return Result("not stored", evidence, figures)
    edges = dict.fromkeys(f"{edge_ms / 1000:.2f}" for edge_ms in (low, high))
    return Result(f"{'–'.join(edges)} s", evidence, figures)


def _poll(subject: Subject, page: Page, fraction: float) -> None:
    """Store a page at this fraction of a wall-clock second, then ask for it until it is seen to be another."""
    time.sleep((fraction - time.time()) % 1)
    first = subject.ask(page)
    for tick in range(1, round(_LIFETIME_LIMIT_S / POLL_S) + 1):
        time.sleep(max(0.0, first.done_ns / 1e9 + tick * POLL_S - time.monotonic()))
        # A cache that keeps the old stamp when a 304 confirms it would go on until the end; here there are no 304s.
        if subject.ask(page).seq != first.seq:
            return


def revalidates(subject: Subject) -> Generator[float, None, Result]:
    page = Page("revalidates", "max-age=1", etag=True)
    first = subject.ask(page)
    yield EXPIRED_AFTER_S
    again = subject.ask(page)
    second = next(iter(subject.fetches(page)[1:]), None)
    if second is None:
        return Result("not asked again", f"max-age=1 still served without a request after {EXPIRED_AFTER_S:g} s")
    evidence = (
        f"at expiry the origin was asked {'with' if second.conditional else 'without'} If-None-Match and "
        f"answered {second.status}; the client got {again.status} with {len(again.body)} bytes"
    )
    return yes_no(second.conditional and second.status == 304 and again.body == first.body, evidence)
