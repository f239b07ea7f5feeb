"""Answers for fuzzing, as hypothesis strategies: valid ones with what they mean, and damaged ones."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from hypothesis import strategies as st

_TOKEN = b"!#$%&'*+-.^_`|~0123456789ABCXYZabcxyz"
_TEXT = bytes(range(0x20, 0x7F)) + b"\t\xa0\xc3\xe9\xff"
_FRAMING = (b"connection", b"content-length", b"proxy-connection", b"transfer-encoding")


@dataclass(frozen=True, slots=True)
class Valid:
    """An answer of RFC 9112's grammar and what it means."""

    data: bytes
    head_only: bool
    status: int
    body: bytes
    keep_alive: bool


def _bytes_of(alphabet: bytes, least: int = 0, most: int = 12) -> st.SearchStrategy[bytes]:
    return st.lists(st.sampled_from(alphabet), min_size=least, max_size=most).map(bytes)


_OWS = st.sampled_from([b" ", b" ", b"", b"\t", b" \t  "])
_NAMES = st.one_of(
    st.sampled_from([b"Server", b"Date", b"ETag", b"Vary", b"X-Cache", b"Age", b"Set-Cookie", b"Upgrade", b"x"]),
    _bytes_of(_TOKEN, 1).filter(lambda name: name.lower() not in _FRAMING),
)
_VALUES = st.one_of(_bytes_of(_TEXT), st.sampled_from([b"", b"12", b'"x, y"', b"a:b", b"chunked", b"close", b"0"]))
_REASONS = st.one_of(
    st.sampled_from([b"", b" ", b" OK", b" Not Modified"]), _bytes_of(_TEXT).map(lambda text: b" " + text)
)
_BODIES = st.one_of(
    st.binary(max_size=40),
    st.binary(max_size=40),
    st.sampled_from([b"", b"x", b"\r\n", b"\r\n\r\n", b"0\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", bytes(range(256)) * 3]),
)
_CLOSES = [b"close", b"Close", b"CLOSE , x", b"x,close", b"keep-alive, close", b", close"]
_KEEPS = [b"keep-alive", b"Keep-Alive", b"x, keep-alive", b"keep-alive,"]
_NEITHER = [b"close-not", b"not-close", b"x", b"Upgrade", b"", b"keep-alivex", b"closed, keepalive"]


@st.composite
def _line(draw: st.DrawFn, name: bytes, value: bytes) -> bytes:
    spelled = draw(st.sampled_from([name, name, name.lower(), name.upper()]))
    return spelled + b":" + draw(_OWS) + value + draw(_OWS) + b"\r\n"


@st.composite
def _lines(draw: st.DrawFn, most: int = 4) -> list[bytes]:
    return [draw(_line(draw(_NAMES), draw(_VALUES))) for _ in range(draw(st.integers(0, most)))]


@st.composite
def _interim(draw: st.DrawFn) -> bytes:
    status = draw(st.sampled_from([b"100", b"103", b"103", b"102", b"150"]))
    return b"HTTP/1.1 " + status + draw(_REASONS) + b"\r\n" + b"".join(draw(_lines(2))) + b"\r\n"


@st.composite
def _extension(draw: st.DrawFn) -> bytes:
    name = draw(_bytes_of(_TOKEN, 1, 3))
    value = draw(st.sampled_from([b"", b"=v", b'="q;,\\"\t"', b'=""', b' = "\xe9"', b"\t=v"]))
    return draw(st.sampled_from([b";", b";", b";", b" ; ", b";\t"])) + name + value


@st.composite
def _chunked(draw: st.DrawFn, body: bytes) -> bytes:
    cuts = sorted({0, len(body), *draw(st.lists(st.integers(0, len(body)), max_size=3))})
    sizes = draw(st.sampled_from([b"%x", b"%X", b"%03x"]))
    extended = draw(st.booleans())
    out = b""
    for start, end in pairwise(cuts):
        extensions = b"".join(draw(st.lists(_extension(), max_size=2))) if extended else b""
        out += sizes % (end - start) + extensions + b"\r\n" + body[start:end] + b"\r\n"
    last = draw(st.sampled_from([b"0", b"0", b"000"])) + (draw(_extension()) if extended else b"")
    return out + last + b"\r\n" + b"".join(draw(_lines(2))) + b"\r\n"


