"""HTTP/1.1 messages, read and written by asyncio's streams, and the kept connections to the origin."""

from __future__ import annotations

from asyncio import IncompleteReadError, StreamReader, StreamWriter, get_running_loop, open_connection
from dataclasses import dataclass
from time import monotonic

Fields = tuple[tuple[str, str], ...]
_HOP_BY_HOP = frozenset(
    ("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding",
     "upgrade", "proxy-connection")
)  # fmt: skip
_BODILESS = (204, 304)
IDLE_S = 0.25
"""How long an unused connection to the origin is kept."""


def field(fields: Fields, name: str) -> str:
    """All values of a header as one list; empty where it is not there. `name` in lower case."""
    return ", ".join(value for key, value in fields if key.lower() == name)


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    target: str
    fields: Fields
    body: bytes = b""

    @property
    def authorization(self) -> str:
        return field(self.fields, "authorization")

    @property
    def last(self) -> bool:
        """Whether the client wants its connection closed after the answer."""
        return "close" in field(self.fields, "connection").lower()

    def wire(self) -> bytes:
        fields = (*_end_to_end(self.fields), *((("Content-Length", str(len(self.body))),) if self.body else ()))
        return _head(f"{self.method} {self.target} HTTP/1.1", fields) + self.body


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    reason: str
    fields: Fields
    body: bytes
    """As the origin coded it, without chunks."""

    def wire(self, more: Fields, *, bodiless: bool, length: int | None = None) -> bytes:
        """`more`: fields of the proxy's own. `length`: what Content-Length says, where it is not the truth."""
        fields = _end_to_end(self.fields)
        if bodiless:  # of a HEAD, Content-Length is that of the body it would have had
            said = field(self.fields, "content-length")
            fields = (*fields, *((("Content-Length", said),) if said else ()))
        elif self.status not in _BODILESS:
            fields = (*fields, ("Content-Length", str(len(self.body) if length is None else length)))
        return _head(f"HTTP/1.1 {self.status} {self.reason}", (*fields, *more)) + (b"" if bodiless else self.body)


def _end_to_end(fields: Fields) -> Fields:
    named = {name.strip().lower() for name in field(fields, "connection").split(",")}
    left_out = _HOP_BY_HOP | named | {"content-length"}
    return tuple((name, value) for name, value in fields if name.lower() not in left_out)


def _head(line: str, fields: Fields) -> bytes:
    return "\r\n".join((line, *(f"{name}: {value}" for name, value in fields), "", "")).encode("latin-1")


async def read_request(reader: StreamReader) -> Request | None:
    """The next request of a connection; None where the client has closed it."""
    try:
        line, fields = await _read_head(reader)
    except IncompleteReadError:
        return None
    method, target, _ = line.split(" ")
    body = b""
    if field(fields, "content-length") or field(fields, "transfer-encoding"):
        body = await _read_body(reader, fields)
    return Request(method, target, fields, body)


async def _read_answer(reader: StreamReader, method: str) -> Answer:
    line, fields = await _read_head(reader)
    _, status, *reason = line.split(" ", 2)
    bodiless = method == "HEAD" or int(status) in _BODILESS
    return Answer(int(status), "".join(reason), fields, b"" if bodiless else await _read_body(reader, fields))


async def _read_head(reader: StreamReader) -> tuple[str, Fields]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *lines = head[:-4].split("\r\n")
    pairs = (text.partition(":") for text in lines)
    return line, tuple((name, value.strip()) for name, _, value in pairs)


async def _read_body(reader: StreamReader, fields: Fields) -> bytes:
    if "chunked" in field(fields, "transfer-encoding").lower():
        pieces = []
        while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
            pieces.append((await reader.readexactly(size + 2))[:-2])
        while await reader.readuntil(b"\r\n") != b"\r\n":
            pass
        return b"".join(pieces)
    length = field(fields, "content-length")
    return await reader.readexactly(int(length)) if length else await reader.read()


class Origin:
    """Where requests are passed on to, by connections that are kept."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[tuple[StreamReader, StreamWriter, float]] = []
        """And since when, the latest last."""
        self._sweeping = False

    async def fetch(self, request: Request) -> Answer:
        """Raises OSError or EOFError where the origin gives no answer."""
        while self._idle:
            reader, writer, _ = self._idle.pop()
            if reader.at_eof() or writer.is_closing():
                writer.close()
                continue
            try:
                return await self._exchange(reader, writer, request)
            except (OSError, EOFError):  # closed since it was last used: that says nothing of the next one
                if request.method not in ("GET", "HEAD"):
                    raise
        return await self._exchange(*await open_connection("127.0.0.1", self._port), request)

    async def _exchange(self, reader: StreamReader, writer: StreamWriter, request: Request) -> Answer:
        try:
            writer.write(request.wire())
            answer = await _read_answer(reader, request.method)
        except BaseException:
            writer.close()
            raise
        framed = field(answer.fields, "content-length") or field(answer.fields, "transfer-encoding")
        kept = framed or answer.status in _BODILESS or request.method == "HEAD"
        if kept and "close" not in field(answer.fields, "connection").lower():
            self._idle.append((reader, writer, monotonic()))
            if not self._sweeping:
                self._sweep()
        else:
            writer.close()
        return answer

    def _sweep(self) -> None:
        """Close what nobody has used for a while: an origin that is told to stop waits for connections to be closed."""
        while self._idle and self._idle[0][2] < monotonic() - IDLE_S:
            self._idle.pop(0)[1].close()
        self._sweeping = bool(self._idle)
        if self._sweeping:
            get_running_loop().call_later(IDLE_S / 2, self._sweep)
