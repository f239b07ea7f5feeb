"""What each figure is called, how it is printed, and the formula behind it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure of summary.json as the report names it."""

    label: str
    unit: str
    """ratio, ms, s, rps or count; how it is printed, whatever the summary calls its unit."""
    definition: str
    better: str = ""
    """`lower` or `higher`: where a ratio to the baseline makes sense."""


def _latency() -> dict[str, Metric]:
    names = ("p50", "p90", "p95", "p99", "p999")
    kinds = {
        "latency": ("Latency", "from the scheduled time to the last byte; the generator's own lateness is taken out"),
        "service": ("Service time", "from sending to the last byte: what a client that waits for its turn would see"),
        "hit_latency": ("Hit latency", "latency of the cacheable samples answered from store that waited for nothing"),
        "miss_latency": ("Miss latency", "latency of the cacheable samples that made the cache ask the origin"),
        "send_lag": ("Send lag", "the generator's own lateness: due, a connection free, and not yet sent"),
        "ttfb": ("Time to first byte", "from sending to the first byte of the answer"),
    }
    found = {}
    for kind, (label, meaning) in kinds.items():
        for name in names:
            shown = "p99.9" if name == "p999" else name
            text = f"The time that this percentile of the samples did not exceed: {meaning}."
            found[f"{kind}_{name}_ms"] = Metric(f"{label} {shown}", "ms", text, "lower")
    return found


def _cpu() -> dict[str, Metric]:
    roles = {"generator": "generator", "origin": "origin", "tier": "cache"}
    text = "CPU seconds the processes of this role spent per second of measuring."
    return {f"{role}_cpu": Metric(f"CPU: {label}", "cores", text) for role, label in roles.items()}


METRICS: Mapping[str, Metric] = {
    "hit_ratio": Metric(
        "Hit ratio",
        "ratio",
        "Samples proved hit, stale or collapsed ÷ all successful samples of cacheable endpoints.",
    ),
    "hit_ratio_all": Metric(
        "Hit ratio, all endpoints",
        "ratio",
        "Samples proved hit, stale or collapsed ÷ all successful samples, private requests included.",
    ),
    "body_reuse_ratio": Metric(
        "Body reuse",
        "ratio",
        "As the hit ratio, with revalidated samples added: the body came from the cache, the wait from the origin.",
    ),
    "ideal_hit_ratio": Metric(
        "Ideal hit ratio",
        "ratio",
        "The recorded requests replayed through a TTL cache without eviction and with perfect collapsing: the most any "
        "cache could have hit in this very trial.",
    ),
    "predicted_hit_ratio": Metric("Predicted hit ratio", "ratio", "The same replay with this cache's own expiry rule."),
    "closed_form_hit_ratio": Metric(
        "Closed-form hit ratio",
        "ratio",
        "λT ÷ (1 + λT) with λ the rate of a key and T the TTL, summed over the popularity of the keys.",
    ),
    "prediction_residual": Metric(
        "Predicted − proved", "ratio", "Predicted hit ratio − proved hit ratio; beyond 0.2 points it is explained."
    ),
    "claimed_hit_ratio": Metric(
        "Claimed hit ratio", "ratio", "The same by what the cache says in its headers, proof left aside."
    ),
    "origin_offload": Metric("Offload, requests", "ratio", "1 − requests the origin served ÷ requests clients sent."),
    "byte_offload": Metric(
        "Offload, bytes",
        "ratio",
        "1 − body bytes the origin sent ÷ body bytes clients received. Differs from the "
        "offload by requests where large answers hit less often than small ones.",
    ),
    "origin_rps": Metric("Origin requests", "rps", "Requests the origin served per second of measuring.", "lower"),
    "origin_requests": Metric("Origin requests, count", "count", "Requests the origin served, per trial.", "lower"),
    "cacheable_share": Metric("Cacheable share", "ratio", "Samples of cacheable endpoints ÷ all successful samples."),
    "prediction_differs": Metric(
        "Predicted otherwise", "count", "Cacheable samples whose prediction differs from the proof, per trial."
    ),
    "outside_origin_p50_ms": Metric(
        "Outside the origin p50", "ms", "What of a miss’s time was spent outside the origin, at the median."
    ),
    **_cpu(),
    "requests": Metric("Requests", "count", "Samples of the measuring phase, per trial."),
    "errors": Metric("Errors", "count", "Samples without a complete answer or with status 5xx, per trial.", "lower"),
    "offered_rps": Metric("Offered", "rps", "Requests the schedule asked for ÷ measuring time."),
    "achieved_rps": Metric("Achieved", "rps", "Good answers completed in the measuring phase ÷ its length.", "higher"),
    **_latency(),
    "capacity_rps": Metric("Capacity", "rps", "Highest offered rate that holds the latency objective.", "higher"),
    "staleness_p99_s": Metric(
        "Staleness p99", "s", "How far past their TTL answers from store were, at most, in 99 % of them."
    ),
    "ceiling_rps": Metric(
        "Generator’s ceiling",
        "rps",
        "Requests per second that this generator and a null server did together before the first trial, with bodies of "
        "the size they have in this cell: the generator can send at least that. Beyond 70 % of it a cell is SUSPECT; "
        "near all of it a throughput is printed as ≥, since the cache may be able to do more.",
    ),
    "staleness_true_p99_s": Metric(
        "Staleness p99, true version",
        "s",
        "For how long the origin had already given another version, at most, in 99 % of the answers with a version; 0 "
        "for those that are current.",
    ),
    "outdated_share": Metric(
        "Outdated", "ratio", "Answers with a version that the origin had replaced before ÷ all answers with a version."
    ),
    "leaks": Metric(
        "Leaks",
        "count",
        "Answers made for one user, not to be shared, that another user or an anonymous client received; per trial, "
        "warm-up included.",
    ),
    "wrong_variants": Metric(
        "Wrong variants",
        "count",
        "Answers in an encoding or language that was not accepted, or of another key; per trial, warm-up included.",
    ),
    "broken_bodies": Metric(
        "Broken bodies",
        "count",
        "Whole answers whose length or sampled digest is not the origin’s; per trial, warm-up included.",
    ),
    "over_stale": Metric(
        "Too old",
        "count",
        "Answers from store older than TTL + what the profile permits beyond it + 1 s; per trial, warm-up included.",
    ),
    "collapse_factor": Metric(
        "Fetches per need",
        "count",
        "Origin requests for what can be stored ÷ expiries and first misses; fetches of one key that overlap in time "
        "are one need. 1 where each was collapsed.",
    ),
    "origin_concurrency_max": Metric(
        "At the origin at once", "count", "Most requests that were at the origin at one time, warm-up included."
    ),
}

_UNITS = {
    "%": "ratio",
    "1": "ratio",
    "points": "ratio",
    "": "count",
    "requests": "count",
    "requests/s": "rps",
    "1/s": "rps",
    "req/s": "rps",
}


def definitions(used: Iterable[str]) -> list[tuple[str, str]]:
    """Label and formula of these metrics, in the order of the registry; those with one formula share a line."""
    wanted = set(used)
    labels: dict[str, list[str]] = {}
    for name, spec in METRICS.items():
        if name in wanted:
            labels.setdefault(spec.definition, []).append(spec.label)
    return [
        (", ".join([first, *(label.split()[-1] for label in more)]), text) for text, (first, *more) in labels.items()
    ]


def metric(name: str, unit: str = "") -> Metric:
    """The metric of this name; one the report does not know is printed by its name and unit."""
    known = METRICS.get(name)
    return known or Metric(name.replace("_", " "), _UNITS.get(unit, unit), "")
