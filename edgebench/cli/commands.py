"""python -m edgebench run | claims | plan | check | selftest | up | schema

Exit codes: 0 done; 1 the harness failed; 2 the user's input is wrong; 3 measured, but INVALID or off; 130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import NoReturn, ParamSpec

import click
from rich.console import Console

from edgebench import scenario as scenarios
from edgebench.errors import EdgebenchError, UserError
from edgebench.model import Cell, Freshness, Load, OriginSpec, Scenario, TierSpec, TrustStatus
from edgebench.network.profiles import PROFILES
from edgebench.store import ClaimsFolder, RunFolder
from edgebench.tiers import kinds

P = ParamSpec("P")
OUT = Path("reports")
SCENARIOS = Path("scenarios")
TARGET_APP_ENV = {"FLASK_TTL_S": "{ttl_s}", "FLASK_CATALOGUE_PATH": "{work}/catalogue.db"}
"""target_app with a cell's TTL and a catalogue of its own, so that no trial finds what another one changed."""


def fail(error: EdgebenchError) -> NoReturn:
    print(f"edgebench: {error}", file=sys.stderr)
    sys.exit(error.exit_code)


def one_line_errors(command: Callable[P, None]) -> Callable[P, None]:
    """What goes wrong becomes one line and its exit code; only a defect of ours shows a traceback."""

    @wraps(command)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except EdgebenchError as error:
            fail(error)
        except KeyboardInterrupt:
            sys.exit(130)
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            fail(EdgebenchError(f"{where}{error.strerror or error}"))

    return guarded


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def cli() -> None:
    """Measure what a CDN or caching proxy does for a Flask API, and prove every hit.

    \b
    Examples:
      python -m edgebench run scenarios/quick.toml
      python -m edgebench run scenarios/quick.toml --set axes.ttl_s=[1,60] --set repeats=5
      python -m edgebench run scenarios/quick.toml --app 'shop:create_app()'
      python -m edgebench claims --only geo,offload
      python -m edgebench up --tier nginx --ttl 60
    """


_scenario_argument = click.argument("scenario", type=click.Path(path_type=Path), default="scenarios/quick.toml")
_set_option = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a value, such as axes.ttl_s=[1,60]."
)
_ceiling_option = click.option(
    "--ceiling/--no-ceiling", default=True, help="Measure first how much the generator can send (six seconds)."
)
_FILE = click.Path(path_type=Path, dir_okay=False)
_FOLDER = click.Path(path_type=Path, file_okay=False)
_out_option = click.option(
    "--out", type=_FOLDER, default=OUT, show_default=True, envvar="EDGEBENCH_OUT", help="Where run folders go."
)
_app_option = click.option("--app", metavar="MODULE:APP", help="Your own WSGI app in place of the scenario's.")


def load_scenario(path: Path, overrides: tuple[str, ...], app: str | None) -> Scenario:
    """The scenario with what the command line changes. Somebody's own app gets its TTLs rewritten by the wrapper."""
    extra = (f'origin.app="{app}"', "origin.rewrite_ttl=true") if app else ()
    scenario = scenarios.load(path, (*extra, *overrides), kinds=kinds(), networks=PROFILES)
    if scenario.load.replay is not None:
        from edgebench.load import replay

        replay.read(Path(scenario.load.replay), scenario.load.replay_speed, scenario.seed)  # or a UserError
    return scenario


@cli.command()
@_scenario_argument
@_set_option
@_app_option
@_out_option
@click.option("--resume", type=_FOLDER, help="Finish this interrupted run.")
@_ceiling_option
@click.option("--ceiling-of", type=_FOLDER, envvar="EDGEBENCH_CEILING_OF", hidden=True)
@one_line_errors
def run(
    scenario: Path,
    overrides: tuple[str, ...],
    app: str | None,
    out: Path,
    resume: Path | None,
    ceiling: bool,
    ceiling_of: Path | None,
) -> None:
    """Run a scenario and write its report."""
    from edgebench.cli.isolation import isolate

    if resume is not None:
        isolate(RunFolder(resume).read_run().scenario)
    else:
        asked = (load_scenario(scenario, overrides, app), scenario, tuple(sys.argv[1:]))
        isolate(asked[0])
    from edgebench.cli.session import run_scenario  # the libraries it needs take a second to import

    known = (ClaimsFolder(ceiling_of).read_record().ceiling or False) if ceiling_of else ceiling
    if resume is not None:
        if overrides or app:
            raise UserError("--resume finishes a run as it was begun: leave out --set and --app")
        status = run_scenario(None, resume, out, Console(), ceiling=known)
    else:
        status = run_scenario(asked, None, out, Console(), ceiling=known)
    if status is TrustStatus.INVALID:
        sys.exit(3)


