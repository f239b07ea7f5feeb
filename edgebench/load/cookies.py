"""Cookies of one user: kept and sent by the standard library's rules of domain, path, expiry and Secure."""

from __future__ import annotations

from email.message import Message
from http.client import HTTPResponse
from http.cookiejar import CookieJar
from typing import cast
from urllib.request import Request


class _Answer:
    """As much of an answer as a CookieJar looks at."""

    def __init__(self, lines: list[str]) -> None:
        self._message = Message()
        for line in lines:
            self._message["Set-Cookie"] = line

    def info(self) -> Message:
        return self._message


class Cookies:
    """A jar, and how to fill it from a head and ask it for a header."""

    def __init__(self) -> None:
        self.jar = CookieJar()

    def header(self, url: str) -> str | None:
        """What to send with a request for `url`."""
        request = Request(url)
        self.jar.add_cookie_header(request)
        return request.get_header("Cookie")

    def take(self, url: str, head: bytes) -> None:
        """Keep what the answer to a request for `url` sets."""
        lines = _set_cookies(head)
        if lines:
            self.jar.extract_cookies(cast(HTTPResponse, _Answer(lines)), Request(url))


def _set_cookies(head: bytes) -> list[str]:
    """Apart: a cookie's expiry has a comma of its own."""
    lines = (line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:])
    return [value.strip(" \t") for name, _, value in lines if name.lower() == "set-cookie"]
