"""Imports point one way: measure and explain meet only in the model and the store."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
LEAVES = {"errors", "principal", "views", ""}  # importable by all; "" is the package itself (its version)
ALLOWED = {
    "model": set(),
    "store": {"model"},
    "scenario": {"model"},
    "origin": {"model", "store"},
    "tiers": {"model"},
    "network": {"model"},
    "load": {"model", "store"},
    "runner": {"model", "store", "scenario", "origin", "tiers", "network", "load"},
    "analysis": {"model", "store"},
    "report": {"model", "store", "analysis"},
    "errors": set(),
    "__main__": {"cli"},
    "cli": {"model", "store", "scenario", "origin", "tiers", "network", "load", "runner", "analysis", "report"},
}  # type: dict[str, set[str]]


def imported_modules(source: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{source}: relative import"
            assert node.module is not None
            yield node.module
            if node.module == "edgebench":
                yield from (f"edgebench.{alias.name}" for alias in node.names)


def room(module: str) -> str:
    """The part of edgebench a module belongs to: `edgebench.tiers.nginx` -> `tiers`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def test_every_import_of_edgebench_follows_the_arrows() -> None:
    rooms_seen = set()
    for source in sorted((ROOT / "edgebench").rglob("*.py")):
        module = ".".join(source.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        here = room(module)
        rooms_seen.add(here)
        for name in imported_modules(source):
            if name.split(".")[0] != "edgebench":
                continue
            there = room(name)
            if there not in ALLOWED and there not in LEAVES:
                continue  # a name, not a module: from edgebench import __version__
            assert there in ALLOWED.get(here, set()) | LEAVES | {here}, f"{module} imports {name}"
    assert rooms_seen >= {"model", "store", "origin", "tiers", "runner", "cli"}


def test_the_target_app_knows_nothing_of_being_measured() -> None:
    for source in sorted((ROOT / "target_app").rglob("*.py")):
        assert not [name for name in imported_modules(source) if name.split(".")[0] in ("edgebench", "locust")]
        assert "edgebench" not in source.read_text().lower()
