"""What can be wrong with one request: the exceptions Locust's failure table shows, and those a task may catch."""

from __future__ import annotations

from edgebench.errors import EdgebenchError


class ConnectionFailed(EdgebenchError):
    """No complete answer. The message is the sample's error; `stale` says the server had closed before we asked.

    `origin_seq`: the stamp of the origin's response, if that much of the answer came; else -1.
    """

    def __init__(self, reason: str, stale: bool = False, origin_seq: int = -1) -> None:
        super().__init__(reason)
        self.stale = stale
        self.origin_seq = origin_seq


class StatusError(EdgebenchError):
    """A complete answer with a status of 400 or more."""


class RedirectFailed(EdgebenchError):
    """A redirect that was to be followed and could not be. The redirecting answer itself is complete."""


class DecodingError(EdgebenchError, ValueError):
    """A body that does not fit its Content-Encoding, or is too large without it."""
