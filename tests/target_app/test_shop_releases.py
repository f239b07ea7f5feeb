"""A new release beside the old one: what pages of either get under hashed names, and under plain ones."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from target_app import create_app

MakeApp = Callable[..., Flask]
YEAR = "public, max-age=31536000, immutable"


def style_of(client: FlaskClient) -> str:
    """The style sheet the home page links to."""
    found = re.search(r'rel="stylesheet" href="([^"]+)"', client.get("/").text)
    assert found is not None
    return found[1]


@pytest.fixture
def releases(make_app: MakeApp, tmp_path: Path) -> Callable[..., tuple[FlaskClient, FlaskClient]]:
    """Clients of release 1 and 2, started in this order."""

    def start(**config: object) -> tuple[FlaskClient, FlaskClient]:
        clients = []
        for name in ("1", "2"):
            (tmp_path / "release").write_text(f"{name}\n")
            clients.append(make_app(RELEASE_PATH=tmp_path / "release", **config).test_client())
        return clients[0], clients[1]

    return start


def test_hashed_names_keep_releases_apart(
    releases: Callable[..., tuple[FlaskClient, FlaskClient]], tmp_path: Path
) -> None:
    old, new = releases(PUBLISHED_PATH=tmp_path / "published")
    styles = style_of(old), style_of(new)
    assert styles[0] != styles[1]
    for client in (old, new):  # either serves the files of both: as long as old pages are about, they find theirs
        for name, style in zip("12", styles, strict=True):
            answer = client.get(style)
            assert f"/* release {name} */" in answer.text
            assert answer.headers["Cache-Control"] == YEAR
            assert hashlib.sha256(answer.data).hexdigest().startswith(style.split(".")[-2])
    pictures = [re.findall(r"/static/categories/[\w.]+", client.get("/").text) for client in (old, new)]
    assert pictures[0] == pictures[1]  # what has not changed keeps its name


def test_a_release_names_itself_in_its_pages(releases: Callable[..., tuple[FlaskClient, FlaskClient]]) -> None:
    old, new = releases(VERSIONED_STATIC=False)
    pages = [client.get("/products/1") for client in (old, new)]
    assert ['name="release" content="1"' in pages[0].text, 'name="release" content="2"' in pages[1].text] == [True] * 2
    assert pages[0].headers["ETag"] != pages[1].headers["ETag"]


def test_plain_names_stay_and_have_a_lifetime(releases: Callable[..., tuple[FlaskClient, FlaskClient]]) -> None:
    old, new = releases(VERSIONED_STATIC=False, TTL_S=7)
    assert style_of(old) == style_of(new) == "/static/app.css"
    bodies = [client.get("/static/app.css") for client in (old, new)]
    assert bodies[0].data != bodies[1].data
    assert {body.headers["Cache-Control"] for body in bodies} == {"public, max-age=7"}
    assert 'url("ticket.woff2")' in bodies[0].text
    assert new.get("/static/app.css", headers={"If-None-Match": bodies[0].headers["ETag"]}).status_code == 200


def test_plain_names_can_have_a_lifetime_of_their_own(make_app: MakeApp) -> None:
    client = make_app(VERSIONED_STATIC=False, TTL_S=7, TTL_STATIC_S=3).test_client()
    assert client.get("/static/app.js").headers["Cache-Control"] == "public, max-age=3"
    assert client.get("/products/1").headers["Cache-Control"] == "public, max-age=7"


def test_only_whole_published_files_are_served(make_app: MakeApp, tmp_path: Path) -> None:
    folder = tmp_path / "published"
    client = make_app(PUBLISHED_PATH=folder).test_client()
    forged, secret = "forged.0123456789ab.css", tmp_path / "secret.0123456789ab.txt"
    (folder / forged).write_text("not what the name says")
    secret.write_text("not of the folder")
    for path in (forged, "../secret.0123456789ab.txt", "%2e%2e/secret.0123456789ab.txt"):
        assert client.get(f"/static/{path}").status_code == 404


def test_a_setting_that_is_no_boolean_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="VERSIONED_STATIC"):
        create_app({"VERSIONED_STATIC": "perhaps", "CATALOGUE_PATH": tmp_path / "c.sqlite3"})
