"""When requests and answers come to a cache that is far away."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from edgebench.analysis.travel import at_the_cache
from edgebench.model import LinkRecord, LinkSpec, NetworkRecord, TrialRecord
from tests.analysis.folders import record, scenario, trials

MS = 1_000_000
SAMPLES = pd.DataFrame({"sent_ns": [0, 100 * MS], "reused_connection": [False, True]})
LEDGER = pd.DataFrame({"end_ns": [50 * MS]})


def _record(links: list[tuple[str, str, float]], tls: bool = False) -> TrialRecord:
    plain = record(trials(scenario())[1])
    cell = replace(plain.trial.cell, tier=replace(plain.trial.cell.tier, tls=tls))
    network = NetworkRecord("n", "relay", tuple(LinkRecord(a, b, LinkSpec(rtt_ms)) for a, b, rtt_ms in links))
    return replace(plain, trial=replace(plain.trial, cell=cell), network=network)


DIRECT = ("client", "origin", 45.0)
ONE = [("client", "edge", 10.0), ("edge", "origin", 36.0), DIRECT]
SHIELDED = [
    ("client", "edge1", 10.0), ("client", "edge2", 10.0), ("edge1", "shield", 20.0), ("edge2", "shield", 20.0),
    ("shield", "origin", 4.0), DIRECT,
]  # fmt: skip


@pytest.mark.parametrize(
    ("links", "tls", "came_ms", "left_ms"),
    [(ONE, False, [15, 105], 68), (ONE, True, [25, 105], 68), (SHIELDED, False, [15, 105], 62)],
)
def test_half_a_round_trip_each_and_whole_ones_for_a_connection(
    links: list[tuple[str, str, float]], tls: bool, came_ms: list[int], left_ms: int
) -> None:
    samples, ledger = at_the_cache(_record(links, tls), SAMPLES, LEDGER)
    assert samples["sent_ns"].tolist() == [ms * MS for ms in came_ms]
    assert ledger["end_ns"].tolist() == [left_ms * MS]
    assert SAMPLES["sent_ns"].tolist() == [0, 100 * MS]


def test_on_one_machine_nothing_travels() -> None:
    plain = record(trials(scenario())[1])
    samples, ledger = at_the_cache(plain, SAMPLES, LEDGER)
    assert samples is SAMPLES
    assert ledger is LEDGER
