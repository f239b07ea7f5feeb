"""What `claims` shows while it runs: which claim of how many, what it is at, and how long all will take."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console

from edgebench.report.claim_words import claim_words
from edgebench.report.claims_page import ClaimPart
from edgebench.runner.live import bar_on, clock_text

_TRIAL = re.compile(r"\[ *(\d+)/(\d+)\]")
"""How a run begins the line of a trial that has ended."""


class ClaimsLive:
    """The live view. A context manager."""

    def __init__(self, console: Console, total: int, expected_s: Sequence[float]) -> None:
        self._console = console
        self._total = total
        self._rest_s = list(expected_s)
        self._begun = time.monotonic()
        self._doing = ""
        self._bar = bar_on(console)
        if self._bar:
            self._task = self._bar.add_task("", total=total, completed=total - len(expected_s))

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        count = "1 claim" if len(self._rest_s) == 1 else f"{len(self._rest_s)} claims"
        self._console.print(f"{count}, about {clock_text(self.left_s)}", highlight=False)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bar:
            self._bar.stop()

    @property
    def left_s(self) -> float:
        """What all that is missing will take: of the present one, at least a second."""
        first = self._rest_s[:1]
        return sum(max(each - (time.monotonic() - self._begun), 1.0) for each in first) + sum(self._rest_s[1:])

    def begin(self, number: int, scenario: str, question: str) -> None:
        self._begun = time.monotonic()
        self._doing = scenario
        if self._bar is None:
            width = len(str(self._total))
            head = f"[{number:>{width}}/{self._total}] {scenario}: {question} ({clock_text(self.left_s)} left)"
            self._console.print(head, highlight=False, markup=False, soft_wrap=True)
        self._show("starting")

    def line(self, text: str) -> None:
        """A line that the run of the present claim printed."""
        match = _TRIAL.match(text)
        if match:
            self._show(f"{match[1]} of {match[2]} trials")

    def end(self, number: int, part: ClaimPart) -> None:
        words = claim_words(part.row.result)
        width = len(str(self._total))
        reason = words.why if not words.value else f"{words.value} ({words.interval})"
        line = f"[{number:>{width}}/{self._total}] {part.run.scenario}: {words.icon} {words.verdict}; {reason}"
        self._console.print(line.rstrip("; "), highlight=False, markup=False, soft_wrap=True)
        del self._rest_s[:1]
        if self._bar:
            self._bar.update(self._task, advance=1)

    def _show(self, doing: str) -> None:
        if self._bar:
            text = f"{self._doing}: {doing}; about {clock_text(self.left_s)} left in all"
            self._bar.update(self._task, description=text)
