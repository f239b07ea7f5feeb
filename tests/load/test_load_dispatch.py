"""Work that can wait does not come between an arrival and its request."""

from __future__ import annotations

from time import monotonic_ns

import gevent
import pytest
from gevent.event import Event

from edgebench.load.dispatch import Dispatcher

MS = 1_000_000
CLOSE = [each * MS for each in range(20)]
FAR = 60_000 * MS


def test_a_chore_waits_until_the_next_arrival_is_far_off() -> None:
    dispatcher, done = Dispatcher(spin=True), Event()
    offered_before: list[int] = []

    def chore() -> None:
        offered_before.append(dispatcher.scheduled)
        done.set()

    dispatcher.start(monotonic_ns(), iter([CLOSE, [FAR], [FAR + MS]]))
    dispatcher.in_lull(chore)
    assert done.wait(10)
    dispatcher.stop()
    assert offered_before == [len(CLOSE)]


def test_a_chore_is_done_at_the_latest_when_the_next_one_comes() -> None:
    dispatcher = Dispatcher(spin=True)
    done: list[str] = []
    dispatcher.start(monotonic_ns(), iter([[each * MS for each in range(1000)], [FAR]]))
    dispatcher.in_lull(lambda: done.append("first"))
    assert not done
    dispatcher.in_lull(lambda: done.append("second"))
    assert done == ["first"]
    dispatcher.stop()


def test_without_arrivals_a_chore_is_done_at_once() -> None:
    done: list[str] = []
    Dispatcher(spin=True).in_lull(lambda: done.append("only"))
    assert done == ["only"]


@pytest.mark.parametrize("spin", [True, False])
def test_where_the_next_arrival_is_far_off_a_chore_is_done_at_once(spin: bool) -> None:
    """A dispatcher that sleeps until shortly before the next arrival would not see the lull."""
    dispatcher = Dispatcher(spin)
    done: list[str] = []
    dispatcher.start(monotonic_ns(), iter([[FAR], [FAR + MS]]))
    dispatcher.in_lull(lambda: done.append("only"))
    dispatcher.stop()
    assert done == ["only"]


def test_blocks_made_ahead_are_offered_in_their_order() -> None:
    dispatcher = Dispatcher(spin=True)
    start_ns = monotonic_ns()
    due_ms: list[int] = []

    def user() -> None:
        while True:
            due_ms.append((dispatcher.take() - start_ns) // MS)
            if len(due_ms) == 6:
                dispatcher.stop()
                return

    running = gevent.spawn(user)
    gevent.sleep(0)
    dispatcher.start(start_ns, iter([[0, 20 * MS], [40 * MS, 60 * MS], [80 * MS, 100 * MS], [FAR]]))
    running.join(10)
    assert due_ms == [0, 20, 40, 60, 80, 100]
