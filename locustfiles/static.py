"""Static files under versioned names, as pages link to them: a few are on every page, the others on some.

    locust -f locustfiles/static.py --host http://127.0.0.1:8000              # web UI on http://localhost:8089

The files are those the home page and a product page name, and their popularity follows --zipf in that order: styles,
fonts and scripts first, as on a page.
"""

from typing import ClassVar

from gevent.lock import BoundedSemaphore
from locust import task
from locust.exception import StopTest

from edgebench.load import EdgeUser
from edgebench.load.browser import Browser

PAGES = ("/", "/products/1")


def kind_of(path: str) -> str:
    """The end of a file's name: css, js, woff2, svg …"""
    return path.rpartition(".")[2]


class Visitor(EdgeUser):
    """Draws what it asks for before it asks, so that the same --seed gives the same requests in every run."""

    headers = {"Accept-Encoding": "gzip, br"}  # noqa: RUF012
    files: ClassVar[list[str]] = []
    looking = BoundedSemaphore()

    def on_start(self) -> None:
        """The first visitor looks what the pages name."""
        with self.looking:
            if not self.files:
                self.look()

    def look(self) -> None:
        browser = Browser(self)
        named = [path for page in PAGES for path in browser.first_visit(page).assets if path.startswith("/static/")]
        Visitor.files = list(dict.fromkeys(named))
        if not self.files:
            self.environment.process_exit_code = 2
            raise StopTest(f"{self.host}/ names no /static/ files: is it the demo shop?")

    @task
    def file(self) -> None:
        path = self.files[self.popular(len(self.files)) - 1]
        self.client.get(path, name=f"/static/[{kind_of(path)}]")
