"""The tab "Cache" in Locust's web UI: a table as Locust's own, and around it a chart and what the figures mean.

Locust's page draws the table by itself, from `extended_tabs`, `extended_tables` and the `extended_stats` in its own
poll. The chart and the notes come from a script that is added to the page; should a later Locust arrange its page so
that the script does not find the tab, the table remains.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Blueprint, Response, jsonify, request, send_from_directory

from edgebench.load.live.board import Board
from edgebench.load.live.table import Row, csv_text

KEY = "cache"
TITLE = "Cache"
_HERE = Path(__file__).parent
_SCRIPT = "tab.js"
_WIDTH = 16
_TABLE = (
    ("type", "Type"),
    ("endpoint", "Name"),
    ("requests", "# Requests"),
    ("proved", "Proved hits (%)"),
    ("claimed", "Claimed hits (%)"),
    ("offload", "Origin offload (%)"),
    ("hit_median", "Hit median (µs)"),
    ("hit_high", "Hit 99%ile (µs)"),
    ("miss_median", "Miss median (µs)"),
    ("miss_high", "Miss 99%ile (µs)"),
)


def attach(web_ui: Any, board: Board) -> None:
    """Add the tab, its data and its CSV to a web UI that has not started yet."""
    base = web_ui.environment.parsed_options.web_base_path if web_ui.environment.parsed_options else ""
    blueprint = Blueprint("edgebench_live", __name__, url_prefix=f"{base or ''}/{KEY}")

    def live() -> Response:
        return jsonify(board.document())

    def csv() -> Response:
        response = Response(csv_text(board.rows), mimetype="text/csv")
        response.headers["Content-Disposition"] = "attachment;filename=cache.csv"
        return response

    def script() -> Response:
        return send_from_directory(_HERE, _SCRIPT, mimetype="text/javascript")

    private = web_ui.auth_required_if_enabled
    blueprint.add_url_rule("/live", view_func=private(live))
    blueprint.add_url_rule("/csv", view_func=private(csv))
    blueprint.add_url_rule(f"/{_SCRIPT}", view_func=script)
    web_ui.app.register_blueprint(blueprint)
    web_ui.app.after_request(lambda response: _extended(response, board))
    arguments = web_ui.template_args
    _append(arguments, "extended_tabs", {"title": TITLE, "key": KEY})
    structure = [{"key": key, "title": title} for key, title in _TABLE]
    _append(arguments, "extended_tables", {"key": KEY, "structure": structure})
    _append(arguments, "extended_csv_files", {"href": f"./{KEY}/csv", "title": "Download cache CSV"})


def _append(arguments: dict[str, Any], name: str, value: dict[str, Any]) -> None:
    """Beside what a locustfile of its own has added."""
    arguments[name] = [*arguments.get(name, ()), value]


def _extended(response: Response, board: Board) -> Response:
    if request.endpoint == "locust.request_stats" and response.is_json:
        # Locust keeps this response for two seconds and gives the same one again: what is there of ours is replaced.
        stats = response.get_json()
        others = [extra for extra in stats.get("extended_stats", ()) if extra["key"] != KEY]
        stats["extended_stats"] = [*others, {"key": KEY, "data": [_cells(row) for row in board.rows]}]
        response.set_data(jsonify(stats).get_data())
    elif request.endpoint == "locust.index" and response.mimetype == "text/html" and response.status_code == 200:
        tag = f'<script type="module" src="./{KEY}/{_SCRIPT}"></script>'
        response.set_data(response.get_data(as_text=True).replace("</body>", f"{tag}</body>", 1))
    return response


def _cells(row: Row) -> dict[str, str]:
    """A row for Locust's table, which sorts cells as they are: padded with blanks, numbers stand in their order."""
    return {
        "type": row.method,
        "endpoint": row.name,
        "requests": _padded(f"{row.requests:,}"),
        "proved": _percent(row.proved_hit_ratio),
        "claimed": _percent(row.claimed_hit_ratio),
        "offload": _percent(row.origin_offload),
        "hit_median": _whole(row.hit_latency_p50_us),
        "hit_high": _whole(row.hit_latency_p99_us),
        "miss_median": _whole(row.miss_latency_p50_us),
        "miss_high": _whole(row.miss_latency_p99_us),
    }


def _percent(ratio: float | None) -> str:
    return _padded("–" if ratio is None else f"{100 * ratio:.1f}")


def _whole(latency_us: float | None) -> str:
    return _padded("–" if latency_us is None else f"{latency_us:,.0f}")


def _padded(number: str) -> str:
    return number.rjust(_WIDTH)
