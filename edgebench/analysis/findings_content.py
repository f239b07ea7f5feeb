"""What was found in the content of the answers, in sentences: wrong ones, old ones, what was waited for.

Each is said of a tier over all its cells, also of those whose figures are not to be used for that very reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from edgebench.analysis.checks_content import such_as
from edgebench.analysis.evidence import Check, Collapse, Correctness, together
from edgebench.analysis.results import CellResult
from edgebench.analysis.wording import count, digits, listed, milliseconds, percent
from edgebench.model import Finding

BY_CHANCE = 0.005
"""Fetches beyond one for each need, as a share of the needs, that are not worth a sentence: two that crossed."""
Tiers = Mapping[str, Sequence[CellResult]]
SYSTEMATIC = 5
"""Requests that must have waited for another of their key, and more than half of those that could have, before it is
called the cache's way: a few start late by chance."""


def wrong_content(tiers: Tiers) -> list[Finding]:
    """What no speed makes good: leaks, other variants, broken bodies."""
    kinds: tuple[tuple[str, Callable[[Correctness], Check | None], str], ...] = (
        ("LEAK", lambda one: one.leak, "{tier} gave {count} of {checked} private answers to somebody else"),
        ("WRONG_VARIANT", lambda one: one.wrong_variant, "{tier} gave {count} of {checked} answers in a wrong variant"),
        ("BROKEN_BODY", lambda one: one.broken_body, "{tier} changed the bodies of {count} of {checked} answers"),
        (
            "CUT_OFF",
            lambda one: one.cut_off,
            "{tier} cut off {count} of {checked} answers that the origin had sent whole",
        ),
    )
    return [finding for code, of, text in kinds for finding in _counted(tiers, code, of, text)]


def doubtful_content(tiers: Tiers) -> list[Finding]:
    """What is older than it may be, stored against the origin's word, or no longer true; and no leak."""
    stale = _counted(
        tiers, "OVER_STALE", lambda one: one.over_stale,
        "{tier} gave {count} of {checked} answers from store that were older than is permitted",
    )  # fmt: skip
    stored = _counted(
        tiers, "STORED_PRIVATE", lambda one: one.stored_private,
        "{tier} answered {count} of {checked} requests from store with what no shared cache may keep",
    )  # fmt: skip
    old = [finding for tier, cells in tiers.items() for finding in _outdated(tier, cells)]
    return [*stale, *stored, *old, *_no_leak(tiers)]


def waiting(tier: str, cells: Sequence[CellResult]) -> list[Finding]:
    """What one tier made requests wait for, and how many it sent to the origin at once."""
    return [*_serialised(tier, cells), *_not_collapsed(tier, cells)]


def _of(cells: Iterable[CellResult]) -> list[tuple[str, Correctness]]:
    return [(cell.summary.id, trial.correctness) for cell in cells for trial in cell.trials]


def _counted(tiers: Tiers, code: str, of: Callable[[Correctness], Check | None], text: str) -> list[Finding]:
    """A sentence for each tier with a count, the greatest first."""
    made: list[tuple[int, Finding]] = []
    for tier, cells in tiers.items():
        check = together(of(one) for _, one in _of(cells))
        if check is None or not check.count:
            continue
        by_cell: dict[str, float | None] = {
            cell.summary.id: sum(found.count for trial in cell.trials if (found := of(trial.correctness)) is not None)
            for cell in cells
        }
        where = listed([f"{cell} {number:,}" for cell, number in by_cell.items() if number])
        kinds = listed([f"{kind} {number:,}" for kind, number in check.kinds.items() if number])
        said = text.format(tier=tier, count=f"{check.count:,}", checked=f"{check.checked:,}")
        words = "; ".join(part for part in (where if len(cells) > 1 else "", kinds) if part)
        numbers: dict[str, float | None] = {"count": check.count, "checked": check.checked} | by_cell
        sentence = f"{said}{f' ({words})' if words else ''}{such_as(check)}."
        made.append((check.count, Finding(code, sentence, numbers)))
    return [finding for _, finding in sorted(made, key=lambda pair: -pair[0])]


