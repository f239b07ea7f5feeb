"""What a probe is and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field

from edgebench.model import Profile
from edgebench.runner.probes.subject import Subject


@dataclass(frozen=True, slots=True)
class Result:
    """What one probe found of one cache."""

    text: str
    """In a word or two, as tables show it: `yes`, `2.01–2.03 s`, `1 of 50, 0.31 s`."""
    evidence: str
    """What was seen, in one line."""
    figures: Mapping[str, float] = field(default_factory=dict)
    """The numbers behind it, units in their names; yes and no are 1 and 0."""
    failed: bool = False
    """The probe could not be run; `text` says why."""


FAILED = "failed: "
"""How the text of a probe begins that could not be run."""

Run = Callable[[Subject], Result | Generator[float, None, Result]]
"""A probe that has to wait yields for how many seconds; others run meanwhile."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One row of the table."""

    name: str
    title: str
    how: str
    """How it is measured, in one sentence."""
    profile: Profile
    run: Run
    last: bool = False
    """It empties or ends the cache: it runs when the others are done."""


@dataclass(frozen=True, slots=True)
class CacheReport:
    """All that was found of one cache."""

    name: str
    version: str
    source: str
    stores: bool
    """Whether it is a cache at all."""
    took_s: float
    results: Mapping[str, Result]
    """By the name of the probe."""


def yes_no(yes: bool, evidence: str, but: str = "") -> Result:
    """`yes` or `no`, with `but` in brackets."""
    text = ("yes" if yes else "no") + (f" ({but})" if but else "")
    return Result(text, evidence, {"yes": float(yes)})
