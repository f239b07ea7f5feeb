"""A synthetic run folder: every trial from the simulator, with headers and a log that tell the truth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from edgebench.model import (
    Cell,
    ExpiryRule,
    Freshness,
    Load,
    OriginSpec,
    Placement,
    RunRecord,
    Scenario,
    TierRecord,
    TierSpec,
    Trial,
    TrialRecord,
)
from edgebench.store import PROCESSES, TIER_LOG, RunFolder, TrialFolder
from tests.analysis.simulator import Behaviour, Simulation, poisson, simulate

S = 1_000_000_000
WARM_S, MEASURE_S = 4, 8
CLAIMS = {"hit": "hit", "collapsed": "hit", "stale": "stale", "revalidated": "revalidated", "origin": "miss"}
NGINX_RULE = ExpiryRule(whole_seconds=True, extra_s=1)
DIRECT, NGINX = TierSpec("direct", "direct"), TierSpec("nginx", "nginx")


def scenario(ttl_s: tuple[int, ...] = (1, 5), repeats: int = 3, rate_rps: float = 300.0) -> Scenario:
    load = Load(rate_rps=rate_rps, warm_up_s=WARM_S, measure_s=MEASURE_S)
    tiers = (DIRECT, NGINX)
    return Scenario("quick", "Is it worth it?", "api.py", load, tiers, ttl_s, OriginSpec(), repeats, 1, "direct")


def trials(of: Scenario) -> list[Trial]:
    """All trials of a scenario, in order."""
    cells = [Cell(DIRECT, Freshness(), of.load)] + [Cell(NGINX, Freshness(ttl_s), of.load) for ttl_s in of.ttl_s]
    return [Trial(cell, repeat, 100 + repeat) for repeat in range(1, of.repeats + 1) for cell in cells]


def record(trial: Trial) -> TrialRecord:
    """A trial that went well."""
    cached = trial.cell.tier.kind != "direct"
    tier = TierRecord(trial.cell.tier.kind, "1.0", expiry=NGINX_RULE if cached else None, collapses_misses=cached)
    return TrialRecord(
        trial=trial,
        complete=True,
        problem="",
        start_monotonic_ns=5 * S,
        start_wall_ns=Behaviour().wall_ns,
        wall_drift_ns=0,
        measure_start_ns=WARM_S * S,
        measure_end_ns=(WARM_S + MEASURE_S) * S,
        warm_up_end="steady",
        tier=tier,
        placement=Placement((0,), (1,)),
        origin_argv=(),
        generator_argv=(),
        exit_states={},
    )


def simulation(trial: Trial) -> Simulation:
    """What this trial's clients and origin see."""
    ttl_s = trial.cell.freshness.ttl_s
    how = Behaviour(
        ttl_s=60 if ttl_s is None else ttl_s, whole_seconds=True, extra_s=1, new_stamp=False, collapses_expired=False,
        stores=trial.cell.tier.kind != "direct" and ttl_s != 0, fetch_ticks=(200, 900), private_share=0.03,
    )  # fmt: skip
    arrivals = poisson(trial.cell.load.rate_rps, WARM_S + MEASURE_S, 60, trial.seed)
    simulated = simulate(how, arrivals, trial.seed)
    phase = (simulated.samples["sent_ns"] >= WARM_S * S).map({True: "measure", False: "warm_up"})
    claims = [CLAIMS.get(outcome, "none") for outcome in simulated.outcome]
    if trial.cell.tier.kind == "direct":
        claims = ["none"] * len(claims)
    ports = [40_000 + place % 7 for place in range(len(claims))]
    return replace(simulated, samples=simulated.samples.assign(phase=phase, claim=claims, port=ports))


def tier_log(samples: pd.DataFrame) -> pa.Table:
    """A log with one true line per sample, and a probe of the harness's."""
    lines = samples.sort_values("done_ns", kind="stable")
    # One port serves one request at a time: where simulated clients overlap, its order is that of sending.
    lines = lines.assign(order=lines.groupby("port")["sent_ns"].rank()).sort_values(["order", "port"], kind="stable")
    lines = lines.assign(at_ns=lines["done_ns"], verdict=lines["claim"], instance="")[TIER_LOG.names]
    probe: dict[str, Any] = {"at_ns": 0, "port": 40_000, "method": "GET", "status": 200, "verdict": "bypass"}
    probe |= {"key": "/__edgebench__/ready", "origin_seq": None, "instance": ""}
    first = pa.Table.from_pylist([probe], TIER_LOG)
    return pa.concat_tables([first, pa.Table.from_pandas(lines, preserve_index=False).cast(TIER_LOG)])


def processes(cpu: float = 0.3) -> pa.Table:
    """Every role, once a second, each using `cpu` cores."""
    rows = [
        {"at_ns": second * S, "role": role, "cpu_s": cpu, "rss_bytes": 10, "threads": 1, "context_switches": 5}
        for second in range(WARM_S + MEASURE_S + 1)
        for role in ("generator", "origin", "tier")
    ]
    return pa.Table.from_pylist(rows, PROCESSES)


def write_trial(folder: TrialFolder, of: TrialRecord, *, ledger: bool = True, log: bool = True) -> None:
    """All files of one trial."""
    simulated = simulation(of.trial)
    folder.write_table("samples", pa.Table.from_pandas(simulated.samples, preserve_index=False))
    if ledger:
        folder.write_table("ledger", pa.Table.from_pandas(simulated.ledger, preserve_index=False))
    if log and of.trial.cell.tier.kind != "direct":
        folder.write_table("tier_log", tier_log(simulated.samples))
    folder.write_table("processes", processes())
    folder.write_record(of)


def run_record(of: Scenario) -> RunRecord:
    planned = tuple(trial.id for trial in trials(of))
    return RunRecord("r1", of, "python -m edgebench run", "2026-01-01T00:00:00Z", "abc", {}, {"cores": "2"}, planned)


def write_run(path: Path, of: Scenario, *, ledger: bool = True, log: bool = True) -> RunFolder:
    """A whole run that went well."""
    run = RunFolder(path)
    run.write_run(run_record(of), "")
    for trial in trials(of):
        write_trial(run.trial(trial), record(trial), ledger=ledger, log=log)
    return run
