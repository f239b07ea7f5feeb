"""The self-test for coordinated omission: its exact distribution, its server, and a short run of all of it."""

from __future__ import annotations

import heapq
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edgebench.load.arrivals import arrival_times_ns
from edgebench.model import Arrivals
from edgebench.runner.placement import available_cores
from edgebench.runner.selftest import SelfTestPlan, SelfTestRecord, run_self_test
from edgebench.runner.selftest_exact import constant_schedule, exact

MS = 1_000_000


def simulated(due: list[int], connections: int, service: int, begin: int, end: int) -> list[tuple[int, int]]:
    """(sent, done) of each arrival, by stepping through events: the server keeps what is left of each request's time,
    and does not count it down while it is frozen."""
    events: list[tuple[int, int, int]] = [(at, 2, index) for index, at in enumerate(due)]
    events += [(begin, 0, -1), (end, 0, -1)]
    heapq.heapify(events)
    waiting: list[int] = []
    left: dict[int, int] = {}
    idle, now, frozen = connections, 0, False
    sent, done = [-1] * len(due), [-1] * len(due)
    while events:
        at, kind, index = heapq.heappop(events)
        if not frozen:
            left = {each: rest - (at - now) for each, rest in left.items()}
        now = at
        if kind == 0:
            frozen = not frozen and begin < end
            if not frozen:  # what was under way is answered after what is left of its time
                for each, rest in left.items():
                    heapq.heappush(events, (at + rest, 1, each))
            continue
        if kind == 1:
            if frozen or left.get(index) != 0:  # an appointment made before the freeze
                continue
            del left[index]
            done[index] = at
            idle += 1
        else:
            waiting.append(index)
        while waiting and idle:
            each = waiting.pop(0)
            idle -= 1
            sent[each], left[each] = at, service
            if not frozen:
                heapq.heappush(events, (at + service, 1, each))
    return list(zip(sent, done, strict=True))


@given(
    gaps=st.lists(st.integers(0, 30), min_size=1, max_size=60),
    connections=st.integers(1, 5),
    service=st.integers(1, 40),
    begin=st.integers(0, 400),
    frozen_for=st.integers(1, 300),
)
@example(gaps=[10] * 60, connections=2, service=15, begin=100, frozen_for=200)
@example(gaps=[10] * 60, connections=1, service=10, begin=100, frozen_for=1)
def test_the_closed_form_is_what_a_simulation_by_events_finds(
    gaps: list[int], connections: int, service: int, begin: int, frozen_for: int
) -> None:
    due = np.cumsum(gaps).tolist()
    found = exact(due, connections, service, begin, begin + frozen_for)
    expected = simulated(due, connections, service, begin, begin + frozen_for)
    assert [(each.sent_ns, each.done_ns) for each in found] == expected


def test_the_first_and_last_to_suffer_from_a_freeze() -> None:
    """By hand: a request every 10 ms, answered after 5 ms, three connections, frozen from 100 to 200 ms."""
    found = exact(constant_schedule(100.0, 0.4), 3, 5 * MS, 100 * MS, 200 * MS)
    waited = {each.scheduled_ns // MS: (each.latency_ns // MS, each.service_ns // MS) for each in found}
    assert waited[90] == (5, 5)
    assert waited[100] == (105, 105) and waited[120] == (85, 85)  # the freeze itself
    assert waited[130] == (80, 5)  # the queue: at 130 ms no connection was free until 205 ms
    assert waited[160] == (55, 5)
    assert waited[390] == (5, 5)


def test_the_schedule_is_the_generators() -> None:
    blocks = arrival_times_ns(Arrivals.CONSTANT, 2000.0, seed=1)
    generators = [at for block in islice(blocks, 200) for at in block if at < 30 * 1000 * MS]
    assert constant_schedule(2000.0, 30.0) == generators
    assert len(generators) == 59_999


def test_the_plan_lets_the_freeze_hide_from_the_uncorrected_p99_alone() -> None:
    plan = SelfTestPlan()
    due = constant_schedule(plan.rate_rps, plan.duration_s)
    begin = round(plan.freeze_after_s * 1e9)
    found = exact(due, plan.connections, round(plan.service_s * 1e9), begin, begin + round(plan.freeze_s * 1e9))
    stuck = [each for each in found if each.service_ns > plan.service_s * 1e9]
    assert len(stuck) == plan.connections < 0.001 * len(found)
    latency_s = np.sort([each.latency_ns / 1e9 for each in found])
    assert latency_s[-1] == pytest.approx(plan.freeze_s + plan.service_s)
    assert latency_s[int(0.99 * len(found))] > 1.0
    assert latency_s[len(found) // 2] == plan.service_s
    assert found[-1].latency_ns == plan.service_s * 1e9, "the queue is worked off before the end"


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> SelfTestRecord:
    plan = SelfTestPlan(rate_rps=500.0, duration_s=3.0, freeze_after_s=1.0, freeze_s=0.3, connections=8)
    return run_self_test(plan, tmp_path_factory.mktemp("selftest"), lambda: None)


def column(table: pa.Table, name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.asarray(table.column(name).to_numpy(), dtype=np.int64)


def test_a_short_run_records_every_arrival_at_its_time(short: SelfTestRecord) -> None:
    assert len(short.samples) == len(short.exact) == 1499
    assert short.samples.column("error").null_count == 1499
    assert sorted(column(short.samples, "scheduled_ns")) == [each.scheduled_ns for each in short.exact]
    assert short.witness.answers == 1499 + 1, "and one probe"


def test_the_server_froze_once_and_answered_nothing_meanwhile(short: SelfTestRecord) -> None:
    begin, end = short.witness.begin_ns, short.witness.end_ns
    assert end - begin >= 300 * MS
    done = column(short.samples, "done_ns") + short.record.start_monotonic_ns
    assert not ((done > begin + 100 * MS) & (done < end)).any()
    sent = column(short.samples, "sent_ns") + short.record.start_monotonic_ns
    assert begin - sent.min() >= 1000 * MS - 300 * MS, "counted from the first request, not from the probe"


def test_no_request_is_answered_sooner_than_it_must_be(short: SelfTestRecord) -> None:
    """What holds on any machine: it can only be slower than the ideal one."""
    service = column(short.samples, "done_ns") - column(short.samples, "sent_ns")
    assert service.min() >= 5 * MS
    latency = column(short.samples, "done_ns") - column(short.samples, "scheduled_ns")
    gap_ns = 2 * MS
    assert latency.max() >= 300 * MS - gap_ns
    must = np.sort([each.latency_ns for each in short.exact])
    assert (np.sort(latency)[-100:] >= must[-100:] - 2 * gap_ns).all()


def test_only_latency_from_schedule_sees_the_queue(short: SelfTestRecord) -> None:
    times = [column(short.samples, name) for name in ("scheduled_ns", "sent_ns", "done_ns")]
    latency, service = times[2] - times[0], times[2] - times[1]
    assert np.median(service) < np.percentile(latency, 95)
    # One sample per connection was caught by the freeze; everybody else only waited in line.
    assert (latency > 100 * MS).sum() > 2 * 8
    assert (service > 100 * MS).sum() < (latency > 100 * MS).sum() / 2


def test_it_runs_as_a_trial_does(short: SelfTestRecord) -> None:
    words = short.record.generator_argv
    assert words[words.index("--rate") + 1] == "500.0" and words[words.index("--arrivals") + 1] == "constant"
    assert "--record" in words and ("--spin" in words) == (len(available_cores()) > 1)
    assert pc.all(pc.equal(short.samples.column("phase").cast(pa.string()), "measure")).as_py()
