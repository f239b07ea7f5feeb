"""Samples on disk: fixed-size binary records, and beside them the strings they name by number.

    samples-<worker>.bin      one RECORD per request, in the order the requests ended
    strings-<worker>.jsonl    ["endpoint", 3, ["GET", "/api/products/[id]"]]: written before any record that uses it

A process that is killed loses at most what is in the buffer (64 KiB, written out every 0.25 s as well); a record that
was cut off at the end is ignored by the reader.
"""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any

FIELDS = (
    # name, struct code, numpy type
    ("scheduled_ns", "q", "<i8"),
    ("sent_ns", "q", "<i8"),
    ("first_byte_ns", "q", "<i8"),
    ("done_ns", "q", "<i8"),
    ("origin_seq", "q", "<i8"),
    ("bytes", "q", "<i8"),
    ("send_lag_ns", "I", "<u4"),
    ("age_s", "i", "<i4"),
    ("key", "I", "<u4"),
    ("claim", "I", "<u4"),
    ("error", "I", "<u4"),
    ("user", "i", "<i4"),
    ("endpoint", "H", "<u2"),
    ("status", "H", "<u2"),
    ("port", "H", "<u2"),
    ("flags", "H", "<u2"),
)
RECORD = struct.Struct("<" + "".join(code for _, code, _ in FIELDS))

REUSED = 1
RETRIED = 2
"""Bits of `flags`."""

NONE = 0
UNKNOWN = 1
"""String numbers that are always there: no string; one too many to remember."""
MAX_STRINGS = 200_000
MAX_ENDPOINTS = 65_535
_BUFFER_BYTES = 65_536 // RECORD.size * RECORD.size
_U32 = 2**32 - 1


class StringTable:
    """Gives each distinct string a number. Beyond `limit`, all further ones are UNKNOWN."""

    def __init__(self, kind: str, limit: int, lines: list[bytes]) -> None:
        self._kind, self._limit, self._lines = kind, limit, lines
        self._numbers: dict[Any, int] = {None: NONE}

    def number(self, value: Any) -> int:
        known = self._numbers.get(value)
        if known is not None:
            return known
        number = len(self._numbers) + 1  # 0 and 1 have their meaning
        if number > self._limit:
            return UNKNOWN
        self._numbers[value] = number
        self._lines.append(json.dumps([self._kind, number, value]).encode() + b"\n")
        return number


class Recorder:
    """Writes the samples of one worker. `record` costs about a microsecond and a half."""

    def __init__(self, directory: Path, worker: int) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
        self._samples = os.open(directory / f"samples-{worker}.bin", flags, 0o644)
        self._strings = os.open(directory / f"strings-{worker}.jsonl", flags, 0o644)
        self._lines: list[bytes] = []
        self._endpoint = StringTable("endpoint", MAX_ENDPOINTS, self._lines).number
        self._key = StringTable("key", _U32, self._lines).number
        self._claim = StringTable("claim", MAX_STRINGS, self._lines).number
        self._error = StringTable("error", MAX_STRINGS, self._lines).number
        self._buffer = bytearray(_BUFFER_BYTES)
        self._used = 0
        self._pack = RECORD.pack_into
        self.recorded = 0

    def record(
        self,
        scheduled_ns: int,
        sent_ns: int,
        first_byte_ns: int,
        done_ns: int,
        send_lag_ns: int,
        endpoint: tuple[str, str],
        key: str,
        status: int,
        body_bytes: int,
        claim: str | None,
        age_s: int,
        origin_seq: int,
        user: int,
        port: int,
        flags: int,
        error: str | None,
    ) -> None:
        """One request has ended. Times are time.monotonic_ns(); `endpoint` is (method, name)."""
        used = self._used
        self._pack(
            self._buffer,
            used,
            scheduled_ns,
            sent_ns,
            first_byte_ns,
            done_ns,
            origin_seq,
            body_bytes,
            send_lag_ns if 0 <= send_lag_ns <= _U32 else (_U32 if send_lag_ns > 0 else 0),
            age_s,
            self._key(key),
            self._claim(claim),
            self._error(error),
            user,
            self._endpoint(endpoint),
            status,
            port,
            flags,
        )
        self._used = used + RECORD.size
        self.recorded += 1
        if self._used == _BUFFER_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand everything to the operating system: from here on it survives the end of this process."""
        if self._lines:
            _write_all(self._strings, b"".join(self._lines))
            self._lines.clear()
        if self._used:
            _write_all(self._samples, memoryview(self._buffer)[: self._used])
            self._used = 0

    def close(self) -> None:
        self.flush()
        os.close(self._samples)
        os.close(self._strings)


def _write_all(file: int, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
