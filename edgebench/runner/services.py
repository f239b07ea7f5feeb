"""Processes with a beginning and an end: started by us, known by pid, ready when they answer, stopped for certain."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from edgebench.errors import EdgebenchError, UserError
from edgebench.runner.guardian import Guardian
from edgebench.runner.placement import on_cores

POLL_S = 0.01


class ServiceFailed(EdgebenchError):
    """A process we started did not come up, or ended before its time."""


class Hung(EdgebenchError):
    """A process we started is alive and does not answer."""


def log_tail(path: Path) -> str:
    """The last line of a log that says something; empty if none."""
    with contextlib.suppress(OSError):
        lines = [line.strip() for line in path.read_text(errors="replace").splitlines() if line.strip()]
        if lines:
            return lines[-1][:300]
    return ""


@dataclass
class Service:
    """One process in a session of its own, so that all it forks can be found and ended with it."""

    name: str
    role: str
    """generator, tier, origin or network."""
    argv: Sequence[str]
    env: Mapping[str, str]
    log: Path
    cores: Sequence[int]
    guardian: Guardian
    stop_signal: signal.Signals = signal.SIGTERM
    children: int = 0
    """How many processes it forks to do its work."""
    passing: str | None = None
    """Words in the title of a child that ends by itself when it has done its part."""
    popen: subprocess.Popen[bytes] | None = field(default=None, init=False)
    members: dict[int, psutil.Process] = field(default_factory=dict, init=False)
    """The process and its descendants, as they were when it was ready."""
    killed: bool = field(default=False, init=False)
    """By plan: that it does not run is no failure."""

    def start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log, on_cores(self.cores):
            try:
                self.popen = subprocess.Popen(
                    list(self.argv), env={**os.environ, **self.env, **self.guardian.environment()},
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                )  # fmt: skip
            except OSError as error:
                raise ServiceFailed(f"{self.name} cannot be started: {self.argv[0]}: {error.strerror}") from None
        self.guardian.watch(self.popen.pid)

    @property
    def pid(self) -> int:
        assert self.popen is not None, f"{self.name} was not started"
        return self.popen.pid

    def know_members(self) -> bool:
        """Remember which processes there are; whether that is all of them."""
        found = [psutil.Process(self.pid)]
        with contextlib.suppress(psutil.Error):
            for child in found[0].children(recursive=True):
                if self.passing is None or self.passing not in " ".join(child.cmdline()):
                    found.append(child)
        self.members = {each.pid: each for each in found}
        return len(found) > self.children

    def check(self) -> None:
        """Raise ServiceFailed if the process, or one of those it had forked, is gone."""
        assert self.popen is not None
        if self.killed:
            return
        code = self.popen.poll()
        if code is not None:
            raise ServiceFailed(f"{self.name} (pid {self.pid}) ended by itself: {exit_text(code)}{self._hint()}")
        for pid, process in self.members.items():
            if not is_alive(process):
                raise ServiceFailed(f"a process of {self.name} (pid {pid}) ended by itself{self._hint()}")

    def _hint(self) -> str:
        tail = log_tail(self.log)
        return f" ({tail})" if tail else ""

    def send_signal(self, number: signal.Signals) -> None:
        """Send it one, if it still runs."""
        if self.popen is not None and self.popen.poll() is None:
            self.popen.send_signal(number)

    def renew(self) -> None:
        """Have it replace by plan what it has forked (SIGHUP): until know_members is called, that may end."""
        self.members = {self.pid: psutil.Process(self.pid)}
        assert self.popen is not None
        self.popen.send_signal(signal.SIGHUP)

    def kill(self) -> None:
        """End it by plan, as a crash does: at once, with all it forked."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        if self.popen is not None:
            self.popen.wait()
        self.guardian.forget(self.pid)
        self.killed = True
        self.members = {}

    def stop(self, grace_s: float = 8.0) -> str:
        """End it: ask, wait, then kill it and everything in its session. Safe to call twice. How it ended."""
        if self.popen is None:
            return "not started"
        already = self.popen.poll()
        if self.killed:
            return "killed, as planned"
        forced = False
        if already is None:
            self.popen.send_signal(self.stop_signal)
            try:
                self.popen.wait(grace_s)
            except subprocess.TimeoutExpired:
                forced = True
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)  # it leads its session: its pid is the group's
        code = self.popen.wait()
        self.guardian.forget(self.pid)
        if already is not None:
            return f"{exit_text(already)}, by itself"
        return f"killed after {grace_s:g} s" if forced else f"{exit_text(code)}, stopped"


def is_alive(process: psutil.Process) -> bool:
    """Whether it still runs; one that has ended and was not yet waited for does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # it ended between the two questions
        return False


def exit_text(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def demand_port(port: int) -> int:
    """The port itself, if it can be listened on; else a UserError that says who has it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise UserError(f"port {port} is in use{_holder(port)}; stop it or choose another port") from None
    return port


def _holder(port: int) -> str:
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            if connection.laddr and connection.laddr.port == port and connection.pid and connection.status == "LISTEN":
                return f" by {psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return ""


def answers(
    port: int, path: str, timeout_s: float, ca: Path | None = None, host: str = "127.0.0.1", below: int = 300
) -> bool:
    """Whether a GET of the harness's own probe path is answered with success (a status below `below`) within
    timeout_s; by https with a `ca`."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
    try:
        if ca is not None:
            context = ssl.create_default_context(cafile=str(ca))
            connection = http.client.HTTPSConnection(host, port, timeout=timeout_s, context=context)
        connection.request("GET", path)
        return 200 <= connection.getresponse().status < below
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def await_ready(
    service: Service, port: int, path: str, limit_s: float, ca: Path | None = None, host: str = "127.0.0.1"
) -> None:
    """Return when the service answers on its port; raise ServiceFailed or Hung when it ends first or takes longer."""
    deadline = time.monotonic() + limit_s
    while not (answers(port, path, timeout_s=1.0, ca=ca, host=host) and service.know_members()):
        service.check()
        if time.monotonic() > deadline:
            tail = service._hint()
            raise Hung(f"{service.name} (pid {service.pid}) did not answer on port {port} within {limit_s:g} s{tail}")
        time.sleep(POLL_S)
