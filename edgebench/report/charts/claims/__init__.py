"""Charts of claims: a module per claim with `draw(judged) -> list[Chart]`, named as in analysis.claims."""

from __future__ import annotations

import importlib
import importlib.util

from edgebench.analysis.claims import Judged
from edgebench.report.parts import Chart


def charts_of(name: str, judged: Judged) -> list[Chart]:
    """The charts of a claim; none where there is no module of this name."""
    module = f"{__name__}.{name}"
    if not name.isidentifier() or importlib.util.find_spec(module) is None:
        return []
    charts: list[Chart] = importlib.import_module(module).draw(judged)
    return charts
