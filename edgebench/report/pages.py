"""Templates of the pages, and words that several of them share."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

_HERE = Path(__file__).parent


@cache
def template(name: str) -> Template:
    """A page's template; one style sheet is in them all."""
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["css"] = Markup((_HERE / "style.css").read_text(encoding="utf-8"))
    return environment.get_template(name)


def date_words(started: str) -> str:
    """`2026-01-10 10:15 UTC`."""
    date, _, time = started.partition("T")
    return f"{date} {time[:5]} UTC" if time.endswith(("Z", "+00:00")) else started
