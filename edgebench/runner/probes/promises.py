"""Whether a cache does what its adapter says of it: predictions and reports rely on that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from edgebench.model import Profile
from edgebench.runner.probes.freshness import LIFETIME_KEYS, LIFETIME_TTL_S
from edgebench.runner.probes.result import Result
from edgebench.tiers.adapter import Adapter

_SLACK_S = 0.1
"""How much later than it expired an answer may be seen to have, on a busy machine."""


def broken_promises(adapter: Adapter, results: Mapping[str, Result]) -> list[str]:
    """Where the probes found something else than the adapter says, in words. Probes that failed say nothing."""
    found = {name: result for name, result in results.items() if not result.failed}
    said = [*_abilities(adapter, found)]
    if adapter.stores:
        said += [*_expiry(adapter, found), *_stale(adapter, found)]
    return said


def _abilities(adapter: Adapter, found: Mapping[str, Result]) -> Iterator[str]:
    seen = {
        "collapses_misses": _figure(found, "cold_crowd", "fetches") == 1,
        "collapses_expired": _figure(found, "expired_crowd", "fetches") == 1,
        "purges_one": bool(_figure(found, "purge_one", "yes")),
        "purges_all": bool(_figure(found, "purge_all", "yes")),
    }
    probes = dict(zip(seen, ("cold_crowd", "expired_crowd", "purge_one", "purge_all"), strict=True))
    for name, able in seen.items():
        if probes[name] in found and able != getattr(adapter, name):
            yield f"{name} is {getattr(adapter, name)}, and it was found: {found[probes[name]].text}"


def _expiry(adapter: Adapter, found: Mapping[str, Result]) -> Iterator[str]:
    if "lifetime" not in found:
        return
    rule = adapter.expiry
    longest_s = LIFETIME_TTL_S + rule.extra_s
    shortest_s = longest_s - (1 if rule.whole_seconds else 0)
    low_s, high_s = (_figure(found, "lifetime", name) / 1000 for name in ("min_ms", "max_ms"))
    all_expired = _figure(found, "lifetime", "keys") == LIFETIME_KEYS
    if not (all_expired and shortest_s - _SLACK_S <= low_s and high_s <= longest_s + _SLACK_S):
        yield (
            f"expiry is {rule}, so max-age={LIFETIME_TTL_S} lasts {shortest_s:g} to {longest_s:g} s, and it was found: "
            f"{found['lifetime'].text}"
        )


def _stale(adapter: Adapter, found: Mapping[str, Result]) -> Iterator[str]:
    lacks = adapter.lacks.get(Profile.RESILIENT, ())
    for name, lacking in (
        ("stale_while_revalidate", "stale-while-revalidate" in lacks),
        ("stale_if_error_dead", "stale-if-error" in lacks),
        ("stale_if_error_503", any(lack.startswith("stale-if-error") for lack in lacks)),
    ):
        result = found.get(f"{name}_{Profile.RESILIENT.value}")
        if result is not None and result.text.startswith("yes") == lacking:
            listed = ", ".join(lacks) or "nothing"
            yield f"of resilient it lacks, as it says, {listed}; {name.replace('_', '-')} was found: {result.text}"


def _figure(found: Mapping[str, Result], probe: str, name: str) -> float:
    return found[probe].figures.get(name, 0.0) if probe in found else 0.0
