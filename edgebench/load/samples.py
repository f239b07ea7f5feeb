"""Raw records to the samples table of a trial, in bounded memory. Not imported while load is offered: it takes time.

`python -m edgebench.load.samples DIR` writes DIR/samples.parquet.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from edgebench.errors import EdgebenchError, UserError
from edgebench.load import record
from edgebench.load.cache_status import classify_recorded
from edgebench.load.raw_records import RawRecords, Strings, read_strings
from edgebench.load.record import ARRIVAL, DIGESTED, NO_USER, RETRIED, REUSED
from edgebench.load.texts import Codes, TextColumn
from edgebench.model import BEHIND, ClaimedOutcome, Phase
from edgebench.store import SAMPLES

BATCH_ROWS = 2**17
"""Rows converted at a time, and in a row group."""


@dataclass(frozen=True, slots=True)
class _Text:
    """A column of text: which of a record's numbers it is read from, and where in the value of that number it is."""

    field: str
    at: int
    none: str | None
    """The text of NONE."""
    unknown: str | None
    """Of UNKNOWN, and of a number that was never told."""


_TEXTS = {
    "method": _Text("endpoint", 0, None, "(unknown)"),
    "endpoint": _Text("endpoint", 1, None, "(unknown)"),
    "key": _Text("key", 0, None, "(unknown)"),
    "principal": _Text("key", 1, None, None),
    "accepts": _Text("key", 2, None, None),
    "claim": _Text("text", 0, str(ClaimedOutcome.NONE), str(ClaimedOutcome.UNKNOWN)),
    "error": _Text("text", 1, None, "unknown"),
    "encoding": _Text("text", 2, "", None),
    "language": _Text("text", 3, "", None),
}
_AGE = 4
"""Where the age is in the value of a text's number."""
_PHASES = pa.array([str(Phase.WARM_UP), str(Phase.MEASURE), str(Phase.ASIDE)])


