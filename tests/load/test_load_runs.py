"""Whole runs against servers that say what they saw."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from time import monotonic_ns

import pytest

from tests.load.runs import READER, run, run_until
from tests.load.server import CLOSE, Seen, Server, ok, serving, stamped


def test_open_loop_records_every_request_once_and_ends_by_itself(tmp_path: Path) -> None:
    with serving(stamped) as server:
        result = run(tmp_path, server.url, "--rate", "300", "--warm-up-max", "4", "--measure", "1")
    assert result.code == 0, result.output
    rows, generator = result.rows, result.generator
    assert Counter(row["key"] for row in rows) == Counter(server.targets())
    assert {row["origin_seq"] for row in rows} == {seen.at_ns for seen in server.seen}
    for row in rows:
        assert row["scheduled_ns"] <= row["sent_ns"] <= row["first_byte_ns"] <= row["done_ns"]
        assert row["error"] is None
    assert {row["endpoint"] for row in rows} == {"/p/[id]", "/l?page"}
    assert generator["warm_up_end"] == "steady"
    assert generator["model"] == "open"
    assert generator["complete"] is True
    assert generator["scheduled"] == generator["sent"] == len(rows)
    measured = [row for row in rows if row["phase"] == "measure"]
    assert generator["measure_end_ns"] - generator["measure_start_ns"] == 1_000_000_000
    assert 300 - 70 < len(measured) < 300 + 70  # Poisson: four deviations
    assert all(generator["measure_start_ns"] <= row["scheduled_ns"] < generator["measure_end_ns"] for row in measured)
    assert "uncaught" not in result.output.lower()
    assert server.connections == 8


TELLING = """
import json
from locust import events

@events.quitting.add_listener
def on_quitting(environment, **_):
    stats = environment.stats
    table = {entry.name: vars(entry) for entry in (stats.total, *stats.entries.values())}
    print("table", json.dumps(table, default=lambda other: None), flush=True)
"""
LISTENING = """
heard = []

@events.request.add_listener
def on_request(name, response_time, response_length, exception, **_):
    heard.append(exception is not None)

@events.quit.add_listener
def on_quit(**_):
    print("heard", len(heard), sum(heard), flush=True)
"""


@pytest.mark.parametrize("rate", ["0", "400"])
@pytest.mark.parametrize("listened", [False, True])
def test_locusts_table_and_its_listeners_have_every_request(tmp_path: Path, rate: str, listened: bool) -> None:
    def now_and_then_missing(seen: Seen) -> bytes:
        return ok(b"12345") if seen.number % 7 else ok(b"no", status="404 Not Found")

    with serving(now_and_then_missing) as server:
        options = ("--rate", rate, "--warm-up-max", "1", "--measure", "1")
        result = run(tmp_path, server.url, *options, locustfile=READER + TELLING + LISTENING * listened)
    rows = result.rows
    [told] = [line for line in result.output.splitlines() if line.startswith("table ")]
    table = json.loads(told.removeprefix("table "))
    for name, of in (("/p/[id]", "/p/[id]"), ("/l?page", "/l?page"), ("Aggregated", "")):
        mine = [row for row in rows if of in row["endpoint"]]
        took_ms = [(row["done_ns"] - row["scheduled_ns"]) / 1e6 for row in mine]
        line = table[name]
        assert line["num_requests"] == sum(line["response_times"].values()) == len(mine)
        assert line["num_failures"] == sum(row["status"] == 404 for row in mine) > 0
        assert line["total_content_length"] == sum(row["bytes"] for row in mine)
        assert line["min_response_time"] == pytest.approx(min(took_ms))
        assert line["max_response_time"] == pytest.approx(max(took_ms))
        assert line["total_response_time"] == pytest.approx(sum(took_ms))
    if listened:
        failed = sum(row["status"] == 404 for row in rows)
        assert f"heard {len(rows)} {failed}" in result.output


def test_the_sequence_does_not_depend_on_the_server(tmp_path: Path) -> None:
    sequences = []
    for number, delay_s in enumerate((0.0, 0.03)):

        def slow(seen: Seen, delay_s: float = delay_s) -> bytes:
            time.sleep(delay_s * (seen.at_ns % 3) / 2)
            return ok()

        directory = tmp_path / str(number)
        directory.mkdir()
        with serving(slow) as server:
            result = run(directory, server.url, "--rate", "400", "--measure", "1", "--seed", "5")
        start_ns = result.generator["start_ns"]
        rows = sorted(result.rows, key=lambda row: row["scheduled_ns"])
        sequences.append([(row["scheduled_ns"] - start_ns, row["endpoint"], row["key"]) for row in rows])
    assert len(sequences[0]) > 300
    assert sequences[0] == sequences[1]


def test_a_stall_shows_in_latency_from_schedule_and_not_in_send_lag(tmp_path: Path) -> None:
    stall_s, gate = 0.5, threading.Lock()

    def freezing(seen: Seen) -> bytes:
        with gate:
            if len(server.seen) >= 200 and not stalled:
                stalled.append(monotonic_ns())
                time.sleep(stall_s)
        return ok()

    stalled: list[int] = []
    with serving(freezing) as server:
        result = run(tmp_path, server.url, "--rate", "400", "--arrivals", "constant", "--measure", "2", "--spin")
    begin = stalled[0]
    caught = [row for row in result.rows if begin + 5e6 < row["scheduled_ns"] < begin + stall_s * 1e9]
    assert len(caught) > 150
    # Whatever was due during the stall waited for its end, in the server's queue or in ours.
    assert all(row["done_ns"] >= begin + stall_s * 1e9 for row in caught)
    service = [row["done_ns"] - row["sent_ns"] for row in caught]
    assert sum(time_ns > 0.1e9 for time_ns in service) <= 8  # only the connections that were stuck
    lags = sorted(row["send_lag_ns"] for row in result.rows)
    assert lags[len(lags) * 9 // 10] < 0.1e9


@pytest.mark.parametrize("rate", ["200", "0"])
def test_broken_answers_are_error_rows(tmp_path: Path, rate: str) -> None:
    replies = {
        "/garbage": b"\x16\x03\x01 what\r\n\r\n" + CLOSE,
        "/cut": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf" + CLOSE,
        "/folded": b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n",
        "/more": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nmore",
        "/500": ok(b"no", status="500 Internal Server Error"),
        "/chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "/to-end": b"HTTP/1.1 200 OK\r\n\r\nuntil the end" + CLOSE,
        "/close": ok(b"bye", "Connection: close") + CLOSE,
    }
    locustfile = """
