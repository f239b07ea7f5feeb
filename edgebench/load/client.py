"""The HTTP client of an EdgeUser: one connection, every request recorded and reported to Locust."""

from __future__ import annotations

import time
from collections.abc import Mapping
from time import monotonic_ns
from typing import TYPE_CHECKING, Any

import gevent
from gevent import GreenletExit

from edgebench.errors import EdgebenchError
from edgebench.load.answer import Answer, Response
from edgebench.load.connection import Connection, ConnectionFailed, Timeouts
from edgebench.load.record import RETRIED, REUSED
from edgebench.load.request import Body, Server, request_bytes, request_target
from edgebench.load.session import Session

if TYPE_CHECKING:
    from edgebench.load.user import EdgeUser

_IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE"})
_MAX_CACHED_REQUESTS = 20_000
_AFTER_REFUSAL_S = 0.01
"""A closed loop against a server that is not there must not become a busy loop."""

Headers = Mapping[str, str] | None


class StatusError(EdgebenchError):
    """For Locust's failure table: a complete answer with a status of 400 or more."""


class EdgeClient:
    """`get`, `head`, `post`, `put`, `delete`; paths start with `/`, `name` groups them in Locust's tables."""

    def __init__(self, user: EdgeUser, session: Session, server: Server, timeouts: Timeouts) -> None:
        self._user, self._session, self._authority = user, session, server.authority
        self._fire = user.environment.events.request.fire
        self._connection = Connection(server, timeouts, session.head_reader)
        self._headers = dict(user.headers)
        # The same for all users of a class: a thousand keys are soon known.
        self._requests = session.requests.setdefault(type(user), {})
        self._number = session.users
        session.users += 1
        self.due_ns = 0
        """When the next request is due by the schedule; 0: when it is sent."""
        self.free_ns = 0
        """Since when the connection has been free."""
        self.busy = False
        """Between taking an arrival and the end of its task."""
        session.clients.add(self)

    def get(
        self, path: str, name: str | None = None, headers: Headers = None, params: Mapping[str, Any] | None = None
    ) -> Response:
        return self.request("GET", path, name, headers, params)

    def head(
        self, path: str, name: str | None = None, headers: Headers = None, params: Mapping[str, Any] | None = None
    ) -> Response:
        return self.request("HEAD", path, name, headers, params)

    def delete(
        self,
        path: str,
        name: str | None = None,
        headers: Headers = None,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        data: Body = None,
    ) -> Response:
        return self.request("DELETE", path, name, headers, params, json, data)

    def post(
        self,
        path: str,
        name: str | None = None,
        headers: Headers = None,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        data: Body = None,
    ) -> Response:
        return self.request("POST", path, name, headers, params, json, data)

    def put(
        self,
        path: str,
        name: str | None = None,
        headers: Headers = None,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        data: Body = None,
    ) -> Response:
        return self.request("PUT", path, name, headers, params, json, data)

    def request(
        self,
        method: str,
        path: str,
        name: str | None = None,
        headers: Headers = None,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        data: Body = None,
    ) -> Response:
        """One request. It never raises for what the server does: the response says what was wrong."""
        if headers is None and params is None and json is None and data is None:
            target, wire = path, self._requests.get((method, path))
            if wire is None:
                target = request_target(path)
                wire = request_bytes(method, target, self._authority, self._headers)
                if target == path and len(self._requests) < _MAX_CACHED_REQUESTS:
                    self._requests[(method, path)] = wire
        else:
            target = request_target(path, params)
            wire = request_bytes(method, target, self._authority, {**self._headers, **(headers or {})}, json, data)
        return self._send(method, name or target, target, wire)

    def connect(self) -> None:
        """Open the connection ahead of the first request. A failure will show in that request's sample."""
        if not self._connection.is_open:
            try:
                self._connection.open()
            except ConnectionFailed:
                gevent.sleep(_AFTER_REFUSAL_S)
        self.free_ns = monotonic_ns()

    def close(self) -> None:
        self._session.clients.discard(self)
        self._session.unasked += self._connection.unasked
        self._connection.close()

    def expire(self, now_ns: int) -> None:
        self._connection.expire(now_ns)

    @property
    def unasked(self) -> int:
        return self._connection.unasked

    def _send(self, method: str, name: str, target: str, wire: bytes) -> Response:
        connection, session = self._connection, self._session
        reused = connection.is_open and connection.used > 0
        flags = REUSED if reused else 0
        sent_ns = monotonic_ns()
        due_ns = self.due_ns
        lag_ns = 0
        if due_ns:
            self.due_ns = 0
            lag_ns = sent_ns - (due_ns if due_ns > self.free_ns else self.free_ns)
            session.sample_lag(lag_ns)
        session.sent += 1
        answer, error = None, None
        try:
            if not connection.is_open:
                connection.open()
            try:
                answer = connection.exchange(wire, method == "HEAD")
            except ConnectionFailed as failed:
                if not (failed.stale and method in _IDEMPOTENT):
                    raise
                flags = RETRIED
                session.retried += 1
                connection.open()
                answer = connection.exchange(wire, method == "HEAD")
        except ConnectionFailed as failed:
            error = str(failed)
        except GreenletExit:
            session.unanswered += 1
            self._record(method, name, target, due_ns or sent_ns, sent_ns, lag_ns, flags, None, "unanswered")
            raise
        return self._record(method, name, target, due_ns or sent_ns, sent_ns, lag_ns, flags, answer, error)

    def _record(
        self,
        method: str,
        name: str,
        target: str,
        scheduled_ns: int,
        sent_ns: int,
        lag_ns: int,
        flags: int,
        answer: Answer | None,
        error: str | None,
    ) -> Response:
        connection, session = self._connection, self._session
        claim, age_s, seq, status, length = None, -1, -1, 0, 0
        if answer is not None:
            done_ns = connection.done_ns
            says, length = answer.says, len(answer.body)
            claim, age_s, status = says.claim, says.age_s, says.status
            seq, stamp_ns = says.stamp
            session.count(sent_ns, stamp_ns, claim)
        else:
            done_ns = monotonic_ns()
        self.free_ns = done_ns
        if session.recorder is not None:
            session.recorder.record(
                scheduled_ns,
                sent_ns,
                connection.first_byte_ns,
                done_ns,
                lag_ns,
                (method, name),
                target,
                status,
                length,
                claim,
                age_s,
                seq,
                self._number,
                connection.port,
                flags,
                error,
            )
        response = Response(answer, error)
        if error != "unanswered":
            self._report(method, name, target, scheduled_ns, done_ns, length, response)
        return response

    def _report(
        self, method: str, name: str, target: str, scheduled_ns: int, done_ns: int, length: int, response: Response
    ) -> None:
        exception: Exception | None = None
        if response.error is not None:
            exception = ConnectionFailed(response.error)
        elif response.status >= 400:
            exception = StatusError(f"HTTP {response.status}")
        elapsed_ns = done_ns - scheduled_ns
        self._fire(
            request_type=method,
            name=name,
            response_time=elapsed_ns / 1e6,
            response_length=length,
            response=response,
            context=self._user.context(),
            exception=exception,
            start_time=time.time() - elapsed_ns / 1e9,
            url=target,
        )
        if response.error is not None and response.error.startswith("connect"):
            gevent.sleep(_AFTER_REFUSAL_S)
