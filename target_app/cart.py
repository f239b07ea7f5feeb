"""Shopping carts, kept in the database so that any worker can serve any user."""

import sqlite3
from dataclasses import asdict, dataclass
from typing import Any

MAX_QUANTITY = 99
MAX_LINES = 100


@dataclass(frozen=True, slots=True)
class CartLine:
    """So many of one product, at today's price."""

    product_id: int
    name: str
    quantity: int
    price_cents: int


def get_lines(db: sqlite3.Connection, user: str) -> list[CartLine]:
    """What is in the cart of `user`, by product id."""
    rows = db.execute(
        """
        SELECT product_id, name, quantity, price_cents
        FROM cart_line JOIN product ON product.id = cart_line.product_id
        WHERE user = ? ORDER BY product_id
        """,
        (user,),
    )
    return [CartLine(*row) for row in rows]


def add(db: sqlite3.Connection, user: str, product_id: int, quantity: int) -> None:
    """Put `quantity` more of a product into the cart, up to `MAX_QUANTITY` altogether."""
    db.execute(
        """
        INSERT INTO cart_line VALUES (?, ?, ?)
        ON CONFLICT DO UPDATE SET quantity = min(quantity + excluded.quantity, ?)
        """,
        (user, product_id, quantity, MAX_QUANTITY),
    )


def empty(db: sqlite3.Connection, user: str) -> None:
    """Take everything out."""
    db.execute("DELETE FROM cart_line WHERE user = ?", (user,))


def summary(user: str, lines: list[CartLine]) -> dict[str, Any]:
    """The cart as it is shown to its user."""
    return {
        "user": user,
        "lines": [asdict(line) for line in lines],
        "count": sum(line.quantity for line in lines),
        "total_cents": sum(line.quantity * line.price_cents for line in lines),
    }
