"""The measures a cell and a run as a whole are judged by."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from edgebench.analysis.checks_content import content_doubts
from edgebench.analysis.estimates import LEAST_TRIALS
from edgebench.analysis.results import TrialResult
from edgebench.analysis.trust import LIMITS, Doubt
from edgebench.analysis.wording import count, points
from edgebench.model import Cell, ReasonCode, RunRecord, TrialRecord


def cell_doubts(
    cell: Cell, trials: Sequence[TrialResult], failed: Sequence[TrialRecord], missing: Sequence[str]
) -> Iterator[Doubt]:
    """Measures of a cell as a whole. failed: its trials that are not complete; missing: ids of those never run."""
    planned = len(trials) + len(failed) + len(missing)
    if failed:
        problem = (failed[0].problem or "it gave no samples").rstrip(".")
        which = f"{len(failed)} of {count(planned, 'trial')} failed"
        text = f"{which} ({failed[0].trial.id}: {problem}). Mend it and go on with --resume."
        yield Doubt(ReasonCode.TRIAL_FAILED, cell.id, len(failed) / (len(trials) + len(failed)), text)
    if missing:
        text = f"{len(missing)} of {count(planned, 'trial')} were not run. Finish the run with --resume."
        yield Doubt(ReasonCode.TRIALS_MISSING, cell.id, len(missing) / planned, text)
    if trials:
        text = (
            f"{count(len(trials), 'trial')}: figures are given without an interval, which needs {LEAST_TRIALS}. Raise "
            "repeats."
        )
        yield Doubt(ReasonCode.TOO_FEW_TRIALS, cell.id, LEAST_TRIALS - len(trials), text)
    yield from _prediction(cell, trials)
    yield from content_doubts(cell, [trial.correctness for trial in trials])


def _prediction(cell: Cell, trials: Sequence[TrialResult]) -> Iterator[Doubt]:
    residuals = [
        off
        for trial in trials
        if (off := trial.metrics.get("prediction_residual")) is not None
        and "purge_end_s" not in trial.record.events  # no rule foresees it
        and not trial.record.faults  # nor what is not stored because the origin fails
    ]
    if not residuals:
        return
    mean = math.fsum(residuals) / len(residuals)
    text = (
        f"the replay with this cache's expiry rule is {points(mean)} off the proved hit ratio (limit "
        f"{100 * LIMITS[ReasonCode.PREDICTION_OFF].suspect:g} points): the cache does something its rule does not say, "
        "such as not collapsing, evicting, or serving stale."
    )
    yield Doubt(ReasonCode.PREDICTION_OFF, cell.id, abs(mean), text)


def run_doubts(run: RunRecord) -> Iterator[Doubt]:
    """Measures of the run as a whole."""
    for tier, why in run.left_out.items():
        yield Doubt(ReasonCode.TIER_LEFT_OUT, "", 1.0, f"{tier} was not measured: {why.rstrip('.')}.")
