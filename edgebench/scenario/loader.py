"""A scenario file and its `--set` overrides, read and checked."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from edgebench.model import (
    LOOPBACK,
    Deploy,
    LinkSpec,
    Load,
    NetworkSpec,
    OriginSpec,
    Prices,
    Profile,
    Scenario,
    TierSpec,
    Variant,
)
from edgebench.scenario.arrivals import load_problems
from edgebench.scenario.document import OriginTable, ScenarioDocument, TierTable
from edgebench.scenario.faults import fault_problems, planned_faults
from edgebench.scenario.overlay import SHORT, short_form, short_problems, variant_problems
from edgebench.scenario.problems import (
    Problem,
    ScenarioError,
    dotted,
    expected,
    from_pydantic,
    key_paths,
    near,
    node_at,
    one_line,
    shown,
    unknown_key,
)
from edgebench.scenario.setups import NetworkTable, VariantTable
from edgebench.scenario.text import KeyPath, SyntaxProblem, key_lines, parse, parse_value


def load(
    path: Path,
    overrides: Sequence[str] = (),
    *,
    kinds: Collection[str],
    networks: Mapping[str, NetworkSpec] = MappingProxyType({}),
) -> Scenario:
    """The scenario of a file. `overrides` are `--set` texts such as `axes.ttl_s=[1, 60]`, or `profile=short` for the
    scenario's short form; `kinds` the known caches and `networks` the known networks.

    Raises ScenarioError.
    """
    source = _Source.read(path)
    if asked_short := [text for text in overrides if _asks_for_short(text)]:
        source.shorten()
    for override in overrides:
        if override not in asked_short:
            source.override(override)
    try:
        document = ScenarioDocument.model_validate(source.table)
    except ValidationError as error:
        raise source.error(from_pydantic(error)) from None
    problems = list(_cross_checks(document, path, {"direct", "url", *kinds}))
    problems += variant_problems(source.table, document)
    problems += short_problems(source.table)
    known = {**networks, **{name: _network(name, table) for name, table in document.networks.items()}}
    problems += _network_problems(document.axes.network, known)
    if problems:
        raise source.error(problems)
    return _scenario(document, path, known)


def _asks_for_short(override: str) -> bool:
    name, _, value = override.partition("=")
    return name.strip() == "profile" and value.strip().strip("\"'") == SHORT


def _network(name: str, table: NetworkTable) -> NetworkSpec:
    links = {link: LinkSpec(**found.model_dump()) for link, found in table if found is not None}
    return NetworkSpec(name, **links)


def _network_problems(names: Sequence[str], known: Mapping[str, NetworkSpec]) -> Iterator[Problem]:
    words = (LOOPBACK, *known)
    for name, count in Counter(names).items():
        if count > 1:
            yield Problem(("axes", "network"), f"expected each network once, got {name} more than once")
        if name not in words:
            text = f"expected one of {', '.join(words)} or one of [networks], got {shown(name)}{near(name, words)}"
            yield Problem(("axes", "network"), text)


def _scenario(document: ScenarioDocument, path: Path, networks: Mapping[str, NetworkSpec]) -> Scenario:
    return Scenario(
        name=document.name,
        question=document.question,
        locustfile=str(_find(document.locustfile, path)),
        load=Load(**document.load.model_dump() | {"replay": _replay(document.load.replay, path)}),
        tiers=tuple(_tier(tier, document.profile) for tier in document.tiers),
        ttl_s=tuple(document.axes.ttl_s),
        origin=_origin(document.origin),
        repeats=document.repeats,
        seed=document.seed,
        baseline=document.baseline,
        claim=document.claim,
        network=tuple(document.axes.network),
        networks=tuple(networks[name] for name in document.axes.network if name != LOOPBACK),
        variants=tuple(_variant(variant) for variant in document.variants),
        prices=None if document.prices is None else Prices(**document.prices.model_dump()),
        browser_loads=document.browser.loads,
    )


def _variant(table: VariantTable) -> Variant:
    deploy = None if table.deploy is None else Deploy(**table.deploy.model_dump())
    return Variant(table.name, tuple(table.tiers), table.env, _plain(table.load), _plain(table.tier), deploy)


def _plain(table: Mapping[str, Any]) -> dict[str, Any]:
    """Lists as tuples, as the model has them."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}


