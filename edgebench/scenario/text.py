"""TOML as text: parsed, the line of each key found, one `--set` value read, and a scenario written back.

tomllib tells no positions. A prefix of whole lines parses exactly when its last statement is complete, so the same
parser, fed line by line, cuts the text into statements and so finds the line of each.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from edgebench.model import Scenario

KeyPath = tuple[str | int, ...]
"""Where in the document: ("tiers", 1, "name")."""


class SyntaxProblem(Exception):
    """Not TOML: line and column (0: unknown) counted from 1, and what the parser says."""

    def __init__(self, line: int, column: int, text: str) -> None:
        super().__init__(text)
        self.line, self.column, self.text = line, column, text


def _parse(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def parse(text: str) -> dict[str, Any]:
    """The document, or SyntaxProblem."""
    try:
        return _parse(text)
    except ValueError as error:  # TOMLDecodeError is one, and so is a number of 5000 digits
        message = str(error)
    position = re.search(r" \(at line (\d+), column (\d+)\)$", message)
    if position:
        line, column = int(position[1]), int(position[2])
    else:  # at the end of the document: where the statement begins that has no end helps more
        line, column = _unfinished_line(text), 0
    reason = re.sub(r" \(at .*\)$", "", message)
    raise SyntaxProblem(line, column, reason[:1].lower() + reason[1:])


def _statements(text: str) -> Iterator[tuple[int, str, dict[str, Any] | None]]:
    """Line, text and value of each statement; None for what is not complete at the end."""
    start, pending = 1, ""
    for number, line in enumerate(text.split("\n"), start=1):
        pending += line + "\n"
        try:
            value = _parse(pending)
        except ValueError:
            continue
        yield start, pending, value
        start, pending = number + 1, ""
    if pending:
        yield start, pending, None


def _unfinished_line(text: str) -> int:
    return next((line for line, _, value in _statements(text) if value is None), text.count("\n") + 1)


def _inner_paths(value: Any, depth: int = 4) -> Iterator[KeyPath]:
    """Keys inside a value, as deep as a scenario has any: a hostile file nests deeper than Python recurses."""
    if depth == 0:
        return
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in items:
        yield (key,)
        yield from ((key, *path) for path in _inner_paths(child, depth - 1))


def _header_path(header: dict[str, Any], counts: dict[KeyPath, int]) -> KeyPath:
    """[load] -> ("load",); the second [[tiers]] -> ("tiers", 1)."""
    path: KeyPath = ()
    while header:
        key, value = next(iter(header.items()))
        path += (key,)
        if isinstance(value, list):
            counts[path] = counts.get(path, 0) + 1
            value = value[0]
        if path in counts:
            path += (counts[path] - 1,)
        header = value
    return path


def key_lines(text: str) -> dict[KeyPath, int]:
    """The line each key of a valid document stands on (that of its statement, for what is inside a value)."""
    lines: dict[KeyPath, int] = {}
    counts: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for line, statement, value in _statements(text):
        if not value:
            continue
        if statement.lstrip().startswith("["):
            table = _header_path(value, counts)
            found = [table[: n + 1] for n in range(len(table))]
        else:
            found = [(*table, *path) for path in _inner_paths(value)]
        for path in found:
            lines.setdefault(path, line)
    return lines


def parse_value(text: str, as_text: bool) -> Any:
    """The value of one `--set key=value`: TOML, or else a bare word. `as_text`: text is wanted, 8080 is "8080".

    Raises SyntaxProblem where it is neither.
    """
    text = text.strip()
    quoted = text[:1] in ("'", '"')
    if as_text and text and not quoted:
        return text
    try:
        table = _parse(f"value = {text}\n")
    except ValueError:
        if not text or quoted or text[0] in "[{":
            raise SyntaxProblem(1, 0, "not a TOML value") from None
        return text
    return table["value"] if table.keys() == {"value"} else text


def _toml_value(value: Any) -> str:
    if isinstance(value, Mapping):
        items = [f"{json.dumps(key)} = {_toml_value(item)}" for key, item in value.items() if item is not None]
        return "{ " + ", ".join(items) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    # JSON's texts, numbers, true and false are TOML's, but for one character
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _toml_lines(table: Mapping[str, Any]) -> Iterator[str]:
    return (f"{key} = {_toml_value(value)}" for key, value in table.items() if value is not None)


def to_toml(scenario: Scenario) -> str:
    """The scenario as a file that loads as the same scenario: `--set` and defaults are written out."""
    top = asdict(scenario)
    load, origin, tiers = top.pop("load"), top.pop("origin"), top.pop("tiers")
    axes = {"ttl_s": top.pop("ttl_s"), "network": top.pop("network")}
    networks, variants, prices = top.pop("networks"), top.pop("variants"), top.pop("prices")
    browser = {"loads": top.pop("browser_loads")}
    blocks = [("", top), ("[load]\n", load), ("[origin]\n", origin), ("[browser]\n", browser)]
    blocks += [("[[tiers]]\n", tier) for tier in tiers]
    blocks += [(f"[networks.{network.pop('name')}]\n", network) for network in networks]
    blocks += [("[[variants]]\n", variant) for variant in variants]
    blocks += [("[prices]\n", prices)] if prices else []
    return "\n".join(head + "\n".join(_toml_lines(table)) + "\n" for head, table in [*blocks, ("[axes]\n", axes)])
