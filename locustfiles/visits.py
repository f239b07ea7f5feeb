"""Readers of the JSON API, and among them visitors whose browsers load whole pages, new ones and returning ones.

For what a network does to both at once: --rate counts requests to the API and visits together, one in 80 of them a
visit of two page views. The API is asked over connections that stay open, as an app or a page's script does it; a
visitor's browser has to connect anew.

    locust -f locustfiles/visits.py --host http://127.0.0.1:8000 --rate 60      # web UI on http://localhost:8089
"""

import random

from locust import task

from edgebench.load import EdgeUser
from edgebench.load.browser import Browser

HOME_SHARE = 0.3


class Household(EdgeUser):
    """Draws what it asks for before it asks, so that the same --seed gives the same requests in every run."""

    headers = {"Accept-Encoding": "gzip, br"}  # noqa: RUF012

    def on_start(self) -> None:
        # A browser closes its connections after each page view here; the API's stays.
        self.line = self.client.sibling()
        self.browser = Browser(self, self.line)

    @task(79)
    def product(self) -> None:
        self.client.get(f"/api/products/{self.popular()}", name="/api/products/[id]")

    @task(1)
    def visit(self) -> None:
        product = self.popular()
        path, name = ("/", "/") if random.random() < HOME_SHARE else (f"/products/{product}", "/products/[id]")
        self.line.due_ns, self.client.due_ns = self.client.due_ns, 0
        self.browser.first_visit(path, name)
        self.browser.return_visit(path, name)