def _outdated(tier: str, cells: Sequence[CellResult]) -> list[Finding]:
    known = [one.outdated for _, one in _of(cells) if one.outdated is not None]
    check = together(one.share for one in known)
    if check is None or not check.count:
        return []
    longest = max(one.max_s for one in known if one.max_s is not None)
    text = (
        f"{percent(check.count / check.checked)} of {check.checked:,} answers of {tier} with a version were outdated: "
        f"the origin had given another before, up to {digits(longest)} s."
    )
    return [Finding("OUTDATED", text, {"count": check.count, "checked": check.checked, "max_s": longest})]


def _not_collapsed(tier: str, cells: Sequence[CellResult]) -> list[Finding]:
    """How many fetches an expiry or a first miss took where one would do, and what those paid who waited."""
    known = [(cell, one.collapse, one.herd) for cell, one in _of(cells) if one.collapse is not None]
    groups, rows = (sum(getattr(each, name) for _, each, _ in known) for name in ("groups", "rows"))
    if rows <= groups * (1 + BY_CHANCE):
        return []
    cell, worst, _ = max(known, key=lambda each: each[1].most)
    at_once = max((herd.of_all for _, _, herd in known if herd is not None), default=0)
    example = f" ({worst.most_example.request} in {cell})" if worst.most_example else ""
    text = (
        f"{tier} asked the origin {digits(rows / groups)} times for each expiry or first miss, at most {worst.most} "
        f"times at once{example}; at most {count(at_once, 'request')} were at the origin at one time"
        f"{_waiters([each for _, each, _ in known])}."
    )
    numbers = {"fetches": float(rows), "needs": float(groups), "most": float(worst.most), "at_once": float(at_once)}
    return [Finding("NOT_COLLAPSED", text, numbers)]


def _waiters(known: Sequence[Collapse]) -> str:
    waiters = sum(each.waiters for each in known)
    if not waiters:
        return ""
    most = max(known, key=lambda each: each.waiters)
    assert most.waited_p50_ms is not None and most.waited_max_ms is not None
    tail = most.waited_p99_ms if most.waited_p99_ms is not None else most.waited_max_ms
    point = "p99" if most.waited_p99_ms is not None else "at most"
    return (
        f"; {count(waiters, 'request')} waited for another's fetch, "
        f"{milliseconds(most.waited_p50_ms)} (median; {point} {milliseconds(tail)})"
    )


def _serialised(tier: str, cells: Sequence[CellResult]) -> list[Finding]:
    check = together(one.serialised for _, one in _of(cells))
    if all(trial.record.tier.kind == "direct" for cell in cells for trial in cell.trials):
        return []  # nothing stands between, so it is the origin's own doing
    if check is None or check.count <= SYSTEMATIC or 2 * check.count <= check.checked:
        return []
    text = (
        f"{tier} let requests for one uncacheable key to the origin one by one: {check.count:,} of {check.checked:,} "
        f"that came while another was under way waited for its end, though the origin had room{such_as(check)}."
    )
    return [Finding("SERIALISED", text, {"count": check.count, "checked": check.checked})]


def _no_leak(tiers: Tiers) -> list[Finding]:
    """Said once: how many private answers reached only those they were made for."""
    by_tier = {tier: together(one.leak for _, one in _of(cells)) for tier, cells in tiers.items()}
    sound = {tier: check.checked for tier, check in by_tier.items() if check is not None and not check.count}
    checked = sum(sound.values())
    if not checked:
        return []
    leaking = any(check is not None and check.count for check in by_tier.values())
    whose = f" of {listed([tier for tier, number in sound.items() if number])}" if leaking else ""
    text = f"No leak among {count(checked, 'private answer')}{whose}: each reached only the user it was made for."
    return [Finding("NO_LEAK", text, {"checked": float(checked)})]
