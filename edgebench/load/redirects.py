"""Where a redirect leads, and with which request (RFC 9110, 15.4). Pure."""

from __future__ import annotations

from urllib.parse import urljoin

from edgebench.load.failures import RedirectFailed
from edgebench.load.request import Server, request_target

REDIRECTS = frozenset({301, 302, 303, 307, 308})


def next_method(method: str, status: int) -> str:
    """A 303 asks for what it names; a POST becomes a GET also after 301 and 302, as in every browser."""
    if status == 303:
        return "HEAD" if method == "HEAD" else "GET"
    return "GET" if method == "POST" and status in (301, 302) else method


def next_target(server: Server, target: str, location: str) -> str:
    """The target that `location`, sent in answer to a request for `target`, names. RedirectFailed: on another host."""
    try:
        url = urljoin(server.base_url + target, _as_unicode(location))
        return request_target(server.path_of(url))
    except ValueError:
        raise RedirectFailed("redirect leaves the host") from None


def _as_unicode(location: str) -> str:
    """Headers are read as Latin-1; who sends more than ASCII in a Location means UTF-8."""
    try:
        return location.encode("latin-1").decode()
    except UnicodeError:
        return location
