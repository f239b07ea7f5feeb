"""What the run found, in sentences computed from estimates. No number, no sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from edgebench.analysis.correctness import stores
from edgebench.analysis.estimates import difference
from edgebench.analysis.findings_content import doubtful_content, waiting, wrong_content
from edgebench.analysis.headline import headline
from edgebench.analysis.metrics import measuring
from edgebench.analysis.results import CellResult, TrialResult
from edgebench.analysis.tables import NS_PER_S
from edgebench.analysis.wording import condition, count, digits, listed, percent, points, span
from edgebench.model import Finding, Outcome, TrustStatus

MOST_OF_THE_GAIN = 0.9
"""The TTL from which on more lifetime brings little: the shortest that has this share of the best offload."""


def findings(cells: Sequence[CellResult], baseline_id: str) -> list[Finding]:
    """All findings of a run. cells: in the order of the report.

    First what makes a cache useless however fast it is; then the headline, which knows only cells that can be used;
    then what else was found in the answers; then tier by tier.
    """
    baseline = next((cell for cell in cells if cell.summary.id == baseline_id), None)
    usable = [cell for cell in cells if cell.trials and cell.summary.trust is not TrustStatus.INVALID]
    everything = _by_tier(cells)
    first = headline(usable, baseline) or _no_headline(cells)
    made: list[Finding | None] = [*wrong_content(everything), first]
    made += doubtful_content(everything)
    for tier, of_tier in _by_tier([cell for cell in usable if cell.summary.id != baseline_id]).items():
        if any(stores(trial.record) for cell in of_tier for trial in cell.trials):
            made += [_hit_ratio(tier, of_tier), _offload(tier, of_tier), _enough_ttl(tier, of_tier)]
        made += [_hop(tier, of_tier, baseline), _prediction(tier, of_tier)]
    for tier, of_tier in everything.items():
        made += [*waiting(tier, of_tier), _claims(tier, of_tier)]
    return [finding for finding in made if finding is not None]


def _no_headline(cells: Sequence[CellResult]) -> Finding | None:
    """Said where cells were measured and none of their figures can be used; else there is nothing to compare."""
    measured = [cell for cell in cells if cell.trials]
    if not measured or any(cell.summary.trust is not TrustStatus.INVALID for cell in measured):
        return None
    return Finding("UNUSABLE", "Nothing can be said of speed: no cell’s figures can be used.", {"cells": len(measured)})


def _by_tier(cells: Iterable[CellResult]) -> dict[str, list[CellResult]]:
    tiers: dict[str, list[CellResult]] = {}
    for cell in cells:
        tiers.setdefault(cell.summary.series, []).append(cell)
    return tiers


def _value(cell: CellResult, metric: str) -> float | None:
    found = cell.summary.metrics.get(metric)
    return found.value if found else None


def _having(cells: Sequence[CellResult], metric: str) -> list[tuple[CellResult, float]]:
    return [(cell, value) for cell in cells if (value := _value(cell, metric)) is not None]


def _series(cells: Sequence[tuple[CellResult, float]]) -> str:
    return listed([f"{percent(value)} {condition(cell.summary.ttl_s)}".rstrip() for cell, value in cells])


def _numbers(cells: Sequence[tuple[CellResult, float]]) -> dict[str, float | None]:
    return {cell.summary.id: value for cell, value in cells}


def _hit_ratio(tier: str, cells: Sequence[CellResult]) -> Finding | None:
    proved, ideal = _having(cells, "hit_ratio"), _having(cells, "ideal_hit_ratio")
    if not proved:
        return None
    best = f"; a cache without limits that keeps each TTL exactly: {_series(ideal)}" if ideal else ""
    text = f"Of the cacheable requests, {tier} answered from store: {_series(proved)}{best}."
    numbers = _numbers(proved) | {f"ideal:{cell.summary.id}": value for cell, value in ideal}
    return Finding("HIT_RATIO", text, numbers)


def _offload(tier: str, cells: Sequence[CellResult]) -> Finding | None:
    requests, volume = _having(cells, "origin_offload"), _having(cells, "byte_offload")
    if not requests:
        return None
    by_bytes = f"; of all bytes: {_series(volume)}" if volume else ""
    text = f"Of all requests, {tier} kept away from the origin: {_series(requests)}{by_bytes}."
    return Finding("OFFLOAD", text, _numbers(requests) | {f"bytes:{cell.summary.id}": v for cell, v in volume})


def _enough_ttl(tier: str, cells: Sequence[CellResult]) -> Finding | None:
    """Which TTL gives most of the gain."""
    offload = [(cell, value) for cell, value in _having(cells, "origin_offload") if cell.summary.ttl_s is not None]
    if len(offload) < 2:
        return None
    best_cell, best = max(offload, key=lambda pair: pair[1])
    enough = next((pair for pair in offload if best > 0 and pair[1] >= MOST_OF_THE_GAIN * best), None)
    if enough is None or enough[0] is best_cell:
        return None
    cell, value = enough
    text = (
        f"With {tier}, a TTL of {cell.summary.ttl_s} s already gives {percent(value / best)} of the offload that "
        f"{best_cell.summary.ttl_s} s give ({percent(value)} of {percent(best)})."
    )
    return Finding("ENOUGH_TTL", text, {cell.summary.id: value, best_cell.summary.id: best})


def _hop(tier: str, cells: Sequence[CellResult], baseline: CellResult | None) -> Finding | None:
    """What a miss costs: time outside the origin, with the cache between and without, where the cache misses most."""
    misses = [cell for cell, _ in _having(cells, "outside_origin_p50_ms")]
    if baseline is None or not misses:
        return None
    cell = min(misses, key=lambda one: _value(one, "hit_ratio") or 0.0)
    cost = difference(cell.trials, baseline.trials, "outside_origin_p50_ms")
    if cost.value is None:
        return None
    word = "more" if cost.value >= 0 else "less"
    text = (
        f"A request that {tier} has to pass on spends {digits(abs(cost.value))} ms {word} outside the origin than one "
        f"sent to it directly (median, {condition(cell.summary.ttl_s)}; {span(cost)})."
    )
    return Finding("MISS_COST", text, {"ms": cost.value, "low": cost.low, "high": cost.high})


def _prediction(tier: str, cells: Sequence[CellResult]) -> Finding | None:
    off = _having(cells, "prediction_residual")
    if not off:
        return None
    cell, worst = max(off, key=lambda pair: abs(pair[1]))
    rule = cell.trials[0].record.tier.expiry
    trials = [trial for one, _ in off for trial in one.trials]
    differ = sum(trial.metrics.get("prediction_differs") or 0.0 for trial in trials)
    number = sum(_foretold(trial) for trial in trials)
    text = (
        f"Replaying the requests through a cache that is fresh until {rule} predicts the proved hit ratio of {tier} "
        f"with {points(worst)} in the worst cell ({cell.summary.id}); {count(differ, 'request')} of {number:,} went "
        "otherwise."
    )
    return Finding("PREDICTION", text, _numbers(off) | {"requests_otherwise": differ})


def _foretold(trial: TrialResult) -> int:
    now = trial.samples[measuring(trial.samples) & (trial.samples["outcome"] != Outcome.ERROR.value)]
    return int(now["cacheable"].sum())


def _claims(tier: str, cells: Sequence[CellResult]) -> Finding | None:
    """What a cache says of itself, against the proof: how often, and where it differs, what it says instead."""
    trials = [trial for cell in cells for trial in cell.trials]
    parts, numbers = [], dict[str, float | None]()
    for against, where in (("claim", "headers"), ("log", "log")):
        compared = sum(trial.compared.get(against, 0) for trial in trials)
        wrong = sum(trial.contradicted.get(against, 0) for trial in trials)
        if not compared:
            continue
        if wrong:
            share = f"{wrong:,} of {compared:,} samples ({percent(wrong / compared)})"
            parts.append(f"its {where} against it in {share}{_lie(trials, against)}")
        else:
            parts.append(f"its {where} in agreement in all {compared:,} samples")
        numbers |= {f"{against}_compared": compared, f"{against}_contradicted": wrong}
    if not parts:
        return None
    return Finding("CLAIMS", f"What {tier} says of itself, against the proof: {listed(parts)}.", numbers)


def _lie(trials: Sequence[TrialResult], against: str) -> str:
    """`, most often "hit" where origin was proved (12), such as GET /x at 3.214 s`: the commonest, and the first."""
    kinds: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], str] = {}
    for trial in trials:
        if not len(trial.disagreements):
            continue
        differing = trial.disagreements[trial.disagreements["against"] == against]
        pairs = list(zip(differing["said"].astype(str), differing["outcome"].astype(str), strict=True))
        kinds.update(pairs)
        for at, pair in enumerate(pairs):
            if pair not in first:
                row = differing.iloc[at]
                at_s = (int(row["sent_ns"]) - trial.record.measure_start_ns) / NS_PER_S
                first[pair] = f"{row['method']} {row['key']} at {at_s:.3f} s"
    if not kinds:
        return ""
    (said, proved), number = kinds.most_common(1)[0]
    return f", most often “{said}” where {proved} was proved ({number:,}, such as {first[said, proved]})"
