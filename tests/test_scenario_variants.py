"""Variants, networks and the short form: what a file says becomes cells, and what it cannot mean is one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebench.model import LOOPBACK, Deploy, LinkSpec, NetworkSpec, Profile, Scenario, Variant
from edgebench.scenario import ScenarioError, cells, load, to_toml

KINDS = ("direct", "nginx", "varnish")
KNOWN = {"far": NetworkSpec("far", LinkSpec(10), LinkSpec(150), LinkSpec(160, 1, 0.001, 50, 20))}
FILE = """\
name = "demo"
question = "Why?"
locustfile = "locustfiles/api.py"
repeats = 3
baseline = "direct"
claim = "geo"

[load]
measure_s = 10

[[tiers]]
name = "direct"

[[tiers]]
name = "nginx"

[axes]
ttl_s = [1, 5]
network = ["loopback", "far", "own"]

[networks.own]
client_edge = { rtt_ms = 40, jitter_ms = 5, loss = 0.01, down_mbit = 10, up_mbit = 5 }

[[variants]]
name = "plain"

[[variants]]
name = "tight"
tiers = ["nginx"]
env = { FLASK_X = "1" }
load = { zipf_s = 1.1, arrivals = "constant" }
tier = { storage_mb = 16, profile = "resilient", compress = ["br"] }
deploy = { at_s = 4, purge = true }

[prices]
currency = "EUR"

[browser]
loads = 2

[short]
repeats = 2
load = { measure_s = 5 }
axes = { ttl_s = [2] }
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "locustfiles").mkdir()
    (tmp_path / "locustfiles/api.py").touch()
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "demo.toml"
    path.write_text(FILE)
    return path


def loaded(path: Path, *overrides: str) -> Scenario:
    return load(path, overrides, kinds=KINDS, networks=KNOWN)


def message(path: Path, old: str, new: str, *overrides: str) -> str:
    assert old in FILE
    path.write_text(FILE.replace(old, new))
    with pytest.raises(ScenarioError) as caught:
        loaded(path, *overrides)
    return str(caught.value).replace(str(path), "demo.toml")


def test_each_tier_is_measured_in_every_network_and_variant_that_is_for_it(file: Path) -> None:
    ids = [cell.id for cell in cells(loaded(file))]
    direct = ["direct.plain", "direct.far.plain", "direct.own.plain"]
    nginx = [
        f"nginx.ttl{ttl}{network}.{variant}"
        for network in ("", ".far", ".own")
        for variant in ("plain", "tight")
        for ttl in (1, 5)
    ]
    assert ids == direct + nginx


def test_a_variant_changes_what_it_says_and_nothing_else(file: Path) -> None:
    scenario = loaded(file)
    every = {cell.id: cell for cell in cells(scenario)}
    plain, tight = every["nginx.ttl1.far.plain"], every["nginx.ttl1.far.tight"]
    assert plain.load == scenario.load and plain.tier == scenario.tiers[1] and plain.deploy is None
    assert (tight.load.zipf_s, tight.load.arrivals.value, tight.load.rate_rps) == (1.1, "constant", plain.load.rate_rps)
    assert (tight.tier.storage_mb, tight.tier.profile, tight.tier.compress) == (16, Profile.RESILIENT, ("br",))
    assert tight.tier.name == "nginx" and tight.env == {"FLASK_X": "1"} and tight.deploy == Deploy(4, purge=True)
    assert tight.series == "nginx, far, tight"


def test_known_networks_and_the_files_own_are_resolved(file: Path) -> None:
    scenario = loaded(file)
    assert scenario.network == (LOOPBACK, "far", "own")
    own = NetworkSpec("own", LinkSpec(40, 5, 0.01, 10, 5))
    assert scenario.networks == (KNOWN["far"], own)


def test_the_short_form_lies_over_the_scenario_and_further_sets_over_it(file: Path) -> None:
    short = loaded(file, "profile=short")
    assert (short.repeats, short.load.measure_s, short.ttl_s) == (2, 5, (2,))
    assert short.network == (LOOPBACK, "far", "own"), "tables are merged"
    assert loaded(file, "repeats=7", 'profile="short"').repeats == 7
    assert loaded(file).repeats == 3
    assert all(tier.profile is Profile.STRICT for tier in short.tiers), "it is no cache's profile"


@pytest.mark.parametrize("overrides", [(), ("profile=short",), ("profile=resilient",)])
def test_what_is_written_into_the_run_folder_loads_as_the_same(file: Path, overrides: tuple[str, ...]) -> None:
    scenario = loaded(file, *overrides)
    file.write_text(to_toml(scenario))
    assert load(file, kinds=KINDS) == scenario, "known networks are written out"
    assert [cell.id for cell in cells(load(file, kinds=KINDS))] == [cell.id for cell in cells(scenario)]


def test_a_scenario_without_any_of_it_has_the_cells_it_always_had(file: Path) -> None:
    text = FILE[: FILE.index("network =")] + FILE[FILE.index("[short]") :]
    file.write_text(text)
    scenario = loaded(file)
    assert [cell.id for cell in cells(scenario)] == ["direct", "nginx.ttl1", "nginx.ttl5"]
    assert scenario.variants == () and scenario.networks == () and scenario.prices is None
    assert scenario.browser_loads == 0
    assert Variant("x") == Variant("x", (), {}, {}, {}, None)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("zipf_s = 1.1", "zipf = 1.1", "variants[1].load.zipf: unknown key"),
        ("zipf_s = 1.1", "zipf_s = 11", "variants[1].load.zipf_s: expected a number from 0 to 5, got 11"),
        ("zipf_s = 1.1", "rate_rps = 0", "variants[1].load.rate_rps: expected more than 0 requests per second"),
        ("zipf_s = 1.1", 'replay = "x.csv"', "variants[1].load.replay: expected it in [load]"),
        ("storage_mb = 16", "storage_mb = 0", "variants[1].tier.storage_mb: expected"),
        ("storage_mb = 16", 'name = "x"', "variants[1].tier: expected keys that differ"),
        ('tiers = ["nginx"]', 'tiers = ["ngin"]', "expected names of tiers (direct, nginx), got ngin"),
        ('name = "tight"', 'name = "plain"', "variants[1].name: expected each name once, got plain again"),
        ("at_s = 4", "at_s = 10", "variants[1].deploy.at_s: expected less than load.measure_s, which is 10, got 10"),
        ('"far", "own"', '"fra", "own"', "axes.network: expected one of loopback, far, own or"),
        ('"far", "own"', '"far", "far"', "axes.network: expected each network once, got far more than once"),
        ("loss = 0.01", "loss = 1", "networks.own.client_edge.loss: expected a number from 0 to 0.5, got 1"),
        ("repeats = 2", "repeat = 2", "short.repeat: unknown key"),
        ("measure_s = 5 }", "measure_s = 0 }", "short.load.measure_s: expected"),
    ],
)  # fmt: skip
def test_what_it_cannot_mean_is_one_line(file: Path, old: str, new: str, expected: str) -> None:
    text = message(file, old, new)
    assert text.startswith("demo.toml:") and expected in text and "\n" not in text


def test_a_short_form_is_asked_for_where_there_is_none(file: Path) -> None:
    head, tail = FILE[: FILE.index("[short]")], FILE[FILE.index("[short]") :]
    assert tail in FILE
    file.write_text(head)
    with pytest.raises(ScenarioError, match=r"--set profile=short: .*demo\.toml has no \[short\] table; leave it out"):
        loaded(file, "profile=short")
