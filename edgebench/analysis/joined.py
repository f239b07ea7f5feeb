"""Samples beside the ledger's rows they are from, for the checks of correctness."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from edgebench.analysis.evidence import MOST_EXAMPLES, Check, Example
from edgebench.analysis.proof import Proof
from edgebench.analysis.tables import (
    NS_PER_S,
    Bools,
    ByTime,
    Floats,
    Ints,
    nanoseconds,
    resource_codes,
    seconds_or_nan,
    shared_codes,
)
from edgebench.analysis.witnesses import NOT_MODIFIED, Rows, is_error
from edgebench.model import TrialRecord

OK = 200
Say = Callable[[int], str]
"""What is wrong with the sample at this position."""


@dataclass(frozen=True, slots=True)
class Joined:
    """A trial's n samples, m rows, and what is proved of them."""

    record: TrialRecord
    samples: pd.DataFrame
    ledger: pd.DataFrame
    proof: Proof
    codes: Ints
    """n, what each sample asked for (tables.resource_codes)."""
    rows: Rows
    has: Bools
    """n, whether a stamp came back that the ledger knows."""
    row: Ints
    """n, the row of that stamp; 0 where there is none."""
    body: Ints
    """n, the row that sent the body the sample carries: `row`, or where that is a 304, the last 200 of its key and
    version in the sample's encoding; -1: not known."""
    own: Bools
    """n, whether the sample made the origin produce the very response it got, for what it asked."""
    error: Bools

    @classmethod
    def of(cls, record: TrialRecord, samples: pd.DataFrame, ledger: pd.DataFrame, proof: Proof) -> Joined:
        """The ledger must not be empty."""
        codes, row_codes = resource_codes(samples, ledger)
        has, row = proof.answer >= 0, np.maximum(proof.answer, 0)
        own = has & (proof.caused == proof.answer) & (codes == row_codes[row])
        rows = Rows.of(ledger, row_codes)
        body = _body_rows(samples, ledger, rows, row)
        return cls(record, samples, ledger, proof, codes, rows, has, row, body, own, is_error(samples))

    def says(self, *columns: str) -> bool:
        """Whether samples and ledger both have these columns: an older run folder has them empty."""
        return all(bool(table[name].notna().any()) for table in (self.samples, self.ledger) for name in columns)

    @property
    def private(self) -> Bools:
        """Per sample, whether its row was made for a principal, and may not be shared."""
        personal = (self.row_text("principal") != "").to_numpy(dtype=bool)
        return personal & ~(self.row_number("ttl_s") > 0)

    def text(self, column: str) -> pd.Series:
        """A column of the samples, the empty text where it is null."""
        return filled(self.samples[column])

    def row_text(self, column: str) -> pd.Series:
        """A column of the ledger, per sample: of the row it is from."""
        return filled(self.ledger[column]).iloc[self.row].reset_index(drop=True)

    def body_text(self, column: str) -> pd.Series:
        """A column of the ledger, per sample: of the row that sent its body; the empty text where it is not known."""
        texts = filled(self.ledger[column]).iloc[np.maximum(self.body, 0)].reset_index(drop=True)
        return texts.where(self.body >= 0, "")

    def row_number(self, column: str) -> Floats:
        return seconds_or_nan(self.ledger, column)[self.row]

    def check(self, wrong: Bools, checked: Bools, say: Say, **kinds: int) -> Check:
        """The count of `wrong`, with its first examples by the time of sending."""
        where = np.flatnonzero(wrong)
        sent = nanoseconds(self.samples, "sent_ns")[where]
        first = where[np.argsort(sent, kind="stable")[:MOST_EXAMPLES]]
        return Check(len(where), int(checked.sum()), tuple(self.example(at, say(at)) for at in first.tolist()), kinds)

    def example(self, at: int, what: str) -> Example:
        """The sample at this position."""
        sample = self.samples.iloc[at]
        principal = sample["principal"] if isinstance(sample["principal"], str) else ""
        seq = int(self.ledger["seq"].iloc[self.row[at]]) if self.has[at] else -1
        return Example(
            self.since_s(int(sample["sent_ns"])), f"{sample['method']} {sample['key']}", principal, seq, what
        )

    def row_example(self, at: int, what: str) -> Example:
        """The ledger's row at this position."""
        row = self.ledger.iloc[at]
        principal = row["principal"] if isinstance(row["principal"], str) else ""
        at_s = self.since_s(int(row["start_ns"]))
        return Example(at_s, f"{row['method']} {row['key']}", principal, int(row["seq"]), what)

    def since_s(self, at_ns: int) -> float:
        return (at_ns - self.record.measure_start_ns) / NS_PER_S


def _body_rows(samples: pd.DataFrame, ledger: pd.DataFrame, rows: Rows, row: Ints) -> Ints:
    confirmed = np.flatnonzero(rows.status[row] == NOT_MODIFIED)
    codes, row_codes = shared_codes(samples["encoding"], ledger["encoding"])
    many, kinds = int(rows.version.max()) + 1, int(max(codes.max(initial=0), row_codes.max(initial=0))) + 1
    resource = rows.codes * many + rows.version
    whole = ByTime.of(resource * kinds + row_codes, rows.end, (rows.status == OK) & rows.safe & rows.complete)
    wanted = resource[row[confirmed]] * kinds + codes[confirmed]
    body = row.copy()
    body[confirmed] = whole.last(wanted, rows.end[row[confirmed]])
    return body


def filled(column: pd.Series) -> pd.Series:
    """A column of texts without nulls."""
    return column.astype("object").fillna("").reset_index(drop=True)
