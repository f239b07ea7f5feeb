"""The SQLite file: made on first start, then read and written through a pool of connections."""

import sqlite3
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import astuple
from pathlib import Path
from typing import Self

from target_app.firststart import build_once
from target_app.generate import generate_products

BUSY_TIMEOUT_S = 5.0


class Database:
    """Connections to one SQLite file.

    Opening a connection reads the whole schema and costs more than most queries, so connections
    are kept and lent. A pool rather than one per thread: threads come and go under some servers.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._idle: deque[sqlite3.Connection] = deque()
        # Closes what is idle when the app is dropped, and at the latest when the process ends.
        self.close = weakref.finalize(self, _close_all, self._idle)

    @classmethod
    def open(cls, path: Path) -> Self:
        """The database at `path`, made first if it is not there."""
        build_once(path, build_catalogue)
        return cls(path)

    def borrow(self) -> sqlite3.Connection:
        """A connection for one request; hand it to `give_back` afterwards."""
        try:
            return self._idle.pop()
        except IndexError:
            return connect(self.path)

    def give_back(self, connection: sqlite3.Connection) -> None:
        """Keep a borrowed connection for the next request."""
        if self.close.alive:
            self._idle.append(connection)
        else:
            connection.close()


def connect(path: Path) -> sqlite3.Connection:
    """Open `path`; transactions are begun by `reading` and `writing`, never behind our back."""
    connection = sqlite3.connect(
        path,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,  # lent to one thread at a time, not always the same
    )
    # With a write-ahead log this is safe against crashes; only a power cut may lose the last write.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


@contextmanager
def reading(connection: sqlite3.Connection) -> Iterator[None]:
    """All reads inside see the database at one moment, such as a revision and what it counts."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("COMMIT")


@contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing. The lock is taken first, so what is read inside cannot be overtaken."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def build_catalogue(path: Path) -> None:
    """Write a new database with the whole catalogue to `path`."""
    schema = Path(__file__).with_name("schema.sql").read_text(encoding="utf-8")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.executescript(schema)
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO product VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            map(astuple, generate_products()),
        )
        connection.execute("INSERT INTO product_fts (product_fts) VALUES ('rebuild')")
        connection.execute("COMMIT")
        connection.execute("ANALYZE")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA journal_mode = WAL")


def _close_all(connections: deque[sqlite3.Connection]) -> None:
    while connections:
        connections.pop().close()