import random
from edgebench.load import EdgeUser
from locust import task
class Reader(EdgeUser):
    @task
    def any(self) -> None:
        self.client.get(random.choice([%s]))
""" % ", ".join(repr(path) for path in replies)  # noqa: UP031

    with serving(lambda seen: replies[seen.target]) as server:
        result = run(tmp_path, server.url, "--rate", rate, "--measure", "0.6", locustfile=locustfile)
    assert result.code == 0, result.output  # a server's errors are a result
    outcomes = {(row["key"], row["status"], row["bytes"], row["error"]) for row in result.rows}
    assert outcomes == {
        ("/garbage", 0, 0, "not an HTTP/1 answer"),
        ("/cut", 0, 0, "answer cut off"),
        ("/folded", 0, 0, "malformed head"),
        ("/more", 0, 0, "bytes after the end of the answer"),
        ("/500", 500, 2, None),
        ("/chunked", 200, 3, None),
        ("/to-end", 200, 13, None),
        ("/close", 200, 3, None),
    }
    assert len(result.rows) == len(server.seen)
    assert result.generator["model"] == ("open" if rate != "0" else "closed")
    if rate == "0":
        assert all(row["scheduled_ns"] == row["sent_ns"] for row in result.rows)


@pytest.mark.parametrize(("came", "origin_seq"), [(b"\r\n\r\nhal", 8), (b"", None)])
def test_of_an_answer_that_is_cut_off_the_stamp_is_kept(tmp_path: Path, came: bytes, origin_seq: int | None) -> None:
    """It says what the origin had sent, and so whose doing it was."""
    head = b"HTTP/1.1 200 OK\r\nEdgebench-Origin: seq=%d;t=1\r\nContent-Length: 5"

    def answer(seen: Seen) -> bytes:
        return (head % 7) + b"\r\n\r\nwhole" if seen.number == 1 else (head % 8) + came + CLOSE

    with serving(answer) as server:
        result = run(tmp_path, server.url, "--rate", "0", "--measure", "0.5")
    assert {(row["origin_seq"], row["error"]) for row in result.rows} == {(7, None), (origin_seq, "answer cut off")}


def test_a_connection_closed_while_idle_is_no_error(tmp_path: Path) -> None:
    """Closing without a word after each third answer: noticed in time, or retried once, and never an error."""

    def closing(seen: Seen) -> bytes | None:
        return ok() + (CLOSE if seen.number == 3 else b"")

    with serving(closing) as server:
        result = run(tmp_path, server.url, "--rate", "0", "--measure", "0.5")
    assert {row["error"] for row in result.rows} == {None}
    assert len(result.rows) == len(server.seen)
    assert any(row["reused_connection"] for row in result.rows)


def test_nobody_listening_is_an_error_row_not_a_busy_loop(tmp_path: Path) -> None:
    with serving(stamped) as server:
        url = server.url
    result = run(tmp_path, url, "--rate", "0", "--measure", "0.3")
    assert result.code == 0
    assert {row["error"] for row in result.rows} == {"connect: Connection refused"}
    assert len(result.rows) < 1000


def test_what_is_never_answered_is_recorded(tmp_path: Path) -> None:
    hold = threading.Event()

    def silent(seen: Seen) -> bytes | None:
        if len(server.seen) > 20:
            hold.wait()
        return ok()

    with serving(silent) as server:
        result = run_until(tmp_path, server.url, lambda: len(server.seen) >= 28, signal.SIGTERM, "--rate", "200")
        hold.set()
    assert result.code == 0, result.output
    generator, rows = result.generator, result.rows
    unanswered = [row for row in rows if row["error"] == "unanswered"]
    assert len(unanswered) == generator["unanswered"] >= 8
    assert len(rows) == generator["scheduled"]
    assert sum(row["endpoint"] != "(never sent)" for row in rows) == len(server.seen) == 28
    assert generator["complete"] is False


def check_error(tmp_path: Path, server: Server, message: str, *options: str) -> None:
    result = run(tmp_path, server.url, *options)
    assert result.code == 2
    assert message in result.output
    assert "Traceback" not in result.output
    assert not server.seen


def test_bad_options_end_with_one_clear_line(tmp_path: Path) -> None:
    with serving(stamped) as server:
        check_error(tmp_path, server, "--rate: expected a number from 0", "--rate", "-3")
        check_error(tmp_path, server, "expected http://name:port", "--host", "ftp://127.0.0.1:1")
        (tmp_path / "record").mkdir(exist_ok=True)
        (tmp_path / "record" / "samples-0.bin").write_bytes(b"")
        check_error(tmp_path, server, "holds samples already", "--rate", "5")


def test_private_tasks_get_their_share(tmp_path: Path) -> None:
    locustfile = (
        READER.replace("import task", "import tag, task")
        + """
    @tag("private")
    @task
    def me(self) -> None:
        self.client.post("/me", json={"a": 1})
