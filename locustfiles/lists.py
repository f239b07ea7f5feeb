"""Readers of long lists: 100 products an answer, some 13 kB. Some ask whether what they got before still holds.

locust -f locustfiles/lists.py --host http://127.0.0.1:8000              # web UI on http://localhost:8089
"""

from locust import task

from edgebench.load import EdgeUser

PAGES = 100
# What this process has seen last: page -> ETag.
etags: dict[int, str] = {}


class ListReader(EdgeUser):
    """Draws what it asks for before it asks, so that the same --seed gives the same requests in every run."""

    headers = {"Accept": "application/json"}  # noqa: RUF012

    @task(70)
    def listing(self) -> None:
        self.client.get(f"/api/products?page={self.popular(PAGES)}&per_page=100", name="/api/products?page")

    @task(30)
    def listing_again(self) -> None:
        page = self.popular(PAGES)
        known = {"If-None-Match": etags[page]} if page in etags else None
        path = f"/api/products?page={page}&per_page=100"
        response = self.client.get(path, name="/api/products?page (conditional)", headers=known)
        if "etag" in response.headers:
            etags[page] = response.headers["etag"]
