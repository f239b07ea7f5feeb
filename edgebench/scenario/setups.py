"""Tables of a scenario file that say how what is compared is set up: networks, variants, prices, a browser."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from edgebench.model import LinkSpec, Prices
from edgebench.scenario.base import DAY_S, EnvValue, SafeName, Table, optional

_LINK = LinkSpec()
_PRICES = Prices()


class LinkTable(Table):
    """The way between two places."""

    rtt_ms: float = Field(default=_LINK.rtt_ms, ge=0, le=5000, json_schema_extra={"x-unit": "milliseconds"})
    """Round-trip time without load."""
    jitter_ms: float = Field(default=_LINK.jitter_ms, ge=0, le=1000, json_schema_extra={"x-unit": "milliseconds"})
    """Each packet is late by up to so much more or less, in each direction."""
    loss: float = Field(default=_LINK.loss, ge=0, le=0.5)
    """Share of packets lost in each direction, 0 to 0.5."""
    down_mbit: float | None = Field(default=None, ge=0.1, le=1000, json_schema_extra=optional(**{"x-unit": "Mbit/s"}))
    """Bandwidth towards the client (or the edge), in Mbit/s. Without it, what the machine can do."""
    up_mbit: float | None = Field(default=None, ge=0.1, le=1000, json_schema_extra=optional(**{"x-unit": "Mbit/s"}))
    """Bandwidth the other way."""


class NetworkTable(Table):
    """Where client, edge and origin are."""

    client_edge: LinkTable = Field(default_factory=LinkTable, json_schema_extra={"x-form": "a table of a link"})
    """Between users and the cache."""
    edge_origin: LinkTable = Field(default_factory=LinkTable, json_schema_extra={"x-form": "a table of a link"})
    """Between the cache and the app."""
    client_origin: LinkTable = Field(default_factory=LinkTable, json_schema_extra={"x-form": "a table of a link"})
    """Between users and the app, where no cache stands in between."""
    edge_shield: LinkTable | None = Field(default=None, json_schema_extra=optional(**{"x-form": "a table of a link"}))
    """Between each edge and the shield, where there is one. Without it, as edge_origin."""
    shield_origin: LinkTable = Field(default_factory=LinkTable, json_schema_extra={"x-form": "a table of a link"})
    """Between the shield and the app."""


class DeployTable(Table):
    """A new version of the app in the middle of the measurement: the file `release` in `{work}`, which says 1, says 2,
    and gunicorn replaces its workers without downtime. The app reads it when it starts, or knows in another way."""

    at_s: float = Field(ge=0, le=DAY_S, json_schema_extra={"x-unit": "seconds"})
    """When, in seconds since the measurement began."""
    purge: bool = False
    """Afterwards the cache is told to forget everything."""
    purge_after_s: float = Field(default=0.0, ge=0, le=DAY_S, json_schema_extra={"x-unit": "seconds"})
    """How long after the old version is gone."""


class VariantTable(Table):
    """One way to set up what is compared; what it does not say is as the scenario says."""

    model_config = ConfigDict(title="[[variants]]")

    name: SafeName
    """What the report calls it."""
    tiers: list[SafeName] = Field(default=[], json_schema_extra={"x-form": "a list of names of tiers"})
    """Names of the tiers it is for. Without it, all."""
    env: dict[str, EnvValue] = Field(default={}, json_schema_extra={"x-form": "a table of texts"})
    """Added to the app's environment."""
    load: dict[str, Any] = Field(default={}, json_schema_extra={"x-form": "a table with keys of [load]"})
    """Keys of [load] that differ."""
    tier: dict[str, Any] = Field(default={}, json_schema_extra={"x-form": "a table with keys of [[tiers]]"})
    """Keys of [[tiers]] that differ, such as profile or storage_mb."""
    deploy: DeployTable | None = Field(
        default=None, json_schema_extra={"x-optional": True, "x-form": "a table such as { at_s = 5 }"}
    )
    """A new version of the app in the middle of the measurement."""


class PricesTable(Table):
    """What you pay. Every figure in money is made of these and nothing else."""

    model_config = ConfigDict(title="[prices]")

    currency: str = Field(default=_PRICES.currency, pattern=r"^\S{1,8}$", json_schema_extra={"x-form": "a currency"})
    """Such as USD."""
    month_requests: float = Field(default=_PRICES.month_requests, ge=0, le=1e15)
    """Requests a month the bill is made for."""
    egress_per_gb: float = Field(default=_PRICES.egress_per_gb, ge=0, le=1e6)
    """Price of 10⁹ bytes the origin sends."""
    cdn_egress_per_gb: float = Field(default=_PRICES.cdn_egress_per_gb, ge=0, le=1e6)
    """Price of 10⁹ bytes the cache sends to users."""
    cdn_per_10k_requests: float = Field(default=_PRICES.cdn_per_10k_requests, ge=0, le=1e6)
    """Price of 10,000 requests to the cache."""
    cpu_hour: float = Field(default=_PRICES.cpu_hour, ge=0, le=1e6)
    """Price of one core of the origin for an hour."""


class BrowserTable(Table):
    """Page loads of a real browser (Chromium, where it is found) at the end of the first trial of each cell."""

    model_config = ConfigDict(title="[browser]")

    loads: int = Field(default=0, ge=0, le=100, json_schema_extra={"x-unit": "page loads"})
    """For each kind of visitor, new and returning."""
