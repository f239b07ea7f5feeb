"""The film: the file by a second reading of WebM, and a real player that jumps in it by byte ranges."""

import struct
import time
from collections.abc import Callable, Iterable, Iterator
from shutil import which
from threading import Thread
from typing import Any

import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from werkzeug.serving import make_server

FILM = "/media/film.webm"
LENGTH_S = 24.0
INFO, DURATION, CUES, CUE, CUE_TIME, CUE_TRACK, CUE_PLACE = (
    0x1549A966, 0x4489, 0x1C53BB6B, 0xBB, 0xB3, 0xB7, 0xF1,
)  # fmt: skip
HEAD, SEGMENT, CLUSTER, TIME, BLOCK = 0x1A45DFA3, 0x18538067, 0x1F43B675, 0xE7, 0xA3
BROWSER = which("chromium") or which("google-chrome")
PLAYED = """async places => {
  const film = document.querySelector("video");
  const until = name => new Promise((done, failed) => {
    film.addEventListener(name, done, {once: true});
    film.addEventListener("error", () => failed(film.error.message), {once: true});
  });
  film.muted = true;
  film.preload = "metadata";
  film.load();
  await until("loadedmetadata");
  const reached = [];
  for (const place of places) {
    film.currentTime = place;
    await until("seeked");
    reached.push(film.currentTime);
  }
  film.play();
  await until("timeupdate");
  return {length: film.duration, size: [film.videoWidth, film.videoHeight], reached};
}"""


def elements(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(number, place, what it holds) of each element."""
    at = 0
    while at < len(data):
        start = at
        width = 9 - data[at].bit_length()
        name, at = int.from_bytes(data[at : at + width]), at + width
        width = 9 - data[at].bit_length()
        size, at = int.from_bytes(data[at : at + width]) & ((1 << 7 * width) - 1), at + width
        yield name, start, data[at : at + size]
        at += size
        assert at <= len(data)


def held(data: bytes) -> dict[int, bytes]:
    return {name: inner for name, _, inner in elements(data)}


def test_the_film_has_its_length_and_an_index_in_front(client: FlaskClient) -> None:
    answer = client.get(FILM)
    assert answer.headers["Content-Type"] == "video/webm"
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert 1_000_000 < len(answer.data) < 1_500_000
    (head, _, kind), (segment, _, whole) = elements(answer.data)
    assert (head, segment) == (HEAD, SEGMENT)
    assert b"webm" in kind
    inside = list(elements(whole))
    order = list(dict.fromkeys(name for name, _, _ in inside))
    assert order.index(CUES) < order.index(CLUSTER)
    info, cues = (next(data for name, _, data in inside if name == wanted) for wanted in (INFO, CUES))
    assert struct.unpack(">d", held(info)[DURATION]) == (LENGTH_S * 1000,)
    clusters = {place: list(elements(data)) for name, place, data in inside if name == CLUSTER}
    named = {}
    for _, _, cue in elements(cues):
        fields = held(cue)
        named[int.from_bytes(held(fields[CUE_TRACK])[CUE_PLACE])] = int.from_bytes(fields[CUE_TIME])
    assert {place: int.from_bytes(cluster[0][2]) for place, cluster in clusters.items()} == named
    assert list(named.values()) == list(range(0, 24_000, 2_000))
    assert all(cluster[0][0] == TIME and cluster[1][2][3] & 0x80 for cluster in clusters.values()), "begin with a key"
    blocks = [data for cluster in clusters.values() for name, _, data in cluster if name == BLOCK]
    assert len(blocks) == LENGTH_S * 25


def slowly(app: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """So slow that a player that jumps does not have the rest yet, and asks for it."""

    def handle(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        for chunk in app(environ, start_response):
            yield chunk
            if environ["PATH_INFO"] == FILM:
                time.sleep(0.2)

    return handle


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
def test_a_player_fetches_nothing_until_asked_and_then_jumps_by_ranges(make_app: Callable[..., Flask]) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    app, ranges = make_app(), list[str]()

    @app.before_request
    def note() -> None:
        if request.path.startswith("/media/"):
            ranges.append(request.headers.get("Range", ""))

    server = make_server("127.0.0.1", 0, slowly(app), threaded=True)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        with playwright.sync_playwright() as driver:
            chromium = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"])
            page = chromium.new_page()
            page.goto(f"http://127.0.0.1:{server.port}/", wait_until="networkidle")
            assert ranges == []
            found = page.evaluate(PLAYED, [20.5, 3.2])
            chromium.close()
    finally:
        server.shutdown()
        server.server_close()
    assert found == {"length": LENGTH_S, "size": [640, 360], "reached": [20.5, 3.2]}
    assert ranges[0] == "bytes=0-"
    first_bytes = [int(asked.removeprefix("bytes=").partition("-")[0]) for asked in ranges]
    assert max(first_bytes) > 700_000, "it did not wait for what lies between"
