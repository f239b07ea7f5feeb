"""Where the caches of a tier stand, and who asks whom."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from edgebench.model import LinkSpec, NetworkSpec, TierSpec
from edgebench.network.topology import topology_of
from edgebench.runner.edges import instances
from edgebench.tiers import unable
from edgebench.tiers.adapter import Place, Route, Tls

ADDRESSES = {"edge": "10.0.0.1", "edge1": "10.0.0.1", "edge2": "10.0.0.2", "shield": "10.0.0.9"}
ONLY = Place(
    Path("work/nginx"), 1000, 2000, host="10.0.0.1", control_host="10.0.0.1", client_host="10.0.0.1",
    origin_host="10.0.0.7", tls=Tls(Path("chain"), Path("ca")), compress=("gzip",),
    routes=(Route("/static/", "10.0.0.8", 3000, "bucket"),),
)  # fmt: skip


def test_one_cache_stands_where_it_always_did() -> None:
    (one,) = instances(TierSpec("nginx", "nginx"), ONLY, ADDRESSES.__getitem__, count(5000).__next__)
    assert one.place is ONLY and one.named("nginx") == "nginx"


def test_edges_side_by_side_each_ask_the_origin() -> None:
    found = instances(TierSpec("nginx", "nginx", edges=2), ONLY, ADDRESSES.__getitem__, count(5000).__next__)
    assert [(each.name, each.place.host, each.place.port) for each in found] == [
        ("edge1", "10.0.0.1", 1000),
        ("edge2", "10.0.0.2", 5000),
    ]
    assert len({each.place.directory for each in found}) == 2
    for each in found:
        assert (each.place.origin_host, each.place.origin_port) == ("10.0.0.7", 2000)
        assert each.place.routes == ONLY.routes and each.place.tls == ONLY.tls
        assert each.place.client_host == "10.0.0.1"  # Host names the site, wherever it is served from


def test_edges_ask_the_shield_and_it_alone_asks_the_origin_and_the_object_store() -> None:
    tier = TierSpec("nginx", "nginx", edges=2, shield=True)
    *edges, shield = instances(tier, ONLY, ADDRESSES.__getitem__, count(5000).__next__)
    assert shield.is_shield and shield.named("nginx") == "nginx-shield"
    for each in edges:
        place = each.place
        assert (place.origin_host, place.origin_port) == (shield.place.host, shield.place.port)
        assert place.routes == () and place.tls is not None and place.compress == ("gzip",)
    assert (shield.place.origin_host, shield.place.origin_port) == ("10.0.0.7", 2000)
    assert shield.place.routes == ONLY.routes
    assert shield.place.tls is None and shield.place.compress == ()


def test_the_network_has_a_way_for_each_question_and_no_other() -> None:
    regions = NetworkSpec("r", LinkSpec(1), LinkSpec(100), LinkSpec(5), LinkSpec(80), LinkSpec(10))
    without, shielded = (
        {(link.a, link.b): link.spec.rtt_ms for link in topology_of(regions, 2, shield).links}
        for shield in (False, True)
    )
    clients = {("client", "edge1"): 1, ("client", "edge2"): 1, ("client", "origin"): 5}
    assert without == clients | {("edge1", "origin"): 100, ("edge2", "origin"): 100}
    assert shielded == clients | {("edge1", "shield"): 80, ("edge2", "shield"): 80, ("shield", "origin"): 10}
    plain = topology_of(NetworkSpec("p", edge_origin=LinkSpec(30)), 2, True)
    assert {link.spec.rtt_ms for link in plain.links if "shield" in (link.a, link.b)} == {30, 0}


def test_what_a_tier_cannot_be_is_said_before_anything_runs() -> None:
    assert unable(TierSpec("n", "nginx", edges=3, shield=True, storage_mb=1)) == ""
    assert unable(TierSpec("d", "direct", shield=True)).startswith("shield is for a cache")
    assert unable(TierSpec("d", "direct", edges=2)).startswith("edges is for a cache")
    assert unable(TierSpec("a", "ats", storage_mb=8)) == "ats does not run with storage_mb below 10, got 8"
