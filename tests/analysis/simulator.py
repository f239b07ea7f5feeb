"""A cache simulated event by event, written apart from the analysis: it knows the truth that the proof must find.

All requests come at multiples of 10 µs; what the cache and the origin do falls between, so that nothing happens at the
same instant and the truth is never a matter of definition.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import pyarrow as pa

from edgebench.analysis.tables import frame
from edgebench.store import LEDGER, SAMPLES

TICK = 10_000
HOP = 1_000
S = 1_000_000_000
SLACK_NS = 1_010_000_000  # the second of grain, and the clock's slack


@dataclass(frozen=True)
class Behaviour:
    """What kind of cache it is."""

    ttl_s: int = 2
    whole_seconds: bool = False
    extra_s: int = 0
    collapses_new: bool = True
    collapses_expired: bool = True
    new_stamp: bool = True
    """A 304 brings its own stamp (Varnish); else the old 200's stays (nginx)."""
    revalidates: bool = True
    grace_s: float = 0.0
    """stale-while-revalidate: past its lifetime by less than this, an answer is served and refreshed behind."""
    stores: bool = True
    error_share: float = 0.0
    retry_share: float = 0.0
    conditional_share: float = 0.0
    private_share: float = 0.0
    post_share: float = 0.0
    fetch_ticks: tuple[int, int] = (20, 2000)
    wall_ns: int = 1_700_000_000_400_000_000


@dataclass
class _Fetch:
    start: int
    end: int
    seq: int
    status: int
    background: bool


@dataclass
class _Key:
    seq: int = -1
    """Stamp of what is stored; -1: nothing."""
    confirmed: int = 0
    flights: list[_Fetch] = field(default_factory=list)


@dataclass
class Simulation:
    """What a simulated trial leaves, and the truth of it."""

    samples: pd.DataFrame
    ledger: pd.DataFrame
    outcome: list[str]
    row_name: list[str]
    hits: list[bool]
    """Answered without a fetch of its own, by the cache's own decision."""


