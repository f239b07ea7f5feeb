"""Visitors of a few products: what a link on a busy page sends. With --arrivals step they come all at once.

locust -f locustfiles/crowd.py --host http://127.0.0.1:8000 --headless -u 100 -r 100 --keys 20 --rate 100 \
    --arrivals step --step-factor 20 --step-at 5 --step-length 3 --step-keys 20
"""

from locust import task

from edgebench.load import EdgeUser


class Visitor(EdgeUser):
    headers = {"Accept": "application/json", "Accept-Encoding": "gzip"}  # noqa: RUF012

    @task
    def product(self) -> None:
        self.client.get(f"/api/products/{self.popular()}", name="/api/products/[id]")
