"""What the tests do in a namespace of their own, as a process: python -m tests.network.inside HOW TASK=ARGUMENT…

HOW is rootless, or anything else for what this machine allows.

Prints what was found as a line of JSON.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from edgebench.model import LinkSpec, NetworkSpec, Placement
from edgebench.network import possible
from edgebench.network.line import lines_of
from edgebench.network.profiles import PROFILES
from edgebench.network.topology import CLIENT, EDGE, ORIGIN, topology_of
from edgebench.runner.guardian import Guardian
from edgebench.runner.network import Emulated, network_of
from edgebench.runner.services import Service

NETWORKS = {
    **PROFILES,
    "lossy": NetworkSpec("lossy", LinkSpec(rtt_ms=2, loss=0.2), LinkSpec(), LinkSpec(rtt_ms=2)),
    "slower": replace(PROFILES["same-city"], client_edge=LinkSpec(rtt_ms=12, down_mbit=50, up_mbit=20)),
    "line": NetworkSpec("line", LinkSpec(rtt_ms=20, down_mbit=20, up_mbit=2), LinkSpec(), LinkSpec(rtt_ms=2)),
}


def _network(name: str, running: ExitStack) -> Emulated:
    guardian = running.enter_context(Guardian())
    directory = Path(running.enter_context(tempfile.TemporaryDirectory()))
    network = network_of(NETWORKS[name], directory, Placement(), guardian)
    assert isinstance(network, Emulated)
    return network


def _record(network: Emulated) -> Any:
    record = network.record()
    assert record is not None
    return asdict(record)


def links(name: str) -> Any:
    """The network as it measures itself, and what TCP makes of it: connects, and a download."""
    with ExitStack() as running:
        network = running.enter_context(_network(name, running))
        network.verify()
        network.begin()
        server = running.enter_context(network.socket(EDGE))
        server.bind((network.address(EDGE), 0))
        server.listen(64)
        connects_ms = [_connect_ms(network, server) for _ in range(5)]
        rate_mbit = _download_mbit(network, server) if name == "line" else None
        network.__exit__()
        return {"record": _record(network), "connects_ms": connects_ms, "tcp_mbit": rate_mbit}


def wrong(name: str) -> Any:
    """A network whose relay was told of another one: what the record says of it."""
    with ExitStack() as running:
        guardian = running.enter_context(Guardian())
        directory = Path(running.enter_context(tempfile.TemporaryDirectory()))
        lines = [lines_of(link.spec) for link in topology_of(NETWORKS[name]).links]
        truth = topology_of(PROFILES["same-city"])
        network = Emulated("same-city", truth, directory, Placement(), guardian, lines=lines)
        with network:
            network.verify()
        return _record(network)


def _connect_ms(network: Emulated, server: socket.socket) -> float:
    with network.socket(CLIENT) as client:
        began = time.monotonic()
        client.connect(server.getsockname())
        took = time.monotonic() - began
        server.accept()[0].close()
    return 1000 * took


def _download_mbit(network: Emulated, server: socket.socket) -> float:
    """Of half a megabyte, from the first byte sent to the last one received."""
    with network.socket(CLIENT) as client:
        client.connect(server.getsockname())
        accepted = server.accept()[0]
        began, received = time.monotonic(), 0
        sending = threading.Thread(target=_send_all, args=(accepted, bytes(500_000)))
        sending.start()
        while data := client.recv(65536):
            received += len(data)
        took = time.monotonic() - began
        sending.join()
    return 8e-6 * received / took


def _send_all(accepted: socket.socket, data: bytes) -> None:
    with accepted:
        accepted.sendall(data)


def lost(count: str) -> Any:
    """How many of so many packets arrive over a link that loses one in five, and how many the network says it lost."""
    with ExitStack() as running:
        network = running.enter_context(_network("lossy", running))
        network.begin()
        receiver = running.enter_context(network.socket(EDGE, socket.SOCK_DGRAM))
        receiver.bind((network.address(EDGE), 0))
        receiver.settimeout(0.5)
        sender = running.enter_context(network.socket(CLIENT, socket.SOCK_DGRAM))
        arrived = 0
        for number in range(int(count)):
            sender.sendto(b"x", receiver.getsockname())
            if number % 50 == 49:
                arrived += _count(receiver, 50)
        network.__exit__()
        return {"arrived": arrived, "record": _record(network)}


def _count(receiver: socket.socket, most: int) -> int:
    """Datagrams that come until none has come for a tenth of a second."""
    receiver.settimeout(0.1)
    for number in range(most):
        try:
            receiver.recv(100)
        except TimeoutError:
            return number
    return most


def reach(name: str) -> Any:
    """Who reaches whom."""
    with ExitStack() as running:
        network = running.enter_context(_network(name, running))
        found = {}
        for node in (CLIENT, EDGE, ORIGIN):
            server = running.enter_context(network.socket(node))
            server.bind((network.address(node), 80))
            server.listen()
            for other in (CLIENT, EDGE, ORIGIN, ""):
                with network.socket(other) if other else socket.socket() as client:
                    client.settimeout(2)
                    client.connect(server.getsockname())
                    found[f"{other}>{node}"] = client.getsockname()[0]
        out = subprocess.run([*network.prefix(CLIENT), "ip", "route"], capture_output=True, text=True, check=True)
        return {"from": found, "client_routes": out.stdout.splitlines()}


def hold(directory: str) -> Any:
    """A network with a process in every node, until somebody kills this one."""
    with Guardian() as guardian, network_of(PROFILES["continent"], Path(directory), Placement(), guardian) as network:
        services = list(network.services)
        for node in (CLIENT, EDGE, ORIGIN):
            argv = (*network.prefix(node), "sleep", "600")
            service = Service(node, "tier", argv, {}, Path(directory) / f"{node}.log", (), guardian)
            service.start()
            services.append(service)
            while Path(f"/proc/{service.pid}/ns/net").readlink() == Path("/proc/self/ns/net").readlink():
                service.check()
                time.sleep(0.01)
        print(json.dumps({"mark": guardian.mark, "pids": [service.pid for service in services]}), flush=True)
        signal.pause()


TASKS: dict[str, Callable[[str], Any]] = {"links": links, "lost": lost, "wrong": wrong, "reach": reach, "hold": hold}


def main() -> None:
    rootless, *tasks = sys.argv[1:]
    if not possible.is_inside():
        allowed = possible.Possible(possible.ROOTLESS) if rootless == "rootless" else possible.possible()
        possible.enter(allowed, [sys.executable, "-m", "tests.network.inside", *sys.argv[1:]])
    possible.settle()
    found = {}
    for task in tasks:
        name, _, argument = task.partition("=")
        found[task] = TASKS[name](argument)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
