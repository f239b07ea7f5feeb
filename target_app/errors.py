"""Errors as JSON for programs and as a page for people; no cache keeps either."""

import sqlite3

from flask import Flask, current_app, json, render_template, request
from werkzeug.exceptions import HTTPException, ServiceUnavailable
from werkzeug.wrappers import Response

JSON_PATHS = ("/api/", "/media/", "/healthz", "/static/")


def register(app: Flask) -> None:
    """Let `app` answer all errors in one shape."""
    app.register_error_handler(HTTPException, _answer)
    app.register_error_handler(sqlite3.OperationalError, _database_busy)


def _answer(error: HTTPException) -> Response:
    response = error.get_response(request.environ)
    # A redirect is an HTTPException too, and fine as it is.
    if error.code is None or error.code < 400 or error.response is not None:
        return response
    # On top of the exception's own response, so that Allow, Content-Range … stay.
    if request.path.startswith(JSON_PATHS):
        body = {"error": {"status": error.code, "name": error.name, "detail": error.description}}
        response.set_data(json.dumps(body, separators=(",", ":")))
        response.mimetype = "application/json"
    else:
        response.set_data(render_template("error.html", error=error))
    response.headers["Cache-Control"] = "no-store"
    return response


def _database_busy(error: sqlite3.OperationalError) -> Response:
    current_app.logger.error("database: %s", error)
    return _answer(ServiceUnavailable("The database is busy.", retry_after=1))
