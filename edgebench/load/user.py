"""A Locust user whose requests are on time and recorded to the nanosecond."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from random import choices, random
from typing import Any, ClassVar

from gevent import get_hub
from locust import User
from locust.exception import StopTest, StopUser
from locust.user.task import (
    LOCUST_STATE_RUNNING,
    LOCUST_STATE_STOPPING,
    LOCUST_STATE_WAITING,
    DefaultTaskSet,
    TaskSet,
)
from locust.user.users import RestMixin

from edgebench.errors import UserError
from edgebench.load.catch import CaughtResponse
from edgebench.load.client import EdgeClient
from edgebench.load.connection import Timeouts
from edgebench.load.origin_client import OriginClient
from edgebench.load.plugin import session_of
from edgebench.load.request import Server
from edgebench.load.tls import client_context

_DRAWN = 256
"""How many tasks of a closed loop are drawn at a time."""
_PLACES = 1000
"""How finely shares can be told apart in a list of tasks."""


class EdgeUser(User, RestMixin[CaughtResponse]):
    """Write tasks as for any Locust user; `--rate` decides when they run.

        class Reader(EdgeUser):
            @task
            def product(self) -> None:
                self.client.get(f"/api/products/{self.popular()}", name="/api/products/[id]")

    Open loop (`--rate` above 0): each arrival starts one task, whose first request counts from the time it was due;
    further requests of the same task count from when they are sent. Draw what is random before the first request, and
    the same seed gives the same requests in every run. Closed loop (`--rate 0`): `wait_time` between tasks, by default
    none. Tasks tagged "private" get `--private-share` of all, whatever their weights add up to.
    """

    abstract = True
    timeouts = Timeouts()
    headers: ClassVar[Mapping[str, str]] = {}
    """Sent with every request. For compressed answers: {"Accept-Encoding": "gzip, br, zstd"}."""
    verify: ClassVar[bool] = True
    """Whether an https server must show a certificate for its name from a CA we trust."""
    ca_file: ClassVar[str | Path | None] = None
    """CA certificates (PEM) to trust instead of the system's; `--ca-file` comes first."""
    allow_redirects: ClassVar[bool] = False
    """Whether redirects on the same host are followed, where a request does not say it."""
    max_redirects: ClassVar[int] = 10
    cookies: ClassVar[bool] = False
    """Whether each user keeps the cookies it is given, and sends them."""
    _tasks_as_written: ClassVar[list[Any] | None] = None

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.session = session_of(environment)
        try:
            server = self.session.edge(Server.from_url(self.host))
            ca_file = self.session.options.ca_file or self.ca_file
            context = client_context(self.verify, ca_file) if server.tls else None
        except UserError as error:
            environment.process_exit_code = error.exit_code
            raise StopTest(str(error)) from None
        self.client = EdgeClient(self, self.session, server, self.timeouts, context)
        self._origin: OriginClient | None = None

    @property
    def origin(self) -> OriginClient:
        """A client of the app itself, past the cache (`--origin-host`), for changes behind the cache's back. What it
        asks for is recorded, and counts as no client's request."""
        if self._origin is None:
            options = self.session.options
            server = Server.from_url(options.origin_host or self.host)
            context = client_context(self.verify, options.ca_file or self.ca_file) if server.tls else None
            self._origin = OriginClient(self, self.client, server, context)
        return self._origin

    @classmethod
    def share_out(cls, share: float) -> None:
        """Give the tasks tagged "private" this share of all tasks."""
        if cls._tasks_as_written is None:
            cls._tasks_as_written = list(cls.tasks)
        cls.tasks = shared_out(cls._tasks_as_written, share)

    def popular(self, keys: int | None = None) -> int:
        """The next of 1..keys (default `--keys`), drawn by Zipf's law with the exponent `--zipf`.

        By default a crowd (`--step-keys`) has keys of its own above those.
        """
        return self.session.popular(keys) if keys else self.session.usual(self.client.due_ns)

    def wait_time(self) -> float:
        """Wait for the next arrival. Called by nested TaskSets; the user's own tasks wait in _Tasks.wait."""
        self._next_arrival()
        return 0.0

    def _next_arrival(self) -> None:
        session, client = self.session, self.client
        client.busy = False
        if session.dispatcher is not None:
            client.due_ns = session.dispatcher.take()
        elif session.closed_at_end():
            get_hub().switch()  # until killed
        client.busy = True

    # Locust's run() puts its own DefaultTaskSet here. Replacing it on the way in, rather than in on_start, leaves
    # on_start to the locustfile, which need not know that it would have to call super().
    @property
    def _taskset_instance(self) -> TaskSet | None:
        return self._tasks

    @_taskset_instance.setter
    def _taskset_instance(self, value: TaskSet | None) -> None:
        self._tasks = _Tasks(self) if type(value) is DefaultTaskSet else value


def shared_out(tasks: Sequence[Any], share: float) -> list[Any]:
    """Locust's list of tasks to choose from, in which those tagged "private" have `share` of the places."""
    private = [task for task in tasks if "private" in getattr(task, "locust_tag_set", ())]
    public = [task for task in tasks if task not in private]
    if not private or not public:
        return list(tasks)
    times = -(-_PLACES // len(public))
    return public * times + private * round(times * len(public) * share / (1 - share) / len(private))


class _Tasks(DefaultTaskSet):
    """The user's tasks, each started by an arrival instead of by the end of a pause."""

    user: EdgeUser

    def on_start(self) -> None:
        self.user.client.connect()
        self.wait()

    def on_stop(self) -> None:
        self.user.client.close()
        if self.user._origin is not None:
            self.user._origin.close()

    def get_next_task(self) -> Any:
        tasks = self.user.tasks
        return tasks[int(random() * len(tasks))]  # as below: the seed decides, whoever draws

    def execute_next_task(self) -> None:
        """Locust's loop around this does the same for one task at a time. What is raised here, it deals with."""
        self.execute_task(self._task_queue.popleft())  # type: ignore[no-untyped-call]
        user = self.user
        tasks = user.tasks
        if self._waits_itself or any(isinstance(task, type) for task in tasks):
            return
        client, session, count, queue = user.client, user.session, len(tasks), self._task_queue
        take = session.dispatcher.take if session.dispatcher is not None else None
        if take is None:
            for task in choices(tasks, k=_DRAWN):
                if queue or user._state == LOCUST_STATE_STOPPING or client.free_ns >= session.end_ns:
                    break
                task(user)  # type: ignore[operator]  # no TaskSet
            self.wait()
            return
        while not queue:
            if user._state == LOCUST_STATE_STOPPING:
                raise StopUser()
            client.busy = False
            user._state = LOCUST_STATE_WAITING
            client.due_ns = take()
            client.busy = True
            if user._state == LOCUST_STATE_STOPPING:
                raise StopUser()
            user._state = LOCUST_STATE_RUNNING
            tasks[int(random() * count)](user)  # type: ignore[operator]  # no TaskSet

    def wait(self) -> None:
        user = self.user
        if self._waits_itself:
            user.client.busy = False
            super().wait()  # type: ignore[no-untyped-call]
            user._next_arrival()
            return
        if user._state == LOCUST_STATE_STOPPING:
            raise StopUser()
        user._state = LOCUST_STATE_WAITING
        user._next_arrival()
        if user._state == LOCUST_STATE_STOPPING:
            raise StopUser()
        user._state = LOCUST_STATE_RUNNING

    @property
    def _waits_itself(self) -> bool:
        """Whether a closed loop has a wait_time of its own."""
        user = self.user
        return user.session.dispatcher is None and type(user).wait_time is not EdgeUser.wait_time
