"""One trial: cold start, load, stop; the evidence of all witnesses as tables in its folder."""

from __future__ import annotations

import contextlib
import errno
import json
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from edgebench.errors import EdgebenchError
from edgebench.load import samples as load_samples
from edgebench.model import (
    LOOPBACK,
    Arrivals,
    Load,
    LoadModel,
    NetworkSpec,
    OriginSpec,
    Placement,
    TierRecord,
    Trial,
    TrialRecord,
)
from edgebench.network.possible import realtime_allowed
from edgebench.network.topology import CLIENT
from edgebench.origin import rows as origin_rows
from edgebench.runner.browser import PageLoads, load_pages
from edgebench.runner.deployment import Conducted, Deployment, first_wait_s
from edgebench.runner.faults import Faults
from edgebench.runner.guardian import Guardian
from edgebench.runner.network import network_of
from edgebench.runner.placement import may_spin
from edgebench.runner.sampler import Sampler
from edgebench.runner.services import Hung, Service, ServiceFailed, exit_text, log_tail
from edgebench.runner.stack import Stack
from edgebench.store import TIER_LOG, TrialFolder

POLL_S = 0.1
SAMPLE_EVERY_S = 1.0
QUIET_S = 5.0
"""An origin that has answered nothing for so long is asked whether it lives. A busy one is never disturbed."""
NEVER_NS = 2**62
DISK_RESERVE_BYTES = 32 * 2**20


class Stopped(EdgebenchError):
    """The user ended the run."""

    exit_code = 130


class DiskFull(EdgebenchError):
    """No space is left for the evidence."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What all trials of a run share."""

    locustfile: Path
    origin: OriginSpec
    placement: Placement
    guardian: Guardian
    networks: Mapping[str, NetworkSpec] = field(default_factory=dict)
    """Those of the cells, by name; loopback is none."""
    browser_loads: int = 0
    """Page loads of a real browser at the end of the first trial of each cell, for each kind of visitor."""


@dataclass
class _Clock:
    """Where the trial's times begin, on both clocks."""

    monotonic_ns: int
    wall_ns: int

    @classmethod
    def now(cls) -> _Clock:
        return cls(time.monotonic_ns(), time.time_ns())

    def drift_ns(self) -> int:
        return (time.time_ns() - self.wall_ns) - (time.monotonic_ns() - self.monotonic_ns)


def generator_argv(
    bench: Bench,
    url: str,
    trial: Trial,
    record: Path,
    go: Path,
    ca: Path | None = None,
    origin_url: str | None = None,
    edge_urls: Sequence[str] = (),
) -> tuple[str, ...]:
    """Locust's command line for one trial: it waits for the file `go`, warms up, measures and ends by itself."""
    load = trial.cell.load
    options: Mapping[str, object] = {
        "--host": url, "--users": load.users, "--spawn-rate": load.users,
        **_arrival_options(load), **({"--ca-file": ca} if ca is not None else {}),
        **({"--origin-host": origin_url} if origin_url is not None else {}),
        **({"--edges": ",".join(edge_urls)} if len(edge_urls) > 1 else {}),
        "--keys": load.keys, "--zipf": load.zipf_s, "--seed": trial.seed, "--private-share": load.private_share,
        "--warm-up-min": load.least_warm_up_s(trial.cell.freshness.ttl_s), "--warm-up-max": load.warm_up_s,
        "--measure": load.measure_s, "--record": record, "--wait-for": go, "--loglevel": "WARNING",
    }  # fmt: skip
    flat = tuple(str(part) for pair in options.items() for part in pair)
    base = (sys.executable, "-m", "locust", "-f", str(bench.locustfile), "--headless", "--only-summary")
    # A core of its own may be burned for the sake of punctuality; a shared one is the server's, too, or the relay's.
    shared = bench.placement.shared or (trial.cell.network != LOOPBACK and not realtime_allowed())
    spin = "--spin" if may_spin() and not shared else "--no-spin"
    fill = ("--fill",) if load.fill else ()
    return (*base, spin, *fill, "--no-parquet", "--exit-code-on-error", "0", *flat)


