"""Recorded times to offer again: from a text file, an access log, or the samples of an earlier run.

Text: one time in seconds per line, the first column counts (separated by comma, semicolon or white space), the first
line may be a header. Access log: any line that has `[day/Mon/year:hour:minute:second zone]`, as nginx and Apache write
it; its requests are spread over their second at random (seeded), as those of a Poisson process of which only the count
is known are. Parquet: the column `scheduled_ns` of a samples.parquet.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import UserError

MAX_SPAN_S = 366 * 86_400.0
MAX_RATE_RPS = 1_000_000.0

_STAMP = re.compile(r"\[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\]")
_FIRST_COLUMN = re.compile(r"\s*[\"']?([^\s,;\"']*)")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SHOWN = 60


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """Times of one round, ascending from 0 on, and when the next round begins."""

    times_ns: NDArray[np.int64]
    period_ns: int

    @property
    def rate_rps(self) -> float:
        """Mean rate, with the gap between two rounds."""
        return 1e9 * len(self.times_ns) / self.period_ns


def read(path: Path, speed: float, seed: int) -> Replay:
    """The recorded times of a file, `speed` times as fast. UserError where there are none that could be offered.

    Times count from the first. The next round begins one mean gap after the last; an access log's, when the last second
    is over. A file is read once, however often it is asked for.
    """
    try:
        about = path.stat()
        replay = _read(path, about.st_mtime_ns, about.st_size, seed)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; expected a file of recorded times") from None
    period_ns = round(replay.period_ns / speed)
    _check_span(path, period_ns / 1e9)
    scaled = replay if speed == 1 else Replay(np.rint(replay.times_ns / speed).astype(np.int64), period_ns)
    if scaled.rate_rps > MAX_RATE_RPS:
        raise UserError(f"{path}: {scaled.rate_rps:,.0f} requests/s, more than {MAX_RATE_RPS:,.0f}; replay it slower")
    return scaled


def _check_span(path: Path, span_s: float) -> None:
    if span_s > MAX_SPAN_S:
        raise UserError(f"{path}: spans {span_s / 86_400:,.0f} days, more than a year; are its times seconds?")


@lru_cache(maxsize=1)
def _read(path: Path, changed_ns: int, size: int, seed: int) -> Replay:
    if path.suffix == ".parquet":
        return _of_times(path, _scheduled_ns(path))
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        lines: Iterator[tuple[int, str]] = ((number, line) for number, line in enumerate(file, 1) if not line.isspace())
        first = next(lines, None)
        if first is None:
            raise UserError(f"{path}: empty; expected one time in seconds per line")
        lines = chain((first,), lines)
        if _STAMP.search(first[1]):
            return _of_seconds(path, np.fromiter(_logged_s(path, lines), np.int64), seed)
        times_s = np.fromiter(_column_s(path, lines), np.float64)
    _check_span(path, float(np.ptp(times_s)) if len(times_s) else 0.0)
    return _of_times(path, np.rint((times_s - times_s[:1]) * 1e9).astype(np.int64))


def _of_times(path: Path, times_ns: NDArray[np.int64]) -> Replay:
    count = len(times_ns)
    if count < 2 or times_ns[-1] == times_ns[0]:
        raise UserError(f"{path}: expected at least two different times, got {'one' if count else 'none'}")
    times_ns = times_ns - times_ns[0]
    span_ns = int(times_ns[-1])
    return Replay(times_ns, span_ns + round(span_ns / (count - 1)))


def _of_seconds(path: Path, seconds: NDArray[np.int64], seed: int) -> Replay:
    """Whole seconds in any order: Apache writes when a request began, in the order in which they ended."""
    _check_span(path, float(np.ptp(seconds)))
    rng = np.random.default_rng(np.random.SeedSequence([seed, *b"replay"]))
    begin, end = int(seconds.min()), int(seconds.max()) + 1
    times_s = np.sort(seconds - begin + rng.random(len(seconds)))
    return Replay((times_s * 1e9).astype(np.int64), (end - begin) * 1_000_000_000)


def _column_s(path: Path, lines: Iterable[tuple[int, str]]) -> Iterator[float]:
    """The first column of each line."""
    last_s, header = 0.0, True
    for number, line in lines:
        found = _FIRST_COLUMN.match(line)
        text = found[1] if found else ""
        try:
            time_s = float(text)
        except ValueError:
            time_s = math.nan
        if header and math.isnan(time_s):
            header = False
            continue
        header = False
        if not 0 <= time_s < math.inf:
            raise UserError(f"{path}:{number}: expected a time of 0 seconds or more, got {_shown(text)}")
        if time_s < last_s:
            raise UserError(f"{path}:{number}: expected ascending times, got {time_s:.16g} after {last_s:.16g}")
        last_s = time_s
        yield time_s


def _logged_s(path: Path, lines: Iterable[tuple[int, str]]) -> Iterator[int]:
    """The second of each line of an access log."""
    stamp, time_s = "", 0
    for number, line in lines:
        found = _STAMP.search(line)
        if found is None:
            raise UserError(f"{path}:{number}: expected [day/Mon/year:time zone], got {_shown(line.strip())}")
        if found[1] != stamp:
            stamp = found[1]
            try:
                time_s = _epoch_s(stamp)
            except ValueError:
                raise UserError(f"{path}:{number}: no such time: [{stamp}]") from None
        yield time_s


def _epoch_s(stamp: str) -> int:
    """`05/Mar/2024:11:59:59 +0100`; not by strptime, whose months are those of the user's language."""
    day, month, year = stamp[:2], 1 + _MONTHS.index(stamp[3:6]), stamp[7:11]
    return int(datetime.fromisoformat(f"{year}-{month:02}-{day}T{stamp[12:20]}{stamp[21:]}").timestamp())


def _scheduled_ns(path: Path) -> NDArray[np.int64]:
    import pyarrow.parquet as pq  # takes its time, which only a replay of samples has to spend

    try:
        with pq.ParquetFile(path) as file:
            if "scheduled_ns" not in file.schema_arrow.names:
                raise UserError(f"{path}: has no column scheduled_ns; expected the samples.parquet of an earlier run")
            column = file.read(columns=["scheduled_ns"], use_threads=False)["scheduled_ns"]
            times_ns: NDArray[np.int64] = np.sort(column.to_numpy().astype(np.int64))
    except ValueError as error:
        raise UserError(f"{path}: not readable as Parquet ({str(error).splitlines()[0]})") from None
    return times_ns


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")
