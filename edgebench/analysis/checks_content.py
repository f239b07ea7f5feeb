"""The measures a cell is judged by for what its answers contained, over all its trials."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgebench.analysis.evidence import Check, Correctness, Example, together
from edgebench.analysis.trust import Doubt
from edgebench.analysis.wording import listed
from edgebench.model import Cell, ReasonCode


def content_doubts(cell: Cell, found: Sequence[Correctness]) -> Iterator[Doubt]:
    """Leaks, wrong variants, broken bodies, answers too old. Nothing of what could not be checked."""
    leak = together(one.leak for one in found)
    if leak is not None:
        text = (
            f"{leak.count:,} of {leak.checked:,} private answers reached somebody else than the user they were made "
            f"for (limit 0){such_as(leak)}. Make the cache pass requests with Authorization or a session by, or "
            "mark such answers private or no-store; its speed is worth nothing before."
        )
        yield Doubt(ReasonCode.LEAK, cell.id, leak.count, text)
    variant = together(one.wrong_variant for one in found)
    if variant is not None:
        text = (
            f"{variant.count:,} of {variant.checked:,} answers came in another variant than was asked for "
            f"(limit 0; {_kinds(variant)}){such_as(variant)}. Make the cache keep a copy for each value of the headers "
            "named in Vary, and the whole query in its key."
        )
        yield Doubt(ReasonCode.WRONG_VARIANT, cell.id, variant.count, text)
    yield from _bodies(cell, found)
    stale = together(one.over_stale for one in found)
    if stale is not None:
        text = (
            f"{stale.count:,} of {stale.checked:,} answers from store were older than their TTL, what the "
            f"profile permits beyond it and one second (limit 0){such_as(stale)}. Look for a TTL or a grace of the "
            "cache's own in its configuration."
        )
        yield Doubt(ReasonCode.OVER_STALE, cell.id, stale.count, text)


def _bodies(cell: Cell, found: Sequence[Correctness]) -> Iterator[Doubt]:
    """Whole bodies with other bytes, and bodies that ended early although the origin had handed over all."""
    broken, cut = together(one.broken_body for one in found), together(one.cut_off for one in found)
    both = [check for check in (broken, cut) if check is not None]
    if not both:
        return
    parts = []
    if broken is not None and broken.count:
        parts.append(f"{broken.count:,} of {broken.checked:,} answers had another body than the origin sent")
    if cut is not None and cut.count:
        parts.append(f"{cut.count:,} of {cut.checked:,} answers ended early although the origin sent all of it")
    worst = max(both, key=lambda check: check.count)
    text = f"{listed(parts)} (limit 0){such_as(worst)}. See the cache's error log in the trial's folder."
    yield Doubt(ReasonCode.BROKEN_BODY, cell.id, sum(check.count for check in both), text)


def such_as(check: Check) -> str:
    """`, such as GET /api/me at 3.214 s (made for …)`; empty without an example."""
    return f", such as {in_words(check.examples[0])}" if check.examples else ""


def in_words(example: Example) -> str:
    """One request: what it asked for, when, and what was wrong."""
    at = f"at {example.at_s:.3f} s" if example.at_s >= 0 else f"{-example.at_s:.3f} s before measuring began"
    return f"{example.request} {at} ({example.what})"


def _kinds(check: Check) -> str:
    return listed([f"{kind} {number:,}" for kind, number in check.kinds.items() if number]) or "none"
