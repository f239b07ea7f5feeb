"""Real servers for tests: an origin with its ledger, and the caches before it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import settings

from edgebench.model import Cell, Freshness, Load, OriginSpec, TierSpec
from edgebench.runner.guardian import Guardian
from edgebench.runner.stack import Stack

StartStack = Callable[..., Stack]

# A busy machine is no failure; and what CI draws is the same for every change, so that a red one is the change's own.
settings.register_profile("edgebench", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("edgebench")


@pytest.fixture
def start_stack(tmp_path: Path) -> Iterator[StartStack]:
    """start_stack("nginx", workers=2) brings up tests.apps behind that tier; all is stopped after the test.

    tier: what of TierSpec is not as usual, such as {"tls": True}; the rest goes to OriginSpec.
    """
    with Guardian() as guardian, ExitStack() as running:

        def start(kind: str = "direct", tier: Mapping[str, object] = MappingProxyType({}), **origin: object) -> Stack:
            spec = OriginSpec(**{"app": "tests.apps:app", "threads": 8, **origin})  # type: ignore[arg-type]
            cell = Cell(TierSpec(**{"name": kind, "kind": kind, **tier}), Freshness(), Load())  # type: ignore[arg-type]
            directory = tmp_path / f"{kind}-{len(list(tmp_path.iterdir()))}"
            return running.enter_context(Stack(cell, spec, directory, (), guardian))

        yield start
