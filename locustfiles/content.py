"""Every class of content a shop has, in requests of its own: HTML, CSS, scripts, fonts, images, sound, API answers.

    locust -f locustfiles/content.py --host http://127.0.0.1:8000 --rate 60

The first word of an endpoint's name is its class. Sound is asked for by byte ranges, from the start (audio) and after a
jump (seeking), as film is.
"""

import random
import re
from typing import ClassVar

from gevent.lock import BoundedSemaphore
from locust import task
from locust.exception import StopTest

from edgebench.load import EdgeUser

ASSET = re.compile(r"""(?:src=|href=|url\()["']?(?:https?://[^/"']+)?(/static/[^"')]+)""")
KINDS = {"css": "css", "js": "js", "woff2": "font", "svg": "image", "webp": "image", "png": "image"}
WORDS = ("alder", "birch", "clover", "ember", "fern", "harbour", "linden", "oak", "willow", "wool")
LISTS = 10
CLIP, CLIP_BYTES = "/media/intro.wav", 529_244
PIECE_BYTES = 65_536
PIECES = 3


class Visitor(EdgeUser):
    """Draws what it asks for before it asks, so that the same --seed gives the same requests in every run."""

    headers = {"Accept-Encoding": "gzip"}  # noqa: RUF012
    files: ClassVar[dict[str, list[str]]] = {}
    looking = BoundedSemaphore()

    def on_start(self) -> None:
        """The first visitor finds out which static files there are."""
        with self.looking:
            if not self.files:
                self.look()

    def look(self) -> None:
        pages = (self.client.get(page, name="html /").text for page in ("/", "/products/1"))
        found = sorted({path for page in pages for path in ASSET.findall(page)})
        for path in found:
            self.files.setdefault(KINDS.get(path.rpartition(".")[2], "image"), []).append(path)
        if set(self.files) != set(KINDS.values()):
            self.environment.process_exit_code = 2
            raise StopTest(f"{self.host}/ does not name /static/ files of each kind: is it the demo shop?")

    def file(self, kind: str) -> None:
        files = self.files[kind]
        self.client.get(files[self.popular(len(files)) - 1], name=f"{kind} /static/[file]")

    @task(2)
    def home(self) -> None:
        self.client.get("/", name="html /")

    @task(4)
    def page(self) -> None:
        self.client.get(f"/products/{self.popular()}", name="html /products/[id]")

    @task(3)
    def style(self) -> None:
        self.file("css")

    @task(3)
    def script(self) -> None:
        self.file("js")

    @task(2)
    def font(self) -> None:
        self.file("font")

    @task(4)
    def drawing(self) -> None:
        self.file("image")

    @task(4)
    def picture(self) -> None:
        self.client.get(f"/pictures/{self.popular()}.bmp", name="image /pictures/[id]")

    @task(4)
    def product(self) -> None:
        self.client.get(f"/api/products/{self.popular()}", name="api /api/products/[id]")

    @task(2)
    def listing(self) -> None:
        self.client.get(f"/api/products?page={self.popular(LISTS)}", name="api /api/products?page")

    @task(2)
    def search(self) -> None:
        self.client.get(f"/api/search?q={WORDS[self.popular(len(WORDS)) - 1]}", name="api /api/search?q")

    @task(2)
    def listen(self) -> None:
        place = random.random()
        self.play(0, "audio /media/[clip]")
        self.play(PIECE_BYTES * int(place * CLIP_BYTES / PIECE_BYTES), "seeking /media/[clip]")

    def play(self, start: int, name: str) -> None:
        for first in range(start, min(start + PIECES * PIECE_BYTES, CLIP_BYTES), PIECE_BYTES):
            response = self.client.get(CLIP, name=name, headers={"Range": f"bytes={first}-{first + PIECE_BYTES - 1}"})
            if response.status_code != 206:
                return  # the whole clip, or no answer
