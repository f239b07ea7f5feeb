"""Readers of tests/broken/app.py: with gzip and without, signed in and not."""

from locust import tag, task

from edgebench.load import EdgeUser

TOKENS = [{"Authorization": f"Bearer user{number}"} for number in range(8)]
GZIP, PLAIN = {"Accept-Encoding": "gzip"}, {"Accept-Encoding": "identity"}
NEWS = 4


class Reader(EdgeUser):
    @task(4)
    def item(self) -> None:
        self.client.get(f"/items/{self.popular()}", name="/items/[n]", headers=GZIP)

    @task(2)
    def item_plain(self) -> None:
        self.client.get(f"/items/{self.popular()}", name="/items/[n] (plain)", headers=PLAIN)

    @task(3)
    def news(self) -> None:
        self.client.get(f"/news/{self.popular(NEWS)}", name="/news/[n]")

    @task(1)
    def offers(self) -> None:
        self.client.get("/offers", headers=TOKENS[self.popular(len(TOKENS)) - 1])

    @tag("private")
    @task
    def me(self) -> None:
        self.client.get("/me", headers=TOKENS[self.popular(len(TOKENS)) - 1])

    @tag("private")
    @task
    def orders(self) -> None:
        self.client.get("/orders", headers=TOKENS[self.popular(len(TOKENS)) - 1])
