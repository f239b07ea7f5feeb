"""A made-up analysis that looks like a real one: bimodal latencies, warm-ups, noise between trials. Seeded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from edgebench.analysis.evidence import Check, Collapse, Correctness, Example, Herd, Outdated
from edgebench.analysis.results import Analysis, CellResult, TrialResult
from edgebench.model import (
    LOOPBACK,
    Cell,
    CellSummary,
    Estimate,
    ExpiryRule,
    Finding,
    Freshness,
    Load,
    OriginSpec,
    Outcome,
    Placement,
    Profile,
    Reason,
    ReasonCode,
    RunRecord,
    Scenario,
    Summary,
    TierRecord,
    TierSpec,
    Trial,
    TrialRecord,
    Trust,
    TrustStatus,
)

RATE_RPS = 300.0
_UNITS = {
    "ratio": "ratio",
    "all": "ratio",
    "offload": "ratio",
    "rps": "requests/s",
    "ms": "ms",
    "requests": "requests",
    "errors": "requests",
}
_CONFIG = "proxy_cache_path {dir} keys_zone=edge:16m;\nproxy_cache_lock on;\nproxy_cache_revalidate on;\n# TTL {ttl}\n"


def _hits(ttl_s: int | None) -> float:
    return 0.0 if ttl_s is None else 0.93 * ttl_s / (ttl_s + 2.2)


def _samples(rng: np.random.Generator, kind: str, ttl_s: int | None, warm_s: int, measure_s: int) -> pd.DataFrame:
    count = int(RATE_RPS * (warm_s + measure_s))
    at_s = np.sort(rng.uniform(0, warm_s + measure_s, count))
    hit = rng.random(count) < _hits(ttl_s) * np.minimum(1, 0.4 + at_s / warm_s)
    fast = 0.28 if kind == "nginx" else 0.34
    latency_ms = np.where(hit, rng.lognormal(np.log(fast), 0.22, count), rng.lognormal(np.log(6.0), 0.25, count))
    latency_ms += rng.exponential(0.05, count) + (rng.random(count) < 0.004) * rng.exponential(12, count)
    other = rng.random(count)
    outcome = np.where(hit, "hit", np.where(other < 0.08, "revalidated", np.where(other < 0.1, "collapsed", "origin")))
    if ttl_s is None:
        outcome = np.full(count, "origin")
    return pd.DataFrame(
        {
            "scheduled_ns": (at_s * 1e9).astype(np.int64),
            "method": "GET",
            "bytes": 1204,
            "endpoint": "/api/products/[id]",
            "key": [f"/api/products/{number}" for number in rng.integers(1, 900, count)],
            "status": 200,
            "claim": np.where(hit, "hit", "miss"),
            "age_s": 0,
            "origin_seq": np.arange(count),
            "phase": np.where(at_s < warm_s, "warm_up", "measure"),
            "outcome": outcome,
            "cacheable": rng.random(count) > 0.03,
            "latency_ns": (latency_ms * 1e6).astype(np.int64),
            "service_ns": (latency_ms * 0.98e6).astype(np.int64),
        }
    )


def _timeline(samples: pd.DataFrame) -> pd.DataFrame:
    second = samples["scheduled_ns"] // 1_000_000_000
    rows = []
    for at_s, group in samples.groupby(second):
        latency_ms = group["latency_ns"] / 1e6
        enough = len(group) >= 100
        rows.append(
            {
                "at_s": float(str(at_s)),
                "phase": group["phase"].iloc[0],
                "requests": len(group),
                "errors": 0,
                "origin_requests": int((group["outcome"] == "origin").sum()),
                "latency_p50_ms": latency_ms.median(),
                "latency_p99_ms": latency_ms.quantile(0.99) if enough else np.nan,
                "hit_ratio": group["outcome"].isin(["hit", "stale", "collapsed"]).mean(),
            }
        )
    return pd.DataFrame(rows)


def _metrics(samples: pd.DataFrame, measure_s: int, cached: bool) -> dict[str, float | None]:
    taken = samples[samples["phase"] == "measure"]
    reused = taken["outcome"].isin(["hit", "stale", "collapsed"])
    public = taken["cacheable"]
    hit_ratio = float(reused[public].mean())
    found: dict[str, float | None] = {
        "requests": len(taken),
        "errors": float((taken["outcome"] == "error").sum()),
        "offered_rps": RATE_RPS,
        "achieved_rps": len(taken) / measure_s,
        "origin_rps": float((~reused).sum()) / measure_s,
        "send_lag_p99_ms": 0.21,
    }
    for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99)):
        found[f"latency_{name}_ms"] = float(taken["latency_ns"].quantile(share)) / 1e6
        found[f"service_{name}_ms"] = float(taken["service_ns"].quantile(share)) / 1e6
    found["latency_p999_ms"] = None  # too few samples in a short trial
    if cached:
        found |= {
            "hit_ratio": hit_ratio,
            "hit_ratio_all": float(reused.mean()),
            "body_reuse_ratio": min(1.0, hit_ratio + 0.02),
            "ideal_hit_ratio": min(1.0, hit_ratio + 0.011),
            "predicted_hit_ratio": hit_ratio + 0.0004,
            "claimed_hit_ratio": hit_ratio,
            "origin_offload": float(reused.mean()),
            "byte_offload": float(reused.mean()) * 0.94,
        }
    return found


LEAKS = Check(
    14,
    74,
    tuple(
        Example(0.412 * number - 0.3, "GET /api/me", "" if number % 2 else "9b1d77aa02c4", 900 + number, text)
        for number, text in enumerate(["made for user 3fa2c1d0, who sent Authorization, received by another"] * 5)
    ),
)


def _correctness(samples: pd.DataFrame, cached: bool, spoiled: bool) -> Correctness:
    """Nothing wrong; or some answers given to the wrong people, some too old, and two bodies broken."""
    asked, none = len(samples), Check(0, 74)
    old = Example(2.204, "GET /api/products/17", "", 1204, "was 4.31 s old, with a TTL of 1 s")
    broken = Example(3.071, "GET /api/products?page=3", "", 1444, "had 11,204 bytes, where the origin sent 12,288")
    return Correctness(
        leak=LEAKS if spoiled else none,
        stored_private=none,
        wrong_variant=Check(0, asked, (), {"encoding": 0, "language": 0, "key": 0}),
        over_stale=Check(3, asked // 2, (old,)) if spoiled else Check(0, asked // 2 if cached else 0),
        broken_body=Check(2, asked - 74, (broken,)) if spoiled else Check(0, asked - 74),
        cut_off=Check(0, asked),
        outdated=Outdated(Check(0, asked - 74), None, None, None, 0.0),
        collapse=Collapse(212, 231, 3, None, 88, 4.2, None, 9.7) if cached else None,
        herd=Herd(3, 8, 4.0, None),
        serialised=Check(0, 6),
    )


def _trial(cell: Cell, repeat: int, rng: np.random.Generator, measure_s: int) -> TrialResult:
    warm_s = int(rng.integers(5, 8))
    kind, cached = cell.tier.kind, cell.tier.kind not in ("direct", "caddy")
    samples = _samples(rng, kind, cell.freshness.ttl_s if cached else None, warm_s, measure_s)
    config = _CONFIG.format(dir="/tmp/cache", ttl=cell.freshness.ttl_s) if cached and kind != "url" else ""
    rule = {"nginx": ExpiryRule(True, 1), "varnish": ExpiryRule()}.get(kind, ExpiryRule(True)) if cached else None
    record = TrialRecord(
        trial=Trial(cell, repeat, 40 + repeat),
        complete=True,
        problem="",
        start_monotonic_ns=0,
        start_wall_ns=1_760_000_000_000_000_000,
        wall_drift_ns=1200,
        measure_start_ns=warm_s * 1_000_000_000,
        measure_end_ns=(warm_s + measure_s) * 1_000_000_000,
        warm_up_end="steady",
        tier=_tier_record(cell, config, rule),
        placement=Placement((0,), (1,)),
        origin_argv=("gunicorn", "--threads", "8", "target_app:create_app()"),
        generator_argv=("locust", "-f", "locustfiles/api.py"),
        exit_states={"tier": "0", "origin": "-15 (stopped)"},
    )
    taken = samples[samples["phase"] == "measure"]
    return TrialResult(
        record=record,
        metrics=_metrics(samples, measure_s, cached),
        samples=samples,
        timeline=_timeline(samples),
        outcomes={outcome.value: int((taken["outcome"] == outcome.value).sum()) for outcome in Outcome},
        processes=pd.DataFrame({"at_ns": [0], "role": ["origin"], "cpu_s": [0.6]}),
        unmatched_ledger={"background refresh": 2} if kind == "varnish" else {},
        ledger_rows=int((samples["outcome"] == "origin").sum()),
        compared={"claim": len(samples), "log": len(samples)} if cached else {},
        contradicted={"claim": 2} if cached and repeat == 1 else {},
        correctness=_correctness(samples, cached, cell.tier.profile is Profile.DEFAULT),
        disagreements=taken.head(2).assign(against="claim", said="miss") if cached and repeat == 1 else taken.head(0),
    )


def _tier_record(cell: Cell, config: str, rule: ExpiryRule | None) -> TierRecord:
    kind, profile = cell.tier.kind, cell.tier.profile
    if kind in ("direct", "url"):
        return TierRecord(kind, binary=cell.tier.url or "")
    rule = rule if kind != "caddy" and profile is Profile.STRICT else None
    lacks = ("revalidate with If-None-Match", "serve stale while it asks again") if kind == "haproxy" else ()
    argv = (f"/usr/bin/{kind}", "-c", "edge.conf")
    return TierRecord(kind, "1.29.1", f"/usr/bin/{kind}", config, argv, rule, profile=profile, lacks=lacks)


def estimate(values: Sequence[float | None], unit: str) -> Estimate:
    """Mean with a rough interval, as the analysis gives it."""
    known = [value for value in values if value is not None]
    if not known:
        return Estimate(None, None, None, 0, unit)
    mean = float(np.mean(known))
    if len(known) < 3:
        return Estimate(mean, None, None, len(known), unit)
    half = 2.5 * float(np.std(known, ddof=1)) / len(known) ** 0.5
    return Estimate(mean, mean - half, mean + half, len(known), unit)


def _cell(cell: Cell, trials: int, seed: int) -> CellResult:
    rng = np.random.default_rng(seed)
    results = tuple(_trial(cell, repeat, rng, int(cell.load.measure_s)) for repeat in range(1, trials + 1))
    names = dict.fromkeys(name for result in results for name in result.metrics)
    metrics = {
        name: estimate([result.metrics.get(name) for result in results], _UNITS[name.split("_")[-1]]) for name in names
    }
    summary = CellSummary(
        cell.id, cell.tier.name, cell.freshness.ttl_s, cell.network, "open 300/s", TrustStatus.VALID, metrics,
        cell.variant,
    )  # fmt: skip
    return CellResult(summary, results)


def _versus(cell: CellResult, baseline: CellResult) -> dict[str, Estimate]:
    found = {}
    for name in ("latency_p50_ms", "latency_p99_ms", "origin_rps"):
        there, here = (each.summary.metrics[name].value for each in (baseline, cell))
        if here and there:
            ratio, trials = there / here, len(cell.trials)
            low, high = (ratio * 0.94, ratio * 1.06) if trials >= 3 else (None, None)
            found[name] = Estimate(ratio, low, high, trials, "×")
    return found


_REASONS = (
    Reason(ReasonCode.TOO_FEW_SAMPLES, TrustStatus.VALID, "p99.9 needs 10,000 samples per trial; there are 2,400."),
    Reason(ReasonCode.SHARED_CORE, TrustStatus.SUSPECT, "Generator and origin may have run on the same core.", ()),
)


def make_analysis(
    *,
    tiers: Sequence[str] = ("direct", "nginx", "varnish"),
    ttls: Sequence[int] = (1, 10, 60),
    trials: int = 3,
    measure_s: int = 8,
    names: Mapping[str, str] | None = None,
    text: str = "",
    reasons: tuple[Reason, ...] = _REASONS,
    profile: Profile = Profile.STRICT,
    networks: Sequence[str] = (LOOPBACK,),
    variants: Sequence[str] = ("",),
) -> Analysis:
    """`names` renames tiers; `text` is put wherever the user's own words appear. In the default profile caches leak."""
    specs = [
        TierSpec(
            (names or {}).get(kind, kind), kind, profile=profile if kind not in ("direct", "url") else Profile.STRICT
        )
        for kind in tiers
    ]
    specs = [replace(spec, url="http://127.0.0.1:9000") if spec.kind == "url" else spec for spec in specs]
    load = Load(measure_s=measure_s, warm_up_s=8)
    wanted = [
        Cell(spec, Freshness(ttl_s), load, network, variant)
        for spec in specs
        for network in networks
        for variant in variants
        for ttl_s in ((None,) if spec.kind == "direct" else ttls)
    ]
    cells = tuple(_cell(cell, trials, 7 + index) for index, cell in enumerate(wanted))
    later = (replace(cell, versus_baseline=_versus(cell, cells[0])) for cell in cells[1:])
    cells = (*cells[:1], *later)
    scenario = Scenario(
        name=text or "quick",
        question=text or "What does a cache in front of the API buy?",
        locustfile="locustfiles/api.py",
        load=load,
        tiers=tuple(specs),
        ttl_s=tuple(ttls),
        origin=OriginSpec(),
        repeats=trials,
        seed=1,
        baseline=specs[0].name if specs else "direct",
    )
    run = RunRecord(
        id="20260110-101500-quick",
        scenario=scenario,
        command=text or "python -m edgebench run scenarios/quick.toml",
        started="2026-01-10T10:15:00Z",
        commit="fed4283c0ffee+changes",
        versions={"python": "3.11.7", "locust": "2.47.0", "nginx": "1.29.1", "varnish": "7.1.1"},
        machine={"cpu": text or "AMD EPYC 7B13", "cores": "2", "memory": "8 GB", "kernel": "Linux 6.1"},
        planned=tuple(result.record.trial.id for cell in cells for result in cell.trials),
        left_out={"squid": "squid is not installed; apt-get install squid"},
    )
    finding = Finding(
        "HEADLINE",
        text
        or "At TTL 60 s nginx cut the median latency from 6.05 ms to 0.34 ms (18×, 95 % interval 17–19×) and sent 9.2× "
        "fewer requests to the origin (95 % interval 8.9–9.5×).",
        {"ratio": 18.0},
    )
    more = Finding("TTL", text or "At TTL 1 s nginx still answered 31 % of the requests from store.", {})
    status = max((reason.status for reason in reasons), key=list(TrustStatus).index, default=TrustStatus.VALID)
    summary = Summary(run, Trust(status, reasons), (finding, more), tuple(cell.summary for cell in cells))
    return Analysis(summary, cells, cells[0].summary.id if cells else "")
