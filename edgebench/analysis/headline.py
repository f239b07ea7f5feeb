"""The one sentence on the first screen: what the best cached cell did, against the baseline, under which condition."""

from __future__ import annotations

from collections.abc import Sequence

from edgebench.analysis.estimates import shows_difference
from edgebench.analysis.results import CellResult
from edgebench.analysis.wording import condition, interval, milliseconds, times
from edgebench.model import Estimate, Finding

HEADLINE = "HEADLINE"
_METRICS = (("latency_p99_ms", "p99 latency"), ("latency_p50_ms", "median latency"))
_CLEAR_GAIN = 1.5
"""A p99 that gained less than this does not head the report where the median gained it."""
_WORTH_SAYING = 1.05
"""Without an interval, a ratio nearer to 1 than this is not called a difference."""


def headline(cells: Sequence[CellResult], baseline: CellResult | None) -> Finding | None:
    """The best cell by p99, or by the median where the p99 hardly gains; None without a baseline.

    A p99 stays what it was as long as more than one request in a hundred asks the origin: then the median tells, and
    the sentence says so of the p99.
    """
    if baseline is None:
        return None
    best = {metric: cell for metric, _ in _METRICS if (cell := _best(cells, metric)) is not None}
    gaining = [pair for pair in _METRICS if pair[0] in best and _gains(best[pair[0]].versus_baseline[pair[0]])]
    if gaining:
        clear = [pair for pair in gaining if _ratio(best[pair[0]], pair[0]) >= _CLEAR_GAIN]
        metric, name = (clear or gaining)[0]
        return _gain(best[metric], cells, baseline, metric, name)
    return next((_no_gain(best[metric], baseline, metric, name) for metric, name in _METRICS if metric in best), None)


def _best(cells: Sequence[CellResult], metric: str) -> CellResult | None:
    """The cell that gained most, of those shown to gain where there are any. Among equals (as where every median is a
    hit's), the one that spared the origin most."""
    compared = [cell for cell in cells if _ratio(cell, metric) > 0]
    gaining = [cell for cell in compared if _gains(cell.versus_baseline[metric])] or compared
    most = max((_ratio(cell, metric) for cell in gaining), default=0.0)
    equals = [cell for cell in gaining if _ratio(cell, metric) >= most / _WORTH_SAYING]
    return max(equals, key=lambda cell: _ratio(cell, "origin_rps"), default=None)


def _ratio(cell: CellResult, metric: str) -> float:
    found = cell.versus_baseline.get(metric)
    return found.value if found is not None and found.value is not None else 0.0


def _differs(ratio: Estimate) -> bool:
    shown = shows_difference(ratio)
    if shown is None:
        return ratio.value is not None and not 1 / _WORTH_SAYING <= ratio.value <= _WORTH_SAYING
    return shown


def _gains(ratio: Estimate) -> bool:
    return ratio.value is not None and ratio.value > 1 and _differs(ratio)


def _from_to(cell: CellResult, baseline: CellResult, metric: str) -> tuple[float, float]:
    before, after = baseline.summary.metrics[metric].value, cell.summary.metrics[metric].value
    assert before is not None and after is not None  # a ratio of the two has been made
    return before, after


def _gain(best: CellResult, cells: Sequence[CellResult], baseline: CellResult, metric: str, name: str) -> Finding:
    summary, ratio = best.summary, best.versus_baseline[metric]
    before, after = _from_to(best, baseline, metric)
    numbers = _numbers(ratio) | {"before_ms": before, "after_ms": after}
    tail_metric, tail_name = _METRICS[0]
    tail, figures = best.versus_baseline.get(tail_metric), interval(ratio)
    if metric != tail_metric and tail is not None and tail.value is not None:
        figures += f"; {tail_name}: {times(tail.value) if _differs(tail) else 'no difference shown'}"
        numbers["p99_ratio"] = tail.value
    change = f"{name} from {milliseconds(before)} to {milliseconds(after)} ({figures})"
    text = f"{_condition(best)}{summary.series} cut {change}"
    relief = _ratio(best, "origin_rps")
    if relief > 1:
        text += f" and sent the origin {times(relief)} fewer requests"
        numbers["origin_ratio"] = relief
    other = _weakest(best, cells, metric)
    if other is not None:
        theirs = other.versus_baseline[metric]
        assert theirs.value is not None
        numbers["other_ratio"] = theirs.value
        text += f"; {condition(other.summary.ttl_s)} {_only(theirs, name)}"
    return Finding(HEADLINE, f"{text}.", numbers)


def _only(ratio: Estimate, name: str) -> str:
    assert ratio.value is not None
    if not _differs(ratio):
        return f"no difference in {name} was shown"
    if ratio.value > 1:
        return f"it cut {name} only {times(ratio.value)}"
    return f"it raised {name} {times(1 / ratio.value)}"


def _weakest(best: CellResult, cells: Sequence[CellResult], metric: str) -> CellResult | None:
    """The cell of the same tier that gained least, where it gained clearly less."""
    same = [cell for cell in cells if cell.summary.series == best.summary.series and cell is not best]
    known = [cell for cell in same if _ratio(cell, metric) > 0]
    least = min(known, key=lambda cell: _ratio(cell, metric), default=None)
    return least if least is not None and _ratio(least, metric) < _ratio(best, metric) / _WORTH_SAYING else None


def _no_gain(best: CellResult, baseline: CellResult, metric: str, name: str) -> Finding:
    ratio, summary = best.versus_baseline[metric], best.summary
    before, after = _from_to(best, baseline, metric)
    numbers = _numbers(ratio) | {"before_ms": before, "after_ms": after}
    figures = f"{milliseconds(before)} without it, {milliseconds(after)} with it; {interval(ratio)}"
    if _differs(ratio):
        where = _condition(best, start=False)
        text = f"No cached cell was faster: at best, {where}{summary.series} raised {name} ({figures})."
    else:
        both = f"{summary.series} and {baseline.summary.series}"
        text = f"{_condition(best)}no difference in {name} was shown between {both} ({figures})."
        text = text[0].upper() + text[1:]
    return Finding(HEADLINE, text, numbers)


def _condition(cell: CellResult, *, start: bool = True) -> str:
    at = condition(cell.summary.ttl_s)
    if not at:
        return ""
    return f"{at[0].upper() if start else at[0]}{at[1:]} "


def _numbers(ratio: Estimate) -> dict[str, float | None]:
    return {"ratio": ratio.value, "low": ratio.low, "high": ratio.high, "trials": float(ratio.n)}
