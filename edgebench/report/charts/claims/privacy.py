"""Who got answers that were made for somebody else: a row per cache and profile, a panel per variant of the app."""

from __future__ import annotations

import pandas as pd

from edgebench.analysis.claims import Judged
from edgebench.analysis.claims.privacy import FORGETS
from edgebench.analysis.weighing import records
from edgebench.report import format as fmt
from edgebench.report.charts.claims.tradeoff import Row, known, row_panel
from edgebench.report.palette import TierStyle
from edgebench.report.parts import Chart, Panel, Table

_BAD, _GOOD = "#d55e00", "#009e73"


def draw(judged: Judged) -> list[Chart]:
    cells = judged.tables.get("cells")
    if cells is None or cells.empty:
        return []
    variants = list(dict.fromkeys(cells["variant"]))
    return [
        Chart(
            "privacy",
            _title(cells),
            "Share of the private answers that reached somebody else than the user they were made for, by the origin's "
            "ledger and the stamp on each answer; warm-up included. Right: how many, of how many. "
            f"Bar = 95 % interval from {cells['trials'].max()} trials.",
            tuple(_panel(cells[cells["variant"] == variant], variant) for variant in variants),
            _table(cells),
        )
    ]


def _title(cells: pd.DataFrame) -> str:
    away = cells[cells["leaks"] > 0]
    if away.empty:
        return "No cache gave anybody’s private answer to somebody else"
    if (away["variant"] != FORGETS).any() and len(set(cells["variant"])) > 1:
        return "Even answers marked private reached others"
    shipped = away[away["profile"] == "default"]
    if len(shipped):
        names = " and ".join(dict.fromkeys(shipped["kind"]))
        return f"An app that forgets private gives users’ answers away through {names} as shipped"
    return f"An app that forgets private gives users’ answers away through {' and '.join(away['tier'])}"


def _panel(cells: pd.DataFrame, variant: str) -> Panel:
    title = {FORGETS: "The app forgets to say private", "": "As the app says it"}.get(
        variant, f"The app says {variant}"
    )
    rows = [
        Row(
            f"{row.kind}, {row.profile}",
            known(row.share),
            f"{row.leaks:,} of {row.checked:,}",
            _style(row.leaks > 0),
            known(row.low),
            known(row.high),
        )
        for row in records(cells)
    ]
    return row_panel(
        f"privacy-{fmt.slug(variant or 'app')}",
        title,
        "diamond: given away · dot: kept apart",
        "private answers that somebody else received",
        "given away",
        rows,
        percent=True,
    )


def _style(bad: bool) -> TierStyle:
    return TierStyle(_BAD, "D", ()) if bad else TierStyle(_GOOD, "o", ())


def _table(cells: pd.DataFrame) -> Table:
    rows = tuple(
        (
            str(row.kind),
            str(row.profile),
            str(row.variant or "as it is"),
            f"{row.leaks:,}",
            f"{row.checked:,}",
            f"{row.stored:,}",
            row.example or fmt.MISSING,
        )
        for row in records(cells)
    )
    wrong = frozenset((at, 3) for at, leaks in enumerate(cells["leaks"]) if leaks)
    return Table(
        "Private answers",
        ("Cache", "Profile", "App", "To others", "Checked", "Stored for their own", "Such as"),
        rows,
        wrong,
    )
