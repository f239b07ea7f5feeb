"""The caches of one tier: one, or several edges side by side, and perhaps a shield between them and the origin.

All are of one kind and configured alike. User k goes to edge k mod N. All users name the first edge in Host, as a site
has one name wherever it is served from: caches keep what they store by that name, and the shield would otherwise share
nothing among the edges.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from edgebench.model import TierSpec
from edgebench.network.topology import EDGE, SHIELD, edge_nodes
from edgebench.tiers.adapter import Place

ONE = ""
"""Name of a tier's only cache."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One cache of a tier."""

    name: str
    """`edge1`, `edge2`, …, `shield`; ONE: there is no other."""
    node: str
    """Where in the network it runs."""
    place: Place

    @property
    def is_shield(self) -> bool:
        return self.name == SHIELD

    def named(self, what: str) -> str:
        """The name of something of this cache's among those of the tier: `nginx`, `nginx-edge2`."""
        return f"{what}-{self.name}" if self.name else what


def instances(
    tier: TierSpec, only: Place, address: Callable[[str], str], free_port: Callable[[], int]
) -> tuple[Instance, ...]:
    """The tier's caches, edges first. `only`: the place of the first edge, as if there were no other cache.

    Of an object store beside the origin (routes) the shield knows, not the edges: it asks in place of them.
    """
    if tier.edges == 1 and not tier.shield:
        return (Instance(ONE, EDGE, only),)

    def placed(name: str, node: str, port: int) -> Place:
        host = address(node)
        directory = only.directory.with_name(f"{only.directory.name}-{name}")
        return replace(only, directory=directory, port=port, host=host, control_host=host)

    inner = placed(SHIELD, SHIELD, free_port()) if tier.shield else None
    edges = []
    for number, node in enumerate(edge_nodes(tier.edges)):
        name = f"{EDGE}{number + 1}"
        edge = placed(name, node, only.port if number == 0 else free_port())
        if inner is not None:
            edge = replace(edge, origin_host=inner.host, origin_port=inner.port, routes=())
        edges.append(Instance(name, node, edge))
    # Edges speak http to it, as they do to an origin; and what they compress they want plain.
    shields = (Instance(SHIELD, SHIELD, replace(inner, tls=None, compress=())),) if inner is not None else ()
    return (*edges, *shields)
