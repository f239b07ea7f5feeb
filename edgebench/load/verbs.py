"""The methods of HTTP as a Locust client's users know them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict, Unpack

from edgebench.load.answer import Response
from edgebench.load.request import Body, Params


class Common(TypedDict, total=False):
    """What any request may ask for."""

    headers: Mapping[str, str] | None
    """Beside the user's, and instead of those of the same name."""
    params: Params
    """For the query, after what the path has of it."""
    auth: tuple[str, str] | None
    """Name and password for basic authentication."""
    context: Mapping[str, Any] | None
    """For listeners of Locust's request event, beside the user's context()."""
    catch_response: bool
    """The task says in a with-block whether this is a failure; the event is fired at its end."""
    allow_redirects: bool
    """Follow redirects on the same host; without it, the user's `allow_redirects` says so."""


class Options(Common, total=False):
    json: Any
    data: Body
    """Bytes or a string as they are, or fields of a form."""


class Verbs:
    """`path` starts with `/`, or is a URL of the same host; `name` groups requests in tables, which else show the path.

    A wrong argument is a ValueError or TypeError. What the server does wrong is none: the response says it.
    """

    def request(self, method: str, path: str, name: str | None = None, **options: Unpack[Options]) -> Response:
        raise NotImplementedError

    def get(self, path: str, name: str | None = None, **options: Unpack[Options]) -> Response:
        return self.request("GET", path, name, **options)

    def head(self, path: str, name: str | None = None, **options: Unpack[Options]) -> Response:
        return self.request("HEAD", path, name, **options)

    def options(self, path: str, name: str | None = None, **options: Unpack[Options]) -> Response:
        return self.request("OPTIONS", path, name, **options)

    def delete(self, path: str, name: str | None = None, **options: Unpack[Options]) -> Response:
        return self.request("DELETE", path, name, **options)

    def post(
        self, path: str, data: Body = None, json: Any = None, name: str | None = None, **options: Unpack[Common]
    ) -> Response:
        return self.request("POST", path, name, data=data, json=json, **options)

    def put(
        self, path: str, data: Body = None, json: Any = None, name: str | None = None, **options: Unpack[Common]
    ) -> Response:
        return self.request("PUT", path, name, data=data, json=json, **options)

    def patch(
        self, path: str, data: Body = None, json: Any = None, name: str | None = None, **options: Unpack[Common]
    ) -> Response:
        return self.request("PATCH", path, name, data=data, json=json, **options)
