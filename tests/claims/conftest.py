"""The short form of a scenario, run once per session, and its evidence as plain tables."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
LIMIT_S = 240
"""A short form takes less than a minute; the rest is for machines that are busy with other tests."""


@dataclass
class ShortTrial:
    """One trial's record (trial.json as it is) and tables."""

    path: Path

    @cached_property
    def record(self) -> dict[str, Any]:
        record: dict[str, Any] = json.loads((self.path / "trial.json").read_text())
        return record

    @property
    def cell(self) -> dict[str, Any]:
        cell: dict[str, Any] = self.record["trial"]["cell"]
        return cell

    @property
    def repeat(self) -> int:
        return int(self.record["trial"]["repeat"])

    def table(self, name: str) -> pd.DataFrame:
        """samples, ledger, processes, tier_log, …: empty where there is none."""
        path = self.path / f"{name}.parquet"
        return pd.read_parquet(path) if path.exists() else pd.DataFrame()

    def measured(self) -> pd.DataFrame:
        """The samples of the measuring phase."""
        samples = self.table("samples")
        return samples[samples["phase"] == "measure"]


@dataclass
class ShortRun:
    """A finished run folder."""

    path: Path

    @cached_property
    def summary(self) -> dict[str, Any]:
        summary: dict[str, Any] = json.loads((self.path / "summary.json").read_text())
        return summary

    @property
    def claim(self) -> Mapping[str, Any]:
        """model.ClaimResult as JSON."""
        claim: Mapping[str, Any] = self.summary["claim"]
        return claim

    @cached_property
    def trials(self) -> list[ShortTrial]:
        run = json.loads((self.path / "run.json").read_text())
        return [ShortTrial(self.path / "trials" / name) for name in run["planned"]]

    def of(self, *, tier: str, variant: str = "", network: str = "loopback") -> list[ShortTrial]:
        """The trials of these cells, by repeat."""
        wanted = (tier, variant, network)
        found = [t for t in self.trials if (t.cell["tier"]["name"], t.cell["variant"], t.cell["network"]) == wanted]
        return sorted(found, key=lambda trial: trial.repeat)


@pytest.fixture(scope="session")
def short_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., ShortRun]:
    """`short_run("geo")` runs scenarios/geo.toml in its short form; more words are further `--set`s. Exit code 3 is a
    run too: machines that run tests are too busy for figures that can be trusted."""
    done: dict[tuple[str, ...], ShortRun] = {}

    def run(name: str, *sets: str) -> ShortRun:
        key = (name, *sets)
        if key not in done:
            out = tmp_path_factory.mktemp(name)
            words = [word for each in ("profile=short", *sets) for word in ("--set", each)]
            command = [sys.executable, "-m", "edgebench", "run", f"scenarios/{name}.toml", *words]
            finished = subprocess.run(
                [*command, "--out", str(out), "--no-ceiling"], cwd=ROOT, capture_output=True, text=True,
                timeout=LIMIT_S, env={**os.environ, "EDGEBENCH_SPIN": "0"},
            )  # fmt: skip
            assert finished.returncode in (0, 3), finished.stdout + finished.stderr
            done[key] = ShortRun(next(path for path in out.iterdir() if path.name.startswith(name)))
        return done[key]

    return run
