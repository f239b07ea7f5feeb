"""Correctness under load: what each cell's answers contained, as a table, and the requests that show what was wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from edgebench.analysis.evidence import Check, Correctness, Example, together
from edgebench.analysis.results import Analysis, CellResult, TrialResult
from edgebench.report import format as fmt
from edgebench.report.charts.data import cell_name
from edgebench.report.parts import Table

MOST_EXAMPLES = 20
NOT_CHECKED = "not checked"
TOO_OLD = "Too old"
_Of = Callable[[Correctness], Check | None]

CHECKS: tuple[tuple[str, str, _Of], ...] = (
    ("Leaks", "private answers that reached somebody else", lambda one: one.leak),
    ("Stored though private", "answers from store that no shared cache may keep", lambda one: one.stored_private),
    ("Wrong variant", "answers in another encoding or language, or of another key", lambda one: one.wrong_variant),
    (TOO_OLD, "answers from store older than is permitted", lambda one: one.over_stale),
    (
        "Outdated",
        "answers with a version that the origin had replaced",
        lambda one: one.outdated.share if one.outdated else None,
    ),
    ("Broken body", "bodies that are not what the origin sent", lambda one: one.broken_body),
    ("Cut off", "answers that ended early, though the origin sent all of it", lambda one: one.cut_off),
    ("Serialised", "uncacheable requests that waited for another of their key", lambda one: one.serialised),
)
"""Heading, what is counted, and where it stands."""
WRONG = ("Leaks", "Wrong variant", "Broken body", "Cut off")
"""What makes a cell INVALID."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Example requests of one check."""

    head: str
    table: Table


@dataclass(frozen=True, slots=True)
class CorrectnessSection:
    title: str
    checks: Table | None
    load: Table | None
    """Fetches for each need, concurrency at the origin, and what the waiters paid."""
    evidence: tuple[Evidence, ...]
    legend: tuple[tuple[str, str], ...]


def correctness_section(analysis: Analysis) -> CorrectnessSection:
    """The whole section. Tables are None where no cell was measured."""
    cells = [cell for cell in analysis.cells if cell.trials]
    columns = [check for check in CHECKS if any(_check(cell, check[2]) for cell in cells)]
    rows = tuple((cell_name(cell), *(_words(_check(cell, of)) for _, _, of in columns), _lies(cell)) for cell in cells)
    wrong = frozenset(
        (number, place)
        for number, cell in enumerate(cells)
        for place, (head, _, of) in enumerate(columns, 1)
        if head in (*WRONG, TOO_OLD) and (check := _check(cell, of)) is not None and check.count
    )
    heads = ("Cell", *(head for head, _, _ in columns), "Cache’s own word")
    legend = (*((head, f"{text[0].upper()}{text[1:]}.") for head, text, _ in columns), _CLAIMED)
    return CorrectnessSection(
        _title(cells),
        Table("Each cell, all trials, warm-up included: how many of how many", heads, rows, wrong) if columns else None,
        _load(cells),
        tuple(_evidence(cells)),
        legend if columns else (),
    )


_CLAIMED = ("Cache’s own word", "Requests whose headers or log say another outcome than the one proved.")


def _check(cell: CellResult, of: _Of) -> Check | None:
    return together(of(trial.correctness) for trial in cell.trials)


def _words(check: Check | None) -> str:
    if check is None:
        return NOT_CHECKED
    if not check.checked and not check.count:
        return "no case"
    return f"{check.count:,} of {check.checked:,}" if check.count else f"none of {check.checked:,}"


def _lies(cell: CellResult) -> str:
    compared = sum(sum(trial.compared.values()) for trial in cell.trials)
    wrong = sum(sum(trial.contradicted.values()) for trial in cell.trials)
    if not compared:
        return "says nothing"
    return f"{wrong:,} of {compared:,}" if wrong else f"none of {compared:,}"


