"""The run folder, read and written: where the measuring and the explaining half meet.

    reports/<run-id>/run.json  scenario.toml
    reports/<run-id>/trials/<trial-id>/trial.json  {samples,ledger,processes,tier_log,browser}.parquet

trial.json is written last, so a trial folder without it is one that did not end. Every file is written under another
name and renamed: a reader never sees half a file, and a full disk leaves the old one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import TypeAdapter, ValidationError

from edgebench.errors import UserError
from edgebench.model import ClaimsRecord, ClaimsSummary, RunRecord, Summary, Trial, TrialRecord

T = TypeVar("T")


class StoreError(UserError):
    """A run folder that cannot be read: the message says which file, why, and what to do."""


_TEXT = pa.dictionary(pa.int32(), pa.string())

SAMPLES = pa.schema(
    [
        # One row per request as the client saw it, ordered by sent_ns. Times since the trial's start.
        ("scheduled_ns", pa.int64()),  # when it was due; a closed load is due when it is sent
        ("sent_ns", pa.int64()),  # when the client turned to it: connecting, where needed, comes after
        ("first_byte_ns", pa.int64()),  # -1: there was none
        ("done_ns", pa.int64()),  # complete answer or error
        ("send_lag_ns", pa.int64()),  # the generator's own lateness: due, a connection free, and not yet sent
        ("method", _TEXT),
        ("endpoint", _TEXT),  # the name the locustfile gives: /api/products/[id]; of page views, see edgebench.views
        ("key", _TEXT),  # request target: path and query
        ("status", pa.int16()),  # 0: no answer
        ("bytes", pa.int64()),  # body, as on the wire
        ("claim", _TEXT),  # model.ClaimedOutcome
        ("age_s", pa.int32()),  # Age header; null: none
        ("origin_seq", pa.int64()),  # stamp of the origin's response; null: none
        ("user", pa.int32()),
        ("worker", pa.int16()),
        ("port", pa.int32()),  # the client's TCP port: with the order on it, it names the request in the cache's log
        ("reused_connection", pa.bool_()),
        ("arrival", pa.bool_()),  # the schedule of an open load brought it; false: it follows from an answer
        ("phase", _TEXT),  # model.Phase
        ("error", _TEXT),  # null: none
        ("principal", _TEXT),  # whom it asked for: a hash, as in the ledger; empty: anonymous
        ("accepts", _TEXT),  # its Accept-Encoding and Accept-Language, a line each; empty: neither
        ("encoding", _TEXT),  # Content-Encoding of the answer; empty: none
        ("language", _TEXT),  # Content-Language of the answer; empty: none
        ("digest", pa.int64()),  # CRC-32 of the body on the wire, where origin_seq is a multiple of 16; null: not taken
    ]
)
BUCKET_WORKER = -1
"""In the ledger's `worker`: a request to the object store beside the app, by the store's own log."""
LEDGER = pa.schema(
    [
        # One row per response the origin produced, ordered by start_ns; and one per request to its object store.
        ("seq", pa.int64()),  # negative: the object store's, which stamps nothing
        ("start_ns", pa.int64()),
        ("end_ns", pa.int64()),  # the last byte of the body was handed over
        ("method", _TEXT),
        ("path", _TEXT),
        ("key", _TEXT),  # request target: path and query, as the origin got it
        ("status", pa.int16()),
        ("bytes", pa.int64()),  # body
        ("conditional", pa.bool_()),  # asked with If-None-Match or If-Modified-Since
        ("principal", _TEXT),  # hash of who was asked for (Authorization or session cookie); empty: anonymous
        ("version", _TEXT),  # ETag; empty: none
        ("ttl_s", pa.int32()),  # how long a shared cache may reuse the response; 0: not at all; null: it does not say
        ("worker", pa.int16()),
        ("complete", pa.bool_()),  # false: given up before the end of the body
        ("authorized", pa.bool_()),  # asked with an Authorization header
        ("stale_ok_s", pa.int32()),  # how long past its TTL it may be served: the longer of stale-while-revalidate and
        # stale-if-error; 0: not at all
        ("vary", _TEXT),  # Vary, as the app wrote it
        ("encoding", _TEXT),  # Content-Encoding; empty: none
        ("language", _TEXT),  # Content-Language; empty: none
        ("digest", pa.int64()),  # CRC-32 of the body where seq is a multiple of 16 and it went in one piece; else null
        ("fault", _TEXT),  # model.FaultKind of the fault it fell into; empty: none
    ]
)
PROCESSES = pa.schema(
    [
        # One row per second and role, summed over the role's processes.
        ("at_ns", pa.int64()),
        ("role", _TEXT),  # generator, tier, origin, harness
        ("cpu_s", pa.float64()),  # CPU seconds spent since the row before
        ("rss_bytes", pa.int64()),
        ("threads", pa.int32()),
        ("context_switches", pa.int64()),  # since the row before
        ("stored_bytes", pa.int64()),  # of tier: what its store took up; null: not asked, or nobody tells
    ]
)
TIER_LOG = pa.schema(
    [
        # One row per request as the cache logged it, in the order of its log.
        ("at_ns", pa.int64()),  # end of the request, since the trial's start, as exact as the cache's own clock
        ("port", pa.int32()),  # the client's TCP port
        ("method", _TEXT),
        ("key", _TEXT),
        ("status", pa.int16()),
        ("verdict", _TEXT),  # model.ClaimedOutcome, from the cache's own words
        ("origin_seq", pa.int64()),  # stamp it sent on; null: none or not logged
        ("instance", _TEXT),  # which of the tier's caches, where there are several: edge1, edge2, …, shield
    ]
)
BROWSER = pa.schema(
    [
        # One row per page load of a real browser, after all load. Times in ms since it turned to the page.
        ("visitor", _TEXT),  # views.Visitor
        ("page", _TEXT),  # request target
        ("repeat", pa.int16()),  # which visitor, from 1: each comes as a new one, then returns
        ("started_ns", pa.int64()),  # since the trial's start
        ("load_ms", pa.float64()),  # load event; null: it did not come
        ("largest_paint_ms", pa.float64()),  # largest contentful paint; null: none was told
        ("first_byte_ms", pa.float64()),  # of the page
        ("last_byte_ms", pa.float64()),  # of all that came before the load event
        ("requests", pa.int32()),  # that went to the network
        ("connections", pa.int32()),  # opened, and used
        ("bytes", pa.int64()),  # bodies, as on the wire
        ("wire_bytes", pa.int64()),  # with the heads of answers
        ("asked", pa.list_(pa.string())),  # request targets that went to the network, in the order of their answers
        ("problem", _TEXT),  # empty: none
    ]
)
TABLES: Mapping[str, pa.Schema] = {
    "samples": SAMPLES, "ledger": LEDGER, "processes": PROCESSES, "tier_log": TIER_LOG, "browser": BROWSER,
}  # fmt: skip


_adapters: dict[type, TypeAdapter[Any]] = {}


def _adapter(kind: type) -> TypeAdapter[Any]:
    if kind not in _adapters:  # making one compiles a validator: milliseconds
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _read(path: Path, kind: type[T]) -> T:
    try:
        value: T = _adapter(kind).validate_json(path.read_bytes())
    except FileNotFoundError:
        raise StoreError(f"{path}: no such file; is this a run folder?") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise StoreError(f"{path}: {where}: {first['msg']}; was it written by another version?") from None
    return value


def to_json(value: object) -> bytes:
    """Any value of edgebench.model as indented JSON. NaN and infinities become null."""
    return _adapter(type(value)).dump_json(value, indent=2) + b"\n"


@dataclass(frozen=True, slots=True)
class TrialFolder:
    """The files of one trial."""

    path: Path

    def write_table(self, name: str, table: pa.Table) -> None:
        """Write one of TABLES as Parquet; columns are cast to its schema."""
        self.path.mkdir(parents=True, exist_ok=True)
        part = self.path / f".{name}.parquet.part"
        try:
            pq.write_table(table.cast(TABLES[name]), part, compression="zstd")
            part.replace(self.path / f"{name}.parquet")
        finally:
            part.unlink(missing_ok=True)

    def read_table(self, name: str) -> pa.Table:
        """One of TABLES; empty where the trial has none (no cache, no log)."""
        path = self.path / f"{name}.parquet"
        if not path.exists():
            return TABLES[name].empty_table()
        try:
            return _of_this_version(pq.read_table(path), TABLES[name])
        except (pa.ArrowException, OSError) as error:
            raise StoreError(f"{path}: not readable as Parquet ({error}); run the trial again with --resume") from None

    def write_record(self, record: TrialRecord) -> None:
        """Write trial.json: call it last."""
        _write(self.path / "trial.json", to_json(record))

    def read_record(self) -> TrialRecord:
        return _read(self.path / "trial.json", TrialRecord)


def _of_this_version(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with the columns of `schema`: those an older version did not write are null."""
    for field in schema:
        if field.name not in table.column_names:
            table = table.append_column(field.name, pa.nulls(table.num_rows, field.type))
    return table.select(schema.names).cast(schema)


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The files of one run."""

    path: Path

    def write_run(self, run: RunRecord, scenario_toml: str) -> None:
        _write(self.path / "scenario.toml", scenario_toml.encode())
        _write(self.path / "run.json", to_json(run))

    def read_run(self) -> RunRecord:
        return _read(self.path / "run.json", RunRecord)

    def trial(self, trial: Trial | str) -> TrialFolder:
        return TrialFolder(self.path / "trials" / (trial if isinstance(trial, str) else trial.id))

    def trials(self) -> Iterator[tuple[TrialRecord, TrialFolder]]:
        """Every trial that has ended, failed ones too, in the order they were planned in."""
        for trial_id in self.read_run().planned:
            folder = self.trial(trial_id)
            if (folder.path / "trial.json").exists():
                yield folder.read_record(), folder

    def write_summary(self, summary: Summary) -> None:
        _write(self.path / "summary.json", to_json(summary))

    def read_summary(self) -> Summary:
        return _read(self.path / "summary.json", Summary)

    def write_text(self, name: str, text: str) -> Path:
        """A file of the report (report.html, summary.csv, charts/x.svg); its path."""
        path = self.path / name
        _write(path, text.encode())
        return path

    def write_charts(self, charts: Mapping[str, str]) -> None:
        """charts/<name>.svg for each, and no others: what an earlier version drew is on no page any more."""
        for old in (self.path / "charts").glob("*.svg"):
            if old.stem not in charts:
                old.unlink()
        for name, svg in charts.items():
            self.write_text(f"charts/{name}.svg", svg)


@dataclass(frozen=True, slots=True)
class ClaimsFolder:
    """The files of the runs of all claims: claims.json summary.json report.html runs/<run-id>/ as of any run."""

    path: Path

    def exists(self) -> bool:
        return (self.path / "claims.json").exists()

    def write_record(self, record: ClaimsRecord) -> None:
        _write(self.path / "claims.json", to_json(record))

    def read_record(self) -> ClaimsRecord:
        return _read(self.path / "claims.json", ClaimsRecord)

    @property
    def runs(self) -> Path:
        """Where the run folders of the scenarios are."""
        return self.path / "runs"

    def run(self, folder: str) -> RunFolder:
        return RunFolder(self.path / folder)

    def write_summary(self, summary: ClaimsSummary) -> None:
        _write(self.path / "summary.json", to_json(summary))

    def write_text(self, name: str, text: str) -> Path:
        path = self.path / name
        _write(path, text.encode())
        return path


def point_latest(reports: Path, run: Path) -> None:
    """Let reports/latest lead to the newest run, where the file system has symbolic links."""
    link = reports / "latest"
    part = reports / f".latest.{os.getpid()}"
    try:
        part.symlink_to(os.path.relpath(run, reports), target_is_directory=True)
        part.replace(link)
    except OSError:
        part.unlink(missing_ok=True)


REDACTED = "(redacted)"
_SECRET = re.compile(r"(?i)(authorization|token|secret|password|passwd|api[_-]?key|cookie)")


def redact(env: Mapping[str, str]) -> dict[str, str]:
    """The mapping with the values of everything that sounds secret replaced."""
    return {name: REDACTED if _SECRET.search(name) else value for name, value in env.items()}
