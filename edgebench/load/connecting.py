"""TCP connections that take no longer than the network does.

gevent looks every host up in a thread, be it an address. Where the event loop never rests, that thread gets the
interpreter's lock after some milliseconds only, and these would count as the server's.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address

from gevent import socket


def connected(host: str, port: int, limit_s: float) -> socket.socket:
    """A connection to an address, or to the first of a name's addresses that takes one. Raises OSError.

    `limit_s` is for each address.
    """
    family = _family_of(host)
    if family is None:
        return socket.create_connection((host, port), limit_s)
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.settimeout(limit_s)
        connection.connect((host, port))
    except BaseException:
        connection.close()
        raise
    return connection


@lru_cache
def _family_of(host: str) -> socket.AddressFamily | None:
    """Of an IP address; None: it is a name."""
    try:
        version = ip_address(host).version
    except ValueError:
        return None
    return socket.AF_INET if version == 4 else socket.AF_INET6
