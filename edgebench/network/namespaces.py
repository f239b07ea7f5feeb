"""A network namespace, held by a file descriptor of this process, and work done inside it.

It needs no process of its own and ends with the last one that holds it or runs in it, also after kill -9.
"""

from __future__ import annotations

import array
import contextlib
import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from edgebench.errors import EdgebenchError

T = TypeVar("T")
_CLONE_NEWNET = 0x40000000
_SIOCETHTOOL = 0x8946
_OFFLOADS = {"tx checksums": 0x17, "scatter": 0x19, "tso": 0x1F, "gso": 0x24, "gro": 0x2C}
"""ETHTOOL_S… of linux/ethtool.h, off in this order. With them on, a relay would get packets of 64 kB, no checksums."""
_SYSCTLS = {
    "net/ipv4/ip_forward": "0",  # a node is no router
    "net/ipv4/tcp_no_metrics_save": "1",  # what one connection met is not known to the next: each is another user's
}
_LIMIT_S = 10.0


class NetworkFailed(EdgebenchError):
    """The network could not be set up, or has broken."""


def _call(name: str, *arguments: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments):
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")


def in_thread(work: Callable[[], T]) -> T:
    """A namespace is a thread's own: one that has moved is used once and ends."""
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


@dataclass(frozen=True, slots=True)
class Namespace:
    """An unnamed network namespace. Close it when done."""

    fd: int

    @classmethod
    def new(cls) -> Namespace:
        """OSError where this process may not make one."""

        def make() -> int:
            _call("unshare", _CLONE_NEWNET)
            fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
            for name, value in _SYSCTLS.items():
                with contextlib.suppress(OSError):  # /proc/sys may be read-only: the defaults are mostly these
                    (Path("/proc/sys") / name).write_text(value)
            return fd

        return cls(in_thread(make))

    @property
    def path(self) -> str:
        """For `ip` and `nsenter`, as long as this process lives."""
        return f"/proc/{os.getpid()}/fd/{self.fd}"

    def do(self, work: Callable[[], T]) -> T:
        """Do something inside. What it opens or starts stays inside."""

        def inside() -> T:
            _call("setns", self.fd, _CLONE_NEWNET)
            return work()

        return in_thread(inside)

    def socket(self, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
        """An IPv4 socket of this namespace."""
        return self.do(lambda: socket.socket(socket.AF_INET, kind))

    def close(self) -> None:
        os.close(self.fd)


def ip_batch(lines: Iterable[str]) -> None:
    """Run lines by `ip -batch`. NetworkFailed with what it says."""
    text = "".join(f"{line}\n" for line in lines)
    try:
        done = subprocess.run(
            ["ip", "-batch", "-"], input=text, capture_output=True, text=True, timeout=_LIMIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NetworkFailed(f"the network could not be set up: ip: {error}") from None
    if done.returncode:
        raise NetworkFailed(f"the network could not be set up: ip: {' '.join(done.stderr.split())}")


def turn_offloads_off(interface: str) -> None:
    """Every packet as it would be on a cable. What the interface has not got is passed over."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for command in _OFFLOADS.values():
            value = array.array("B", struct.pack("=II", command, 0))
            request = struct.pack("16sP", interface.encode(), value.buffer_info()[0])
            with contextlib.suppress(OSError):
                fcntl.ioctl(any_socket, _SIOCETHTOOL, request)
