"""Who is connected to whom, and by which names and addresses. Pure.

Every node has one address, on its loopback interface, at which all others reach it: by the link they share, or, the
harness, by a management cable without delay. Who shares no link with a node cannot reach it. Addresses are from
198.18.0.0/15, which is set aside for measuring networks (RFC 2544, appendix C.2.2), and exist in namespaces only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address

from edgebench.model import LinkSpec, NetworkSpec

CLIENT, EDGE, SHIELD, ORIGIN = "client", "edge", "shield", "origin"

_LINKS = IPv4Address("198.18.0.0")
"""A /30 for each link …"""
_MANAGEMENT = IPv4Address("198.18.128.0")
"""… and for each management cable …"""
_NODES = IPv4Address("198.19.0.0")
"""… and one address for each node."""
_MOST = 250
GROUP = 23
"""Of the interfaces in the harness's namespace."""


@dataclass(frozen=True, slots=True)
class Link:
    """The way between two nodes. `down` in its spec is from b to a."""

    a: str
    b: str
    spec: LinkSpec


@dataclass(frozen=True, slots=True)
class Topology:
    """Nodes by name and the links between them, at most one for each pair. ValueError where it is none."""

    nodes: tuple[str, ...]
    links: tuple[Link, ...]

    def __post_init__(self) -> None:
        if len(set(self.nodes)) != len(self.nodes) or len(self.nodes) > _MOST or len(self.links) > _MOST:
            raise ValueError(f"expected at most {_MOST} nodes, each named once, and {_MOST} links")
        pairs = [frozenset((link.a, link.b)) for link in self.links]
        for link, pair in zip(self.links, pairs, strict=True):
            if len(pair) != 2 or not pair <= set(self.nodes) or pairs.count(pair) > 1:
                raise ValueError(f"link {link.a}-{link.b}: expected two nodes, and one link for each pair")

    def address(self, node: str) -> str:
        """Where everybody reaches the node."""
        return str(_NODES + 1 + self.nodes.index(node))


def edge_nodes(edges: int) -> tuple[str, ...]:
    """The nodes of a tier's edges: `edge`, or `edge1`, `edge2`, …"""
    return (EDGE,) if edges == 1 else tuple(f"{EDGE}{number}" for number in range(1, edges + 1))


def topology_of(network: NetworkSpec, edges: int = 1, shield: bool = False) -> Topology:
    """Client, edges and origin, each edge linked with both others; a shield stands between the edges and the origin."""
    names = edge_nodes(edges)
    inner = network.edge_origin if network.edge_shield is None or not shield else network.edge_shield
    links = [Link(CLIENT, edge, network.client_edge) for edge in names]
    links += [Link(edge, SHIELD if shield else ORIGIN, inner) for edge in names]
    if shield:
        links.append(Link(SHIELD, ORIGIN, network.shield_origin))
    links.append(Link(CLIENT, ORIGIN, network.client_origin))
    return Topology((CLIENT, *names, *((SHIELD,) if shield else ()), ORIGIN), tuple(links))


@dataclass(frozen=True, slots=True)
class End:
    """A node's end of a cable."""

    node: str
    """Empty: the harness."""
    interface: str
    address: str
    mac: str


@dataclass(frozen=True, slots=True)
class Cable:
    """Two interfaces joined, each in its own namespace."""

    ends: tuple[End, End]


@dataclass(frozen=True, slots=True)
class Wiring:
    """All cables of a topology under names that begin with `tag` where they are in the harness's namespace."""

    topology: Topology
    tag: str

    def link_ends(self, number: int) -> tuple[End, End]:
        """The nodes' own ends of a link, a first."""
        link, base = self.topology.links[number], _LINKS + 4 * number
        return (
            End(link.a, f"link{number}", str(base + 1), _mac(0, number, 1)),
            End(link.b, f"link{number}", str(base + 2), _mac(0, number, 2)),
        )

    def relay_interfaces(self, number: int) -> tuple[str, str]:
        """The relay's ends of a link, in the harness's namespace: towards a, towards b."""
        return f"{self.tag}l{number}a", f"{self.tag}l{number}b"

    def management(self, number: int) -> Cable:
        """From the harness (first) to a node."""
        base = _MANAGEMENT + 4 * number
        return Cable(
            (
                End("", f"{self.tag}m{number}", str(base + 1), _mac(1, number, 1)),
                End(self.topology.nodes[number], "management", str(base + 2), _mac(1, number, 2)),
            )
        )

    def hub_interfaces(self) -> Iterator[str]:
        """Everything in the harness's namespace."""
        for number in range(len(self.topology.links)):
            yield from self.relay_interfaces(number)
        for number in range(len(self.topology.nodes)):
            yield self.management(number).ends[0].interface

    def hub_commands(self, paths: dict[str, str], relayed: bool) -> Iterator[str]:
        """Lines for `ip -batch` in the harness's namespace; `paths`: of each node's namespace.

        All of ours are in one group, so that they can be deleted at once: one after the other takes tenths of seconds.
        Relayed, a link is two cables, from either node to the relay; else one, from node to node.
        """
        for number in range(len(self.topology.links)):
            a, b = self.link_ends(number)
            if not relayed:
                peer = f"peer name {b.interface} address {b.mac} netns {paths[b.node]}"
                yield f"link add {a.interface} address {a.mac} netns {paths[a.node]} type veth {peer}"
                continue
            for end, interface in zip((a, b), self.relay_interfaces(number), strict=True):
                peer = f"peer name {end.interface} address {end.mac} netns {paths[end.node]}"
                yield f"link add {interface} group {GROUP} type veth {peer}"
                yield f"link set {interface} up"
        for number, node in enumerate(self.topology.nodes):
            ours, theirs = self.management(number).ends
            peer = f"peer name {theirs.interface} address {theirs.mac} netns {paths[node]}"
            yield f"link add {ours.interface} address {ours.mac} group {GROUP} type veth {peer}"
            yield f"link set {ours.interface} up"
            yield from _joined(ours, theirs, self.topology.address(node))

    def node_commands(self, node: str) -> Iterator[str]:
        """Lines for `ip -batch` in the node's namespace, once the cables are there."""
        yield "link set lo up"
        yield f"addr add {self.topology.address(node)}/32 dev lo"
        for number, link in enumerate(self.topology.links):
            if node in (link.a, link.b):
                ends = self.link_ends(number)
                ours, theirs = ends if node == link.a else (ends[1], ends[0])
                yield f"link set {ours.interface} up"
                yield from _joined(ours, theirs, self.topology.address(theirs.node))
        theirs, ours = self.management(self.topology.nodes.index(node)).ends
        yield f"link set {ours.interface} up"
        yield from _joined(ours, theirs, None)


def _joined(ours: End, theirs: End, reaches: str | None) -> Iterator[str]:
    """Address, neighbour (so that no ARP is delayed or lost) and the way to the other node's own address."""
    yield f"addr add {ours.address}/30 dev {ours.interface}"
    yield f"neigh add {theirs.address} lladdr {theirs.mac} dev {ours.interface} nud permanent"
    if reaches is not None:
        yield f"route add {reaches}/32 via {theirs.address} dev {ours.interface}"


def _mac(kind: int, number: int, end: int) -> str:
    """A locally administered address."""
    return f"02:eb:{kind:02x}:{number >> 8:02x}:{number & 255:02x}:{end:02x}"
