"""The self-test for coordinated omission: what the generator records of a server that freezes once.

Everything runs as in a trial (processes, cores, options, recorder); only the server is one whose answers are known
beforehand. What is to be concluded is left to the caller.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from edgebench.errors import EdgebenchError
from edgebench.load import samples as load_samples
from edgebench.model import Arrivals, Load, Placement, TierRecord, TrialRecord
from edgebench.runner.bare import Bare, drive
from edgebench.runner.guardian import Guardian
from edgebench.runner.placement import available_cores, on_cores, place
from edgebench.runner.selftest_exact import Exact, constant_schedule, exact
from edgebench.runner.services import Service, free_port
from edgebench.tiers import DIRECT


@dataclass(frozen=True, slots=True)
class SelfTestPlan:
    """One freeze under a constant load.

    `service_s` keeps ten requests under way and leaves the loopback's share of a median below 2 %. `connections` are
    few enough that those caught by the freeze (one each) are far below 1 % of the samples, and enough to work off the
    queue afterwards: connections / service_s requests a second, three times the rate.
    """

    rate_rps: float = 2000.0
    duration_s: float = 30.0
    service_s: float = 0.005
    freeze_after_s: float = 10.0
    freeze_s: float = 1.4
    connections: int = 32

    @property
    def load(self) -> Load:
        return Load(
            rate_rps=self.rate_rps, arrivals=Arrivals.CONSTANT, users=self.connections, warm_up_s=0.0,
            measure_s=self.duration_s, keys=1, private_share=0.0,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Witness:
    """What the server says of itself."""

    begin_ns: int
    """When it froze, by CLOCK_MONOTONIC …"""
    end_ns: int
    """… and when it thawed."""
    answers: int
    late_ns: tuple[int, ...]
    """How much later than promised it sent its answers: p50, p99, most."""


@dataclass(frozen=True, slots=True)
class SelfTestRecord:
    """What was recorded, and what it must be."""

    plan: SelfTestPlan
    record: TrialRecord
    samples: pa.Table
    """store.SAMPLES."""
    witness: Witness
    exact: tuple[Exact, ...]
    """Times as in `samples`."""


def run_self_test(plan: SelfTestPlan, work: Path, look: Callable[[], None]) -> SelfTestRecord:
    """Run it; takes `duration_s` and about three seconds more. `look` is called several times a second."""
    placement = place(available_cores())
    witness_file = work / "witness.json"
    port = free_port()
    argv = (
        sys.executable, "-m", "edgebench.runner.freezing_server", "--port", str(port),
        "--service-ns", str(round(plan.service_s * 1e9)), "--freeze-after-ns", str(round(plan.freeze_after_s * 1e9)),
        "--freeze-ns", str(round(plan.freeze_s * 1e9)), "--witness", str(witness_file),
    )  # fmt: skip
    with Guardian() as guardian, on_cores(placement.system):
        bare = Bare(plan.load, work, placement, guardian, {})
        server = Service("the freezing server", "tier", argv, {}, work / "server.log", placement.system, guardian)
        generator_argv = drive(bare, server, port, lambda generator: look())
    return _gather(plan, bare, witness_file, placement, generator_argv)


def _gather(
    plan: SelfTestPlan, bare: Bare, witness_file: Path, placement: Placement, argv: tuple[str, ...]
) -> SelfTestRecord:
    generator = load_samples.read_generator(bare.samples) or {}
    start_ns = int(generator.get("start_ns", -1))
    try:
        said = json.loads(witness_file.read_text())
        witness = Witness(said["begin_ns"], said["end_ns"], said["answers"], tuple(said["late_ns"]))
    except (OSError, ValueError, KeyError) as error:
        raise EdgebenchError(f"the self-test's server left no account of itself ({error})") from None
    if start_ns < 0 or witness.begin_ns < 0:
        raise EdgebenchError("the self-test ended before the server froze; run it again")
    times = (witness.begin_ns - start_ns, witness.end_ns - start_ns)
    schedule = constant_schedule(plan.rate_rps, plan.duration_s)
    must_be = exact(schedule, plan.connections, round(plan.service_s * 1e9), *times)
    record = TrialRecord(
        trial=bare.trial, complete=True, problem="", start_monotonic_ns=start_ns, start_wall_ns=0, wall_drift_ns=0,
        measure_start_ns=0, measure_end_ns=round(plan.duration_s * 1e9), warm_up_end="none",
        tier=TierRecord(DIRECT), placement=placement, origin_argv=(), generator_argv=argv, exit_states={},
        load={name: float(value) for name, value in generator.items() if isinstance(value, int | float)},
    )  # fmt: skip
    return SelfTestRecord(plan, record, load_samples.read(bare.samples, start_ns), witness, tuple(must_be))
