"""The scenario file's format: every key with its meaning, unit and range, and the JSON schema made from them.

The schema serves twice: editors complete and check scenario files by it (scenarios/schema.json), and what an error
message says was expected is read from it, so that the two cannot differ. Two keywords of our own carry what JSON Schema
has no word for: `x-unit` (seconds, requests per second, …) and `x-form` (the whole expectation in words).
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from edgebench.model import (
    LOOPBACK,
    Arrivals,
    Fault,
    FaultKind,
    Load,
    LoadModel,
    OriginSpec,
    Profile,
    TierSpec,
)
from edgebench.scenario.base import DAY_S, SAFE_NAME, EnvValue, SafeName, Table, no_default, optional
from edgebench.scenario.setups import BrowserTable, NetworkTable, PricesTable, VariantTable

_LOAD = Load()
_ORIGIN = OriginSpec()
_TIER = TierSpec("", "")
_FAULT = Fault(FaultKind.DOWN, 0.0, 0.0)
_YEAR_S = 31_536_000

REPLAY_FORM = "the path of a file with recorded times, such as traffic.csv"

Ttl = Annotated[int, Field(ge=0, le=_YEAR_S, json_schema_extra={"x-unit": "seconds"})]


def _url_node(node: dict[str, Any]) -> None:
    no_default(node)
    node["x-form"] = "an address such as http://127.0.0.1:9000, without a path"


def _bucket_node(node: dict[str, Any]) -> None:
    no_default(node)
    node["x-form"] = "the address of an S3 service with a bucket, such as http://127.0.0.1:9000/shop"


def _replay_node(node: dict[str, Any]) -> None:
    no_default(node)
    node["x-form"] = REPLAY_FORM


class LoadTable(Table):
    """What the clients offer in every trial."""

    model_config = ConfigDict(title="[load]")

    model: LoadModel = Field(default=_LOAD.model, strict=False)
    """open: arrivals follow a schedule, whatever the server does. closed: each user waits for its answer first."""
    rate_rps: float = Field(
        default=_LOAD.rate_rps, ge=0, le=1_000_000, json_schema_extra={"x-unit": "requests per second"}
    )
    """Requests per second of an open load, in the mean; above 0 there. A closed load and a replay do not use it."""
    arrivals: Arrivals = Field(default=_LOAD.arrivals, strict=False)
    """When requests of an open load are due: at random (poisson), evenly (constant), in bursts, as recorded, or at
    random with a step in the rate."""
    users: int = Field(default=_LOAD.users, ge=1, le=100_000, json_schema_extra={"x-unit": "users"})
    """Users, each with one connection. The rate of an open load does not depend on them."""
    warm_up_s: float = Field(default=_LOAD.warm_up_s, ge=0, le=DAY_S, json_schema_extra={"x-unit": "seconds"})
    """The most seconds a warm-up may take. It ends earlier, once the hit ratio is steady and one TTL has passed."""
    measure_s: float = Field(default=_LOAD.measure_s, ge=1, le=DAY_S, json_schema_extra={"x-unit": "seconds"})
    """Seconds measured in each trial. At least the longest TTL, or expiry is not seen."""
    keys: int = Field(default=_LOAD.keys, ge=1, le=10_000_000, json_schema_extra={"x-unit": "keys"})
    """How many different products the clients ask for."""
    zipf_s: float = Field(default=_LOAD.zipf_s, ge=0, le=5)
    """Exponent of the popularity: the k-th most popular key is asked for with weight k**-s. 0: all alike."""
    fill: bool = _LOAD.fill
    """First ask for every key once, the least popular first, so that caches begin full; counts as warm-up."""
    private_share: float = Field(default=_LOAD.private_share, ge=0, le=1)
    """Share of requests (0 to 1) for one user's own data, which no shared cache may store."""
    burst_factor: float = Field(default=_LOAD.burst_factor, ge=1, le=1000)
    """Bursty arrivals: rate in a burst over rate_rps, the mean. At most 1 / burst_share; then all comes in bursts."""
    burst_share: float = Field(default=_LOAD.burst_share, ge=0.001, le=0.999)
    """Bursty arrivals: share of the time that is in bursts."""
    burst_s: float = Field(default=_LOAD.burst_s, ge=0.001, le=3600, json_schema_extra={"x-unit": "seconds"})
    """Bursty arrivals: mean length of a burst in seconds; lengths and pauses are exponentially distributed."""
    step_factor: float = Field(default=_LOAD.step_factor, ge=0, le=1000)
    """Arrivals with a step: the rate in it over rate_rps, which is that before and after."""
    step_at_s: float = Field(default=_LOAD.step_at_s, ge=0, le=DAY_S, json_schema_extra={"x-unit": "seconds"})
    """Arrivals with a step: when it begins, since the measurement began; the warm-up always takes warm_up_s."""
    step_s: float = Field(default=_LOAD.step_s, ge=0.001, le=DAY_S, json_schema_extra={"x-unit": "seconds"})
    """Arrivals with a step: how long it lasts. It ends within the measurement."""
    step_keys: int = Field(default=_LOAD.step_keys, ge=0, le=10_000_000, json_schema_extra={"x-unit": "keys"})
    """Arrivals with a step: what it adds asks for so many products that nobody asked for before; 0: the usual ones."""
    replay: str | None = Field(
        default=None,
        pattern=r"^[^\u0000]+$",
        json_schema_extra=_replay_node,
    )
    """Replayed arrivals: a file of recorded times (seconds, one per line), an access log or a run's samples.parquet.
    A path from the folder of this file, or else from the current directory. After its end it begins anew."""
    replay_speed: float = Field(default=_LOAD.replay_speed, ge=0.001, le=1000)
    """Replayed arrivals: this many times as fast as recorded."""