def _tier(tier: TierTable, profile: Profile) -> TierSpec:
    return TierSpec(
        tier.name, _kind(tier), tier.optional, tier.profile or profile, tier.url, tier.workers, tier.storage_mb,
        tier.tls, tuple(tier.compress), tier.edges, tier.shield, tier.bucket,
        tier.bucket_url,
    )  # fmt: skip


def _origin(origin: OriginTable) -> OriginSpec:
    return OriginSpec(**origin.model_dump() | {"faults": planned_faults(origin.faults)})


def _kind(tier: TierTable) -> str:
    return tier.kind or ("url" if tier.url else tier.name)


@dataclass
class _Source:
    """The document with its overrides, and where each key came from."""

    path: Path
    text: str
    table: dict[str, Any]
    overridden: set[KeyPath] = field(default_factory=set)

    @classmethod
    def read(cls, path: Path) -> _Source:
        text = _read_text(path)
        try:
            return cls(path, text, parse(text))
        except SyntaxProblem as problem:
            column = f":{problem.column}" if problem.column else ""
            line = text.split("\n")[problem.line - 1].strip()
            raise ScenarioError(
                f"{path}:{problem.line}{column}: not valid TOML: {problem.text}, in {shown(line)}"
            ) from None

    def shorten(self) -> None:
        """Lay the short form over the scenario, before what else is set."""
        if not self.table.get(SHORT):
            raise ScenarioError(f"--set profile=short: {self.path} has no [short] table; leave it out")
        self.table = short_form(self.table)
        del self.table[SHORT]

    def override(self, text: str) -> None:
        """Apply one `--set`."""
        name, equals, value_text = text.partition("=")
        path: KeyPath = tuple(part.strip() for part in name.split("."))
        if not equals or not all(path):
            raise ScenarioError(f"--set {shown(text)}: expected key=value, such as load.rate_rps=500")
        node = node_at(path)
        if node is None:
            raise ScenarioError(f"--set {dotted(path)}: {_unknown_override(path)}")
        try:
            value = parse_value(value_text, as_text=node.get("type") == "string")
        except SyntaxProblem:
            raise ScenarioError(f"--set {dotted(path)}: expected {expected(node)}, got {shown(value_text)}") from None
        table = self.table
        for part in path[:-1]:
            table = table.setdefault(str(part), {})
            if not isinstance(table, dict):
                return  # the file is wrong there, and validation says so
        table[str(path[-1])] = value
        self.overridden.add(path)

    def error(self, problems: Sequence[Problem]) -> ScenarioError:
        """One line of all problems: what the command line got wrong first, then in the order of the file."""
        lines = key_lines(self.text)

        def line(path: KeyPath) -> float:
            """Of the key, or of the table it is missing from."""
            if any(path[: len(given)] == given for given in self.overridden):
                return 0
            while path and path not in lines:
                path = path[:-1]
            return lines.get(path, math.inf)

        def place(at: float) -> str:
            return "--set " if at == 0 else f"{self.path}: " if math.isinf(at) else f"{self.path}:{at:.0f}: "

        return one_line(
            [(place(line(problem.path)), problem) for problem in sorted(problems, key=lambda p: line(p.path))]
        )


def _unknown_override(path: KeyPath) -> str:
    """`--set` names a key with its tables, so the near miss does too."""
    nodes = {dotted(other): node_at(other) for other in key_paths()}
    # Neither whole tables nor what is inside a list, which is set as a list.
    known = [name for name, node in nodes.items() if node and "properties" not in node]
    hint = near(dotted(path), known, "") or near(str(path[-1]), known, "")
    shortest = next(path[:end] for end in range(1, len(path) + 1) if node_at(path[:end]) is None)
    return f"unknown key; {hint}" if hint else unknown_key(shortest).text


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ScenarioError(
            f"{path}:{line}: expected UTF-8 text, got the byte 0x{error.object[error.start]:02x}"
        ) from None
    except IsADirectoryError:
        raise ScenarioError(f"{path}: expected a scenario file, got a folder{_existing(path)}") from None
    except (FileNotFoundError, NotADirectoryError):
        raise ScenarioError(f"{path}: no such file{_existing(path.parent, path.stem)}") from None
    except (OSError, ValueError) as error:  # no permission; a name too long, or with a NUL in it
        reason = error.strerror if isinstance(error, OSError) else error
        raise ScenarioError(f"{str(path)!r}: cannot be read: {reason}") from None


