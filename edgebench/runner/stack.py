"""The system under test: the origin and the tier before it, up and answering, then down for certain."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import psutil
import pyarrow as pa

from edgebench.errors import UserError
from edgebench.model import Cell, OriginSpec, Profile, TierRecord
from edgebench.network.topology import ORIGIN, edge_nodes
from edgebench.origin import process as origin_process
from edgebench.origin.process import DRAIN_S, LISTEN_AT_NS, LISTENING, QUICK_DRAIN_S
from edgebench.runner import bucket
from edgebench.runner.bucket import Bucket
from edgebench.runner.certificates import certified
from edgebench.runner.edges import Instance, instances
from edgebench.runner.external import await_external
from edgebench.runner.guardian import Guardian
from edgebench.runner.network import Loopback, Network
from edgebench.runner.services import POLL_S, Hung, Service, answers, await_ready, demand_port, free_port
from edgebench.store import LEDGER
from edgebench.tiers import adapters
from edgebench.tiers.adapter import PROBE_PATH, Adapter, Binary, Place, Tls

READY = PROBE_PATH + "ping"
READY_LIMIT_S = 30.0


@dataclass
class Stack:
    """Origin and tier of one cell. A context manager: entering starts them, leaving stops them, whatever happened."""

    cell: Cell
    origin: OriginSpec
    directory: Path
    cores: Sequence[int]
    guardian: Guardian
    tier_port: int | None = None
    """None: a free one."""
    network: Network = field(default_factory=Loopback)
    """Where origin and tier are. It is up before the stack is, and longer."""
    services: list[Service] = field(default_factory=list, init=False)
    exit_states: dict[str, str] = field(default_factory=dict, init=False)
    origin_port: int = field(init=False)
    origin_argv: tuple[str, ...] = field(default=(), init=False)
    origin_start_s: float = field(default=0.0, init=False)
    """How long it took until the origin answered."""
    bucket: Bucket | None = field(default=None, init=False)
    """The object store that has the static files, where the tier takes them from one."""
    origin_tls: Tls | None = field(default=None, init=False)
    """Where clients come to the app itself and speak https; a cache speaks http to it."""
    _tier_started_ns: int = field(default=0, init=False)
    _origin_down: bool = field(default=False, init=False)
    """By plan, and not yet back."""
    place: Place | None = field(init=False)
    """Where the tier runs, or the first of its edges; None for `direct`."""
    instances: tuple[Instance, ...] = field(default=(), init=False)
    """The tier's caches, the edges first; none for `direct`."""

    def __post_init__(self) -> None:
        tier = self.cell.tier
        self.origin = replace(self.origin, env={**self.origin.env, **self.cell.env})
        self.origin_port = demand_port(self.origin.port) if self.origin.port else free_port()
        port = demand_port(self.tier_port) if self.tier_port else free_port()
        if self.adapter is None:
            self.place = None
            self.origin_port = port if self.tier_port and not tier.url else self.origin_port
            if tier.tls and not tier.url:
                self.origin_tls = certified(self.directory / "origin-tls", self.origin_host)
        else:
            directory = self.directory / self.adapter.name
            edge, *more = (self.network.address(node) for node in edge_nodes(tier.edges))
            if tier.bucket:
                self.bucket = bucket.of_tier(tier, self.directory / bucket.ROLE, self.origin_host, free_port)
            self.place = Place(
                directory, port, self.origin_port, tier.profile, tier.workers, tier.storage_mb,
                certified(directory, edge, *more) if tier.tls else None,
                host=edge, origin_host=self.origin_host, control_host=edge, client_host=edge,
                compress=tier.compress, routes=(self.bucket.route,) if self.bucket else (),
            )  # fmt: skip
            self.instances = instances(tier, self.place, self.network.address, free_port)
            self.place = self.instances[0].place

    @property
    def url(self) -> str:
        """Where clients go."""
        if self.cell.tier.url:
            return self.cell.tier.url.rstrip("/")
        if self.place is None:
            return self.origin_url
        return f"{'https' if self.place.tls else 'http'}://{self.place.client_host}:{self.place.port}"

    @property
    def edge_urls(self) -> tuple[str, ...]:
        """Where clients go, of all edges; the first is `url`."""
        edges = [each.place for each in self.instances if not each.is_shield]
        return tuple(f"{'https' if edge.tls else 'http'}://{edge.control_host}:{edge.port}" for edge in edges)

    @property
    def origin_url(self) -> str:
        """Where the app itself answers, past the tier."""
        return f"{'https' if self.origin_tls else 'http'}://{self.origin_host}:{self.origin_port}"

    @property
    def origin_host(self) -> str:
        """Where the origin listens."""
        return self.network.address(ORIGIN)

    @property
    def ca(self) -> Path | None:
        """The certificates clients must trust besides the system's."""
        tls = self.place.tls if self.place is not None else self.origin_tls
        return tls.ca if tls is not None else None

    @property
    def origin_ca(self) -> Path | None:
        """What the origin's certificate is of; None: it speaks http."""
        return self.origin_tls.ca if self.origin_tls is not None else None

    @property
    def adapter(self) -> Adapter | None:
        return adapters().get(self.cell.tier.kind)

    @property
    def ledger(self) -> Path:
        return self.directory / origin_process.LEDGER

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _start(self) -> None:
        drain_s = QUICK_DRAIN_S if self.cell.deploy is not None else DRAIN_S
        self.origin_argv = origin_process.argv(
            self.origin, self.origin_port, host=self.origin_host, drain_s=drain_s, tls_chain=self._tls_chain
        )
        argv = (*self.network.prefix(ORIGIN), *self.origin_argv)
        origin = self._service("origin", "origin", argv, self._origin_environment())
        origin.children = self.origin.workers
        began = time.monotonic()
        origin.start()
        tier = self._start_tier()
        store = self._start_bucket()
        self.network.verify()  # while they start: it counts by the kernel's clock
        await_ready(origin, self.origin_port, READY, READY_LIMIT_S, self.origin_ca, self.origin_host)
        self.origin_start_s = time.monotonic() - began
        if self.bucket is not None:
            if store is not None:
                await_ready(store, self.bucket.port, bucket.READY, READY_LIMIT_S, host=self.bucket.host)
            self.bucket.fill(self.origin_host, self.origin_port)
        if self.cell.tier.url:
            await_external(self.cell.tier, self.origin_port, READY)
        for instance, service, logs_probes in tier:
            self._await_tier(instance.place, service, logs_probes)

    def _origin_environment(self) -> dict[str, str]:
        return dict(origin_process.environment(self.origin, self.cell.freshness.ttl_s, self.directory))

    def kill_origin(self) -> None:
        """As a crash does it; by plan, so no check minds."""
        self._origin_down = True
        self.services[0].kill()

    def start_origin_again(self, listen_at_ns: int) -> None:
        """It refuses connections until it can answer, and until listen_at_ns (CLOCK_MONOTONIC) at least."""
        gone = self.services[0]
        shutil.rmtree(self._listening, ignore_errors=True)
        self._listening.mkdir()
        late = {LISTEN_AT_NS: str(listen_at_ns), LISTENING: str(self._listening)}
        argv = origin_process.argv(
            self.origin, self.origin_port, late=True, host=self.origin_host, tls_chain=self._tls_chain
        )
        argv = (*self.network.prefix(ORIGIN), *argv)
        origin = Service(
            "origin", "origin", argv, {**self._origin_environment(), **late}, gone.log, gone.cores, gone.guardian
        )
        origin.children = self.origin.workers
        self.services[0] = origin
        origin.start()

    def origin_back_at_ns(self) -> int | None:
        """When it stopped refusing connections; None: it does not answer yet."""
        if not (self._origin_answers(timeout_s=1.0) and self.services[0].know_members()):
            return None
        at_ns = min((int(file.read_text()) for file in self._listening.glob("[0-9]*")), default=None)
        self._origin_down = at_ns is None
        return at_ns

    def _origin_answers(self, timeout_s: float) -> bool:
        return answers(self.origin_port, READY, timeout_s, self.origin_ca, self.origin_host)

    @property
    def _tls_chain(self) -> Path | None:
        return self.origin_tls.chain if self.origin_tls is not None else None

    @property
    def _listening(self) -> Path:
        return self.directory / "listening"

    def _start_tier(self) -> list[tuple[Instance, Service, bool]]:
        self._tier_started_ns = time.monotonic_ns()
        return [started for instance in self.instances for started in self._start_instance(instance)]

    def _start_instance(self, instance: Instance) -> Iterator[tuple[Instance, Service, bool]]:
        adapter, place = self.adapter, instance.place
        assert adapter is not None
        binary = require(adapter)
        (place.directory / "tmp").mkdir(parents=True, exist_ok=True)
        for name, text in adapter.files(binary, place).items():
            path = place.directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        for process in adapter.processes(binary, place):
            argv = (*self.network.prefix(instance.node), *process.argv)
            service = self._service(instance.named(process.name), "tier", argv, process.env)
            service.stop_signal, service.children = process.stop_signal, process.children
            service.passing = process.passing
            service.start()
            yield instance, service, process.logs_probes

    def _start_bucket(self) -> Service | None:
        if self.bucket is None or not self.bucket.ours:
            return None
        self.bucket.make_folder()
        argv = (*self.network.prefix(ORIGIN), *self.bucket.argv)
        service = self._service(bucket.ROLE, bucket.ROLE, argv, self.bucket.env)
        service.start()
        return service

    def bucket_rows(self, start_wall_ns: int) -> pa.Table:
        """What the object store was asked for since start_wall_ns, as store.LEDGER."""
        if self.bucket is None or not self.bucket.ours:
            return LEDGER.empty_table()
        return self.bucket.rows(self.directory / f"{bucket.ROLE}.log", start_wall_ns)

    def _service(self, name: str, role: str, argv: Sequence[str], env: Mapping[str, str]) -> Service:
        log = self.directory / f"{name}.log"
        service = Service(name, role, argv, env, log, self.cores, self.guardian)
        self.services.append(service)
        return service

    def _await_tier(self, place: Place, service: Service, logs_probes: bool) -> None:
        ca = place.tls.ca if place.tls is not None else None
        if not logs_probes:
            await_ready(service, place.port, READY, READY_LIMIT_S, ca, place.control_host)
            return
        deadline = time.monotonic() + READY_LIMIT_S
        while not (place.log.exists() and place.log.stat().st_size > 0):
            service.check()
            if time.monotonic() > deadline:
                raise Hung(f"{service.name} wrote no log within {READY_LIMIT_S:g} s")
            answers(place.port, READY, timeout_s=1.0, ca=ca, host=place.control_host)
            time.sleep(POLL_S)
        service.know_members()

    def check(self) -> None:
        """Raise ServiceFailed if anything has ended that should be running."""
        for service in (*self.services, *self.network.services):
            service.check()

    def roles(self) -> dict[str, list[psutil.Process]]:
        """The processes of each role."""
        found: dict[str, list[psutil.Process]] = {}
        for service in (*self.services, *self.network.services):
            found.setdefault(service.role, []).extend(service.members.values())
        return found

    def name_the_hung(self) -> str:
        """Which of them does not answer any more, in words; empty if all do, or the origin is down by plan."""
        if self._origin_down:
            return ""
        if not self._origin_answers(timeout_s=2.0):
            return f"the origin (pid {self.services[0].pid}) is alive and does not answer"
        # A cache may hold an origin that failed by plan for dead, for a while: that it says so is an answer.
        below = 600 if self.origin.faults else 300
        for instance in reversed(self.instances):  # the shield first: the edges answer by it
            place = instance.place
            ca = place.tls.ca if place.tls is not None else None
            if not answers(place.port, READY, timeout_s=2.0, ca=ca, host=place.control_host, below=below):
                found = next(each for each in self.services[1:] if each.name.endswith(instance.name))
                return f"{found.name} (pid {found.pid}) is alive and does not answer"
        return ""

    def stored_bytes(self) -> int | None:
        """What the tier's stores take up now, those of all edges; None where nobody tells."""
        if self.adapter is None:
            return None
        binary = require(self.adapter)
        found = [self.adapter.stored_bytes(binary, each.place) for each in self.instances if not each.is_shield]
        return sum(each for each in found if each is not None) if any(each is not None for each in found) else None

    def record(self) -> TierRecord:
        """The tier as it runs now, with its counters."""
        adapter = self.adapter
        tier = self.cell.tier
        if adapter is None or self.place is None:
            return TierRecord(kind=tier.kind, binary=tier.url or "")
        binary = require(adapter)
        return TierRecord(
            kind=adapter.name, version=binary.version, binary=f"{binary.path} ({binary.source})",
            config_text=_config_text(self._files(adapter, binary)),
            argv=adapter.processes(binary, self.place)[0].argv,
            expiry=adapter.expiry if tier.profile is Profile.STRICT and adapter.stores else None,
            profile=tier.profile, lacks=tuple(adapter.lacks.get(tier.profile, ())),
            started_ns=self._tier_started_ns, limit_checked_s=adapter.limit_checked_s,
            collapses_misses=adapter.collapses_misses, collapses_expired=adapter.collapses_expired,
            counters=self._counters(adapter, binary),
        )  # fmt: skip

    def _files(self, adapter: Adapter, binary: Binary) -> Mapping[str, str]:
        """Of the first edge, and of the shield, which is the other one that differs by more than its address."""
        kept = [each for each in self.instances if each.is_shield or each is self.instances[0]]
        return {
            f"{each.name}/{name}" if len(kept) > 1 else name: text
            for each in kept
            for name, text in adapter.files(binary, each.place).items()
        }

    def _counters(self, adapter: Adapter, binary: Binary) -> dict[str, float]:
        """Those of the edges together; of the shield under names of its own."""
        total: dict[str, float] = {}
        for each in self.instances:
            for name, value in adapter.counters(binary, each.place).items():
                name = f"shield_{name}" if each.is_shield else name
                total[name] = total.get(name, 0.0) + value
        return total

    def stop(self) -> None:
        """Tier first, so that it can finish what it has begun with the origin. Safe to call twice."""
        tier_first = sorted(self.services, key=lambda service: service.role != "tier")
        for service in tier_first:
            if service.name not in self.exit_states:
                self.exit_states[service.name] = service.stop()


def _config_text(files: Mapping[str, str]) -> str:
    if len(files) == 1:
        return next(iter(files.values()))
    return "\n".join(f"# --- {name}\n{text}" for name, text in files.items())


def require(adapter: Adapter) -> Binary:
    """The adapter's binary, or a UserError that says how to get it."""
    binary = adapter.find()
    if binary is None:
        raise UserError(f"{adapter.name} is not installed; {adapter.how_to_get}")
    return binary