class FaultTable(Table):
    """One planned failure of the origin."""

    model_config = ConfigDict(title="[[origin.faults]]")

    kind: FaultKind = Field(strict=False)
    """down: connections are refused. 503: every answer is one. slow: each answer waits, delay_s in the mean. hang: none
    comes before the fault ends. half: bodies break off in the middle. reset: the connection, in place of an answer."""
    start_s: float = Field(ge=0, le=DAY_S, json_schema_extra={"x-unit": "seconds"})
    """When it begins, in seconds since the beginning of the measurement."""
    end_s: float = Field(ge=0, le=DAY_S, json_schema_extra={"x-unit": "seconds"})
    """When it ends, in seconds since the beginning of the measurement: after start_s, at most load.measure_s."""
    delay_s: float = Field(default=_FAULT.delay_s, ge=0, le=3600, json_schema_extra={"x-unit": "seconds"})
    """Of slow: the mean delay in seconds; delays are exponentially distributed, and end with the fault."""
    period_s: float = Field(default=0.0, ge=0, le=3600, json_schema_extra={"x-unit": "seconds"})
    """Above 0 it flaps: it is on for the first half of every so many seconds and off for the second. Not for down."""


class OriginTable(Table):
    """How the app under test is served."""

    model_config = ConfigDict(title="[origin]")

    app: str = Field(
        default=_ORIGIN.app,
        pattern=r"^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_.]*(\(.*\))?$",
        json_schema_extra={"x-form": "a WSGI app as module:variable or module:factory()"},
    )
    """The WSGI app in gunicorn's notation: module:variable or module:factory()."""
    workers: int = Field(default=_ORIGIN.workers, ge=1, le=256, json_schema_extra={"x-unit": "processes"})
    """gunicorn's worker processes."""
    threads: int = Field(default=_ORIGIN.threads, ge=1, le=1024, json_schema_extra={"x-unit": "threads"})
    """Threads of each worker process."""
    port: int | None = Field(default=_ORIGIN.port, ge=1024, le=65_535, json_schema_extra=no_default)
    """TCP port, 1024 to 65535. Without it, a free one."""
    env: dict[str, EnvValue] = Field(
        default={},
        json_schema_extra={
            "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
            "x-form": 'a table of texts, such as { FLASK_TTL_S = "{ttl_s}" }',
        },
    )
    """Environment of the app; `{ttl_s}` in a value stands for the cell's TTL in seconds, `{work}` for a folder."""
    rewrite_ttl: bool = _ORIGIN.rewrite_ttl
    """Replace max-age in the app's own public answers by the cell's TTL, for an app that cannot be told its TTL."""
    faults: list[FaultTable] = Field(
        default=[], max_length=100, json_schema_extra={"x-form": "[[origin.faults]] tables, or none"}
    )
    """When and how the origin fails. Of two that are on at once, the one written first counts."""


class TierTable(Table):
    """One thing that stands before the origin."""

    model_config = ConfigDict(title="[[tiers]]")

    name: SafeName
    """What the report calls it; letters a-z, digits, _ and -."""
    kind: str | None = Field(default=None, json_schema_extra=no_default)
    """`direct` (no cache), `url` (your own, at `url`) or the name of a cache edgebench knows. Without it, `url` where
    there is one, else the same as the name."""
    optional: bool = False
    """Go on without it where it is not installed."""
    profile: Profile | None = Field(default=None, strict=False, json_schema_extra=no_default)
    """What this one is asked to do. Without it, the scenario's profile."""
    url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s/?#@]+/?$",
        json_schema_extra=_url_node,
    )
    """A tier that is not started here: where your own proxy or CDN answers. It must lead to `[origin] port`."""
    workers: int = Field(default=_TIER.workers, ge=1, le=64, json_schema_extra={"x-unit": "workers"})
    """Worker processes or threads that serve."""
    storage_mb: int = Field(default=_TIER.storage_mb, ge=1, le=65_536, json_schema_extra={"x-unit": "MiB"})
    """What it may store, in MiB."""
    tls: bool = False
    """Clients speak https to it, with a certificate made for the run."""
    compress: list[Literal["gzip", "br", "zstd"]] = Field(
        default=[], json_schema_extra={"uniqueItems": True, "x-form": 'a list of codings, such as ["gzip", "br"]'}
    )
    """Content codings it applies itself to what the origin sends plain."""
    edges: int = Field(default=_TIER.edges, ge=1, le=16, json_schema_extra={"x-unit": "edges"})
    """How many of it stand side by side, each before a share of the users."""
    shield: bool = False
    """One more of it between the edges and the origin, which asks in place of them all."""
    bucket: bool = False
    """Static files come from an object store beside the origin."""
    bucket_url: str | None = Field(
        default=None, pattern=r"^http://[^\s/?#@]+/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", json_schema_extra=_bucket_node
    )
    """Your own object store instead of one that is started here: the address of its S3 service and the bucket's name.
    The files are uploaded with your AWS credentials, if there are any; anybody must be able to read them."""