class _Cache:
    def __init__(self, behaviour: Behaviour, seed: int) -> None:
        self.how, self.random = behaviour, random.Random(seed)
        self.keys: dict[str, _Key] = {}
        self.rows: list[dict[str, Any]] = []
        self.names: list[str] = []
        self.samples: list[dict[str, Any]] = []
        self.outcome: list[str] = []

    def fresh_until(self, stored: int) -> int:
        how = self.how
        wall = stored + how.wall_ns
        base = wall // S * S if how.whole_seconds else wall
        return base + (how.ttl_s + how.extra_s) * S - how.wall_ns

    def settle(self, key: _Key, now: int) -> None:
        for flight in sorted([one for one in key.flights if one.end + HOP // 2 <= now], key=lambda one: one.end):
            key.flights.remove(flight)
            if flight.status == 200 or (flight.status == 304 and self.how.new_stamp):
                key.seq, key.confirmed = flight.seq, max(key.confirmed, flight.end)
            elif flight.status == 304:
                key.confirmed = max(key.confirmed, flight.end)

    def row(self, start: int, end: int, key: str, status: int, name: str, **more: Any) -> int:
        seq = 10_000_000_000_000_000 + 7 * len(self.rows)  # beyond what a float holds exactly
        fresh = {"ttl_s": self.how.ttl_s if status in (200, 304) else 0, "version": f"v-{key}" if status < 400 else ""}
        row = {"seq": seq, "start_ns": start, "end_ns": end, "method": "GET", "path": key, "key": key, "status": status}
        row |= {"bytes": 0 if status == 304 else 500, "conditional": status == 304, "principal": "", "worker": 0}
        self.rows.append(row | {"complete": True} | fresh | more)
        self.names.append(name)
        return seq

    def fetch(self, key: str, state: _Key, sent: int, name: str, **more: Any) -> _Fetch:
        start, background = sent + HOP, name != "sample"
        if not background and self.random.random() < self.how.retry_share:
            self.row(start, start + 3 * TICK, key, 200, "retry", complete=False)
            start += 5 * TICK
        end = start + self.random.randint(*self.how.fetch_ticks) * TICK + 5 * HOP
        status = 304 if state.seq >= 0 and self.how.revalidates else 200
        if self.random.random() < self.how.error_share:
            status = 503
        flight = _Fetch(start, end, self.row(start, end, key, status, name, **more), status, background)
        state.flights.append(flight)
        return flight

    def sample(self, key: str, sent: int, done: int, status: int, seq: int, outcome: str, **more: Any) -> None:
        row: dict[str, Any] = {
            "scheduled_ns": sent,
            "sent_ns": sent,
            "first_byte_ns": done,
            "done_ns": done,
            "send_lag_ns": 0,
        }
        row |= {"method": "GET", "endpoint": "/p/[id]", "key": key, "status": status, "claim": "none", "age_s": None}
        row |= {"send_lag_ns": 0}
        row |= {"bytes": 500 if status == 200 else 0, "origin_seq": seq, "user": 0, "worker": 0, "port": 40000}
        row |= {"reused_connection": True, "phase": "measure", "error": None}
        self.samples.append(row | more)
        self.outcome.append("error" if status >= 500 else outcome)

    def ask(self, key: str, sent: int) -> None:
        state = self.keys.setdefault(key, _Key())
        self.settle(state, sent)
        conditional = state.seq >= 0 and self.random.random() < self.how.conditional_share
        plain = 304 if conditional else 200
        stale_by = sent - self.fresh_until(state.confirmed)
        if state.seq >= 0 and (stale_by < 0 or stale_by < self.how.grace_s * S):
            if stale_by >= 0 and not any(flight.background for flight in state.flights):
                self.fetch(key, state, sent, "background refresh")
            late = sent - state.confirmed > self.how.ttl_s * S + SLACK_NS
            self.sample(key, sent, sent + 2 * HOP, plain, state.seq, "stale" if late else "hit")
            return
        ahead = [flight for flight in state.flights if not flight.background and flight.status != 503]
        collapses = self.how.collapses_expired if state.seq >= 0 else self.how.collapses_new
        flight, outcome = (ahead[0], "collapsed") if ahead and collapses else (None, "")
        if flight is None:
            flight = self.fetch(key, state, sent, "sample")
            outcome = "revalidated" if flight.status == 304 else "origin"
        seq = state.seq if flight.status == 304 and not self.how.new_stamp else flight.seq
        self.sample(key, sent, flight.end + HOP, 503 if flight.status == 503 else plain, seq, outcome)

    def pass_on(self, key: str, sent: int, **more: Any) -> None:
        start = sent + HOP
        end = start + self.random.randint(*self.how.fetch_ticks) * TICK + 5 * HOP
        conditional = self.random.random() < self.how.conditional_share
        about: dict[str, Any] = {"method": more["method"]} if "method" in more else {}
        if not key.startswith("/p/"):
            about |= {"ttl_s": 0, "principal": "someone", "version": ""}
        seq = self.row(start, end, key, 304 if conditional else 200, "sample", **about)
        self.sample(key, sent, end + HOP, 304 if conditional else 200, seq, "origin", **more)


def simulate(behaviour: Behaviour, arrivals: list[tuple[int, int]], seed: int) -> Simulation:
    """arrivals: (tick, number of the key), in order of time."""
    cache, kinds = _Cache(behaviour, seed), random.Random(seed + 1)  # the same requests, whatever the cache
    for tick, number in arrivals:
        sent, draw = tick * TICK, kinds.random()
        if draw < behaviour.private_share:
            cache.pass_on("/api/me", sent, endpoint="/api/me")
        elif draw < behaviour.private_share + behaviour.post_share:
            cache.pass_on("/api/cart", sent, endpoint="/api/cart", method="POST")
        elif not behaviour.stores:
            cache.pass_on(f"/p/{number}", sent)
        else:
            cache.ask(f"/p/{number}", sent)
    samples = pa.Table.from_pylist(cache.samples, schema=SAMPLES)
    ledger = pa.Table.from_pylist(cache.rows, schema=LEDGER)
    hits = [outcome in ("hit", "stale", "collapsed") for outcome in cache.outcome]
    return Simulation(frame(samples), frame(ledger), cache.outcome, cache.names, hits)


def poisson(rate_rps: float, seconds: float, keys: int, seed: int, zipf_s: float = 0.9) -> list[tuple[int, int]]:
    """Arrivals of an open load, at most one per tick."""
    draw = random.Random(seed)
    weights = [rank**-zipf_s for rank in range(1, keys + 1)]
    at, ticks = 0.0, set()
    while (at := at + draw.expovariate(rate_rps)) < seconds:
        ticks.add(math.floor(at * S / TICK))
    ordered = sorted(ticks)
    return list(zip(ordered, draw.choices(range(keys), weights, k=len(ordered)), strict=True))
