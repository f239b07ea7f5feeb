"""`with client.get(path, catch_response=True) as response`: the task says whether it was a failure, as in Locust."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from edgebench.errors import UserError
from edgebench.load.answer import Response
from edgebench.load.failures import DecodingError

# locust.exception is imported where it is needed: importing Locust patches the whole process for gevent.


class CaughtResponse(Response):
    """Fires Locust's request event, with `request_meta`, at the end of the with-block; without one, never.

    A failure is, in this order: what failure() said, unless success() came later; an exception of the block; no
    complete answer, or a status of 400 or more. Otherwise than with Locust's own clients, the event is fired also where
    the block ends with an exception, which then goes on to the task. A ResponseError and a body that cannot be decoded
    do not.
    """

    def __init__(self, response: Response, fire: Callable[..., None], request_meta: dict[str, Any]) -> None:
        super().__init__(response.says, response.head, response.data, response._start)
        self.error, self.asked = response.error, response.asked
        self.request_meta = request_meta | {"response": self}
        self._fire = fire
        self._verdict: Exception | bool | None = None
        self._entered = False

    def __enter__(self) -> Self:
        self._entered = True
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, _: TracebackType | None) -> bool:
        swallowed = False
        if self._verdict is not None:
            self.request_meta["exception"] = None if self._verdict is True else self._verdict
        elif isinstance(value, Exception) and not isinstance(value, _control_flow()):
            from locust.exception import ResponseError

            self.request_meta["exception"] = value
            swallowed = isinstance(value, ResponseError | DecodingError)
        self._fire(**self.request_meta)
        return swallowed

    def success(self) -> None:
        """No failure, whatever the status."""
        self._check_entered("success")
        self._verdict = True

    def failure(self, why: object) -> None:
        """A failure; Locust's table shows why. What is no exception becomes a CatchResponseError."""
        from locust.exception import CatchResponseError

        self._check_entered("failure")
        self._verdict = why if isinstance(why, Exception) else CatchResponseError(why)

    def raise_for_status(self) -> None:
        if isinstance(self._verdict, Exception):
            raise self._verdict
        if self._verdict is None:
            super().raise_for_status()

    def _check_entered(self, method: str) -> None:
        if not self._entered:
            raise UserError(
                f"{self._asked()}: {method}() outside of a with-block: write `with client.get(…) as response`"
            )


def _control_flow() -> tuple[type[Exception], ...]:
    """By these a task ends, interrupts or leaves its TaskSet; they say nothing about a request."""
    from locust.exception import InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately, StopTest, StopUser

    return StopUser, StopTest, RescheduleTask, RescheduleTaskImmediately, InterruptTaskSet
