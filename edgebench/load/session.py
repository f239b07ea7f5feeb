"""What the users of one generator process share during one test: options, dispatcher, recorder, counters."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from time import monotonic_ns, process_time
from typing import TYPE_CHECKING

from gevent import get_hub
from gevent.event import Event

from edgebench.load.arrivals import arrival_times_ns, seed_of
from edgebench.load.cache_status import classify_recorded
from edgebench.load.dispatch import NEVER_NS, Dispatcher
from edgebench.load.head import Head, HeadReader
from edgebench.load.locust_stats import TableSink
from edgebench.load.options import LoadOptions
from edgebench.load.popularity import Popularity
from edgebench.load.record import ARRIVAL, Recorder, Sink
from edgebench.load.request import Key, Ready, Server
from edgebench.load.turn import Turn
from edgebench.model import DIGEST_EVERY, ClaimedOutcome, LoadModel

if TYPE_CHECKING:
    from edgebench.load.client import EdgeClient

_HOUSEKEEPING_S = 0.25
LATE_NS = 1_000_000
"""A send lag beyond this is counted as late."""
_LEAD_NS = 100_000_000
"""The users spawned last still have to connect."""
_REUSED_CLAIMS = (ClaimedOutcome.HIT, ClaimedOutcome.STALE)
_MAX_CLAIMS = 10_000


class Session:
    """Made when a test starts; `begin` when all users are there; `close` when they are gone."""

    def __init__(
        self,
        options: LoadOptions,
        worker: int = 0,
        workers: int = 1,
        sinks: Sequence[Sink] = (),
        failed: Callable[[OSError], None] | None = None,
        offers_load: bool = True,
    ) -> None:
        """`worker` of `workers` that divide the load. Samples go to `sinks`; `failed` is told when one cannot take
        them. Without `offers_load` nothing ever comes due in an open loop."""
        self.keeps_table = any(isinstance(sink, TableSink) for sink in sinks)
        """Whether Locust's table of requests is kept by one of the sinks."""
        self.options, self.worker, self.workers = options, worker, workers
        self.dispatcher = Dispatcher(options.spin) if options.model is LoadModel.OPEN else None
        self.turn = Turn(posts=options.model is LoadModel.CLOSED)
        self.recorder = self._recorder = Recorder(sinks, failed) if sinks else None
        self.offers_load = offers_load
        self._closing, self._closed = False, Event()
        self.head_reader = HeadReader()
        self.requests: dict[type, dict[tuple[str, str, str | None], Ready]] = {}
        """Those that need nothing but to be sent, by class of user, and by method, path and name as they are given."""
        self.clients: set[EdgeClient] = set()
        self.users = 0
        self.start_ns = -1
        self.end_ns = NEVER_NS
        self.lost = self.answers = self.reused = self.unanswered = self.retried = self.late_wakeups = self.unasked = 0
        self._reused_claims: dict[str | None, bool] = {None: False}
        self._popularity: dict[int, Popularity] = {}
        self._crowd_ns = range(0)
        """When arrivals are due of which most ask for keys of the crowd's own."""
        self._cpu_s = process_time()
        self._seed_tasks()
        self._tick = get_hub().loop.timer(_HOUSEKEEPING_S, _HOUSEKEEPING_S)
        self._tick.start(self._housekeeping)

    def begin(self, start_ns: int | None = None) -> None:
        """All users are there: offer load from `start_ns` on, or from now on."""
        if self.start_ns >= 0:
            return
        gc.collect()
        gc.freeze()  # collections during the test look at what the test made, not at all of Locust
        if self.offers_load and self.options.keys not in self._popularity:
            self._add_popularity(self.options.keys)  # now, not in the way of the first request
        self._seed_tasks()
        self.start_ns = monotonic_ns() + _LEAD_NS if start_ns is None else start_ns
        if self.dispatcher is not None and self.offers_load:
            o = self.options
            step = o.step_since_start
            if o.has_step and step.keys and step.factor > 1:
                self._crowd_ns = range(*(self.start_ns + round(at_s * 1e9) for at_s in (step.at_s, step.end_s)))
            rest = (self.worker, self.workers, o.bursts, o.replay, step)
            times = arrival_times_ns(o.arrivals, o.rate_rps, o.seed, *rest)
            self.dispatcher.start(self.start_ns, times)

    def end_at(self, end_ns: int) -> None:
        """Offer nothing that is due from then on."""
        self.end_ns = end_ns
        if self.dispatcher is not None:
            self.dispatcher.end_ns = end_ns

    def closed_at_end(self) -> bool:
        """Whether a closed loop has come to its end."""
        return self.dispatcher is None and monotonic_ns() >= self.end_ns

    @property
    def drained(self) -> bool:
        """Whether the end has come and every request that was offered has been answered or given up."""
        dispatcher = self.dispatcher
        if dispatcher is None:
            offering = monotonic_ns() < self.end_ns
        else:
            offering = dispatcher.running or bool(dispatcher.backlog)
        return not offering and not any(client.busy for client in self.clients)

    def close(self) -> None:
        """All users are gone. What was due and never sent is recorded as unanswered; all samples reach their sinks."""
        if self._closing:
            self._closed.wait()
            return
        self._closing = True
        self._tick.stop()
        self._tick.close()
        if self.dispatcher is not None:
            self.dispatcher.stop()
            for due_ns in self.dispatcher.backlog:
                self._never_sent(due_ns)
            self.dispatcher.backlog.clear()
        self.turn.close()
        recorder, self.recorder = self.recorder, None
        if recorder is not None:
            recorder.close()
        self._closed.set()

    @property
    def closed(self) -> bool:
        return self._closed.is_set()

    @property
    def recorded(self) -> int:
        """Samples handed to sinks, or about to be."""
        return self._recorder.recorded if self._recorder is not None else 0

    def edge(self, site: Server) -> Server:
        """Where the next user goes: to the site, or to one of its edges, in turn. Host names the site."""
        edges = self.options.edges
        if not edges:
            return site
        return replace(Server.from_url(edges[self.users % len(edges)]), authority=site.authority)

    def popular(self, keys: int) -> int:
        """The next of 1..keys, by this test's Zipf law and seed."""
        popularity = self._popularity.get(keys)
        if popularity is None:
            popularity = self._add_popularity(keys)
        return popularity.draw()

    def _add_popularity(self, keys: int) -> Popularity:
        o = self.options
        popularity = Popularity(keys, o.zipf_s, o.seed, self.worker, fills=o.fill, workers=self.workers)
        self._popularity[keys] = popularity
        return popularity

    def usual(self, due_ns: int) -> int:
        """The next of the test's keys, for an arrival that was due then: of 1..`--keys`, or in a step, as many of the
        arrivals as it adds, of the `--step-keys` after them."""
        options = self.options
        step = options.step
        if due_ns in self._crowd_ns and random.random() * step.factor >= 1:
            return options.keys + self.popular(step.keys)
        return self.popular(options.keys)

    def numbers(self, method: str, name: str, key: Key) -> tuple[int, int]:
        """By which samples name an endpoint and a key."""
        return self.recorder.numbers(method, name, key) if self.recorder is not None else (0, 0)

    def learn(self, says: Head) -> None:
        """Set what a sample needs to know of a head."""
        says.reused = self._claims_reuse(says.claim)
        if self.recorder is None:
            says.packed = b""
            return
        says.packed = self.recorder.packed(says)
        seq = says.stamp[0]
        if seq % DIGEST_EVERY == 0 and seq >= 0 and says.status == 200:
            says.digest_due = True

    def count(self, sent_ns: int, stamp_ns: int, claim: str | None) -> None:
        """An answer has come. The origin made it for this request if it is stamped later than the request was sent."""
        self.answers += 1
        self.reused += stamp_ns < sent_ns if stamp_ns >= 0 else self._claims_reuse(claim)

    def _claims_reuse(self, claim: str | None) -> bool:
        reused = self._reused_claims.get(claim)
        if reused is None:
            reused = classify_recorded(claim or "").outcome in _REUSED_CLAIMS
            if len(self._reused_claims) < _MAX_CLAIMS:
                self._reused_claims[claim] = reused
        return reused

    @property
    def sent(self) -> int:
        """Requests that were sent and are answered or given up."""
        return self.answers + self.lost

    def counters(self) -> dict[str, int | float]:
        """For generator.json; those of several workers add up."""
        dispatcher = self.dispatcher
        return {
            "scheduled": dispatcher.scheduled if dispatcher is not None else self.sent,
            "sent": self.sent,
            "answers": self.answers,
            "unanswered": self.unanswered,
            "retried": self.retried,
            "unasked": self.unasked + sum(client.unasked for client in self.clients),
            "late_wakeups": self.late_wakeups,
            "users": self.users,
            "cpu_s": round(process_time() - self._cpu_s, 6),
        }

    def _seed_tasks(self) -> None:
        # Locust chooses tasks by the global generator.
        random.seed(int(seed_of(self.options.seed, self.worker, "tasks").generate_state(1)[0]))

    def _housekeeping(self) -> None:
        now_ns = monotonic_ns()
        for client in list(self.clients):
            client.expire(now_ns)
        if self.dispatcher is not None:
            self.dispatcher.in_lull(self._tidy_up)
        else:
            self._tidy_up()

    def _tidy_up(self) -> None:
        if self.recorder is not None:
            self.recorder.flush()
        for popularity in self._popularity.values():
            popularity.draw_ahead()

    def _never_sent(self, due_ns: int) -> None:
        self.unanswered += 1
        if self.recorder is not None:
            now_ns = monotonic_ns()
            self.recorder.record(
                due_ns, now_ns, -1, now_ns, 0, ("", "(never sent)"), "", 0, 0, None, -1, -1, -1, 0, ARRIVAL,
                "unanswered",
            )  # fmt: skip
