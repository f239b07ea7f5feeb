"""Visitors' browsers: a page, then the styles, scripts, fonts and pictures it names, over up to six connections.

A new visitor has no connection and an empty browser cache. A visitor who comes back a day later has no connection
either, and a browser cache: what is immutable is not asked for again, the rest with If-None-Match. Half of the visitors
come back, to the page they know. --rate counts visitors, not requests.

    locust -f locustfiles/pages.py --host http://127.0.0.1:8000 --rate 10      # web UI on http://localhost:8089
"""

import random

from locust import task

from edgebench.load import EdgeUser
from edgebench.load.browser import Browser

HOME_SHARE = 0.3


class Visitor(EdgeUser):
    """Draws where it goes before it goes, so that the same --seed gives the same pages in every run."""

    headers = {"Accept-Encoding": "gzip, br"}  # noqa: RUF012

    def on_start(self) -> None:
        self.browser = Browser(self)

    def page(self) -> tuple[str, str]:
        """A path, and the name under which it is counted."""
        product = self.popular()
        return ("/", "/") if random.random() < HOME_SHARE else (f"/products/{product}", "/products/[id]")

    @task
    def look(self) -> None:
        self.browser.first_visit(*self.page())

    @task
    def look_and_come_back(self) -> None:
        page = self.page()
        self.browser.first_visit(*page)
        self.browser.return_visit(*page)
