"""What `claims` does: the scenario of every claim one after the other, and one report of all."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from edgebench import scenario as scenarios
from edgebench.analysis.claimed import CLAIMED, place
from edgebench.cli.claims_explain import explain_claim, print_claims, write_claims
from edgebench.cli.claims_live import ClaimsLive
from edgebench.cli.claims_runner import Ended, Runner, run_child
from edgebench.cli.commands import load_scenario
from edgebench.cli.session import ceiling_text
from edgebench.errors import EdgebenchError, UserError
from edgebench.model import ClaimRun, ClaimsRecord, TrustStatus
from edgebench.report.claims_page import ClaimPart
from edgebench.runner.calibration import RUN_SIZES, measure_ceiling
from edgebench.runner.run import new_folder, present_tiers, reproduce_line, stoppable, surroundings
from edgebench.runner.trial import Stopped
from edgebench.store import ClaimsFolder, point_latest

FORMS: Mapping[str, tuple[str, ...]] = {"short": ("profile=short",), "full": ()}
"""What is set for each."""
DONE = (0, 3)
"""Exit codes of a run that came to its end."""
_AROUND_S = 7.0
"""What a run takes beside its trials: starting, its report, and its part of ours."""
_UNKNOWN_S = 10.0
_LIMIT_FACTOR, _LIMIT_MORE_S = 3.0, 120.0
_CEILING_USERS = 32


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for."""

    form: str = "short"
    only: tuple[str, ...] = ()
    """Names of scenarios or claims; empty: all."""
    scenarios: Path = Path("scenarios")
    out: Path = Path("reports")
    arguments: tuple[str, ...] = ("claims",)
    """Of the command line, for the line that reproduces it."""


def begin(wanted: Wanted) -> ClaimsFolder:
    """A new folder with the record of what is to be run. UserError where there is nothing."""
    found = [claim for path in sorted(wanted.scenarios.glob("*.toml")) if (claim := _claim_of(path, wanted.form))]
    found.sort(key=lambda claim: (place(claim.claim), claim.scenario))
    if not found:
        raise UserError(f"{wanted.scenarios}: no scenario here tests a claim; start it where the scenarios are")
    known = dict.fromkeys(name for claim in found for name in (claim.scenario, claim.claim))
    for name in wanted.only:
        if name not in known:
            raise UserError(f"--only {name}: expected some of {', '.join(known)}")
    claims = tuple(claim for claim in found if not wanted.only or {claim.scenario, claim.claim} & set(wanted.only))
    now = datetime.now(UTC)
    folder = ClaimsFolder(new_folder(wanted.out, "claims", now))
    commit, versions, machine = surroundings()
    record = ClaimsRecord(
        id=folder.path.name, command=reproduce_line(wanted.arguments), started=now.isoformat(timespec="seconds"),
        form=wanted.form, scenarios=str(wanted.scenarios), commit=commit, versions=versions, machine=machine,
        claims=claims,
    )  # fmt: skip
    folder.write_record(record)
    return folder


def resume(path: Path) -> ClaimsFolder:
    """The folder of an earlier run of claims."""
    folder = ClaimsFolder(path)
    if not folder.exists():
        raise UserError(f"{path}: no claims.json here; give a folder that `claims` made")
    return folder


