"""That a cache which does wrong is found out, and one which does not is not.

    make prove-faults     prints the table and writes it to benchmarks/broken_proxy.json (15 minutes)

The harness measures through the proxy of tests/broken at 500 requests/s for 30 s: once with each of its faults, then
ten times, each time with other requests, without one. What it found is laid beside the proxy's own account.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.broken.faults import Fault
from tests.broken.proving import RATE_RPS, Proved, prove
from tests.broken.verdicts import SOUGHT

SECONDS = 30.0
RUNS = 10
FAULTS = tuple(fault for fault in Fault if fault is not Fault.NONE)
WRONG_FINDINGS = frozenset(
    ("LEAK", "WRONG_VARIANT", "BROKEN_BODY", "CUT_OFF", "OVER_STALE", "STORED_PRIVATE", "NOT_COLLAPSED", "SERIALISED")
)
COUNTED = ("leak", "wrong_variant", "broken_body", "cut_off", "over_stale", "stored_private")
HEAD = f"{'fault':22}{'requests':>9}{'injected':>10}{'visible':>9}{'found':>7}{'first at':>10}  told as"


def through(fault: Fault, seconds: float, seed: int) -> Proved:
    """One run of the harness through one proxy."""
    with tempfile.TemporaryDirectory(prefix="edgebench-") as folder:
        (proved,) = prove(Path(folder), {"correct" if fault is Fault.NONE else fault: fault}, seconds, seed).values()
        return proved


def raised(proved: Proved) -> list[str]:
    """Every reason and finding that says that something is wrong."""
    return sorted({*map(str, proved.codes), *(proved.findings & WRONG_FINDINGS)})


def fault_row(fault: Fault, seconds: float) -> dict[str, Any]:
    sought, proved = SOUGHT[fault], through(fault, seconds, seed=1)
    found = sought.found(proved)
    return {
        "requests": len(proved.samples),
        "injected": proved.wronged(),
        "visible": sought.visible(proved),
        "found": found.count,
        "first_found_at_request": found.after_requests,
        "sought": str(sought.told),
        "status": sought.status(proved),
        "raised": raised(proved),
    }


def correct_row(seconds: float, seed: int) -> dict[str, Any]:
    proved = through(Fault.NONE, seconds, seed)
    checks = proved.trial.correctness
    counted = {name: getattr(checks, name) for name in COUNTED}
    return {
        "seed": seed,
        "requests": len(proved.samples),
        "raised": raised(proved),
        "counts": {name: check.count for name, check in counted.items() if check is not None},
        "claims_contradicted": proved.trial.contradicted.get("claim"),
        "collapse_factor": checks.collapse.mean if checks.collapse else None,
    }


def run(faults: list[Fault], seconds: float, runs: int, out: Path) -> bool:
    """Print and write as it goes; whether all was as it should be."""
    results: dict[str, Any] = {
        "cores": os.cpu_count(), "rate_rps": RATE_RPS, "seconds": seconds, "faults": {}, "correct": []
    }  # fmt: skip
    print(HEAD)
    for fault in faults:
        row = results["faults"][str(fault)] = fault_row(fault, seconds)
        first = "-" if row["first_found_at_request"] is None else f"{row['first_found_at_request']:,}"
        told = f"{row['sought']} ({row['status']})" if row["status"] else "NOT TOLD"
        numbers = f"{row['requests']:9,}{row['injected']:10,}{row['visible']:9,}{row['found']:7,}"
        print(f"{fault:22}{numbers}{first:>10}  {told}", flush=True)
        out.write_text(json.dumps(results, indent=2) + "\n")
    for seed in range(1, runs + 1):
        row = correct_row(seconds, seed)
        results["correct"].append(row)
        print(f"correct, run {seed:<9}{row['requests']:9,}  {', '.join(row['raised']) or 'nothing'}", flush=True)
        out.write_text(json.dumps(results, indent=2) + "\n")
    return all(row["status"] for row in results["faults"].values()) and not any(
        row["raised"] for row in results["correct"]
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Prove that every fault of the proxy is found.")
    parser.add_argument("faults", nargs="*", type=Fault, default=FAULTS, help="Default: all.")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--runs", type=int, default=RUNS, help="Of the correct proxy.")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"), help="Where the results go.")
    given = parser.parse_args()
    sys.exit(0 if run(list(given.faults), given.seconds, given.runs, given.out) else 1)
