"""Where our parser and llhttp part on purpose, each with its reason in RFC 9112 or 9110.

A rule's `holds` looks at the bytes and at what llhttp made of them, never into our parser: a disagreement is a rule's
only where the bytes have what the rule is about.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tests.load.http1_oracle import Reading, SeenHead, Verdict

Kind = Literal["we refuse", "llhttp refuses", "read otherwise"]
_ANY: tuple[Kind, ...] = ("we refuse", "llhttp refuses", "read otherwise")


@dataclass(frozen=True, slots=True)
class Case:
    data: bytes
    head_only: bool
    ours: Reading | str
    theirs: Verdict


@dataclass(frozen=True, slots=True)
class Rule:
    name: str
    kinds: tuple[Kind, ...]
    """What may come of it."""
    section: str
    why: str
    holds: Callable[[Case], bool]
    example: bytes


def rules_of(case: Case) -> list[Rule]:
    """The rules that explain a disagreement."""
    kind = disagreement(case)
    return [rule for rule in RULES if kind in rule.kinds and rule.holds(case)]


def disagreement(case: Case) -> Kind | None:
    """None: both refuse, or both read the same."""
    ours, theirs = case.ours, case.theirs.reading
    if isinstance(ours, str):
        return None if theirs is None else "we refuse"
    if theirs is None:
        return "llhttp refuses"
    return None if ours == theirs else "read otherwise"


def _says(error: str) -> Callable[[Case], bool]:
    return lambda case: isinstance(case.ours, str) and case.ours.startswith(error)


def _all(*conditions: Callable[[Case], bool]) -> Callable[[Case], bool]:
    return lambda case: all(condition(case) for condition in conditions)


def _head(condition: Callable[[SeenHead], bool]) -> Callable[[Case], bool]:
    return lambda case: any(condition(head) for head in case.theirs.heads)


def _interim(condition: Callable[[SeenHead], bool]) -> Callable[[Case], bool]:
    return lambda case: any(condition(head) for head in case.theirs.heads if 100 <= head.status < 200)


def _matches(pattern: bytes) -> Callable[[Case], bool]:
    """In what llhttp read, the line in which it stopped included."""
    found = re.compile(pattern)
    return lambda case: (
        found.search(case.data, 0, case.data.find(b"\n", max(case.theirs.end - 1, 0)) + 1 or len(case.data)) is not None
    )


def _refusal(*starts: str) -> Callable[[Case], bool]:
    return lambda case: case.theirs.refusal.startswith(starts)


def _options(head: SeenHead, *names: bytes) -> set[bytes]:
    lines = [value for name in names for value in head.values(name)]
    return {option.strip(b" \t").lower() for line in lines for option in line.split(b",")}


def _closes(head: SeenHead) -> bool:
    options = _options(head, b"connection", b"proxy-connection")
    return b"close" in options or (head.version == "1.0" and b"keep-alive" not in options)


def _not_just_chunked(head: SeenHead) -> bool:
    codings = head.values(b"transfer-encoding")
    return len(codings) > 1 or any(coding.strip(b" \t").lower() != b"chunked" for coding in codings)


def _only_keep_alive_differs(case: Case) -> bool:
    ours, theirs = case.ours, case.theirs.reading
    return not isinstance(ours, str) and theirs is not None and (ours.status, ours.headers, ours.body) == (
        theirs.status, theirs.headers, theirs.body,
    )  # fmt: skip


_OK = b"HTTP/1.1 200 OK\r\n"
_EMPTY = b"Content-Length: 0\r\n\r\n"
_TRAILER = rb"\n0+(?:[ \t]*;[^\r\n]*)?\r\n(?:[^\r\n]+\r\n)*(?i:%b):"
_CHUNKED = _OK + b"Transfer-Encoding: chunked\r\n\r\n"

RULES = [
    Rule(
        "bytes after the end", ("we refuse",), "RFC 9112, 9.2 and 9.3.2",
        "we send one request at a time: what follows its answer answers nothing, and the connection cannot be trusted",
        _all(_says("bytes after the end"), lambda case: case.theirs.end < len(case.data)),
        _OK + _EMPTY + _OK + _EMPTY,
    ),
    Rule(
        "empty line before the answer", ("we refuse",), "RFC 9112, 2.2",
        "only servers are to skip empty lines, before a request",
        _all(_says("not an HTTP/1 answer"), _matches(rb"\A[\r\n]|\r\n\r\n[\r\n]")),
        b"\r\n" + _OK + _EMPTY,
    ),
    Rule(
        "another protocol or version", ("we refuse",), "RFC 9112, 2.3",
        "HTTP/1.0 and HTTP/1.1 are what an HTTP/1.1 request is answered in",
        _all(_says("not an HTTP/1 answer"), _matches(rb"RTSP/|ICE/|HTTP/(?:0\.9|2\.0)")),
        b"HTTP/2.0 200 OK\r\n" + _EMPTY,
    ),
    Rule(
        "status below 100", ("we refuse",), "RFC 9110, 15", "status codes are 100 to 599; from 600 we go with llhttp",
        _all(_says("malformed head"), _head(lambda head: head.status < 100)),
        b"HTTP/1.1 099 X\r\n" + _EMPTY + _OK + _EMPTY,
    ),
    Rule(
        "control character in the reason phrase", ("we refuse",), "RFC 9112, 4",
        "a reason phrase is of visible characters, blanks and obs-text",
        _all(_says("malformed head"), _head(lambda head: re.search(rb"[^\t -~\x80-\xff]", head.reason) is not None)),
        b"HTTP/1.1 200 a\0b\r\n" + _EMPTY,
    ),
    Rule(
        "Content-Length of more than 18 digits", ("we refuse",), "RFC 9110, 8.6",
        "a recipient has to guard against large numerals: more digits are zeros in front or a body nobody can hold",
        _all(
            _says("malformed Content-Length"),
            _head(lambda head: any(len(value.strip(b" \t")) > 18 for value in head.values(b"content-length"))),
        ),
        _OK + b"Content-Length: 0000000000000000005\r\n\r\nhello",
    ),
    Rule(
        "transfer coding other than chunked", ("we refuse",), "RFC 9112, 7 and 7.4",
        "we ask for no other coding (no TE field), and one we do not take off would be measured as content",
        _all(_says("transfer coding other than chunked"), _head(_not_just_chunked)),
        _OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    ),
    Rule(
        "Transfer-Encoding in HTTP/1.0", ("we refuse",), "RFC 9112, 6.1",
        "a client MUST treat such a message as one of faulty framing",
        _all(
            _says("ambiguous length"),
            _head(lambda head: head.version == "1.0" and bool(head.values(b"transfer-encoding"))),
        ),
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    Rule(
        "chunk size of more than 15 digits", ("we refuse",), "RFC 9112, 7.1",
        "a recipient has to guard against large numerals: more digits are zeros in front or a chunk nobody can hold",
        _all(_says("malformed chunk"), _matches(rb"\n[0-9A-Fa-f]{16}")),
        _CHUNKED + b"0000000000000005\r\nhello\r\n0\r\n\r\n",
    ),
    Rule(
        "chunk extension without name or value", ("we refuse",), "RFC 9112, 7.1.1",
        "unknown extensions are to be ignored, but these are none",
        _all(_says("malformed chunk"), _matches(rb"\n[0-9A-Fa-f]+[^\r\n]*(?:;=|=(?:;|\r\n))")),
        _CHUNKED + b"5;a=\r\nhello\r\n0\r\n\r\n",
    ),
    Rule(
        "blanks around a chunk extension's ; or =", ("llhttp refuses",), "RFC 9112, 7.1.1; RFC 9110, 5.6.3",
        "a recipient MUST parse such bad whitespace and remove it",
        _all(_refusal("Invalid character in chunk"), _matches(rb"\n[0-9A-Fa-f]+[^\r\n]*(?:[ \t][;=]|[;=][ \t])")),
        _CHUNKED + b"5 ; a = b\r\nhello\r\n0\r\n\r\n",
    ),
    Rule(
        "framing fields among the trailers", ("llhttp refuses",), "RFC 9110, 6.5.1",
        "a field that must not be a trailer is ignored: the body's end is known already",
        _all(
            _refusal("Content-Length can't be present", "Empty Content-Length", "Empty Transfer-Encoding"),
            _matches(_TRAILER % rb"(?:content-length|transfer-encoding)"),
        ),
        _CHUNKED + b"0\r\nContent-Length: 5\r\n\r\n",
    ),
    Rule(
        "an interim answer closes", ("llhttp refuses",), "RFC 9112, 9.6; RFC 9110, 15.2",
        "the connection closes after the final answer, which is still to come; we read it and then close",
        _all(_refusal("Data after `Connection: close`"), _interim(_closes)),
        b"HTTP/1.1 100 Continue\r\nConnection: close\r\n\r\n" + _OK + _EMPTY,
    ),
    Rule(
        "an interim answer with a length", _ANY, "RFC 9112, 6.3, 1.",
        "an answer 1xx ends with its head, whatever it says; llhttp knows that only of 100, 102 and 103",
        _interim(
            lambda head: head.status not in (100, 102, 103)
            and bool(head.values(b"content-length") or head.values(b"transfer-encoding"))
        ),
        b"HTTP/1.1 150 X\r\nContent-Length: 5\r\n\r\n" + _OK + _EMPTY,
    ),
    Rule(
        "Proxy-Connection", ("read otherwise",), "RFC 9112, C.2.2", "it is no field of HTTP/1.1's",
        _all(_only_keep_alive_differs, _head(lambda head: bool(head.values(b"proxy-connection")))),
        _OK + b"Proxy-Connection: close\r\n" + _EMPTY,
    ),
    Rule(
        "both close and keep-alive in HTTP/1.0", ("read otherwise",), "RFC 9112, 9.3",
        "close is looked for first",
        _all(
            _only_keep_alive_differs,
            _head(lambda head: head.version == "1.0" and {b"close", b"keep-alive"} <= _options(head, b"connection")),
        ),
        b"HTTP/1.0 200 OK\r\nConnection: close, keep-alive\r\n" + _EMPTY,
    ),
    Rule(
        "a tab after chunked", _ANY, "RFC 9110, 5.5 and 5.6.3",
        "blanks after a value are no part of it, tabs as little as spaces; llhttp then takes the chunks for content",
        _head(lambda head: any(value.rstrip(b" ")[-1:] == b"\t" for value in head.values(b"transfer-encoding"))),
        _OK + b"Transfer-Encoding: chunked\t\r\n\r\n0\r\n\r\n",
    ),
    Rule(
        "connection fields among the trailers", ("read otherwise",), "RFC 9110, 6.5.1",
        "a field that must not be a trailer is ignored: what becomes of the connection was said in the head",
        _all(
            _only_keep_alive_differs,
            _matches(_TRAILER % rb"(?:connection|proxy-connection|transfer-encoding)"),
        ),
        _CHUNKED + b"0\r\nConnection: close\r\n\r\n",
    ),
]  # fmt: skip
