"""The generator as in a trial, against one server of the harness's own: no origin, no cache."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgebench.model import Cell, Freshness, Load, OriginSpec, Placement, TierSpec, Trial
from edgebench.runner.guardian import Guardian
from edgebench.runner.services import Hung, Service, ServiceFailed, await_ready, exit_text, log_tail
from edgebench.runner.trial import Bench, generator_argv, limit_s
from edgebench.tiers import DIRECT
from edgebench.tiers.adapter import PROBE_PATH

LOCUSTFILE = Path(__file__).with_name("null_locustfile.py")
READY = PROBE_PATH + "ping"
READY_LIMIT_S = 10.0
POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Bare:
    """One such exchange: the load, where it writes, and what the locustfile is told."""

    load: Load
    work: Path
    placement: Placement
    guardian: Guardian
    env: Mapping[str, str]

    @property
    def trial(self) -> Trial:
        return Trial(Cell(TierSpec(DIRECT, DIRECT), Freshness(), self.load), 1, 1)

    @property
    def samples(self) -> Path:
        return self.work / "samples"


def drive(bare: Bare, server: Service, port: int, look: Callable[[Service], None]) -> tuple[str, ...]:
    """Start server and generator, let the generator run its course, stop both. Returns the generator's command line.

    `look` is called with the generator several times a second while it runs. Raises ServiceFailed or Hung.
    """
    bare.samples.mkdir(parents=True)
    go = bare.work / "go"
    bench = Bench(LOCUSTFILE, OriginSpec(), bare.placement, bare.guardian)
    argv = generator_argv(bench, f"http://127.0.0.1:{port}", bare.trial, bare.samples, go)
    generator = Service(
        "generator", "generator", argv, {"PYTHONDONTWRITEBYTECODE": "1", **bare.env},
        bare.work / "generator.log", bare.placement.generator, bare.guardian,
    )  # fmt: skip
    try:
        generator.start()
        server.start()
        await_ready(server, port, READY, READY_LIMIT_S)
        generator.know_members()
        go.touch()
        _watch(generator, server, time.monotonic() + limit_s(bare.load), look)
    finally:
        generator.stop(grace_s=3.0)
        server.stop()
    return argv


def _watch(generator: Service, server: Service, deadline: float, look: Callable[[Service], None]) -> None:
    assert generator.popen is not None
    while (code := generator.popen.poll()) is None:
        server.check()
        look(generator)
        if time.monotonic() > deadline:
            raise Hung(f"the generator (pid {generator.pid}) did not end in time{_words(generator)}")
        time.sleep(POLL_S)
    if code != 0:
        raise ServiceFailed(f"the generator ended with {exit_text(code)}{_words(generator)}")


def _words(generator: Service) -> str:
    tail = log_tail(generator.log)
    return f": {tail}" if tail else ""
