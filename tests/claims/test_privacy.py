"""Private answers: the counts by plain pandas from a run, and what decides the claim on tables made by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from edgebench.analysis.claims.privacy import conclude
from edgebench.model import ClaimVerdict
from edgebench.report.charts.claims.privacy import draw
from tests.claims.conftest import ShortRun, ShortTrial
from tests.claims.plain import approx_interval, interval


def leaked(trial: ShortTrial) -> tuple[int, int]:
    """Samples with another's private answer, and all with a private answer, of both phases."""
    samples, ledger = trial.table("samples"), trial.table("ledger").set_index("seq")
    stamped = samples[samples["origin_seq"].notna()]
    rows = ledger.loc[stamped["origin_seq"].astype(np.int64)]
    made_for, ttl_s = rows["principal"].astype(str).to_numpy(), rows["ttl_s"].fillna(0).to_numpy()
    private = (made_for != "") & ~(ttl_s > 0)
    others = stamped["principal"].astype(str).to_numpy() != made_for
    return int((private & others).sum()), int(private.sum())


def test_leaks_are_those_of_the_tables(short_run: Callable[..., ShortRun]) -> None:
    run = short_run("privacy")
    assert run.claim["verdict"] in ("holds partly", "holds", "does not hold here")
    for tier, variant in (("nginx-default", "forgets"), ("nginx-strict", "forgets"), ("nginx-default", "private")):
        counts = [leaked(trial) for trial in run.of(tier=tier, variant=variant)]
        assert all(checked for _, checked in counts)
        assert run.claim["numbers"][f"leaks.{tier}.{variant}"] == sum(leaks for leaks, _ in counts)
    # nginx as shipped stores whatever has a max-age; set up by edgebench it does not, and nothing marked private.
    assert run.claim["numbers"]["leaks.nginx-default.forgets"] > 0
    assert run.claim["numbers"]["leaks.nginx-strict.forgets"] == 0
    assert run.claim["numbers"]["leaks.nginx-default.private"] == 0
    assert run.claim["verdict"] == "holds partly"
    shares = [leaks / checked for leaks, checked in map(leaked, run.of(tier="nginx-default", variant="forgets"))]
    assert approx_interval(run.claim["figure"], interval(shares), 1e-9)


def cells(*rows: tuple[str, str, str, int]) -> pd.DataFrame:
    """(cache, profile, variant, leaks) of 100 private answers each."""
    return pd.DataFrame(
        {
            "tier": f"{kind}-{profile}", "kind": kind, "profile": profile, "variant": variant, "leaks": leaks,
            "checked": 100, "stored": 0, "share": leaks / 100, "low": max(leaks / 100 - 0.1, 0), "high": 0.9,
            "trials": 3, "example": "made for user a, received by user b" if leaks else "",
        }
        for kind, profile, variant, leaks in rows
    )  # fmt: skip


QUIET = [("nginx", "default", "forgets", 0), ("nginx", "default", "private", 0)]


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        (QUIET, ClaimVerdict.HOLDS),
        ([*QUIET, ("squid", "default", "forgets", 1)], ClaimVerdict.PARTLY),
        ([*QUIET, ("squid", "default", "forgets", 40), ("squid", "strict", "private", 1)], ClaimVerdict.NOT_HERE),
    ],
)
def test_one_answer_given_away_decides(rows: list[tuple[str, str, str, int]], verdict: ClaimVerdict) -> None:
    judged = conclude(cells(*rows))
    assert judged.result.verdict is verdict
    away = [kind for kind, _, _, leaks in rows if leaks]
    assert all(kind in judged.result.text for kind in away)
    (chart,) = draw(judged)
    assert [panel.title for panel in chart.panels] == ["The app forgets to say private", "The app says private"]
    assert chart.table is not None and len(chart.table.wrong) == len(away)


def test_without_private_answers_there_is_nothing_to_say() -> None:
    judged = conclude(pd.DataFrame())
    assert judged.result.verdict is ClaimVerdict.NOT_TESTABLE
    assert draw(judged) == []
