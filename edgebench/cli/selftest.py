"""What `selftest` does: the figures of a known freeze, by the analysis every run gets, beside what they must be."""

from __future__ import annotations

import json
import math
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from edgebench import __version__
from edgebench.analysis.metrics import measuring
from edgebench.analysis.percentiles import percentiles_ms
from edgebench.analysis.tables import TrialTables, frame, nanoseconds
from edgebench.analysis.trial import prove_trial, trial_result
from edgebench.errors import EdgebenchError, UserError
from edgebench.runner.run import stoppable
from edgebench.runner.selftest import SelfTestPlan, SelfTestRecord, run_self_test
from edgebench.store import TABLES

LIMIT = 0.02
"""How far a corrected figure may be off the exact one."""
HIDDEN_MS = 10.0
"""A service time p99 below this has not seen the freeze."""
QUANTILES = ("p50", "p99", "p999", "max")
_LABELS = {"p50": "p50", "p99": "p99", "p999": "p99.9", "max": "max"}
_START_AND_END_S = 4.0


@dataclass(frozen=True, slots=True)
class Row:
    """One quantile, in ms; None: too few samples."""

    quantile: str
    exact_ms: float | None
    corrected_ms: float | None
    uncorrected_ms: float | None

    @property
    def difference(self) -> float | None:
        """Of the corrected figure, as a share of the exact one."""
        if self.exact_ms is None or self.corrected_ms is None:
            return None
        return self.corrected_ms / self.exact_ms - 1


@dataclass(frozen=True, slots=True)
class Verdict:
    rows: tuple[Row, ...]
    samples: int
    expected: int
    errors: int
    send_lag_p50_ms: float | None
    send_lag_p99_ms: float | None

    @property
    def problems(self) -> list[str]:
        """What does not agree, in words; empty if all does."""
        found = []
        if self.samples != self.expected or self.errors:
            found.append(f"{self.samples:,} samples of {self.expected:,}, {self.errors:,} of them errors")
        for row in self.rows:
            if row.difference is None:
                found.append(f"{_LABELS[row.quantile]}: too few samples")
            elif abs(row.difference) > LIMIT:
                found.append(f"{_LABELS[row.quantile]} is {100 * row.difference:+.1f} % off")
        p99 = next((row.uncorrected_ms for row in self.rows if row.quantile == "p99"), None)
        if p99 is not None and p99 >= HIDDEN_MS:
            found.append(f"the uncorrected p99 is {p99:.3g} ms: something else than the freeze was slow")
        return found


def verdict(record: SelfTestRecord) -> Verdict:
    """Put the figures that a run's summary would have (latency_*, service_*) beside the exact ones."""
    empty = {name: frame(schema.empty_table()) for name, schema in TABLES.items() if name != "samples"}
    tables = TrialTables(record.record, frame(record.samples), empty["ledger"], empty["processes"], empty["tier_log"])
    proved = prove_trial(tables)
    if proved is None:
        raise EdgebenchError("the self-test recorded no sample; run it again")
    result = trial_result(proved, frozenset())
    now = result.samples[measuring(result.samples)]
    exact_ns = np.array([each.latency_ns for each in record.exact], dtype=np.int64)
    exact = {**percentiles_ms(exact_ns, "latency"), "latency_max_ms": _max_ms(exact_ns)}
    found = {
        **result.metrics,
        "latency_max_ms": _max_ms(nanoseconds(now, "latency_ns")),
        "service_max_ms": _max_ms(nanoseconds(now, "service_ns")),
    }
    rows = tuple(
        Row(name, exact[f"latency_{name}_ms"], found[f"latency_{name}_ms"], found[f"service_{name}_ms"])
        for name in QUANTILES
    )
    return Verdict(
        rows, len(now), len(exact_ns), int(found["errors"] or 0),
        found["send_lag_p50_ms"], found["send_lag_p99_ms"],
    )  # fmt: skip


def _max_ms(values_ns: NDArray[np.int64]) -> float | None:
    return float(values_ns.max()) / 1e6 if len(values_ns) else None


