"""An app that sends the same words as one kind of content or another, always plain."""

from __future__ import annotations

from flask import Flask, Response, request

WORDS = " ".join(f"word{number % 97} of {number}" for number in range(900))
app = Flask(__name__)


@app.get("/text")
def text() -> Response:
    response = Response(WORDS, mimetype=request.args["kind"])
    response.headers["Cache-Control"] = "public, max-age=60"
    response.headers["ETag"] = '"words"'
    return response
