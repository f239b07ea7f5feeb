"""Faults of the origin in a trial: carried out when the measurement says so, taken for no crash, and recorded."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from time import monotonic_ns
from types import SimpleNamespace
from typing import cast

import pandas as pd
import pytest

from edgebench.load.outcome import write_measuring
from edgebench.model import Cell, Fault, FaultKind, Freshness, Load, OriginSpec, TierSpec, Trial
from edgebench.origin import rows
from edgebench.origin.process import FAULTS
from edgebench.origin.schedule import Planned
from edgebench.runner.faults import Faults
from edgebench.runner.guardian import Guardian
from edgebench.runner.placement import available_cores, place
from edgebench.runner.services import answers
from edgebench.runner.stack import Stack
from edgebench.runner.trial import Bench, run_trial
from edgebench.store import TrialFolder
from tests.client import ask

StartStack = Callable[..., Stack]
ROOT = Path(__file__).parent.parent.parent
S = 1_000_000_000
DOWN = FaultKind.DOWN


@contextmanager
def conducted(stack: Stack, raw: Path) -> Iterator[tuple[Faults, int]]:
    """A measurement that begins now, its faults carried out as a trial does it."""
    faults = Faults(stack, raw, seed=1)
    faults.look()
    assert faults.wait_s(0.1) == 0.1, "nothing is due before the measurement"
    begin_ns = monotonic_ns()
    write_measuring(raw, begin_ns)
    over, failed = threading.Event(), list[BaseException]()

    def watch() -> None:
        try:
            while not over.is_set():
                faults.look()
                stack.check()
                assert stack.name_the_hung() == ""
                time.sleep(faults.wait_s(0.1))
        except BaseException as error:
            failed.append(error)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield faults, begin_ns
    finally:
        over.set()
        watcher.join()
    assert failed == []


def outcome(port: int) -> str:
    """What a client gets of the origin now."""
    try:
        with closing(socket.create_connection(("127.0.0.1", port), 10)) as connection:
            connection.sendall(b"GET /public/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return connection.recv(1000).partition(b"\r\n")[0].decode() or "closed"
    except ConnectionRefusedError:
        return "refused"
    except ConnectionResetError:
        return "reset"


def await_probed(faults: Faults) -> None:
    """Until the runner knows, too, that the origin is back."""
    deadline = time.monotonic() + 20
    while faults.wait_s(60.0) < 60.0:
        assert time.monotonic() < deadline, "the origin is not back"
        time.sleep(0.01)


def test_an_origin_that_is_down_refuses_and_is_back_in_time(start_stack: StartStack, tmp_path: Path) -> None:
    stack = start_stack(workers=2, faults=(Fault(DOWN, 0.5, 3.5), Fault(FaultKind.STATUS_503, 3.5, 4.5)))
    first = ask(stack.url, "/public/before")
    pid, seen = stack.services[0].pid, list[tuple[float, str, float]]()
    with conducted(stack, tmp_path) as (faults, begin_ns):
        while (at_s := (monotonic_ns() - begin_ns) / S) < 5.5:
            seen.append((at_s, outcome(stack.origin_port), (monotonic_ns() - begin_ns) / S))
            time.sleep(0.01)
        assert stack.services[0].pid != pid
        last = ask(stack.url, "/public/after")
    down, failing = faults.finish()
    assert faults.finish() == (down, failing)
    assert (down.kind, failing.kind) == (DOWN, FaultKind.STATUS_503)
    assert down.start_s >= 0.5 and down.end_s >= 3.5
    assert (failing.start_s, failing.end_s) == (3.5, 4.5)
    within = [got for at_s, got, done_s in seen if down.start_s < at_s and done_s < 3.5]
    assert within and set(within) == {"refused"}, "neither taken nor left waiting"
    after = [got for at_s, got, done_s in seen if down.end_s < at_s and done_s < 4.5]
    assert set(after) == {"HTTP/1.1 503 Service Unavailable"}
    assert seen[-1][1] == "HTTP/1.1 200 OK"
    found = rows.read(stack.ledger, 0).to_pandas().set_index("seq")
    assert found.index.is_unique and {first.seq, last.seq} <= set(found.index), "the ledger outlives the process"
    assert set(found[found.status == 503].fault) == {"503"}


def test_an_origin_that_cannot_be_back_in_time_is_recorded_as_it_was(start_stack: StartStack, tmp_path: Path) -> None:
    stack = start_stack(faults=(Fault(DOWN, 0.5, 0.51),))
    seen = list[tuple[str, float]]()
    with conducted(stack, tmp_path) as (faults, begin_ns):
        while not (seen and seen[-1][0].endswith("200 OK") and any(got == "refused" for got, _ in seen)):
            at_s = (monotonic_ns() - begin_ns) / S
            seen.append((outcome(stack.origin_port), at_s))
            time.sleep(0.01)
        await_probed(faults)
    [down] = faults.finish()
    assert down.end_s > 0.51
    assert max(at_s for got, at_s in seen if got == "refused") <= down.end_s + 0.001, "times are in whole milliseconds"


def test_a_tier_that_gave_its_origin_up_has_not_hung() -> None:
    class Tier(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(502)
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Tier) as tier:
        thread = threading.Thread(target=tier.serve_forever)
        thread.start()
        assert not answers(tier.server_port, "/", timeout_s=10)
        assert answers(tier.server_port, "/", timeout_s=10, below=600)
        tier.shutdown()
        thread.join()


def test_an_origin_still_down_at_the_end_is_stopped_like_any_other(start_stack: StartStack, tmp_path: Path) -> None:
    stack = start_stack(faults=(Fault(DOWN, 0.2, 60),))
    with conducted(stack, tmp_path) as (faults, _):
        while outcome(stack.origin_port) != "refused":
            time.sleep(0.01)
    [down] = faults.finish()
    assert down.kind is DOWN and 0.2 <= down.start_s < down.end_s < 60
    stack.stop()
    assert stack.exit_states["origin"] == "killed, as planned"


@pytest.mark.parametrize("kind", [FaultKind.STATUS_503, DOWN])
def test_a_trial_records_its_faults(tmp_path: Path, kind: FaultKind) -> None:
    load = Load(rate_rps=100, users=8, keys=50, warm_up_s=1, measure_s=4)
    env = {"FLASK_TTL_S": "{ttl_s}", "FLASK_CATALOGUE_PATH": "{work}/catalogue.db"}
    origin = OriginSpec(env=env, faults=(Fault(kind, 1, 3),))
    trial = Trial(Cell(TierSpec("nginx", "nginx"), Freshness(1), load), 1, 7)
    with Guardian() as guardian:
        bench = Bench(ROOT / "locustfiles/api.py", origin, place(available_cores()), guardian)
        record = run_trial(trial, bench, TrialFolder(tmp_path / "trial"), lambda _: None)
    assert record.complete and record.problem == ""
    [fault] = record.faults
    assert fault.kind is kind and fault.start_s >= 1 and fault.end_s >= 3
    assert json.loads((tmp_path / "trial/trial.json").read_text())["faults"][0]["kind"] == kind.value

    ledger, samples = (pd.read_parquet(tmp_path / "trial" / f"{name}.parquet") for name in ("ledger", "samples"))
    start_ns, end_ns = (record.measure_start_ns + round(at_s * S) for at_s in (fault.start_s, fault.end_s))
    within = ledger[(ledger.start_ns >= start_ns) & (ledger.start_ns < end_ns)]
    if kind is DOWN:
        assert within.empty and ledger.worker.nunique() == 2
    else:
        assert len(within) > 10 and set(within.status) == {503} and set(within.fault) == {"503"}
    assert set(ledger[(ledger.start_ns < start_ns) | (ledger.start_ns > end_ns)].fault) == {""}
    failed = samples[(samples.sent_ns > start_ns) & (samples.sent_ns < end_ns) & (samples.status >= 500)]
    assert len(failed) > 10
    late = samples[samples.sent_ns > end_ns + S // 2]
    assert (late.status < 500).all() and (ledger.start_ns > end_ns).any()


def test_workers_started_again_know_what_is_to_come(tmp_path: Path) -> None:
    """A busy machine may kill a worker before it has looked for the schedule; the next one reads it as it starts."""
    faults = Faults(cast(Stack, SimpleNamespace(directory=tmp_path)), tmp_path, seed=1)
    faults._begin_ns = monotonic_ns() - 10 * S

    def planned() -> list[Planned]:
        spans = ((FaultKind.SLOW, 1, 3), (FaultKind.STATUS_503, 4, 5))
        begin_ns = faults._begin_ns
        return [Planned(kind, begin_ns + start_s * S, begin_ns + end_s * S, 0.0) for kind, start_s, end_s in spans]

    faults._planned = planned()
    assert faults.finish() == (), "nobody knew"
    faults._planned, faults._applied = planned(), [down := Fault(DOWN, 0.5, 3.2)]
    assert faults.finish() == (down, Fault(FaultKind.STATUS_503, 4, 5))
    (tmp_path / f"{FAULTS}.seen-1").write_text(str(faults._begin_ns + 2 * S))
    faults._planned, faults._applied = planned(), []
    assert faults.finish() == (Fault(FaultKind.SLOW, 2, 3), Fault(FaultKind.STATUS_503, 4, 5))
