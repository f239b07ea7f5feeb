"""Variants and parts of one URL: Vary: Accept-Encoding, and Range."""

from __future__ import annotations

import gzip

from edgebench.runner.probes.app import BODY_BYTES, Page
from edgebench.runner.probes.result import Result
from edgebench.runner.probes.subject import Answer, Subject

_PART = {"Range": "bytes=100-199"}
_CODINGS = ("gzip", "br", "")


def vary(subject: Subject) -> Result:
    page = Page("vary", "max-age=60", vary=True)
    asked = 2 * _CODINGS  # taking turns: a cache that keeps one variant only fetches each anew
    answers = [subject.store(page, {"Accept-Encoding": coding} if coding else {}) for coding in asked]
    wrong = sum(not _right(page, answer, coding) for answer, coding in zip(answers, asked, strict=True))
    unasked = sum("content-encoding" in each.headers for each, coding in zip(answers, asked, strict=True) if not coding)
    fetches = len(subject.fetches(page))
    evidence = (
        f"{len(asked)} requests, in turn for gzip, br and without Accept-Encoding: {wrong} got a coding they do not "
        f"take or another body, {fetches} reached the origin; {unasked} of the 2 without Accept-Encoding got gzip"
    )
    text = f"no, {wrong} of {len(asked)} wrong" if wrong else f"yes, {fetches} of {len(asked)}"
    text += ", gzip unasked" if unasked else ""
    return Result(text, evidence, {"wrong": wrong, "fetches": fetches, "requests": len(asked), "unasked": unasked})


def _right(page: Page, answer: Answer, coding: str) -> bool:
    """Whoever sends no Accept-Encoding takes any (RFC 9110, section 12.5.3), strange as it is to get one."""
    got = answer.headers.get("content-encoding", "")
    if got not in ("", coding or "gzip") or got == "br":  # the origin knows no Brotli
        return False
    return (gzip.decompress(answer.body) if got == "gzip" else answer.body) == page.body()


def range_cold(subject: Subject) -> Result:
    page = Page("range-cold", "max-age=60")
    first, _again = subject.ask_times(page, 2, headers=_PART)
    fetches = subject.fetches(page)
    whole = fetches[0].status == 200
    fate = "whole fetched" if whole else "passed on"
    stored = len(fetches) == 1
    evidence = (
        f"a range not stored yet: the client got {_what(page, first)}, the origin was asked for "
        f"{'the whole' if whole else 'the range'}; asked again: {len(fetches)} fetches in all"
    )
    text = f"{_what(page, first)}, {fate}" + (", stored" if stored else "")
    return Result(text, evidence, {"status": first.status, "stored": stored, "whole_fetched": whole})


def range_warm(subject: Subject) -> Result:
    page = Page("range-warm", "max-age=60")
    subject.store(page)
    part = subject.ask(page, headers=_PART)
    fetches = len(subject.fetches(page))
    source = "from store" if fetches == 1 else "from origin"
    evidence = f"a range of a stored answer: the client got {_what(page, part)} {source}; {fetches} fetches in all"
    return Result(f"{_what(page, part)} {source}", evidence, {"status": part.status, "fetches": fetches})


def _what(page: Page, answer: Answer) -> str:
    first, last = (int(edge) for edge in _PART["Range"].removeprefix("bytes=").split("-"))
    if answer.status == 206:
        return "206" if answer.body == page.body()[first : last + 1] else "206 with wrong bytes"
    if answer.status == 200 and len(answer.body) == BODY_BYTES:
        return "200 whole"
    return str(answer.status)