def _title(cells: Iterable[CellResult]) -> str:
    cells = list(cells)
    counts = {
        head: sum(check.count for cell in cells if (check := _check(cell, of)) is not None) for head, _, of in CHECKS
    }
    wrong = [f"{head.lower()}: {counts[head]:,}" for head in (*WRONG, TOO_OLD) if counts[head]]
    if wrong:
        return f"Not every answer was right ({', '.join(wrong)})"
    if not any(_check(cell, of) for cell in cells for _, _, of in CHECKS):
        return "Nothing could be checked: the origin kept no ledger"
    unknown = [head.lower() for head, _, of in CHECKS if head in WRONG and not any(_check(cell, of) for cell in cells)]
    if unknown:
        return f"No wrong answer was found; not checked: {', '.join(unknown)}"
    private = sum(check.checked for cell in cells if (check := _check(cell, CHECKS[0][2])) is not None)
    said = f", and none of {private:,} private answers reached anybody else" if private else ""
    return f"No wrong answer was found{said}"


def _load(cells: Iterable[CellResult]) -> Table | None:
    rows = tuple(row for cell in cells if (row := _load_row(cell)) is not None)
    if not rows:
        return None
    heads = (
        "Cell", "Fetches per need", "Most at once", "Waited for another’s", "Wait, median", "Wait, longest",
        "At the origin at once", "99 % of the time",
    )  # fmt: skip
    return Table(
        "Fetches of what can be stored, for each expiry or first miss; and requests at the origin at one time",
        heads, rows,
    )  # fmt: skip


def _load_row(cell: CellResult) -> tuple[str, ...] | None:
    collapses = [trial.correctness.collapse for trial in cell.trials if trial.correctness.collapse is not None]
    herds = [trial.correctness.herd for trial in cell.trials if trial.correctness.herd is not None]
    if not collapses and not herds:
        return None
    groups, fetches = sum(each.groups for each in collapses), sum(each.rows for each in collapses)
    waiters = sum(each.waiters for each in collapses)
    medians = [each.waited_p50_ms for each in collapses if each.waited_p50_ms is not None]
    worst = [each.waited_max_ms for each in collapses if each.waited_max_ms is not None]
    p99 = [herd.of_all_p99 for herd in herds if herd.of_all_p99 is not None]
    return (
        cell_name(cell),
        fmt.plain(fetches / groups, 2) if groups else fmt.MISSING,
        str(max((each.most for each in collapses), default=0)) if groups else fmt.MISSING,
        f"{waiters:,}" if collapses else fmt.MISSING,
        fmt.duration_ms(sorted(medians)[(len(medians) - 1) // 2]) if medians else fmt.MISSING,
        fmt.duration_ms(max(worst)) if worst else fmt.MISSING,
        str(max((herd.of_all for herd in herds), default=0)) if herds else fmt.MISSING,
        fmt.plain(max(p99), 0) if p99 else fmt.MISSING,
    )


def _evidence(cells: Iterable[CellResult]) -> Iterator[Evidence]:
    """The first examples of each check, a few from every cell."""
    trials = [trial for cell in cells for trial in cell.trials]
    for head, text, of in CHECKS:
        known = [(trial, check) for trial in trials if (check := of(trial.correctness)) is not None]
        total = sum(check.count for _, check in known)
        if not total:
            continue
        share = max(MOST_EXAMPLES // sum(bool(check.count) for _, check in known), 1)
        rows = [_example_row(trial, example) for trial, check in known for example in check.examples[:share]]
        rows = rows[:MOST_EXAMPLES]
        columns = ("Trial", "At", "Request", "Asked by", "Origin’s response", "What was wrong")
        caption = f"{len(rows):,} of {total:,} {text}" if len(rows) < total else text[0].upper() + text[1:]
        yield Evidence(f"{head}: {fmt.plural(total, 'request')}", Table(caption, columns, tuple(rows)))


def _example_row(trial: TrialResult, example: Example) -> tuple[str, ...]:
    return (
        trial.record.trial.id,
        f"{example.at_s:.3f}{fmt.NBSP}s".replace("-", "−"),
        example.request,
        example.principal[:8] or "anonymous",
        f"seq {example.seq}" if example.seq >= 0 else fmt.MISSING,
        example.what,
    )
