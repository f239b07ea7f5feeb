"""When a store is too small, and when expiries are too few to matter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from edgebench.analysis.metrics import is_foretold
from edgebench.analysis.steadiness import steadiness
from edgebench.analysis.storage import catalogue_bytes, overflows
from edgebench.model import FEW_EXPIRIES, Load, LoadModel, ReasonCode, TrialRecord
from tests.analysis.folders import record, scenario, trials
from tests.analysis.test_trust import good_trial

MIB = 1 << 20


def _samples(*rows: tuple[str, int, bool]) -> pd.DataFrame:
    """Key, bytes of the body, and whether it may be stored."""
    frame = pd.DataFrame(rows, columns=["key", "bytes", "cacheable"])
    return frame.assign(method="GET", status=200, error=None, encoding="")


def _stored_in(storage_mb: int, *, shield: bool = False) -> TrialRecord:
    trial = next(trial for trial in trials(scenario()) if trial.cell.tier.kind == "nginx")
    tier = replace(trial.cell.tier, storage_mb=storage_mb, shield=shield)
    return record(replace(trial, cell=replace(trial.cell, tier=tier)))


def test_the_catalogue_is_every_answer_that_may_be_stored_once_at_its_longest() -> None:
    samples = _samples(("/a", 5, True), ("/a", 0, True), ("/b", 7, True), ("/b", 7, True), ("/me", 90, False))
    assert catalogue_bytes(samples) == 12  # of /a once nothing came: a 304
    assert catalogue_bytes(samples.assign(encoding=["", "gzip", "", "", ""])) == 12
    assert catalogue_bytes(samples.assign(encoding=["", "", "br", "", ""])) == 19  # two codings, two answers


def test_a_store_overflows_when_what_may_be_stored_is_more_than_it_holds() -> None:
    often = _samples(*[("/a", MIB, True)] * 3, ("/b", MIB, True))
    assert overflows(_stored_in(1), often)
    assert not overflows(_stored_in(2), often)


def test_what_is_evicted_or_lived_in_a_shield_is_not_foretold_by_the_rule() -> None:
    samples = _samples(("/a", MIB, True), ("/b", MIB, True))
    assert is_foretold(_stored_in(2), samples)
    assert not is_foretold(_stored_in(1), samples)
    assert not is_foretold(_stored_in(2, shield=True), samples)


@pytest.mark.parametrize("exponent", [0.0, 0.6, 1.1])
@pytest.mark.parametrize("ttl_s", [1.0, 60.0, 3600.0])
def test_no_popularity_has_more_expiries_than_the_bound(exponent: float, ttl_s: float) -> None:
    """Σ p / (1 + p·R·T) ≤ N / (R·T), and near it where every key is asked for many times within a TTL."""
    load = Load(rate_rps=300, keys=500)
    shares = np.arange(1, 501.0) ** -exponent
    shares /= shares.sum()
    expired = float(np.sum(shares / (1 + shares * 300 * ttl_s)))
    assert expired <= load.most_expiries(ttl_s)
    if ttl_s == 3600:
        assert expired == pytest.approx(load.most_expiries(ttl_s), rel=0.02)


def test_a_closed_loop_has_no_rate_to_tell_expiries_by() -> None:
    assert Load(model=LoadModel.CLOSED, keys=1).most_expiries(1e6) == 1.0


@pytest.mark.parametrize(
    ("load", "ttl_s", "least_s"),
    [
        (Load(rate_rps=300, keys=500, warm_up_s=8), 3.0, 3.0),
        (Load(rate_rps=300, keys=500, warm_up_s=8), 60.0, 8.0),
        (Load(rate_rps=300, keys=500, warm_up_s=8), 3600.0, 0.0),  # 500 / (300 × 3600) = 0.05 % at most
        (Load(rate_rps=250, keys=500, warm_up_s=8, fill=True), 3600.0, 3.5),
        (Load(rate_rps=250, keys=500, warm_up_s=3, fill=True), 3600.0, 3.0),
        (Load(rate_rps=300, keys=500, warm_up_s=8), None, 0.0),
    ],
)
def test_a_warm_up_waits_for_what_matters(load: Load, ttl_s: float | None, least_s: float) -> None:
    assert load.least_warm_up_s(ttl_s) == pytest.approx(least_s)


def test_a_window_need_not_outlast_a_ttl_that_next_to_nothing_outlives() -> None:
    trial = good_trial()
    cell, load = trial.record.trial.cell, trial.record.trial.cell.load
    few, many = (load.keys / load.rate_rps / share for share in (FEW_EXPIRIES / 2, FEW_EXPIRIES * 2))
    for ttl_s, doubted in ((few, False), (many, True)):
        long = replace(cell, freshness=replace(cell.freshness, ttl_s=int(ttl_s)))
        changed = replace(trial.record, trial=replace(trial.record.trial, cell=long))
        found = [d for d in steadiness(replace(trial, record=changed)) if d.code is ReasonCode.WINDOW_BELOW_TTL]
        assert (found[0].measure > 1) is doubted