class AxesTable(Table):
    """What is varied: each cached tier is measured at every value."""

    model_config = ConfigDict(title="[axes]")

    ttl_s: list[Ttl] = Field(
        min_length=1,
        max_length=100,
        json_schema_extra={
            "uniqueItems": True,
            "x-form": "a list of whole numbers of seconds, at least one, such as [1, 5, 60]",
        },
    )
    """Times to live in seconds, 0 to 31536000 (a year). A tier of kind `direct` stores nothing and has none."""
    network: list[SafeName] = Field(
        default=[LOOPBACK],
        min_length=1,
        max_length=20,
        json_schema_extra={"uniqueItems": True, "x-form": 'a list of networks, such as ["loopback", "mobile"]'},
    )
    """Networks between client, edge and origin: loopback (none), one that edgebench knows, or one of [networks]."""


class ScenarioDocument(Table):
    """One question to edgebench, and everything that is needed to answer it by measurement."""

    model_config = ConfigDict(title="edgebench scenario")

    name: SafeName
    """Names the run folder; letters a-z, digits, _ and -."""
    question: str = Field(pattern=r"\S", max_length=500, json_schema_extra={"x-form": "a question in words"})
    """What the report answers, in words."""
    locustfile: str = Field(
        pattern=r"^[^\u0000]+$", json_schema_extra={"x-form": "the path of a locustfile, such as locustfiles/api.py"}
    )
    """What the clients do: a path from the current directory, or else from the folder that holds scenarios/."""
    repeats: int = Field(ge=1, le=100, json_schema_extra={"x-unit": "trials"})
    """Trials of each cell. Intervals come from trials: below 3 there are none."""
    seed: int = Field(default=1, ge=0, le=2**32 - 1)
    """The order of the trials and the requests in them follow from it."""
    baseline: SafeName
    """Name of the tier the others are compared with."""
    profile: Profile = Field(default=Profile.STRICT, strict=False)
    """What the caches are asked to do. strict: keep each TTL exactly, serve nothing past it. resilient: serve stale
    while refreshing and while the origin fails, as Cache-Control permits. default: as their packages ship them."""
    load: LoadTable = Field(default_factory=LoadTable, json_schema_extra={"x-form": "a [load] table"})
    """What the clients offer in every trial."""
    origin: OriginTable = Field(default_factory=OriginTable, json_schema_extra={"x-form": "an [origin] table"})
    """How the app under test is served."""
    tiers: list[TierTable] = Field(min_length=1, json_schema_extra={"x-form": "at least one [[tiers]] table"})
    """What stands before the origin, each with and compared to the baseline."""
    axes: AxesTable = Field(json_schema_extra={"x-form": "an [axes] table"})
    """What is varied."""
    claim: str = Field(default="", pattern=r"^[a-z_]*$", json_schema_extra={"x-form": "the name of a claim"})
    """The claim made for CDNs that this scenario tests, such as geo; its chart and verdict head the report."""
    networks: dict[str, NetworkTable] = Field(
        default={}, json_schema_extra={"propertyNames": {"pattern": SAFE_NAME}, "x-form": "[networks.NAME] tables"}
    )
    """Networks of your own, for axes.network."""
    variants: list[VariantTable] = Field(
        default=[], max_length=100, json_schema_extra={"x-form": "[[variants]] tables, or none"}
    )
    """Each tier is measured in every variant that is for it. Without any, as the scenario says."""
    prices: PricesTable | None = Field(default=None, json_schema_extra=optional(**{"x-form": "a [prices] table"}))
    """What you pay, for a bill in the report."""
    browser: BrowserTable = Field(default_factory=BrowserTable, json_schema_extra={"x-form": "a [browser] table"})
    """Page loads of a real browser."""
    short: dict[str, Any] = Field(default={}, json_schema_extra={"x-form": "a table with keys of a scenario"})
    """What `--set profile=short` changes, for a first look in less than a minute: keys of the scenario itself."""


class _Generator(GenerateJsonSchema):
    """No null, as TOML has none, and no title that only repeats the key."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def json_schema() -> dict[str, Any]:
    """The format of a scenario file as JSON Schema (draft 2020-12), with descriptions, units and ranges."""
    schema = ScenarioDocument.model_json_schema(schema_generator=_Generator)
    return {"$schema": _Generator.schema_dialect, **schema}


def schema_text() -> str:
    """scenarios/schema.json, as it is committed."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
