"""One request of each kind a shop's page is made of: HTML, style, script, JSON, drawing, photograph.

    locust -f locustfiles/kinds.py --host http://127.0.0.1:8000

Clients take every content coding browsers take; which one they get is up to app and cache.
"""

import re
from typing import ClassVar

from gevent.lock import BoundedSemaphore
from locust import task
from locust.exception import StopTest

from edgebench.load import EdgeUser

PAGES = 20
ASSET = re.compile(r"""(?:src=|href=|url\()["']?(?:https?://[^/"']+)?(/static/[^"')]+)""")
KINDS = {"css": r"\.css$", "js": r"\.js$", "svg": r"\.svg$", "image": r"\.(webp|png|jpg)$"}


class Shopper(EdgeUser):
    """Draws what it asks for before it asks, so that the same --seed gives the same requests in every run."""

    headers = {"Accept-Encoding": "gzip, deflate, br, zstd"}  # noqa: RUF012
    files: ClassVar[dict[str, list[str]]] = {}
    first: ClassVar[BoundedSemaphore] = BoundedSemaphore()

    def on_start(self) -> None:
        """The first shopper finds out which static files the home page has; the others wait for it."""
        with self.first:
            if not self.files:
                self.look()

    def look(self) -> None:
        found = sorted(set(ASSET.findall(self.client.get("/", name="/").text)))
        files = {kind: [path for path in found if re.search(end, path)] for kind, end in KINDS.items()}
        if not all(files.values()):
            self.environment.process_exit_code = 2
            raise StopTest(f"{self.host}/ shows no /static/ files of each kind: is it the demo shop?")
        Shopper.files = files

    def file(self, kind: str) -> None:
        files = self.files[kind]
        self.client.get(files[self.popular(len(files)) - 1], name=f"/static/[{kind}]")

    @task(2)
    def page(self) -> None:
        self.client.get(f"/?page={self.popular(PAGES)}", name="/")

    @task(2)
    def products(self) -> None:
        self.client.get(f"/api/products?per_page=100&page={self.popular(PAGES)}", name="/api/products")

    @task
    def style(self) -> None:
        self.file("css")

    @task
    def script(self) -> None:
        self.file("js")

    @task
    def drawing(self) -> None:
        self.file("svg")

    @task
    def photograph(self) -> None:
        self.file("image")
