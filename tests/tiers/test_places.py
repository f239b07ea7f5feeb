"""A cache that listens and is reached elsewhere than on 127.0.0.1, as in a network of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from edgebench.model import Cell, Freshness, Load, OriginSpec, TierSpec
from edgebench.runner.guardian import Guardian
from edgebench.runner.stack import Stack, require
from edgebench.tiers import adapters
from tests.client import ask
from tests.tiers.moving import placed

ELSEWHERE = "127.0.0.3"
"""Another address of the loopback interface: Linux has them all, other systems the first one only."""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.3 is an address on Linux only")


@pytest.fixture
def start_elsewhere(tmp_path: Path) -> Iterator[Callable[[str], Stack]]:
    def start(kind: str) -> Stack:
        cell = Cell(TierSpec(name=kind, kind=kind), Freshness(), Load())
        stack = Stack(
            cell, OriginSpec(app="tests.apps:app", threads=4), tmp_path, (), running.enter_context(Guardian())
        )
        return running.enter_context(placed(stack, host="0.0.0.0", control_host=ELSEWHERE, client_host=ELSEWHERE))

    running = ExitStack()
    with running:
        yield start


@pytest.mark.parametrize("kind", adapters())
def test_it_serves_counts_and_forgets_at_another_address(start_elsewhere: Callable[[str], Stack], kind: str) -> None:
    adapter = adapters()[kind]
    if adapter.find() is None:
        pytest.skip(adapter.how_to_get)
    stack = start_elsewhere(kind)
    assert stack.place is not None
    url = f"http://{ELSEWHERE}:{stack.place.port}"
    first, second = ask(url, "/public/a"), ask(url, "/public/a")
    assert first.status == second.status == 200
    assert (first.seq == second.seq) is adapter.stores
    counted = adapter.counters(require(adapter), stack.place)
    assert counted.get("requests", 2.0) == 2.0
    if adapter.purges_one:
        adapter.purge(require(adapter), stack.place, "/public/a")
        assert ask(url, "/public/a").seq not in (None, first.seq)
