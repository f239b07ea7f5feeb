"""Whole runs by the command line: finished, interrupted, broken in the middle, and gone on with."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

from edgebench.model import Bound
from edgebench.runner.calibration import RUN_SIZES
from edgebench.runner.services import is_alive
from edgebench.store import RunFolder

ROOT = Path(__file__).parent.parent.parent
SCENARIO = """
name = "short"
question = "Does the harness do its work?"
locustfile = "locustfiles/api.py"
repeats = {repeats}
seed = 7
baseline = "direct"
[load]
rate_rps = 250
users = 8
keys = 60
warm_up_s = {warm_up_s}
measure_s = {measure_s}
[origin]
env = {{ FLASK_TTL_S = "{{ttl_s}}", FLASK_CATALOGUE_PATH = "{{work}}/catalogue.db" }}
[[tiers]]
name = "direct"
[[tiers]]
name = "nginx"
[axes]
ttl_s = [1]
"""


def scenario(folder: Path, repeats: int = 1, warm_up_s: int = 2, measure_s: int = 3) -> Path:
    path = folder / "short.toml"
    path.write_text(SCENARIO.format(repeats=repeats, warm_up_s=warm_up_s, measure_s=measure_s))
    return path


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "edgebench", "run", *(str(word) for word in words)]


def finish(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*words), cwd=ROOT, capture_output=True, text=True, timeout=180, check=False)


def await_that(what: Callable[[], Any], limit_s: float, problem: str) -> Any:
    """What `what` returns as soon as it is true."""
    deadline = time.monotonic() + limit_s
    while not (got := what()):
        assert time.monotonic() < deadline, problem
        time.sleep(0.02)
    return got


@dataclass
class Running:
    """A run in the background, and every process it was ever seen to have."""

    popen: subprocess.Popen[str]
    folder: Path
    family: dict[int, psutil.Process] = field(default_factory=dict)

    def look(self) -> dict[psutil.Process, str]:
        """Its processes now, with their command lines."""
        children = psutil.Process(self.popen.pid).children(recursive=True)
        self.family |= {child.pid: child for child in children}
        lines = {}
        for child in filter(is_alive, children):
            with suppress(psutil.Error):  # it may end while we look
                lines[child] = " ".join(child.cmdline())
        return lines

    def alive(self) -> list[psutil.Process]:
        return list(filter(is_alive, self.family.values()))

    def measuring(self, words: str) -> list[psutil.Process]:
        """Its processes with these words in their command line, once a trial records answers."""

        def found() -> list[psutil.Process]:
            recorded = self.folder.rglob("samples-*.bin")
            measuring = any(path.stat().st_size > 0 for path in recorded if path.exists())
            return [each for each, line in self.look().items() if measuring and words in line]

        processes: list[psutil.Process] = await_that(found, 60, f"no process {words}")
        return processes


@contextmanager
def running(folder: Path, *words: object) -> Iterator[Running]:
    """A run in the background; afterwards none of its processes may be left."""
    words = (*words, "--no-ceiling", "--out", folder / "reports")
    with subprocess.Popen(
        command(*words), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as popen:
        run = Running(popen, folder)
        yield run
        await_that(lambda: not run.alive(), 15, f"left running: {run.alive()}")


def latest(out: Path) -> Path:
    return (out / "latest").resolve()


def records(out: Path) -> dict[str, dict[str, Any]]:
    found = sorted(latest(out).glob("trials/*/trial.json"))
    return {path.parent.name: json.loads(path.read_text()) for path in found}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    folder = tmp_path_factory.mktemp("run")
    # Paths as people type them: relative to where they are.
    return folder, finish(scenario(folder, repeats=2), "--out", os.path.relpath(folder / "reports", ROOT))


def test_a_run_ends_with_its_verdict_and_everything_in_its_folder(
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, done = finished
    summary = json.loads((latest(folder / "reports") / "summary.json").read_text())
    status = summary["trust"]["status"]
    assert done.returncode == (3 if status == "INVALID" else 0), done.stderr
    assert status in done.stdout and "report.html" in done.stdout and "[4/4]" in done.stdout
    assert [cell["id"] for cell in summary["cells"]] == ["direct", "nginx.ttl1"]
    for cell in summary["cells"]:
        for metric in ("latency_p50_ms", "achieved_rps", "hit_ratio", "origin_offload", "byte_offload"):
            assert cell["metrics"][metric]["value"] is not None, (cell["id"], metric)
    assert (latest(folder / "reports") / "report.html").stat().st_size < 1_000_000
    for path in latest(folder / "reports").glob("trials/*/trial.json"):
        assert str(folder) not in path.read_text(), "a run folder tells nobody where it was made"


def test_a_run_knows_its_generators_ceiling(finished: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, done = finished
    run = RunFolder(latest(folder / "reports"))
    ceiling = run.read_run().ceiling
    assert ceiling is not None and ceiling.problem == "" and ceiling.users == 8
    assert [point.body_bytes for point in ceiling.points] == list(RUN_SIZES)
    assert "measuring the generator's ceiling" in done.stdout and f"{ceiling.points[0].rps:,.0f}" in done.stdout
    for cell in run.read_summary().cells:
        figure = cell.metrics["ceiling_rps"]
        assert figure.value is not None and figure.n == 2 and figure.bound is Bound.NONE


def test_a_run_that_is_stopped_before_its_first_trial_can_go_on(tmp_path: Path) -> None:
    words = [*command(scenario(tmp_path), "--out", tmp_path / "reports"), "--ceiling"]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as popen:
        run = Running(popen, tmp_path)
        await_that(lambda: any("null_locustfile" in line for line in run.look().values()), 30, "no calibration")
        popen.send_signal(signal.SIGINT)
        _, err = popen.communicate(timeout=30)
        await_that(lambda: not run.alive(), 15, f"left running: {run.alive()}")
    assert popen.returncode == 130 and "--resume" in err and "Traceback" not in err
    assert RunFolder(latest(tmp_path / "reports")).read_run().ceiling is None


def test_all_witnesses_of_a_real_nginx_agree_request_by_request(
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, _ = finished
    for trial in ("nginx.ttl1-r1", "nginx.ttl1-r2"):
        path = latest(folder / "reports") / "trials" / trial
        samples, ledger, log = (
            pd.read_parquet(path / f"{name}.parquet") for name in ("samples", "ledger", "tier_log")
        )  # fmt: skip
        assert len(samples) > 300 and samples.error.isna().all()
        assert set(samples.origin_seq.dropna()) <= set(ledger.seq)
        assert len(log) == len(samples)
        # The k-th request of a client port is the k-th line of that port in the cache's own log.
        for frame in (samples, log):
            frame["nth"] = frame.groupby("port").cumcount()
        pairs = samples.merge(log, on=["port", "nth"], suffixes=("", "_logged"), validate="one_to_one")
        assert len(pairs) == len(samples)
        for column in ("key", "method", "status", "origin_seq"):
            assert (pairs[column].astype(object) == pairs[f"{column}_logged"].astype(object)).all(), column
        assert (pairs.claim.astype(str) == pairs.verdict.astype(str)).all()
        # By the log, whatever was no hit went to the origin: one ledger row each.
        assert (log.verdict.astype(str) != "hit").sum() == len(ledger)


def test_the_replay_predicts_the_proved_hit_ratio(finished: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, _ = finished
    summary = json.loads((latest(folder / "reports") / "summary.json").read_text())
    metrics = next(cell["metrics"] for cell in summary["cells"] if cell["id"] == "nginx.ttl1")
    # Some hundred requests: one that falls on the edge of a second is 0.1 points.
    assert metrics["predicted_hit_ratio"]["value"] == pytest.approx(metrics["hit_ratio"]["value"], abs=0.005)
    assert metrics["claimed_hit_ratio"]["value"] == pytest.approx(metrics["hit_ratio"]["value"], abs=0.005)


def test_analyze_makes_the_same_report_from_the_folder_alone(
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, done = finished
    run = latest(folder / "reports")
    before = (run / "report.html").read_text()
    again = subprocess.run(
        [sys.executable, str(ROOT / "analyze.py"), str(run)],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert again.returncode == done.returncode, again.stderr
    assert (run / "report.html").read_text() == before


def test_resuming_repeats_no_finished_trial(finished: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, _ = finished
    run = latest(folder / "reports")
    lost = run / "trials" / "direct-r2" / "trial.json"
    lost.unlink()
    before = (run / "run.json").read_text()
    kept = {path: path.stat().st_mtime_ns for path in run.glob("trials/*/trial.json")}
    done = finish("--resume", run)
    assert done.returncode in (0, 3), done.stderr
    assert "3 of 4 trials are finished already" in done.stdout
    assert (run / "run.json").read_text() == before, "a run that goes on keeps its ceiling"
    assert lost.exists()
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_keeps_what_it_has_and_says_how_to_go_on(tmp_path: Path, number: signal.Signals) -> None:
    with running(tmp_path, scenario(tmp_path, repeats=3)) as run:
        await_that(lambda: len(records(tmp_path / "reports")) == 1, 60, "no trial ended")
        run.measuring("locust")
        run.popen.send_signal(number)
        out, err = run.popen.communicate(timeout=30)
    assert run.popen.returncode == 130
    assert f"stopped by {number.name}" in err and "--resume" in err and "Traceback" not in err
    found = records(tmp_path / "reports")
    assert [record["complete"] for record in found.values()].count(True) == 1
    assert "TRIALS_MISSING" in out


@pytest.mark.parametrize(
    ("words", "named"), [("nginx: worker", "nginx"), ("nginx.conf", "nginx"), ("gunicorn", "origin")]
)
def test_a_killed_server_ends_the_run_with_its_name(tmp_path: Path, words: str, named: str) -> None:
    with running(tmp_path, scenario(tmp_path, measure_s=10), "--set", "repeats=2") as run:
        run.measuring(words)[0].kill()
        _, err = run.popen.communicate(timeout=60)
    assert run.popen.returncode == 1
    assert named in err and "ended by itself" in err and "--resume" in err and "Traceback" not in err
    assert [record["complete"] for record in records(tmp_path / "reports").values()].count(False) == 1


def test_a_hung_origin_is_found_and_named(tmp_path: Path) -> None:
    with running(tmp_path, scenario(tmp_path, measure_s=60)) as run:
        for process in run.measuring("gunicorn"):
            process.suspend()
        _, err = run.popen.communicate(timeout=90)
    assert run.popen.returncode == 1
    assert "the origin" in err and "does not answer" in err


def test_no_process_is_left_when_the_harness_is_killed(tmp_path: Path) -> None:
    with running(tmp_path, scenario(tmp_path, measure_s=10)) as run:
        run.measuring("locust")
        run.popen.kill()
        run.popen.communicate(timeout=10)
    assert run.popen.returncode == -signal.SIGKILL


def test_a_port_in_use_is_the_users_to_mend(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        done = finish(scenario(tmp_path), "--set", f"origin.port={port}", "--no-ceiling", "--out", tmp_path / "reports")
    assert done.returncode == 2
    assert f"port {port} is in use" in done.stderr and f"pid {os.getpid()}" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="needs a small file system of its own")
def test_a_full_disk_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    reports.mkdir()
    line = command(scenario(tmp_path, measure_s=20), "--no-ceiling", "--out", reports)
    words = " ".join(f"'{word}'" for word in line)
    script = f"mount -t tmpfs -o size=40m none '{reports}' && {words}; code=$?; ls '{reports}'; exit $code"
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "full" in done.stderr and "--resume" in done.stderr and "Traceback" not in done.stderr
