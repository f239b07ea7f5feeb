"""A run folder, explained: read every trial, prove it, measure it, and conclude."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from edgebench.analysis.ceiling import bounded, with_ceiling
from edgebench.analysis.checks import trial_doubts
from edgebench.analysis.checks_cell import cell_doubts, run_doubts
from edgebench.analysis.claims import Evidence, judge_of
from edgebench.analysis.estimates import compare, estimate
from edgebench.analysis.findings import findings
from edgebench.analysis.results import Analysis, CellResult, TrialResult
from edgebench.analysis.tables import read_trial
from edgebench.analysis.trial import Proved, prove_trial, trial_result
from edgebench.analysis.trust import Doubt, cell_status, run_trust
from edgebench.errors import UserError
from edgebench.model import Cell, CellSummary, Finding, Freshness, RunRecord, Summary, TrialRecord, TrustStatus
from edgebench.store import RunFolder

COMPARED = (
    "latency_p50_ms", "latency_p90_ms", "latency_p99_ms", "latency_p999_ms",
    "service_p50_ms", "service_p99_ms", "ttfb_p50_ms", "origin_rps",
)  # fmt: skip
"""Metrics that are compared with the baseline's."""


def analyse(run: RunFolder) -> Analysis:
    """Explain a run folder. UserError where it has no trial at all or a file cannot be read.

    Failed and missing trials are left out of every figure and told of in the trust.
    """
    record = run.read_run()
    complete: list[Proved] = []
    failed: list[TrialRecord] = []
    ended: set[str] = set()
    for trial, folder in run.trials():
        ended.add(trial.trial.id)
        proved = prove_trial(read_trial(trial, folder)) if trial.complete else None
        if proved is None:
            failed.append(trial)
        else:
            complete.append(proved)
    if not ended:
        raise UserError(f"{run.path}: no trial has ended, so there is nothing to analyse; finish the run with --resume")
    shareable = frozenset[str]().union(*(proved.shareable for proved in complete))
    origin = record.scenario.origin
    slots = origin.workers * origin.threads
    analysis = explain(record, [trial_result(proved, shareable, slots) for proved in complete], failed, ended)
    return _with_claim(analysis, run)


def _with_claim(analysis: Analysis, folder: RunFolder) -> Analysis:
    """What the scenario's claim comes to is the first finding of its report."""
    summary = analysis.summary
    name = summary.run.scenario.claim
    judge = judge_of(name)
    if judge is None:
        return analysis
    judged = judge(Evidence(summary.run, analysis.cells, analysis.baseline, folder))
    first = Finding(f"CLAIM_{name.upper()}", judged.result.text, judged.result.numbers)
    summary = replace(summary, claim=judged.result, findings=[first, *summary.findings])
    return replace(analysis, summary=summary, judged=judged)


def explain(
    run: RunRecord, trials: Sequence[TrialResult], failed: Sequence[TrialRecord], ended: Iterable[str]
) -> Analysis:
    """Conclude from measured trials. failed: trials that are not complete; ended: ids of all that left a record."""
    trials = [with_ceiling(trial, run.ceiling) for trial in trials]
    missing = sorted(set(run.planned) - set(ended))
    cells = _cells(run, [*(trial.record for trial in trials), *failed])
    baselines = [cell for cell in cells if cell.tier.name == run.scenario.baseline]
    baseline = baselines[0].id if baselines else ""
    of_cell = {cell.id: [trial for trial in trials if trial.record.trial.cell.id == cell.id] for cell in cells}
    doubts = list(run_doubts(run))
    for cell in cells:
        for trial in of_cell[cell.id]:
            doubts.extend(trial_doubts(trial, run))
        cell_failed = [trial for trial in failed if trial.trial.cell.id == cell.id]
        cell_missing = [trial_id for trial_id in missing if _cell_id(trial_id) == cell.id]
        doubts.extend(cell_doubts(cell, of_cell[cell.id], cell_failed, cell_missing))
    results = tuple(_cell_result(cell, of_cell, doubts, _compared_with(cell, baselines)) for cell in cells)
    summary = Summary(
        run=run,
        trust=run_trust(doubts),
        findings=findings(results, baseline),
        cells=[result.summary for result in results],
    )
    return Analysis(summary, results, baseline)


