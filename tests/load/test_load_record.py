"""Records written and read back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgebench.load import samples
from edgebench.load.record import MAX_STRINGS, RECORD, RETRIED, REUSED, UNKNOWN, Recorder, StringTable
from edgebench.store import SAMPLES

START_NS = 1_000_000
GET = ("GET", "/a/[id]")


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


def write_generator(directory: Path, begin: int, end: int) -> None:
    text = json.dumps({"measure_start_ns": begin, "measure_end_ns": end})
    (directory / "generator.json").write_text(text)


def test_what_is_recorded_is_read_back(tmp_path: Path) -> None:
    second, first = Recorder(tmp_path, 1), Recorder(tmp_path, 0)
    record(first, 2_000_000)
    record(first, 4_000_000, status=0, first_byte_ns=-1, claim=None, age_s=-1, origin_seq=-1, flags=0, error="read: x")
    record(second, 3_000_000, endpoint=("PUT", "b"), key="/b?é", claim="cache-status: a; what", flags=RETRIED)
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
        "reused_connection": True, "phase": "warm_up", "error": None,
    }  # fmt: skip
    assert [row["sent_ns"] for row in rows] == [1_000_000, 2_000_000, 3_000_000]
    assert [row["phase"] for row in rows] == ["warm_up", "measure", "warm_up"]
    assert [row["claim"] for row in rows] == ["hit", "unknown", "none"]
    assert [row["worker"] for row in rows] == [0, 1, 0]
    assert (rows[1]["method"], rows[1]["endpoint"], rows[1]["key"]) == ("PUT", "b", "/b?é")
    assert (rows[2]["first_byte_ns"], rows[2]["age_s"], rows[2]["origin_seq"]) == (-1, None, None)
    assert rows[2]["error"] == "read: x"
    assert samples.retried(tmp_path) == 1


def test_a_torn_record_and_a_torn_string_are_ignored(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, 0)
    for number in range(3):
        record(recorder, 2_000_000 + number)
    recorder.close()
    raw, strings = tmp_path / "samples-0.bin", tmp_path / "strings-0.jsonl"
    raw.write_bytes(raw.read_bytes()[: -RECORD.size // 2])
    strings.write_bytes(strings.read_bytes() + b'["key", 9, "/to')
    table = samples.read(tmp_path, START_NS)
    assert table.num_rows == 2
    assert set(table["phase"].to_pylist()) == {"warm_up"}  # no generator.json: nobody knows


def test_strings_are_on_disk_before_the_records_that_use_them(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, 0)
    for number in range(5000):  # more than a buffer
        record(recorder, 2_000_000 + number, key=f"/a/{number}")
    written = (tmp_path / "samples-0.bin").stat().st_size // RECORD.size
    assert 0 < written < 5000
    keys = samples.read(tmp_path, START_NS)["key"].to_pylist()
    assert keys == [f"/a/{number}" for number in range(written)]
    recorder.close()


def test_a_huge_send_lag_saturates(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, 0)
    record(recorder, 2_000_000, send_lag_ns=10**10)
    record(recorder, 2_000_001, send_lag_ns=-5)
    recorder.close()
    assert samples.read(tmp_path, START_NS)["send_lag_ns"].to_pylist() == [2**32 - 1, 0]


def test_strings_beyond_the_limit_are_unknown() -> None:
    lines: list[bytes] = []
    table = StringTable("claim", 5, lines)
    numbers = [table.number(f"v{number}") for number in range(10)]
    assert len(set(numbers)) == len(lines) + 1
    assert numbers[-1] == UNKNOWN
    assert table.number("v0") == numbers[0]
    assert MAX_STRINGS == 200_000


def test_an_empty_directory_gives_an_empty_table(tmp_path: Path) -> None:
    assert samples.read(tmp_path, 0).schema == SAMPLES
    Recorder(tmp_path, 0).close()
    assert samples.read(tmp_path, 0).num_rows == 0


def test_reading_samples_leaves_the_process_unpatched() -> None:
    import subprocess
    import sys

    code = "import sys, edgebench.load.samples; assert not {'gevent', 'locust'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_broken_generator_json_is_said(tmp_path: Path) -> None:
    from edgebench.errors import EdgebenchError

    (tmp_path / "generator.json").write_text("{")
    with pytest.raises(EdgebenchError, match="not JSON"):
        samples.read(tmp_path, 0)
