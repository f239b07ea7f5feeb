"""Names and addresses: none twice, and a way from each node to its neighbours and to nobody else."""

from __future__ import annotations

from ipaddress import IPv4Interface, IPv4Network
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.model import LinkSpec, NetworkSpec
from edgebench.network.topology import CLIENT, EDGE, ORIGIN, Link, Topology, Wiring, topology_of

BENCHMARKING = IPv4Network("198.18.0.0/15")


@st.composite
def topologies(draw: st.DrawFn) -> Topology:
    nodes = tuple(f"node{number}" for number in range(draw(st.integers(2, 6))))
    pairs = draw(st.lists(st.sampled_from(list(combinations(nodes, 2))), unique=True))
    return Topology(nodes, tuple(Link(a, b, LinkSpec()) for a, b in pairs))


def _commands(topology: Topology) -> tuple[list[str], dict[str, list[str]]]:
    wiring = Wiring(topology, "eb0")
    paths = {node: f"/proc/1/fd/{number}" for number, node in enumerate(topology.nodes)}
    return list(wiring.hub_commands(paths, relayed=True)), {
        node: list(wiring.node_commands(node)) for node in topology.nodes
    }


@given(topologies())
def test_no_address_is_given_twice_and_all_are_for_benchmarks(topology: Topology) -> None:
    hub, nodes = _commands(topology)
    words = [line.split() for line in (*hub, *(line for lines in nodes.values() for line in lines))]
    given = [IPv4Interface(line[2]) for line in words if line[:2] == ["addr", "add"]]
    assert len({each.ip for each in given}) == len(given)
    assert all(each.ip in BENCHMARKING for each in given)
    assert len({each.network for each in given if each.network.prefixlen == 30}) == len(topology.links) + len(
        topology.nodes
    )


@given(topologies())
def test_interfaces_have_names_of_their_own_that_linux_takes(topology: Topology) -> None:
    wiring = Wiring(topology, "eb1234")
    names = list(wiring.hub_interfaces())
    assert len(set(names)) == len(names) == 2 * len(topology.links) + len(topology.nodes)
    assert all(len(name) <= 15 for name in names)
    for node in topology.nodes:
        own = [end.interface for number in range(len(topology.links)) for end in wiring.link_ends(number)]
        assert "management" not in own, node


@given(topologies())
def test_a_node_reaches_those_it_is_linked_with_and_nobody_else(topology: Topology) -> None:
    hub, nodes = _commands(topology)
    for node, lines in nodes.items():
        reached = {line.split()[2] for line in lines if line.startswith("route add")}
        others = {link.b if node == link.a else link.a for link in topology.links if node in (link.a, link.b)}
        assert reached == {f"{topology.address(other)}/32" for other in others}
    by_harness = {line.split()[2] for line in hub if line.startswith("route add")}
    assert by_harness == {f"{topology.address(node)}/32" for node in topology.nodes}


@given(topologies())
def test_both_ends_know_each_others_hardware_address(topology: Topology) -> None:
    """Else the first packet would wait for ARP, which can be lost, too."""
    hub, nodes = _commands(topology)
    neighbours = {
        line.split()[2]: line.split()[4]
        for line in (*hub, *(line for lines in nodes.values() for line in lines))
        if line.startswith("neigh add")
    }
    wiring = Wiring(topology, "eb0")
    ends = [end for number in range(len(topology.links)) for end in wiring.link_ends(number)]
    ends += [end for number in range(len(topology.nodes)) for end in wiring.management(number).ends]
    assert neighbours == {end.address: end.mac for end in ends}
    assert len(set(neighbours.values())) == len(ends)


def test_client_edge_and_origin() -> None:
    network = NetworkSpec("n", LinkSpec(1), LinkSpec(2), LinkSpec(3))
    topology = topology_of(network)
    assert topology.nodes == (CLIENT, EDGE, ORIGIN)
    assert [(link.a, link.b, link.spec.rtt_ms) for link in topology.links] == [
        (CLIENT, EDGE, 1), (EDGE, ORIGIN, 2), (CLIENT, ORIGIN, 3)
    ]  # fmt: skip
    assert len({topology.address(node) for node in topology.nodes}) == 3


@pytest.mark.parametrize(
    ("nodes", "pairs"),
    [(("a", "a"), []), (("a", "b"), [("a", "a")]), (("a", "b"), [("a", "c")]), (("a", "b"), [("a", "b"), ("b", "a")])],
)
def test_what_is_no_topology(nodes: tuple[str, ...], pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Topology(nodes, tuple(Link(a, b, LinkSpec()) for a, b in pairs))