def _claim_of(path: Path, form: str) -> ClaimRun | None:
    """The claim a scenario file tests. One that cannot be read is judged by its name: its run will say why."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError):
        table = {"claim": path.stem} if path.stem in CLAIMED else {}
    claim = table.get("claim")
    if not isinstance(claim, str) or not claim:
        return None
    return ClaimRun(path.stem, claim, str(table.get("question", "")), reproduce_line(_words(path, form)))


def _words(path: Path, form: str) -> tuple[str, ...]:
    return ("run", str(path), *(word for setting in FORMS[form] for word in ("--set", setting)))


def run_claims(folder: ClaimsFolder, console: Console, *, runner: Runner = run_child, ceiling: bool = True) -> int:
    """Run what has not come to its end yet, and write the report after each. The command's exit code.

    0: every claim has a verdict; 1: the harness failed in some; 3: some figures are INVALID; 130: stopped before all
    had their turn.
    """
    record = folder.read_record()
    point_latest(folder.path.parent, folder.path)
    console.print(f"folder: {folder.path}", highlight=False, soft_wrap=True)
    parts = {claim.scenario: explain_claim(folder, claim) for claim in record.claims if claim.exit_code in DONE}
    stopped = False
    try:
        with stoppable():
            if ceiling and record.ceiling is None and len(parts) < len(record.claims):
                console.print("measuring the generator's ceiling …", highlight=False)
                record = replace(record, ceiling=measure_ceiling(_CEILING_USERS, RUN_SIZES))
                folder.write_record(record)
                if record.ceiling is not None:
                    console.print(ceiling_text(record.ceiling), highlight=False)
            _run_each(folder, console, runner, parts)
    except Stopped:
        stopped = True
    record = folder.read_record()
    parts |= {claim.scenario: explain_claim(folder, claim) for claim in record.claims if claim.scenario not in parts}
    ordered = [parts[claim.scenario] for claim in record.claims]
    write_claims(folder, ordered)
    print_claims(folder, ordered, console)
    if stopped:
        console.print(f"stopped; go on with: python -m edgebench claims --resume {folder.path}", soft_wrap=True)
        return 130
    return exit_code(ordered)


def exit_code(parts: Sequence[ClaimPart]) -> int:
    """What the verdicts come to."""
    if any(part.run.exit_code not in (*DONE, 2) or part.broken for part in parts):
        return 1
    return 3 if any(part.row.trust is TrustStatus.INVALID for part in parts) else 0


def _run_each(folder: ClaimsFolder, console: Console, runner: Runner, parts: dict[str, ClaimPart]) -> None:
    """Every claim that is missing in `parts`, which grows."""
    record = folder.read_record()
    missing = [claim for claim in record.claims if claim.scenario not in parts]
    expected_s = {claim.scenario: _expected_s(Path(record.scenarios), claim, record.form) for claim in missing}
    with ClaimsLive(console, len(record.claims), [expected_s[claim.scenario] for claim in missing]) as live:
        for claim in missing:
            number = record.claims.index(claim) + 1
            live.begin(number, claim.scenario, claim.question)
            limit_s = _LIMIT_FACTOR * expected_s[claim.scenario] + _LIMIT_MORE_S
            ended = _run_one(folder, claim, runner, live.line, limit_s)
            part = explain_claim(folder, ended)
            parts[claim.scenario] = part
            try:
                write_claims(folder, [parts[each.scenario] for each in record.claims if each.scenario in parts])
            except Stopped:
                raise
            except Exception as error:  # a page that cannot be made must not end the runs; the last one tells
                console.print(f"the report cannot be made yet: {error}", highlight=False, markup=False)
            live.end(number, part)


def _run_one(
    folder: ClaimsFolder, claim: ClaimRun, runner: Runner, tell: Callable[[str], None], limit_s: float
) -> ClaimRun:
    """Run a claim, and keep its run folder as soon as it has one, and how it ended."""
    record = folder.read_record()
    begun = time.monotonic()
    claim = replace(claim, exit_code=None, problem="")

    def heard(line: str) -> None:
        nonlocal claim
        if line.startswith("run folder: "):
            path = Path(line.removeprefix("run folder: ").strip())
            claim = replace(claim, folder=path.resolve().relative_to(folder.path.resolve()).as_posix())
            _keep(folder, claim)
        tell(line)

    path = Path(record.scenarios) / f"{claim.scenario}.toml"
    begun_before = claim.folder and (folder.run(claim.folder).path / "run.json").exists()
    words = ("run", "--resume", str(folder.run(claim.folder).path)) if begun_before else _words(path, record.form)
    try:
        ended = runner(folder, claim, words, heard, limit_s)
    except OSError as error:
        ended = Ended(1, f"it could not be started: {error}")
    claim = replace(
        claim, exit_code=ended.exit_code, problem=ended.problem, took_s=claim.took_s + time.monotonic() - begun
    )
    _keep(folder, claim)
    return claim


def _keep(folder: ClaimsFolder, claim: ClaimRun) -> None:
    record = folder.read_record()
    claims = tuple(claim if each.scenario == claim.scenario else each for each in record.claims)
    folder.write_record(replace(record, claims=claims))


def _expected_s(folder: Path, claim: ClaimRun, form: str) -> float:
    """How long a run will take, as `plan` says; a little where that cannot be known, for then it ends at once."""
    try:
        scenario = load_scenario(folder / f"{claim.scenario}.toml", FORMS[form], None)
        trials = scenarios.trials(scenario, scenarios.cells(scenario, present_tiers(scenario)[0]))
    except (EdgebenchError, OSError):
        return _UNKNOWN_S
    times = map(scenarios.estimate_s, trials)
    return _AROUND_S + sum(0.8 * shortest + 0.2 * longest for shortest, longest in times)
