"""Timelines of claims: what is drawn, where words stand, and what several trials become."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from edgebench.report import svg
from edgebench.report.charts.claims.timelines import Plot, Scale, Series, Shade, View, series_of, timelines, typical
from edgebench.report.parts import Panel
from edgebench.report.timeplot import WORD_ROOM

AT_S = np.arange(0.5, 10.0)


def series(label: str, value: float | NDArray[np.float64], trials: int = 3) -> Series:
    return Series(label, AT_S, np.broadcast_to(value, (trials, len(AT_S))), "#0072b2")


def drawn(*views: View) -> tuple[Panel, ...]:
    with svg.drawing():
        return timelines(views)


def test_panels_share_time_and_axes_and_name_their_intervals() -> None:
    shades = (Shade(2, 4, "down"), Shade(5, 5, "deploy"))
    plots = [
        (Plot("latency, log scale", Scale.LATENCY, (series("with", 2.0),)), Plot("good", Scale.SHARE, ())),
        (Plot("latency, log scale", Scale.LATENCY, (series("with", 900.0),), ((50.0, "limit"),)),),
    ]
    one, other = drawn(*(View(f"v{place}", "nginx", "3 trials", each, shades) for place, each in enumerate(plots)))
    limits = [panel.figure.axes[0].get_ylim() for panel in (one, other)]
    assert limits[0] == limits[1] and limits[0][0] < 2 and limits[0][1] > 900
    assert {axes.get_xlim() for panel in (one, other) for axes in panel.figure.axes} == {(0.0, 10.0)}
    with svg.drawing():
        text = svg.inline(svg.render(other.figure), other.slug, other.title, "")
    assert all(word in text for word in (">down<", ">deploy<", ">with<", ">limit<"))


def test_words_keep_apart_and_inside() -> None:
    shades = tuple(Shade(8 + place / 2, 8.3 + place / 2, "flapping") for place in range(4))
    (panel,) = drawn(View("v", "t", "s", (Plot("p", Scale.SHARE, (series("a", 0.5),)),), shades))
    axes = panel.figure.axes[0]
    at = [text.xyann[0] for text in axes.texts if text.get_text() == "flapping"]  # type: ignore[attr-defined]
    assert len(at) == 4 and min(np.diff(at)) >= 8 * 6.4 * 0.9
    assert at[0] > 0 and at[-1] + 8 * 6.4 * 0.45 <= axes.get_window_extent().width
    top = axes.get_ylim()[1]
    assert (top - 1.03) / top == pytest.approx(WORD_ROOM, abs=0.03)  # where they are, no line can be


def test_a_series_is_the_median_of_its_trials_between_the_lowest_and_the_highest() -> None:
    values = np.array([[1.0, 2.0], [3.0, np.nan], [10.0, np.nan]])
    (panel,) = drawn(View("v", "t", "s", (Plot("p", Scale.COUNT, (Series("a", AT_S[:2], values, "#0072b2"),)),)))
    axes = panel.figure.axes[0]
    assert axes.lines[0].get_ydata().tolist() == [3.0, 2.0]  # type: ignore[union-attr]
    band = axes.collections[0].get_paths()[0].vertices
    assert {1.0, 10.0} <= set(np.asarray(band)[:, 1])


def test_nothing_to_draw_is_no_error() -> None:
    assert timelines([]) == ()
    empty = Series("a", AT_S, np.full((2, len(AT_S)), np.nan), "#0072b2")
    (panel,) = drawn(View("v", "t", "s", (Plot("p", Scale.LATENCY, (empty,)),)))
    assert not panel.figure.axes[0].lines


def test_from_a_table() -> None:
    table = pd.DataFrame({"repeat": [1, 1, 2], "at_s": [0.5, 1.5, 0.5], "p99_ms": [1.0, 2.0, 3.0]})
    found = series_of(table, "p99_ms", "a", "#0072b2")
    assert found.at_s.tolist() == [0.5, 1.5]
    assert np.array_equal(found.values, [[1.0, 2.0], [3.0, np.nan]], equal_nan=True)


def test_typical_intervals_are_medians_of_those_that_are_alike() -> None:
    trials = [[(1.0, 2.0, "down")], [(1.2, 2.4, "down")], [(1.1, 9.0, "down")], [(5.0, 6.0, "slow")]]
    assert typical(trials) == (Shade(1.1, 2.4, "down"),)
    assert typical([]) == () == typical([[]])
