"""Samples as fixed-size binary records, and the strings they name by number. Where they go is for sinks to say.

A record is 64 bytes, as DTYPE says. Times are exact nanoseconds of the worker's own monotonic clock. Strings are
numbered by kind; the number of a string is told, as one JSON line, before the first record that uses it:

    ["endpoint", 2, ["GET", "/api/products/[id]"]]      method and name
    ["key", 2, "/api/products/7"]                       request target
    ["key", 3, ["/me", "1f0c…", "accept-language: de"]]  the same with principal and accepts, where not both are empty
    ["text", 2, ["x-cache-status: HIT", null, "gzip", "de", 7]]
                                                        what caches claimed (null: nothing), error (null: none),
                                                        encoding, language (empty: none), Age in seconds (-1: none)

Several numbers may stand for the same key.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from edgebench.load.answer import Response
from edgebench.load.head import Head
from edgebench.load.request import Key, Ready

_FIELDS = (
    # name, struct code, numpy type
    ("scheduled_ns", "q", "<i8"),
    ("sent_ns", "q", "<i8"),
    ("done_ns", "q", "<i8"),
    ("origin_seq", "q", "<i8"),  # -1: none
    ("digest", "I", "<u4"),  # CRC-32 of the body, with the flag DIGESTED; else nothing
    ("text", "I", "<u4"),
    ("first_byte", "I", "<u4"),  # see first_byte_ns
    ("bytes", "I", "<u4"),  # saturates
    ("send_lag_ns", "I", "<u4"),  # saturates
    ("key", "I", "<u4"),
    ("user", "H", "<u2"),  # saturates; NO_USER: nobody in particular
    ("endpoint", "H", "<u2"),
    ("status_flags", "H", "<u2"),  # status in the lower STATUS_BITS, flags above
    ("port", "H", "<u2"),
)
RECORD = struct.Struct("<" + "".join(code for _, code, _ in _FIELDS))
_pack_into = RECORD.pack_into
_pack_answer_into = struct.Struct("<qqq16sIIIIHHHH").pack_into
"""The same with what the head says (origin_seq, digest, text) packed before, by `packed`."""
_pack_says = struct.Struct("<qII").pack
_pack_u32 = struct.Struct("<I").pack
DTYPE = np.dtype([(name, kind) for name, _, kind in _FIELDS])
assert RECORD.size == DTYPE.itemsize == 64

STATUS_BITS = 10
STATUS_MASK = 2**STATUS_BITS - 1
REUSED = 1
RETRIED = 2
STORED = 4
TABLED = 8
DIGESTED = 16
ARRIVAL = 32
"""Bits of a sample's flags. STORED: the origin's stamp is older than the request. TABLED: Locust's table has it from
here (locust_stats.TableSink), not from Locust's request event. DIGESTED: its digest was taken. ARRIVAL: the schedule of
an open load brought it; others follow from an answer."""

NONE = 0
UNKNOWN = 1
"""String numbers that are always there: no string (for a text: no claim and no error); one too many to remember."""
NO_USER = 2**16 - 1
NO_FIRST_BYTE = 2**32 - 1
MAX_TEXTS = 200_000
MAX_AGED_TEXTS = 150_000
"""With so many, further texts forget their age, rather than that the rest be forgotten."""
MAX_ENDPOINTS = 65_535
KNOWN_KEYS = 500_000
"""How many keys a recorder remembers; further ones get numbers anew."""
BUFFER_BYTES = 4096 * RECORD.size
"""Handing a buffer on wakes a thread and makes Locust's table: dear, so not often; half a second is the limit."""
_LAST = BUFFER_BYTES - RECORD.size
_U32 = 2**32 - 1
_EXACT_NS = 2**31


class Sink(Protocol):
    """Where samples go. Called from the event loop: `write` must not wait for anything."""

    def write(self, records: memoryview, strings: Sequence[bytes]) -> None:
        """Whole records, never changed again: a sink may keep them. `strings`: new JSON lines, each with its newline,
        that these and later records use."""

    def close(self) -> None:
        """Nothing more will come. May wait until all that came is safe."""


class StringTable(dict[Any, int]):
    """Gives each distinct string a number: `table[string]`.

    Beyond `known` strings all are forgotten and get numbers anew, as long as there are numbers up to `last`; then all
    further ones are UNKNOWN.
    """

    def __init__(self, kind: str, last: int, lines: list[bytes], known: int = 2**32) -> None:
        super().__init__()
        self._kind, self._last, self._lines, self._known = kind, last, lines, known
        self._next = UNKNOWN + 1

    def __missing__(self, value: Any) -> int:
        number = self._next
        if number > self._last:
            return UNKNOWN
        if len(self) >= self._known:
            self.clear()
        self._next = number + 1
        self[value] = number
        self._lines.append(json.dumps([self._kind, number, value]).encode() + b"\n")
        return number


class TextTable(StringTable):
    """Of (claim, error, encoding, language, age_s)."""

    def __missing__(self, value: Any) -> int:
        if len(self) >= MAX_AGED_TEXTS and value[-1] >= 0:
            return self[(*value[:-1], -1)]
        return super().__missing__(value)


