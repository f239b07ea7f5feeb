"""From a scenario to its cells, and to the trials in the order they run."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

from pydantic import TypeAdapter

from edgebench.model import LOOPBACK, Cell, Freshness, Load, Scenario, TierSpec, Trial, Variant
from edgebench.scenario.problems import ScenarioError

T = TypeVar("T", Load, TierSpec)

TRIAL_OVERHEAD_S = 1.5
"""Seconds a trial takes beside warm-up and window: origin, cache and generator started, found ready and stopped."""

NETWORK_OVERHEAD_S = 0.6
"""More in a network: its namespaces made and removed; it is measured while origin and cache start."""


def cells(scenario: Scenario, available: Collection[str] | None = None) -> tuple[Cell, ...]:
    """Direct tiers first, without a TTL, as they store nothing; then each cache in the file's order by rising TTL.
    Each in every network and in every variant that is for it.

    `available` are the names of the tiers that can run here (None: all). An optional tier that cannot is left out; one
    that is not optional, or that the others are compared with, is a ScenarioError.
    """
    tiers = [tier for tier in scenario.tiers if _is_measured(tier, scenario, available)]
    tiers.sort(key=lambda tier: tier.kind != "direct")
    return tuple(
        cell
        for tier in tiers
        for network in scenario.network
        for variant in scenario.variants or (None,)
        if variant is None or not variant.tiers or tier.name in variant.tiers
        for ttl_s in ([None] if tier.kind == "direct" else sorted(scenario.ttl_s))
        for cell in [_cell(scenario, tier, ttl_s, network, variant)]
    )


def _cell(scenario: Scenario, tier: TierSpec, ttl_s: int | None, network: str, variant: Variant | None) -> Cell:
    if variant is None:
        return Cell(tier, Freshness(ttl_s), scenario.load, network)
    load = _changed(scenario.load, variant.load)
    # Without a cache there is nothing to set up but how the app itself is reached.
    direct = {name: value for name, value in variant.tier.items() if name == "tls"}
    tier = _changed(tier, direct if tier.kind == "direct" else variant.tier)
    return Cell(tier, Freshness(ttl_s), load, network, variant.name, variant.env, variant.deploy)


def _changed(value: T, changes: Mapping[str, Any]) -> T:
    """The value with these fields, of the types its class gives them: a scenario's file knows them as texts only."""
    known: T = TypeAdapter(type(value)).validate_python({**asdict(value), **changes})
    return known


def _is_measured(tier: TierSpec, scenario: Scenario, available: Collection[str] | None) -> bool:
    if available is None or tier.kind == "direct" or tier.name in available:
        return True
    if tier.name == scenario.baseline:
        remedy = "install it, or choose another baseline"
    elif not tier.optional:
        remedy = "install it, or give the tier `optional = true` to go on without it"
    else:
        return False
    raise ScenarioError(f"scenario {scenario.name}: tier {tier.name} needs {tier.kind}, which is not here; {remedy}")


def trials(scenario: Scenario, cells: Sequence[Cell]) -> tuple[Trial, ...]:
    """Every cell once in each block, the blocks one after another, the order inside a block drawn by the seed.

    So a drift of the machine falls on all cells alike, and an interrupted run has whole blocks.
    """
    ordered: list[Trial] = []
    for repeat in range(1, scenario.repeats + 1):
        block = list(cells)
        random.Random(f"{scenario.seed}/{repeat}").shuffle(block)
        seed = _trial_seed(scenario.seed, repeat)
        ordered += [Trial(cell, repeat, seed) for cell in block]
    return tuple(ordered)


def _trial_seed(seed: int, repeat: int) -> int:
    """48 bits, which every reader of JSON keeps exactly; nothing of the cell goes in, so all get the same requests."""
    return int.from_bytes(hashlib.sha256(f"trial {seed}/{repeat}".encode()).digest()[:6], "big")


def estimate_s(trial: Trial) -> tuple[float, float]:
    """Shortest and longest duration of a trial in seconds: the warm-up takes from one TTL to its cap."""
    load = trial.cell.load
    rest_s = load.measure_s + TRIAL_OVERHEAD_S + (NETWORK_OVERHEAD_S if trial.cell.network != LOOPBACK else 0.0)
    return load.least_warm_up_s(trial.cell.freshness.ttl_s) + rest_s, load.warm_up_s + rest_s
