"""What is stored that may not be: the first answer is one user's, the second request an anonymous one's."""

from __future__ import annotations

from edgebench.runner.probes.app import Page
from edgebench.runner.probes.result import Result, yes_no
from edgebench.runner.probes.subject import Subject

_ANN = {"Authorization": "Bearer ann"}


def authorised(subject: Subject) -> Result:
    """RFC 9111, section 3.5: an answer to a request with Authorization is nobody else's unless it says so."""
    page = Page("authorised", "max-age=60")
    subject.ask_times(page, 2, headers=_ANN)
    anonymous = subject.ask(page)
    leaked = anonymous.body == page.body(_ANN["Authorization"])
    evidence = (
        f"'max-age=60' answered to Authorization twice, then asked for without: the anonymous client got "
        f"{'the answer for the other' if leaked else 'its own'}; {len(subject.fetches(page))} of 3 reached the origin"
    )
    return yes_no(leaked, evidence, "LEAK" if leaked else "")


def set_cookie(subject: Subject) -> Result:
    page = Page("set-cookie", "public, max-age=60", cookie=True)
    first, second = subject.ask_times(page, 2)
    stored = first.seq == second.seq
    given = stored and "set-cookie" in second.headers
    evidence = (
        f"'public, max-age=60' with Set-Cookie, asked for twice: {len(subject.fetches(page))} reached the origin; "
        f"the second answer had {'a' if 'set-cookie' in second.headers else 'no'} cookie"
    )
    return yes_no(stored, evidence, "cookie and all" if given else "without the cookie" if stored else "")


def public(subject: Subject) -> Result:
    return _stored(subject, Page("public", "public, max-age=60"))


def private(subject: Subject) -> Result:
    return _stored(subject, Page("private", "private, max-age=60"))


def no_store(subject: Subject) -> Result:
    return _stored(subject, Page("no-store", "no-store"))


def unmarked(subject: Subject) -> Result:
    return _stored(subject, Page("unmarked"))


def _stored(subject: Subject, page: Page) -> Result:
    subject.ask_times(page, 2)
    fetches = len(subject.fetches(page))
    said = f"'{page.cache_control}'" if page.cache_control else "an answer without Cache-Control"
    return yes_no(fetches == 1, f"{said}, asked for twice: {fetches} reached the origin")
