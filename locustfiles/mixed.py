"""A whole shop visit: pages, their static files, sound by byte ranges, the API, and a few changes.

    locust -f locustfiles/mixed.py --host http://127.0.0.1:8000

The changes write to the shop: carts fill, and products get new versions.
"""

import hashlib
import hmac
import random
import re
from typing import ClassVar

from locust import tag, task
from locust.exception import StopTest

from edgebench.load import EdgeUser

USERS = 200
DEMO_SECRET_KEY = b"demo-key-change-me"
PIECE_BYTES = 65_536
PIECES = 8
ASSET = re.compile(r"""(?:src=|href=|url\()["']?(?:https?://[^/"']+)?(/(static|media)/[^"')]+)""")


def bearer(user: str) -> dict[str, str]:
    """Who asks, in the token of the demo shop: the name, and the shop's signature."""
    signature = hmac.new(DEMO_SECRET_KEY, user.encode(), hashlib.sha256).hexdigest()
    return {"Authorization": f"Bearer {user}.{signature}"}


TOKENS = [bearer(f"user-{number}") for number in range(USERS)]


class Visitor(EdgeUser):
    """Draws what it asks for before it asks, so that the same --seed gives the same requests in every run."""

    headers = {"Accept-Encoding": "gzip"}  # noqa: RUF012
    static: ClassVar[list[str]] = []
    media: ClassVar[list[str]] = []

    def on_start(self) -> None:
        """The first visitor finds out which static files and clips the home page has."""
        if self.static:
            return
        html = self.client.get("/").text
        found = sorted({(kind, path) for path, kind in ASSET.findall(html)})
        Visitor.static = [path for kind, path in found if kind == "static"]
        Visitor.media = [path for kind, path in found if kind == "media"]
        if not self.static or not self.media:
            self.environment.process_exit_code = 2
            raise StopTest(f"{self.host}/ shows no /static/ or /media/ files: is it the demo shop?")

    @task(10)
    def home(self) -> None:
        self.client.get("/")

    @task(20)
    def page(self) -> None:
        self.client.get(f"/products/{self.popular()}", name="/products/[id]")

    @task(30)
    def asset(self) -> None:
        self.client.get(self.static[self.popular(len(self.static)) - 1], name="/static/[file]")

    @task(5)
    def sound(self) -> None:
        start = PIECE_BYTES * (self.popular(PIECES) - 1)
        piece = {"Range": f"bytes={start}-{start + PIECE_BYTES - 1}"}
        self.client.get(random.choice(self.media), name="/media/[clip]", headers=piece)

    @task(30)
    def product(self) -> None:
        self.client.get(f"/api/products/{self.popular()}", name="/api/products/[id]")

    @task(1)
    def add_to_cart(self) -> None:
        user, product = self.popular(USERS), self.popular()
        self.client.post("/api/cart", headers=TOKENS[user - 1], json={"product_id": product, "quantity": 1})

    @task(1)
    def change_product(self) -> None:
        product, stock = self.popular(), random.randint(0, 500)
        change = {
            "name": f"Changed Thing No. {product}",
            "category": "kitchen",
            "price_cents": 1990,
            "stock": stock,
            "description": "It was changed while somebody watched.",
        }
        self.client.put(f"/api/products/{product}", name="/api/products/[id]", json=change)

    @tag("private")
    @task
    def cart(self) -> None:
        self.client.get("/api/cart", headers=TOKENS[self.popular(USERS) - 1])