@st.composite
def valid_answers(draw: st.DrawFn) -> Valid:
    """Interim answers, a head with odd but legal lines, and a body framed in every way there is."""
    http_1_1 = draw(st.sampled_from([True, True, True, False]))
    status = draw(st.sampled_from([200, 200, 200, 204, 205, 206, 301, 304, 404, 500, 599, 999]))
    head_only = draw(st.sampled_from([False, False, False, True]))
    body = draw(_BODIES)
    framing = draw(
        st.sampled_from(["length", "length", "chunked", "chunked", "close"] if http_1_1 else ["length", "close"])
    )
    lines = draw(_lines())
    if framing == "length":
        lines.append(draw(_line(b"Content-Length", draw(st.sampled_from([b"%d", b"%d", b"%04d"])) % len(body))))
    elif framing == "chunked":
        lines.append(draw(_line(b"Transfer-Encoding", draw(st.sampled_from([b"chunked", b"Chunked"])))))
    options = draw(st.lists(st.sampled_from([*_CLOSES, *_KEEPS, *_NEITHER]), max_size=2))
    lines += [draw(_line(b"Connection", option)) for option in options]
    head = draw(st.permutations(lines))
    data = b"".join(draw(st.lists(_interim(), max_size=2)))
    data += (
        (b"HTTP/1.1 " if http_1_1 else b"HTTP/1.0 ")
        + b"%d" % status
        + draw(_REASONS)
        + b"\r\n"
        + b"".join(head)
        + b"\r\n"
    )
    keep_alive = not set(options) & set(_CLOSES) and (http_1_1 or bool(set(options) & set(_KEEPS)))
    if head_only or status in (204, 304):
        return Valid(data, head_only, status, b"", keep_alive)
    data += draw(_chunked(body)) if framing == "chunked" else body
    return Valid(data, head_only, status, body, keep_alive and framing != "close")


_STATUS_LINES = [
    b"HTTP/1.1 200", b"HTTP/1.1  200 OK", b"HTTP/1.1 099 OK", b"HTTP/1.1 20 OK", b"HTTP/1.1 2000 OK",
    b"HTTP/1.1 101 S", b"HTTP/1.1 199 X", b"HTTP/2 200", b"HTTP/2.0 200 OK", b"HTTP/0.9 200 OK", b"HTTP/1.2 200 OK",
    b"http/1.1 200 OK", b"ICY 200 OK", b"RTSP/1.0 200 OK", b"HTTP/1.0 100 Continue", b"HTTP/1.1 200 a\0b",
    b"HTTP/1.1 200 a\x01b", b"",
]  # fmt: skip
_LINES = [
    b"Content-Length: 5", b"Content-Length: 0", b"Content-Length: -1", b"Content-Length: +5", b"Content-Length: 5, 5",
    b"Content-Length:", b"Content-Length : 5", b"Content-Length: 99999999999999999999999", b"Content-Length: 0x5",
    b"Content-Length: 0000000000000000000000000001", b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked, chunked",
    b"Transfer-Encoding:", b"Transfer-Encoding : chunked", b"Transfer-Encoding: identity",
    b"Transfer-Encoding: \x0bchunked", b"Connection: close", b"Connection: keep-alive", b"Connection: upgrade",
    b"Proxy-Connection: close", b"Proxy-Connection: keep-alive", b"Upgrade: h2c", b" folded", b"\tfolded", b"no colon",
    b": no name", b"A : b", b"A\0: b", b"A: \0", b"A: \x7f", b"A: b\rC: d", b"A: b\nC: d", b"\xe9: x",
]  # fmt: skip
_SNIPPETS = [
    b"\r", b"\n", b"\r\n", b"\n\n", b"\r\n\r\n", b"\r\r\n", b"\0", b" ", b"\t", b"\x0b", b"\x7f", b"\xff", b":", b",",
    b";", b"=", b'"', b"0", b"-", b"+", b"0x", b"f", b"HTTP/1.1 100 Continue\r\n\r\n",
]  # fmt: skip
_NUMBERS = [
    b"-1", b"+5", b"0x5", b"5 ", b" 5", b"1e1", b"", b"0" * 30, b"0" * 16 + b"5", b"9" * 15, b"9" * 18, b"9" * 19,
    b"f" * 15, b"f" * 16, b"18446744073709551615", b"18446744073709551616", b"5, 5", b"5;", b"5;a=", b"5;=b", b"5 ;a",
    b"\xd9\xa3",
]  # fmt: skip