def self_test(plan: SelfTestPlan, out: Path | None, console: Console) -> bool:
    """Run it, show it, write it to `out` as JSON. Returns whether everything agrees."""
    if out is not None and not out.parent.is_dir():
        raise UserError(f"--out {out}: no such folder {out.parent}; make it first")
    console.print(
        f"{plan.rate_rps:,.0f} requests/s at constant gaps for {plan.duration_s:g} s over {plan.connections} "
        f"connections, to a server that answers after {1000 * plan.service_s:g} ms and freezes once for "
        f"{plan.freeze_s:g} s",
        highlight=False,
    )
    with stoppable(), tempfile.TemporaryDirectory(prefix="edgebench-selftest-") as work:
        record = _run(plan, Path(work), console)
    found = verdict(record)
    _show(record, found, console)
    if out is not None:
        out.write_text(json.dumps(as_json(record, found), indent=2, allow_nan=False) + "\n")
    return not found.problems


def _run(plan: SelfTestPlan, work: Path, console: Console) -> SelfTestRecord:
    total_s, begun_s = plan.duration_s + _START_AND_END_S, time.monotonic()
    if not console.is_terminal:
        console.print(f"about {total_s:.0f} s", highlight=False)
        return run_self_test(plan, work, lambda: None)
    # A calm bar: whoever draws it shares a core with the server.
    with Progress(
        BarColumn(), TextColumn("{task.description}"), console=console, refresh_per_second=1, transient=True
    ) as bar:
        task = bar.add_task("", total=total_s)

        def look() -> None:
            passed_s = min(time.monotonic() - begun_s, total_s)
            bar.update(task, completed=passed_s, description=f"about {total_s - passed_s:.0f} s left")

        return run_self_test(plan, work, look)


def as_json(record: SelfTestRecord, found: Verdict) -> dict[str, Any]:
    """All of it, for a file."""
    witness = record.witness
    return {
        "schema": 1,
        "edgebench": __version__,
        "agrees": not found.problems,
        "problems": found.problems,
        "limit": LIMIT,
        "plan": asdict(record.plan),
        "quantiles": {
            row.quantile: {
                "exact_ms": row.exact_ms,
                "corrected_ms": row.corrected_ms,
                "difference": row.difference,
                "uncorrected_ms": row.uncorrected_ms,
            }
            for row in found.rows
        },
        "samples": found.samples,
        "expected_samples": found.expected,
        "errors": found.errors,
        "send_lag_p50_ms": found.send_lag_p50_ms,
        "send_lag_p99_ms": found.send_lag_p99_ms,
        "server": {
            "froze_after_s": (witness.begin_ns - record.record.start_monotonic_ns) / 1e9,
            "froze_for_s": (witness.end_ns - witness.begin_ns) / 1e9,
            "answers": witness.answers,
            **dict(zip(("late_p50_us", "late_p99_us", "late_max_us"), _us(witness.late_ns), strict=True)),
        },
        "cores": asdict(record.record.placement),
    }


def _us(values_ns: tuple[int, ...]) -> list[float]:
    return [value / 1000 for value in values_ns]


def _show(record: SelfTestRecord, found: Verdict, console: Console) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", no_wrap=True)
    for head in ("exact, ms", "corrected, ms", "difference", "uncorrected, ms"):
        table.add_column(head, justify="right")
    for row in found.rows:
        off = "–" if row.difference is None else f"{100 * row.difference:+.2f} %"
        table.add_row(
            _LABELS[row.quantile], _ms(row.exact_ms), _ms(row.corrected_ms), off, _ms(row.uncorrected_ms)
        )  # fmt: skip
    console.print(table, highlight=False)
    witness, placement = record.witness, record.record.placement
    late_p50, late_p99, _ = _us(witness.late_ns)
    console.print(
        f"{found.samples:,} samples. The server stood still for {(witness.end_ns - witness.begin_ns) / 1e9:.6f} s and "
        f"was {late_p50:.0f} µs late at its median, {late_p99:.0f} µs at p99; the generator sent "
        f"{_lag(found.send_lag_p50_ms)} late at its median, {_lag(found.send_lag_p99_ms)} at p99.",
        highlight=False,
    )
    if placement.shared:
        console.print("Generator and server shared a core: a machine with two tells more.")
    if found.problems:
        console.print(f"[bold red]do not agree[/] within {LIMIT:.0%}: {'; '.join(found.problems)}", highlight=False)
    else:
        console.print(
            f"[bold green]agree[/]: corrected latencies are within {LIMIT:.0%} of the exact ones, while the "
            "uncorrected p99 has not seen the freeze",
            highlight=False,
        )


def _ms(value: float | None) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{value:,.3f}"


def _lag(value_ms: float | None) -> str:
    return "–" if value_ms is None else f"{1000 * value_ms:.0f} µs"
