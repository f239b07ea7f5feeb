"""Visitors who look at product pictures, 20 to 200 kB each: a catalogue that is larger than a cache may be.

With --fill every picture is asked for once before anything else, the least popular first.

locust -f locustfiles/pictures.py --host http://127.0.0.1:8000 --keys 2000 --zipf 0.9 --fill
"""

from locust import task

from edgebench.load import EdgeUser


class PictureViewer(EdgeUser):
    headers = {"Accept": "image/*"}  # noqa: RUF012

    @task
    def picture(self) -> None:
        self.client.get(f"/pictures/{self.popular()}.bmp", name="/pictures/[id]")
