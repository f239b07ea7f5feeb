"""What a run shows while it runs: a bar and the finished trials on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as Bar

from edgebench.model import Trial
from edgebench.runner.run import Progress

Remaining = Callable[[int], float]
"""Seconds that the trials from this index on will take."""


def clock_text(seconds: float) -> str:
    """1:05, or 1:02:05."""
    minutes, second = divmod(max(round(seconds), 0), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def bar_on(console: Console) -> Bar | None:
    """A bar for what goes on, where the console is a terminal."""
    if not console.is_terminal:
        return None
    return Bar(
        SpinnerColumn(), MofNCompleteColumn(), BarColumn(bar_width=24), TextColumn("{task.description}"),
        console=console, refresh_per_second=2, transient=True,
    )  # fmt: skip


def trial_line(number: int, total: int, trial: Trial, metrics: Mapping[str, float | None]) -> str:
    """`[ 3/21] nginx.ttl5 r1  p50 0.41 ms  p99 2.0 ms  hit 96.8 %`, a dash where there is no figure."""

    def figure(name: str, unit: str, factor: float = 1.0) -> str:
        value = metrics.get(name)
        return "–" if value is None else f"{value * factor:.3g} {unit}"

    width = len(str(total))
    return (
        f"[{number:>{width}}/{total}] {trial.cell.id:<16} r{trial.repeat}"
        f"  p50 {figure('latency_p50_ms', 'ms'):<8}  p99 {figure('latency_p99_ms', 'ms'):<8}"
        f"  hit {figure('hit_ratio', '%', 100)}"
    )


class Live:
    """The live view. A context manager."""

    def __init__(self, console: Console, total: int, done: int, remaining: Remaining) -> None:
        self._console = console
        self._remaining = remaining
        self._total = total
        self._trial_started = time.monotonic()
        self._bar = bar_on(console)
        if self._bar:
            self._task = self._bar.add_task("", total=total, completed=done)

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bar:
            self._bar.stop()

    def say(self, doing: str) -> None:
        """Something goes on that belongs to no trial."""
        if self._bar:
            self._bar.update(self._task, description=doing)
        else:
            self._console.print(doing, highlight=False)

    def progress(self, progress: Progress) -> None:
        """Called whenever a trial turns to something else."""
        left = clock_text(self._remaining(progress.done))
        text = f"trial {progress.done + 1} of {self._total}: {progress.trial.id}, {progress.doing}; about {left} left"
        if self._bar:
            self._bar.update(self._task, completed=progress.done, description=text)
        elif progress.doing == "starting" and progress.done == 0:
            self._console.print(f"{self._total} trials, about {left}", highlight=False)

    def ended(self, number: int, trial: Trial, metrics: Mapping[str, float | None]) -> None:
        """Called when a trial has been saved."""
        line = trial_line(number, self._total, trial, metrics)
        left = clock_text(self._remaining(number))
        self._console.print(line if self._bar else f"{line}  ({left} left)", highlight=False, markup=False)
        if self._bar:
            self._bar.update(self._task, completed=number)
