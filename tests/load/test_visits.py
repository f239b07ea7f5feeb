"""API readers and page visitors of one household, alone under locust, at the shop by https without a cache."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from edgebench.analysis.page_views import page_views
from edgebench.analysis.tables import frame
from edgebench.load import samples
from tests.conftest import StartStack
from tests.load.runs import ROOT

RATE = 120


def test_visits_and_requests_to_the_api_come_by_the_schedule(start_stack: StartStack, tmp_path: Path) -> None:
    env = {"FLASK_CATALOGUE_PATH": str(tmp_path / "shop" / "c.db"), "FLASK_TTL_S": "60"}
    stack = start_stack("direct", tier={"tls": True}, app="target_app:create_app()", env=env, threads=32)
    assert stack.url.startswith("https://")
    options = {
        "--host": stack.url, "--ca-file": stack.ca, "-u": 12, "-r": 100, "--rate": RATE, "--measure": 2.0, "--seed": 5,
        "--record": tmp_path / "record",
    }  # fmt: skip
    line = [sys.executable, "-m", "locust", "-f", "locustfiles/visits.py", "--headless", "--only-summary"]
    line += ["--no-parquet", *(str(word) for pair in options.items() for word in pair)]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stdout + done.stderr
    rows = frame(samples.read(tmp_path / "record", 0))
    assert rows["error"].isna().all() and rows["status"].isin([200, 304]).all()
    views = page_views(rows)
    assert len(views) >= 2 and views["ok"].all()
    new, back = (views[views["visitor"] == visitor] for visitor in ("new", "returning"))
    assert (new["connections"] >= 2).all() and (back["connections"] == 1).all()
    api = rows[rows["key"].astype(str).str.startswith("/api/products/")]
    assert len(api) > 10 * len(views)
    assert api["arrival"].all() and int(rows["arrival"].sum()) == len(api) + len(new), "a visit is one arrival"
    fresh = api[~api["reused_connection"]]
    assert len(fresh) <= 12, "each user's connection for the API stays, whatever the browser does"
