"""What the cache says of itself, in its headers and in its log, against what is proved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from edgebench.analysis.edges import edge_of, is_shields, logged_by, unclear_causes, unclear_revalidations
from edgebench.analysis.tables import Bools, Ints, nanoseconds, shared_codes
from edgebench.model import ClaimedOutcome, Outcome, Phase

AGREES: Mapping[str, frozenset[str]] = {
    # Answered from store. Who waited for another's fetch never went to the origin, and most caches call it a hit.
    ClaimedOutcome.HIT: frozenset({Outcome.HIT, Outcome.COLLAPSED}),
    # The proof allows the whole second that HTTP's clocks have; a cache may call stale what lies within it.
    ClaimedOutcome.STALE: frozenset({Outcome.STALE, Outcome.HIT}),
    # Waited for a 304, one's own or another's.
    ClaimedOutcome.REVALIDATED: frozenset({Outcome.REVALIDATED, Outcome.COLLAPSED}),
    # "It went forward". Varnish says so whatever the origin then answered, and of those who waited, too.
    ClaimedOutcome.MISS: frozenset({Outcome.ORIGIN, Outcome.COLLAPSED, Outcome.REVALIDATED}),
    ClaimedOutcome.BYPASS: frozenset({Outcome.ORIGIN}),
}
"""Per claim, the proved outcomes it does not contradict. `none`, `unknown` and `error` claim nothing that could be
checked, and a sample that ended in an error is not compared."""


_BEFORE_A_SHIELD: Mapping[str, frozenset[str]] = {
    # The shield may have had it: then the edge asked, and the origin was not. And the edge tells fresh from stale by
    # the lifetime it was given, not by how long the answer had lived in the shield.
    ClaimedOutcome.HIT: frozenset({Outcome.STALE}),
    ClaimedOutcome.MISS: frozenset({Outcome.HIT, Outcome.STALE}),
    ClaimedOutcome.REVALIDATED: frozenset({Outcome.HIT, Outcome.STALE}),
}
"""What else does not contradict the claim of an edge before a shield."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """Both comparisons of one trial."""

    disagreements: pd.DataFrame
    """Columns of samples plus `against` (claim or log) and `said`."""
    compared: Mapping[str, int]
    """Samples compared, by `claim` and `log`."""
    contradicted: Mapping[str, int]
    """Samples with at least one contradiction, by `claim` and `log`."""
    unmatched: Mapping[str, int]
    """`samples without a log line` (of those that got an answer: an aborted request may have none) and `log lines
    without a sample`; empty where the tier keeps no log."""


def reconcile(
    samples: pd.DataFrame,
    tier_log: pd.DataFrame,
    permitted: Bools | None = None,
    undecided: Bools | None = None,
    *,
    edges: int = 1,
    shielded: bool = False,
) -> Reconciled:
    """Compare every sample with its own claim, and with its line in the cache's log where there is a log.

    samples: store.SAMPLES plus outcome. tier_log: store.TIER_LOG without the harness's probes. permitted: samples that
    a cache may call hits though they are proved stale (staleness.rightly_hits). undecided: samples whose outcome the
    proof cannot tell for certain; they are not compared. edges: how many caches of the tier clients go to. shielded:
    whether one more stands behind them; its lines are of the edges' requests, and paired with none.
    """
    tier_log = tier_log[~is_shields(tier_log)].reset_index(drop=True)
    agrees = {claim: allowed | _BEFORE_A_SHIELD.get(claim, frozenset()) for claim, allowed in AGREES.items()}
    agrees = agrees if shielded else dict(AGREES)
    proved = samples["outcome"]
    if permitted is not None:
        proved = proved.mask(permitted & (proved == Outcome.STALE.value), Outcome.HIT.value)
    if edges > 1:
        unclear = unclear_revalidations(samples, edges)
        unclear |= unclear_causes(samples) if shielded else False
        undecided = unclear if undecided is None else undecided | unclear
    if undecided is not None:
        proved = proved.mask(undecided, Outcome.ERROR.value)  # which claims nothing, and is not compared
    claim_wrong, claims = _contradicts(samples["claim"], proved, agrees)
    parts = [_disagreements(samples, claim_wrong, "claim", samples["claim"].astype("object").to_numpy())]
    compared, contradicted = {"claim": int(claims.sum())}, {"claim": int(claim_wrong.sum())}
    unmatched: dict[str, int] = {}
    if len(tier_log):
        line = pair_with_log(samples, tier_log, edges)
        found = np.flatnonzero(line >= 0)
        answered = (samples["outcome"] != Outcome.ERROR.value).to_numpy(dtype=bool)
        answered = answered & (samples["phase"] != Phase.ASIDE.value).to_numpy(dtype=bool)  # others it never saw
        said = _log_says(samples.iloc[found], tier_log.iloc[line[found]], proved.iloc[found], agrees)
        wrong = np.zeros(len(samples), dtype=bool)
        wrong[found] = said != ""
        texts = np.full(len(samples), "", dtype=object)
        texts[found] = said
        parts.append(_disagreements(samples, wrong, "log", texts))
        compared["log"], contradicted["log"] = len(found), int(wrong.sum())
        unmatched = {
            "samples without a log line": int(((line < 0) & answered).sum()),
            "log lines without a sample": len(tier_log) - len(found),
        }
    return Reconciled(pd.concat(parts, ignore_index=True), compared, contradicted, unmatched)


def _contradicts(claims: pd.Series, outcomes: pd.Series, agrees: Mapping[str, frozenset[str]]) -> tuple[Bools, Bools]:
    """Per sample: whether the claim contradicts the proof, and whether it could have."""
    wrong, checked = np.zeros(len(claims), dtype=bool), np.zeros(len(claims), dtype=bool)
    complete = (outcomes != Outcome.ERROR.value).to_numpy(dtype=bool)
    for claim, allowed in agrees.items():
        here = (claims == str(claim)).to_numpy(dtype=bool) & complete
        checked |= here
        wrong |= here & ~outcomes.isin([str(outcome) for outcome in allowed]).to_numpy(dtype=bool)
    return wrong, checked


def _disagreements(samples: pd.DataFrame, wrong: Bools, against: str, said: np.ndarray) -> pd.DataFrame:
    return samples[wrong].assign(against=against, said=said[wrong])


def pair_with_log(samples: pd.DataFrame, tier_log: pd.DataFrame, edges: int = 1) -> Ints:
    """Per sample the position of its log line, -1: none. Shape: n.

    The k-th logged request of a client port at an edge is the k-th request the client sent on it. Where a port has not
    as many lines as samples (a request that was given up may have none), the k-th of each key on that port is paired
    instead, so that one missing line does not shift all that follow.
    """
    sent, line = nanoseconds(samples, "sent_ns"), np.arange(len(tier_log), dtype=np.int64)
    port, log_port = (rows["port"].to_numpy(dtype=np.int64) * edges for rows in (samples, tier_log))
    port, log_port = port + edge_of(samples, edges), log_port + logged_by(tier_log)
    keys, log_keys = shared_codes(samples["key"], tier_log["key"])
    lines_of, samples_of = pd.Series(log_port).value_counts(), pd.Series(port).value_counts()
    level = samples_of.index[samples_of.eq(lines_of.reindex(samples_of.index))]
    many = 1 + max(int(keys.max(initial=0)), int(log_keys.max(initial=0)))
    slot = np.where(np.isin(port, level), 0, 1 + keys) + port * (many + 1)
    log_slot = np.where(np.isin(log_port, level), 0, 1 + log_keys) + log_port * (many + 1)
    asked = pd.DataFrame({"slot": slot, "k": _rank_within(slot, sent), "sample": np.arange(len(samples))})
    logged = pd.DataFrame({"slot": log_slot, "k": _rank_within(log_slot, line), "line": line})
    pairs = asked.merge(logged, on=["slot", "k"], how="inner")
    result = np.full(len(samples), -1, dtype=np.int64)
    result[pairs["sample"].to_numpy()] = pairs["line"].to_numpy()
    return result


def _rank_within(group: Ints, order_by: Ints) -> Ints:
    """Rank of each row within its group, from 0, in the order of `order_by`."""
    order = np.lexsort((order_by, group))
    ordered = group[order]
    first = np.concatenate([[True], ordered[1:] != ordered[:-1]]) if len(ordered) else np.zeros(0, dtype=bool)
    starts = np.flatnonzero(first)
    rank = np.empty(len(group), dtype=np.int64)
    rank[order] = np.arange(len(group)) - np.repeat(starts, np.diff(np.append(starts, len(group))))
    return rank


def _log_says(
    samples: pd.DataFrame, lines: pd.DataFrame, proved: pd.Series, agrees: Mapping[str, frozenset[str]]
) -> np.ndarray:
    """Per pair, what the log says that contradicts the sample; the empty text where nothing does.

    Of samples without an answer only the key is compared: what the cache logged of them the client never saw.
    """
    said = np.full(len(samples), "", dtype=object)
    answered = (samples["outcome"] != Outcome.ERROR.value).to_numpy(dtype=bool)
    verdict = lines["verdict"].reset_index(drop=True)
    verdict_wrong, _ = _contradicts(verdict, proved.reset_index(drop=True), agrees)
    said[verdict_wrong] = verdict.astype("object").to_numpy()[verdict_wrong]
    stamps = [rows["origin_seq"].astype("Int64").fillna(-1).to_numpy(dtype=np.int64) for rows in (samples, lines)]
    stamp_wrong = answered & (stamps[1] >= 0) & (stamps[0] != stamps[1])
    said[stamp_wrong] = [f"seq {stamp}" for stamp in stamps[1][stamp_wrong]]
    status, logged = (rows["status"].to_numpy(dtype=np.int64) for rows in (samples, lines))
    status_wrong = answered & (status != logged)
    said[status_wrong] = [f"status {number}" for number in logged[status_wrong]]
    keys, log_keys = shared_codes(samples["key"], lines["key"])
    key_wrong = keys != log_keys
    said[key_wrong] = [f"key {key}" for key in lines["key"].astype("object").to_numpy()[key_wrong]]
    return said