"""
    )
    with serving(stamped) as server:
        result = run(
            tmp_path, server.url, "--rate", "1000", "--measure", "1", "--private-share", "0.3", locustfile=locustfile
        )
    share = sum(row["method"] == "POST" for row in result.rows) / len(result.rows)
    assert 0.24 < share < 0.36
    assert {seen.body for seen in server.seen if seen.method == "POST"} == {b'{"a":1}'}


def test_methods_and_timeouts(tmp_path: Path) -> None:
    locustfile = """
from edgebench.load import EdgeUser
from edgebench.load.connection import Timeouts
from locust import task
class Caller(EdgeUser):
    timeouts = Timeouts(read_s=0.3)
    headers = {"X-All": "1"}
    fixed_count = 1
    def on_start(self) -> None:
        head = self.client.head("/h")
        assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "5")
        assert self.client.post("/p", json={"a": 1}, headers={"X-One": "2"}).text == "hello"
        assert self.client.put("/p", data=b"x" * 3_000_000).ok
        assert self.client.delete("/p", params={"a": "b c"}).ok
        slow = self.client.get("/slow")
        assert (slow.status, slow.error, slow.ok) == (0, "read: timed out", False)
        assert self.client.get("/after").ok
    @task
    def nothing(self) -> None:
        pass
"""
    hold = threading.Event()

    def reply(seen: Seen) -> bytes | None:
        if seen.target == "/slow":
            hold.wait()
        return ok()[:-5] if seen.method == "HEAD" else ok()

    with serving(reply) as server:
        result = run(tmp_path, server.url, "-u", "1", "--measure", "0.8", locustfile=locustfile)
        hold.set()
    assert result.code == 0, result.output
    asked = [(seen.method, seen.target) for seen in server.seen]
    assert asked == [
        ("HEAD", "/h"),
        ("POST", "/p"),
        ("PUT", "/p"),
        ("DELETE", "/p?a=b+c"),
        ("GET", "/slow"),
        ("GET", "/after"),
    ]
    assert [(row["method"], row["key"]) for row in result.rows] == asked
    assert server.seen[1].headers | {"x-all": "1", "x-one": "2", "content-type": "application/json"} == (
        server.seen[1].headers
    )
    assert len(server.seen[2].body) == 3_000_000
    assert [row["error"] for row in result.rows] == [None] * 4 + ["read: timed out", None]
