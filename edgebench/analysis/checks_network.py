"""Whether a trial's network was the one asked for: before the load as measured, under load as its emulator says."""

from __future__ import annotations

import math
from collections.abc import Iterator

from edgebench.analysis.trust import Doubt
from edgebench.analysis.wording import digits, percent
from edgebench.model import RATE_TOLERANCE, LinkRecord, ReasonCode, TrialRecord, rtt_tolerance_ms

MISSED_SHARE = 0.001
"""Share of its packets that an emulator may drop because it cannot keep up."""


def network_doubts(record: TrialRecord) -> Iterator[Doubt]:
    """Measures are multiples of what is tolerated; of all links the worst."""
    if record.network is None:
        return
    cell = record.trial.cell.id
    tolerance = f"tolerance 5 % + 1 ms, of a rate {percent(RATE_TOLERANCE)}"
    off, said = max((_off(link) for link in record.network.links), default=(0.0, ""))
    text = (
        f"the network was not the one asked for: {said} ({tolerance}). Is the machine busy with something else? "
        "Run it again, or on one with more cores."
    )
    yield Doubt(ReasonCode.NETWORK_OFF, cell, off, text)
    late, said = max((_late(link) for link in record.network.links), default=(0.0, ""))
    text = (
        f"the network's emulator could not keep up under load: {said}. "
        "Lower rate_rps, or use a machine with more cores."
    )
    yield Doubt(ReasonCode.NETWORK_LATE, cell, late, text)


def _off(link: LinkRecord) -> tuple[float, str]:
    """The greatest deviation as a multiple of the tolerance, and what was measured. Under load, a round trip is longer
    by two mean latenesses of the emulator."""
    asked, way = link.asked, f"{link.a}–{link.b}"
    if link.rtt_ms is None:
        return math.inf, f"{way}: too few probes arrived to measure the round trip"
    loaded_ms = 2 * (link.late_mean_ms or 0.0)
    found = [
        (
            abs(link.rtt_ms - asked.rtt_ms) / rtt_tolerance_ms(link.asked.rtt_ms),
            f"{way}: a round trip of {digits(link.rtt_ms)} ms, asked for {asked.rtt_ms:g} ms",
        ),
        (
            loaded_ms / rtt_tolerance_ms(link.asked.rtt_ms),
            f"{way}: under load, round trips were {digits(loaded_ms)} ms longer than the {asked.rtt_ms:g} ms asked for",
        ),
    ]
    for wanted, got, towards in (
        (asked.down_mbit, link.down_mbit, link.a),
        (asked.up_mbit, link.up_mbit, link.b),
    ):
        if wanted is not None:
            off = math.inf if got is None else abs(got / wanted - 1) / RATE_TOLERANCE
            said = "not measurable" if got is None else f"{digits(got)} Mbit/s"
            found.append((off, f"{way}: towards {towards} {said}, asked for {wanted:g} Mbit/s"))
    return max(found)


def _late(link: LinkRecord) -> tuple[float, str]:
    """How late the emulator was with one packet in 100, or how many it dropped, as a multiple of what is tolerated."""
    way, late_ms, limit_ms = f"{link.a}–{link.b}", link.late_p99_ms or 0.0, rtt_tolerance_ms(link.asked.rtt_ms)
    missed = link.missed / (link.packets + link.missed) if link.missed else 0.0
    return max(
        (
            late_ms / limit_ms,
            f"{way}: 1 % of the packets were {digits(late_ms)} ms late or more (limit {limit_ms:g} ms)",
        ),
        (
            missed / MISSED_SHARE,
            f"{way}: {link.missed:,} packets ({percent(missed)}) were dropped that nobody asked to drop (limit "
            f"{percent(MISSED_SHARE)})",
        ),
    )
