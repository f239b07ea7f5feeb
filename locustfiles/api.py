"""Readers of the shop's JSON API: a few products are popular, most are not, and some requests are private.

Tasks tagged "private" share --private-share of all requests among them; the others share the rest by their weights.

locust -f locustfiles/api.py --host http://127.0.0.1:8000              # web UI on http://localhost:8089
locust -f locustfiles/api.py --host … --headless -u 20 -r 20 -t 10s --rate 500 --html report.html
"""

import hashlib
import hmac
from collections import OrderedDict

from locust import tag, task

from edgebench.load import EdgeUser

USERS = 200
DEMO_SECRET_KEY = b"demo-key-change-me"
REMEMBERED = 5_000

CATEGORIES = ("kitchen", "lighting", "garden", "textiles")
LISTS = (
    *(f"/api/products?page={page}" for page in range(1, 11)),
    *(f"/api/products?category={category}&page={page}" for category in CATEGORIES for page in range(1, 4)),
)
WORDS = (
    "alder", "amble", "birch", "brook", "clover", "copse", "dale", "ember", "fallow", "fern", "fjord", "harbour",
    "heath", "juniper", "larch", "linden", "marsh", "meadow", "moor", "north", "orchard", "pebble", "rowan",
    "sedge", "tarn", "thistle", "vale", "willow", "wren", "yarrow", "ash", "bamboo", "beech", "brass", "ceramic",
    "cork", "cotton", "felt", "glass", "linen", "oak", "slate", "stoneware", "walnut", "wool", "bowl", "kettle",
    "lamp", "bench", "blanket",
)  # fmt: skip


def bearer(user: str) -> dict[str, str]:
    """Who asks, in the token of the demo shop: the name, and the shop's signature."""
    signature = hmac.new(DEMO_SECRET_KEY, user.encode(), hashlib.sha256).hexdigest()
    return {"Authorization": f"Bearer {user}.{signature}"}


TOKENS = [bearer(f"user-{number}") for number in range(USERS)]
# What this process has seen last: product -> ETag.
etags: OrderedDict[int, str] = OrderedDict()


class ApiReader(EdgeUser):
    """Draws what it asks for before it asks, so that the same --seed gives the same requests in every run."""

    headers = {"Accept": "application/json", "Accept-Encoding": "gzip"}  # noqa: RUF012

    @task(60)
    def product(self) -> None:
        self.client.get(f"/api/products/{self.popular()}", name="/api/products/[id]")

    @task(15)
    def listing(self) -> None:
        self.client.get(LISTS[self.popular(len(LISTS)) - 1], name="/api/products?page")

    @task(10)
    def search(self) -> None:
        self.client.get(f"/api/search?q={WORDS[self.popular(len(WORDS)) - 1]}", name="/api/search?q")

    @task(12)
    def product_again(self) -> None:
        """Asks whether what it remembers is still good."""
        product = self.popular()
        known = {"If-None-Match": etags[product]} if product in etags else None
        response = self.client.get(f"/api/products/{product}", name="/api/products/[id] (conditional)", headers=known)
        if "etag" in response.headers:
            etags[product] = response.headers["etag"]
            if len(etags) > REMEMBERED:
                etags.popitem(last=False)

    @tag("private")
    @task
    def me(self) -> None:
        self.client.get("/api/me", headers=TOKENS[self.popular(USERS) - 1])

    @tag("private")
    @task
    def cart(self) -> None:
        self.client.get("/api/cart", headers=TOKENS[self.popular(USERS) - 1])