class Recorder:
    """Packs the samples of one worker into a buffer and hands that to the sinks. `record` takes about 0.7 µs."""

    def __init__(self, sinks: Sequence[Sink], failed: Callable[[OSError], None] | None = None) -> None:
        """`failed` is told what a sink could not do, once; without it the error is raised where it happens."""
        self._sinks = list(sinks)
        self._failed = failed
        self._lines: list[bytes] = []
        self._endpoints = StringTable("endpoint", MAX_ENDPOINTS, self._lines)
        self._keys = StringTable("key", _U32, self._lines, KNOWN_KEYS)
        self._texts = TextTable("text", MAX_TEXTS, self._lines)
        self._texts[None, None, "", "", -1] = NONE
        self._buffer = bytearray(BUFFER_BYTES)
        self._used = self._flushed = 0
        self._full = 0
        """Records in the buffers before this one."""

    @property
    def recorded(self) -> int:
        """How many samples so far."""
        return self._full + self._used // RECORD.size

    def record(
        self,
        scheduled_ns: int,
        sent_ns: int,
        first_byte_ns: int,
        done_ns: int,
        send_lag_ns: int,
        endpoint: tuple[str, str],
        key: Key,
        status: int,
        body_bytes: int,
        claim: str | None,
        age_s: int,
        origin_seq: int,
        user: int,
        port: int,
        flags: int,
        error: str | None,
        encoding: str = "",
        language: str = "",
    ) -> None:
        """One request has ended. Times are time.monotonic_ns(), -1 where there was no first byte; `endpoint` is
        (method, name); `status` is below 1024, 0 where there was no answer."""
        used = self._used
        first_byte = first_byte_ns - sent_ns
        _pack_into(
            self._buffer,
            used,
            scheduled_ns,
            sent_ns,
            done_ns,
            origin_seq,
            0,
            self._texts[claim, error, encoding, language, age_s],
            first_byte if 0 <= first_byte < _EXACT_NS else _first_byte(first_byte),
            body_bytes if body_bytes < _U32 else _U32,
            send_lag_ns if 0 <= send_lag_ns < _U32 else _U32 if send_lag_ns > 0 else 0,
            self._keys[key],
            user if 0 <= user < NO_USER else NO_USER if user < 0 else NO_USER - 1,
            self._endpoints[endpoint],
            status | flags << STATUS_BITS,
            port,
        )
        self._used = used + 64
        if used == _LAST:
            self._next_buffer()

    def numbers(self, method: str, name: str, key: Key) -> tuple[int, int]:
        """Of an endpoint and a key, for record_answer."""
        return self._endpoints[method, name], self._keys[key]

    def packed(self, says: Head) -> bytes:
        """What record_answer wants to have in `says.packed`."""
        text = self._texts[says.claim, None, says.encoding, says.language, says.age_s]
        return _pack_says(says.stamp[0], 0, text)

    def digest(self, says: Head, answer: Response) -> None:
        """Put the digest of the answer's body in `says.packed`, for record_answer with the flag DIGESTED; until an
        answer with other bytes comes, it stays right."""
        assert says.packed is not None
        says.digested = answer.data
        says.packed = says.packed[:8] + _pack_u32(zlib.crc32(answer.body)) + says.packed[12:]

    def record_answer(
        self,
        scheduled_ns: int,
        sent_ns: int,
        first_byte_ns: int,
        done_ns: int,
        send_lag_ns: int,
        asked: Ready,
        says: Head,
        body_bytes: int,
        user: int,
        port: int,
        flags: int,
    ) -> None:
        """`record` for a complete answer: strings are numbers, `says.packed` is set, `user` is below NO_USER."""
        used = self._used
        first_byte = first_byte_ns - sent_ns
        _pack_answer_into(
            self._buffer,
            used,
            scheduled_ns,
            sent_ns,
            done_ns,
            says.packed,
            first_byte if first_byte < _EXACT_NS else _first_byte(first_byte),
            body_bytes,
            send_lag_ns if send_lag_ns < _U32 else _U32,
            asked.key_number,
            user,
            asked.endpoint,
            says.status | flags << STATUS_BITS,
            port,
        )
        self._used = used + 64
        if used == _LAST:
            self._next_buffer()

    def flush(self) -> None:
        """Hand everything to the sinks."""
        if self._used == self._flushed and not self._lines:
            return
        records = memoryview(self._buffer)[self._flushed : self._used].toreadonly()
        strings = tuple(self._lines)
        self._lines.clear()
        self._flushed = self._used
        for sink in tuple(self._sinks):
            try:
                sink.write(records, strings)
            except OSError as error:
                self._give_up(sink, error)

    def close(self) -> None:
        self.flush()
        for sink in tuple(self._sinks):
            try:
                sink.close()
            except OSError as error:
                self._give_up(sink, error)

    def _give_up(self, sink: Sink, error: OSError) -> None:
        if self._failed is None:
            raise error
        self._sinks.remove(sink)
        self._failed(error)

    def _next_buffer(self) -> None:
        self.flush()
        self._full += BUFFER_BYTES // RECORD.size
        # A new one: sinks may keep what they were given.
        self._buffer = bytearray(BUFFER_BYTES)
        self._used = self._flushed = 0


def _first_byte(after_ns: int) -> int:
    """How a record keeps a first byte that came very late (in microseconds, saturating after 35 min) or never."""
    return NO_FIRST_BYTE if after_ns < 0 else min(_EXACT_NS + after_ns // 1000, NO_FIRST_BYTE - 1)


def first_byte_ns(records: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """When the first bytes came, by the clock of `records` (of DTYPE); -1: never. Exact up to 2.1 s after sending."""
    kept = records["first_byte"].astype(np.int64)
    after = np.where(kept < _EXACT_NS, kept, (kept - _EXACT_NS) * 1000)
    return np.where(kept == NO_FIRST_BYTE, -1, records["sent_ns"] + after)


def status(records: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.int16]]:
    """HTTP status of each of `records`; 0: no answer."""
    statuses: np.ndarray[Any, np.dtype[np.int16]] = (records["status_flags"] & STATUS_MASK).astype(np.int16)
    return statuses


def flags(records: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.uint16]]:
    """REUSED, RETRIED, STORED, TABLED, DIGESTED and ARRIVAL of each of `records`."""
    return records["status_flags"] >> np.uint16(STATUS_BITS)
