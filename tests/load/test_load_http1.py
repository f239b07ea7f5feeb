from __future__ import annotations

import tracemalloc
from contextlib import suppress

import pytest

from edgebench.load.answer import Response
from edgebench.load.head import HeadReader, ProtocolError
from edgebench.load.http1 import AnswerParser, Limits

Outcome = tuple[int, bytes, bytes, bool] | str


def parse(
    pieces: list[bytes], *, head_only: bool = False, closed: bool = True, limits: Limits | None = None
) -> Outcome:
    """The answer's parts or the error's text; "more" when the parser still waits."""
    parser = AnswerParser(limits=limits or Limits())
    parser.begin(head_only=head_only)
    try:
        for piece in pieces:
            answer: Response | None = parser.feed(piece)
            if answer is not None:
                return answer.says.status, answer.head, answer.body, answer.says.keep_alive
        if not closed:
            return "more"
        answer = parser.end()
        return answer.says.status, answer.head, answer.body, answer.says.keep_alive
    except ProtocolError as error:
        return str(error)


GOOD = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200\r\ncontent-length:0\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\nA: b\r\n\r\n",
    b'HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\nETag: "x"\r\n\r\n',
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n00A\r\n0123456789\r\n0\r\nT: x\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nConnection: close\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Go\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx",
    b"HTTP/1.1 200 OK\r\nX-Obs: caf\xe9\r\n\r\nuntil the end",
]


@pytest.mark.parametrize("data", GOOD)
def test_split_at_every_byte_boundary_gives_the_same_answer(data: bytes) -> None:
    whole = parse([data])
    assert not isinstance(whole, str)
    for at in range(1, len(data)):
        assert parse([data[:at], data[at:]]) == whole
    assert parse([data[at : at + 1] for at in range(len(data))]) == whole


