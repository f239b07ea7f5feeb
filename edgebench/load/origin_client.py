"""A user's way to the app itself, past the cache: whoever changes a product does not go through the CDN to do it."""

from __future__ import annotations

from collections.abc import Mapping
from ssl import SSLContext
from typing import TYPE_CHECKING

from edgebench.load.answer import Response
from edgebench.load.client import EdgeClient
from edgebench.load.request import Server
from edgebench.model import BEHIND

if TYPE_CHECKING:
    from edgebench.load.user import EdgeUser


class OriginClient(EdgeClient):
    """Has a connection of its own, and takes the user's turn: an arrival that begins here is due here."""

    def __init__(self, user: EdgeUser, edge: EdgeClient, server: Server, context: SSLContext | None) -> None:
        super().__init__(user, user.session, server, user.timeouts, context, edge._number)
        self._edge = edge
        # Requests that are ready to be sent are shared by a class of users, and go to its host: none of them here.
        self._is_plain, self._known, self._ready = False, {}, {}

    def _ask(self, method: str, name: str, target: str, fields: Mapping[str, str], body: bytes | None) -> Response:
        edge = self._edge
        self.due_ns, edge.due_ns = edge.due_ns, 0
        self.free_ns = max(self.free_ns, edge.free_ns)
        try:
            return super()._ask(method, BEHIND + name, target, fields, body)
        finally:
            edge.free_ns = max(self.free_ns, edge.free_ns)
