"""Static files and clips: names, encodings and byte ranges, against the files themselves."""

import gzip
import hashlib
import io
import re
import wave
from collections.abc import Callable
from pathlib import Path

import brotli
import pytest
from flask import Flask
from flask.testing import FlaskClient
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

MakeApp = Callable[..., Flask]
DECODERS: dict[str | None, Callable[[bytes], bytes]] = {
    None: bytes,
    "gzip": gzip.decompress,
    "br": brotli.decompress,
}


def linked_assets(client: FlaskClient) -> set[str]:
    """Every hashed URL in the pages, and in the style sheets they load."""
    pages = (client.get(path).text for path in ("/", "/products/1", "/?category=bath&page=2"))
    urls = set(re.findall(r"/static/[\w./-]+\.\w+", " ".join(pages)))
    for url in [url for url in urls if url.endswith(".css")]:
        urls |= {f"/static/{name}" for name in re.findall(r'url\("([^"]+)"\)', client.get(url).text)}
    return urls


def test_linked_assets_exist_under_the_hash_of_their_content(client: FlaskClient) -> None:
    urls = linked_assets(client)
    kinds = {url.rsplit(".", 1)[1] for url in urls}
    assert kinds == {"css", "js", "svg", "png", "webp", "woff2"}
    for url in urls:
        answer = client.get(url)
        assert answer.status_code == 200, url
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert hashlib.sha256(answer.data).hexdigest().startswith(url.split(".")[-2])


def test_outdated_links_get_the_present_file_without_a_lifetime(client: FlaskClient) -> None:
    plain = client.get("/static/app.css")
    outdated = client.get("/static/app.0123456789ab.css")
    assert plain.data == outdated.data
    for answer in (plain, outdated):
        assert answer.headers["Cache-Control"] == "public, max-age=0, must-revalidate"


def test_the_cdn_serves_the_assets(make_app: MakeApp) -> None:
    html = make_app(CDN_URL="https://cdn.example.com/").test_client().get("/").text
    assert 'href="https://cdn.example.com/static/app.' in html
    assert '"/static' not in html


def test_images_and_fonts_are_real(app: Flask) -> None:
    static = Path(app.root_path) / "static"
    for name, size in (("hero.webp", (1200, 400)), ("stamp.png", (96, 96))):
        with Image.open(static / name) as image:
            image.load()
            assert image.size == size
    font = TTFont(static / "ticket.woff2")
    assert set(map(ord, "€0123456789.HEARTH & HILL")) <= set(font.getBestCmap())
    font.close()


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        (None, None),
        ("", None),
        ("gzip", "gzip"),
        ("br", "br"),
        ("gzip, deflate, br, zstd", "br"),
        ("gzip;q=1, br;q=0.5", "gzip"),
        ("gzip, br;q=0", "gzip"),
        ("br;q=0, *", "gzip"),
        ("*", "br"),
        ("identity", None),
        ("identity, gzip;q=0.5", None),
        ("identity;q=0.5, gzip;q=0.8", "gzip"),
        ("*;q=0", None),
        ("zstd", None),
        ("GZIP", "gzip"),
        ("gzip;q=x", None),
        (";;=,\x7f", None),
    ],
)
def test_encodings(client: FlaskClient, accepted: str | None, encoding: str | None) -> None:
    headers = {} if accepted is None else {"Accept-Encoding": accepted}
    identity = client.get("/static/app.css")
    answer = client.get("/static/app.css", headers=headers)
    assert answer.headers.get("Content-Encoding") == encoding
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert DECODERS[encoding](answer.data) == identity.data
    assert (answer.headers["ETag"] == identity.headers["ETag"]) == (encoding is None)

    again = client.get("/static/app.css", headers={**headers, "If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.headers["Vary"]) == (304, "Accept-Encoding")
    other = client.get(
        "/static/app.css",
        headers={"Accept-Encoding": "gzip", "If-None-Match": answer.headers["ETag"]},
    )
    assert other.status_code == (304 if encoding == "gzip" else 200)


def test_what_is_compressed_already_does_not_vary(client: FlaskClient) -> None:
    for name in ("ticket.woff2", "hero.webp", "stamp.png"):
        answer = client.get(f"/static/{name}", headers={"Accept-Encoding": "br, gzip"})
        assert "Content-Encoding" not in answer.headers
        assert "Vary" not in answer.headers


def test_clips_are_playable(client: FlaskClient) -> None:
    for name, seconds in (("chime.wav", 2), ("intro.wav", 12), ("tour.wav", 48)):
        answer = client.get(f"/media/{name}")
        assert answer.headers["Content-Type"] == "audio/wav"
        assert answer.headers["Accept-Ranges"] == "bytes"
        assert client.head(f"/media/{name}").content_length == len(answer.data)
        with wave.open(io.BytesIO(answer.data)) as clip:
            assert clip.getnframes() / clip.getframerate() == pytest.approx(seconds, rel=0.01)


@settings(max_examples=80, deadline=None)
@given(
    first=st.none() | st.integers(0, 100_000),
    length=st.none() | st.integers(0, 100_000),
)
def test_ranges_are_slices(
    session_client: FlaskClient, first_start: Path, first: int | None, length: int | None
) -> None:
    whole = (first_start / "media" / "chime.wav").read_bytes()
    if first is None:
        header, expected = f"bytes=-{length or 0}", whole[-length:] if length else b""
    elif length is None:
        header, expected = f"bytes={first}-", whole[first:]
    else:
        header, expected = f"bytes={first}-{first + length}", whole[first : first + length + 1]
    answer = session_client.get("/media/chime.wav", headers={"Range": header})
    if not expected:
        assert answer.status_code == 416
        assert answer.headers["Content-Range"] == f"bytes */{len(whole)}"
        assert answer.headers["Cache-Control"] == "no-store"
        return
    assert answer.status_code == 206
    assert answer.data == expected
    assert answer.content_length == len(expected)
    start = len(whole) - len(expected) if first is None else first
    content_range = f"bytes {start}-{start + len(expected) - 1}/{len(whole)}"
    assert answer.headers["Content-Range"] == content_range
    assert answer.headers["Cache-Control"] == "public, max-age=86400"


@pytest.mark.parametrize(
    "header",
    ["", "bytes", "bytes=", "bytes=-", "bytes=9-3", "bytes=0-1,5-6", "items=0-1", "bytes=a-b",
     "bytes=--5", "bytes=1-2-3", f"bytes={'9' * 5000}-"],
)  # fmt: skip
def test_odd_ranges_are_ignored(client: FlaskClient, header: str) -> None:
    answer = client.get("/media/chime.wav", headers={"Range": header})
    assert (answer.status_code, len(answer.data)) == (200, answer.content_length)


def test_conditional_ranges(client: FlaskClient) -> None:
    etag = client.get("/media/chime.wav").headers["ETag"]

    def status(method: str = "GET", **headers: str) -> int:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        path = "/media/chime.wav"
        return client.open(path, method=method, headers={"Range": "bytes=0-9", **named}).status_code

    assert status(If_Range=etag) == 206
    assert status(If_Range=f"W/{etag}") == 200
    assert status(If_Range='"another"') == 200
    assert status(If_Range="Wed, 21 Oct 2015 07:28:00 GMT") == 200
    assert status(If_None_Match=etag) == 304
    assert status("HEAD") == 200
