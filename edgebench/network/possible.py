"""Whether networks can be emulated here, how, and what to do where not; and the way into a namespace of one's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NoReturn

from edgebench.network.line import LineSpec
from edgebench.network.namespaces import in_thread, ip_batch
from edgebench.network.netem import netem_command
from edgebench.network.relay import REALTIME

INSIDE = "EDGEBENCH_NAMESPACE_OF"
"""Set to the pid of the process that is in a namespace of its own: its children are not meant."""
WITH_NETEM = "EDGEBENCH_NETEM"
"""Set to 0, the relay is taken where there is netem, too."""
AS_ROOT = ("unshare", "--net", "--")  # without a user namespace caches may drop their privileges as root's children do
ROOTLESS = ("unshare", "--user", "--map-current-user", "--keep-caps", "--net", "--")
_HARDEST = LineSpec(1_000_000, 1_000_000, 0.01, 8.0, 1_000_000)
_TRY = f"""
ip link set lo up && ip link add eb0 type veth peer name eb1 || exit
tc {netem_command("eb0", _HARDEST)} 2>/dev/null && echo netem
exit 0"""
_LIMIT_S = 10.0
_SBIN = "/usr/sbin:/sbin"
_SETTINGS: Mapping[str, tuple[str, str]] = {
    "kernel/apparmor_restrict_unprivileged_userns": ("1", "0"),
    "kernel/unprivileged_userns_clone": ("0", "1"),
    "user/max_user_namespaces": ("0", "15000"),
}
"""Settings that forbid user namespaces: the value that does, and one that allows them."""


@dataclass(frozen=True, slots=True)
class Possible:
    """What this machine allows."""

    unshare: tuple[str, ...]
    """Command line that runs another one in a network namespace of its own; empty: it is not allowed."""
    netem: bool = False
    why_not: str = ""
    """The reason, and the way out."""

    @property
    def text(self) -> str:
        """In words, for `check`."""
        if not self.unshare:
            return f"not possible here: {self.why_not}"
        who = "without root, in a user namespace" if "--user" in self.unshare else "as root"
        means = "tc netem" if self.netem else "a packet relay in user space (this kernel has no netem)"
        return f"{who}, by {means}"


@cache
def possible() -> Possible:
    """Tried out, in a namespace that is gone at once."""
    if sys.platform != "linux":
        return Possible((), why_not="network namespaces are Linux's: use a Linux machine, or a virtual one")
    os.environ["PATH"] = f"{os.environ.get('PATH', os.defpath)}:{_SBIN}"  # an ordinary user's may lack where tc is
    for tool, package in (("unshare", "util-linux"), ("nsenter", "util-linux"), ("ip", "iproute2")):
        if shutil.which(tool) is None:
            return Possible((), why_not=f"{tool} is missing: install {package}")
    said = ""
    for argv in (AS_ROOT, ROOTLESS) if os.geteuid() == 0 else (ROOTLESS,):
        works, netem, said = attempt(argv)
        if works:
            return Possible(argv, netem)
    return Possible((), why_not=f"{said}; {_way_out()}")


def attempt(argv: Sequence[str]) -> tuple[bool, bool, str]:
    """Whether interfaces can be made there, whether netem works, and what was said."""
    try:
        done = subprocess.run([*argv, "sh", "-c", _TRY], capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return False, False, str(error)
    said = " ".join(done.stderr.split()) or "no reason given"
    netem = "netem" in done.stdout and os.environ.get(WITH_NETEM) != "0"
    return done.returncode == 0, netem, said


def _way_out() -> str:
    """What the user can do, by what this system has set."""
    for setting, (forbids, allows) in _SETTINGS.items():
        try:
            value = (Path("/proc/sys") / setting).read_text().strip()
        except OSError:
            continue
        if value == forbids:
            name = setting.replace("/", ".")
            return f"{name} is {value} here: set it (sysctl -w {name}={allows}), or run as root"
    return "run as root; in a container, start it with the capabilities SYS_ADMIN and NET_ADMIN, or privileged"


@cache
def realtime_allowed() -> bool:
    """Whether the relay may have its core whenever it wants it (root, mostly)."""
    if not hasattr(os, "sched_setscheduler"):
        return False
    return in_thread(_try_realtime)  # the policy is a thread's own


def _try_realtime() -> bool:
    try:
        os.sched_setscheduler(0, REALTIME, os.sched_param(1))
    except OSError:
        return False
    return True


def is_inside() -> bool:
    """Whether this very process was put into a namespace of its own by `enter`."""
    return os.environ.get(INSIDE) == str(os.getpid())


def settle() -> None:
    """Once inside: what a new namespace lacks."""
    ip_batch(["link set lo up"])


def netem_inside() -> bool:
    """Whether netem works where this process is; found out before it entered."""
    return is_inside() and os.environ.get(WITH_NETEM) == "1"


def enter(found: Possible, command: Sequence[str]) -> NoReturn:
    """Become this command in a network namespace of its own, under the same pid."""
    os.environ |= {INSIDE: str(os.getpid()), WITH_NETEM: "1" if found.netem else "0"}
    os.execvp(found.unshare[0], [*found.unshare, *command])
