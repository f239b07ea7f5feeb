"""A whole trial in a network, by the command; and what a user is told where there can be none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgebench.cli.isolation import check_networks
from edgebench.errors import UserError
from edgebench.model import RATE_TOLERANCE, ReasonCode, Scenario, rtt_tolerance_ms
from edgebench.network import possible
from edgebench.network.possible import Possible
from edgebench.network.profiles import PROFILES
from edgebench.scenario import load
from edgebench.store import RunFolder
from edgebench.tiers import kinds

TOML = """
name = "near"
question = "?"
locustfile = "locustfiles/api.py"
repeats = 1
seed = 1
baseline = "nginx"
[load]
rate_rps = 150
users = 20
keys = 30
measure_s = 2
warm_up_s = 1.5
[origin]
env = { FLASK_TTL_S = "{ttl_s}", FLASK_CATALOGUE_PATH = "{work}/catalogue.db" }
[[tiers]]
name = "nginx"
TIER
[axes]
ttl_s = [1]
network = ["continent"]
"""
needs_namespaces = pytest.mark.skipif(not possible.possible().unshare, reason=possible.possible().why_not)


def _scenario(path: Path, text: str = TOML.replace("TIER", "")) -> Scenario:
    path.write_text(text)
    return load(path, kinds=kinds(), networks=PROFILES)


@needs_namespaces
def test_a_trial_in_a_network(tmp_path: Path) -> None:
    """Through nginx by https, which needs a certificate for an address that is not this machine's."""
    _scenario(tmp_path / "near.toml", TOML.replace("TIER", "tls = true"))
    argv = (sys.executable, "-m", "edgebench", "run", tmp_path / "near.toml", "--out", tmp_path / "runs")
    environment = {**os.environ, "COLUMNS": "200"}
    done = subprocess.run(
        [*argv, "--no-ceiling"], capture_output=True, text=True, timeout=90, check=False, env=environment
    )
    assert done.returncode in (0, 3), (
        f"{done.stdout}{done.stderr}"
    )  # 3: this machine is too busy for figures; they are not the matter
    folder = RunFolder((tmp_path / "runs" / "latest").resolve())
    ((record, trial),) = folder.trials()
    assert record.complete
    assert record.network is not None
    off = False
    for link in record.network.links:
        assert link.rtt_min_ms is not None
        assert link.rtt_ms is not None
        assert abs(link.rtt_min_ms - link.asked.rtt_ms) <= rtt_tolerance_ms(link.asked.rtt_ms)
        longer_ms = 2 * (link.late_mean_ms or 0)
        off |= max(abs(link.rtt_ms - link.asked.rtt_ms), longer_ms) > rtt_tolerance_ms(link.asked.rtt_ms)
        for asked, got in ((link.asked.down_mbit, link.down_mbit), (link.asked.up_mbit, link.up_mbit)):
            off |= asked is not None and (got is None or abs(got / asked - 1) > RATE_TOLERANCE)
    codes = [reason.code for reason in folder.read_summary().trust.reasons]
    assert (ReasonCode.NETWORK_OFF in codes) == off
    assert ReasonCode.ERRORS not in codes
    samples = trial.read_table("samples").to_pandas()
    took_ms = (samples["first_byte_ns"] - samples["sent_ns"]) / 1e6
    kept, near = samples["reused_connection"], PROFILES["continent"].client_edge.rtt_ms
    assert took_ms[kept].min() >= near
    assert took_ms[~kept].quantile(0.1) >= 3 * near  # TCP's handshake and TLS's come first
    assert took_ms[kept & (samples["principal"] != "")].min() >= near + 34  # private: all the way, at its shortest
    if record.network.how == "relay":
        processes = trial.read_table("processes").to_pandas()
        assert processes.loc[processes["role"] == "network", "cpu_s"].sum() > 0
        assert sum(link.packets for link in record.network.links) > len(samples)


def test_a_tier_by_url_is_refused(tmp_path: Path) -> None:
    text = TOML.replace("TIER", 'kind = "url"\nurl = "http://127.0.0.1:9"').replace("[origin]", "[origin]\nport = 9000")
    with pytest.raises(UserError, match="nginx: a tier by URL cannot be reached from an emulated network: leave it"):
        check_networks(_scenario(tmp_path / "near.toml", text))


def test_where_there_can_be_none_the_reason_and_the_way_out_are_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = _scenario(tmp_path / "near.toml")
    monkeypatch.setattr(
        "edgebench.network.possible.possible", lambda: Possible((), why_not="tc is missing: install iproute2")
    )
    with pytest.raises(UserError, match="cannot be emulated here: tc is missing: install iproute2; or measure with"):
        check_networks(scenario)
