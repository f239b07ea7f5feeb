"""The tables of a trial as frames, and the one way in which rows of two tables are found by key and time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from edgebench.model import TrialRecord
from edgebench.store import TrialFolder

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

NS_PER_S = 1_000_000_000
PROBE_PREFIX = "/__edgebench__/"
"""Targets of the harness's own requests (readiness, counters): no part of the measurement."""
SAFE_METHODS = ("GET", "HEAD")
_NULLABLE = {
    "origin_seq": np.int64, "age_s": np.int32, "ttl_s": np.int32, "stale_ok_s": np.int32, "digest": np.int64,
    "stored_bytes": np.int64,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TrialTables:
    """One trial as it was recorded. Frames have the columns of the schemas in store; harness probes are left out."""

    record: TrialRecord
    samples: pd.DataFrame
    ledger: pd.DataFrame
    processes: pd.DataFrame
    tier_log: pd.DataFrame


def read_trial(record: TrialRecord, folder: TrialFolder) -> TrialTables:
    """Read all tables of one trial. StoreError where one is not readable."""
    return TrialTables(
        record=record,
        samples=frame(folder.read_table("samples")),
        ledger=_without_probes(frame(folder.read_table("ledger"))),
        processes=frame(folder.read_table("processes")),
        tier_log=_without_probes(frame(folder.read_table("tier_log"))),
    )


def read_ledger(folder: TrialFolder) -> pd.DataFrame:
    """The ledger of one trial, as in TrialTables. StoreError where it is not readable."""
    return _without_probes(frame(folder.read_table("ledger")))


def frame(table: pa.Table) -> pd.DataFrame:
    """A table of store as a frame. Whole numbers that may be null stay whole: a stamp does not survive as a float."""
    nullable = [name for name in table.column_names if name in _NULLABLE]
    plain: pd.DataFrame = table.drop_columns(nullable).to_pandas()
    for name in nullable:
        column = table.column(name)
        values = column.fill_null(0).to_numpy().astype(_NULLABLE[name])
        missing = column.is_null().to_numpy().astype(bool)
        plain[name] = pd.arrays.IntegerArray(values.copy(), missing.copy())
    return plain[list(table.column_names)]


def _without_probes(rows: pd.DataFrame) -> pd.DataFrame:
    probes = rows["key"].astype("string").str.startswith(PROBE_PREFIX).fillna(False).to_numpy(dtype=bool)
    return rows[~probes].reset_index(drop=True)


def nanoseconds(rows: pd.DataFrame, column: str) -> Ints:
    """A time column as plain int64."""
    return rows[column].to_numpy(dtype=np.int64)


def seconds_or_nan(rows: pd.DataFrame, column: str) -> Floats:
    """A nullable column as float64, NaN where null."""
    return np.asarray(rows[column].astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64)


def shared_codes(left: pd.Series, right: pd.Series) -> tuple[Ints, Ints]:
    """Number the texts of two columns alike: equal texts, equal numbers. Null is the empty text."""
    both = pd.concat([left.astype("object"), right.astype("object")], ignore_index=True).fillna("")
    codes, _ = pd.factorize(both)
    numbers = np.asarray(codes, dtype=np.int64)
    return numbers[: len(left)], numbers[len(left) :]


def resource_codes(samples: pd.DataFrame, ledger: pd.DataFrame) -> tuple[Ints, Ints]:
    """Number what is asked for, per sample and per ledger row: the key, and the method where it is not GET or HEAD.

    A cache may fetch with GET what was asked with HEAD, so those two are one.
    """
    keys = shared_codes(samples["key"], ledger["key"])
    methods = shared_codes(_unsafe(samples["method"]), _unsafe(ledger["method"]))
    many = 1 + max((int(codes.max()) for codes in methods if len(codes)), default=0)
    return keys[0] * many + methods[0], keys[1] * many + methods[1]


def _unsafe(methods: pd.Series) -> pd.Series:
    texts = methods.astype("object")
    return texts.where(~texts.isin(SAFE_METHODS), "")


@dataclass(frozen=True, slots=True)
class ByTime:
    """Rows in the order of (code, time), to find the last one of a code up to an instant. Works on a million rows."""

    positions: Ints
    """Of the rows in their own table."""
    codes: Ints
    times: Ints

    @classmethod
    def of(cls, codes: Ints, times: Ints, among: Bools) -> ByTime:
        """Index the rows where `among` is true."""
        chosen = np.flatnonzero(among)
        ordered = chosen[np.lexsort((times[chosen], codes[chosen]))]
        return cls(ordered, codes[ordered], times[ordered])

    def places(self, codes: Ints, times: Ints) -> Ints:
        """Per query, the place in this order of the last row of its code at or before its time; -1: none."""
        if not len(self.positions):
            return np.full(len(codes), -1, dtype=np.int64)
        ranks = np.unique(np.concatenate([self.times, times]), return_inverse=True)[1].astype(np.int64)
        many = len(ranks) + 1  # ranks instead of times: code * time would not fit in 64 bits
        have = self.codes * many + ranks[: len(self.times)]
        want = codes * many + ranks[len(self.times) :]
        place = np.searchsorted(have, want, side="right").astype(np.int64) - 1
        return np.where((place >= 0) & (self.codes[place] == codes), place, -1)

    def last(self, codes: Ints, times: Ints) -> Ints:
        """Like places, but the position in the rows' own table; -1: none."""
        place = self.places(codes, times)
        if not len(self.positions):
            return place
        return np.where(place >= 0, self.positions[place], -1)
