"""What stands before the origin: one adapter and one configuration template per cache."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from edgebench.model import TierSpec
from edgebench.tiers.adapter import Adapter

DIRECT = "direct"
"""The tier that is none: clients reach the origin itself."""
EXTERNAL = "url"
"""A tier that is not started here: somebody's own proxy or CDN."""


@cache
def adapters() -> dict[str, Adapter]:
    """Every adapter of this folder by name."""
    found = (importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__))
    made = [module.ADAPTER for module in found if hasattr(module, "ADAPTER")]
    return {adapter.name: adapter for adapter in sorted(made, key=lambda each: each.name)}


def kinds() -> tuple[str, ...]:
    """What a scenario may name as a tier's kind."""
    return (DIRECT, EXTERNAL, *adapters())


def unable(tier: TierSpec) -> str:
    """What a tier is asked for that its cache cannot do, and what can be done; empty where it can do all."""
    adapter = adapters().get(tier.kind)
    if adapter is None:
        asked = [name for name in ("compress", "bucket", "shield") if getattr(tier, name)]
        asked += ["edges"] if tier.edges > 1 else []
        return f"{asked[0]} is for a cache that is started here; leave it out" if asked else ""
    if tier.storage_mb < adapter.least_storage_mb:
        return f"{adapter.name} does not run with storage_mb below {adapter.least_storage_mb}, got {tier.storage_mb}"
    if missing := sorted(set(tier.compress) - adapter.compresses):
        able = f"it can apply {', '.join(sorted(adapter.compresses))}" if adapter.compresses else "it cannot compress"
        others = [name for name, each in adapters().items() if set(tier.compress) <= each.compresses]
        who = f"; who can: {', '.join(others)}" if others else ""
        return f"{adapter.name} cannot compress by {', '.join(missing)} itself: {able}{who}"
    if tier.bucket_url and not tier.bucket:
        return "bucket_url is of no use without bucket = true"
    if tier.bucket and not adapter.routes_paths:
        others = [name for name, each in adapters().items() if each.routes_paths]
        who = ", ".join(others)
        return f"{adapter.name} cannot fetch /static from a bucket and the rest from the app; who can: {who}"
    return ""
