"""Real namespaces with a real relay between them, measured by its own probes and by TCP connections."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import pytest
from pydantic import TypeAdapter

from edgebench.analysis.checks_network import network_doubts
from edgebench.analysis.trust import run_trust
from edgebench.model import NetworkRecord, ReasonCode, Trust, TrustStatus
from edgebench.network import possible
from edgebench.runner.guardian import MARK
from tests.analysis.folders import record, scenario, trials

pytestmark = pytest.mark.skipif(not possible.possible().unshare, reason=possible.possible().why_not)
RELAY, NETEM, ROOTLESS = "relay", "netem", "rootless"
HOWS = [RELAY]
if possible.possible().netem:
    HOWS.append(NETEM)
if possible.possible().unshare != possible.ROOTLESS and possible.attempt(possible.ROOTLESS)[0]:
    HOWS.append(ROOTLESS)


NAMES = ("mobile", "other-continent", "line")


def _argv(how: str, *tasks: str) -> Sequence[str]:
    return (sys.executable, "-m", "tests.network.inside", how, *tasks)


def _run(how: str, *tasks: str) -> Any:
    environment = {**os.environ, possible.WITH_NETEM: "1" if how == NETEM else "0"}
    done = subprocess.run(_argv(how, *tasks), capture_output=True, text=True, timeout=90, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@cache
def inside(how: str) -> Any:
    """All that is measured, by one process: to start it takes longer than most of the tests."""
    others = ("lost=600", "reach=same-city", "wrong=slower") if how == RELAY else ()
    return _run(how, *(f"links={name}" for name in NAMES), *others)


def _trust(found: Any) -> Trust:
    """Of a trial in this network."""
    network = TypeAdapter(NetworkRecord).validate_python(found)
    return run_trust(list(network_doubts(replace(record(trials(scenario())[0]), network=network))))


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("name", NAMES)
def test_round_trips_and_rates_are_those_asked_for(name: str, how: str) -> None:
    """Within the tolerance of a trial. On a busy machine it may be off, and says so: then once or twice more."""
    task = f"links={name}"
    found = inside(how)[task]
    for _ in range(2):
        if _trust(found["record"]).status is not TrustStatus.INVALID:
            break
        found = _run(how, task)[task]
    assert _trust(found["record"]).status is not TrustStatus.INVALID
    for link in found["record"]["links"]:
        asked = link["asked"]
        assert abs(link["rtt_ms"] - asked["rtt_ms"]) <= 0.05 * asked["rtt_ms"] + 1
        for rate in ("down_mbit", "up_mbit"):
            assert (link[rate] is None) == (asked[rate] is None)
            assert asked[rate] is None or abs(link[rate] / asked[rate] - 1) <= 0.1
    # A handshake is a round trip: none is shorter than the path's least, and they do not take two.
    asked = found["record"]["links"][0]["asked"]
    assert asked["rtt_ms"] - 2 * asked["jitter_ms"] <= min(found["connects_ms"]) < 1.8 * asked["rtt_ms"]
    if found["tcp_mbit"] is not None:
        assert found["tcp_mbit"] < asked["down_mbit"]


def test_a_network_that_is_not_the_one_asked_for_makes_its_trial_invalid() -> None:
    """The relay was told of 2 ms more between client and edge, the other links are right."""
    trust = _trust(inside(RELAY)["wrong=slower"])
    assert trust.status is TrustStatus.INVALID
    reason = next(reason for reason in trust.reasons if reason.code is ReasonCode.NETWORK_OFF)
    assert "client–edge: a round trip of 1" in reason.text
    assert "asked for 10 ms" in reason.text


def test_what_is_to_be_lost_is_lost() -> None:
    found = inside(RELAY)["lost=600"]
    link = found["record"]["links"][0]
    assert found["arrived"] == link["packets"]
    assert link["packets"] + link["lost"] == 600
    assert abs(link["lost"] - 120) < 5 * (600 * 0.2 * 0.8) ** 0.5
    assert link["missed"] == 0


def test_every_node_has_one_address_for_all_and_no_way_out() -> None:
    found = inside(RELAY)["reach=same-city"]
    assert set(found["from"]) == {
        f"{one}>{other}" for one in ("client", "edge", "origin", "") for other in ("client", "edge", "origin")
    }
    assert not [route for route in found["client_routes"] if route.startswith("default")]
    assert all(route.startswith("198.1") for route in found["client_routes"])


def _interfaces() -> set[str]:
    return {line.partition(":")[0].strip() for line in Path("/proc/net/dev").read_text().splitlines()[2:]}


def _marked(mark: str) -> Iterator[int]:
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                yield process.pid
        except psutil.Error:
            continue


def _namespaces() -> Iterator[str]:
    """Of all processes."""
    for path in Path("/proc").glob("[0-9]*/ns/net"):
        with contextlib.suppress(OSError):
            yield str(path.readlink())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_is_left_behind(tmp_path: Path, number: signal.Signals) -> None:
    """Whatever ends the harness, its processes go, and with them the namespaces and all cables."""
    before = _interfaces()
    with subprocess.Popen(_argv(RELAY, f"hold={tmp_path}"), stdout=subprocess.PIPE, text=True) as harness:
        assert harness.stdout is not None
        try:
            held = json.loads(harness.stdout.readline())
            namespaces = {str(Path(f"/proc/{pid}/ns/net").readlink()) for pid in (harness.pid, *held["pids"])}
            assert len(namespaces) == 4  # the relay is in the harness's
            assert str(Path("/proc/self/ns/net").readlink()) not in namespaces
            assert _interfaces() == before
            harness.send_signal(number)
            harness.wait(timeout=10)
        finally:
            harness.kill()
    deadline = time.monotonic() + 10
    while list(_marked(held["mark"])) or namespaces & set(_namespaces()):
        assert time.monotonic() < deadline, "processes of the run are still there"
        time.sleep(0.01)
    assert _interfaces() == before


def test_a_network_is_never_made_among_the_machines_own_interfaces() -> None:
    code = (
        "import pathlib; from edgebench.model import Placement; from edgebench.runner.network import network_of\n"
        "from edgebench.network.profiles import PROFILES\n"
        "network_of(PROFILES['continent'], pathlib.Path('.'), Placement(), None).__enter__()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "a namespace of its own only" in done.stderr
