"""What the claim `shield` says of its pairs of cells, and by which limits; its judge is analysis.claims.shield."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgebench.analysis.weighing import at_least, at_most, sentences
from edgebench.analysis.wording import digits, interval, listed, percent, span, times
from edgebench.model import Estimate

CUT = 1.2
SLOWER = 1.1
OLD = 0.001


@dataclass(frozen=True, slots=True)
class Pair:
    """One pair of cells."""

    name: str
    tier: str
    where: str
    edges: int
    cut: Estimate
    """Of requests that reach the origin: without / with."""
    slower: Estimate
    """Mean latency: with / without."""
    old: Estimate
    """Share of answers that are too old, with."""
    without: Mapping[str, float]
    shielded: Mapping[str, float]


def answers_of(pair: Pair) -> tuple[bool | None, bool | None, bool | None]:
    """To the three questions, in their order."""
    return at_least(pair.cut, CUT), at_most(pair.slower, SLOWER), at_most(pair.old, OLD)


def text_of(pairs: list[Pair]) -> str:
    """What the shield did."""
    return _one(pairs[0]) if len(pairs) == 1 else _several(pairs)


def _one(pair: Pair) -> str:
    """`With 3 edges, a shared nginx shield cut what reaches the origin from 61 to 24 requests per second, for …`"""
    less, more = pair.without["origin_rps"], pair.shielded["origin_rps"]
    did = "cut" if at_least(pair.cut, 1.0) else "raised" if at_most(pair.cut, 1.0) else "changed"
    change = pair.shielded["miss_ms"] - pair.without["miss_ms"]
    wait = f"a miss took {digits(abs(change))} ms {'more' if change >= 0 else 'less'}"
    return (
        f"With {pair.edges} edges{pair.where}, a shared {pair.tier} shield {did} what reaches the origin from "
        f"{digits(less)} to {digits(more)} requests per second ({interval(pair.cut)}), for "
        f"{digits(pair.shielded['midgress_rps'])} requests and {digits(pair.shielded['midgress_mbit'])} Mbit per "
        f"second between edges and shield; {wait}, {digits(pair.shielded['miss_ms'])} instead of "
        f"{digits(pair.without['miss_ms'])} ms in the mean."
    )


def _several(pairs: list[Pair]) -> str:
    """The same of several pairs, a sentence for each network."""
    said = []
    for where in dict.fromkeys(pair.where for pair in pairs):
        here = [pair for pair in pairs if pair.where == where]
        tiers = [pair.tier for pair in here]
        names = tiers if len(set(tiers)) == len(tiers) else [pair.name for pair in here]
        cuts: list[str] = []
        waits: list[str] = []
        between = [pair.shielded["midgress_rps"] for pair in here]
        for name, pair in zip(names, here, strict=True):
            unit, found = (" requests per second", interval(pair.cut)) if not cuts else ("", _short(pair.cut))
            less, more = digits(pair.shielded["origin_rps"]), digits(pair.without["origin_rps"])
            cuts.append(f"from {more} to {less}{unit} with {name} ({found})")
            change = pair.shielded["miss_ms"] - pair.without["miss_ms"]
            waits.append(f"{digits(abs(change))} ms {'more' if change >= 0 else 'less'} with {name}")
        did = "cut" if all(at_least(pair.cut, 1.0) for pair in here) else "changed"
        said.append(
            f"With {max(pair.edges for pair in here)} edges{where}, a shared shield {did} what reaches the origin "
            f"{listed(cuts)}, for {digits(min(between))} to {digits(max(between))} requests per second between edges "
            f"and shield; a miss took {listed(waits)}."
        )
    return sentences(*said)


def _short(cut: Estimate) -> str:
    """`1.46×, 1.44–1.48`"""
    return interval(cut).replace("95 % CI ", "")


def why_of(pairs: list[Pair]) -> str:
    """Which questions were not answered by yes, and the figures that say so."""
    cuts, waits, ages = [], [], []
    for pair in pairs:
        cut, wait, age = answers_of(pair)
        if cut is not True:
            cuts.append(f"{pair.name} ({interval(pair.cut)})")
        if wait is not True:
            waits.append(f"{pair.name} ({times(pair.slower.value or 0.0)}, {span(pair.slower)})")
        if age is not True:
            over = f"by up to {digits(pair.shielded['oldest_s'])} s past their TTL"
            ages.append(f"{pair.name} ({percent(pair.old.value or 0.0)} of the answers, {over})")
    return sentences(
        f"A cut of {times(CUT)} or more is not certain with {listed(cuts)}." if cuts else "",
        f"That waits grow by no more than {times(SLOWER)} is not certain with {listed(waits)}." if waits else "",
        f"Lifetimes add up over the layers, and answers were too old, with {listed(ages)}." if ages else "",
    )
