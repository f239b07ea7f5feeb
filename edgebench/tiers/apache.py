"""Apache httpd with mod_cache and mod_cache_disk, from the system's packages.

The store is on disk. The other one, mod_cache_socache with shared memory, answers hits faster but chooses the part of
its memory by the first byte of the URL, which is always an h: of 512 MB it uses 2, and holds 992 answers. Files are
read from the page cache. mod_cache_disk has no limit of its own: `storage_mb` bounds a single answer only.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import signal
import struct
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote_to_bytes

from edgebench.model import ClaimedOutcome, ExpiryRule, Profile
from edgebench.tiers.adapter import (
    PROBE_PATH,
    Adapter,
    Binary,
    LogLine,
    Place,
    Process,
    PurgeFailed,
    basics,
    first_that_runs,
    render,
    stamp_seq,
    version_of,
    which,
)

_CONFIG = "httpd.conf"
_NEEDED = (
    *("mpm_event", "unixd", "log_config", "authz_core", "setenvif", "headers"),
    *("proxy", "proxy_http", "cache", "cache_disk"),
)
_CODERS = {"gzip": "deflate", "br": "brotli"}
_FOLDERS = ("lib/apache2/modules", "lib64/httpd/modules", "lib/httpd/modules", "libexec/apache2", "lib/apache2")
_MODULE_FILES = {"mpm_event": "event.c"}
_COOKIES = "keep answers that set a cookie out of the store (stores them without it)"
_ENTITY = 6  # first number in a header file that holds an answer, not a list of what it varies by
_HEAD = struct.Struct("<III")
_HEAD_BYTES = 120
_ESCAPED = re.compile(r"\\(x[0-9a-f]{2}|.)")
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "v": "\v", "b": "\b", "f": "\f"}


class Apache(Adapter):
    """Age counts from the origin's Date, in whole seconds, and includes what the fetch took."""

    name = "apache"
    expiry = ExpiryRule(whole_seconds=True, less_fetch=True)
    collapses_misses = False
    collapses_expired = False  # CacheLock does, but by serving the expired answer to those who would wait
    how_to_get = (
        "make caches (apt-get install apache2-bin), or your system's package apache2 or httpd; as root it also needs "
        "setpriv (util-linux). Or set EDGEBENCH_APACHE"
    )
    serves_tls = True
    purges_one = True
    purges_all = True
    compresses = frozenset({"gzip", "br"})
    routes_paths = True
    lacks: ClassVar[Mapping[Profile, tuple[str, ...]]] = {
        Profile.STRICT: (_COOKIES,),
        Profile.RESILIENT: (_COOKIES, "stale-while-revalidate", "the limit of stale-if-error"),
    }

    def find(self) -> Binary | None:
        return first_that_runs(self.name, ((which("apache2") or which("httpd"), "system"),), _version)

    def files(self, binary: Binary, place: Place) -> Mapping[str, str]:
        default = place.profile is Profile.DEFAULT
        coders = ("filter", *(_CODERS[coding] for coding in place.compress)) if place.compress else ()
        wanted = (*_NEEDED, *(("ssl",) if place.tls else ()), *coders)
        modules = {name: path for name in wanted if (path := _module(binary.path, name))}
        text = render(
            "apache.conf.j2", directory=place.directory, **basics(place),
            log=place.log, store=_store(place), workers=place.workers, storage_bytes=place.storage_mb << 20,
            modules=modules, default=default, resilient=place.profile is Profile.RESILIENT,
            chain=place.tls.chain if place.tls else None, probe_path=PROBE_PATH,
        )  # fmt: skip
        return {_CONFIG: text}

    def processes(self, binary: Binary, place: Place) -> tuple[Process, ...]:
        argv = (*_as_somebody(), binary.path, "-DFOREGROUND", "-f", str(place.directory / _CONFIG))
        return (Process("apache", argv, stop_signal=signal.SIGWINCH, children=place.workers),)

    def read_log(self, place: Place) -> Iterable[LogLine]:
        """A line is written when its answer is out, so it may come after that of a request which began later."""
        with place.log.open(errors="surrogateescape") as lines:
            for line in sorted(lines):  # they begin with the time, in as many digits
                at_us, port, status, hit, confirmed, missed, warning, stamp, asked = line.rstrip("\n").split("\t")
                method, _, rest = _unescaped(asked).partition(" ")
                yield LogLine(
                    wall_s=int(at_us) / 1e6, port=int(port), method=method, key=rest.rpartition(" ")[0],
                    status=int(status), verdict=_verdict(hit, confirmed, missed, warning), origin_seq=stamp_seq(stamp),
                )  # fmt: skip

    def purge(self, binary: Binary, place: Place, key: str | None = None) -> None:
        """Unlinks the stored headers: what lies in the store without them is not found any more."""
        try:
            for header, url in _stored(place):
                if key is None or _same(url, key):
                    header.unlink(missing_ok=True)
        except OSError as error:
            raise PurgeFailed(f"apache: {error.filename} cannot be purged: {error.strerror}") from None


