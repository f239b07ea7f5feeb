"""Every class of content a shop has, in requests of its own: pages, styles, scripts, fonts, images, sound, film, JSON.

    locust -f locustfiles/content.py --host http://127.0.0.1:8000 --rate 60

The first word of an endpoint's name is its class. Sound (audio) and film (video) are asked for by byte ranges, as
players do it; a film's pieces after a jump are a class of their own (seeking).
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
SOUND, FILM = "/media/intro.wav", "/media/film.webm"
PIECE_BYTES = 65_536
PIECES = 2


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

    @task(3)
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
        self.play(SOUND, random.random(), "audio /media/[clip]", "audio /media/[clip]")

    @task(2)
    def watch(self) -> None:
        self.play(FILM, random.random(), "video /media/[clip]", "seeking /media/[clip]")

    def play(self, clip: str, place: float, name: str, name_after: str) -> None:
        """Some pieces from the start, and some from `place` on, a share of the clip."""
        size = self.pieces(clip, 0, name)
        if size:
            self.pieces(clip, PIECE_BYTES * int(place * size / PIECE_BYTES), name_after)

    def pieces(self, clip: str, start: int, name: str) -> int:
        """The size of the clip; 0 if it came whole, or not at all."""
        size = start + 1
        for first in range(start, start + PIECES * PIECE_BYTES, PIECE_BYTES):
            if first >= size:
                break
            response = self.client.get(clip, name=name, headers={"Range": f"bytes={first}-{first + PIECE_BYTES - 1}"})
            total = response.headers.get("content-range", "").rpartition("/")[2]
            if response.status_code != 206 or not total.isdecimal():
                return 0
            size = int(total)
        return size
