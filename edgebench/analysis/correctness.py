"""All checks of one trial's content, and the figures made of them."""

from __future__ import annotations

from edgebench.analysis.bodies import broken_bodies, cut_off
from edgebench.analysis.evidence import Check, Correctness
from edgebench.analysis.herd import collapse, herd
from edgebench.analysis.joined import Joined
from edgebench.analysis.leaks import leaks, stored_private
from edgebench.analysis.queueing import serialised
from edgebench.analysis.staleness import outdated, over_stale
from edgebench.analysis.variants import wrong_variants
from edgebench.model import Profile, TrialRecord

NO_STORE = ("direct",)


def stores(record: TrialRecord) -> bool:
    """Whether something before the origin may answer from store.

    A cache has an expiry rule in the strict profile; an adapter without one there is a proxy that stores nothing.
    Of a tier by URL, and of other profiles, nobody knows the rule.
    """
    tier, asked = record.tier, record.trial.cell.tier
    if tier.kind in NO_STORE:
        return False
    return tier.expiry is not None or tier.kind == "url" or asked.profile is not Profile.STRICT


def check_content(joined: Joined | None, shareable: frozenset[str], slots: int | None) -> Correctness:
    """Every check of one trial, both phases. joined None: there was no ledger, so nothing can be checked.

    shareable: endpoints whose answers may be shared although they have no lifetime in this trial. slots: requests the
    origin serves at a time; None: not known.
    """
    if joined is None:
        return Correctness()
    return Correctness(
        leak=leaks(joined, shareable),
        stored_private=stored_private(joined, shareable),
        wrong_variant=wrong_variants(joined),
        over_stale=over_stale(joined),
        broken_body=broken_bodies(joined),
        cut_off=cut_off(joined),
        outdated=outdated(joined),
        collapse=collapse(joined) if stores(joined.record) else None,
        herd=herd(joined),
        serialised=serialised(joined, slots),
    )


def content_metrics(found: Correctness) -> dict[str, float | None]:
    """Figures of a trial, both phases; None where it could not be checked."""
    return {
        "leaks": _count(found.leak),
        "wrong_variants": _count(found.wrong_variant),
        "broken_bodies": _count(found.broken_body),
        "over_stale": _count(found.over_stale),
        "outdated_share": _share(found.outdated.share if found.outdated else None),
        "staleness_true_p99_s": found.outdated.all_p99_s if found.outdated else None,
        "collapse_factor": found.collapse.mean if found.collapse else None,
        "origin_concurrency_max": float(found.herd.of_all) if found.herd else None,
    }


def _count(check: Check | None) -> float | None:
    return None if check is None else float(check.count)


def _share(check: Check | None) -> float | None:
    return check.count / check.checked if check is not None and check.checked else None
