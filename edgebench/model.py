"""The nouns of edgebench: values only, no I/O, importing nothing of ours.

Units stand in the names: `_s` seconds, `_ms` milliseconds, `_ns` nanoseconds, `_rps` requests per second. Times ending
in `_ns` inside a trial count from the trial's start on CLOCK_MONOTONIC, one clock for every process of the machine.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

SUMMARY_SCHEMA = 1
"""Version of summary.json. 1: first."""


# --- what is asked -----------------------------------------------------------------------------------------------


class LoadModel(StrEnum):
    """Open: arrivals follow a schedule, whatever the server does. Closed: each user waits for its answer first."""

    OPEN = "open"
    CLOSED = "closed"


class Arrivals(StrEnum):
    """How the gaps between arrivals of an open load are drawn."""

    POISSON = "poisson"
    CONSTANT = "constant"


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
    private_share: float = 0.03
    """Share of requests for one user's own data, which no shared cache may store."""


@dataclass(frozen=True, slots=True)
class TierSpec:
    """What stands before the origin, as the scenario names it."""

    name: str
    kind: str
    """`direct` or the name of an adapter in edgebench.tiers."""
    optional: bool = False
    """Go on without it where it is not installed."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """How long answers may be reused. ttl_s None: the app's own TTLs are left as they are."""

    ttl_s: int | None = None


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


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination of tier, freshness, network and load."""

    tier: TierSpec
    freshness: Freshness
    load: Load
    network: str = "loopback"

    @property
    def id(self) -> str:
        """Readable and usable as a file name: `direct`, `nginx.ttl60`."""
        return self.tier.name if self.freshness.ttl_s is None else f"{self.tier.name}.ttl{self.freshness.ttl_s}"


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


class Claim(StrEnum):
    """What the cache says of one request in its headers, in the words of RFC 9211 where it has them."""

    HIT = "hit"
    STALE = "stale"
    REVALIDATED = "revalidated"
    MISS = "miss"
    BYPASS = "bypass"
    ERROR = "error"
    NONE = "none"
    """No header says anything."""
    UNKNOWN = "unknown"
    """There is a header, in words we do not know."""


class Phase(StrEnum):
    WARM_UP = "warm_up"
    MEASURE = "measure"


@dataclass(frozen=True, slots=True)
class ExpiryRule:
    """Until when a cache reuses what it stored, in wall-clock seconds."""

    whole_seconds: bool = False
    """The cache keeps the time of storing in whole seconds, rounded down."""
    extra_s: int = 0
    """How many whole seconds past its TTL an answer is still reused."""

    def fresh_until_s(self, stored_s: float, ttl_s: float) -> float:
        """First instant at which an answer stored at `stored_s` is no longer reused."""
        return (math.floor(stored_s) if self.whole_seconds else stored_s) + ttl_s + self.extra_s

    def __str__(self) -> str:
        stored = "floor(stored)" if self.whole_seconds else "stored"
        return f"{stored} + TTL" + (f" + {self.extra_s} s" if self.extra_s else "")


@dataclass(frozen=True, slots=True)
class TierRecord:
    """The tier as it ran in one trial. Empty strings where there was none (`direct`)."""

    kind: str
    version: str = ""
    binary: str = ""
    config_text: str = ""
    argv: tuple[str, ...] = ()
    expiry: ExpiryRule | None = None
    """None: nothing is stored."""
    collapses_misses: bool = False
    """One fetch serves all who ask for a key the cache does not hold."""
    collapses_expired: bool = False
    """One fetch serves all who ask for a key that has expired."""
    counters: Mapping[str, float] = field(default_factory=dict)
    """The cache's own counters at the end: `requests`, `hits`, `misses`, … as far as it keeps them."""


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
    """Why the warm-up ended: `steady` or `cap`."""
    tier: TierRecord
    placement: Placement
    origin_argv: tuple[str, ...]
    generator_argv: tuple[str, ...]
    exit_states: Mapping[str, str]
    """Per process, how it ended: `0`, `-15 (stopped)`, …"""
    load: Mapping[str, float] = field(default_factory=dict)
    """What the generator says of itself: `scheduled`, `unanswered`, `users`, …"""


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


# --- what is concluded -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % interval over n trials. low and high are None below three trials; value None: no data."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    unit: str


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
    NO_LEDGER = "NO_LEDGER"


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


@dataclass(frozen=True, slots=True)
class Summary:
    """summary.json."""

    run: RunRecord
    trust: Trust
    findings: Sequence[Finding]
    cells: Sequence[CellSummary]
    schema: int = SUMMARY_SCHEMA
