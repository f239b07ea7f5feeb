"""Simulated trials with what newer run folders know: for whom an answer is, its variant, its digest. All is right."""

from __future__ import annotations

import zlib
from dataclasses import replace

import numpy as np
import pandas as pd

from edgebench.analysis.joined import Joined
from edgebench.analysis.proof import prove
from edgebench.model import Profile, TierSpec, TrialRecord
from tests.analysis.folders import record, scenario, trials
from tests.analysis.simulator import Behaviour, Simulation, poisson, simulate

USERS, SECONDS = 5, 12.0
ACCEPTS = "accept-encoding: gzip, br;q=0.5\naccept-language: de, en;q=0.5"
VARY = "Accept-Encoding, Accept-Language"


def told(
    how: Behaviour, *, rate_rps: float = 200.0, seconds: float = 12.0, keys: int = 12, seed: int = 1
) -> Simulation:
    """A simulated trial in which nothing is wrong; private answers are for one of USERS each."""
    return completed(simulate(how, poisson(rate_rps, SECONDS, keys, seed), seed))


def completed(simulated: Simulation) -> Simulation:
    """A simulated trial with the columns that older run folders have not."""
    ledger, samples = simulated.ledger, simulated.samples
    seq = ledger["seq"].to_numpy(dtype=np.int64)
    private = (ledger["principal"] != "").to_numpy()
    principal = np.where(private, [f"user{number % USERS}" for number in seq], "")
    digest = [zlib.crc32(key.encode()) for key in ledger["key"]]
    ledger = ledger.assign(
        principal=principal, authorized=private, stale_ok_s=0, vary=VARY, encoding="gzip", language="de", fault="",
        digest=pd.array(digest, dtype="Int64"),
    )  # fmt: skip
    ledger.loc[seq % 16 != 0, "digest"] = pd.NA
    mine = ledger.set_index("seq").loc[samples["origin_seq"].astype(np.int64)]
    samples = samples.assign(
        principal=mine["principal"].to_numpy(), accepts=ACCEPTS, encoding="gzip", language="de",
        digest=pd.array(mine["digest"].to_numpy(), dtype="Int64"),
    )  # fmt: skip
    return replace(simulated, samples=samples, ledger=ledger)


def tier_record(profile: Profile = Profile.STRICT) -> TrialRecord:
    """The record of a cached trial that was measured from its first second to its last."""
    found = record(next(trial for trial in trials(scenario()) if trial.cell.tier.kind == "nginx"))
    cell = replace(found.trial.cell, tier=TierSpec("nginx", "nginx", profile=profile))
    return replace(found, trial=replace(found.trial, cell=cell), measure_start_ns=0, measure_end_ns=12_000_000_000)


def joined(samples: pd.DataFrame, ledger: pd.DataFrame, profile: Profile = Profile.STRICT) -> Joined:
    samples = samples.reset_index(drop=True)
    return Joined.of(tier_record(profile), samples, ledger, prove(samples, ledger))
