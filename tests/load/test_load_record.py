"""Samples recorded, kept and read back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.errors import EdgebenchError
from edgebench.load import samples
from edgebench.load.answer import Response
from edgebench.load.head import HeadReader
from edgebench.load.record import ARRIVAL, DIGESTED, DTYPE, RECORD, RETRIED, REUSED, UNKNOWN, Recorder, StringTable
from edgebench.load.request import Ready
from edgebench.load.sample_files import FileSink, SampleFiles
from edgebench.store import SAMPLES

START_NS = 1_000_000
GET = ("GET", "/a/[id]")


@dataclass
class Kept:
    """A sink that keeps what it is given."""

    records: list[memoryview] = field(default_factory=list)
    strings: list[bytes] = field(default_factory=list)
    closed: bool = False

    def write(self, records: memoryview, strings: Sequence[bytes]) -> None:
        self.records.append(records)
        self.strings.extend(strings)

    def close(self) -> None:
        self.closed = True

    def rows(self) -> np.ndarray:
        return np.frombuffer(b"".join(self.records), DTYPE)


def to_files(directory: Path, worker: int = 0) -> Recorder:
    return Recorder([FileSink(directory, worker)])


def record(recorder: Recorder, sent_ns: int, **changed: object) -> None:
    values: dict[str, object] = {
        "scheduled_ns": sent_ns - 10,
        "sent_ns": sent_ns,
        "first_byte_ns": sent_ns + 20,
        "done_ns": sent_ns + 30,
        "send_lag_ns": 4,
        "endpoint": GET,
        "key": "/a/1",
        "status": 200,
        "body_bytes": 5,
        "claim": "x-cache-status: HIT",
        "age_s": 3,
        "origin_seq": 12,
        "user": 1,
        "port": 4711,
        "flags": REUSED,
        "error": None,
    }
    recorder.record(**(values | changed))  # type: ignore[arg-type]


def write_generator(directory: Path, begin: int, end: int, **more: object) -> None:
    text = json.dumps({"start_ns": 0, "measure_start_ns": begin, "measure_end_ns": end, **more})
    (directory / "generator.json").write_text(text)


def test_what_is_recorded_is_read_back(tmp_path: Path) -> None:
    second, first = to_files(tmp_path, 1), to_files(tmp_path, 0)
    record(first, 2_000_000)
    record(first, 4_000_000, status=0, first_byte_ns=-1, claim=None, age_s=-1, origin_seq=-1, flags=0, error="read: x")
    key, variant = ("/b?é", "1f0c", "accept-language: de"), {"encoding": "gzip", "language": "de, en"}
    record(
        second,
        3_000_000,
        endpoint=("PUT", "b"),
        key=key,
        claim="cache-status: a; what",
        flags=RETRIED | ARRIVAL,
        **variant,
    )
    first.close()
    second.close()
    write_generator(tmp_path, 2_000_000, 3_500_000)

    table = samples.read(tmp_path, START_NS)

    assert table.schema == SAMPLES
    rows = table.to_pylist()
    assert rows[0] == {
        "scheduled_ns": 999_990, "sent_ns": 1_000_000, "first_byte_ns": 1_000_020, "done_ns": 1_000_030,
        "send_lag_ns": 4, "method": "GET", "endpoint": "/a/[id]", "key": "/a/1", "status": 200, "bytes": 5,
        "claim": "hit", "age_s": 3, "origin_seq": 12, "user": 1, "worker": 0, "port": 4711,
        "reused_connection": True, "arrival": False, "phase": "warm_up", "error": None,
        "principal": "", "accepts": "", "encoding": "", "language": "", "digest": None,
    }  # fmt: skip
    assert [row["sent_ns"] for row in rows] == [1_000_000, 2_000_000, 3_000_000]
    assert [row["phase"] for row in rows] == ["warm_up", "measure", "warm_up"]
    assert [row["claim"] for row in rows] == ["hit", "unknown", "none"]
    assert [row["worker"] for row in rows] == [0, 1, 0]
    assert [row["arrival"] for row in rows] == [False, True, False]
    assert (rows[1]["method"], rows[1]["endpoint"], rows[1]["key"]) == ("PUT", "b", "/b?é")
    assert (rows[2]["first_byte_ns"], rows[2]["age_s"], rows[2]["origin_seq"]) == (-1, None, None)
    assert rows[2]["error"] == "read: x"
    assert [(row["principal"], row["accepts"]) for row in rows] == [("", ""), ("1f0c", "accept-language: de"), ("", "")]
    assert [(row["encoding"], row["language"]) for row in rows] == [("", ""), ("gzip", "de, en"), ("", "")]
    assert samples.retried(tmp_path) == 1


def test_a_sample_takes_64_bytes_and_no_more(tmp_path: Path) -> None:
    kept = Kept()
    recorder = Recorder([kept])
    for number in range(3000):
        record(recorder, 2_000_000 + number)
    recorder.close()
    assert recorder.recorded == 3000
    assert sum(map(len, kept.records)) == 3000 * 64
    assert len(kept.strings) == 3  # one of each kind
    assert kept.closed


def test_what_a_sink_was_given_never_changes() -> None:
    kept = Kept()
    recorder = Recorder([kept])
    expected: list[bytes] = []
    for number in range(2500):
        record(recorder, 2_000_000 + number, key=f"/a/{number}")
        if number % 300 == 0:
            recorder.flush()
        if len(kept.records) > len(expected):
            expected.extend(bytes(given) for given in kept.records[len(expected) :])
    recorder.close()
    assert [bytes(given) for given in kept.records[: len(expected)]] == expected
    assert all(given.readonly for given in kept.records)
    assert kept.rows()["sent_ns"].tolist() == [2_000_000 + number for number in range(2500)]


@pytest.mark.parametrize("late_ns", [0, 1, 2**31 - 1, 2**31, 2**31 + 999_999, 60 * 10**9, 3000 * 10**9])
def test_a_first_byte_is_exact_for_two_seconds_and_to_the_microsecond_for_half_an_hour(
    tmp_path: Path, late_ns: int
) -> None:
    recorder = to_files(tmp_path)
    sent_ns = 10**18 + 7
    record(recorder, sent_ns, first_byte_ns=sent_ns + late_ns, done_ns=sent_ns + late_ns + 1)
    recorder.close()
    (row,) = samples.read(tmp_path, 0).to_pylist()
    assert row["done_ns"] - row["sent_ns"] == late_ns + 1
    kept_ns = row["first_byte_ns"] - row["sent_ns"]
    if late_ns < 2**31:
        assert kept_ns == late_ns
    elif late_ns < 2**31 * 1000:
        assert late_ns - 1000 < kept_ns <= late_ns
    else:
        assert kept_ns == (2**31 - 2) * 1000


def test_numbers_too_large_for_their_place_saturate(tmp_path: Path) -> None:
    recorder = to_files(tmp_path)
    record(recorder, 2_000_000, send_lag_ns=10**10, body_bytes=10**12, user=70_000)
    record(recorder, 2_000_001, send_lag_ns=-5, body_bytes=0, user=-1)
    record(recorder, 2_000_002, status=999, flags=REUSED | RETRIED)
    recorder.close()
    rows = samples.read(tmp_path, START_NS).to_pylist()
    assert [row["send_lag_ns"] for row in rows] == [2**32 - 1, 0, 4]
    assert [row["bytes"] for row in rows] == [2**32 - 1, 0, 5]
    assert [row["user"] for row in rows] == [65_534, -1, 1]
    assert (rows[2]["status"], rows[2]["reused_connection"], samples.retried(tmp_path)) == (999, True, 1)


def test_a_torn_record_and_a_torn_string_are_ignored(tmp_path: Path) -> None:
    recorder = to_files(tmp_path)
    for number in range(3):
        record(recorder, 2_000_000 + number)
    recorder.close()
    raw, strings = tmp_path / "samples-0.bin", tmp_path / "strings-0.jsonl"
    raw.write_bytes(raw.read_bytes()[: -RECORD.size // 2])
    strings.write_bytes(strings.read_bytes() + b'["key", 9, "/to')
    table = samples.read(tmp_path, START_NS)
    assert table.num_rows == 2
    assert set(table["phase"].to_pylist()) == {"warm_up"}  # no generator.json: nobody knows


def test_strings_come_with_the_records_that_use_them_or_before() -> None:
    kept = Kept()
    recorder = Recorder([kept])
    for number in range(3000):
        record(recorder, 2_000_000 + number, key=f"/a/{number}")
        told = {json.loads(line)[1] for line in kept.strings if b'"key"' in line}
        if kept.records:
            assert set(np.frombuffer(kept.records[-1], DTYPE)["key"].tolist()) <= told


def test_a_full_disk_is_said_and_no_half_record_is_followed_by_another(tmp_path: Path) -> None:
    import resource

    files = SampleFiles(tmp_path, 0)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            files.write(memoryview(bytes(128)), ())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with pytest.raises(OSError, match="too large"):
        files.write(memoryview(bytes(128)), ())
    files.close()
    assert (tmp_path / "samples-0.bin").stat().st_size == 100
    assert samples.read(tmp_path, 0).num_rows == 1


def test_a_disk_that_stalls_does_not_hold_up_who_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    goes_on, write = threading.Event(), os.write

    def stalled(file: int, data: memoryview) -> int:
        goes_on.wait()
        return write(file, data)

    monkeypatch.setattr("edgebench.load.sample_files.os.write", stalled)
    recorder = to_files(tmp_path)
    for number in range(3000):
        record(recorder, 2_000_000 + number)
    recorder.flush()  # written by this thread, it would never come back
    goes_on.set()
    recorder.close()
    assert samples.read(tmp_path, 0).num_rows == 3000


def test_texts_beyond_the_limit_are_unknown_and_keys_are_told_anew() -> None:
    lines: list[bytes] = []
    table = StringTable("text", 5, lines)
    numbers = [table[f"v{number}"] for number in range(10)]
    assert numbers == [2, 3, 4, 5, *[UNKNOWN] * 6]
    assert len(lines) == 4
    assert table["v0"] == 2
    lines.clear()
    forgetful = StringTable("key", 100, lines, known=3)
    numbers = [forgetful[f"v{number % 4}"] for number in range(40)]
    meant = {number: value for _, number, value in map(json.loads, lines)}
    assert [meant[number] for number in numbers] == [f"v{number % 4}" for number in range(40)]
    assert len(forgetful) <= 3


def test_texts_forget_their_age_before_the_rest_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgebench.load.record.MAX_AGED_TEXTS", 6)
    monkeypatch.setattr("edgebench.load.record.MAX_TEXTS", 8)
    recorder = to_files(tmp_path)
    for age_s in range(20):
        record(recorder, 2_000_000 + age_s, age_s=age_s, encoding="br")
    for place, encoding in enumerate("abcd"):  # there is room for one more
        record(recorder, 3_000_000 + place, age_s=3, encoding=encoding)
    recorder.close()
    rows = samples.read(tmp_path, START_NS).to_pylist()
    assert [row["age_s"] for row in rows] == [0, 1, 2, 3, 4, *[None] * 19]
    assert [row["encoding"] for row in rows] == [*["br"] * 20, "a", None, None, None]
    assert [row["claim"] for row in rows] == [*["hit"] * 21, *["unknown"] * 3]
    assert [row["error"] for row in rows[:21]] == [None] * 21


WORDS = st.sampled_from(("", "a", "b\n", 'ü"'))
KEYS = st.sampled_from(("/a", "/b")) | st.tuples(st.sampled_from(("/a", "/b")), st.none() | WORDS, st.none() | WORDS)
ANSWERS = st.fixed_dictionaries({
    "key": KEYS, "encoding": WORDS, "language": WORDS, "age_s": st.integers(-1, 2) | st.just(2**31 - 1),
    "claim": st.sampled_from((None, "x-cache-status: HIT", "x-cache-status: MISS")), "error": st.none() | WORDS,
})  # fmt: skip


@given(st.lists(ANSWERS, max_size=40), st.integers(1, 3))
def test_every_string_is_read_back_for_the_sample_it_was_given_with(answers: list[dict[str, Any]], known: int) -> None:
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr("edgebench.load.record.KNOWN_KEYS", known)
        recorders = [Recorder([SampleFiles(Path(name), worker)]) for worker in range(2)]
        for number, answer in enumerate(answers):
            record(recorders[number % 2], 2_000_000 + number, **answer)
        for recorder in recorders:
            recorder.close()
        rows = samples.read(Path(name), 0).to_pylist()
    outcomes = {None: "none", "x-cache-status: HIT": "hit", "x-cache-status: MISS": "miss"}
    for row, answer in zip(rows, answers, strict=True):
        key, principal, accepts = (answer["key"], "", "") if isinstance(answer["key"], str) else answer["key"]
        truth = {
            "key": key, "principal": principal, "accepts": accepts, "encoding": answer["encoding"],
            "language": answer["language"], "age_s": answer["age_s"] if answer["age_s"] >= 0 else None,
            "claim": outcomes[answer["claim"]], "error": answer["error"],
        }  # fmt: skip
        assert {name: row[name] for name in truth} == truth


ANSWER_HEADS = st.builds(
    lambda seq, fields: (seq, f"HTTP/1.1 200 OK\r\nEdgebench-Origin: seq={seq};t=1\r\n" + "".join(fields) + "\r\n"),
    st.integers(0, 2**40),
    st.lists(st.sampled_from(("Age: 7\r\n", "Content-Encoding: br\r\n", "Content-Language: de\r\n")), unique=True),
)


@given(st.lists(st.tuples(ANSWER_HEADS, st.none() | st.binary(max_size=9)), max_size=20))
def test_an_answer_is_recorded_with_what_its_head_says_and_the_digest_of_its_own_body(
    answers: list[tuple[tuple[int, str], bytes | None]],
) -> None:
    with TemporaryDirectory() as name:
        recorder, reader = Recorder([SampleFiles(Path(name), 0)]), HeadReader()
        asked = Ready("GET", "/a", "", "/a", b"", recorder.numbers("GET", "/a", "/a"))
        for number, ((_, head), body) in enumerate(answers):
            says = reader.read(head.encode())
            says.packed = recorder.packed(says)
            if body is not None:
                recorder.digest(says, Response(says, head.encode(), head.encode() + body, len(head)))
            recorder.record_answer(0, number, number, number, 0, asked, says, 5, 1, 1, DIGESTED * (body is not None))
        recorder.close()
        rows = samples.read(Path(name), 0).to_pylist()
    for row, ((seq, head), body) in zip(rows, answers, strict=True):
        assert (row["origin_seq"], row["digest"]) == (seq, None if body is None else zlib.crc32(body))
        assert (row["age_s"], row["encoding"], row["language"]) == (
            7 if "Age" in head else None,
            "br" if "br" in head else "",
            "de" if "de" in head else "",
        )


def test_an_empty_directory_gives_an_empty_table(tmp_path: Path) -> None:
    assert samples.read(tmp_path, 0).schema == SAMPLES
    to_files(tmp_path).close()
    assert samples.read(tmp_path, 0).num_rows == 0
    assert samples.write_parquet(tmp_path, tmp_path / "samples.parquet", 0) == 0
    assert pq.read_table(tmp_path / "samples.parquet").schema == SAMPLES


def test_parquet_in_batches_is_the_table_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    sent = rng.permutation(np.arange(5000) * 7 + 10**9).tolist()
    recorders = [to_files(tmp_path, worker) for worker in range(3)]
    for number, sent_ns in enumerate(sent):
        endpoint = ("GET", f"/e/{number % 11}")
        record(recorders[number % 3], sent_ns, key=f"/k/{number % 501}", endpoint=endpoint, origin_seq=number)
    for recorder in recorders:
        recorder.close()
    whole = samples.read(tmp_path, START_NS).to_pylist()
    assert [row["sent_ns"] for row in whole] == sorted(sent_ns - START_NS for sent_ns in sent)
    for row in whole:
        number = row["origin_seq"]
        expected = (sent[number] - START_NS, f"/k/{number % 501}", f"/e/{number % 11}", number % 3)
        assert (row["sent_ns"], row["key"], row["endpoint"], row["worker"]) == expected

    monkeypatch.setattr(samples, "BATCH_ROWS", 640)
    assert samples.write_parquet(tmp_path, tmp_path / "samples.parquet", START_NS) == 5000
    file = pq.ParquetFile(tmp_path / "samples.parquet")
    assert file.num_row_groups == 8
    assert file.read().cast(SAMPLES).to_pylist() == whole
    assert file.read().to_pandas()["key"].astype(str).tolist() == [row["key"] for row in whole]


def test_a_worker_with_another_clock_is_shifted_onto_the_masters(tmp_path: Path) -> None:
    ahead_ns, drift_ns = 5_000_000_000_000, 1000
    recorder = to_files(tmp_path, 1)
    for sent_ns in (10**9, 2 * 10**9, 3 * 10**9):
        record(recorder, sent_ns + ahead_ns)
    recorder.close()
    points = [[10**9 + ahead_ns, ahead_ns], [3 * 10**9 + ahead_ns, ahead_ns + drift_ns]]
    write_generator(tmp_path, 15 * 10**8, 25 * 10**8, workers=[{"worker": 1, "clock_points": points}])
    rows = samples.read(tmp_path, 0).to_pylist()
    assert [row["sent_ns"] for row in rows] == [10**9, 2 * 10**9 - drift_ns // 2, 3 * 10**9 - drift_ns]
    assert [row["done_ns"] - row["scheduled_ns"] for row in rows] == [40, 40, 40]
    assert [row["first_byte_ns"] - row["sent_ns"] for row in rows] == [20, 20, 20]
    assert [row["phase"] for row in rows] == ["warm_up", "measure", "warm_up"]


def test_reading_samples_leaves_the_process_unpatched() -> None:
    code = "import sys, edgebench.load.samples; assert not {'gevent', 'locust'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_recording_does_not_import_pyarrow() -> None:
    code = "import sys, edgebench.load.record, edgebench.load.sample_files; assert 'pyarrow' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_broken_generator_json_is_said(tmp_path: Path) -> None:
    (tmp_path / "generator.json").write_text("{")
    with pytest.raises(EdgebenchError, match="not JSON"):
        samples.read(tmp_path, 0)
