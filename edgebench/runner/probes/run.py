"""Runs probes: one stack for each profile, a cache's waits shared by its probes. A probe that fails is a result."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from functools import partial
from pathlib import Path

from edgebench.errors import EdgebenchError
from edgebench.model import Cell, Freshness, Load, Profile, TierSpec
from edgebench.runner.guardian import Guardian
from edgebench.runner.probes.result import FAILED, CacheReport, Probe, Result
from edgebench.runner.probes.subject import ORIGIN, Subject
from edgebench.runner.stack import Stack, require
from edgebench.runner.trial import Stopped
from edgebench.tiers.adapter import Adapter

Tell = Callable[[Probe], None]
"""Told of each probe when it begins, and again when it goes on after a wait."""
_Rest = Generator[float, None, Result]


def probe_cache(adapter: Adapter, probes: Sequence[Probe], work: Path, guardian: Guardian, tell: Tell) -> CacheReport:
    """Every probe, tried on this cache. `work`: an empty folder. UserError where the cache is not installed."""
    binary = require(adapter)
    begun = time.monotonic()
    results: dict[str, Result] = {}
    for profile in Profile:
        of_profile = [probe for probe in probes if probe.profile is profile]
        if of_profile:
            cell = Cell(TierSpec(adapter.name, adapter.name, profile=profile), Freshness(), Load())
            results |= probe_stack(cell, of_profile, work / profile.value, guardian, tell)
    ordered = {probe.name: results[probe.name] for probe in probes}
    return CacheReport(adapter.name, binary.version, binary.source, adapter.stores, time.monotonic() - begun, ordered)


def probe_stack(
    cell: Cell, probes: Sequence[Probe], directory: Path, guardian: Guardian, tell: Tell
) -> dict[str, Result]:
    """Results by name, of probes of one profile on a stack of their own."""
    try:
        with Stack(cell, ORIGIN, directory, (), guardian) as stack:
            return run_probes(probes, Subject(stack), tell)
    except Stopped:
        raise
    except Exception as error:  # as below: the stack did not start, or did not stop
        return {probe.name: _failed(error) for probe in probes}


def run_probes(probes: Iterable[Probe], subject: Subject, tell: Tell) -> dict[str, Result]:
    """All of them on one running stack, those that are last when the others have ended."""
    results: dict[str, Result] = {}
    ordered = list(probes)
    for last in (False, True):
        waiting: list[tuple[float, Probe, _Rest]] = []
        for probe in ordered:
            if probe.last is last:
                tell(probe)
                _advance(probe, partial(probe.run, subject), results, waiting)
        while waiting:
            waiting.sort(key=lambda each: each[0])
            due, probe, rest = waiting.pop(0)
            tell(probe)
            time.sleep(max(0.0, due - time.monotonic()))
            _advance(probe, partial(_same, rest), results, waiting)
    return results


def _same(rest: _Rest) -> _Rest:
    return rest


def _advance(
    probe: Probe,
    begin: Callable[[], Result | _Rest],
    results: dict[str, Result],
    waiting: list[tuple[float, Probe, _Rest]],
) -> None:
    """Let a probe run until it has its result or waits."""
    try:
        found = begin()
        if isinstance(found, Result):
            results[probe.name] = found
        else:
            wait_s = next(found)
            waiting.append((time.monotonic() + wait_s, probe, found))
    except StopIteration as end:
        results[probe.name] = end.value
    except Stopped:
        raise
    except Exception as error:  # whatever an adapter or a cache comes up with, the other probes go on
        results[probe.name] = _failed(error)


def _failed(error: Exception) -> Result:
    why = " ".join(str(error).split()) or type(error).__name__
    if not isinstance(error, EdgebenchError):
        why = f"{type(error).__name__}: {why}" if str(error) else why
    return Result(f"{FAILED}{why[:120]}", why[:500], failed=True)
