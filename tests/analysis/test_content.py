"""Faults of known number put into simulated trials, and each check finds exactly those."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from edgebench.analysis.correctness import check_content, content_metrics
from edgebench.analysis.evidence import Check, Correctness
from edgebench.analysis.staleness import undecided
from edgebench.model import Profile
from tests.analysis.simulator import Behaviour, Simulation
from tests.analysis.witnessed import joined, told

MS, S = 1_000_000, 1_000_000_000
NGINX = Behaviour(whole_seconds=True, extra_s=1, new_stamp=False, collapses_expired=False, private_share=0.1)
VARNISH = Behaviour(private_share=0.1, conditional_share=0.1)
CASES = {
    "nginx": NGINX,
    "varnish": VARNISH,
    "errors and retries": replace(VARNISH, error_share=0.05, retry_share=0.05),
    "no cache": replace(VARNISH, stores=False),
}


@pytest.fixture(scope="module")
def clean() -> Simulation:
    return told(replace(VARNISH, post_share=0.03))


def found(samples: pd.DataFrame, ledger: pd.DataFrame, profile: Profile = Profile.STRICT) -> Correctness:
    return check_content(joined(samples, ledger, profile), frozenset(), 8)


def some(where: np.ndarray, count: int, seed: int = 7) -> list[int]:
    """So many of the positions where something holds."""
    return random.Random(seed).sample(np.flatnonzero(where).tolist(), count)


def from_store(simulated: Simulation) -> np.ndarray:
    hits = np.array([outcome == "hit" for outcome in simulated.outcome])
    return hits & (simulated.samples["status"] == 200).to_numpy()


@pytest.mark.parametrize("name", CASES)
def test_a_correct_cache_raises_nothing(name: str) -> None:
    simulated = told(CASES[name])
    correct = found(simulated.samples, simulated.ledger)
    checks = [correct.leak, correct.stored_private, correct.wrong_variant, correct.over_stale]
    checks += [correct.broken_body, correct.cut_off, correct.outdated.share if correct.outdated else None]
    assert [check.count for check in checks if check is not None] == [0] * 7
    assert correct.leak is not None and correct.leak.checked == simulated.outcome.count("origin") - _public(simulated)
    assert correct.serialised is not None and correct.serialised.count <= correct.serialised.checked / 2
    metrics = content_metrics(correct)
    assert metrics["leaks"] == metrics["wrong_variants"] == metrics["broken_bodies"] == metrics["over_stale"] == 0
    assert metrics["outdated_share"] == 0


def _public(simulated: Simulation) -> int:
    pairs = zip(simulated.outcome, simulated.samples["key"], strict=True)
    return sum(outcome == "origin" and str(key).startswith("/p/") for outcome, key in pairs)


def _private(samples: pd.DataFrame) -> int:
    return int((~samples["key"].astype(str).str.startswith("/p/")).sum())


def again(samples: pd.DataFrame, at: list[int], later_ns: int = 50 * MS) -> pd.DataFrame:
    """The samples with some given once more, from store, a moment after they were done."""
    copies = samples.iloc[at].copy()
    sent = copies["done_ns"] + later_ns
    copies = copies.assign(scheduled_ns=sent, sent_ns=sent, first_byte_ns=sent + MS, done_ns=sent + MS)
    return pd.concat([samples, copies], ignore_index=True)


def test_leaks(clean: Simulation) -> None:
    samples = clean.samples
    at = some((samples["key"] == "/api/me").to_numpy(), 14)
    more = again(samples, at)
    mine = np.arange(len(samples), len(more))
    more.loc[mine[:9], "principal"] = ""
    more.loc[mine[9:], "principal"] = "stranger"
    leak = found(more, clean.ledger).leak
    assert leak is not None and (leak.count, len(leak.examples)) == (14, 5)
    assert leak.checked == _private(more)
    first = leak.examples[0]
    assert first.request == "GET /api/me" and first.principal in ("", "stranger")
    assert first.what.startswith("made for user user") and ", who sent Authorization, received by" in first.what
    assert [one.at_s for one in leak.examples] == sorted(one.at_s for one in leak.examples)


def test_two_users_answers_swapped(clean: Simulation) -> None:
    samples = clean.samples.copy()
    private = np.flatnonzero((samples["key"] == "/api/me").to_numpy())
    one = int(private[10])
    other = next(int(at) for at in private[11:] if samples["principal"][at] != samples["principal"][one])
    samples.loc[[one, other], "origin_seq"] = samples["origin_seq"].iloc[[other, one]].to_numpy()
    leak = found(samples, clean.ledger).leak
    assert leak is not None and leak.count == 2


def test_stored_though_private_is_no_leak() -> None:
    clean = told(NGINX)
    at = some((clean.samples["key"] == "/api/me").to_numpy(), 6)
    correct = found(again(clean.samples, at), clean.ledger)
    assert correct.leak is not None and correct.leak.count == 0
    assert correct.stored_private is not None and correct.stored_private.count == 6
    later = again(clean.samples, at, later_ns=2 * S)
    assert (found(later, clean.ledger).over_stale or Check(1, 0)).count == 0
    anybody = clean.ledger.assign(principal="")
    late = found(later.assign(principal=""), anybody)
    assert late.stored_private is not None and late.stored_private.count == 6
    assert late.over_stale is not None and late.over_stale.count == 6


def test_public_answers_to_known_users_may_be_shared(clean: Simulation) -> None:
    ledger = clean.ledger.assign(
        principal=np.where(clean.ledger["principal"] == "", "user1", clean.ledger["principal"])
    )
    leak = found(clean.samples, ledger).leak
    assert leak is not None and leak.count == 0 and leak.checked == _private(clean.samples)


def test_what_the_origin_confirmed_for_its_asker_is_no_leak() -> None:
    """public, max-age=0 with an ETag: kept, and never given away unasked. The stamp is that of the first answer."""
    ledger = _rows(
        {"start_ns": 1 * MS, "end_ns": 2 * MS, "principal": "a", "ttl_s": 0, "status": 200},
        {"start_ns": 101 * MS, "end_ns": 102 * MS, "principal": "b", "ttl_s": 0, "status": 304, "bytes": 0},
        {"start_ns": 201 * MS, "end_ns": 202 * MS, "principal": "x", "ttl_s": 0, "status": 304, "bytes": 0},
    )
    asked = [("a", 0), ("b", 100), ("c", 200)]
    samples = _asked(*({"principal": who, "sent_ns": at * MS, "done_ns": (at + 3) * MS, "seq": 0} for who, at in asked))
    leak = found(samples, ledger).leak
    assert leak is not None and leak.count == 1 and leak.examples[0].principal == "c"


def test_at_ttl_0_shareable_endpoints_are_not_private(clean: Simulation) -> None:
    ledger = clean.ledger.assign(ttl_s=0, principal="someone")
    both = joined(clean.samples, ledger)
    assert (check_content(both, frozenset(), 8).leak or Check(0, 0)).count > 0
    leak = check_content(both, frozenset({"/p/[id]", "/api/me", "/api/cart"}), 8).leak
    assert leak is not None and (leak.count, leak.checked) == (0, 0)


@pytest.mark.parametrize(
    ("accepts", "kind"),
    [
        ("accept-encoding: identity", "encoding"),
        ("accept-encoding: br, gzip;q=0", "encoding"),
        ("accept-language: de", "encoding"),
        ("accept-encoding: gzip\naccept-language: fr", "language"),
    ],
)
def test_wrong_variants(clean: Simulation, accepts: str, kind: str) -> None:
    samples = clean.samples.copy()
    samples.loc[some(from_store(clean), 11), "accepts"] = accepts
    variant = found(samples, clean.ledger).wrong_variant
    assert variant is not None and variant.count == 11 and variant.kinds[kind] == 11
    assert sum(variant.kinds.values()) == 11
    blind = clean.ledger.assign(vary="")
    assert (found(samples, blind).wrong_variant or Check(1, 0)).count == 0  # the app says that all may have it


def test_what_the_origin_chose_itself_is_right(clean: Simulation) -> None:
    """The app falls back to German for who wants French; a cache may give that answer to who asks the same again."""
    samples = clean.samples.assign(accepts="accept-encoding: gzip\naccept-language: fr")
    variant = found(samples, clean.ledger).wrong_variant
    assert variant is not None and variant.count == 0


def test_answers_of_another_key(clean: Simulation) -> None:
    samples = clean.samples.copy()
    seqs = clean.ledger.set_index("key")["seq"].groupby(level=0).first()
    for at in some(from_store(clean), 8):
        other = "/p/1" if samples["key"][at] != "/p/1" else "/p/2"
        samples.loc[at, "origin_seq"] = seqs[other]
    variant = found(samples, clean.ledger).wrong_variant
    assert variant is not None and (variant.count, variant.kinds["key"]) == (8, 8)
    assert variant.examples[0].what in ("got /p/1", "got /p/2")


def test_keys_that_differ_in_spelling_are_the_same() -> None:
    ledger = _rows({"key": "/a~b?y=2&x=1"}, {"key": "/c", "method": "POST"})
    samples = _asked({"key": "/a%7Eb?x=1&y=2", "seq": 0}, {"key": "/c", "seq": 1, "sent_ns": 500 * MS})
    variant = found(samples, ledger).wrong_variant
    assert variant is not None and variant.kinds["key"] == 1  # GET, answered with what a POST brought


def test_a_tier_that_rewrites_every_key_is_not_blamed(clean: Simulation) -> None:
    samples = clean.samples.assign(key="/prefix" + clean.samples["key"].astype(str))
    variant = found(samples, clean.ledger).wrong_variant
    assert variant is not None and variant.count == 0


@pytest.mark.parametrize("profile", list(Profile))
def test_over_stale_against_a_plain_count(profile: Profile) -> None:
    """A cache that keeps answers 3 s beyond their TTL, of which the origin permits 1 s where the profile does."""
    simulated = told(Behaviour(ttl_s=1, grace_s=3.0, private_share=0.05), rate_rps=60, keys=30)
    ledger = simulated.ledger.assign(stale_ok_s=1)
    ends = {row["seq"]: row["end_ns"] for row in ledger.to_dict("records")}
    expected = 0
    limit_ns = (1 + (0 if profile is Profile.STRICT else 1)) * S + 1050 * MS
    for sample, outcome in zip(simulated.samples.to_dict("records"), simulated.outcome, strict=True):
        if outcome in ("hit", "stale"):
            expected += sample["sent_ns"] - ends[sample["origin_seq"]] > limit_ns
    stale = found(simulated.samples, ledger, profile).over_stale
    assert stale is not None and stale.count == expected > 0
    assert stale.checked == sum(outcome in ("hit", "stale") for outcome in simulated.outcome)
    assert ("beyond it permitted" in stale.examples[0].what) is (profile is not Profile.STRICT)


def test_broken_bodies(clean: Simulation) -> None:
    samples = clean.samples.copy()
    whole = ((samples["status"] == 200) & (samples["method"] == "GET")).to_numpy()
    short = some(whole, 7)
    samples.loc[short, "bytes"] -= 1
    confirmed = clean.ledger["seq"][clean.ledger["status"] == 304]  # a 304 has no digest to compare with
    digested = samples["digest"].notna().to_numpy() & whole & ~samples["origin_seq"].isin(confirmed).to_numpy()
    digested[short] = False
    garbled = some(digested, 3)
    samples.loc[garbled, "digest"] = samples["digest"][garbled] ^ 1
    broken = found(samples, clean.ledger).broken_body
    assert broken is not None and broken.count == 10 and broken.kinds == {"length": 7, "digest": 3}
    assert any("bytes, where the origin sent" in one.what for one in broken.examples)
    other = found(samples.assign(encoding="br"), clean.ledger).broken_body
    assert other is not None and (other.count, other.checked) == (0, 0)  # encoded anew on the way


def test_parts_and_empty_answers_are_no_broken_bodies(clean: Simulation) -> None:
    for change in ({"status": 206, "bytes": 10}, {"method": "HEAD", "bytes": 0}, {"status": 304, "bytes": 0}):
        broken = found(clean.samples.assign(**change), clean.ledger).broken_body
        assert broken is not None and (broken.count, broken.checked) == (0, 0)


def test_answers_cut_off(clean: Simulation) -> None:
    samples, ledger = clean.samples.copy(), clean.ledger.copy()
    cut = some(from_store(clean), 9)
    errors = samples["error"].astype("object").to_numpy(copy=True)
    errors[cut] = "answer cut off"
    samples = samples.assign(error=errors)
    assert (found(samples, ledger).cut_off or Check(0, 0)).count == 9
    half = samples["origin_seq"][cut[:4]]
    fell = ledger["seq"].isin(half)
    ledger = ledger.assign(complete=~fell, fault=fell.map({True: "half", False: ""}))
    left = int((~samples["origin_seq"][cut].isin(half)).sum())
    assert (found(samples, ledger).cut_off or Check(0, 0)).count == left


@pytest.mark.parametrize("collapses", [True, False])
def test_collapse_and_herd_against_a_plain_count(collapses: bool) -> None:
    how = Behaviour(ttl_s=1, collapses_new=collapses, collapses_expired=collapses, private_share=0.1)
    simulated = told(how, rate_rps=400, keys=4)
    correct = found(simulated.samples, simulated.ledger)
    everything = simulated.ledger.to_dict("records")
    rows = [row for row in everything if row["ttl_s"] > 0]
    groups: list[int] = []
    for key in {row["key"] for row in rows}:
        until = -1
        for row in sorted((row for row in rows if row["key"] == key), key=lambda row: int(row["start_ns"])):
            if row["start_ns"] >= until:
                groups.append(0)
            groups[-1] += 1
            until = max(until, row["end_ns"])
    together = correct.collapse
    assert together is not None and (together.groups, together.rows) == (len(groups), len(rows))
    assert together.most == max(groups)
    assert (max(groups) == 1) is collapses and (together.mean == 1.0) is collapses
    assert together.waiters == simulated.outcome.count("collapsed")
    assert correct.herd is not None and correct.herd.of_all == _most(everything)
    keys = {row["key"] for row in everything}
    assert correct.herd.of_one_key == max(_most([row for row in everything if row["key"] == key]) for key in keys)


def _most(rows: list[Any]) -> int:
    return max(sum(bool(one["start_ns"] <= row["start_ns"] < one["end_ns"]) for one in rows) for row in rows)


@pytest.mark.parametrize(("line", "slots", "count"), [(True, 8, 19), (True, 1, 0), (False, 32, 0)])
def test_uncacheable_requests_in_a_line(line: bool, slots: int, count: int) -> None:
    """Twenty ask at once for one private URL that takes 100 ms; a lock lets them through one by one, or all at once."""
    starts = [(100 * number if line else 0) + 1 for number in range(20)]
    ledger = _rows(*({"start_ns": at * MS, "end_ns": (at + 99) * MS, "ttl_s": 0, "principal": "a"} for at in starts))
    samples = _asked(
        *(
            {"seq": number, "sent_ns": number, "done_ns": (at + 100) * MS, "principal": "a"}
            for number, at in enumerate(starts)
        )
    )
    waited = check_content(joined(samples, ledger), frozenset(), slots).serialised
    assert waited is not None and waited.count == count
    assert waited.checked == (19 if slots > 1 else 0)


def _rows(*rows: dict[str, object]) -> pd.DataFrame:
    plain: dict[str, object] = {
        "start_ns": MS, "end_ns": 2 * MS, "method": "GET", "key": "/x", "status": 200, "bytes": 500, "principal": "",
        "version": "v", "ttl_s": 5, "complete": True, "authorized": False, "stale_ok_s": 0, "vary": "", "encoding": "",
        "language": "", "fault": "", "digest": None,
    }  # fmt: skip
    frame = pd.DataFrame([plain | {"seq": number} | row for number, row in enumerate(rows)])
    return frame.assign(
        ttl_s=frame["ttl_s"].astype("Int32"), stale_ok_s=frame["stale_ok_s"].astype("Int32"),
        digest=frame["digest"].astype("Int64"),
    )  # fmt: skip


def _asked(*samples: dict[str, object]) -> pd.DataFrame:
    plain: dict[str, object] = {
        "send_lag_ns": 0, "sent_ns": 0, "done_ns": 3 * MS, "method": "GET", "endpoint": "/x", "key": "/x",
        "status": 200, "bytes": 500, "error": None, "principal": "", "accepts": "", "encoding": "", "language": "",
        "digest": None,
    }  # fmt: skip
    frame = pd.DataFrame([plain | sample for sample in samples]).rename(columns={"seq": "origin_seq"})
    return frame.assign(
        scheduled_ns=frame["sent_ns"], origin_seq=frame["origin_seq"].astype("Int64"),
        digest=frame["digest"].astype("Int64"),
    )  # fmt: skip


def test_outdated_answers_against_the_true_version() -> None:
    """The origin gave v1 at 1 ms, and v2 (for a PUT) at 100 ms; the store went on giving v1."""
    ledger = _rows(
        {"start_ns": 1 * MS, "end_ns": 2 * MS, "version": "v1"},
        {"start_ns": 99 * MS, "end_ns": 100 * MS, "version": "v2", "method": "PUT", "ttl_s": 0},
        {"start_ns": 401 * MS, "end_ns": 402 * MS, "version": "v2"},
    )
    times = ((0, 0), (50, 0), (150, 0), (300, 0), (400, 2), (450, 2))
    asked: list[dict[str, object]] = [{"sent_ns": at * MS, "done_ns": (at + 3) * MS, "seq": row} for at, row in times]
    samples = _asked(*asked)
    old = found(samples, ledger).outdated
    assert old is not None and (old.share.count, old.share.checked) == (2, 6)
    assert old.p50_s == pytest.approx(0.05) and old.p99_s == old.max_s == pytest.approx(0.2)


def test_other_variants_and_other_peoples_versions_make_nothing_outdated() -> None:
    ledger = _rows(
        {"version": "gz", "encoding": "gzip"},
        {"version": "plain", "start_ns": 10 * MS, "end_ns": 11 * MS},
        {"version": "a", "key": "/me", "principal": "a", "ttl_s": 0, "start_ns": 20 * MS, "end_ns": 21 * MS},
        {"version": "b", "key": "/me", "principal": "b", "ttl_s": 0, "start_ns": 30 * MS, "end_ns": 31 * MS},
    )
    keys = ("/x", "/x", "/me", "/me")
    samples = _asked(*({"sent_ns": 100 * MS, "key": keys[row], "seq": row} for row in range(4)))
    old = found(samples, ledger).outdated
    assert old is not None and (old.share.count, old.share.checked) == (0, 4)


def test_older_run_folders_have_nothing_to_check() -> None:
    simulated = told(NGINX)
    new = ["principal", "accepts", "encoding", "language", "digest"]
    samples = simulated.samples.drop(columns=new).assign(**dict.fromkeys(new))
    new = ["authorized", "stale_ok_s", "vary", "encoding", "language", "digest", "fault"]
    ledger = simulated.ledger.drop(columns=new).assign(**dict.fromkeys(new))
    correct = found(samples, ledger)
    assert correct.leak is None and correct.stored_private is None and correct.broken_body is None
    assert correct.wrong_variant is not None and correct.wrong_variant.count == 0
    assert correct.over_stale is not None and correct.over_stale.count == 0
    assert content_metrics(correct)["leaks"] is None


def test_without_a_ledger_nothing_is_checked() -> None:
    assert set(content_metrics(check_content(None, frozenset(), None)).values()) == {None}


@pytest.mark.parametrize(("profile", "permitted", "unclear"), [(Profile.STRICT, 5, 0), (Profile.RESILIENT, 5, 1)])
def test_a_fast_refresh_behind_a_stale_answer_cannot_be_told_from_a_wait(
    profile: Profile, permitted: int, unclear: int
) -> None:
    """The old stamp came back while the origin said 304: within what is permitted, either may have been first."""
    ledger = _rows(
        {"start_ns": 1 * MS, "end_ns": 2 * MS, "ttl_s": 1, "stale_ok_s": permitted},
        {"start_ns": 2001 * MS, "end_ns": 2002 * MS, "ttl_s": 1, "stale_ok_s": permitted, "status": 304, "bytes": 0},
    )
    samples = _asked({"seq": 0}, {"seq": 0, "sent_ns": 2000 * MS, "done_ns": 2004 * MS})
    both = joined(samples, ledger, profile)
    assert list(both.proof.outcome) == ["origin", "revalidated"]
    assert int(undecided(both).sum()) == unclear


@pytest.mark.parametrize(("fault", "name"), [("slow", "background refresh"), ("", "unexplained")])
def test_a_refresh_that_queued_behind_a_slow_origin_is_one(fault: str, name: str) -> None:
    """Asked for at 2 s, served stale, and refreshed only at 4 s: a planned fault held the origin up, or nothing did."""
    ledger = _rows(
        {"start_ns": 1 * MS, "end_ns": 2 * MS, "ttl_s": 1},
        {"start_ns": 1900 * MS, "end_ns": 3900 * MS, "key": "/y", "fault": fault},
        {"start_ns": 4000 * MS, "end_ns": 4001 * MS, "ttl_s": 1, "status": 304, "bytes": 0},
    )
    samples = _asked(
        {"seq": 0},
        {"seq": 1, "key": "/y", "sent_ns": 1899 * MS, "done_ns": 3901 * MS},
        {"seq": 0, "sent_ns": 2000 * MS, "done_ns": 2001 * MS},
    )
    assert list(joined(samples, ledger).proof.row_name) == ["sample", "sample", name]
