"""The shop's content codings: what is kept, what is made as it is sent, and what a client is told of it."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import brotli
import pytest
import zstandard
from flask.testing import FlaskClient

from target_app import create_app

DECODERS: dict[str | None, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "br": brotli.decompress,
    "zstd": zstandard.decompress,
    None: lambda body: body,
}
PAGES = ("/", "/api/products?per_page=100", "/products/7")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shop")


def shop(folder: Path, **config: Any) -> FlaskClient:
    paths = {"CATALOGUE_PATH": folder / "shop.sqlite3", "MEDIA_PATH": folder / "media"}
    return create_app({**paths, **config}).test_client()


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip"])
def test_pages_json_and_styles_in_the_coding_the_shop_likes(folder: Path, coding: str) -> None:
    plain, coded = shop(folder, CODINGS=""), shop(folder, CODINGS=coding, COMPRESS_PAGES=True)
    for target in (*PAGES, "/static/app.css"):
        wanted = plain.get(target).data
        answer = coded.get(target, headers={"Accept-Encoding": "gzip, deflate, br, zstd"})
        assert answer.headers["Content-Encoding"] == coding
        assert DECODERS[coding](answer.data) == wanted and len(answer.data) < len(wanted)
        assert "Accept-Encoding" in answer.headers["Vary"]
        identity = coded.get(target)
        assert "Content-Encoding" not in identity.headers and identity.data == wanted
        assert "Accept-Encoding" in identity.headers["Vary"]


def test_without_codings_nothing_varies_and_nothing_is_compressed(folder: Path) -> None:
    plain = shop(folder, CODINGS="")
    for target in (*PAGES, "/static/app.css"):
        answer = plain.get(target, headers={"Accept-Encoding": "gzip, br"})
        assert "Content-Encoding" not in answer.headers and "Vary" not in answer.headers


def test_a_compressed_page_is_confirmed_by_its_weak_tag(folder: Path) -> None:
    coded = shop(folder, CODINGS="gzip", COMPRESS_PAGES=True)
    first = coded.get("/", headers={"Accept-Encoding": "gzip"})
    assert first.headers["ETag"].startswith('W/"')
    again = coded.get("/", headers={"Accept-Encoding": "gzip", "If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"] and "Accept-Encoding" in again.headers["Vary"]


def test_small_answers_pictures_and_errors_stay_plain(folder: Path) -> None:
    coded = shop(folder, CODINGS="br", COMPRESS_PAGES=True)
    for target in ("/api/cart", "/static/hero.webp", "/pictures/1.bmp", "/nowhere"):
        answer = coded.get(target, headers={"Accept-Encoding": "br"})
        assert "Content-Encoding" not in answer.headers, target


def test_the_client_has_the_last_word(folder: Path) -> None:
    coded = shop(folder, CODINGS="br,gzip", COMPRESS_PAGES=True)
    for accepted, coding in (("br;q=0.5, gzip", "gzip"), ("br, gzip", "br"), ("*", "br"), ("br;q=0", None)):
        assert coded.get("/", headers={"Accept-Encoding": accepted}).headers.get("Content-Encoding") == coding


@pytest.mark.parametrize(("key", "value"), [("CODINGS", "deflate"), ("COMPRESS_PAGES", "yes")])
def test_what_is_no_coding_is_refused(folder: Path, key: str, value: str) -> None:
    with pytest.raises(ValueError, match=key):
        shop(folder, **{key: value})
