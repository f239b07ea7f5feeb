"""The section on correctness: counts beside what was checked, examples, and silence where nothing is known."""

from __future__ import annotations

from dataclasses import replace

from edgebench.analysis.evidence import Correctness
from edgebench.analysis.results import Analysis
from edgebench.model import Profile, TrustStatus
from edgebench.report import render
from edgebench.report.charts import data
from edgebench.report.correctness import correctness_section
from tests.report.factory import make_analysis
from tests.report.test_page import shown, well_formed

CLEAN = make_analysis(ttls=(5,), trials=1, measure_s=2)
NOTHING = Correctness()
SPOILED = make_analysis(ttls=(5,), trials=2, measure_s=2, profile=Profile.DEFAULT)


def test_a_clean_run_says_of_how_many() -> None:
    section = correctness_section(CLEAN)
    assert section.title == "No wrong answer was found, and none of 222 private answers reached anybody else"
    assert section.checks is not None and not section.checks.wrong and section.evidence == ()
    assert {row[1] for row in section.checks.rows} == {"none of 74"}
    direct = dict(zip(section.checks.columns, section.checks.rows[0], strict=True))
    assert direct["Too old"] == "no case" and direct["Cache’s own word"] == "says nothing"


def test_what_was_wrong_is_seen_with_its_examples() -> None:
    section = correctness_section(SPOILED)
    assert section.title == "Not every answer was right (leaks: 56, broken body: 8, too old: 12)"
    assert section.checks is not None
    heads = section.checks.columns
    assert {(row, heads[column]) for row, column in section.checks.wrong} == {
        (row, head) for row in (1, 2) for head in ("Leaks", "Too old", "Broken body")
    }
    assert [one.head for one in section.evidence] == [
        "Leaks: 56 requests",
        "Too old: 12 requests",
        "Broken body: 8 requests",
    ]
    assert len(section.evidence[0].table.rows) == 20
    report = render(SPOILED)
    well_formed(report)
    assert '<strong class="invalid">28 of 148</strong>' in report.html
    assert shown("had 11,204 bytes, where the origin sent 12,288") in report.html


def _without(analysis: Analysis, left: Correctness = NOTHING) -> Analysis:
    cells = tuple(
        replace(cell, trials=tuple(replace(trial, correctness=left) for trial in cell.trials))
        for cell in analysis.cells
    )
    return replace(analysis, cells=cells)


def test_what_could_not_be_checked_is_not_called_right() -> None:
    unknown = _without(CLEAN)
    section = correctness_section(unknown)
    assert section.title == "Nothing could be checked: the origin kept no ledger"
    assert section.checks is None and section.load is None
    well_formed(render(unknown))
    partly = replace(CLEAN.cells[0].trials[0].correctness, leak=None, broken_body=None)
    section = correctness_section(_without(CLEAN, partly))
    assert section.title == "No wrong answer was found; not checked: leaks, broken body"
    older = replace(CLEAN, cells=(*CLEAN.cells[:2], *unknown.cells[2:]))
    checks = correctness_section(older).checks
    assert checks is not None and checks.rows[2][1] == "not checked"


def test_tiers_that_store_nothing_or_are_somebody_elses() -> None:
    analysis = make_analysis(tiers=("direct", "nginx", "haproxy", "caddy", "url"), ttls=(1, 60), trials=3, measure_s=2)
    report = render(analysis)
    well_formed(replace(report, html=report.html.replace("http://127.0.0.1:9000", "")))
    assert "Stores nothing." in report.html and "Not known: somebody’s own tier." in report.html
    assert "cannot: revalidate with If-None-Match, serve stale while it asks again" in report.html
    assert "somebody’s own, at http://127.0.0.1:9000" in report.html.replace("&#39;", "'")


def test_profiles_are_printed() -> None:
    report = render(make_analysis(ttls=(5,), trials=1, measure_s=1, profile=Profile.RESILIENT))
    assert "resilient: past its TTL an answer is served as its Cache-Control permits" in report.html
    assert "Not foretold in this profile" in report.html


def test_no_title_praises_a_cell_that_is_invalid() -> None:
    cells = list(CLEAN.cells)
    best = data.best(data.context(CLEAN), "hit_ratio")
    assert best is not None
    place = next(number for number, cell in enumerate(cells) if cell is best)
    cells[place] = replace(best, summary=replace(best.summary, trust=TrustStatus.INVALID))
    spoiled = replace(CLEAN, cells=tuple(cells))
    other, star = (pick(data.context(spoiled)) for pick in (lambda ctx: data.best(ctx, "hit_ratio"), data.star))
    assert other is not None and star is not None
    assert best.summary.id not in (other.summary.id, star.summary.id)
