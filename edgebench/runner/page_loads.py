"""A real browser loads pages, and says how long each took: one JSON line per load. Run as a process of its own.

    python -m edgebench.runner.page_loads --browser /usr/bin/chromium --url http://127.0.0.1:8000/ --loads 5 --out FILE

A new visitor is a browser context that was never used: no cache, no connection. A returning visitor is the same
context, its connections closed, once its copy of the page has expired, if that is soon; so the page is asked for with
its validator, as by somebody who comes back another day. Before each load somebody else asks for the page, so that a
cache on the way has it, as it has for most visitors.

Only the host of the URL is asked, whatever a page names.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import ssl
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.sync_api import Browser, BrowserContext, CDPSession, Error, Page, Response, sync_playwright

from edgebench.load.browser_cache import initial_age_s, lifetime_s
from edgebench.views import Visitor

LOAD_LIMIT_MS = 30_000
WORTH_WAITING_S = 6.0
"""A copy of the page that stays fresh for longer is not waited for: then the returning visitor does not ask for it."""
_SETTLE_MS = 100
"""So long after the load event, with nothing on its way, all is painted and lazy images are there."""
_SETTLE_LIMIT_MS = 5000
_SOCKETS = "chrome://net-internals/#sockets"
_FLUSH = "#sockets-view-flush-button"
_ARGUMENTS = (
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run",
    "--no-proxy-server", "--disable-gpu",
)  # fmt: skip
_WATCH_PAINT = """
new PerformanceObserver(list => { for (const entry of list.getEntries()) window.__largest = entry.startTime; })
    .observe({type: 'largest-contentful-paint', buffered: true});
