"""Tiers that are not started here: somebody's own proxy or CDN, known by its URL."""

from __future__ import annotations

import contextlib
import http.client
import time
from urllib.parse import urlsplit

from edgebench.errors import UserError
from edgebench.model import TierSpec
from edgebench.runner.services import POLL_S

EXTERNAL_LIMIT_S = 10.0


def await_external(tier: TierSpec, origin_port: int, path: str) -> None:
    """Until `path` is answered through the tier, which may take a moment to find the origin that has just come up.

    UserError where it is not within EXTERNAL_LIMIT_S.
    """
    url = (tier.url or "").rstrip("/")
    deadline = time.monotonic() + EXTERNAL_LIMIT_S
    while not reaches(url, path):
        if time.monotonic() > deadline:
            raise UserError(
                f"tier {tier.name}: {url} does not reach the origin on port {origin_port} (asked for {path} for "
                f"{EXTERNAL_LIMIT_S:g} s); start it, or point it there"
            )
        time.sleep(POLL_S)


def reaches(url: str, path: str) -> bool:
    """Whether the origin's wrapper, or at least a server that is not in trouble, answers through this tier."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    with contextlib.closing(kind(parts.hostname or "", port, timeout=2.0)) as connection:
        try:
            connection.request("GET", path)
            return connection.getresponse().status < 500
        except (OSError, http.client.HTTPException):
            return False
