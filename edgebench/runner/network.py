"""The network of one trial while it is up: namespaces, cables, the relay; checked before the load, accounted for after.

`Loopback` is the network that is none, so that nobody has to ask which of them it is.
"""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Protocol, Self

from edgebench.model import LinkRecord, NetworkRecord, NetworkSpec, Placement
from edgebench.network import possible, verify
from edgebench.network.line import LineSpec, lines_of
from edgebench.network.namespaces import Namespace, NetworkFailed, ip_batch, turn_offloads_off
from edgebench.network.netem import netem_command
from edgebench.network.topology import GROUP, Topology, Wiring, topology_of
from edgebench.runner.guardian import Guardian
from edgebench.runner.services import Service

READY_LIMIT_S = 10.0
_POLL_S = 0.002
_tags = count()


class Network(Protocol):
    """What the stack asks of a network. A context manager."""

    services: list[Service]
    """Processes that make it work."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...

    def address(self, node: str) -> str:
        """Where a node is reached: by the nodes it is linked with, and by the harness, without delay. Also before it
        is up."""

    def prefix(self, node: str) -> tuple[str, ...]:
        """In front of a command line that is to run in a node."""

    def socket(self, node: str, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
        """A socket of a node, TCP if nothing else is asked for."""

    def verify(self) -> None:
        """Measure it."""

    def begin(self) -> None:
        """From now on it is counted what is done to packets."""

    def record(self) -> NetworkRecord | None:
        """What was asked for, measured and done to packets; complete when it is down. None: there is nothing to say."""


@dataclass
class Loopback:
    """All nodes are this machine."""

    services: list[Service] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def address(self, node: str) -> str:
        return "127.0.0.1"

    def prefix(self, node: str) -> tuple[str, ...]:
        return ()

    def socket(self, node: str, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
        return socket.socket(socket.AF_INET, kind)

    def verify(self) -> None:
        pass

    def begin(self) -> None:
        pass

    def record(self) -> NetworkRecord | None:
        return None


@dataclass
class Emulated:
    """Nodes in namespaces of their own. This process has to be in one, too (network.possible.enter).

    `lines`: another truth than the topology's, for tests of what happens when the network is not what was asked for.
    """

    name: str
    topology: Topology
    directory: Path
    placement: Placement
    """The relay runs on the generator's core, so that it takes nothing away from the system under test. Where it may
    not have it whenever it wants it, any core that is free is better than to be late."""
    guardian: Guardian
    netem: bool = field(default_factory=possible.netem_inside)
    lines: Sequence[tuple[LineSpec, LineSpec]] | None = None
    """Of each link, up and down."""
    services: list[Service] = field(default_factory=list, init=False)
    _namespaces: dict[str, Namespace] = field(default_factory=dict, init=False)
    _measured: list[verify.Measured] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        if self.lines is None:
            self.lines = [lines_of(link.spec) for link in self.topology.links]
        self._wiring = Wiring(self.topology, f"eb{next(_tags)}")
        self._report = self.directory / "relay.json"

    def __enter__(self) -> Self:
        if not possible.is_inside():  # or the cables would show up among the machine's own
            raise NetworkFailed("networks are emulated in a namespace of its own only; start by `edgebench run`")
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def address(self, node: str) -> str:
        return self.topology.address(node)

    def prefix(self, node: str) -> tuple[str, ...]:
        return ("nsenter", f"--net={self._namespaces[node].path}", "--")

    def socket(self, node: str, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
        return self._namespaces[node].socket(kind)

    def _start(self) -> None:
        for node in self.topology.nodes:
            self._namespaces[node] = Namespace.new()
        paths = {node: namespace.path for node, namespace in self._namespaces.items()}
        ip_batch(self._wiring.hub_commands(paths, relayed=not self.netem))
        for interface in self._wiring.hub_interfaces() if not self.netem else ():
            turn_offloads_off(interface)
        for node, namespace in self._namespaces.items():
            namespace.do(lambda node=node: self._set_up(node))  # type: ignore[misc]
        if not self.netem:
            self._start_relay()

    def _set_up(self, node: str) -> None:
        """In its namespace."""
        assert self.lines is not None
        ip_batch(self._wiring.node_commands(node))
        shaped: list[str] = []
        for number, lines in enumerate(self.lines):
            for end, line in zip(self._wiring.link_ends(number), lines, strict=True):
                if node == end.node:
                    turn_offloads_off(end.interface)
                    shaped.append(netem_command(end.interface, line))
        if self.netem:
            _tc_batch(shaped)

    def _start_relay(self) -> None:
        assert self.lines is not None
        links = [
            {"interfaces": self._wiring.relay_interfaces(number), "lines": [asdict(line) for line in lines]}
            for number, lines in enumerate(self.lines)
        ]
        both = (*self.placement.generator, *self.placement.system)
        cores = self.placement.generator if possible.realtime_allowed() else tuple(sorted(set(both)))
        plan = json.dumps({"report": str(self._report), "links": links})
        relay = Service(
            "relay", "network", (sys.executable, "-m", "edgebench.network.relay", plan), {},
            self.directory / "relay.log", cores, self.guardian,
        )  # fmt: skip
        self.services.append(relay)
        self._report.unlink(missing_ok=True)
        relay.start()
        deadline = time.monotonic() + READY_LIMIT_S
        while not self._report.exists():
            relay.check()
            if time.monotonic() > deadline:
                raise NetworkFailed(f"the relay (pid {relay.pid}) was not ready within {READY_LIMIT_S:g} s")
            time.sleep(_POLL_S)
        relay.know_members()

    def verify(self) -> None:
        self._measured = verify.measure(self.topology, self._namespaces)

    def begin(self) -> None:
        for relay in self.services:
            relay.send_signal(signal.SIGUSR1)

    def record(self) -> NetworkRecord | None:
        links = self.topology.links
        measured = self._measured or [verify.Measured(None, None)] * len(links)
        found = (
            LinkRecord(link.a, link.b, link.spec, **asdict(seen), **done)
            for link, seen, done in zip(links, measured, self._done(), strict=True)
        )
        return NetworkRecord(self.name, "netem" if self.netem else "relay", tuple(found))

    def _done(self) -> list[Mapping[str, Any]]:
        """What the relay says it did on each link."""
        with contextlib.suppress(OSError, ValueError):
            done: list[Mapping[str, Any]] = json.loads(self._report.read_text())
            return done
        return [{}] * len(self.topology.links)

    def stop(self) -> None:
        """Safe to call twice. Whatever runs in the nodes must have ended."""
        for service in self.services:
            service.stop()
        if self._namespaces:
            with contextlib.suppress(NetworkFailed):  # of those that were not made yet
                ip_batch([f"link del group {GROUP}"])
        for namespace in self._namespaces.values():
            namespace.close()
        self._namespaces.clear()


def _tc_batch(lines: Sequence[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    done = subprocess.run(["tc", "-batch", "-"], input=text, capture_output=True, text=True, timeout=10, check=False)
    if done.returncode:
        raise NetworkFailed(f"the network could not be set up: tc: {' '.join(done.stderr.split())}")


def network_of(
    spec: NetworkSpec | None,
    directory: Path,
    placement: Placement,
    guardian: Guardian,
    edges: int = 1,
    shield: bool = False,
) -> Loopback | Emulated:
    """The network of a cell with a tier of so many edges; None: loopback. `directory`: of the trial."""
    if spec is None:
        return Loopback()
    return Emulated(spec.name, topology_of(spec, edges, shield), directory, placement, guardian)
