"""A real browser's page loads, and the emulated page view beside them: the same requests for the same page."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from edgebench.load.browser import CONNECTIONS
from edgebench.runner import browser
from edgebench.runner.guardian import Guardian
from edgebench.runner.services import is_alive
from edgebench.store import BROWSER, TrialFolder
from tests.load.server import Seen, Server, ok, serving
from tests.load.test_load_browser import ASSETS, browsing, shop

SHORT_LIVED = "Cache-Control: max-age=1"


def soon_stale(seen: Seen) -> bytes:
    """The page is stale after a second, so that who comes back asks whether it is still good."""
    return shop(seen).replace(b"Cache-Control: max-age=60", SHORT_LIVED.encode())


def asked_by_the_browser(server: Server) -> list[Seen]:
    """Not by its driver, in the name of somebody else."""
    return [seen for seen in server.seen if "sec-fetch-dest" in seen.headers]


@pytest.mark.skipif(browser.find() is None, reason="no Chromium on this machine")
def test_the_emulated_view_asks_what_chromium_asks(tmp_path: Path) -> None:
    with serving(soon_stale) as server, Guardian() as guardian:
        found = browser.load_pages(server.url, 1, work=tmp_path, cores=(), guardian=guardian)
        assert found.problem == "", (tmp_path / "browser.log").read_text()
        new, back = found.table.to_pylist()
        asked = asked_by_the_browser(server)
    with serving(soon_stale) as server, browsing(server.url) as (emulated, _):
        emulated.first_visit("/")
        first = sorted(server.targets())
        server.seen.clear()
        emulated.return_visit("/")
        second = sorted(server.targets())
    assert found.table.schema == BROWSER
    # What a page does not wait for may come, on a busy machine, when nobody looks any more.
    assert sorted({*new["asked"], "/lazy.png", "/icon.svg"}) == first == sorted({"/"} | ASSETS)
    assert len(new["asked"]) == len(set(new["asked"]))
    assert sorted(set(back["asked"]) - {"/lazy.png", "/icon.svg"}) == second
    assert (new["visitor"], back["visitor"], new["page"], back["page"]) == ("new", "returning", "/", "/")
    assert new["connections"] == CONNECTIONS
    assert 0 < back["connections"] <= len(back["asked"])
    assert new["load_ms"] >= new["last_byte_ms"] >= new["first_byte_ms"] > 0
    assert 0 < new["bytes"] < new["wire_bytes"]
    validators = {seen.target: seen.headers.get("if-none-match") for seen in asked if seen.at_ns >= back["started_ns"]}
    assert {target: validators[target] for target in second} == {"/": '"v1"', "/i/3.png": '"i3"', "/i/4.png": None}
    TrialFolder(tmp_path).write_table("browser", found.table)
    assert TrialFolder(tmp_path).read_table("browser").to_pylist() == [new, back]


def test_without_a_browser_the_record_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with Guardian() as guardian:
        found = browser.load_pages("http://127.0.0.1:9", 2, work=tmp_path, cores=(), guardian=guardian)
    assert found.table.num_rows == 0
    assert found.problem == (
        "no browser: none of chromium, chromium-browser, google-chrome, google-chrome-stable is installed; install one"
    )


def test_a_browser_that_fails_is_told_and_what_it_measured_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\necho it is broken >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with serving(lambda _: ok()) as server, Guardian() as guardian:
        found = browser.load_pages(server.url, 2, work=tmp_path, cores=(), guardian=guardian)
    assert found.table.num_rows == 0
    assert found.problem.startswith("4 of 4 page loads are missing: it ended with exit code 1")


def test_a_browser_that_hangs_is_ended_with_all_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pid_file = tmp_path / "pid"
    hanging = tmp_path / "chromium"
    hanging.write_text(f"#!/bin/sh\necho $$ > {pid_file}\nexec /bin/sleep 60\n")
    hanging.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(browser, "_START_S", 4.0)
    monkeypatch.setattr(browser, "_LOAD_S", 0.0)
    with Guardian() as guardian:
        found = browser.load_pages("http://127.0.0.1:9", 1, work=tmp_path, cores=(), guardian=guardian)
    assert found.problem == "2 of 2 page loads are missing: it was not done after 4 s"
    if pid_file.exists():  # on a very busy machine it had not begun
        pid = int(pid_file.read_text())
        assert not psutil.pid_exists(pid) or not is_alive(psutil.Process(pid))
