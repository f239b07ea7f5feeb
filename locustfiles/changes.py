"""A shop whose products change while people look at them: stock and price, written past the cache.

Readers ask for products, lists and pages. Now and then somebody of the shop changes a product and looks at its list and
its page: at the app itself (--origin-host), as the shop's own people do not go through the CDN. So the cache is not
told, and the origin's ledger shows from when on what the cache holds is outdated. Popular products change more often,
as what sells changes its stock. --private-share is the share of arrivals that are such changes.

locust -f locustfiles/changes.py --host http://127.0.0.1:9000 --origin-host http://127.0.0.1:8000 --keys 200
"""

import random

from locust import tag, task

from edgebench.load import EdgeUser

PER_PAGE = 20


class Reader(EdgeUser):
    """Draws what it asks for before it asks, so that the same --seed gives the same requests in every run."""

    headers = {"Accept-Encoding": "gzip"}  # noqa: RUF012

    @task(60)
    def product(self) -> None:
        self.client.get(f"/api/products/{self.popular()}", name="/api/products/[id]")

    @task(25)
    def listing(self) -> None:
        pages = -(-self.session.options.keys // PER_PAGE)
        self.client.get(f"/api/products?page={self.popular(pages)}", name="/api/products?page")

    @task(14)
    def page(self) -> None:
        self.client.get(f"/products/{self.popular()}", name="/products/[id]")

    @tag("private")
    @task
    def change(self) -> None:
        """A new price and stock; then a look at the list and at the page that show it."""
        product, price, stock = self.popular(), random.randint(100, 99_999), random.randint(0, 999)
        change = {"price_cents": price, "stock": stock}
        self.origin.patch(f"/api/products/{product}", name="/api/products/[id]", json=change)
        self.origin.get(f"/api/products?page={-(-product // PER_PAGE)}", name="/api/products?page")
        self.origin.get(f"/products/{product}", name="/products/[id]")
