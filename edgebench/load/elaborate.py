"""Requests that ask for more than to be sent: headers, bodies, redirects, cookies, a task's own verdict."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.cookiejar import CookieJar
from typing import TYPE_CHECKING, Any

from edgebench.load.answer import Response
from edgebench.load.catch import CaughtResponse
from edgebench.load.cookies import Cookies
from edgebench.load.failures import RedirectFailed
from edgebench.load.redirects import REDIRECTS, next_method, next_target
from edgebench.load.request import (
    Body,
    Params,
    Ready,
    Server,
    basic_auth,
    encoded_body,
    key_of,
    merged,
    request_bytes,
)
from edgebench.load.session import Session
from edgebench.load.verbs import Verbs

if TYPE_CHECKING:
    from edgebench.load.user import EdgeUser

_MAX_READY = 20_000


class ElaborateClient(Verbs):
    """Makes of each call one or more exchanges, and of all of them one event. How one is done is the subclass's."""

    def __init__(self, user: EdgeUser, session: Session, server: Server) -> None:
        self._user, self._session, self._server = user, session, server
        self.base_url = server.base_url
        self.request_name: str | None = None
        """The name of requests that are given none."""
        self._fire = user.environment.events.request.fire
        self._headers = dict(user.headers)
        self._cookies = Cookies() if user.cookies else None
        self._allow_redirects, self._max_redirects = user.allow_redirects, user.max_redirects
        # The same for all users of a class: a thousand keys are soon known.
        own = not {"headers", "host"}.isdisjoint(vars(user))
        ready: dict[tuple[str, str, str | None], Ready] = {} if own else session.requests.setdefault(type(user), {})
        self._ready = ready
        self._is_plain = not user.cookies and not user.allow_redirects
        self._known = self._ready if self._is_plain else {}
        """Requests that need nothing but to be sent, by method, path and name. Empty while all need more."""
        self._scheduled_ns = 0
        """When the last request was due."""
        self.free_ns = 0
        """Since when the connection has been free."""

    @contextmanager
    def rename_request(self, name: str) -> Iterator[None]:
        """In the with-block, requests that are given no name have this one."""
        self.request_name, self._known = name, {}
        try:
            yield
        finally:
            self.request_name = None
            self._known = self._ready if self._is_plain else {}

    @property
    def headers(self) -> dict[str, str]:
        """Sent with every request of this user, and free to be changed. (Which makes each a few µs dearer.)"""
        self._is_plain, self._known, self._ready = False, {}, {}
        return self._headers

    @property
    def cookiejar(self) -> CookieJar | None:
        """None unless the user has `cookies = True`."""
        return self._cookies.jar if self._cookies is not None else None

    def _exchange(self, asked: Ready) -> Response:
        """Send a request, wait for its answer, record it; set `_scheduled_ns` and `free_ns`."""
        raise NotImplementedError

    def _calm(self, response: Response) -> None:
        """Wait where asking again at once would be of no use."""
        raise NotImplementedError

    def _elaborate(
        self, method: str, path: str, name: str | None = None, *, headers: Mapping[str, str] | None = None,
        params: Params = None, json: Any = None, data: Body = None, auth: tuple[str, str] | None = None,
        context: Mapping[str, Any] | None = None, catch_response: bool = False, allow_redirects: bool | None = None,
    ) -> Response:  # fmt: skip
        target = self._server.target(path, params)
        body, content_type = encoded_body(json, data)
        fields = merged(
            {"Content-Type": content_type} if content_type else None,
            self._headers,
            {"Authorization": basic_auth(*auth)} if auth else None,
            headers,
        )
        given, name = name, name or self.request_name
        response = self._ask(method, name or target, target, fields, body)
        scheduled_ns = self._scheduled_ns
        is_ready = self._is_plain and target == path and not headers and not auth and body is None and name == given
        if is_ready and len(self._ready) < _MAX_READY:
            self._ready[(method, path, given)] = response.asked
        if self._allow_redirects if allow_redirects is None else allow_redirects:
            response = self._follow(response, method, target, name, fields, body)
        elapsed_ns = self.free_ns - scheduled_ns
        request_meta = {
            "request_type": method,
            "name": name or target,
            "response_time": elapsed_ns / 1e6,
            "response_length": response.length,
            "response": response,
            "context": {**self._user.context(), **(context or {})},
            "exception": response.exception(),
            "start_time": time.time() - elapsed_ns / 1e9,
            "url": target,
        }
        if catch_response:
            return CaughtResponse(response, self._fire, request_meta)
        self._fire(**request_meta)
        return response

    def _ask(self, method: str, name: str, target: str, fields: Mapping[str, str], body: bytes | None) -> Response:
        """One exchange with the cookies there are."""
        cookies, url = self._cookies, self.base_url + target
        if cookies is not None:
            cookie = cookies.header(url)
            fields = merged({"Cookie": cookie} if cookie else None, fields)
        wire = request_bytes(method, target, self._server.authority, fields, data=body)
        key = key_of(target, fields)
        is_whole = method == "GET" and "range" not in map(str.lower, fields)
        numbers = self._session.numbers(method, name, key)
        response = self._exchange(Ready(method, name, self.base_url, key, wire, numbers, is_whole))
        if cookies is not None:
            cookies.take(url, response.head)
        self._calm(response)
        return response

    def _follow(
        self, response: Response, method: str, target: str, name: str | None, fields: Mapping[str, str],
        body: bytes | None,
    ) -> Response:  # fmt: skip
        """The answer where the redirects end. One that cannot be followed is the end, with an error."""
        hops = 0
        while response.status in REDIRECTS and "location" in response.headers:
            if hops == self._max_redirects:
                response.error = f"more than {hops} redirects"
                break
            hops += 1
            try:
                target = next_target(self._server, target, response.headers["location"])
            except RedirectFailed as failed:
                response.error = str(failed)
                break
            asked, method = method, next_method(method, response.status)
            if method != asked or response.status == 303:
                body = None
                fields = {name: value for name, value in fields.items() if not name.lower().startswith("content-")}
            response = self._ask(method, f"{name} (redirected)" if name else target, target, fields, body)
        return response
