from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edgebench.load.answer import Answer
from edgebench.load.head import ProtocolError
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
            answer: Answer | None = parser.feed(piece)
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


@given(st.binary(max_size=300), st.sampled_from([b"", b"HTTP/1.1 ", GOOD[0][:35], GOOD[4][:47]]), st.booleans())
@example(b"\r\n\r\n", b"", False)
def test_garbage_raises_nothing_but_protocol_errors(garbage: bytes, start: bytes, head_only: bool) -> None:
    parse([start + garbage], head_only=head_only)


@given(st.data())
def test_any_split_of_a_damaged_answer_has_the_same_outcome(data: st.DataObject) -> None:
    good = data.draw(st.sampled_from(GOOD))
    at = data.draw(st.integers(0, len(good) - 1))
    damaged = good[:at] + data.draw(st.binary(min_size=1, max_size=3)) + good[at + data.draw(st.integers(0, 2)) :]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(damaged)), max_size=5)))
    pieces = [damaged[a:b] for a, b in zip([0, *cuts], [*cuts, len(damaged)], strict=True) if b > a]
    whole, split = parse([damaged]), parse(pieces)
    if isinstance(whole, str) and "bytes after the end" in whole:
        return  # cut exactly at the end, the rest is not the parser's to see
    assert split == whole or (isinstance(split, str) and isinstance(whole, str))
