"""What a scenario says of its tiers: profile, own proxies, size, https."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebench import scenario
from edgebench.model import Profile, Scenario, TierSpec
from edgebench.scenario.problems import ScenarioError

HEAD = """
name = "demo"
question = "What?"
locustfile = "{locustfile}"
repeats = 1
baseline = "direct"
"""
TAIL = """
[axes]
ttl_s = [1]
"""
KINDS = ("nginx", "varnish")


def read(tmp_path: Path, text: str, *overrides: str) -> Scenario:
    locustfile = tmp_path / "api.py"
    locustfile.touch()
    path = tmp_path / "demo.toml"
    path.write_text(HEAD.format(locustfile=locustfile) + text + TAIL)
    return scenario.load(path, overrides, kinds=KINDS)


def test_profiles_come_from_the_scenario_or_from_the_tier(tmp_path: Path) -> None:
    text = '[[tiers]]\nname = "direct"\n[[tiers]]\nname = "a"\nkind = "nginx"\nprofile = "default"\n'
    assert read(tmp_path, text).tiers[0].profile is Profile.STRICT
    resilient = read(tmp_path, text, "profile=resilient").tiers
    assert [tier.profile for tier in resilient] == [Profile.RESILIENT, Profile.DEFAULT]


def test_ones_own_proxy(tmp_path: Path) -> None:
    text = (
        '[origin]\nport = 9001\n[[tiers]]\nname = "direct"\n[[tiers]]\nname = "mine"\nurl = "http://127.0.0.1:9000"\n'
    )
    assert read(tmp_path, text).tiers[1] == TierSpec("mine", "url", url="http://127.0.0.1:9000")


def test_size_and_https(tmp_path: Path) -> None:
    text = '[[tiers]]\nname = "direct"\n[[tiers]]\nname = "nginx"\nworkers = 2\nstorage_mb = 64\ntls = true\n'
    assert read(tmp_path, text).tiers[1] == TierSpec("nginx", "nginx", workers=2, storage_mb=64, tls=True)


@pytest.mark.parametrize(
    ("tier", "origin", "said"),
    [
        ('name = "mine"\nurl = "http://127.0.0.1:9000"', "", "expected a port, to which 'http://127.0.0.1:9000' leads"),
        ('name = "mine"\nkind = "url"', "port = 9001", "expected the address of your own proxy, got none"),
        ('name = "nginx"\nkind = "nginx"\nurl = "http://h"', "port = 9001", "expected url for a tier with an url"),
        ('name = "mine"\nurl = "127.0.0.1:9000"', "port = 9001", "expected an address such as http://127.0.0.1:9000"),
        ('name = "mine"\nurl = "http://h/path"', "port = 9001", "expected an address such as http://127.0.0.1:9000"),
        ('name = "nginx"\nprofile = "fast"', "", "resilient"),
        ('name = "nginx"\nstorage_mb = 0', "", "MiB"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, tier: str, origin: str, said: str) -> None:
    with pytest.raises(ScenarioError) as failed:
        read(tmp_path, f'[origin]\n{origin}\n[[tiers]]\nname = "direct"\n[[tiers]]\n{tier}\n')
    assert said in str(failed.value) and "\n" not in str(failed.value)
