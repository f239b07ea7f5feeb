"""A small Flask app for tests: answers whose freshness, slowness and privacy are asked for in the URL."""

from __future__ import annotations

import itertools
import threading
import time

from flask import Flask, Response, request

app = Flask(__name__)
_lock = threading.Lock()
_counts: dict[str, int] = {}


@app.route("/public/<name>", methods=["GET", "HEAD", "POST"])
def public(name: str) -> Response:
    """?ttl=2&delay_ms=300&etag=1: how long it may be stored, how long it takes, whether it can be confirmed."""
    with _lock:
        _counts[request.full_path] = _counts.get(request.full_path, 0) + 1
    time.sleep(request.args.get("delay_ms", 0, int) / 1000)
    response = Response(f"public {name} {request.query_string.decode()}", mimetype="text/plain")
    response.headers["Cache-Control"] = f"public, max-age={request.args.get('ttl', 60, int)}"
    if "etag" in request.args:
        response.set_etag(name)
        response.make_conditional(request)
    return response


@app.get("/unmarked")
def unmarked() -> Response:
    return Response("nothing is said of freshness")


@app.get("/mine")
def mine() -> Response:
    """An answer for one user that (wrongly) does not say `private`."""
    time.sleep(request.args.get("delay_ms", 0, int) / 1000)
    response = Response(f"for {request.headers.get('Authorization', 'anybody')}")
    response.headers["Cache-Control"] = request.args.get("cc", "max-age=60")
    return response


_serial = itertools.count()


@app.get("/serial")
def serial() -> Response:
    response = Response(f"{next(_serial)}")
    response.headers["Cache-Control"] = "private, no-store"
    return response


@app.get("/begun")
def begun() -> Response:
    """How many requests for /public have been begun; asked of the origin itself."""
    return Response(f"{sum(_counts.values())}")


_failing = threading.Event()


@app.post("/failing")
def fail() -> Response:
    """From now on every answer is a 503."""
    _failing.set()
    return Response("so be it")


@app.before_request
def answer_503() -> Response | None:
    return Response("failing", 503) if _failing.is_set() else None


@app.get("/long")
def long() -> Response:
    return Response(b"0123456789" * 30_000)


@app.get("/streamed")
def streamed() -> Response:
    """Pieces, and no word of how many."""
    return Response(b"0123456789" for _ in range(3))


@app.get("/one")
def one() -> Response:
    return Response(b"1")
