"""A browser's page view: the page, then what it names, over up to six connections, less what its own cache holds.

Each request is a sample of its own (edgebench.views says how they are named). An asset is due when the browser knows of
it and has a connection free: the wait for one of the six is the browser's own, and part of the view's time, not of the
asset's. Where its request leaves later than that, the lag is the generator's, as it is with arrivals.

A browser finds a page's assets while the page still comes; here they are known when all of it is there.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from time import monotonic_ns
from typing import TYPE_CHECKING

import gevent
from gevent.event import Event

from edgebench.load.answer import Response
from edgebench.load.browser_cache import BrowserCache, Kept
from edgebench.load.client import EdgeClient
from edgebench.load.failures import DecodingError
from edgebench.load.page_links import CSS, LAZY, RANKS, Link, in_css, in_html
from edgebench.views import ICON, Visitor, asset_endpoint, page_endpoint

if TYPE_CHECKING:
    from edgebench.load.user import EdgeUser

CONNECTIONS = 6
"""To one host, of every browser that speaks HTTP/1.1."""
DAY_S = 86_400.0
OK, NOT_MODIFIED = 200, 304


@dataclass(frozen=True, slots=True)
class View:
    """What a visitor has got. None instead of an answer: the browser's own cache had it."""

    page: Response | None
    assets: Mapping[str, Response | None]
    """By request target, in the order in which the browser learnt of them."""
    elsewhere: tuple[str, ...]
    """URLs of other hosts that the page names: they are not asked, since this load is not meant for them."""

    @property
    def ok(self) -> bool:
        """Whether all of it came."""
        return all(answer is None or answer.ok for answer in (self.page, *self.assets.values()))


class Browser:
    """One visitor's. Make it in the user's on_start; its requests have the user's headers. `line`: its first
    connection, where the user's own is for something else; then the arrival is to be handed over to it (due_ns)."""

    def __init__(self, user: EdgeUser, line: EdgeClient | None = None) -> None:
        self._lines = [line or user.client]
        """The page goes over the first one. Made when they are needed, and kept for the next visit."""
        self._cache = BrowserCache()

    def first_visit(self, path: str, name: str | None = None) -> View:
        """As somebody who was never here: no connection, nothing in the browser's cache. `name` groups pages."""
        self._cache.clear()
        return self._visit(Visitor.NEW, path, name)

    def return_visit(self, path: str, name: str | None = None, away_s: float = DAY_S) -> View:
        """As the same visitor, `away_s` after the last visit: no connection; what the browser's cache holds has aged by
        so much, is used where it is still fresh, and else asked for with its validators."""
        self._cache.pass_time(away_s)
        return self._visit(Visitor.RETURNING, path, name)

    def _visit(self, visitor: Visitor, path: str, name: str | None) -> View:
        first = self._lines[0]
        first.disconnect()
        target = first.target(path)
        try:
            page, links = self.fetch(first, target, page_endpoint(visitor, name or target))
            assets = _Assets(self, self._lines, is_timed=page is not None)
            assets.got[target] = page
            assets.load(links)
        finally:
            for line in self._lines:
                line.disconnect()
        del assets.got[target]
        return View(page, assets.got, tuple(assets.elsewhere))

    def cached(self, target: str) -> Kept | None:
        """What the browser's cache has and may use without asking."""
        kept = self._cache.find(target)
        return kept if kept is not None and self._cache.is_fresh(kept, time.time()) else None

    def fetch(self, line: EdgeClient, target: str, name: str) -> tuple[Response | None, tuple[Link, ...]]:
        """The answer, None where the browser's cache had it; and what it names."""
        kept = self._cache.find(target)
        if kept is not None and self._cache.is_fresh(kept, time.time()):
            return None, kept.links
        asked_s = time.time()
        if kept is not None and kept.conditions:
            answer = line.get(target, name, headers=kept.conditions)
        else:
            answer = line.get(target, name)
        if answer.status == NOT_MODIFIED and kept is not None:
            self._cache.confirm(target, kept, answer.headers, asked_s, time.time())
            return answer, kept.links
        links = _links(answer)
        if answer.status == OK:
            self._cache.keep(target, answer.headers, asked_s, time.time(), links)
        return answer, links


class _Assets:
    """Those of one view, on their way."""

    def __init__(self, browser: Browser, lines: list[EdgeClient], *, is_timed: bool) -> None:
        self.got: dict[str, Response | None] = {}
        self.elsewhere: list[str] = []
        self._browser, self._lines, self._is_timed = browser, lines, is_timed
        self._idle = list(lines)
        self._waiting: list[tuple[int, int, Link, str, int]] = []
        """A heap of (rank, number, what, its target, since when it is known)."""
        self._known = itertools.count()
        self._styles = 0
        """Style sheets that are not there yet."""
        self._running: set[gevent.Greenlet[..., None]] = set()
        self._changed = Event()
        self._failed: Exception | None = None

    def load(self, links: Sequence[Link]) -> None:
        """Fetch them and what they name in turn."""
        self._discover(links)
        try:
            while (self._waiting or self._running) and self._failed is None:
                while self._may_start and (line := self._free_line()) is not None:
                    self._running.add(gevent.spawn(self._fetch, line, *heappop(self._waiting)[2:]))
                self._changed.wait()
                self._changed.clear()
            if self._failed is not None:
                raise self._failed
        finally:
            gevent.killall(list(self._running))

    def _discover(self, links: Sequence[Link]) -> None:
        known_ns = monotonic_ns()
        for link in links:
            try:
                target = self._lines[0].target(link.url)
            except ValueError:
                self.elsewhere.append(link.url)
                continue
            if target in self.got:
                continue
            self.got[target] = None
            if (kept := self._browser.cached(target)) is not None:
                self._discover(kept.links)
            else:
                self._styles += link.kind == CSS
                heappush(self._waiting, (RANKS[link.kind], next(self._known), link, target, known_ns))

    @property
    def _may_start(self) -> bool:
        """Whether something waits that is not a lazy image while the page's layout is not known, nor the icon while the
        page is not loaded."""
        if not self._waiting:
            return False
        rank = self._waiting[0][0]
        return rank < RANKS[LAZY] or not (self._running if rank == RANKS[ICON] else self._styles)

    def _free_line(self) -> EdgeClient | None:
        """One with an open connection, if there is any; else one that will have to connect."""
        for line in self._idle:
            if line.is_connected:
                self._idle.remove(line)
                return line
        if self._idle:
            return self._idle.pop()
        if len(self._lines) == CONNECTIONS:
            return None
        self._lines.append(self._lines[0].sibling())
        return self._lines[-1]

    def _fetch(self, line: EdgeClient, link: Link, target: str, known_ns: int) -> None:
        try:
            line.known_ns = known_ns
            self.got[target], links = self._browser.fetch(line, target, asset_endpoint(link.kind, self._is_timed))
            self._discover(links if link.kind == CSS else ())
        except Exception as failed:  # of the task, whose greenlet is another
            self._failed = failed
        finally:
            line.known_ns = 0
            self._styles -= link.kind == CSS
            self._idle.append(line)
            self._running.discard(gevent.getcurrent())
            self._changed.set()


def _links(answer: Response) -> tuple[Link, ...]:
    """What a page or a style sheet names; nothing of what cannot be read."""
    media_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    read = {"text/html": in_html, "application/xhtml+xml": in_html, "text/css": in_css}.get(media_type)
    if read is None:
        return ()
    try:
        return read(answer.text, answer.url)
    except DecodingError:
        return ()