@cli.command()
@click.option("--form", type=click.Choice(["short", "full"]), default="short", show_default=True, help="Of each run.")
@click.option("--only", metavar="NAME[,NAME…]", default="", help="Only these scenarios or claims.")
@click.option("--scenarios", type=_FOLDER, default=SCENARIOS, show_default=True, help="Where the scenario files are.")
@_out_option
@click.option("--resume", type=_FOLDER, help="Go on with these claims: what is missing, and what failed.")
@_ceiling_option
@one_line_errors
def claims(form: str, only: str, scenarios: Path, out: Path, resume: Path | None, ceiling: bool) -> None:
    """Put every claim made for CDNs to the test, one scenario after the other, and write one report.

    \b
    Exit codes: 0 every claim has a verdict; 1 some could not be run; 3 some figures are INVALID; 130 stopped.
    """
    from edgebench.cli import claims as all_claims

    if resume is not None:
        folder = all_claims.resume(resume)
    else:
        names = tuple(name.strip() for name in only.split(",") if name.strip())
        folder = all_claims.begin(all_claims.Wanted(form, names, scenarios, out, tuple(sys.argv[1:])))
    status = all_claims.run_claims(folder, Console(), ceiling=ceiling)
    if status:
        sys.exit(status)


@cli.command()
@_scenario_argument
@_set_option
@_app_option
@one_line_errors
def plan(scenario: Path, overrides: tuple[str, ...], app: str | None) -> None:
    """Print the cells, their order and how long they take. Runs nothing."""
    from edgebench.cli.planning import print_plan

    print_plan(load_scenario(scenario, overrides, app), Console())


@cli.command()
@_ceiling_option
@click.option("--probe", is_flag=True, help="Instead, try what every installed cache can do (25 s each).")
@click.option("--tier", "tiers", multiple=True, metavar="NAME", help="With --probe: only this cache; may be repeated.")
@click.option("--json", "json_file", type=_FILE, help="With --probe: write what was found to this file.")
@click.option("--markdown", type=_FILE, help="With --probe: put the table between the marks in this page.")
@one_line_errors
def check(ceiling: bool, probe: bool, tiers: tuple[str, ...], json_file: Path | None, markdown: Path | None) -> None:
    """Print what this machine has: caches and versions, cores, clock, disk, and the generator's ceiling."""
    if probe:
        from edgebench.cli import probing

        probing.probe(probing.Wanted(tiers, json_file, markdown), Console())
        return
    if tiers or json_file or markdown:
        raise UserError("--tier, --json and --markdown go with --probe; add it")
    from edgebench.cli.planning import print_check

    print_check(Console(), ceiling=ceiling)


@cli.command()
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the figures to this file as JSON.")
@one_line_errors
def selftest(out: Path | None) -> None:
    """Check the generator against a server that freezes for 1.4 s: are latencies what they must be? 35 s.

    \b
    Exit code 0: corrected p50, p99, p99.9 and maximum are within 2 % of the exact ones; 3: they are not.
    """
    from edgebench.cli.selftest import self_test
    from edgebench.runner.selftest import SelfTestPlan

    if not self_test(SelfTestPlan(), out, Console()):
        sys.exit(3)


@cli.command()
@click.option("--tier", default="nginx", show_default=True, help="direct or the name of a cache.")
@click.option("--ttl", "ttl_s", type=click.IntRange(0), default=60, show_default=True, help="TTL in seconds.")
@click.option("--app", metavar="MODULE:APP", help="Your own WSGI app in place of target_app.")
@click.option("--port", type=click.IntRange(1, 65535), help="Where the tier listens. Default: a free port.")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="gunicorn workers.")
@click.option("--threads", type=click.IntRange(1), default=8, show_default=True, help="Threads of each worker.")
@one_line_errors
def up(tier: str, ttl_s: int, app: str | None, port: int | None, workers: int, threads: int) -> None:
    """Start the origin and a cache before it, print their URLs, and stay until Ctrl-C."""
    from edgebench.cli.session import stay_up

    if tier not in kinds():
        raise UserError(f"--tier {tier}: expected one of {', '.join(kinds())}")
    origin = OriginSpec(
        app=app or OriginSpec().app, workers=workers, threads=threads,
        env={} if app else dict(TARGET_APP_ENV), rewrite_ttl=app is not None,
    )  # fmt: skip
    cell = Cell(TierSpec(tier, tier), Freshness(ttl_s), Load())
    stay_up(cell, origin, port, Console())


@cli.command()
@one_line_errors
def schema() -> None:
    """Print the JSON schema of scenario files, for editors that complete them."""
    click.echo(scenarios.schema_text(), nl=False)


def main() -> None:
    cli(prog_name="edgebench")
