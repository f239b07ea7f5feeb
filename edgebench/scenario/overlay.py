"""One table laid over another: the short form over the scenario, a variant over its load and tiers."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from edgebench.scenario.arrivals import load_problems
from edgebench.scenario.document import LoadTable, ScenarioDocument
from edgebench.scenario.problems import Problem, from_pydantic
from edgebench.scenario.text import KeyPath

SHORT = "short"
"""The table, and the value of `profile` that asks for it."""


def overlaid(table: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`table` with the keys of `over` in place of its own; tables inside are laid over each other, lists replaced."""
    result = copy.deepcopy(dict(table))
    for key, value in over.items():
        below = result.get(key)
        both = isinstance(value, Mapping) and isinstance(below, Mapping)
        result[key] = overlaid(below, value) if both and below is not None else copy.deepcopy(value)
    return result


def short_form(table: Mapping[str, Any]) -> dict[str, Any]:
    """The document with its [short] table laid over it."""
    over = table.get(SHORT)
    return overlaid(table, over) if isinstance(over, Mapping) else dict(table)


def short_problems(table: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with the short form and not with the long one."""
    over = table.get(SHORT)
    if isinstance(over, Mapping) and over:
        yield from _moved(short_form(table), (), (SHORT,))


def variant_problems(table: Mapping[str, Any], document: ScenarioDocument) -> Iterator[Problem]:
    """What a variant's load and tier say that [load] and [[tiers]] may not say."""
    seen: set[str] = set()
    names = [tier.name for tier in document.tiers]
    for index, variant in enumerate(document.variants):
        path: KeyPath = ("variants", index)
        if variant.name in seen:
            yield Problem((*path, "name"), f"expected each name once, got {variant.name} again")
        seen.add(variant.name)
        for name in variant.tiers:
            if name not in names:
                yield Problem((*path, "tiers"), f"expected names of tiers ({', '.join(names)}), got {name}")
        if variant.deploy is not None and variant.deploy.at_s >= document.load.measure_s:
            text = (
                f"expected less than load.measure_s, which is {document.load.measure_s:g}, got {variant.deploy.at_s:g}"
            )
            yield Problem((*path, "deploy", "at_s"), text)
        if "name" in variant.tier or "optional" in variant.tier:
            yield Problem((*path, "tier"), "expected keys that differ, got the tier's name or whether it is optional")
            continue
        tiers = [overlaid(tier, variant.tier) for tier in table["tiers"]]
        yield from _moved({**table, "tiers": tiers[:1]}, ("tiers", 0), (*path, "tier"))
        if "replay" in variant.load:
            yield Problem((*path, "load", "replay"), "expected it in [load], as all variants replay one recording")
            continue
        load = overlaid(table.get("load", {}), variant.load)
        wrong = list(_moved({**table, "load": load}, ("load",), (*path, "load")))
        if not wrong and variant.load:
            wrong = list(load_problems(LoadTable.model_validate(load), replay_exists=True))
            wrong = [Problem((*path, *problem.path), problem.text, problem.meant) for problem in wrong]
        yield from wrong


def _moved(table: Mapping[str, Any], here: Sequence[str | int], there: Sequence[str | int]) -> Iterator[Problem]:
    """Problems below `here` of a changed document, said of the place the change stands in."""
    try:
        ScenarioDocument.model_validate(table)
    except ValidationError as error:
        for problem in from_pydantic(error):
            if problem.path[: len(here)] == tuple(here):
                yield Problem((*there, *problem.path[len(here) :]), problem.text, problem.meant)
