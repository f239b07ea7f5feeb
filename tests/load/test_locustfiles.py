"""The locustfiles of what browsers do, each alone under locust, against the shop behind a real nginx."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pandas as pd

from edgebench.analysis.page_views import page_views
from edgebench.analysis.tables import frame
from edgebench.load import samples
from edgebench.load.browser import CONNECTIONS
from tests.conftest import StartStack
from tests.load.runs import ROOT

SHOP = "target_app:create_app()"
PIECE_BYTES = 131_072


def recorded(folder: Path, url: str, names: list[str], *options: str) -> dict[str, pd.DataFrame]:
    """The samples of each of these locustfiles, run side by side."""
    running = {}
    for name in names:
        line = [sys.executable, "-m", "locust", "-f", f"locustfiles/{name}.py", "--host", url, "--headless"]
        line += ["-u", "6", "-r", "100", "--measure", "1.5", "--seed", "3", "--only-summary", "--no-parquet"]
        line += ["--record", str(folder / name), *options]
        running[name] = subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    found = {}
    for name, process in running.items():
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, output
        assert "Traceback" not in output, output
        found[name] = frame(samples.read(folder / name, 0))
    return found


def test_pages_static_and_media_against_nginx(start_stack: StartStack, tmp_path: Path) -> None:
    work = tmp_path / "shop"
    stack = start_stack("nginx", app=SHOP, env={"FLASK_CATALOGUE_PATH": str(work / "c.db"), "FLASK_TTL_S": "60"})
    found = recorded(tmp_path, stack.url, ["pages", "static", "media"], "--rate", "20", "--keys", "40")
    assert all(rows["error"].isna().all() for rows in found.values())
    _check_pages(found["pages"])
    _check_static(found["static"])
    _check_media(found["media"])


def _check_pages(rows: pd.DataFrame) -> None:
    views = page_views(rows)
    assert views["ok"].all()
    assert views["connections"].between(1, CONNECTIONS).all()
    new, back = (views[views["visitor"] == visitor] for visitor in ("new", "returning"))
    assert len(new) > 5
    assert len(back) > 2
    assert (new["requests"] >= 7).all()
    assert (back["requests"] == 1).all(), "who comes back asks for the page alone: all else is immutable"
    assert (back["bytes"] == 0).all(), "and is told that it is as it was"
    assert set(views["page"]) <= {"/", "/products/[id]"}
    assert int(rows["arrival"].sum()) == len(new)
    assert int(views["requests"].sum()) == len(rows)


def _check_static(rows: pd.DataFrame) -> None:
    asked = rows[rows["arrival"]]
    assert asked["key"].astype(str).str.startswith("/static/").all()
    assert (asked["status"] == 200).all()
    kinds = Counter(asked["endpoint"])
    assert {"/static/[css]", "/static/[svg]"} < set(kinds)
    one_each = asked.groupby("key", observed=True)["origin_seq"].nunique()
    assert (one_each == 1).all(), "each file was fetched once"


def _check_media(rows: pd.DataFrame) -> None:
    assert set(rows["endpoint"]) == {"/media/[clip]", "/media/[clip] (after a jump)"}
    assert set(rows["key"].astype(str)) >= {"/media/film.webm", "/media/tour.wav"}
    assert (rows["status"] == 206).all()
    assert rows["bytes"].between(1, PIECE_BYTES).all()
    assert (rows["bytes"] == PIECE_BYTES).sum() > len(rows) / 2
    assert (rows.groupby("key", observed=True)["origin_seq"].nunique() == 1).all(), (
        "nginx fetched each clip once, whole"
    )
    assert 0 < int(rows["arrival"].sum()) < len(rows) / 2
