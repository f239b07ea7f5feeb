"""TLS for one connection: a stream that looks like a non-blocking socket, and the trust it needs.

Records are decrypted in memory: what one `recv` of the socket brings is worked off before anybody waits again, so
nothing decrypted is ever left behind where the event loop cannot see it; and what is not for us (a session ticket, a
key update) leaves the socket as an idle one.
"""

from __future__ import annotations

import ssl
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from socket import SHUT_RD
from typing import Any

from edgebench.errors import UserError

_RECEIVE_BYTES = 65_536
_SEND_BYTES = 65_536


@lru_cache
def client_context(verify: bool = True, ca_file: str | Path | None = None) -> ssl.SSLContext:
    """HTTP/1.1 over TLS 1.2 or later. The CAs are those of `ca_file` (PEM), or the system's (SSL_CERT_FILE and
    SSL_CERT_DIR name others); without `verify` any certificate will do. Raises UserError."""
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        why = error.strerror if not isinstance(error, ssl.SSLError) else "holds no certificate in PEM form"
        raise UserError(f"CA file {ca_file}: {why}") from None
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context


def reason(error: OSError) -> str:
    """A short text that is the same whenever the same thing is wrong."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {error.verify_message.rstrip('.')}"
    if isinstance(error, ssl.SSLEOFError):
        return "closed without TLS close_notify"
    if isinstance(error, ssl.SSLError) and error.reason:
        return f"TLS: {error.reason.lower().replace('_', ' ')}"
    return error.strerror or type(error).__name__


class TlsStream:
    """`recv` and `send` as a non-blocking socket has them: BlockingIOError where the other side must act first."""

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._raw: Any = None
        self._cipher = memoryview(b"")
        """Encrypted and not yet sent."""
        self._accepted = 0
        """How many bytes of the caller's are in it."""

    def shake_hands(self, socket: Any, raw: Any) -> None:
        """On `socket`, which waits; all that follows goes over `raw`, which does not. Raises OSError."""
        self._raw = raw
        while True:
            try:
                self._tls.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                done = False
            except ssl.SSLError:
                with suppress(OSError):
                    socket.sendall(self._outgoing.read())  # tells the server why
                raise
            if self._outgoing.pending:
                socket.sendall(self._outgoing.read())
            if done:
                return
            self._fill(socket.recv(_RECEIVE_BYTES))

    def recv(self, _: int) -> bytes:
        """All that has come; b"" after the server's close_notify; SSLEOFError where the stream ends without one."""
        self._fill(self._raw.recv(_RECEIVE_BYTES))
        pieces = []
        try:
            while True:
                piece = self._tls.read(_RECEIVE_BYTES)
                if not piece:
                    # Nothing more may come, and nobody would look again: make the socket say so.
                    with suppress(OSError):
                        self._raw.shutdown(SHUT_RD)
                    break
                pieces.append(piece)
                if not self._incoming.pending and not self._tls.pending():
                    break
        except ssl.SSLWantReadError:
            if not pieces:
                self._flush()
                raise BlockingIOError from None
        except ssl.SSLEOFError:
            if not pieces:
                raise
        return b"".join(pieces)

    def send(self, data: bytes | memoryview) -> int:
        """How many bytes have left. After a BlockingIOError the same bytes must be given again."""
        sent = 0
        while sent < len(data):
            if not self._accepted:
                self._accepted = self._tls.write(memoryview(data)[sent : sent + _SEND_BYTES])
            try:
                self._flush()
            except BlockingIOError:
                if not sent:
                    raise
                break
            sent += self._accepted
            self._accepted = 0
        return sent

    def say_goodbye(self) -> None:
        """close_notify, if the socket takes it at once."""
        with suppress(OSError, ValueError):
            self._tls.unwrap()
        with suppress(OSError):
            self._flush()

    def _fill(self, cipher: bytes) -> None:
        if cipher:
            self._incoming.write(cipher)
        else:
            self._incoming.write_eof()

    def _flush(self) -> None:
        while self._cipher or self._outgoing.pending:
            if not self._cipher:
                self._cipher = memoryview(self._outgoing.read())
            self._cipher = self._cipher[self._raw.send(self._cipher) :]