def _existing(folder: Path, wanted: str = "") -> str:
    """The scenarios of a folder (or of its scenarios/), the one that was probably meant first."""
    inner = folder / "scenarios"
    folder = inner if inner.is_dir() else folder
    files = {path.stem: path for path in sorted(folder.glob("*.toml"))}
    if not files:
        return "; expected a scenario file, such as scenarios/quick.toml"
    meant = get_close_matches(wanted.lower(), files, 1)
    names = ", ".join(path.name for path in files.values())
    return f"; did you mean {files[meant[0]]}? (all: {names})" if meant else f"; {folder} has {names}"


def _find(locustfile: str, scenario: Path) -> Path | None:
    """From the current directory, or else from the folder that holds the scenario's folder."""
    return _first_file(Path(locustfile), scenario.parent.parent / locustfile)


def _replay(file: str | None, scenario: Path) -> str | None:
    """From the scenario's folder, or else from the current directory."""
    found = _first_file(scenario.parent / file, Path(file)) if file else None
    return None if found is None else str(found)


def _first_file(*paths: Path) -> Path | None:
    for path in paths:
        try:
            if path.is_file():
                return path
        except OSError:  # a name too long
            continue
    return None


def _cross_checks(document: ScenarioDocument, path: Path, kinds: Collection[str]) -> Iterator[Problem]:
    """What no single key can tell."""
    if _find(document.locustfile, path) is None:
        folder = Path(document.locustfile).parent
        roots = (Path(), path.parent.parent)
        names = sorted({str(folder / file.name) for root in roots for file in (root / folder).glob("*.py")})
        hint = near(document.locustfile, names)
        yield Problem(("locustfile",), f"expected a file that exists, got {shown(document.locustfile)}{hint}")
    yield from load_problems(document.load, _replay(document.load.replay, path) is not None)
    for ttl_s, count in Counter(document.axes.ttl_s).items():
        if count > 1:
            yield Problem(("axes", "ttl_s"), f"expected each TTL once, got {ttl_s} more than once")
    yield from _tier_checks(document, kinds)
    yield from _environment_checks(document.origin.env)
    yield from fault_problems(document.origin.faults, document.load.measure_s)


def _tier_checks(document: ScenarioDocument, kinds: Collection[str]) -> Iterator[Problem]:
    names: list[str] = []
    for index, tier in enumerate(document.tiers):
        kind = _kind(tier)
        if kind == "url" and not tier.url:
            yield Problem(("tiers", index, "url"), "expected the address of your own proxy, got none")
        if kind == "url" and document.origin.port is None:
            yield Problem(("origin",), f"expected a port, to which {shown(tier.url)} leads, got none")
        if tier.url and kind != "url":
            yield Problem(("tiers", index, "kind"), f"expected url for a tier with an url, got {shown(kind)}")
        if kind not in kinds:
            known = ", ".join(sorted(kinds))
            what = "kind" if tier.kind else "name"
            beside = "" if tier.kind else " (or any name, with one of these as its kind)"
            text = f"expected one of {known}{beside}, got {shown(kind)}{near(kind, sorted(kinds))}"
            yield Problem(("tiers", index, what), text)
        if tier.name in names:
            yield Problem(("tiers", index, "name"), f"expected each name once, got {shown(tier.name)} again")
        names.append(tier.name)
    if document.baseline not in names:
        hint = near(document.baseline, names)
        text = f"expected the name of a tier ({', '.join(names)}), got {shown(document.baseline)}{hint}"
        yield Problem(("baseline",), text)


def _environment_checks(env: dict[str, str]) -> Iterator[Problem]:
    for name, value in env.items():
        path: KeyPath = ("origin", "env", name)
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            yield Problem(path, f"expected a variable's name of letters, digits and _, got {shown(name)}")
        # Other braces are the app's business (JSON, its own templates), but {ttl} would silently stay as it is.
        for hole in re.findall(r"\{([A-Za-z_]+)\}", value):
            if "ttl" in hole.lower() and hole != "ttl_s":
                yield Problem(path, f"expected {{ttl_s}} for the cell's TTL, got {shown(value)}")
