"""The report of all claims, from the folders of their runs; and its table on the console."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from edgebench.analysis.run import analyse
from edgebench.cli.explain import explain
from edgebench.cli.verdict import STYLE
from edgebench.errors import EdgebenchError
from edgebench.model import ClaimRun, ClaimsSummary, ClaimVerdict
from edgebench.report.claim_words import claim_words
from edgebench.report.claims_page import ClaimPart, claim_part, part_without, render_claims
from edgebench.runner.trial import Stopped
from edgebench.store import ClaimsFolder

_VERDICT_STYLE = {
    ClaimVerdict.HOLDS: "green",
    ClaimVerdict.PARTLY: "yellow",
    ClaimVerdict.NOT_HERE: "red",
    ClaimVerdict.NOT_TESTABLE: "dim",
}


def explain_claim(folder: ClaimsFolder, claim: ClaimRun, *, anew: bool = False) -> ClaimPart:
    """What one claim's run came to. It raises nothing but Stopped: what cannot be explained is not testable, and why.

    `anew`: make the run's own report again too.
    """
    report = f"{claim.folder}/report.html" if claim.folder else ""
    if claim.exit_code is None:
        return part_without(claim, _unfinished(folder, report), "it has not run to its end yet")
    if claim.exit_code not in (0, 3) and not (anew and _measured(folder, claim)):
        if anew and claim.folder:
            with contextlib.suppress(EdgebenchError, OSError):
                explain(folder.run(claim.folder))
        return part_without(claim, _unfinished(folder, report), claim.problem)
    try:
        run = folder.run(claim.folder)
        analysis = explain(run) if anew else analyse(run)
        return claim_part(claim, report, analysis)
    except Stopped:
        raise
    except Exception as error:  # a defect in one claim's judge or chart must not cost the report of the others
        words = f"{type(error).__name__}: {error}".splitlines()[0]
        return part_without(claim, _unfinished(folder, report), f"its report could not be made ({words})", broken=True)


def _measured(folder: ClaimsFolder, claim: ClaimRun) -> bool:
    """Whether all trials are there although the run failed: in what came after them, which may have been mended."""
    with contextlib.suppress(EdgebenchError, OSError):
        run = folder.run(claim.folder)
        return bool(claim.folder) and len(run.read_run().planned) == sum(each.complete for each, _ in run.trials())
    return False


def _unfinished(folder: ClaimsFolder, report: str) -> str:
    """The report of what there is, where there is one."""
    return report if report and (folder.path / report).exists() else ""


def write_claims(folder: ClaimsFolder, parts: Sequence[ClaimPart]) -> None:
    """report.html and summary.json of what there is so far."""
    record = folder.read_record()
    folder.write_summary(ClaimsSummary(record, [part.row for part in parts]))
    folder.write_text("report.html", render_claims(record, parts))


def explain_claims(folder: ClaimsFolder) -> list[ClaimPart]:
    """Make the reports of all runs again, and the report of all claims, from the folders alone."""
    parts = [explain_claim(folder, claim, anew=True) for claim in folder.read_record().claims]
    write_claims(folder, parts)
    return parts


def print_claims(folder: ClaimsFolder, parts: Sequence[ClaimPart], console: Console) -> None:
    """The claims table, and where the report is."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("scenario", "verdict", "number", "trust"):
        table.add_column(name, no_wrap=name != "number")
    for part in parts:
        words, trust = claim_words(part.row.result), part.row.trust
        number = f"{words.value} ({words.interval})" if words.value else words.why
        shown = "" if trust is None else f"[{STYLE[trust]}]{trust.value}[/]"
        verdict = f"[{_VERDICT_STYLE[part.row.result.verdict]}]{words.icon} {words.verdict}[/]"
        table.add_row(part.run.scenario, verdict, number.replace("[", r"\["), shown)
    console.print()
    console.print(table, highlight=False)
    console.print(f"\nreport: {folder.path / 'report.html'}", highlight=False, soft_wrap=True)
