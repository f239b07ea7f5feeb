"""Answers older than they may be, and answers that were no longer true."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from edgebench.analysis.evidence import Check, Outdated
from edgebench.analysis.joined import Joined, filled
from edgebench.analysis.percentiles import percentile
from edgebench.analysis.proof import GRAIN_S
from edgebench.analysis.tables import NS_PER_S, Bools, ByTime, Floats, nanoseconds, seconds_or_nan, shared_codes
from edgebench.analysis.witnesses import NOT_MODIFIED
from edgebench.model import Outcome, Profile

SLACK_S = 0.05
"""Beyond the grain: a cache reads its clock once per turn of its event loop, which a busy core may hold up."""
_REPLACING = ("PUT", "PATCH")
"""Methods whose answer carries the entity tag of what they have made of the key (RFC 9110, 9.3.4)."""


def permitted_s(joined: Joined) -> Floats:
    """Per sample, how long past its TTL it may be served: nothing in the strict profile, else what the origin said."""
    if joined.record.trial.cell.tier.profile is Profile.STRICT:
        return np.zeros(len(joined.samples))
    said = np.nan_to_num(seconds_or_nan(joined.ledger, "stale_ok_s"))
    word = joined.proof.word
    return np.where(word >= 0, np.maximum(said[np.maximum(word, 0)], np.where(joined.has, said[joined.row], 0.0)), 0.0)


def rightly_hits(joined: Joined) -> Bools:
    """Samples proved stale that a cache does not lie about when it calls them hits.

    It served them past their TTL, and no longer than the origin permits; or there is no TTL to speak of, since they
    are private. Both came from store, and no one was asked (RFC 9211, 2.1).
    """
    over_s, permitted = joined.proof.age_s - joined.proof.ttl_s, permitted_s(joined)
    within = (permitted > 0) & np.isfinite(over_s) & (over_s <= permitted + GRAIN_S + SLACK_S)
    return within | (joined.has & joined.private)


def undecided(joined: Joined) -> Bools:
    """Samples that carry an old stamp while a 304 of their key came, where the answer may be served stale.

    By time alone nobody can tell who waited for the 304 from who was served at once, and set a refresh off that was
    over before the answer was read.
    """
    caused = joined.proof.caused
    by_time = (caused >= 0) & joined.has & (caused != joined.proof.answer)
    by_time &= joined.rows.status[np.maximum(caused, 0)] == NOT_MODIFIED
    old = joined.has & (joined.rows.end[joined.row] <= nanoseconds(joined.samples, "sent_ns"))
    by_time |= (joined.proof.outcome == Outcome.COLLAPSED.value).to_numpy(dtype=bool) & old
    unclear: Bools = by_time & (permitted_s(joined) > 0)
    return unclear


def over_stale(joined: Joined) -> Check:
    """Samples from store that are older than TTL + what is permitted beyond it + the second that HTTP's clocks have.

    Private answers are not asked for their age: from store, they are wrong at any (see leaks).
    """
    age_s, ttl_s, permitted = joined.proof.age_s, joined.proof.ttl_s, permitted_s(joined)
    checked = _stored(joined) & ~joined.private & np.isfinite(age_s) & np.isfinite(ttl_s)
    wrong = checked & (np.nan_to_num(age_s) > np.nan_to_num(ttl_s) + permitted + GRAIN_S + SLACK_S)

    def say(at: int) -> str:
        beyond = f" and {permitted[at]:g} s beyond it permitted" if permitted[at] else ""
        return f"was {age_s[at]:.2f} s old, with a TTL of {ttl_s[at]:g} s{beyond}"

    return joined.check(wrong, checked, say)


@dataclass(frozen=True, slots=True)
class OutdatedSamples:
    """Per sample of a trial."""

    wrong: Bools
    """Whether its answer was outdated when it was asked for, as far as the ledger shows."""
    carries: Bools
    """Whether it carries a version, and so could have been."""
    for_s: Floats
    """For how long; 0 where it was not."""


def outdated(joined: Joined) -> Outdated | None:
    """How many answers were outdated, and for how long (outdated_samples). None where the app sends no ETag."""
    found = outdated_samples(joined)
    if found is None:
        return None
    for_s = found.for_s
    check = joined.check(
        found.wrong,
        found.carries,
        lambda at: f"the origin had given another version {for_s[at]:.2f} s before it was asked for",
    )
    ordered = np.sort(for_s[found.wrong])
    return Outdated(
        check, _rank(ordered, 0.5), _rank(ordered, 0.99), _rank(ordered, 1.0), percentile(for_s[found.carries], 0.99)
    )


def outdated_samples(joined: Joined) -> OutdatedSamples | None:
    """Answers with a version v, sent for after the origin had last given another than v for the same key.

    Versions (ETag) of one key are told apart by encoding and language, and by principal where they may not be shared.
    Only what the ledger shows counts, so it is the least: what the origin would have answered, unasked, nobody knows.
    None where the app sends no ETag.
    """
    history = _history(joined)
    if not len(history):
        return None
    groups = history["group"].to_numpy(dtype=np.int64)
    versions, ends = history["version"].to_numpy(dtype=np.int64), history["end"].to_numpy(dtype=np.int64)
    mine = _of_rows(joined)
    carries = joined.has & ~joined.error & joined.rows.tagged[joined.row]
    group, version = (mine[name].to_numpy(dtype=np.int64)[joined.row] for name in ("group", "version"))
    sent, every = nanoseconds(joined.samples, "sent_ns"), np.ones(len(history), dtype=bool)
    last = ByTime.of(groups, ends, every).last(group, sent)
    wrong = carries & _stored(joined) & (last >= 0) & (versions[last] != version)
    # Since the row after the last one that still had this version. Of two that overlap nobody knows which is newer.
    many = int(mine["version"].max()) + 1
    same = ByTime.of(groups * many + versions, ends, every).last(group * many + version, sent)
    wrong &= (same >= 0) & (history["start"].to_numpy(dtype=np.int64)[last] >= ends[same])
    order = np.lexsort((ends, groups))
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    successor = order[np.minimum(place[np.maximum(same, 0)] + 1, len(order) - 1)]
    return OutdatedSamples(wrong, carries, np.where(wrong, (sent - ends[successor]) / NS_PER_S, 0.0))


def _of_rows(joined: Joined) -> pd.DataFrame:
    """Per ledger row its key, its group of versions, its version and its time."""
    ledger, rows = joined.ledger, joined.rows
    shared = (rows.ttl_s > 0) & np.isfinite(rows.ttl_s)
    principal = filled(ledger["principal"]).where(~shared, "")
    variant = filled(ledger["encoding"]) + "\n" + filled(ledger["language"]) + "\n" + principal
    keys, _ = shared_codes(ledger["key"], ledger["key"])
    variants, _ = shared_codes(variant, variant)
    group = keys * (variants.max(initial=0) + 1) + variants
    return pd.DataFrame({"key": keys, "group": group, "version": rows.version, "start": rows.start, "end": rows.end})


def _history(joined: Joined) -> pd.DataFrame:
    """Which version the origin gave when: complete answers with a tag, and what PUT and PATCH made of a key."""
    rows, mine = joined.rows, _of_rows(joined)
    tagged = rows.tagged & rows.complete & (rows.status < 400)
    given = mine[tagged & rows.safe]
    replacing = joined.ledger["method"].isin(_REPLACING).to_numpy(dtype=bool)
    made = mine[tagged & replacing].drop(columns="group")
    spread = made.merge(given[["key", "group"]].drop_duplicates(), on="key")  # every variant of the key is replaced
    return pd.concat([given, spread[given.columns]], ignore_index=True)


def _stored(joined: Joined) -> Bools:
    stored: Bools = joined.proof.outcome.isin([Outcome.HIT.value, Outcome.STALE.value]).to_numpy(dtype=bool)
    return stored


def _rank(ordered: Floats, share: float) -> float | None:
    """Nearest rank, however few values there are."""
    return float(ordered[max(int(np.ceil(share * len(ordered))) - 1, 0)]) if len(ordered) else None