def _arrival_options(load: Load) -> dict[str, object]:
    if load.model is LoadModel.CLOSED:
        return {"--rate": 0}
    kind: dict[str, object] = {"--arrivals": load.arrivals.value}
    if load.arrivals is Arrivals.REPLAY:  # its rate is the recording's
        return kind | {"--replay": load.replay, "--replay-speed": load.replay_speed}
    kind["--rate"] = load.rate_rps
    if load.arrivals is Arrivals.BURSTY:
        bursts = load.bursts
        kind |= {"--burst-factor": bursts.factor, "--burst-share": bursts.share, "--burst-length": bursts.length_s}
    if load.arrivals is Arrivals.STEP:
        step = load.step
        kind |= {"--step-factor": step.factor, "--step-at": step.at_s, "--step-length": step.length_s}
        kind["--step-keys"] = step.keys
    return kind


def limit_s(load: Load) -> float:
    """After this long a trial's generator has failed: everything it may take, and start-up and draining besides."""
    return load.warm_up_s + load.measure_s + 45.0


def run_trial(trial: Trial, bench: Bench, folder: TrialFolder, tell: Callable[[str], None]) -> TrialRecord:
    """Run one trial and write its folder.

    Whatever goes wrong, all that was started is stopped, and what was measured is written with a record that says
    what happened; then the error goes on to the caller. `tell` is told what is going on, in a word or two.
    """
    shutil.rmtree(folder.path, ignore_errors=True)
    work = folder.path.resolve() / "work"  # caches take relative paths for relative to their own folder
    work.mkdir(parents=True)
    spec = None if trial.cell.network == LOOPBACK else bench.networks[trial.cell.network]
    tier = trial.cell.tier
    network = network_of(spec, work, bench.placement, bench.guardian, tier.edges, tier.shield)
    stack = Stack(trial.cell, bench.origin, work, bench.placement.system, bench.guardian, network=network)
    attempt = _Attempt(trial, bench, folder, work, stack)
    try:
        tell("starting")
        attempt.run(tell)
    except BaseException as error:
        with contextlib.suppress(OSError, EdgebenchError):
            attempt.save(problem=_problem(error, work))
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise DiskFull(_problem(error, work)) from error
        raise
    tell("saving")
    return attempt.save(problem="")


def _problem(error: BaseException, work: Path) -> str:
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"no space left on the disk of {work}: free some and go on with --resume"
    return str(error) or type(error).__name__


def portable(text: str, work: Path) -> str:
    """The text with this machine's folders named by what they are: nobody's home belongs into a run folder."""
    named = {work.resolve(): "<trial>", work: "<trial>", Path(sys.prefix): "<env>", Path.cwd(): ".", Path.home(): "~"}
    for folder, name in named.items():
        if folder != folder.parent:  # not a root: that would be in every path
            text = text.replace(str(folder), name)
    return text


