"""The HTTP client of an EdgeUser: one connection, every request recorded and reported to Locust."""

from __future__ import annotations

import time
from ssl import SSLContext
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Unpack

import gevent
from gevent import getcurrent
from locust import User

from edgebench.load.answer import Response
from edgebench.load.connection import Connection, Timeouts
from edgebench.load.elaborate import ElaborateClient
from edgebench.load.failures import ConnectionFailed
from edgebench.load.locust_stats import is_table, listener_failed
from edgebench.load.record import ARRIVAL, DIGESTED, NO_USER, RETRIED, REUSED, STORED, TABLED
from edgebench.load.request import Ready, Server
from edgebench.load.session import LATE_NS, Session
from edgebench.load.verbs import Options

if TYPE_CHECKING:
    from edgebench.load.user import EdgeUser

_IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})
_AFTER_REFUSAL_S = 0.01
"""A closed loop against a server that is not there must not become a busy loop."""


class EdgeClient(ElaborateClient):
    """One user's: its connection, and when its next request is due.

    Most requests of a test are a plain GET of a path that was asked for before. Here is their way; whatever else a
    request may ask for is ElaborateClient's, and costs nothing where it is not asked for.
    """

    def __init__(
        self, user: EdgeUser, session: Session, server: Server, timeouts: Timeouts, context: SSLContext | None = None,
        number: int | None = None,
    ) -> None:  # fmt: skip
        """`number`: of the user, where it has a client already."""
        super().__init__(user, session, server)
        self._timeouts, self._context = timeouts, context
        self._events = user.environment.events.request
        self._own_context = type(user).context is not User.context
        self._wall_ns = time.time_ns() - monotonic_ns()
        self._connection = Connection(server, timeouts, session.head_reader, session.turn, context)
        self._listeners: list[Any] = []
        self._others: list[Any] = []
        """Listeners of Locust's request event: all, and those besides its table where that learns from our samples."""
        self._tabled = 0
        """TABLED where it does."""
        self._heard = True
        """Whether somebody else is told of every request."""
        self._number = min(session.users, NO_USER - 1) if number is None else number
        session.users += number is None
        self.due_ns = 0
        """When the next request is due by the schedule; 0: when it is sent."""
        self.known_ns = 0
        """Of a request that follows from an answer: since when it is known, and due if the connection is free; 0: due
        when it is sent."""
        self.busy = False
        """Between taking an arrival and the end of its task."""
        session.clients.add(self)

    def get(self, path: str, name: str | None = None, **options: Unpack[Options]) -> Response:
        asked = self._known.get(("GET", path, name))
        if options or asked is None:
            return self._elaborate("GET", path, name, **options)
        if self._events._handlers != self._listeners:
            self._look_who_listens()
        connection = self._connection
        if not connection.is_prompt or self.due_ns or connection.greenlet is not getcurrent():
            return self._plain(asked, begun=False)
        # The common way of a closed loop. What Connection.exchange and _plain do, once more: each function called, and
        # each attribute looked up again, costs as much as reading the clock.
        connection.request, connection.posted = asked.wire, False
        connection.first_byte_ns = -1
        connection.turn.post(connection)
        connection.awaiting = True
        try:
            connection.wait()
        except BaseException as failed:
            connection.abandon()
            return self._plain(asked, begun=True, why=failed)
        data, end = connection.data, connection.head_bytes
        head = data[:end]
        says = connection.heads.get(head)
        if (
            says is None or says.packed is None or says.digest_due or len(data) - end != says.length
            or not connection.posted or connection.error is not None
        ):  # fmt: skip
            return self._plain(asked, begun=True)
        connection.awaiting = False
        connection.asked_ns = 0
        connection.used += 1
        session, sent_ns, done_ns = self._session, connection.sent_ns, connection.done_ns
        self._scheduled_ns, self.free_ns = sent_ns, done_ns
        session.answers += 1
        flags = REUSED | self._tabled if says.good else REUSED
        stamp_ns = says.stamp[1]
        if 0 <= stamp_ns < sent_ns:
            flags |= STORED
            session.reused += 1
        elif says.reused and stamp_ns < 0:
            session.reused += 1
        recorder = session.recorder
        if recorder is not None:
            recorder.record_answer(
                sent_ns, sent_ns, done_ns, done_ns, 0, asked, says, says.length, self._number, connection.port, flags
            )
        response = Response(says, head, data, end)
        response.asked = asked
        if self._heard or not says.good:
            self._report(asked, response)
        return response

    def _plain(self, asked: Ready, begun: bool, why: BaseException | None = None) -> Response:
        """One exchange, and Locust's event for it. `begun`: the request was posted and something has come of it."""
        response = self._exchange(asked, self._tabled, begun, why)
        if self._heard or not response.says.good:
            self._report(asked, response)
        return response

    def request(self, method: str, path: str, name: str | None = None, **options: Unpack[Options]) -> Response:
        """One request, by any method."""
        return (
            self.get(path, name, **options)
            if method == "GET"
            else self._elaborate(method.upper(), path, name, **options)
        )

    def connect(self) -> None:
        """Open the connection ahead of the first request. A failure will show in that request's sample."""
        if not self._connection.is_open:
            try:
                self._connection.open()
            except ConnectionFailed:
                gevent.sleep(_AFTER_REFUSAL_S)
        self.free_ns = monotonic_ns()

    def disconnect(self) -> None:
        """The next request has to connect."""
        self._connection.close()

    @property
    def is_connected(self) -> bool:
        return self._connection.is_open

    def target(self, path: str) -> str:
        """The request target of a path or URL; ValueError for an URL of another host."""
        return self._server.target(path)

    def sibling(self) -> EdgeClient:
        """Another one of the same user, with a connection of its own."""
        return EdgeClient(self._user, self._session, self._server, self._timeouts, self._context, self._number)

    def close(self) -> None:
        self._session.clients.discard(self)
        self._session.unasked += self._connection.unasked
        self._connection.close()

    def expire(self, now_ns: int) -> None:
        self._connection.expire(now_ns)

    @property
    def unasked(self) -> int:
        return self._connection.unasked

    def _look_who_listens(self) -> None:
        self._listeners = list(self._events._handlers)
        self._others = [listener for listener in self._listeners if not is_table(listener)]
        self._tabled = TABLED if self._session.keeps_table and len(self._others) < len(self._listeners) else 0
        self._heard = bool(self._others) or not self._tabled

    def _exchange(
        self, asked: Ready, tabled: int = 0, begun: bool = False, why: BaseException | None = None
    ) -> Response:
        """Send a request, wait for its answer, record it; with the flag TABLED, if that is given and all is well.

        `begun`: it was posted and waited for already; `why`: what ended that instead of an answer.
        """
        connection, session = self._connection, self._session
        flags = REUSED if connection.used or begun else 0
        # What was begun and never posted counts from when the connection was free for it.
        sent_ns = scheduled_ns = max(connection.sent_ns, self.free_ns) if begun else monotonic_ns()
        lag_ns = 0
        due_ns = self.due_ns
        if due_ns:
            self.due_ns = 0
            flags |= ARRIVAL
        elif self.known_ns:
            due_ns = max(self.known_ns, self.free_ns)
        if due_ns:
            scheduled_ns = due_ns
            lag_ns = sent_ns - (due_ns if due_ns > self.free_ns else self.free_ns)
            if lag_ns > LATE_NS:
                session.late_wakeups += 1
        try:
            if why is not None:
                raise why
            if not connection.is_open:
                connection.open()
            try:
                answer = connection.finish() if begun else connection.exchange(asked.wire, asked.is_head, sent_ns)
                sent_ns = connection.sent_ns
                if not due_ns:
                    scheduled_ns = sent_ns
            except ConnectionFailed as failed:
                if not (failed.stale and asked.method in _IDEMPOTENT):
                    raise
                flags = RETRIED | flags & ARRIVAL
                session.retried += 1
                connection.open()
                answer = connection.exchange(asked.wire, asked.is_head, monotonic_ns())
        except BaseException as failed:
            return self._lost(failed, asked, scheduled_ns, sent_ns, lag_ns, flags)
        self._scheduled_ns = scheduled_ns
        done_ns = self.free_ns = connection.done_ns
        says = answer.says
        if says.packed is None:
            session.learn(says)
        session.answers += 1
        stamp_ns = says.stamp[1]
        if 0 <= stamp_ns < sent_ns:
            flags |= STORED
            session.reused += 1
        elif says.reused and stamp_ns < 0:
            session.reused += 1
        recorder = session.recorder
        if recorder is not None:
            if says.good:
                flags |= tabled
            if says.digest_due and asked.is_whole:
                flags |= DIGESTED
                if says.digested != answer.data:
                    recorder.digest(says, answer)
            recorder.record_answer(
                scheduled_ns, sent_ns, connection.first_byte_ns, done_ns, lag_ns, asked, says, answer.length,
                self._number, connection.port, flags,
            )  # fmt: skip
        answer.asked = asked
        return answer

    def _report(self, asked: Ready, response: Response) -> None:
        """Fire Locust's request event: what its `fire` does, without packing the arguments twice."""
        good = response.says.good
        exception = None if good else response.exception()
        scheduled_ns = self._scheduled_ns
        for listener in (self._others if good and self._tabled else self._listeners).copy():
            try:
                listener(
                    request_type=asked.method,
                    name=asked.name,
                    response_time=(self.free_ns - scheduled_ns) / 1e6,
                    response_length=response.length,
                    response=response,
                    context=self._user.context() if self._own_context else {},
                    exception=exception,
                    start_time=(scheduled_ns + self._wall_ns) / 1e9,
                    url=asked.target,
                )
            except Exception as error:
                listener_failed(error)
        if exception is not None:
            self._calm(response)

    def _lost(
        self, failed: BaseException, asked: Ready, scheduled_ns: int, sent_ns: int, lag_ns: int, flags: int
    ) -> Response:
        """Record a request that has no answer. Whatever ended it that is not the server's doing goes on to the task."""
        connection, session = self._connection, self._session
        self._scheduled_ns = scheduled_ns
        session.lost += 1
        error, origin_seq = "unanswered", -1
        if isinstance(failed, ConnectionFailed):
            error, origin_seq = str(failed), failed.origin_seq
        done_ns = self.free_ns = monotonic_ns()
        if session.recorder is not None:
            session.recorder.record(
                scheduled_ns, sent_ns, connection.first_byte_ns, done_ns, lag_ns, (asked.method, asked.name),
                asked.key, 0, 0, None, -1, origin_seq, self._number, connection.port, flags, error,
            )  # fmt: skip
        if not isinstance(failed, ConnectionFailed):
            session.unanswered += 1
            raise failed
        response = Response.missing(error)
        response.asked = asked
        return response

    def _calm(self, response: Response) -> None:
        if response.error is not None and response.error.startswith("connect"):
            gevent.sleep(_AFTER_REFUSAL_S)
