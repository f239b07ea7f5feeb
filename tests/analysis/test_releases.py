"""Which release the parts of a page view are from: against a trial made by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd

from edgebench.analysis.releases import NEW, OLD, UNKNOWN, release_of_rows, release_of_samples, views_by_release
from edgebench.model import TrialRecord
from edgebench.views import Visitor, asset_endpoint, page_endpoint
from tests.analysis.folders import record, scenario, trials

MS = 1_000_000
PAGE, BACK = page_endpoint(Visitor.NEW, "/"), page_endpoint(Visitor.RETURNING, "/")
CSS, IMAGE = asset_endpoint("css"), asset_endpoint("image")
BEGIN_MS = 4000
"""The deployment begins one second into a measurement that begins at 4 s."""


def made() -> TrialRecord:
    return replace(record(trials(scenario())[0]), events={"deploy_start_s": 1.0, "deploy_end_s": 2.0})


def row(seq: int, at_ms: float, worker: int, key: str, version: str, **more: Any) -> dict[str, Any]:
    usual = {"status": 200, "encoding": "br"}
    return {"seq": seq, "start_ns": int(at_ms * MS), "worker": worker, "key": key, "version": version} | usual | more


LEDGER = pd.DataFrame(
    [
        row(1, 100, 0, "/", "p1"),
        row(2, 100, 0, "/app.css", "c1"),
        row(3, 100, 0, "/kept.svg", "k"),
        row(4, 100, 0, "/same.svg", "s"),
        row(5, 100, 0, "/app.aa.css", "c1"),
        row(6, 5300, 0, "/", "p1"),  # the old release goes on until its connections are closed
        row(7, 5400, 1, "/", "p2"),
        row(8, 5900, 1, "/same.svg", "s", status=304, encoding=""),
        row(9, 7500, 1, "/app.css", "c2"),
        row(10, 7600, 1, "/app.css", "g2", encoding="gzip"),  # that the old one was never asked for
    ]
)


def sample(user: int, at_ms: float, endpoint: str, key: str, seq: int | None, **more: Any) -> dict[str, Any]:
    usual = {"phase": "measure", "status": 200, "error": None, "worker": 0}
    return (
        {"user": user, "sent_ns": int(at_ms * MS), "endpoint": endpoint, "key": key, "origin_seq": seq} | usual | more
    )


def table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(rows).astype({"origin_seq": "Int64"})


def test_a_row_is_of_the_release_of_its_worker() -> None:
    assert release_of_rows(LEDGER, made()).tolist() == [OLD] * 6 + [NEW] * 4


def test_files_are_of_a_release_only_where_they_have_changed() -> None:
    seqs = {2: OLD, 3: UNKNOWN, 4: UNKNOWN, 5: UNKNOWN, 8: UNKNOWN, 9: NEW, 10: UNKNOWN}
    keys = LEDGER.set_index("seq")["key"]
    samples = table([sample(1, 7700, CSS, keys[seq], seq) for seq in seqs] + [sample(1, 7700, CSS, "/x", None)])
    assert release_of_samples(samples, LEDGER, made()).tolist() == [*seqs.values(), UNKNOWN]
    assert release_of_samples(samples, LEDGER.iloc[:0], made()).tolist() == [UNKNOWN] * len(samples)


def test_a_view_is_mixed_where_page_and_file_are_of_different_releases() -> None:
    rows = [
        sample(1, 3900, PAGE, "/", 1, phase="warm_up"),
        sample(1, 4100, PAGE, "/", 1), sample(1, 4101, CSS, "/app.css", 2),  # before: old, and whole
        sample(1, 5500, BACK, "/", 7), sample(1, 5501, CSS, "/app.css", 2), sample(1, 5502, IMAGE, "/kept.svg", 3),
        sample(2, 5600, PAGE, "/", 6), sample(2, 5601, CSS, "/app.css", 2), sample(2, 5602, IMAGE, "/same.svg", 8),
        sample(2, 7700, PAGE, "/", 6), sample(2, 7701, CSS, "/app.css", 9),  # an old page with a new file
        sample(3, 7800, PAGE, "/", 7), sample(3, 7801, CSS, "/app.css", 9),
        sample(4, 7900, PAGE, "/", 7), sample(4, 7901, CSS, "/app.css", 2, status=502),  # not whole
        sample(5, 8000, PAGE, "/", None),  # from nobody knows where
    ]  # fmt: skip
    views = views_by_release(table(rows[::-1]), LEDGER, made())
    assert views["at_s"].round(3).tolist() == [0.1, 1.5, 1.6, 3.7, 3.8]
    assert views["page"].tolist() == [OLD, NEW, OLD, OLD, NEW]
    assert views["mixed"].tolist() == [False, True, False, True, False]
    assert views["old_files"].tolist() == [1, 1, 1, 0, 0]
    assert views["new_files"].tolist() == [0, 0, 0, 1, 1]
    assert views["visitor"].tolist() == ["new", "returning", "new", "new", "new"]
