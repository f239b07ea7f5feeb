"""A shop whose visitors look at their accounts: most are logged in, some are not and are told so.

Tasks tagged "private" share --private-share of all requests among them; the others share the rest by their weights.
Where a cache on the way keeps one visitor's account, another one gets it, and who is not logged in gets it, too.

locust -f locustfiles/accounts.py --host http://127.0.0.1:8000              # web UI on http://localhost:8089
"""

import hashlib
import hmac

from locust import tag, task

from edgebench.load import EdgeUser

USERS = 200
DEMO_SECRET_KEY = b"demo-key-change-me"


def bearer(user: str) -> dict[str, str]:
    """Who asks, in the token of the demo shop: the name, and the shop's signature."""
    signature = hmac.new(DEMO_SECRET_KEY, user.encode(), hashlib.sha256).hexdigest()
    return {"Authorization": f"Bearer {user}.{signature}"}


TOKENS = [bearer(f"user-{number}") for number in range(USERS)]


class Customer(EdgeUser):
    """Draws what it asks for before it asks, so that the same --seed gives the same requests in every run."""

    headers = {"Accept": "application/json", "Accept-Encoding": "gzip"}  # noqa: RUF012

    @task
    def product(self) -> None:
        self.client.get(f"/api/products/{self.popular()}", name="/api/products/[id]")

    @tag("private")
    @task(3)
    def me(self) -> None:
        self.client.get("/api/me", headers=TOKENS[self.popular(USERS) - 1])

    @tag("private")
    @task(3)
    def cart(self) -> None:
        self.client.get("/api/cart", headers=TOKENS[self.popular(USERS) - 1])

    @tag("private")
    @task(2)
    def nobody(self) -> None:
        """Not logged in (any more): 401 is the right answer, and somebody's account the wrong one."""
        with self.client.get("/api/me", name="/api/me (nobody)", catch_response=True) as response:
            if response.status_code == 401:
                response.success()
            elif response.ok:
                response.failure("somebody's account for nobody")