def _place(size: int) -> st.SearchStrategy[int]:
    """0 to `size`, often about the middle: damage in front only makes it no answer at all."""
    return st.integers(0, size).map(lambda at: (at + size // 2) % (size + 1))


def _insert(draw: st.DrawFn, data: bytes) -> bytes:
    at = draw(_place(len(data)))
    return data[:at] + draw(st.sampled_from(_SNIPPETS)) + data[at:]


def _delete(draw: st.DrawFn, data: bytes) -> bytes:
    at = draw(_place(len(data)))
    return data[:at] + data[at + draw(st.integers(1, 4)) :]


def _flip(draw: st.DrawFn, data: bytes) -> bytes:
    at = draw(_place(len(data)))
    return data[:at] + bytes([draw(st.integers(0, 255))]) + data[at + 1 :]


def _truncate(draw: st.DrawFn, data: bytes) -> bytes:
    return data[: draw(_place(len(data)))]


def _glue(draw: st.DrawFn, data: bytes) -> bytes:
    return data + draw(st.one_of(valid_answers().map(lambda answer: answer.data), st.binary(min_size=1, max_size=9)))


def _repeat_line(draw: st.DrawFn, data: bytes) -> bytes:
    lines = data.split(b"\r\n")
    line = lines[draw(_place(len(lines) - 1))]
    lines.insert(draw(_place(len(lines))), line)
    return b"\r\n".join(lines)


def _add_line(draw: st.DrawFn, data: bytes) -> bytes:
    ends = [match.end() for match in re.finditer(b"\r\n", data)] or [0]
    at = draw(st.sampled_from(ends))
    return data[:at] + draw(st.sampled_from(_LINES)) + b"\r\n" + data[at:]


def _change_status_line(draw: st.DrawFn, data: bytes) -> bytes:
    starts = [match.span() for match in re.finditer(rb"HTTP/1[^\r\n]*", data)] or [(0, 0)]
    start, end = draw(st.sampled_from(starts))
    return data[:start] + draw(st.sampled_from(_STATUS_LINES)) + data[end:]


def _change_number(draw: st.DrawFn, data: bytes) -> bytes:
    numbers = [match.span() for match in re.finditer(rb"\b[0-9A-Fa-f]{1,4}\b", data)] or [(0, 0)]
    start, end = draw(st.sampled_from(numbers))
    return data[:start] + draw(st.sampled_from(_NUMBERS)) + data[end:]


def _bare_lf(draw: st.DrawFn, data: bytes) -> bytes:
    ends = [match.start() for match in re.finditer(b"\r\n", data)]
    if not ends or draw(st.booleans()):
        return data.replace(b"\r\n", b"\n")
    at = draw(st.sampled_from(ends))
    return data[:at] + data[at + 1 :]


_DAMAGES: list[Callable[[st.DrawFn, bytes], bytes]] = [
    _insert, _insert, _delete, _flip, _flip, _truncate, _glue, _repeat_line, _add_line, _add_line, _change_status_line,
    _change_number, _change_number, _bare_lf,
]  # fmt: skip


@st.composite
def damaged_answers(draw: st.DrawFn) -> tuple[bytes, bool]:
    """(bytes, whether HEAD was asked): a valid answer, damaged once to three times."""
    answer = draw(valid_answers())
    data = answer.data
    for damage in draw(st.lists(st.sampled_from(_DAMAGES), min_size=1, max_size=3)):
        data = damage(draw, data)
    return data, answer.head_only


@st.composite
def cut(draw: st.DrawFn, data: bytes, most: int = 6) -> list[bytes]:
    """`data` in pieces, none of them empty."""
    at = sorted({0, len(data), *draw(st.lists(st.integers(0, len(data)), max_size=most))})
    return [data[start:end] for start, end in pairwise(at)]