def _verdict(hit: str, confirmed: str, missed: str, warning: str) -> ClaimedOutcome:
    """Of mod_cache's three variables. 110: served while another request refreshes it; 111: as the origin fails."""
    if hit != "-":
        return ClaimedOutcome.STALE if warning.startswith(("110", "111")) else ClaimedOutcome.HIT
    if confirmed != "-":
        return ClaimedOutcome.REVALIDATED
    return ClaimedOutcome.BYPASS if missed == "-" else ClaimedOutcome.MISS


def _unescaped(text: str) -> str:
    """What httpd's log wrote in C's manner; bytes come out as surrogates, like undecodable ones of a file."""

    def plain(match: re.Match[str]) -> str:
        what = match[1]
        return os.fsdecode(bytes.fromhex(what[1:])) if len(what) == 3 else _CONTROLS.get(what, what)

    return _ESCAPED.sub(plain, text)


def _store(place: Place) -> Path:
    """mod_cache_disk makes the folders in its root, but not the root."""
    return place.directory / "tmp"


def _stored(place: Place) -> Iterator[tuple[Path, bytes]]:
    """The header files of the store, each with the URL of its answer: fixed fields, the URL, then the headers."""
    for folder, _, names in os.walk(_store(place)):
        for name in names:
            path = Path(folder, name)
            if path.suffix != ".header":
                continue
            with contextlib.suppress(FileNotFoundError), path.open("rb") as file:  # httpd unlinks them, too
                head = file.read(_HEAD_BYTES)
                form, _, length = _HEAD.unpack_from(head) if len(head) == _HEAD_BYTES else (0, 0, 0)
                if form == _ENTITY:
                    yield path, file.read(length)


def _same(url: bytes, key: str) -> bool:
    """Whether a stored URL is that of a path and query: there is always a question mark, and the path was decoded
    unless the quick handler stored it."""
    path, _, query = key.partition("?")
    stored = b"/" + url.partition(b"://")[2].partition(b"/")[2]
    return stored in (each + b"?" + query.encode() for each in (unquote_to_bytes(path), path.encode()))


@cache
def _compiled_in(path: str) -> frozenset[str]:
    """Names of the modules that need not be loaded."""
    return frozenset(re.findall(r"^\s+(\w+\.c)$", version_of([path, "-l"], r"(?s)(.*)"), re.MULTILINE))


@cache
def _module(path: str, name: str) -> str | None:
    """File of a module; the empty text where it is compiled in, None where there is none."""
    if not _compiled_in(path).isdisjoint({f"mod_{name}.c", _MODULE_FILES.get(name, "")}):
        return ""
    prefix = Path(path).resolve().parent.parent
    files = (base / folder / f"mod_{name}.so" for base in (prefix, Path("/usr")) for folder in _FOLDERS)
    return next((str(file) for file in (prefix / "modules" / f"mod_{name}.so", *files) if file.is_file()), None)


def _version(path: str) -> str:
    """Empty where something it needs is missing."""
    able = os.geteuid() != 0 or which("setpriv") is not None
    able = able and all(_module(path, name) is not None for name in _NEEDED)
    return version_of([path, "-v"], r"Apache/(\S+)") if able else ""


def _as_somebody() -> tuple[str, ...]:
    """httpd refuses to serve as root. As nobody it could not write to a folder of root's, but for this capability."""
    if os.geteuid() != 0:
        return ()
    nobody = pwd.getpwnam("nobody")
    return (
        *(str(which("setpriv")), f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"),
        *("--inh-caps=+dac_override", "--ambient-caps=+dac_override"),
    )


ADAPTER = Apache()
