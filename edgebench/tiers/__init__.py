"""What stands before the origin: one adapter and one configuration template per cache."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

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
