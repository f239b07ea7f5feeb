"""What is wrong with a scenario, in one line: where, what was expected, what was got, and what may have been meant."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from edgebench.errors import UserError
from edgebench.scenario.document import json_schema
from edgebench.scenario.text import KeyPath

Node = Mapping[str, Any]
_SHOWN = 60  # characters of a value that are worth repeating


class ScenarioError(UserError):
    """The scenario cannot be used. One line: `file:line: key: what was expected, got what; did you mean …?`"""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, at one key."""

    path: KeyPath
    text: str
    meant: str = ""
    """The key that was meant, where one was misspelt: its absence is the same mistake."""


_schema = functools.cache(json_schema)


def _resolved(node: Node) -> Node:
    name = node.get("$ref", "").removeprefix("#/$defs/")
    return {**_schema()["$defs"][name], **node} if name else node


def node_at(path: KeyPath) -> Node | None:
    """What the JSON schema says of a key; None: there is no such key."""
    node: Node = _schema()
    for part in path:
        other = node.get("additionalProperties")
        inner = node.get("items") if isinstance(part, int) else node.get("properties", {}).get(part, other)
        if not isinstance(inner, Mapping):
            return None
        node = _resolved(inner)
    return node


def key_paths(path: KeyPath = ()) -> Iterator[KeyPath]:
    """Every key a scenario can have, those of a list's tables without an index."""
    node: Node = node_at(path) or {}
    if "items" in node:
        yield from ((*path, *inner[len(path) + 1 :]) for inner in key_paths((*path, 0)))
    for key in node.get("properties", ()):
        yield (*path, key)
        yield from key_paths((*path, key))


def dotted(path: KeyPath) -> str:
    """("tiers", 1, "name") -> tiers[1].name"""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            key = part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else shown(part)
            text += f".{key}" if text else key
    return text


def shown(value: object) -> str:
    """A value as the user wrote it, in one short line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        return "a list"
    if isinstance(value, list):
        text = "[" + ", ".join(shown(item) for item in value[:_SHOWN]) + "]"
    else:
        try:
            text = repr(value) if isinstance(value, str) else str(value)
        except ValueError:  # Python does not print whole numbers of more than 4300 digits
            return "a number of thousands of digits"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 2]} …"


def near(word: str, words: Iterable[str], before: str = "; ") -> str:
    """`; did you mean rate_rps?`, or nothing where no word is near."""
    match = get_close_matches(word.lower(), list(words), 1)
    return f"{before}did you mean {match[0]}?" if match else ""


def expected(node: Node) -> str:
    """What the schema asks for, in words: a whole number of seconds from 0 to 31536000."""
    if "x-form" in node:
        return str(node["x-form"])
    if "enum" in node:
        return "one of " + ", ".join(node["enum"])
    kinds = {"integer": "a whole number", "number": "a number", "boolean": "true or false", "object": "a table"}
    text = kinds.get(node.get("type", ""), "text")
    if "x-unit" in node:
        text += f" of {node['x-unit']}"
    if "minimum" in node:
        text += f" from {node['minimum']} to {node['maximum']}"
    return text


def mismatch(path: KeyPath, value: object) -> Problem:
    """The value is not what the schema asks for."""
    node = node_at(path) or {}
    text = f"expected {expected(node)}, got {shown(value)}"
    return Problem(path, text + (near(value, node.get("enum", ())) if isinstance(value, str) else ""))


def unknown_key(path: KeyPath) -> Problem:
    """No such key in this table; it may be misspelt, or belong in another table."""
    *table, key = path
    siblings = list((node_at(tuple(table)) or {}).get("properties", ()))
    for *home, name in key_paths():
        if name == key:
            place = f"in {_header(tuple(home))}" if home else "at the top, before the first [table]"
            return Problem(path, f"unknown key; did you mean {key} {place}?")
    match = get_close_matches(str(key).lower(), siblings, 1)
    if match:
        return Problem(path, f"unknown key; did you mean {match[0]}?", meant=match[0])
    return Problem(path, f"unknown key; expected one of {', '.join(siblings)}")


def _header(table: KeyPath) -> str:
    """A table as its header is written: [load], [[tiers]]."""
    name = dotted(table)
    return f"[[{name}]]" if "items" in (node_at(table) or {}) else f"[{name}]"


def from_pydantic(error: ValidationError) -> list[Problem]:
    """pydantic's findings in our words."""
    problems = []
    for detail in error.errors(include_url=False, include_context=False):
        path: KeyPath = detail["loc"]
        if detail["type"] == "extra_forbidden":
            problems.append(unknown_key(path))
        elif detail["type"] == "missing":
            problems.append(Problem(path, f"missing; expected {expected(node_at(path) or {})}"))
        else:
            problems.append(mismatch(path, detail["input"]))
    meant = {(*problem.path[:-1], problem.meant) for problem in problems if problem.meant}
    return [problem for problem in problems if not (problem.path in meant and problem.text.startswith("missing"))]


def one_line(places: Sequence[tuple[str, Problem]]) -> ScenarioError:
    """The first problem, and how many more there are. Each place is `file:line: ` or `--set `."""
    place, first = places[0]
    more = f" (and {len(places) - 1} more)" if len(places) > 1 else ""
    return ScenarioError(f"{place}{dotted(first.path)}: {first.text}{more}")
