"""What `plan` and `check` print: what would be run, and what this machine has. Nothing is run."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from edgebench import scenario as scenarios
from edgebench.cli.isolation import check_networks
from edgebench.errors import UserError
from edgebench.load import replay as recorded
from edgebench.model import Ceiling, Load, LoadModel, Scenario
from edgebench.network.possible import possible
from edgebench.runner import browser
from edgebench.runner.calibration import CHECK_SIZES, measure_ceiling
from edgebench.runner.live import clock_text
from edgebench.runner.placement import available_cores, place
from edgebench.runner.run import present_tiers, stoppable
from edgebench.tiers import adapters


def print_plan(scenario: Scenario, console: Console) -> None:
    """Cells, the order of the trials and how long they take. At the end, UserError if a demanded tier is missing."""
    console.print(f"[bold]{scenario.name}[/]: {scenario.question}", highlight=False)
    missing: UserError | None = None
    try:
        present, left_out = present_tiers(scenario)
    except UserError as error:
        missing, present, left_out = error, frozenset(tier.name for tier in scenario.tiers), {}
    cells = scenarios.cells(scenario, present)
    trials = scenarios.trials(scenario, cells)
    shortest, longest = (sum(times) for times in zip(*map(scenarios.estimate_s, trials), strict=True))
    load = scenario.load
    connections = f"{load.users} connections, " if load.model is LoadModel.OPEN else ""
    console.print(
        f"load: {load.text}, {connections}{load.keys} keys, Zipf {load.zipf_s:g}",
        highlight=False,
    )
    if load.replay is not None:
        replay = recorded.read(Path(load.replay), load.replay_speed, scenario.seed)
        seconds, rate = replay.period_ns / 1e9, replay.rate_rps
        console.print(
            f"replay: {len(replay.times_ns):,} requests in {seconds:,.3g} s ({rate:,.3g}/s), then from its start again",
            highlight=False,
        )
    for name, why in left_out.items():
        console.print(f"left out: {name} (optional): {why}", highlight=False)
    for repeat in range(1, scenario.repeats + 1):
        block = [trial.cell.id for trial in trials if trial.repeat == repeat]
        console.print(f"repeat {repeat}: {', '.join(block)}", highlight=False)
    console.print(
        f"{len(cells)} cells × {scenario.repeats} repeats = {len(trials)} trials, "
        f"{clock_text(shortest)} to {clock_text(longest)}",
        highlight=False,
    )
    if missing:
        raise missing
    check_networks(scenario)


def print_check(console: Console, *, ceiling: bool = True) -> None:
    """Caches and their versions, cores, clock, disk; with `ceiling` also what the generator can send, measured now."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, adapter in adapters().items():
        binary = adapter.find()
        table.add_row(name, f"{binary.version} ({binary.source})" if binary else f"missing: {adapter.how_to_get}")
    table.add_row("browser", browser.find() or f"missing: {browser.HOW_TO_GET}")
    cores = available_cores()
    placement = place(cores)
    if not cores:
        table.add_row("cores", f"{os.cpu_count()}; this system cannot pin processes: generator and server share them")
    elif placement.shared:
        table.add_row("cores", "1: generator and server share it, latencies include their waiting for each other")
    else:
        table.add_row("cores", f"{len(cores)}: generator on {placement.generator}, system on {placement.system}")
    table.add_row("network", f"emulated {possible().text}" if possible().unshare else possible().text)
    clock = time.get_clock_info("monotonic")
    table.add_row("clock", f"{clock.implementation}, resolution {clock.resolution * 1e9:g} ns")
    table.add_row("python", f"{platform.python_version()} ({sys.executable})")
    table.add_row("disk", f"{shutil.disk_usage('.').free / 2**30:.1f} GiB free")
    table.add_row("load", f"{os.getloadavg()[0]:.2f} processes busy in the last minute")
    if ceiling:
        with stoppable(), console.status("measuring the generator's ceiling"):
            found = measure_ceiling(Load().users, CHECK_SIZES)
        for row in _ceiling_rows(found):
            table.add_row(*row)
    console.print(table, highlight=False)


def _ceiling_rows(ceiling: Ceiling) -> Iterator[tuple[str, str]]:
    if not ceiling.points:
        yield "ceiling", f"not known: {ceiling.problem}"
    for number, point in enumerate(ceiling.points):
        yield (
            "" if number else "ceiling",
            f"the generator sends at least {point.rps:,.0f} requests/s with bodies of {point.body_bytes / 1000:g} kB: "
            f"{point.generator_cpu_us:.1f} µs of its CPU each, {point.server_cpu_us:.1f} of the null server's",
        )
    if ceiling.points:
        yield "", f"closed loop, {ceiling.users} connections, every request recorded; null server: {ceiling.server}"