def _cell_id(trial_id: str) -> str:
    return trial_id.rpartition("-r")[0]


def _cells(run: RunRecord, records: Iterable[TrialRecord]) -> list[Cell]:
    """All cells that were planned, baseline first, then tier by tier in the scenario's order, with rising TTL."""
    scenario = run.scenario
    known: dict[str, Cell] = {record.trial.cell.id: record.trial.cell for record in records}
    known |= {cell.id: cell for cell in run.cells}
    for tier in scenario.tiers:
        for ttl_s in (None, *scenario.ttl_s):
            cell = Cell(tier, Freshness(ttl_s), scenario.load)
            known.setdefault(cell.id, cell)
    planned = {_cell_id(trial_id) for trial_id in run.planned}
    names = [tier.name for tier in scenario.tiers]

    networks, variants = list(scenario.network), [variant.name for variant in scenario.variants]

    def place(cell: Cell) -> tuple[bool, int, int, int, float, str]:
        tier, network, variant = (
            every.index(name) if name in every else len(every)
            for every, name in ((names, cell.tier.name), (networks, cell.network), (variants, cell.variant))
        )
        ttl_s = -1.0 if cell.freshness.ttl_s is None else cell.freshness.ttl_s
        return cell.tier.name != scenario.baseline, tier, network, variant, ttl_s, cell.id

    return sorted((cell for cell in known.values() if cell.id in planned), key=place)


def _compared_with(cell: Cell, baselines: Sequence[Cell]) -> str:
    """The id of the baseline's cell under the same conditions: of as many as can be, the network before all."""
    alike = max(
        baselines,
        key=lambda base: (
            base.network == cell.network,
            base.load == cell.load,
            base.variant == cell.variant,
            base.freshness == cell.freshness,
        ),
        default=None,
    )
    return alike.id if alike is not None else ""


def _cell_result(
    cell: Cell,
    of_cell: Mapping[str, Sequence[TrialResult]],
    doubts: Iterable[Doubt],
    baseline_id: str,
) -> CellResult:
    trials, baseline = of_cell[cell.id], of_cell.get(baseline_id, ())
    names = list(dict.fromkeys(name for trial in trials for name in trial.metrics)) or list(METRICS)
    summary = CellSummary(
        id=cell.id,
        tier=cell.tier.name,
        variant=cell.variant,
        ttl_s=cell.freshness.ttl_s,
        network=cell.network,
        load=cell.load.text,
        trust=cell_status(cell.id, doubts) if trials else TrustStatus.INVALID,
        metrics=bounded({name: estimate(name, [trial.metrics.get(name) for trial in trials]) for name in names}),
    )
    versus = {} if cell.id == baseline_id else {name: compare(trials, baseline, name) for name in COMPARED}
    return CellResult(summary, tuple(trials), versus)


METRICS: Mapping[str, None] = dict.fromkeys(
    (
        "requests", "errors", "offered_rps", "achieved_rps", "latency_p50_ms", "latency_p90_ms", "latency_p99_ms",
        "latency_p999_ms", "service_p50_ms", "service_p90_ms", "service_p99_ms", "service_p999_ms", "ttfb_p50_ms",
        "ttfb_p99_ms", "hit_ratio", "hit_ratio_all", "body_reuse_ratio", "ideal_hit_ratio", "predicted_hit_ratio",
        "claimed_hit_ratio", "origin_offload", "byte_offload", "origin_rps", "capacity_rps", "send_lag_p50_ms",
        "send_lag_p99_ms", "staleness_p99_s", "staleness_true_p99_s", "outdated_share", "leaks", "wrong_variants",
        "broken_bodies", "over_stale", "collapse_factor", "origin_concurrency_max", "ceiling_rps",
    )
)  # fmt: skip
"""What a cell without a single good trial still has, as null."""
