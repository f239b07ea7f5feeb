"""What `run` and `up` do: the measuring half driven, the explaining half asked, both shown on the console."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from edgebench import scenario as scenarios
from edgebench.analysis.results import Analysis
from edgebench.analysis.tables import read_trial
from edgebench.analysis.trial import prove_trial, trial_result
from edgebench.cli.explain import explain
from edgebench.cli.verdict import print_verdict
from edgebench.errors import EdgebenchError, UserError
from edgebench.model import Ceiling, Cell, OriginSpec, Scenario, Trial, TrialRecord, TrustStatus
from edgebench.runner.calibration import ensure_ceiling
from edgebench.runner.guardian import Guardian
from edgebench.runner.live import Live
from edgebench.runner.run import (
    describe,
    finished_trials,
    new_run_folder,
    present_tiers,
    reproduce_line,
    run_all,
    stoppable,
)
from edgebench.runner.stack import Stack
from edgebench.runner.trial import Stopped
from edgebench.store import REDACTED, RunFolder, point_latest, redact

Asked = tuple[Scenario, Path, tuple[str, ...]]
"""A scenario, the file it came from and the command line's arguments."""


def begin(asked: Asked, out: Path) -> tuple[RunFolder, Sequence[Trial], OriginSpec]:
    """A new run folder with everything in it but the trials and the user's secrets."""
    scenario, path, arguments = asked
    origin = scenario.origin
    scenario = replace(scenario, origin=replace(origin, env=redact(origin.env)))
    present, left_out = present_tiers(scenario)
    trials = scenarios.trials(scenario, scenarios.cells(scenario, present))
    if not trials:
        raise UserError(f"{path}: none of its tiers can run here: {'; '.join(left_out.values())}")
    folder = new_run_folder(out, scenario, datetime.now(UTC))
    command = reproduce_line(arguments)
    folder.write_run(describe(folder, scenario, trials, left_out, command), scenarios.to_toml(scenario))
    return folder, trials, origin


def resume(path: Path) -> tuple[RunFolder, Sequence[Trial], OriginSpec]:
    """An interrupted run's folder, all its trials in their order, and the origin with its secrets back in place."""
    folder = RunFolder(path)
    run = folder.read_run()
    present = frozenset(tier.name for tier in run.scenario.tiers if tier.name not in run.left_out)
    trials = scenarios.trials(run.scenario, scenarios.cells(run.scenario, present))
    if tuple(trial.id for trial in trials) != run.planned:
        raise UserError(f"{path}: planned by another version of edgebench; start a new run")
    env = dict(run.scenario.origin.env)
    for name in [name for name, value in env.items() if value == REDACTED]:
        if name not in os.environ:
            raise UserError(f"{path}: the value of {name} was not kept, being a secret: set it in the environment")
        env[name] = os.environ[name]
    return folder, trials, replace(run.scenario.origin, env=env)


def run_scenario(
    asked: Asked | None, resumed: Path | None, out: Path, console: Console, *, ceiling: bool | Ceiling = True
) -> TrustStatus:
    """Run or resume, then explain. Returns the verdict; raises what ended it early, after explaining what there is.

    `ceiling`: the generator's, where it is known, or whether to measure it first.
    """
    if asked is not None:
        folder, trials, origin = begin(asked, out)
    else:
        assert resumed is not None
        folder, trials, origin = resume(resumed)
    point_latest(folder.path.parent, folder.path)
    console.print(f"run folder: {folder.path}", highlight=False, soft_wrap=True)
    if isinstance(ceiling, Ceiling):
        scenario_toml = (folder.path / "scenario.toml").read_text(encoding="utf-8")
        folder.write_run(replace(folder.read_run(), ceiling=ceiling), scenario_toml)
    try:
        with stoppable():
            _measure(folder, trials, origin, console, ceiling is True)
    except EdgebenchError as error:
        _explain_what_there_is(folder, trials, console)
        how = f"python -m edgebench run --resume {folder.path}"
        problem = type(error)(f"{error}. What was measured is kept; go on with: {how}")
        raise problem from error
    with console.status("analysing"):
        analysis = explain(folder)
    print_verdict(analysis, folder, console)
    return analysis.summary.trust.status


def _measure(folder: RunFolder, trials: Sequence[Trial], origin: OriginSpec, console: Console, ceiling: bool) -> None:
    locustfile = Path(folder.read_run().scenario.locustfile)
    # Most warm-ups end soon after they may.
    durations = [0.8 * shortest + 0.2 * longest for shortest, longest in map(scenarios.estimate_s, trials)]
    done = len(finished_trials(folder, trials))
    if done:
        console.print(f"{done} of {len(trials)} trials are finished already", highlight=False)
    with Live(console, len(trials), done, lambda number: sum(durations[number:])) as live:

        def ended(trial: Trial, record: TrialRecord) -> None:
            number = next(at for at, each in enumerate(trials, 1) if each.id == trial.id)
            live.ended(number, trial, _metrics(folder, trial, record))

        if ceiling and done < len(trials):
            live.say("measuring the generator's ceiling …")
            console.print(ceiling_text(ensure_ceiling(folder)), highlight=False)
        run_all(folder, trials, locustfile, origin, live.progress, ended)


def ceiling_text(ceiling: Ceiling) -> str:
    """`the generator can send at least so many requests/s: 37,300 with 1 kB, 30,900 with 16 kB of body`."""
    if not ceiling.points:
        return f"the generator's ceiling is not known: {ceiling.problem}"
    points = (f"{point.rps:,.0f} with {point.body_bytes / 1000:.0f} kB" for point in ceiling.points)
    return f"the generator can send at least so many requests/s: {', '.join(points)} of body"


def _metrics(folder: RunFolder, trial: Trial, record: TrialRecord) -> Mapping[str, float | None]:
    proved = prove_trial(read_trial(record, folder.trial(trial)))
    return trial_result(proved, frozenset()).metrics if proved else {}  # knows no other trial's endpoints


def _explain_what_there_is(folder: RunFolder, trials: Sequence[Trial], console: Console) -> Analysis | None:
    """The report of a run that ended early; None where nothing was measured yet, or cannot be read."""
    if not finished_trials(folder, trials):
        return None
    with contextlib.suppress(EdgebenchError, OSError):
        analysis = explain(folder)
        print_verdict(analysis, folder, console)
        return analysis
    return None


def stay_up(cell: Cell, origin: OriginSpec, port: int | None, console: Console) -> None:
    """Origin and tier until a signal comes."""
    directory = Path(tempfile.mkdtemp(prefix="edgebench-"))
    try:
        with (
            stoppable(),
            Guardian() as guardian,
            Stack(cell, origin, directory, (), guardian, tier_port=port) as stack,
        ):
            console.print(f"{cell.tier.name}: {stack.url}", highlight=False)
            console.print(f"origin: http://127.0.0.1:{stack.origin_port}", highlight=False)
            console.print("Ctrl-C stops them.")
            while True:
                stack.check()
                time.sleep(0.2)
    except Stopped:
        console.print("stopped")
    finally:
        shutil.rmtree(directory, ignore_errors=True)
