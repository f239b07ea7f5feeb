"""Latencies and page loads of one trial in an emulated network, and Chromium's beside them. claims.geo says what each
is."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pandas as pd

from edgebench.analysis.page_views import compared, page_views
from edgebench.analysis.percentiles import percentiles_ms
from edgebench.analysis.results import CellResult, TrialResult
from edgebench.analysis.tables import frame
from edgebench.analysis.weighing import place_of
from edgebench.model import Outcome, Phase
from edgebench.store import RunFolder
from edgebench.views import Visitor

LEAST_VIEWS = 3
"""Fewer page views in a trial have no mean."""


def figures(trial: TrialResult) -> dict[str, float]:
    """The columns of the table `trials`."""
    samples = trial.samples
    api = (
        (samples["phase"] == Phase.MEASURE.value)
        & (samples["outcome"] != Outcome.ERROR.value)
        & samples["endpoint"].astype("object").fillna("").str.startswith("/api/")
    )
    points = percentiles_ms(samples["latency_ns"][api].to_numpy(), "api", ("p50", "p90", "p99"))
    found = {name: math.nan if value is None else value for name, value in points.items()}
    views = page_views(samples)
    views = views[(views["phase"] == Phase.MEASURE.value) & views["load_ms"].notna()]
    for visitor in Visitor:
        mine = views.loc[views["visitor"] == visitor.value, "load_ms"]
        found[f"{visitor.value}_ms"] = float(mine.mean()) if len(mine) >= LEAST_VIEWS else math.nan
        found[f"{visitor.value}_views"] = float(len(mine))
    return found


def beside_a_browser(folder: RunFolder, cells: Iterable[CellResult]) -> pd.DataFrame:
    """The table `browser`: views and loads of all trials of each cell, side by side."""
    tables = []
    for cell in cells:
        trials = cell.trials
        loads = [frame(folder.trial(trial.record.trial).read_table("browser")) for trial in trials]
        loads = [each for each in loads if len(each)]
        if not loads:
            continue
        views = pd.concat([page_views(trial.samples) for trial in trials], ignore_index=True)
        measured = views[views["phase"] == Phase.MEASURE.value]
        sides = compared(measured, pd.concat(loads, ignore_index=True))
        place = place_of(cell, trials[0])
        tables.append(sides.assign(**{name: place[name] for name in ("tier", "network", "variant")}))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
