"""Products: what they are, and how they are read, found and changed."""

import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal

Sort = Literal["id", "-id", "name", "-name", "price", "-price"]

ORDER_BY: dict[Sort, str] = {
    "id": "id",
    "-id": "id DESC",
    "name": "name, id",
    "-name": "name DESC, id DESC",
    "price": "price_cents, id",
    "-price": "price_cents DESC, id DESC",
}


@dataclass(frozen=True, slots=True)
class Product:
    """One article of the catalogue; the fields are the columns of the table, in order."""

    id: int
    sku: str
    name: str
    category: str
    price_cents: int
    stock: int
    description: str
    version: int

    def as_dict(self) -> dict[str, str | int]:
        """The fields by name; `asdict` copies deeply, which costs more than the query."""
        return {name: getattr(self, name) for name in FIELDS}


FIELDS = tuple(field.name for field in fields(Product))
COLUMNS = ", ".join(FIELDS)


@dataclass(frozen=True, slots=True)
class Window:
    """Which page of a result is wanted; pages count from 1."""

    page: int
    per_page: int

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.per_page


@dataclass(frozen=True, slots=True)
class Listing:
    """A filtered, sorted view of the catalogue. None filters nothing."""

    window: Window
    sort: Sort = "id"
    category: str | None = None
    min_price_cents: int | None = None
    max_price_cents: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """The products on one page, and how many there are on all pages."""

    products: list[Product]
    total: int


def get_revision(db: sqlite3.Connection) -> int:
    """The number of the catalogue's last change."""
    (revision,) = db.execute("SELECT revision FROM catalogue").fetchone()
    return int(revision)


def get_version(db: sqlite3.Connection, product_id: int) -> int | None:
    """A product's version without the rest of it, or None if there is no such product."""
    row = db.execute("SELECT version FROM product WHERE id = ?", (product_id,)).fetchone()
    return None if row is None else int(row[0])


def get_product(db: sqlite3.Connection, product_id: int) -> Product | None:
    """The product, or None if there is none with this id."""
    query = f"SELECT {COLUMNS} FROM product WHERE id = ?"
    row = db.execute(query, (product_id,)).fetchone()
    return None if row is None else Product(*row)


def list_products(db: sqlite3.Connection, listing: Listing) -> Found:
    """One page of the products that pass the listing's filters."""
    conditions = {
        "category = ?": listing.category,
        "price_cents >= ?": listing.min_price_cents,
        "price_cents <= ?": listing.max_price_cents,
    }
    wanted = {sql: value for sql, value in conditions.items() if value is not None}
    where = f"WHERE {' AND '.join(wanted)}" if wanted else ""
    values = tuple(wanted.values())

    (total,) = db.execute(f"SELECT count(*) FROM product {where}", values).fetchone()
    rows = db.execute(
        f"SELECT {COLUMNS} FROM product {where} ORDER BY {ORDER_BY[listing.sort]} LIMIT ? OFFSET ?",
        (*values, listing.window.per_page, listing.window.offset),
    )
    return Found([Product(*row) for row in rows], total)


def search_products(db: sqlite3.Connection, text: str, window: Window) -> Found:
    """One page of the products that contain all words of `text`, best match first."""
    match = fts_query(text)
    if not match:
        return Found([], 0)
    (total,) = db.execute("SELECT count(*) FROM product_fts WHERE product_fts MATCH ?", (match,)).fetchone()
    rows = db.execute(
        f"""
        SELECT {COLUMNS} FROM (
          SELECT rowid AS id, rank FROM product_fts WHERE product_fts MATCH ?
          ORDER BY rank, rowid LIMIT ? OFFSET ?
        ) JOIN product USING (id) ORDER BY rank, id
        """,
        (match, window.per_page, window.offset),
    )
    return Found([Product(*row) for row in rows], total)


def fts_query(text: str) -> str:
    """An FTS5 query for all words of `text`, empty if it has none.

    FTS5 has a query language (`NEAR(`, `*`, `name:`, …); quoted, a word is only a word.
    """
    return " ".join(f'"{word}"' for word in re.findall(r"\w+", text))


def update_product(db: sqlite3.Connection, product: Product, changes: Mapping[str, str | int]) -> Product:
    """Write `changes` to `product` as its next version. Call it inside `writing`.

    The full-text index follows by a trigger, whoever writes.
    """
    assignments = ", ".join(f"{column} = ?" for column in changes)
    row = db.execute(
        f"UPDATE product SET {assignments}, version = version + 1 WHERE id = ? RETURNING {COLUMNS}",
        (*changes.values(), product.id),
    ).fetchone()
    db.execute("UPDATE catalogue SET revision = revision + 1")
    return Product(*row)
