"""What the proxy stands before: public answers in two codings, news, and data that is one user's own.

Every answer says in its body what it is and for whom, and its version changes every few seconds.
"""

from __future__ import annotations

import gzip
import os
import time

from flask import Flask, Response, request

TTL_S = int(os.environ.get("ITEM_TTL_S", "2"))
VERSION_S = 5
"""How long a version is current."""
app = Flask(__name__)


def _answer(what: str, cache_control: str, slow_ms: int, coding: str = "identity") -> Response:
    """Some 1 to 3 kB that follow from what it is; its entity tag names version and coding."""
    time.sleep(slow_ms / 1000)
    version = int(time.monotonic() / VERSION_S)
    text = f"{what}, version {version}\n" * (20 + sum(what.encode()) % 40)
    if coding == "gzip":
        response = Response(gzip.compress(text.encode(), 5, mtime=0), mimetype="text/plain")
        response.headers["Content-Encoding"] = coding
    else:
        response = Response(text, mimetype="text/plain")
    response.set_etag(f"{version}-{coding}")
    response.headers["Cache-Control"] = cache_control
    return response


@app.get("/items/<int:number>")
def item(number: int) -> Response:
    coding = "gzip" if "gzip" in request.headers.get("Accept-Encoding", "") else "identity"
    response = _answer(f"item {number}", f"public, max-age={TTL_S}", 20, coding)
    response.headers["Vary"] = "Accept-Encoding"
    return response


@app.get("/news/<int:number>")
def news(number: int) -> Response:
    """Few and slow: when one expires, several readers ask for it before its successor is there."""
    return _answer(f"news {number}", "public, max-age=1", 50)


@app.get("/offers")
def offers() -> Response:
    """Asked for by users who are signed in, and the same for all of them: it says that it may be shared."""
    return _answer("offers", f"public, max-age={TTL_S}", 20)


def _user() -> str:
    return request.headers.get("Authorization", "nobody").removeprefix("Bearer ")


@app.get("/me")
def me() -> Response:
    return _answer(f"the data of {_user()}", "private, max-age=1", 5)


@app.get("/orders")
def orders() -> Response:
    """Says nothing of privacy: that it was asked for with Authorization is all that keeps it from being shared."""
    return _answer(f"the orders of {_user()}", "max-age=1", 5)


@app.post("/echo")
def echo() -> Response:
    """What was sent, in pieces of a length that is not told beforehand."""
    sent = request.get_data()
    return Response((sent[at : at + 100] for at in range(0, len(sent), 100)), mimetype="text/plain")
