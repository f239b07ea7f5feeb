"""What the tests of claims recompute by: intervals and causes, once more, in plain pandas and numpy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from tests.claims.conftest import ShortTrial

T_3 = 4.302652729911275
"""Quantile of Student's t: 97.5 %, 2 degrees of freedom."""


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean of three trials, and its 95 % interval."""
    assert len(values) == 3
    half = T_3 * float(np.std(values, ddof=1)) / math.sqrt(3)
    mean = float(np.mean(values))
    return mean, mean - half, mean + half


def ratio_interval(over: Sequence[float], under: Sequence[float]) -> tuple[float, float, float]:
    """Geometric mean of paired ratios, and its 95 % interval."""
    mean, low, high = interval([math.log(a / b) for a, b in zip(over, under, strict=True)])
    return math.exp(mean), math.exp(low), math.exp(high)


def caused(trial: ShortTrial) -> pd.DataFrame:
    """The ledger's rows with phase and endpoint of the sample that made the origin answer; both empty: none did.

    That is the earliest sent of those that carry the row's stamp and were sent before it; where none does (a 304 keeps
    the old stamp in some caches), the earliest that asked for the key and waited meanwhile.
    """
    samples, ledger = trial.table("samples"), trial.table("ledger")
    ledger = ledger[~ledger["key"].astype(str).str.startswith("/__edgebench__/")].copy()
    samples = samples.assign(key=samples["key"].astype(str), seq=samples["origin_seq"].fillna(-1).astype(np.int64))
    by_seq = {int(rows["seq"].iloc[0]): rows for _, rows in samples.groupby("seq")}
    by_key = {str(key): rows for key, rows in samples.groupby("key")}
    taken: set[int] = set()
    found: dict[int, tuple[str, str]] = {}
    rows: list[dict[str, Any]] = ledger.sort_values("start_ns").reset_index(names="at").to_dict("records")  # type: ignore[assignment]
    for stamped in (True, False):
        for row in rows:
            if row["at"] in found or not (stamped or row["status"] == 304):
                continue
            asked = by_seq.get(int(row["seq"])) if stamped else by_key.get(str(row["key"]))
            if asked is None:
                continue
            until = row["start_ns"] if stamped else (row["start_ns"] + row["end_ns"]) // 2
            mine = asked[(asked["sent_ns"] <= row["start_ns"]) & (asked["done_ns"] >= until) & ~asked.index.isin(taken)]
            if len(mine):
                first = int(mine.sort_values("sent_ns").index[0])
                taken.add(first)
                found[row["at"]] = (str(samples["phase"].loc[first]), str(samples["endpoint"].loc[first]))
    ledger["phase"] = [found.get(index, ("", ""))[0] for index in ledger.index]
    ledger["endpoint"] = [found.get(index, ("", ""))[1] for index in ledger.index]
    return ledger


def approx_interval(figure: dict[str, Any], expected: tuple[float, float, float], tolerance: float) -> bool:
    """Whether value, low and high are as near as this; what is cut at 0 or 1 may lie beyond it."""
    value, low, high = expected
    near: bool = abs(figure["value"] - value) <= tolerance
    near &= abs(figure["low"] - low) <= 2 * tolerance or (low < 0 and figure["low"] == 0)
    near &= abs(figure["high"] - high) <= 2 * tolerance or (high > 1 and figure["high"] == 1)
    return near