def read_generator(directory: Path) -> dict[str, Any] | None:
    """generator.json; None where the generator did not live to write it."""
    try:
        value = json.loads((directory / "generator.json").read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise EdgebenchError(f"{directory / 'generator.json'}: not JSON ({error})") from None
    return value if isinstance(value, dict) else None


def read(directory: Path, start_monotonic_ns: int) -> pa.Table:
    """The samples of all workers in `directory` as store.SAMPLES, ordered by sent_ns; times since `start_monotonic_ns`.

    Times of a worker whose clock is not the master's are shifted by what generator.json says of it. A record that was
    cut off is ignored. Without generator.json nobody knows when the measurement began, and every sample counts as
    warm-up. A sample's phase is that of its scheduled time; what was due after the end is not measured either, nor what
    went past the cache.
    """
    batches = list(_Conversion(directory, start_monotonic_ns).batches())
    return pa.Table.from_batches(batches, SAMPLES).unify_dictionaries()


def write_parquet(directory: Path, path: Path, start_monotonic_ns: int) -> int:
    """Write what `read` would give as Parquet, a batch at a time; returns the number of rows.

    Takes about 20 bytes of memory per sample, and some 150 MB besides.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    rows = 0
    try:
        with pq.ParquetWriter(part, SAMPLES, compression="zstd") as writer:
            for batch in _Conversion(directory, start_monotonic_ns).batches():
                writer.write_batch(batch)
                rows += batch.num_rows
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return rows


def retried(directory: Path) -> int:
    """How many samples needed a second connection because the server had closed the first while it was idle."""
    return sum(
        int(np.count_nonzero(record.flags(rows) & RETRIED))
        for path in directory.glob("samples-*.bin")
        for rows in RawRecords(path).blocks()
    )


@dataclass(frozen=True, slots=True)
class _Clock:
    """How far a worker's clock is ahead of the master's: (worker's time, offset) in ns, at one instant or several."""

    points: tuple[tuple[int, int], ...] = ((0, 0),)

    def offset_ns(self, worker_ns: NDArray[np.int64]) -> NDArray[np.int64]:
        """At each of these times of the worker's clock; between two measurements on a straight line."""
        first_ns, first_offset_ns = self.points[0]
        if len(self.points) == 1:
            return np.full(len(worker_ns), first_offset_ns, dtype=np.int64)
        times = [at_ns - first_ns for at_ns, _ in self.points]
        drift = [offset_ns - first_offset_ns for _, offset_ns in self.points]
        return first_offset_ns + np.rint(np.interp(worker_ns - first_ns, times, drift)).astype(np.int64)


def _worker(path: Path) -> int:
    return int(path.stem.partition("-")[2])


class _Part:
    """What one worker recorded: its records, its clock, and what its numbers of strings mean in each text column."""

    def __init__(self, path: Path, clock: _Clock, columns: dict[str, TextColumn]) -> None:
        self.worker = _worker(path)
        self.records = RawRecords(path)
        self.clock = clock
        strings = read_strings(path.with_name(f"strings-{self.worker}.jsonl"))
        self.codes = {name: columns[name].learn(*_meanings(name, strings)) for name in _TEXTS}
        self.ages_s = Codes.of_numbers({number: text[_AGE] for number, text in strings["text"].items()})

    def sent_ns(self) -> NDArray[np.int64]:
        """By the master's clock."""
        sent, at = np.empty(len(self.records), dtype=np.int64), 0
        for rows in self.records.blocks():
            sent[at : at + len(rows)] = rows["sent_ns"] - self.clock.offset_ns(rows["sent_ns"])
            at += len(rows)
        return sent


class _Conversion:
    """The samples of one directory, in order."""

    def __init__(self, directory: Path, start_ns: int) -> None:
        generator = read_generator(directory) or {"measure_start_ns": -1, "measure_end_ns": -1}
        self._start_ns = start_ns
        self._begin_ns, self._end_ns = generator["measure_start_ns"], generator["measure_end_ns"]
        workers = generator.get("workers")
        clocks = {
            int(each["worker"]): _Clock(tuple((at, offset) for at, offset in each["clock_points"]))
            for each in (workers if isinstance(workers, list) else ())
        }
        self._columns = {name: TextColumn() for name in _TEXTS}
        paths = sorted((_worker(path), path) for path in directory.glob("samples-*.bin"))
        self._parts = [_Part(path, clocks.get(worker, _Clock()), self._columns) for worker, path in paths]

    def batches(self) -> Iterator[pa.RecordBatch]:
        if not self._parts:
            return
        order = np.argsort(np.concatenate([part.sent_ns() for part in self._parts]), kind="stable")
        ends = np.cumsum([len(part.records) for part in self._parts])
        for first in range(0, len(order), BATCH_ROWS):
            places = order[first : first + BATCH_ROWS]
            yield self._batch(places, np.searchsorted(ends, places, side="right"), ends)

    def _batch(self, places: NDArray[np.int64], part_of: NDArray[np.int64], ends: NDArray[np.int64]) -> pa.RecordBatch:
        rows = np.empty(len(places), dtype=record.DTYPE)
        offset = np.zeros(len(places), dtype=np.int64)
        worker = np.zeros(len(places), dtype=np.int16)
        age_s = np.empty(len(places), dtype=np.int32)
        codes = {name: np.empty(len(places), dtype=np.int32) for name in _TEXTS}
        for number in np.unique(part_of).tolist():
            part, chosen = self._parts[number], np.flatnonzero(part_of == number)
            found = part.records.at(places[chosen] - (ends[number] - len(part.records)))
            rows[chosen], worker[chosen] = found, part.worker
            offset[chosen] = part.clock.offset_ns(found["sent_ns"])
            age_s[chosen] = part.ages_s.of(found["text"])
            for name, column in _TEXTS.items():
                codes[name][chosen] = part.codes[name].of(found[column.field])
        aside = self._columns["endpoint"].beginning_with(BEHIND, codes["endpoint"])
        columns = self._arrays(rows, offset, worker, aside) | {"age_s": pa.array(age_s, mask=age_s < 0)}
        texts = {name: self._columns[name].array(codes[name]) for name in _TEXTS}
        return pa.record_batch(columns | texts).select(SAMPLES.names).cast(SAMPLES)

    def _arrays(
        self, rows: NDArray[np.void], offset: NDArray[np.int64], worker: NDArray[np.int16], aside: NDArray[np.bool_]
    ) -> dict[str, Any]:
        """All columns that need no strings."""
        scheduled, shift = rows["scheduled_ns"] - offset, offset + self._start_ns
        measured = (scheduled >= self._begin_ns) & (scheduled < self._end_ns)
        first_byte = record.first_byte_ns(rows)
        user = rows["user"].astype(np.int32)
        flags = record.flags(rows)
        return {
            "scheduled_ns": rows["scheduled_ns"] - shift,
            "sent_ns": rows["sent_ns"] - shift,
            "first_byte_ns": np.where(first_byte < 0, -1, first_byte - shift),
            "done_ns": rows["done_ns"] - shift,
            "send_lag_ns": rows["send_lag_ns"].astype(np.int64),
            "status": record.status(rows),
            "bytes": rows["bytes"].astype(np.int64),
            "origin_seq": pa.array(rows["origin_seq"], mask=rows["origin_seq"] < 0),
            "user": np.where(user == NO_USER, -1, user),
            "worker": worker,
            "port": rows["port"].astype(np.int32),
            "reused_connection": (flags & REUSED).astype(bool),
            "arrival": (flags & ARRIVAL).astype(bool),
            "digest": pa.array(rows["digest"].astype(np.int64), mask=(flags & DIGESTED) == 0),
            "phase": pa.DictionaryArray.from_arrays(np.where(aside, 2, measured).astype(np.int32), _PHASES),
        }


def _meanings(column: str, strings: Strings) -> tuple[dict[int, str | None], str | None, str | None]:
    """(text by number, text of NONE, text of UNKNOWN) of one worker's strings in one column."""
    known = _TEXTS[column]
    texts = {number: value[known.at] for number, value in strings[known.field].items()}
    if column == "claim":
        texts = {number: _claim(claim) for number, claim in texts.items()}
    return texts, known.none, known.unknown


def _claim(recorded: str | None) -> str:
    return str(ClaimedOutcome.NONE if recorded is None else classify_recorded(recorded).outcome)


def _main(words: list[str]) -> int:
    if len(words) != 1 or not Path(words[0]).is_dir():
        print("usage: python -m edgebench.load.samples DIR, as given to --record", file=sys.stderr)
        return 2
    directory = Path(words[0])
    generator = read_generator(directory)
    try:
        rows = write_parquet(directory, directory / "samples.parquet", generator["start_ns"] if generator else 0)
    except (OSError, pa.ArrowException, EdgebenchError) as error:
        print(f"{directory}: {error}", file=sys.stderr)
        return UserError.exit_code
    print(f"{rows:,} samples: {directory / 'samples.parquet'}")
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
