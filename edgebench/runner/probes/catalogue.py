"""All probes, in the order of the table's rows; within a profile also the order in which they begin."""

from __future__ import annotations

from collections.abc import Iterator

from edgebench.model import Profile
from edgebench.runner.probes import counting, freshness, pressure, privacy, purging, stale, stopping, variants
from edgebench.runner.probes.freshness import LIFETIME_KEYS, LIFETIME_TTL_S
from edgebench.runner.probes.pressure import CROWD, PRIVATE_CROWD, SLOW_MS
from edgebench.runner.probes.result import Probe, Run
from edgebench.runner.probes.subject import POLL_S, Subject

_Row = tuple[str, str, Run, str]
"""Name, title, what to run and how it is measured: a probe but for its profile."""

_SWR: _Row = (
    "stale_while_revalidate", "stale-while-revalidate; first answer", stale.stale_while_revalidate,
    "Three expired answers of 300 ms come from store, the slowest in this time, and are refreshed without a client "
    "waiting; beside them one without it (unasked).",
)  # fmt: skip
_SIE_503: _Row = (
    "stale_if_error_503", "stale-if-error, origin answers 503",
    stale.stale_if_error("sie-503", Subject.origin_answers_503),
    "Expired with stale-if-error=60 while the origin answers 503 to all; beside it one without it (unasked).",
)  # fmt: skip
_SIE_DEAD: _Row = (
    "stale_if_error_dead", "stale-if-error, origin dead", stale.stale_if_error("sie-dead", Subject.origin_is_dead),
    "Likewise while connections to the origin are refused.",
)  # fmt: skip


def _of(profile: Profile, *rows: _Row) -> Iterator[Probe]:
    for name, title, run, how in rows:
        yield Probe(f"{name}_{profile.value}", title, how, profile, run)


_STRICT = (
    Probe(
        "max_age", "honours max-age", "max-age=60 is fetched once, max-age=0 each time.",
        Profile.STRICT, freshness.max_age,
    ),
    Probe(
        "s_maxage", "honours s-maxage", "s-maxage counts and not the max-age beside it, 60 against 0 both ways round.",
        Profile.STRICT, freshness.s_maxage,
    ),
    Probe(
        "revalidates", "revalidates at expiry", "An expired answer with an ETag leads to If-None-Match and a 304.",
        Profile.STRICT, freshness.revalidates,
    ),
    *_of(Profile.STRICT, _SWR, _SIE_503),
    Probe(
        "expired_crowd", f"expired, {CROWD} at once: fetches, slowest",
        f"{CROWD} requests at one moment for an expired URL of {SLOW_MS} ms without an ETag.",
        Profile.STRICT, pressure.expired_crowd,
    ),
    Probe(
        "cold_crowd", f"cold, {CROWD} at once: fetches, slowest",
        f"{CROWD} requests at one moment for a URL of {SLOW_MS} ms that is not stored.",
        Profile.STRICT, pressure.cold_crowd,
    ),
    Probe(
        "lifetime", f"real lifetime of max-age={LIFETIME_TTL_S}",
        f"From the origin's answer to its next request for the key: least and most of {LIFETIME_KEYS} keys stored at "
        f"different fractions of a second, each asked for every {POLL_S * 1000:g} ms.",
        Profile.STRICT, freshness.lifetime,
    ),
    Probe(
        "private_authorization", f"{PRIVATE_CROWD} private answers at once, Authorization",
        f"{PRIVATE_CROWD} users ask at one moment for private answers of {SLOW_MS} ms: the time until all have theirs, "
        "and how many were at the origin at a time if not all.",
        Profile.STRICT, pressure.private_crowd("private-auth", lambda index: {"Authorization": f"Bearer {index}"}),
    ),
    Probe(
        "private_cookie", f"{PRIVATE_CROWD} private answers at once, Cookie",
        "Likewise, with session cookies.",
        Profile.STRICT, pressure.private_crowd("private-cookie", lambda index: {"Cookie": f"session={index}"}),
    ),
    Probe(
        "vary", "Vary: Accept-Encoding right; fetches",
        "Six requests, in turn for gzip, br and neither: codings and bodies are right; how many reached the origin.",
        Profile.STRICT, variants.vary,
    ),
    Probe(
        "range_cold", "Range, not stored", "A range of a URL that is not stored, asked for twice.",
        Profile.STRICT, variants.range_cold,
    ),
    Probe(
        "range_warm", "Range, stored", "A range of a URL that is stored whole.",
        Profile.STRICT, variants.range_warm,
    ),
    Probe(
        "purge_one", "purge of one URL",
        "Five stored URLs are purged one by one and fetched again; another stays. The time is the median's.",
        Profile.STRICT, purging.purge_one,
    ),
    Probe(
        "post", "POST invalidates", "Stored, POST, GET: the GET reaches the origin.",
        Profile.STRICT, purging.post_invalidates,
    ),
    Probe(
        "counters", "counters agree with the ledger",
        "Hits, misses and origin requests of 400 requests, as far as it counts them.",
        Profile.STRICT, counting.counters,
    ),
    Probe(
        "purge_all", "purge of all", "Three stored URLs, all fetched again.",
        Profile.STRICT, purging.purge_all, last=True,
    ),
    Probe(
        "graceful_stop", "a stop finishes requests; it takes",
        "Asked to stop while a request of 1 s is under way.",
        Profile.STRICT, stopping.graceful_stop, last=True,
    ),
)  # fmt: skip

_PUBLIC = Probe(
    "public_default", "stores public, max-age=60", "The control: twice, as those that follow.",
    Profile.DEFAULT, privacy.public,
)  # fmt: skip

_LEAKS: tuple[_Row, ...] = (
    ("authorised", "answer to Authorization given to others", privacy.authorised,
     "max-age=60 without public, first asked for with Authorization, then without."),
    ("set_cookie", "stores Set-Cookie with public", privacy.set_cookie, "public, max-age=60 with Set-Cookie, twice."),
    ("private", "stores private", privacy.private, "private, max-age=60, twice."),
    ("no_store", "stores no-store", privacy.no_store, "no-store, twice."),
    ("unmarked", "stores without Cache-Control", privacy.unmarked, "No Cache-Control, no validator, twice."),
)  # fmt: skip


PROBES: tuple[Probe, ...] = (
    *_STRICT,
    *_of(Profile.STRICT, *_LEAKS),
    *_of(Profile.RESILIENT, _SWR, _SIE_503, _SIE_DEAD),
    _PUBLIC,
    *_of(Profile.DEFAULT, *_LEAKS, _SWR, _SIE_503, _SIE_DEAD),
)
