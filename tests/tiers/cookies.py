"""An app whose shared answers set cookies, and one whose answers vary."""

from __future__ import annotations

from flask import Flask, Response, request

app = Flask(__name__)


@app.get("/shared")
def shared() -> Response:
    response = Response("for all")
    response.headers["Cache-Control"] = "public, max-age=60"
    response.set_cookie("session", "ann")
    return response


@app.get("/private")
def private() -> Response:
    response = Response("for one")
    response.headers["Cache-Control"] = "private, max-age=60"
    response.set_cookie("session", "ann")
    return response


@app.get("/varied")
def varied() -> Response:
    response = Response(f"in {request.headers.get('Accept-Language')}")
    response.headers["Cache-Control"] = "public, max-age=60"
    response.headers["Vary"] = "Accept-Language"
    return response
