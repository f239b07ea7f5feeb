"""All claims in turn: what fails loses only itself, what is missing is gone on with, and every way out says so."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from edgebench.analysis.results import Analysis
from edgebench.cli import claims, claims_explain
from edgebench.cli.claims_explain import explain_claims
from edgebench.cli.claims_runner import Ended, Runner, Tell, last_error, run_child
from edgebench.errors import UserError
from edgebench.model import Ceiling, CeilingPoint, ClaimRun, ClaimVerdict
from edgebench.runner.trial import Stopped
from edgebench.store import ClaimsFolder, RunFolder

ROOT = Path(__file__).parents[2]
SCENARIO = """
name = "{name}"
question = "Does {name} hold?"
claim = "{claim}"
baseline = "direct"
locustfile = "{root}/locustfiles/api.py"
repeats = 1
[load]
rate_rps = 60
users = 4
keys = 20
warm_up_s = 0.5
measure_s = 60
[[tiers]]
name = "direct"
[axes]
ttl_s = [1]
[short]
load = {{ measure_s = 1 }}
"""


def scenarios(folder: Path, **claimed: str) -> Path:
    """Files of small scenarios, by name and claim; in their short form a second of one cell."""
    folder.mkdir(exist_ok=True)
    for name, claim in claimed.items():
        text = SCENARIO.format(name=name, claim=claim, root=ROOT)
        (folder / f"{name}.toml").write_text(text)
    return folder


def begun(tmp_path: Path, **claimed: str) -> ClaimsFolder:
    folder = scenarios(tmp_path / "scenarios", **claimed)
    return claims.begin(claims.Wanted(scenarios=folder, out=tmp_path / "reports"))


class Fake:
    """A runner that ends each scenario as it is told, and remembers how it was asked to run it."""

    def __init__(self, ends: dict[str, Ended | type[Exception]]) -> None:
        self.ends = ends
        self.asked: list[tuple[str, ...]] = []

    def __call__(
        self, folder: ClaimsFolder, claim: ClaimRun, words: Sequence[str], tell: Tell, limit_s: float
    ) -> Ended:
        self.asked.append(tuple(words))
        run = folder.runs / f"{claim.scenario}-1"
        run.mkdir(parents=True, exist_ok=True)
        (run / "run.json").write_text("{}")
        tell(f"run folder: {run}")
        end = self.ends[claim.scenario]
        if isinstance(end, Ended):
            return end
        raise end(f"{claim.scenario} was stopped")


def ran(folder: ClaimsFolder, runner: Runner) -> int:
    return claims.run_claims(folder, Console(quiet=True), runner=runner, ceiling=False)


def verdicts(folder: ClaimsFolder) -> dict[str, tuple[str, str]]:
    summary = json.loads((folder.path / "summary.json").read_text())
    return {row["scenario"]: (row["result"]["verdict"], row["result"]["why"]) for row in summary["rows"]}


def test_claims_come_in_the_order_of_the_table_and_only_those_asked_for(tmp_path: Path) -> None:
    claimed = {"zz": "geo", "aa": "swr", "shield": "shield", "mine": "own_claim"}
    folder = begun(tmp_path, **claimed)
    assert [claim.scenario for claim in folder.read_record().claims] == ["zz", "shield", "aa", "mine"]
    scenarios(tmp_path / "scenarios").joinpath("quick.toml").write_text('name = "quick"\n')  # tests no claim
    wanted = claims.Wanted(only=("geo", "aa"), scenarios=tmp_path / "scenarios", out=tmp_path / "reports")
    assert [claim.claim for claim in claims.begin(wanted).read_record().claims] == ["geo", "swr"]
    with pytest.raises(UserError, match="--only goe"):
        claims.begin(claims.Wanted(only=("goe",), scenarios=tmp_path / "scenarios", out=tmp_path / "reports"))
    with pytest.raises(UserError, match="no scenario"):
        claims.begin(claims.Wanted(scenarios=tmp_path, out=tmp_path / "reports"))
    with pytest.raises(UserError, match=r"claims\.json"):
        claims.resume(tmp_path)


@pytest.mark.parametrize(
    ("ends", "code"),
    [
        ({"a": Ended(2, "geo needs a kernel"), "b": Ended(2, "no rclone")}, 0),  # every claim has a verdict
        ({"a": Ended(1, "gunicorn did not start"), "b": Ended(2, "no rclone")}, 1),
        ({"a": Ended(-9, "it ended with exit code -9"), "b": Ended(2, "no rclone")}, 1),
        ({"a": OSError, "b": Ended(2, "no rclone")}, 1),
    ],
)
def test_what_fails_loses_only_itself(tmp_path: Path, ends: dict[str, Ended | type[Exception]], code: int) -> None:
    folder = begun(tmp_path, a="geo", b="offload")
    assert ran(folder, Fake(ends)) == code
    found = verdicts(folder)
    assert [verdict for verdict, _ in found.values()] == [ClaimVerdict.NOT_TESTABLE.value] * 2
    assert found["b"][1] == "no rclone"
    page = (folder.path / "report.html").read_text()
    assert "no rclone" in page and "2 could not be tested" in page


def test_a_run_that_cannot_be_explained_is_told_of_and_is_a_failure(tmp_path: Path) -> None:
    folder = begun(tmp_path, a="geo", b="offload")
    assert ran(folder, Fake({"a": Ended(0), "b": Ended(2, "no rclone")})) == 1  # its run.json is no run.json
    assert "report could not be made" in verdicts(folder)["a"][1]


def test_a_stop_keeps_what_there_is_and_resume_goes_on_with_the_rest(tmp_path: Path) -> None:
    folder = begun(tmp_path, a="geo", b="offload", c="swr")
    assert ran(folder, Fake({"a": Ended(2, "no netem"), "b": Stopped})) == 130
    record = folder.read_record()
    assert [claim.exit_code for claim in record.claims] == [2, None, None]
    assert record.claims[1].folder == "runs/b-1"
    found = verdicts(folder)
    assert found["a"][1] == "no netem" and "not run" in found["b"][1] and "not run" in found["c"][1]
    fake = Fake({"a": Ended(2, "still no netem"), "b": Ended(2, "gone"), "c": Ended(2, "gone")})
    assert ran(claims.resume(folder.path), fake) == 0
    assert [words[:2] for words in fake.asked] == [("run", "--resume")] * 2 + [
        ("run", str(tmp_path / "scenarios/c.toml"))
    ]
    assert verdicts(folder)["a"][1] == "still no netem"


def test_a_stop_while_a_run_is_explained_is_a_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = begun(tmp_path, a="geo", b="offload")
    explained: list[Path] = []

    def stopped_once(run: RunFolder) -> Analysis:
        explained.append(run.path)
        raise Stopped("stopped by SIGINT") if len(explained) == 1 else UserError("no trial has ended")

    monkeypatch.setattr(claims_explain, "analyse", stopped_once)
    assert ran(folder, fake := Fake({"a": Ended(0), "b": Ended(0)})) == 130
    assert len(fake.asked) == 1 and [claim.exit_code for claim in folder.read_record().claims] == [0, None]


def test_the_last_error_is_one_line() -> None:
    assert last_error("warning\nedgebench: tier x: no x; install it\n") == "tier x: no x; install it"
    kept = "edgebench: stopped by SIGINT. What was measured is kept; go on with: python -m edgebench run --resume r\n"
    assert last_error(kept) == "stopped by SIGINT"
    assert last_error("Traceback (most recent call last):\n  x\nValueError: no\n") == "ValueError: no"
    assert last_error("") == ""


def test_real_runs_in_short_form_end_in_one_report(tmp_path: Path) -> None:
    """A claim of a name nobody judges is measured all the same; a scenario with a fault is told of; the reports can be
    made again from the folders alone."""
    folder = begun(tmp_path, small="own_claim", bad="other")
    bad = tmp_path / "scenarios/bad.toml"
    bad.write_text(bad.read_text().replace("rate_rps", "rate_rsp"))
    ceiling = Ceiling(4, (CeilingPoint(1000, 50_000.0, 10.0, 5.0),), "nginx")
    folder.write_record(replace(folder.read_record(), ceiling=ceiling))
    assert ran(folder, run_child) in (0, 3)  # a busy machine's figures are INVALID
    found = verdicts(folder)
    assert "rate_rps" in found["bad"][1] and "no judge" in found["small"][1]
    record = folder.read_record()
    small = next(claim for claim in record.claims if claim.scenario == "small")
    assert small.command == f"python -m edgebench run {tmp_path}/scenarios/small.toml --set profile=short"
    run = json.loads((folder.path / small.folder / "run.json").read_text())
    assert run["ceiling"]["points"][0]["rps"] == 50_000.0  # measured once, known to all
    assert run["command"] == small.command and run["scenario"]["load"]["measure_s"] == 1
    assert (tmp_path / "reports/latest").resolve() == folder.path.resolve()
    page = (folder.path / "report.html").read_bytes()
    (folder.path / "report.html").unlink()
    (folder.path / small.folder / "report.html").unlink()
    explain_claims(folder)
    assert (folder.path / "report.html").read_bytes() == page
    failed = replace(small, exit_code=1, problem="KeyError: a defect of the report")  # mended by now
    folder.write_record(replace(record, claims=tuple(failed if each is small else each for each in record.claims)))
    explain_claims(folder)
    assert "no judge" in verdicts(folder)["small"][1]
    assert (folder.path / small.folder / "report.html").exists()


def wait_for(condition: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + 40
    while not condition():
        assert time.monotonic() < until, f"{what} did not happen within 40 s"
        time.sleep(0.05)


def test_ctrl_c_stops_the_run_and_its_processes_and_writes_the_report(tmp_path: Path) -> None:
    folder = scenarios(tmp_path / "scenarios", long="geo", later="swr")
    words = ("claims", "--form", "full", "--no-ceiling", "--scenarios", str(folder), "--out", str(tmp_path / "reports"))
    with (
        (tmp_path / "out").open("w") as log,
        subprocess.Popen(
            [sys.executable, "-m", "edgebench", *words], cwd=ROOT, stdout=log, stderr=log, process_group=0
        ) as process,
    ):
        try:
            wait_for(lambda: bool(list(tmp_path.glob("reports/claims-*/runs/long-*/trials/*"))), "the first trial")
            os.kill(process.pid, signal.SIGINT)
            assert process.wait(60) == 130
        finally:
            if process.poll() is None:
                process.kill()
    assert "--resume" in (tmp_path / "out").read_text()
    made = next(tmp_path.glob("reports/claims-*"))
    assert "not run" in (made / "report.html").read_text()
    assert [claim.exit_code for claim in ClaimsFolder(made).read_record().claims] == [None, None]
    assert not _running(str(tmp_path))


def _running(word: str) -> list[str]:
    """Command lines of living processes with this word."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if word in line and str(os.getpid()) != path.parent.name:
            found.append(line)
    return found
