"""Each fault under a real gunicorn: seen by a raw client inside its interval, gone after it, named in the ledger."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from random import Random
from time import monotonic_ns
from typing import Any

import pytest

from edgebench.model import Fault, FaultKind
from edgebench.origin import rows
from edgebench.origin.process import FAULTS
from edgebench.origin.schedule import Planned, seen_at_ns, write_schedule
from edgebench.runner.stack import Stack
from tests.client import ask, ask_at_once
from tests.origin.workers import await_workers

StartStack = Callable[..., Stack]
S = 1_000_000_000
SOON_NS = S // 4
"""All workers know a schedule well before this has passed."""
SEED, MEAN_S = 1, 0.3
TARGET = "/public/thing"
BODY = b"public thing "


@contextmanager
def failing(
    start_stack: StartStack, kind: FaultKind, length_s: float = 2.0, **more: Any
) -> Iterator[tuple[Stack, int]]:
    """An origin in the midst of a fault, and when that ends."""
    delay_s = MEAN_S if kind is FaultKind.SLOW else 0.0
    stack = start_stack(faults=(Fault(kind, 0, 1, delay_s),), **more)
    await_workers(stack, stack.origin.workers)
    start_ns = monotonic_ns() + SOON_NS
    planned = Planned(kind, start_ns, start_ns + round(length_s * S), delay_s)
    assert ask(stack.url, TARGET).status == 200, "no fault before there is a schedule"
    write_schedule(stack.directory / FAULTS, [planned], SEED)
    sleep_until(start_ns)
    yield stack, planned.end_ns


def sleep_until(at_ns: int) -> None:
    while (left_ns := at_ns - monotonic_ns()) > 0:
        time.sleep(left_ns / S)


def raw(stack: Stack, target: str = TARGET, method: str = "GET", limit_s: float = 20.0) -> bytes:
    """All that comes until the server closes the connection."""
    with closing(socket.create_connection(("127.0.0.1", stack.origin_port), limit_s)) as connection:
        connection.sendall(f"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        data = b""
        while piece := connection.recv(65_536):
            data += piece
        return data


def probe(stack: Stack) -> str | None:
    """The fault that a probe names."""
    answer = ask(stack.url, "/__edgebench__/ping")
    assert answer.status == 204
    return answer.headers.get("edgebench-fault")


def ledger(stack: Stack) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = rows.read(stack.ledger, 0).to_pylist()
    return found


def all_is_well(stack: Stack, end_ns: int) -> None:
    sleep_until(end_ns)
    assert probe(stack) is None
    answer = ask(stack.url, TARGET)
    assert (answer.status, answer.body) == (200, BODY)
    assert (ledger(stack)[0]["fault"], ledger(stack)[-1]["fault"]) == ("", "")
    assert stack.services[0].log.read_text() == "", "a planned fault is nothing the server complains of"


def test_503(start_stack: StartStack) -> None:
    with failing(start_stack, FaultKind.STATUS_503) as (stack, end_ns):
        answer = ask(stack.url, TARGET)
        assert answer.status == 503 and probe(stack) == "503"
        row = ledger(stack)[-1]
        assert (row["seq"], row["status"], row["bytes"], row["fault"]) == (answer.seq, 503, len(answer.body), "503")
        head = ask(stack.url, TARGET, "HEAD")
        assert (head.status, head.headers["content-length"], head.body) == (503, str(len(answer.body)), b"")
        all_is_well(stack, end_ns)


def test_half(start_stack: StartStack) -> None:
    bodies = {TARGET: BODY, "/long": b"0123456789" * 30_000, "/streamed": b"0123456789" * 3, "/one": b"1"}
    with failing(start_stack, FaultKind.HALF) as (stack, end_ns):
        for target, whole in bodies.items():
            head, _, body = raw(stack, target).partition(b"\r\n\r\n")
            half = whole[: len(whole) // 2]
            assert head.startswith(b"HTTP/1.1 200")
            if target == "/streamed":  # chunked, and no last chunk
                assert body == f"{len(half):X}\r\n".encode() + half + b"\r\n"
            else:
                assert body == half and f"Content-Length: {len(whole)}".encode() in head
            row = ledger(stack)[-1]
            assert (row["status"], row["bytes"], row["complete"], row["fault"]) == (200, len(half), False, "half")
        head, _, body = raw(stack, method="HEAD").partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200") and body == b"", "an answer without a body has no half"
        assert (ledger(stack)[-1]["complete"], ledger(stack)[-1]["fault"]) == (True, "half")
        assert probe(stack) == "half"
        all_is_well(stack, end_ns)


def test_reset(start_stack: StartStack) -> None:
    with failing(start_stack, FaultKind.RESET) as (stack, end_ns):
        for _ in range(20):
            with pytest.raises(ConnectionResetError):
                raw(stack)
        assert probe(stack) == "reset"
        row = ledger(stack)[-1]
        assert (row["status"], row["bytes"], row["complete"], row["fault"]) == (0, 0, False, "reset")
        assert sum(row["fault"] == "reset" for row in ledger(stack)) == 20
        all_is_well(stack, end_ns)


def test_hang(start_stack: StartStack) -> None:
    """More requests than the app has threads hang, and the probe is answered all the same."""
    with failing(start_stack, FaultKind.HANG, 3.0, threads=2) as (stack, end_ns), ThreadPoolExecutor(12) as pool:
        waiting = [pool.submit(ask, stack.url, TARGET) for _ in range(10)]
        with pytest.raises(TimeoutError):
            raw(stack, limit_s=0.5)
        assert probe(stack) == "hang" and stack.name_the_hung() == ""
        assert monotonic_ns() < end_ns
        for answer in (each.result() for each in waiting):
            assert monotonic_ns() >= end_ns
            assert (answer.status, answer.body) == (200, BODY)
        held = [row for row in ledger(stack) if row["fault"]]
        assert [row["fault"] for row in held] == ["hang"] * 11
        # The one whose client went never reached the app.
        assert sorted(row["status"] for row in held) == [0] + [200] * 10
        gone = next(row for row in held if row["status"] == 0)
        assert gone["end_ns"] < end_ns and not gone["complete"]
        assert all(row["start_ns"] < end_ns <= row["end_ns"] for row in held if row["status"])
        all_is_well(stack, end_ns)


def test_slow(start_stack: StartStack) -> None:
    with failing(start_stack, FaultKind.SLOW, 3.0) as (stack, end_ns):
        with ThreadPoolExecutor(8) as pool:
            for each in [pool.submit(ask, stack.url, TARGET) for _ in range(24)]:
                assert each.result().status == 200
        assert probe(stack) == "slow" and monotonic_ns() < end_ns
        took_s = sorted((row["end_ns"] - row["start_ns"]) / S for row in ledger(stack) if row["fault"] == "slow")
        random = Random(SEED)
        drawn_s = sorted(random.expovariate(1 / MEAN_S) for _ in range(24))
        assert all(took >= drawn for took, drawn in zip(took_s, drawn_s, strict=True))
        all_is_well(stack, end_ns)


def test_slow_ends_with_its_fault(start_stack: StartStack) -> None:
    """Those that still wait for the app's only thread then are not delayed any more."""
    with failing(start_stack, FaultKind.SLOW, 1.0, threads=1) as (stack, end_ns), ThreadPoolExecutor(30) as pool:
        waiting = [pool.submit(ask, stack.url, TARGET) for _ in range(30)]
        assert all(each.result().status == 200 for each in waiting)
        found = [row for row in ledger(stack) if row["fault"] == "slow"]
        assert len(found) == 30 and all(row["start_ns"] < end_ns for row in found)
        assert sum(row["end_ns"] >= end_ns for row in found) > 15
        all_is_well(stack, end_ns)


def test_every_worker_fails(start_stack: StartStack) -> None:
    with failing(start_stack, FaultKind.STATUS_503, 3.0, workers=3) as (stack, end_ns):
        assert {answer.status for answer in ask_at_once(stack.url, [TARGET] * 30)} == {503}
        assert len(seen_at_ns(stack.directory / FAULTS)) == 3
        all_is_well(stack, end_ns)
