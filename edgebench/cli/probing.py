"""`check --probe`: tries what every installed cache can do, with progress, and prints and writes what was found."""

from __future__ import annotations

import json
import platform
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table
from rich.text import Text

from edgebench import __version__
from edgebench.errors import UserError
from edgebench.runner.guardian import Guardian
from edgebench.runner.placement import available_cores
from edgebench.runner.probes.catalogue import PROBES
from edgebench.runner.probes.document import MARKS, as_json, head, markdown, put_between_marks, sections
from edgebench.runner.probes.promises import broken_promises
from edgebench.runner.probes.result import FAILED, CacheReport, Probe
from edgebench.runner.probes.run import probe_cache
from edgebench.runner.run import stoppable
from edgebench.tiers import adapters
from edgebench.tiers.adapter import Adapter

_ABOUT_S = 25


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be probed, and where it is to be written."""

    tiers: tuple[str, ...] = ()
    """Names of caches; empty: all that are installed."""
    json: Path | None = None
    markdown: Path | None = None
    """A page with marks, which gets the table between them."""


def probe(wanted: Wanted, console: Console) -> None:
    """Run every probe on the wanted caches. UserError, before anything is started, where the wish is wrong."""
    chosen = _chosen(wanted.tiers, console)
    _check_files(wanted)
    reports = _run(chosen, console)
    document = as_json(PROBES, reports, __version__, datetime.now(UTC).isoformat(timespec="seconds"), _machine())
    show(document, console)
    for report in reports:
        for words in broken_promises(adapters()[report.name], report.results):
            console.print(f"{report.name} is not as its adapter says: {words}", style="yellow", highlight=False)
    if wanted.json is not None:
        wanted.json.write_text(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    if wanted.markdown is not None:
        page = wanted.markdown.read_text()
        wanted.markdown.write_text(put_between_marks(page, markdown(document)))


def _chosen(names: Sequence[str], console: Console) -> list[Adapter]:
    known = adapters()
    for name in names:
        if name not in known:
            raise UserError(f"--tier {name}: expected one of {', '.join(known)}")
        if known[name].find() is None:
            raise UserError(f"--tier {name}: it is not installed; {known[name].how_to_get}")
    found = []
    for name in names or known:
        if known[name].find() is not None:
            found.append(known[name])
        else:
            console.print(f"left out: {name} is not installed; {known[name].how_to_get}", highlight=False)
    if not found:
        raise UserError("no cache is installed; make setup installs one, make caches more")
    return found


def _check_files(wanted: Wanted) -> None:
    if wanted.json is not None and not wanted.json.parent.is_dir():
        raise UserError(f"--json {wanted.json}: no such folder {wanted.json.parent}; make it first")
    if wanted.markdown is not None:
        try:
            put_between_marks(wanted.markdown.read_text(), "")
        except (OSError, ValueError):
            raise UserError(
                f"--markdown {wanted.markdown}: expected a page with {MARKS[0].strip()} and {MARKS[1]} in it"
            ) from None


def _run(chosen: Sequence[Adapter], console: Console) -> list[CacheReport]:
    reports = []
    with (
        stoppable(),
        Guardian() as guardian,
        tempfile.TemporaryDirectory(prefix="edgebench-probes-") as work,
        Progress(
            SpinnerColumn(), MofNCompleteColumn(), BarColumn(bar_width=24), TextColumn("{task.description}"),
            console=console, refresh_per_second=4, transient=True, disable=not console.is_terminal,
        ) as bar,
    ):  # fmt: skip
        console.print(f"{', '.join(adapter.name for adapter in chosen)}: about {_ABOUT_S} s each", highlight=False)
        task = bar.add_task("", total=len(chosen) * len(PROBES))
        for number, adapter in enumerate(chosen):
            begun: set[str] = set()

            def tell(probe: Probe, begun: set[str] = begun, number: int = number, adapter: Adapter = adapter) -> None:
                begun.add(probe.name)
                text = f"{adapter.name}, {probe.profile.value}: {probe.title}"
                bar.update(task, completed=number * len(PROBES) + len(begun), description=text)

            report = probe_cache(adapter, PROBES, Path(work) / adapter.name, guardian, tell)
            reports.append(report)
            failed = sum(result.failed for result in report.results.values())
            after = f"; {failed} of {len(PROBES)} probes could not be run" if failed else ""
            console.print(f"{report.name} {report.version}: {report.took_s:.0f} s{after}", highlight=False)
    return reports


def _machine() -> str:
    cores = len(available_cores())
    return f"{platform.system()} {platform.machine()}" + (f", {cores} cores" if cores else "")


def show(document: Mapping[str, Any], console: Console) -> None:
    """Caches as columns where the terminal is wide enough for them, else one cache after the other."""
    whole = _table(document)
    if Measurement.get(console, console.options.update(max_width=10_000), whole).maximum <= console.width:
        console.print(whole, highlight=False)
        return
    for cache in document["caches"]:
        console.print(_table({**document, "caches": [cache]}), highlight=False)
        console.print()


def _table(document: Mapping[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("", overflow="fold")
    for cache in document["caches"]:
        table.add_column(Text(head(cache)), overflow="fold")
    for words, rows in sections(document):
        table.add_row(Text(words.partition(":")[0], style="dim"))
        for title, texts in rows:
            table.add_row(Text(title), *(Text(text, style="red" if _alarming(text) else "") for text in texts))
    return table


def _alarming(text: str) -> bool:
    return text.startswith(FAILED) or "LEAK" in text or "wrong" in text