"""
_TIMES = """() => {
    const page = performance.getEntriesByType('navigation')[0];
    const ends = performance.getEntriesByType('resource').map(each => each.responseEnd)
        .filter(end => end <= page.loadEventStart);
    return {load: page.loadEventStart, first: page.responseStart, last: Math.max(page.responseEnd, ...ends),
            largest: window.__largest ?? null};
}"""


@dataclass(frozen=True, slots=True)
class Load:
    """One page load. Times in ms since the browser turned to the page; None where there is none."""

    visitor: str
    page: str
    """Request target."""
    repeat: int
    started_ns: int
    """CLOCK_MONOTONIC."""
    load_ms: float | None = None
    """Load event."""
    largest_paint_ms: float | None = None
    """Largest contentful paint."""
    first_byte_ms: float | None = None
    """Of the page."""
    last_byte_ms: float | None = None
    """Of the page and all that came before the load event."""
    connections: int = 0
    """That were opened and carried something."""
    bytes: int = 0
    """Bodies, as on the wire."""
    wire_bytes: int = 0
    """Heads and bodies of answers."""
    asked: tuple[str, ...] = ()
    """Targets that went to the network, in the order of their answers."""
    problem: str = ""


class _Wire:
    """What the browser's own instruments say of the requests of one page."""

    def __init__(self, page: Page) -> None:
        self._targets: dict[str, str] = {}
        self._heads: dict[str, int] = {}
        self._connection: dict[str, int] = {}
        self.done: dict[str, int] = {}
        self.on_the_way: set[str] = set()
        session: CDPSession = page.context.new_cdp_session(page)
        session.on("Network.requestWillBeSent", lambda event: self.on_the_way.add(event["requestId"]))
        session.on("Network.responseReceived", self._answered)
        session.on("Network.loadingFinished", self._finished)
        session.on("Network.loadingFailed", lambda event: self.on_the_way.discard(event["requestId"]))
        session.send("Network.enable")

    def _answered(self, event: dict[str, Any]) -> None:
        name, response = event["requestId"], event["response"]
        parts = urlsplit(response["url"])
        self._targets[name] = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        self._heads[name] = int(response["encodedDataLength"])
        self._connection[name] = int(response["connectionId"])

    def _finished(self, event: dict[str, Any]) -> None:
        self.on_the_way.discard(event["requestId"])
        if event["encodedDataLength"] > 0:  # else the browser's cache had it
            self.done[event["requestId"]] = int(event["encodedDataLength"])

    def settle(self, page: Page) -> None:
        """Wait until nothing is on its way, as far as that comes to an end."""
        for _ in range(_SETTLE_LIMIT_MS // _SETTLE_MS):
            page.wait_for_timeout(_SETTLE_MS)
            if not self.on_the_way:
                return

    def asked(self) -> tuple[str, ...]:
        return tuple(target for name, target in self._targets.items() if name in self.done)

    def connections(self) -> set[int]:
        return {self._connection[name] for name in self.done if name in self._connection}

    def body_bytes(self) -> int:
        return sum(max(0, size - self._heads.get(name, 0)) for name, size in self.done.items())


class Visits:
    """Those of one visitor, in a context of its own."""

    def __init__(self, context: BrowserContext, url: str, repeat: int) -> None:
        context.add_init_script(_WATCH_PAINT)
        self.context, self.url, self.repeat = context, url, repeat
        self._before: set[int] = set()
        """Connections of the first visit."""
        self.fresh_until_s = 0.0
        """By the wall clock: when the browser's copy of the page expires."""

    def visit(self, visitor: Visitor) -> Load:
        parts = urlsplit(self.url)
        target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        self.context.request.get(self.url, timeout=LOAD_LIMIT_MS)  # somebody else's
        page = self.context.new_page()
        started_ns = time.monotonic_ns()
        try:
            wire = _Wire(page)
            asked_s = time.time()
            answer = page.goto(self.url, wait_until="load", timeout=LOAD_LIMIT_MS)
            wire.settle(page)
            times = page.evaluate(_TIMES)
            self._learn(answer, asked_s)
        except Error as error:
            return Load(visitor.value, target, self.repeat, started_ns, problem=_first_line(error))
        finally:
            page.close()
        connections = wire.connections()
        kept, self._before = connections & self._before, connections
        bad = answer is not None and answer.status >= 400
        return Load(
            visitor.value, target, self.repeat, started_ns,
            load_ms=times["load"], largest_paint_ms=times["largest"], first_byte_ms=times["first"],
            last_byte_ms=times["last"], connections=len(connections - kept), bytes=wire.body_bytes(),
            wire_bytes=sum(wire.done.values()), asked=wire.asked(),
            problem=f"the page answered {answer.status}" if bad and answer is not None
            else "the browser kept a connection" if kept else "",
        )  # fmt: skip

    def _learn(self, answer: Response | None, asked_s: float) -> None:
        if answer is not None:
            headers = answer.all_headers()
            fresh_s = (lifetime_s(headers) or 0.0) - initial_age_s(headers, asked_s, asked_s)
            self.fresh_until_s = time.time() + fresh_s

    def hang_up(self) -> None:
        """Close the context's connections; that none was kept, the next visit says."""
        page = self.context.new_page()
        try:
            page.goto(_SOCKETS)
            page.click(_FLUSH, timeout=3000)
        except Error:
            pass
        finally:
            page.close()


def loads(browser: Browser, url: str, count: int) -> Iterator[Load]:
    """`count` of new visitors, then as many of the same ones when they come back."""
    with browser.new_context(ignore_https_errors=True) as context:
        Visits(context, url, 0).visit(Visitor.NEW)  # the browser's own start is no part of any page
    visitors = [Visits(browser.new_context(ignore_https_errors=True), url, number + 1) for number in range(count)]
    for visitor in visitors:
        yield visitor.visit(Visitor.NEW)
        visitor.hang_up()
    left_s = max(visitor.fresh_until_s for visitor in visitors) - time.time()
    if 0 < left_s <= WORTH_WAITING_S:
        time.sleep(left_s)
    for visitor in visitors:
        yield visitor.visit(Visitor.RETURNING)
        visitor.context.close()


def _server(url: str) -> list[str]:
    """Arguments by which only this server is found, and its certificate is as good as any.

    A certificate that is merely excused would not do: what comes under it is never kept in the browser's cache.
    """
    parts = urlsplit(url)
    arguments = [f"--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE {parts.hostname}"]
    if parts.scheme == "https":
        pem = ssl.get_server_certificate((parts.hostname or "", parts.port or 443))
        key = x509.load_pem_x509_certificate(pem.encode()).public_key()
        info = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        fingerprint = base64.b64encode(hashlib.sha256(info).digest()).decode()
        arguments.append(f"--ignore-certificate-errors-spki-list={fingerprint}")
    return arguments


def _first_line(error: Error) -> str:
    return (error.message.strip().splitlines() or ["unknown error"])[0][:200]


def main() -> None:
    parser = argparse.ArgumentParser(description="Load pages in a real browser.")
    parser.add_argument("--browser", required=True, help="Chromium's executable")
    parser.add_argument("--url", required=True)
    parser.add_argument("--loads", type=int, required=True, help="Of each kind of visitor")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    with sync_playwright() as playwright, given.out.open("w") as out:
        browser = playwright.chromium.launch(executable_path=given.browser, args=[*_ARGUMENTS, *_server(given.url)])
        for load in loads(browser, given.url, given.loads):
            out.write(json.dumps(asdict(load)) + "\n")
            out.flush()
        browser.close()


if __name__ == "__main__":
    main()
