"""What was found, as JSON and as a Markdown table: pure functions of each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from edgebench.model import Profile
from edgebench.runner.probes.result import FAILED, CacheReport, Probe

SCHEMA = 1
_PROFILES = {
    Profile.STRICT: "profile strict: a TTL is kept exactly, nothing is served past it",
    Profile.RESILIENT: "profile resilient: stale answers where Cache-Control permits them",
    Profile.DEFAULT: "profile default: the cache as its package ships it",
}


def as_json(
    probes: Sequence[Probe], reports: Iterable[CacheReport], edgebench: str, date: str, machine: str
) -> dict[str, Any]:
    """`{"schema", "edgebench", "date", "machine", "probes": [{name, title, profile, how}], "caches": [{name, version,
    source, stores, took_s, results: {probe: {text, evidence, figures, failed}}}]}`. date: ISO 8601."""
    return {
        "schema": SCHEMA,
        "edgebench": edgebench,
        "date": date,
        "machine": machine,
        "probes": [
            {"name": probe.name, "title": probe.title, "profile": probe.profile.value, "how": probe.how}
            for probe in probes
        ],
        "caches": [_rounded(asdict(report)) for report in reports],
    }


def _rounded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _rounded(each) for name, each in value.items()}
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return int(value) if value == int(value) else round(value, 3)


def head(cache: Mapping[str, Any]) -> str:
    """`nginx 1.31.3`, `caddy 2.6.2 (no cache)`."""
    return f"{cache['name']} {cache['version']}" + ("" if cache["stores"] else " (no cache)")


def sections(document: Mapping[str, Any]) -> Iterator[tuple[str, list[tuple[str, list[str]]]]]:
    """Per profile its words and rows: a title and a text for each cache."""
    for profile, words in _PROFILES.items():
        rows = [
            (probe["title"], [str(cache["results"][probe["name"]]["text"]) for cache in document["caches"]])
            for probe in document["probes"]
            if probe["profile"] == profile.value
        ]
        if rows:
            yield words, rows


def markdown(document: Mapping[str, Any]) -> str:
    """A table for each profile, caches as columns; at the end when, where and with what it was measured. Lines end."""
    caches = document["caches"]
    lines = []
    for words, rows in sections(document):
        lines += [f"{words[0].upper()}{words[1:]}:", ""]
        lines += [_row("", [head(cache) for cache in caches]), "|---" * (len(caches) + 1) + "|"]
        lines += [*(_row(title, [_measured(text) for text in texts]) for title, texts in rows), ""]
    sources = "; ".join(f"{cache['name']} {cache['version']} ({cache['source']})" for cache in caches)
    date, machine = document["date"][:10], document["machine"]
    lines.append(f"Measured {date} by edgebench {document['edgebench']} on {machine}: {sources}.")
    return "\n".join(lines) + "\n"


def _measured(text: str) -> str:
    """Why a probe failed is the JSON's to say, and the terminal's."""
    return "not measured" if text.startswith(FAILED) else text


def _row(title: str, texts: Sequence[str]) -> str:
    cells = [text.replace("|", "\\|").replace("\n", " ") for text in (title, *texts)]
    return "| " + " | ".join(cells) + " |"


MARKS = ("<!-- capabilities: begin -->\n", "<!-- capabilities: end -->")


def put_between_marks(page: str, table: str) -> str:
    """The page with the table in the place of what is between its marks. ValueError where it has none."""
    before, begin, rest = page.partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not begin or not end:
        raise ValueError(f"no {MARKS[0].strip()} … {MARKS[1]}")
    return before + begin + table + end + after
