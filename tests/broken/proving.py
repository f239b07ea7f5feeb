"""Run the harness through proxies with known faults, and lay what it found beside what they did."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from edgebench.analysis.results import Analysis, TrialResult
from edgebench.analysis.run import analyse
from edgebench.model import CellSummary, Reason, ReasonCode
from edgebench.runner.placement import available_cores, on_cores, place
from edgebench.runner.services import free_port
from edgebench.store import RunFolder
from tests.broken.faults import Account, Fault
from tests.broken.running import ROOT, Running

RATE_RPS = 500
TTL_S = 2
SCENARIO = """
name = "broken-proxies"
question = "Is every fault of a proxy found?"
locustfile = "tests/broken/locustfile.py"
repeats = 1
seed = {seed}
baseline = "{baseline}"
[load]
rate_rps = {rate_rps}
users = 24
keys = 40
private_share = 0.3
warm_up_s = 0
measure_s = {measure_s}
[origin]
app = "tests.broken.app:app"
threads = 16
port = {origin_port}
env = {{ ITEM_TTL_S = "{{ttl_s}}" }}
[axes]
ttl_s = [{ttl_s}]
"""
TIER = """[[tiers]]
name = "{name}"
url = "{url}"
"""
WRONG = (
    ReasonCode.LEAK, ReasonCode.WRONG_VARIANT, ReasonCode.BROKEN_BODY, ReasonCode.OVER_STALE,
    ReasonCode.CLAIM_DISAGREES, ReasonCode.ERRORS, ReasonCode.UNMATCHED_LEDGER,
)  # fmt: skip
"""Reasons that say that a cache does wrong, or that something happened which nobody can explain."""


@dataclass(frozen=True)
class Proved:
    """One proxy: what it did, and what the harness says of it."""

    account: Account
    trial: TrialResult
    cell: CellSummary
    reasons: tuple[Reason, ...]
    """Of the run's trust, those that touch this proxy's cell and are among WRONG."""
    findings: frozenset[str]
    """Codes of the run's findings that name this proxy."""
    samples: pd.DataFrame
    """TrialResult.samples in the order of sending, with `wronged` (the proxy says that it served this one wrongly) and
    its `detail`."""

    @property
    def codes(self) -> set[ReasonCode]:
        return {reason.code for reason in self.reasons}

    def wronged(self, of: Callable[[str], bool] = lambda detail: True) -> int:
        """How many requests the proxy says it served wrongly, of those with such a detail."""
        return sum(of(each.detail) for each in self.account.injected)


def prove(folder: Path, faults: Mapping[str, Fault], measure_s: float, seed: int = 1) -> dict[str, Proved]:
    """Measure each of these proxies, by name, for so long in one run. `folder` takes the run and the accounts."""
    origin_port = free_port()
    with ExitStack() as running:
        with on_cores(place(available_cores()).system):  # the generator has its core to itself
            proxies = {
                name: running.enter_context(Running.start(fault, origin_port, folder)) for name, fault in faults.items()
            }
        path = folder / "scenario.toml"
        text = SCENARIO.format(
            seed=seed, baseline=next(iter(faults)), rate_rps=RATE_RPS, measure_s=measure_s, origin_port=origin_port,
            ttl_s=TTL_S,
        )  # fmt: skip
        path.write_text(text + "".join(TIER.format(name=name, url=proxy.url) for name, proxy in proxies.items()))
        run = measured(path, folder)
        accounts = {name: proxy.end() for name, proxy in proxies.items()}
    analysis = analyse(run)
    return {name: _proved(account, analysis, name) for name, account in accounts.items()}


def measured(scenario: Path, folder: Path) -> RunFolder:
    """The run folder, after `edgebench run`."""
    words = [sys.executable, "-m", "edgebench", "run", str(scenario), "--out", str(folder / "reports"), "--no-ceiling"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=3600, check=False)
    assert done.returncode in (0, 3), f"{done.stdout}{done.stderr}"
    return RunFolder(folder / "reports" / "latest")


def _proved(account: Account, analysis: Analysis, name: str) -> Proved:
    result = next(result for result in analysis.cells if result.summary.tier == name)
    trust, cell = analysis.summary.trust, result.summary
    reasons = tuple(reason for reason in trust.reasons if reason.code in WRONG and cell.id in reason.cells)
    findings = frozenset(each.code for each in analysis.summary.findings if each.text.startswith(f"{name} "))
    (trial,) = result.trials
    return Proved(account, trial, cell, reasons, findings, with_truth(trial.samples, account))


def with_truth(samples: pd.DataFrame, account: Account) -> pd.DataFrame:
    """The samples, told which of them the proxy says it served wrongly: by port and number of request on it."""
    ordered = samples.sort_values("sent_ns", kind="stable")
    number = ordered.groupby("port").cumcount() + 1
    asked = pd.MultiIndex.from_arrays([ordered["port"].to_numpy(), number.to_numpy()])
    told = {(each.port, each.number): each.detail for each in account.injected}
    details = [told.get(key) for key in asked]
    wronged = [detail is not None for detail in details]
    assert sum(wronged) == len(told), f"{len(told) - sum(wronged)} requests the proxy tells of have no sample"
    return ordered.assign(wronged=wronged, detail=pd.Series(details, index=ordered.index, dtype=object)).reset_index(
        drop=True
    )