def test_what_an_answer_says() -> None:
    assert [parse([data])[0] for data in GOOD] == [200, 200, 204, 304, 200, 200, 200, 200, 200]
    assert [parse([data])[2] for data in GOOD] == [
        b"hello", b"", b"", b"", b"hello0123456789", b"", b"ok", b"x", b"until the end",
    ]  # fmt: skip
    assert [parse([data])[3] for data in GOOD] == [True, True, True, True, True, False, True, True, False]
    assert parse([b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"], head_only=True, closed=False)[2] == b""
    assert parse([b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"])[3] is False


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "closed without an answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "answer cut off"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "answer cut off"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", "answer cut off"),
        (b"SSH-2.0-OpenSSH\r\n", "not an HTTP/1 answer"),
        (b"HTTP/2 200\r\n\r\n", "not an HTTP/1 answer"),
        (b"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n", "malformed head"),
        (b"HTTP/1.1 200 OK\nA: b\n\r\n\r\n", "malformed head"),
        (b"HTTP/1.1 2OO OK\r\n\r\n", "malformed head"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "malformed head"),
        (b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", "malformed head"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", "switched protocols unasked"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "malformed Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello", "malformed Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "ambiguous length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "ambiguous length"),
        (b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "ambiguous length"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "transfer coding"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "malformed chunk"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!!0\r\n\r\n", "malformed chunk"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n", "malformed chunk"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello!", "bytes after the end"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n", "malformed chunk"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;;\r\nhello\r\n0\r\n\r\n", "malformed chunk"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\nC: d\r\n\r\n", "malformed trailer"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nno colon\r\n\r\n", "malformed trailer"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n folded\r\n\r\n", "malformed trailer"),
        (b"HTTP/1.1 200 OK\r\nA: \x07\r\n\r\n", "malformed head"),
        (b"HTTP/1.1 204 No Content\r\n\r\nx", "bytes after the end"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nx", "bytes after the end"),
    ],
)
def test_bad_answers_have_a_reason(data: bytes, reason: str) -> None:
    outcome = parse([data] if data else [])
    assert isinstance(outcome, str)
    assert reason in outcome


def test_limits() -> None:
    limits = Limits(head_bytes=100, body_bytes=10)
    long_head = b"HTTP/1.1 200 OK\r\nA: " + b"x" * 200
    assert parse([long_head], limits=limits) == "head over the limit"
    assert parse([long_head + b"\r\n\r\n"], limits=limits) == "head over the limit"
    assert parse([b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n"], limits=limits) == "body over the limit"
    assert parse([b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 11], limits=limits) == "body over the limit"
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert parse([chunked + b"b\r\n"], limits=limits) == "body over the limit"
    assert parse([chunked + b"1;" + b"x" * 5000], limits=limits) == "chunk line over the limit"
    assert parse([chunked + b"0\r\n" + b"A: b\r\n" * 50], limits=limits) == "trailers over the limit"
    extended = b"".join(b"1;" + b"x" * 40 + b"\r\ny\r\n" for _ in range(3))
    assert parse([chunked + extended], limits=limits) == "chunk extensions over the limit"
    assert parse([chunked + b"1\r\nx\r\n" * 10 + b"0\r\n\r\n"], limits=limits)[2] == b"x" * 10


def test_limits_are_met_to_the_byte_wherever_the_bytes_are_cut() -> None:
    def both(data: bytes, limits: Limits | None = None) -> Outcome:
        whole = parse([data], closed=False, limits=limits)
        assert parse([data[at : at + 1] for at in range(len(data))], closed=False, limits=limits) == whole
        return whole

    head = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA: %b\r\n\r\n" % (b"x" * 58)
    limits = Limits(head_bytes=100)
    assert both(head[:-5] + head[-4:], limits)[0] == both(head, Limits(head_bytes=101))[0] == 200
    assert both(head, limits) == both(head[:100], limits) == "head over the limit"
    assert both(head[:-4] + b"xxxx\n\n", limits) == "head over the limit"
    assert both(head[:99], limits) == "more"
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    line = b"0;" + b"x" * 4092 + b"\r\n"
    assert both(chunked + line + b"\r\n")[0] == 200
    assert both(chunked + line[:-1]) == "more"
    assert both(chunked + line[:-2] + b"x\r\n\r\n") == both(chunked + line[:-2] + b"xx") == "chunk line over the limit"


def test_interim_answers_are_limited_and_do_not_nest() -> None:
    interim, final = b"HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    assert parse([interim * 32 + final])[2] == b"ok"
    assert parse([interim] * 32 + [final])[2] == b"ok"
    assert parse([interim[:9], interim[9:]] * 32 + [final])[2] == b"ok"
    assert parse([interim * 33 + final]) == parse([interim] * 33) == "interim answers over the limit"
    assert parse([interim * 10_000]) == "interim answers over the limit"
    assert parse([interim * 10_000 + final], limits=Limits(interim_answers=10_000))[2] == b"ok"


@pytest.mark.parametrize(
    ("version", "lines", "keep_alive"),
    [
        (1, [], True),
        (0, [], False),
        (1, [b"close"], False),
        (1, [b"x, Close ,y"], False),
        (1, [b"close-not"], True),
        (1, [b"not-close, closed"], True),
        (1, [b"close", b"keep-alive"], False),
        (1, [b"keep-alive", b"close"], False),
        (0, [b"keep-alive"], True),
        (0, [b"x,\tKeep-Alive"], True),
        (0, [b"not-keep-alive"], False),
        (0, [b"close", b"keep-alive"], False),
        (0, [b"keep-alive, close"], False),
    ],
)
def test_connection_options_are_whole_words_and_close_wins(version: int, lines: list[bytes], keep_alive: bool) -> None:
    head = b"HTTP/1.%d 200 OK\r\nContent-Length: 0\r\n" % version
    head += b"".join(b"Connection: " + line + b"\r\n" for line in lines)
    assert parse([head + b"\r\n"])[3] is keep_alive


def test_an_interim_answer_that_closes_is_waited_out() -> None:
    final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    assert parse([b"HTTP/1.1 103 Early\r\nConnection: close\r\n\r\n" + final])[2:] == (b"ok", False)


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\n0\n\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\n",
        b"SSH-2.0-OpenSSH",
        b"<html>",
    ],
)
def test_what_cannot_become_an_answer_is_refused_at_once(data: bytes) -> None:
    assert parse([data], closed=False) == parse([data[at : at + 1] for at in range(len(data))], closed=False) != "more"


def test_a_parser_is_fit_for_the_next_answer_whatever_was_before() -> None:
    parser = AnswerParser()
    for before in [data[:at] + end for data in GOOD for at in range(1, len(data)) for end in (b"", b"\0\r\n\r\n")]:
        parser.begin(head_only=len(before) % 2 == 0)
        with suppress(ProtocolError):
            parser.feed(before)
        parser.begin()
        answer = parser.feed(GOOD[0])
        assert answer is not None
        assert (answer.body, answer.says.keep_alive) == (b"hello", True)


@pytest.mark.parametrize("head", [b"Transfer-Encoding: chunked\r\n", b"Content-Length: 400000\r\n", b""])
def test_a_body_in_tiny_pieces_takes_little_more_memory_than_the_body(head: bytes) -> None:
    parser = AnswerParser()
    piece = b"2\r\nxy\r\n" if b"chunked" in head else b"xy"
    tracemalloc.start()
    try:
        answer = parser.feed(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n")
        for _ in range(200_000):
            answer = answer or parser.feed(piece[:1] + piece[1:])
        answer = answer or (parser.feed(b"0\r\n\r\n") if b"chunked" in head else parser.end())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer is not None
    assert answer.body == b"xy" * 200_000
    assert peak < 4 * len(answer.body)


def test_what_a_reader_remembers_is_bounded() -> None:
    reader = HeadReader()
    tracemalloc.start()
    try:
        for number in range(45_000):
            reader.read(b"HTTP/1.1 200 %d\r\nA: %0240d\r\nB: %0300d\r\n\r\n" % (number, number, number))
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size < 12_000_000
    assert reader.read(b"HTTP/1.1 204 7\r\nContent-Length: 8\r\n\r\n").length == 8