class _Attempt:
    """The moving parts of one trial while it runs, and what is to be saved of it."""

    def __init__(self, trial: Trial, bench: Bench, folder: TrialFolder, work: Path, stack: Stack) -> None:
        self.trial, self.bench, self.folder, self.work, self.stack = trial, bench, folder, work, stack
        self.clock = _Clock.now()
        self.sampler = Sampler()
        self.tier = TierRecord(kind=trial.cell.tier.kind)
        self.drift_ns = 0
        self.generator_argv: tuple[str, ...] = ()
        self.raw = work / "samples"
        self.faults = Faults(stack, self.raw, trial.seed)
        self.deployment = Deployment(stack, self.raw)
        self.conducted: tuple[Conducted, ...] = (self.faults, self.deployment)
        self.pages = PageLoads.none()
        self.load_end_ns = NEVER_NS
        """Since the trial's start: what origin and tier were asked later, no sample is of."""

    def run(self, tell: Callable[[str], None]) -> None:
        """Start generator and system at once, let the generator go when the system answers, stop both."""
        self.raw.mkdir()
        go = self.work / "go"
        self.generator_argv = generator_argv(
            self.bench,
            self.stack.url,
            self.trial,
            self.raw,
            go,
            self.stack.ca,
            self.stack.origin_url,
            self.stack.edge_urls,
        )
        with contextlib.ExitStack() as ending:
            network = ending.enter_context(self.stack.network)
            generator = Service(
                "generator", "generator", (*network.prefix(CLIENT), *self.generator_argv),
                {"PYTHONDONTWRITEBYTECODE": "1"},
                self.work / "generator.log", self.bench.placement.generator, self.bench.guardian,
            )  # fmt: skip
            generator.start()
            ending.callback(self._stop, generator)
            ending.enter_context(self.stack)
            ending.callback(self._stop, generator)  # before the system, so that its last answers are not refusals
            network.begin()
            self.clock = _Clock.now()
            go.touch()
            tell("measuring")
            self._watch(generator)
            self.drift_ns = self.clock.drift_ns()
            self.tier = self.stack.record()
            if self.bench.browser_loads and self.trial.repeat == 1:
                tell("loading pages")
                self.load_end_ns = time.monotonic_ns() - self.clock.monotonic_ns
                self.pages = load_pages(
                    self.stack.url, self.bench.browser_loads, work=self.work, cores=self.bench.placement.generator,
                    guardian=self.bench.guardian, prefix=network.prefix(CLIENT),
                )  # fmt: skip

    def _stop(self, generator: Service) -> None:
        if "generator" not in self.stack.exit_states:
            self.stack.exit_states["generator"] = generator.stop(grace_s=3.0)

    def _watch(self, generator: Service) -> None:
        """Until the generator has ended well. Everything it could wait for for ever has a limit here."""
        assert generator.popen is not None
        generator.know_members()
        deadline = time.monotonic() + limit_s(self.trial.cell.load)
        next_sample = time.monotonic()
        written: tuple[int, ...] = ()
        written_at = time.monotonic()
        while (code := generator.popen.poll()) is None:
            for each in self.conducted:
                each.look()
            self.stack.check()
            now = time.monotonic()
            if now >= next_sample:
                next_sample += SAMPLE_EVERY_S
                roles = {"generator": list(generator.members.values()), **self.stack.roles()}
                # Where the store is meant to be full, what is in it is asked for, too: that costs some milliseconds.
                stored_bytes = self.stack.stored_bytes() if self.trial.cell.load.fill else None
                self.sampler.sample(time.monotonic_ns() - self.clock.monotonic_ns, roles, stored_bytes)
                self._check_disk()
                before, written = written, origin_rows.last_written(self.stack.ledger)
                if written != before or now - written_at > QUIET_S:
                    if written == before and (hung := self.stack.name_the_hung()):
                        raise Hung(f"{hung}; see {self.work}")
                    written_at = now
            if now > deadline:
                raise Hung(f"the generator (pid {generator.pid}) did not end in time; see {generator.log}")
            time.sleep(first_wait_s(self.conducted, POLL_S))
        self.faults.finish()
        self.stack.check()
        if code != 0:
            self._check_disk()
            raise ServiceFailed(f"the generator ended with {exit_text(code)}: {log_tail(generator.log)}")

    def _check_disk(self) -> None:
        free = shutil.disk_usage(self.work).free
        if free < DISK_RESERVE_BYTES:
            raise DiskFull(
                f"the disk of {self.folder.path} is full ({free // 2**20} MiB left): free some and go on with --resume"
            )

    def save(self, problem: str) -> TrialRecord:
        """Turn the raw evidence into tables, then write the record: the trial has ended when that is there."""
        start_ns = self.clock.monotonic_ns
        generator = _generator_facts(self.raw)
        load_samples.write_parquet(self.raw, self.folder.path / "samples.parquet", start_ns)
        ledger = [origin_rows.read(self.stack.ledger, start_ns), self.stack.bucket_rows(self.clock.wall_ns)]
        self.folder.write_table("ledger", self._of_the_load(pa.concat_tables(ledger).sort_by("start_ns"), "start_ns"))
        self.folder.write_table("processes", self.sampler.table())
        self.folder.write_table("tier_log", self._of_the_load(self._tier_log(), "at_ns"))
        if self.pages.table.num_rows:
            self.folder.write_table("browser", self.pages.since(start_ns))
        record = TrialRecord(
            trial=self.trial, complete=not problem, problem=problem,
            start_monotonic_ns=start_ns, start_wall_ns=self.clock.wall_ns, wall_drift_ns=self.drift_ns,
            measure_start_ns=int(generator.get("measure_start_ns") or start_ns) - start_ns,
            measure_end_ns=int(generator.get("measure_end_ns") or start_ns) - start_ns,
            warm_up_end=str(generator.get("warm_up_end", "none")),
            tier=self._portable_tier(), placement=self.bench.placement,
            origin_argv=self._portable(self.stack.origin_argv),
            generator_argv=self._portable(self.generator_argv), exit_states=dict(self.stack.exit_states),
            load={name: float(value) for name, value in generator.items() if isinstance(value, int | float)},
            faults=self.faults.finish(), events=self.deployment.events, network=self.stack.network.record(),
            browser_problem=self.pages.problem,
        )  # fmt: skip
        for log in [path for path in self.work.glob("*.log") if path.stat().st_size]:
            log.replace(self.folder.path / log.name)
        if not problem:  # of a failed trial everything is kept: somebody will want to look
            shutil.rmtree(self.work, ignore_errors=True)
        self.folder.write_record(record)
        return record

    def _of_the_load(self, rows: pa.Table, time_column: str) -> pa.Table:
        """Without what the browser's page loads caused: no sample is of them."""
        return rows.filter(pc.less(rows[time_column], self.load_end_ns))

    def _portable(self, words: Sequence[str]) -> tuple[str, ...]:
        return tuple(portable(word, self.work) for word in words)

    def _portable_tier(self) -> TierRecord:
        tier = self.tier
        binary, config = portable(tier.binary, self.work), portable(tier.config_text, self.work)
        return replace(tier, binary=binary, config_text=config, argv=self._portable(tier.argv))

    def _tier_log(self) -> pa.Table:
        adapter, found = self.stack.adapter, self.stack.instances
        if adapter is None:
            return TIER_LOG.empty_table()
        logs = [list(adapter.read_log(each.place)) if each.place.log.exists() else [] for each in found]
        lines = [line for log in logs for line in log]
        columns: dict[str, list[Any]] = {
            "instance": [each.name for each, log in zip(found, logs, strict=True) for _ in log],
            "at_ns": [round(line.wall_s * 1e9) - self.clock.wall_ns for line in lines],
            "port": [line.port for line in lines],
            "method": [line.method for line in lines],
            "key": [line.key for line in lines],
            "status": [line.status for line in lines],
            "verdict": [line.verdict.value for line in lines],
            "origin_seq": [line.origin_seq for line in lines],
        }
        types = {name: "int64" if name in ("at_ns", "port", "status", "origin_seq") else "string" for name in columns}
        arrays = [pa.array(values, pa.type_for_alias(types[name])) for name, values in columns.items()]
        return pa.table(arrays, names=list(columns)).select(TIER_LOG.names).cast(TIER_LOG)


def _generator_facts(raw: Path) -> dict[str, Any]:
    try:
        facts: dict[str, Any] = json.loads((raw / "generator.json").read_text())
    except (OSError, ValueError):
        return {}
    return facts
