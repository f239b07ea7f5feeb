"""Clocks of several machines, and what a master and a worker do about them, on clocks made for the purpose."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edgebench.load import clocks
from edgebench.load.clocks import Machine, Offset, Round
from edgebench.load.distributed import WorkerSide
from edgebench.load.master import MasterSide

HOUR_NS = 3600 * 10**9


@given(
    st.integers(-(10**18), 10**18),
    st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**9)), min_size=1),
)
def test_the_true_offset_is_within_the_uncertainty(true_ns: int, trips: list[tuple[int, int, int]]) -> None:
    rounds, now_ns = [], 10**12
    for there_ns, back_ns, pause_ns in trips:
        asked_ns = now_ns
        now_ns += there_ns
        worker_ns = now_ns + true_ns
        now_ns += back_ns
        rounds.append(Round(asked_ns, worker_ns, now_ns))
        now_ns += pause_ns
    found = clocks.offset(rounds, same_boot=False)
    assert abs(found.offset_ns - true_ns) <= found.uncertainty_ns
    assert found.uncertainty_ns == (min(there + back for there, back, _ in trips) + 1) // 2


def test_the_same_boot_has_one_clock_unless_it_is_seen_not_to() -> None:
    rounds = [Round(1000, 1300, 1400), Round(2000, 2900, 4000)]
    assert clocks.offset(rounds, same_boot=True) == Offset(1300, 0, 0)
    assert clocks.offset(rounds, same_boot=False) == Offset(1300, 100, 200)
    of_its_own = [Round(1000, HOUR_NS + 1300, 1400)]
    assert clocks.offset(of_its_own, same_boot=True) == Offset(HOUR_NS + 1300, HOUR_NS + 100, 200)


def test_this_machine_has_one_identity() -> None:
    assert Machine.here() == Machine.here()
    assert Machine.here().boot


class Event:
    def add_listener(self, listener: Callable[..., None]) -> None:
        pass


class Wire:
    """Locust's channel between one master and one worker, at once."""

    def __init__(self) -> None:
        self.listeners: dict[str, Any] = {}
        self.other: Wire
        self.environment = SimpleNamespace(events=SimpleNamespace(quitting=Event()))
        self.client_id = "far"
        self.clients: Any = {}
        self.sent: list[tuple[str, Any]] = []

    def register_message(self, kind: str, listener: Any, concurrent: bool = False) -> None:
        self.listeners[kind] = listener

    def send_message(self, kind: str, data: Any, client_id: str | None = None) -> None:
        self.sent.append((kind, data))
        self.other.listeners[kind](environment=None, msg=SimpleNamespace(node_id=self.client_id, data=data))

    def get_worker_index(self, node: str) -> int:
        return 0


class Clients(dict[str, Any]):
    @property
    def all(self) -> list[Any]:
        return list(self.values())


class Session:
    """What a worker's session is told."""

    closed = False
    start_ns = end_ns = -1

    def begin(self, start_ns: int) -> None:
        self.start_ns = start_ns

    def end_at(self, end_ns: int) -> None:
        self.end_ns = end_ns


def test_a_worker_on_another_machine_is_told_times_of_its_own_clock() -> None:
    ahead_ns, now_ns = 5 * HOUR_NS, [HOUR_NS]

    def master_clock() -> int:
        now_ns[0] += 100_000
        return now_ns[0]

    at_master, at_worker = Wire(), Wire()
    at_master.other, at_worker.other = at_worker, at_master
    at_master.clients = Clients(far=SimpleNamespace(id="far", state="running"))
    session: Any = Session()
    master = MasterSide(at_master, Machine("here", "boot 1"), master_clock)
    WorkerSide(at_worker, lambda: session, Machine("there", "boot 2"), lambda: master_clock() + ahead_ns)

    assert master.begin(None, lambda: None) == ["far"]
    start_ns = master.start()
    assert session.start_ns == start_ns + ahead_ns
    master.load(lambda: None).end_at(start_ns + 7)
    assert session.end_ns == start_ns + 7 + ahead_ns
    (facts,) = master.facts()
    assert (facts["host"], facts["clock_offset_ns"], facts["clock_uncertainty_ns"]) == ("there", ahead_ns, 100_000)
    ((at_ns, offset_ns),) = facts["clock_points"]
    assert offset_ns == ahead_ns
    assert HOUR_NS + ahead_ns < at_ns < start_ns + ahead_ns
