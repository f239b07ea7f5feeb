"""The networks that come with edgebench. The numbers are our choices, near what has been measured; scenarios may bring
others ([networks.NAME]).

A CDN's edge is near the client; the origin is where the profile's name says. What they are near to:

- An access line of fibre: 11 to 15 ms to the provider's servers (Verizon's figures in the FCC's Measuring Broadband
  America 2016); of fibre and cable, 21 ms by ping to a large CDN (Catchpoint, perfplanet calendar 2013).
- Within a continent some ten milliseconds, between continents 80 ms and more: Martínez et al., "Round Trip Time (RTT)
  Delay in the Internet: Analysis and Trends", arXiv 2301.07788.
- 4G: 55 ms in the same measurement by Catchpoint; one user in twenty of a CDN is below 20 ms and most are below
  50 Mbit/s ("Third-party assessment of mobile performance in the 5G era"). Ours is a moderate one: 50 ms, 10 Mbit/s.
- Loss: carriers promise a tenth of a percent or so. Radio links repeat what is lost, which is the jitter, and lose a
  little all the same.

A fibre line has 50 Mbit/s down and 20 up. A rate is that of one access line, which all clients of a trial share: give
it a load that one household would make.
"""

from __future__ import annotations

from collections.abc import Mapping

from edgebench.model import LinkSpec, NetworkSpec

_FIBRE = LinkSpec(rtt_ms=10, down_mbit=50, up_mbit=20)
_PROFILES = (
    NetworkSpec("same-city", client_edge=_FIBRE, edge_origin=LinkSpec(rtt_ms=2), client_origin=_FIBRE),
    NetworkSpec(
        "continent",
        client_edge=_FIBRE,
        edge_origin=LinkSpec(rtt_ms=35, jitter_ms=0.5, loss=0.0001),
        client_origin=LinkSpec(rtt_ms=45, jitter_ms=0.5, loss=0.0001, down_mbit=50, up_mbit=20),
    ),
    NetworkSpec(
        "other-continent",
        client_edge=_FIBRE,
        edge_origin=LinkSpec(rtt_ms=140, jitter_ms=1, loss=0.0005),
        client_origin=LinkSpec(rtt_ms=150, jitter_ms=1, loss=0.0005, down_mbit=50, up_mbit=20),
    ),
    NetworkSpec(
        "mobile",
        client_edge=LinkSpec(rtt_ms=50, jitter_ms=5, loss=0.002, down_mbit=10, up_mbit=5),
        edge_origin=LinkSpec(rtt_ms=35, jitter_ms=0.5, loss=0.0001),
        client_origin=LinkSpec(rtt_ms=85, jitter_ms=5, loss=0.002, down_mbit=10, up_mbit=5),
    ),
)
PROFILES: Mapping[str, NetworkSpec] = {network.name: network for network in _PROFILES}
"""By name."""
