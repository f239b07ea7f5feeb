"""The report of all claims from made-up results: the table first, complete, self-contained, whatever is missing."""

from __future__ import annotations

import html
import re
from dataclasses import replace

import matplotlib.pyplot as plt
import pytest

from edgebench.analysis.claimed import CLAIMED, claim_trust, place, untested
from edgebench.model import (
    ClaimResult,
    ClaimRow,
    ClaimRun,
    ClaimsRecord,
    ClaimVerdict,
    Estimate,
    Finding,
    Reason,
    ReasonCode,
    Trust,
    TrustStatus,
)
from edgebench.report import format as fmt
from edgebench.report import render, svg
from edgebench.report.claim_words import claim_words
from edgebench.report.claims_page import ClaimPart, claim_part, headline, part_without, render_claims
from edgebench.report.findings import listed_findings
from edgebench.report.parts import Chart, Panel, Table
from edgebench.report.sections import Section, section
from tests.report.factory import make_analysis
from tests.report.test_page import HOSTILE, Page, well_formed


def result(verdict: ClaimVerdict, unit: str = "×", value: float | None = 4.2, text: str = "") -> ClaimResult:
    figure = None if value is None else Estimate(value, value * 0.9, value * 1.1, 3, unit)
    return ClaimResult(
        text or f"It is said: {verdict.value}.",
        verdict,
        text or f"nginx cut page loads: {verdict.value}.",
        text or "page load of a new visitor",
        figure,
        text or f"why {verdict.value}",
    )


def charts(scenario: str, words: str = "a chart") -> tuple[Section, ...]:
    with svg.drawing():
        figure, axes = plt.subplots(figsize=(3, 2))
        axes.plot([1, 2, 3], [3, 1, 2])
        plt.close(figure)
        table = Table("numbers", ("Cell", "p50"), (("nginx", "3 ms"),))
        chart = Chart("loads", words, words, (Panel("loads", words, figure), Panel("loads", words, figure)), table)
        return (section("", chart, {}, f"{scenario}-"),)


def run_of(scenario: str, exit_code: int | None = 0, text: str = "") -> ClaimRun:
    command = f"python -m edgebench run scenarios/{scenario}.toml --set profile=short"
    return ClaimRun(
        scenario,
        scenario,
        text or f"Does {scenario} hold?",
        text or command,
        f"runs/{scenario}-1",
        exit_code,
        text,
        31.0,
    )


def parts(text: str = "") -> list[ClaimPart]:
    made = []
    statuses = list(TrustStatus)
    for number, verdict in enumerate(ClaimVerdict):
        scenario, status = f"claim_{number}", statuses[number % 3]
        trust = Trust(status, (Reason(ReasonCode.ERRORS, status, text or "errors"),))
        row = ClaimRow(scenario, result(verdict, text=text), status, f"runs/{scenario}-1/report.html")
        run = run_of(scenario, text=text)
        drawn = charts(scenario, text or "a chart")
        made.append(ClaimPart(run, row, trust, "9 of 9 trials", text or "nginx 1.29", (text or "no squid",), drawn))
    made.append(part_without(run_of("geo", 2), "", text or "networks cannot be emulated here"))
    return made


def record_of(made: list[ClaimPart], text: str = "") -> ClaimsRecord:
    return ClaimsRecord(
        "claims-20260110-101500", text or "python -m edgebench claims", "2026-01-10T10:15:00+00:00", "short",
        "scenarios", "fed42", {"python": "3.11.7"}, {"cpu": text or "EPYC"}, tuple(part.run for part in made),
    )  # fmt: skip


def page_of(text: str, made: list[ClaimPart]) -> Page:
    """What holds for every page: balanced, each id once, links that lead somewhere, nothing from elsewhere."""
    page = Page(text)
    assert [name for name, count in page.ids.items() if count > 1] == []
    reports = {part.row.report for part in made}
    assert all(link[1:] in page.ids if link.startswith("#") else link in reports for link in page.links), page.links
    assert not page.tags["script"] and not page.tags["link"] and not page.tags["img"]
    assert not re.search(r"https?://", text.replace("http://www.w3.org/2000/svg", ""))
    return page


def test_the_page_has_every_claim_with_verdict_number_and_interval() -> None:
    made = parts()
    text = render_claims(record_of(made), made)
    page = page_of(text, made)
    assert page.tags["svg"] == 8
    for part in made:
        words = claim_words(part.row.result)
        assert text.count(html.escape(words.claim, quote=False)) == 2  # in the table, and over its section
        assert f"{words.icon}</span>{words.verdict}</span>" in text
        assert part.run.command in text and part.run.question in text
    assert "4.20×" in text and f"95{fmt.NBSP}% interval 3.78–4.62" in text
    assert "networks cannot be emulated here" in text
    assert text.index('id="table"') < text.index('class="claim"')  # the table comes first
    assert len({claim_words(part.row.result).icon for part in made}) == len(ClaimVerdict)  # colour is never alone
    assert render_claims(record_of(made), made) == text


