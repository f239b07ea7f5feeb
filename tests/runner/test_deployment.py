"""A new release in mid-run, by real gunicorn, nginx and shop: nobody is refused, and nobody gets what is gone."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic_ns
from unittest.mock import Mock

import pytest

from edgebench.load.outcome import write_measuring
from edgebench.model import Cell, Deploy, Freshness, Load, OriginSpec, TierSpec
from edgebench.origin import rows
from edgebench.runner.deployment import Deployment, first_wait_s
from edgebench.runner.guardian import Guardian
from edgebench.runner.services import ServiceFailed
from edgebench.runner.stack import Stack
from tests.client import Answer, ask

SHOP = {
    "FLASK_CATALOGUE_PATH": "{work}/catalogue.db", "FLASK_RELEASE_PATH": "{work}/release",
    "FLASK_VERSIONED_STATIC": "false", "FLASK_TTL_S": "600",
}  # fmt: skip


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    return folder


@contextmanager
def shop(directory: Path, kind: str, deploy: Deploy, raw: Path, workers: int = 1) -> Iterator[tuple[Stack, Deployment]]:
    directory.mkdir()
    cell = Cell(TierSpec(kind, kind), Freshness(600), Load(), deploy=deploy)
    with Guardian() as guardian:
        stack = Stack(cell, OriginSpec(workers=workers, env=SHOP), directory, (), guardian)
        deployment = Deployment(stack, raw)
        with stack:
            yield stack, deployment


def conduct(stack: Stack, deployment: Deployment, until: Callable[[], bool]) -> None:
    """As a trial does it."""
    deadline = time.monotonic() + 30
    while not until():
        deployment.look()
        stack.check()
        assert time.monotonic() < deadline
        time.sleep(first_wait_s([deployment], 0.1))


def release(answer: Answer) -> str:
    found = re.search(rb'name="release" content="(\w+)"|/\* release (\w+) \*/', answer.body)
    assert found is not None and answer.status == 200
    return (found[1] or found[2]).decode()


def test_a_new_release_replaces_the_old_one_without_downtime(tmp_path: Path, raw: Path) -> None:
    with shop(tmp_path / "work", "direct", Deploy(0.2), raw, workers=2) as (stack, deployment):
        seen, over = list[tuple[int, Answer, int]](), threading.Event()

        def visit() -> None:
            while not over.is_set():
                seen.append((monotonic_ns(), ask(stack.url, "/products/1"), monotonic_ns()))

        visitors = [threading.Thread(target=visit) for _ in range(3)]
        for visitor in visitors:
            visitor.start()
        deployment.look()
        assert deployment.wait_s(0.1) == 0.1, "nothing is due before the measurement"
        begin_ns = monotonic_ns()
        write_measuring(raw, begin_ns)
        try:
            conduct(stack, deployment, lambda: deployment.is_over)
            at_end = len(seen)
            conduct(stack, deployment, lambda: len(seen) > at_end + 20)
        finally:
            over.set()
            for visitor in visitors:
                visitor.join()
            events = deployment.events
        assert 0.2 <= events["deploy_start_s"] < events["deploy_end_s"] and "purge_end_s" not in events
        start_ns, end_ns = (begin_ns + round(events[name] * 1e9) for name in ("deploy_start_s", "deploy_end_s"))
        assert {release(got) for _, got, done_ns in seen if done_ns < start_ns} == {"1"}
        assert {release(got) for sent_ns, got, _ in seen if sent_ns > end_ns} == {"2"}
        ledger = rows.read(stack.ledger, 0).to_pandas().set_index("seq")
        assert ledger.index.is_unique and {got.seq for _, got, _ in seen} <= set(ledger.index)
        workers = {name: {ledger.worker[got.seq] for _, got, _ in seen if release(got) == name} for name in "12"}
        assert workers["1"] and workers["2"] and not workers["1"] & workers["2"], "each release has its own workers"
        assert len(stack.services[0].members) == 3, "the new ones are known, and watched:"
        victim = next(pid for pid in stack.services[0].members if pid != stack.services[0].pid)
        os.kill(victim, signal.SIGKILL)
        with pytest.raises(ServiceFailed, match=str(victim)):
            conduct(stack, deployment, lambda: False)


def test_a_purge_follows_when_nothing_old_can_come_back(tmp_path: Path, raw: Path) -> None:
    with shop(tmp_path / "work", "nginx", Deploy(0.0, purge=True), raw) as (stack, deployment):
        assert release(ask(stack.url, "/static/app.css")) == "1"
        write_measuring(raw, monotonic_ns())
        conduct(stack, deployment, lambda: deployment.is_over)
        assert release(ask(stack.url, "/static/app.css")) == "2"
        events = deployment.events
        assert list(events) == ["deploy_start_s", "deploy_end_s", "purge_start_s", "purge_end_s"]
        assert sorted(events.values()) == list(events.values())


def test_without_a_purge_the_cache_keeps_what_is_old(tmp_path: Path, raw: Path) -> None:
    with shop(tmp_path / "work", "nginx", Deploy(0.0), raw) as (stack, deployment):
        ask(stack.url, "/static/app.css")
        write_measuring(raw, monotonic_ns())
        conduct(stack, deployment, lambda: deployment.is_over)
        assert release(ask(stack.url, "/static/app.css")) == "1"
        assert release(ask(stack.url, "/products/1")) == "2"


def test_nothing_happens_before_its_time(tmp_path: Path, raw: Path) -> None:
    cell = Cell(TierSpec("direct", "direct"), Freshness(), Load(), deploy=Deploy(5.0))
    deployment = Deployment(Stack(cell, OriginSpec(), tmp_path, (), Mock()), raw)
    assert (tmp_path / "release").read_text() == "1"
    write_measuring(raw, monotonic_ns())
    deployment.look()
    assert deployment.events == {} and 0 < deployment.wait_s(60.0) <= 5.0


def test_without_a_deployment_nothing_is_done(tmp_path: Path, raw: Path) -> None:
    stack = Stack(Cell(TierSpec("direct", "direct"), Freshness(), Load()), OriginSpec(), tmp_path, (), Mock())
    deployment = Deployment(stack, raw)
    (raw / "measuring.json").write_text(json.dumps({"measure_start_ns": 0}))
    deployment.look()
    assert (deployment.events, deployment.wait_s(0.1), list(tmp_path.glob("release"))) == ({}, 0.1, [])


def test_a_purge_can_wait(tmp_path: Path, raw: Path) -> None:
    with shop(tmp_path / "work", "nginx", Deploy(0.0, purge=True, purge_after_s=0.5), raw) as (stack, deployment):
        ask(stack.url, "/static/app.css")
        write_measuring(raw, monotonic_ns())
        conduct(stack, deployment, lambda: "deploy_end_s" in deployment.events)
        assert release(ask(stack.url, "/static/app.css")) == "1" and not deployment.is_over
        assert 0 < deployment.wait_s(60.0) <= 0.5
        conduct(stack, deployment, lambda: deployment.is_over)
        assert deployment.events["purge_start_s"] >= deployment.events["deploy_end_s"] + 0.5
        assert release(ask(stack.url, "/static/app.css")) == "2"