def test_the_headline_counts_the_verdicts() -> None:
    made = parts()
    assert headline(made) == (
        "Of 5 claims made for CDNs, 1 holds here, 1 holds partly, 1 does not hold here and 2 could not be tested."
    )
    assert headline(made[:1]) == "Of 1 claim made for CDNs, 1 holds here."
    assert headline([]) == "No claim has been tested yet."


def test_hostile_words_are_text() -> None:
    made = parts(HOSTILE)
    page_of(render_claims(record_of(made, HOSTILE), made), made)


def test_a_page_of_what_there_is_so_far() -> None:
    made = parts()
    page_of(text := render_claims(record_of(made), made[:2]), made)
    assert "3 more are still to run" in text
    page_of(render_claims(record_of(made), []), made)


@pytest.mark.parametrize(
    ("unit", "value", "shown", "interval"),
    [
        ("×", 4.2, "4.20×", "3.78–4.62"),
        ("ratio", 0.912, "91.2 %", "82.1–100.3"),
        ("offload", -0.5, "−50.0 %", "−45.0 to −55.0"),
        ("points", 0.05, "5.0 points", "4.5–5.5"),
        ("ms", 12.34, "12.3 ms", "11.1–13.6"),
        ("USD", 1234.0, "1,234 USD", "1,111–1,357"),
        ("ms", None, "", ""),
    ],
)
def test_a_figure_in_its_unit(unit: str, value: float | None, shown: str, interval: str) -> None:
    words = claim_words(result(ClaimVerdict.HOLDS, unit, value))
    assert words.value.replace(fmt.NBSP, " ") == shown
    assert words.interval.partition("interval ")[2] == interval


def test_a_figure_without_an_interval_says_from_how_many_trials() -> None:
    only = replace(result(ClaimVerdict.HOLDS), figure=Estimate(4.2, None, None, 2, "×"))
    assert claim_words(only).interval == "from 2 trials, no interval"


def test_a_claim_without_a_judge_is_not_testable_and_its_run_is_told_of() -> None:
    analysis = make_analysis(ttls=(5,), measure_s=2)
    part = claim_part(run_of("own"), "runs/own-1/report.html", analysis)
    assert part.row.result.verdict is ClaimVerdict.NOT_TESTABLE and "no judge" in part.row.result.why
    assert part.trials == "9 of 9 trials" and "nginx 1.29.1" in part.tiers and part.row.trust is TrustStatus.SUSPECT


def test_what_a_claim_looks_for_is_no_doubt_of_it() -> None:
    leak = Reason(ReasonCode.LEAK, TrustStatus.INVALID, "leaks")
    late = Reason(ReasonCode.SEND_LAG, TrustStatus.SUSPECT, "late")
    trust = Trust(TrustStatus.INVALID, (leak, late))
    assert claim_trust("privacy", trust) == Trust(TrustStatus.SUSPECT, (late,))
    assert claim_trust("privacy", Trust(TrustStatus.INVALID, (leak,))).status is TrustStatus.VALID
    assert claim_trust("geo", trust) == trust


def test_the_table_has_the_fifteen_claims_in_order() -> None:
    assert len(CLAIMED) == 15 and place("geo") == 0 and place("swr") == 14 < place("own_claim")
    assert untested("geo", "no netem").claim == CLAIMED["geo"] and untested("own", "").claim == "own"


def test_a_claims_own_report_begins_with_it_and_folds_the_general_charts() -> None:
    analysis = make_analysis(
        tiers=("direct", "nginx"), ttls=(5,), measure_s=2, networks=("same-city", "other-continent"),
        variants=("http", "https"),
    )  # fmt: skip
    claim = result(ClaimVerdict.PARTLY)
    summary = analysis.summary
    summary = replace(summary, claim=claim, findings=[Finding("CLAIM_GEO", claim.text, {}), *summary.findings])
    report = render(replace(analysis, summary=summary))
    well_formed(report)
    text = report.html
    assert text.count(claim.text) == 1  # the headline
    assert (
        text.index('id="claim"') < text.index('id="table"') < text.index('id="all-figures"') < text.index('id="tail"')
    )
    assert "nginx, other-continent, https" in text
    assert 'id="all-figures"' not in render(analysis).html


def test_findings_of_many_tiers_are_folded_by_kind() -> None:
    many = [Finding("HIT_RATIO", f"tier {number} hits", {}) for number in range(4)]
    few = [Finding("HEADLINE", "fast", {}), Finding("CLAIMS", "true", {})]
    found = listed_findings([few[0], *many, few[1]])
    assert found.said == ("fast", "true")
    assert found.folded == (("Answered from store", tuple(finding.text for finding in many)),)


@pytest.mark.parametrize("length", range(8, 30))
def test_a_clipped_series_fits_and_keeps_a_part_of_each(length: int) -> None:
    clipped = fmt.clip_series("nginx, other-continent, https", length)
    assert len(clipped) <= length
    if length >= 16:
        assert [part[:3] for part in clipped.split(", ")] == ["ngi", "oth", "htt"]
    assert fmt.clip_series("a-long-name-of-one-part", length) == fmt.clip("a-long-name-of-one-part", length)
